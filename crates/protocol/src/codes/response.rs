use std::fmt;

/// How a request went.
///
/// A number with names rather than an enumeration: the answer of a client that is relayed to a tool may carry any.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseCode(
    /// The number in the header.
    pub i32,
);

macro_rules! response_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        impl ResponseCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)+

            /// RocketMQ's name for the code, if it has one.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)+
                    _ => None,
                }
            }
        }
    };
}

response_codes! {
    /// Done.
    SUCCESS = 0,
    /// Failed; the remark says why. The code of every error that has none of its own.
    SYSTEM_ERROR = 1,
    /// Overloaded: try again later. 5.x clients retry a send elsewhere, 4.9 gives up.
    SYSTEM_BUSY = 2,
    /// Nobody serves this request code.
    REQUEST_CODE_NOT_SUPPORTED = 3,
    /// Defined, but sent by nobody.
    TRANSACTION_FAILED = 4,
    /// Stored, but the disk did not confirm in time. Clients take it for sent.
    FLUSH_DISK_TIMEOUT = 10,
    /// Stored, but there is no replica. Clients take it for sent.
    SLAVE_NOT_AVAILABLE = 11,
    /// Stored, but no replica confirmed in time. Clients take it for sent.
    FLUSH_SLAVE_TIMEOUT = 12,
    /// The message breaks a rule: no body, or something too large. Not retried.
    MESSAGE_ILLEGAL = 13,
    /// Not now, for a reason that lasts: a full disk, a stopping broker. Clients try another broker.
    SERVICE_NOT_AVAILABLE = 14,
    /// The client is too old.
    VERSION_NOT_SUPPORTED = 15,
    /// Topic, group or user may not do this.
    NO_PERMISSION = 16,
    /// There is no such topic. Clients then ask for the route of TBW102.
    TOPIC_NOT_EXIST = 17,
    /// There is such a topic already.
    TOPIC_EXIST_ALREADY = 18,
    /// Pull: the offset is the end of the queue.
    PULL_NOT_FOUND = 19,
    /// Pull: messages there were, but none that match; the client pulls on at once.
    PULL_RETRY_IMMEDIATELY = 20,
    /// Pull: the offset is outside the queue. The client gives the queue up for 10 s: for truly wrong offsets only.
    PULL_OFFSET_MOVED = 21,
    /// Nothing was found. As the answer to a consumer offset: begin as `consumeFromWhere` says.
    QUERY_NOT_FOUND = 22,
    /// The filter expression cannot be parsed.
    SUBSCRIPTION_PARSE_FAILED = 23,
    /// The group or its subscription is not known.
    SUBSCRIPTION_NOT_EXIST = 24,
    /// The broker knows an older subscription than the client.
    SUBSCRIPTION_NOT_LATEST = 25,
    /// There is no such consumer group.
    SUBSCRIPTION_GROUP_NOT_EXIST = 26,
    /// Filter data is missing.
    FILTER_DATA_NOT_EXIST = 27,
    /// Filter data is older than the client's.
    FILTER_DATA_NOT_LATEST = 28,
    /// A field or name is not acceptable. Not retried.
    INVALID_PARAMETER = 29,
    /// Defined, but sent by nobody.
    TRANSACTION_SHOULD_COMMIT = 200,
    /// Defined, but sent by nobody.
    TRANSACTION_SHOULD_ROLLBACK = 201,
    /// Defined, but sent by nobody.
    TRANSACTION_STATE_UNKNOW = 202,
    /// Defined, but sent by nobody.
    TRANSACTION_STATE_GROUP_WRONG = 203,
    /// The message has no buyer id.
    NO_BUYER_ID = 204,
    /// The message belongs to another unit.
    NOT_IN_CURRENT_UNIT = 205,
    /// No member of the consumer group is connected.
    CONSUMER_NOT_ONLINE = 206,
    /// A consumer did not finish in time.
    CONSUME_MSG_TIMEOUT = 207,
    /// There is no message.
    NO_MESSAGE = 208,
    /// Pop: too many requests wait already.
    POLLING_FULL = 209,
    /// Pop: nothing came while waiting.
    POLLING_TIMEOUT = 210,
    /// There is no such broker.
    BROKER_NOT_EXIST = 211,
    /// The broker has not dispatched all of its log.
    BROKER_DISPATCH_NOT_COMPLETE = 212,
    /// The group consumes by broadcast.
    BROADCAST_CONSUMPTION = 213,
    /// Slow down: 5.x clients wait 20 ms, 4.9 takes it for an error.
    FLOW_CONTROL = 215,
    /// Static topics: another broker has the queue.
    NOT_LEADER_FOR_QUEUE = 501,
    /// Not in this state: the opposite of a decision that was made.
    ILLEGAL_OPERATION = 604,
    /// Reconnect elsewhere; only clients above version 475 understand it.
    GO_AWAY = 1500,
    /// There is no such user.
    USER_NOT_EXIST = 3001,
    /// There is no such policy.
    POLICY_NOT_EXIST = 3002,
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "response code {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_print_with_their_names_and_unknown_ones_as_numbers() {
        assert_eq!(ResponseCode(17).to_string(), "TOPIC_NOT_EXIST (17)");
        assert_eq!(ResponseCode(9999).to_string(), "response code 9999");
        assert_eq!(ResponseCode(9999).name(), None);
    }
}
