use message::batch::Batch;
use message::entry::TopicConfig;
use message::{CommitLogOffset, QueueOffset};

use super::{Answer, ReadRequest, Reply, SessionId, Ticket};

/// Names a push until its door says whether it was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PushId(pub u64);

/// Something for the world outside to do.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Answer(Reply, Answer),
    /// Tell a client something it did not ask for, and say [`Sent`](super::Input::Sent) afterwards.
    Push(PushId, SessionId, Push),
    /// Read something, and say [`ReadDone`](super::Input::ReadDone) afterwards.
    Read(Ticket, ReadRequest),
    /// A topic was created or changed: routes follow.
    TopicChanged(TopicConfig),
    /// A topic is gone: routes follow.
    TopicGone(String),
    /// A key of the name server's configuration changed.
    KeyValueChanged {
        /// Namespace.
        namespace: String,
        /// Key.
        key: String,
        /// Value; `None` when it is gone.
        value: Option<String>,
    },
    /// Something an operator should know.
    Warn(String),
    /// The log holds something that cannot be applied: stop, or the state is not what the log says.
    Fatal(String),
}

/// What a client is told without having asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Push {
    /// What became of this local transaction?
    Check(CheckPush),
    /// The members of a consumer group changed.
    GroupChanged {
        /// Consumer group.
        group: String,
    },
    /// A reply to a request that this client sent as a message (request-reply).
    Reply {
        /// The reply as a record; its properties name the request.
        record: Vec<u8>,
        /// Producer group that sent the reply.
        group: String,
    },
    /// Offsets were reset.
    ResetOffset {
        /// Consumer group.
        group: String,
        /// Topic.
        topic: String,
        /// The time that was asked for.
        time: i64,
        /// Queue and its offset now.
        offsets: Vec<(u32, QueueOffset)>,
    },
}

/// A question about a half.
#[derive(Clone, PartialEq, Debug)]
pub struct CheckPush {
    /// Position of the half in the log.
    pub half: CommitLogOffset,
    /// Position among all halves.
    pub sequence: QueueOffset,
    /// Unique id.
    pub unique_key: String,
    /// The record, with the properties a producer expects in a check.
    pub record: Vec<u8>,
}

/// What one or more inputs led to, in order. Reused from turn to turn.
#[derive(Debug, Default)]
pub struct Outputs {
    /// What is proposed to the log.
    pub batch: Batch,
    /// Whether somebody waits for the batch: if not, it need not be synced at once.
    pub urgent: bool,
    /// Everything else.
    pub list: Vec<Output>,
}

impl Outputs {
    /// Empty outputs.
    pub fn new() -> Self {
        Self::default()
    }
}
