use thiserror::Error;

/// Why a request was refused, one variant per thing the client can do about it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Refusal {
    /// The message breaks a rule of the protocol: change it.
    #[error("{0}")]
    MessageIllegal(String),
    /// A parameter of the request breaks a rule: change it.
    #[error("{0}")]
    InvalidParameter(String),
    /// Create the topic, or fix its name.
    #[error("topic {0:?} does not exist; create it with `tandem topics create`, or allow topics.auto_create")]
    TopicNotFound(String),
    /// Create the group, or fix its name.
    #[error(
        "consumer group {0:?} does not exist: it begins with its first heartbeat or pull if groups.auto_create allows it, or create it first"
    )]
    GroupNotFound(String),
    /// Not allowed for this topic or group.
    #[error("{0}")]
    NoPermission(String),
    /// Nobody of the group is connected.
    #[error("no member of group {0:?} is connected")]
    NotOnline(String),
    /// The group subscribes to something else.
    #[error("{0}")]
    SubscriptionMissing(String),
    /// An offset that cannot be: begin at this one.
    #[error("{0}")]
    SubscriptionIllegal(String),
    /// Send again, a little later.
    #[error("{0}")]
    Busy(String),
    /// Send to another broker: this one needs its operator.
    #[error("{0}")]
    Unavailable(String),
    /// No such message or transaction.
    #[error("{0}")]
    NotFound(String),
    /// A decision that contradicts the one there is.
    #[error("{0}")]
    Conflict(String),
    /// What is asked for is not supported.
    #[error("{0}")]
    NotSupported(String),
    /// Anything else: the text says what.
    #[error("{0}")]
    Failed(String),
}
