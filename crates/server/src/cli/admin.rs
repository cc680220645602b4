//! What is asked of a running broker, and how that may fail.

use remoting::own::Overview;

use super::exit::Exit;
use super::model::{
    GroupDetail, GroupRow, MessageDetail, Resolve, TopicDeleted, TopicDetail, TopicRow, TransactionDetail,
    TransactionPage, TransactionQuery, Watched,
};

/// A running broker, as operators see it.
pub trait Admin {
    /// All topics, in the order of their names.
    fn topics(&mut self) -> Result<Vec<TopicRow>, AdminError>;
    /// One topic.
    fn topic(&mut self, name: &str) -> Result<TopicDetail, AdminError>;
    /// Creates a topic with so many queues. One that exists is refused.
    fn create_topic(&mut self, name: &str, queues: u32) -> Result<(), AdminError>;
    /// Deletes a topic. One with undecided transactions is refused, unless `force` has them set aside.
    fn delete_topic(&mut self, name: &str, force: bool) -> Result<TopicDeleted, AdminError>;
    /// All consumer groups, in the order of their names.
    fn groups(&mut self) -> Result<Vec<GroupRow>, AdminError>;
    /// One consumer group.
    fn group(&mut self, name: &str) -> Result<GroupDetail, AdminError>;
    /// Deletes a consumer group and its offsets.
    fn delete_group(&mut self, name: &str) -> Result<(), AdminError>;
    /// One page of the transactions that nobody has decided.
    fn transactions(&mut self, query: &TransactionQuery) -> Result<TransactionPage, AdminError>;
    /// One transaction, decided or not, by its transaction id or offset id.
    fn transaction(&mut self, id: &str) -> Result<TransactionDetail, AdminError>;
    /// Decides or resumes a transaction. What has been decided otherwise meanwhile is refused.
    fn resolve(&mut self, order: &Resolve) -> Result<(), AdminError>;
    /// What happened to transactions since `from`, the [`Watched::next`] of the answer before; without it, watching begins.
    fn watch(&mut self, from: Option<u64>) -> Result<Watched, AdminError>;
    /// What each topic and group has counted.
    fn overview(&mut self) -> Result<Overview, AdminError>;
    /// Brokers that the name server there sends clients to: name and address, the masters.
    fn brokers(&mut self) -> Result<Vec<(String, String)>, AdminError>;
    /// One visible message, by its offset id, or by its message id in `topic`.
    fn message(&mut self, id: &str, topic: Option<&str>) -> Result<MessageDetail, AdminError>;
}

/// Why a broker could not be asked, or did not do it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens there, or it cannot be reached.
    #[error("no broker answers at {addr} ({reason}); start one with `tandem serve`, or name its address with --addr")]
    Unreachable {
        /// Where it was looked for.
        addr: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody listens there but does not answer.
    #[error(
        "the broker at {addr} did not answer within {seconds} s; it may be overloaded: look at its log, or try again"
    )]
    Silent {
        /// Where it was asked.
        addr: String,
        /// How long was waited.
        seconds: u64,
    },
    /// What answers there is no Tandem, or of another version.
    #[error("what answers at {addr} is not understood: {what}; is it a broker's address, and of this version?")]
    Malformed {
        /// Where it was asked.
        addr: String,
        /// What cannot be read.
        what: String,
    },
    /// The broker does not know this request: it is another product, or older.
    #[error("the broker at {addr} does not support this ({what}); it takes a Tandem of at least this version")]
    Unsupported {
        /// Where it was asked.
        addr: String,
        /// What it does not support.
        what: String,
    },
    /// There is no such thing.
    #[error("{kind} {name:?} does not exist; {}", kind.advice())]
    NotFound {
        /// What sort of thing.
        kind: Thing,
        /// How it was called.
        name: String,
    },
    /// Several things are called so.
    #[error("{kind} {name:?} is not the only one of this id; use one of the offset ids {}", candidates.join(", "))]
    Ambiguous {
        /// What sort of thing.
        kind: Thing,
        /// How it was called.
        name: String,
        /// Ids that are without doubt.
        candidates: Vec<String>,
    },
    /// The broker says no.
    #[error("the broker refuses: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
}

/// What can be asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thing {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// A transaction.
    Transaction,
    /// A message.
    Message,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Thing::Topic => "topic",
            Thing::Group => "group",
            Thing::Transaction => "transaction",
            Thing::Message => "message",
        })
    }
}

impl Thing {
    fn advice(self) -> &'static str {
        match self {
            Thing::Topic => "`tandem topics list --all` lists those that do",
            Thing::Group => "`tandem groups` lists those that do",
            Thing::Transaction => {
                "`tandem transactions` lists the undecided ones; a decided one can be shown for as long as its record is \
                 kept (retention.age)"
            }
            Thing::Message => {
                "a message id needs its topic (--topic), and a message can be shown for as long as it is kept \
                 (retention.age)"
            }
        }
    }
}

impl AdminError {
    /// Exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            AdminError::Unreachable { .. } | AdminError::Silent { .. } => Exit::Unreachable,
            AdminError::NotFound { .. } => Exit::NotFound,
            AdminError::Malformed { .. }
            | AdminError::Unsupported { .. }
            | AdminError::Ambiguous { .. }
            | AdminError::Refused { .. } => Exit::Failed,
        }
    }

    /// One word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            AdminError::Unreachable { .. } => "unreachable",
            AdminError::Silent { .. } => "silent",
            AdminError::Malformed { .. } => "malformed",
            AdminError::Unsupported { .. } => "unsupported",
            AdminError::NotFound { .. } => "not-found",
            AdminError::Ambiguous { .. } => "ambiguous",
            AdminError::Refused { .. } => "refused",
        }
    }
}
