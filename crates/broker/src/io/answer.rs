use std::net::SocketAddr;
use std::sync::Arc;

use message::entry::{CheckOutcome, DecidedBy, Outcome};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use super::{Pulled, QueueRange, SessionId, Subscription};
use crate::refusal;

pub use refusal::Refusal;

/// What a client is told.
#[derive(Debug)]
pub enum Answer {
    /// It is done, and there is nothing to say about it.
    Done,
    /// It is not done, and why.
    Refused(Refusal),
    /// A message is stored.
    Sent(Sent),
    /// Messages of one request are stored.
    SentBatch {
        /// What the first one is told; the others follow at consecutive offsets.
        first: Sent,
        /// Where each record lies.
        records: Vec<CommitLogOffset>,
    },
    /// A decision was applied, now or before.
    Settled(Settled),
    /// Messages of a queue, or word that there are none.
    Pulled(Pulled),
    /// An offset.
    Offset(QueueOffset),
    /// The group has no offset there.
    NoOffset,
    /// Bounds of one queue.
    Bounds(QueueRange),
    /// Client ids.
    Clients(Vec<Arc<str>>),
    /// The queues that are locked now.
    Locked(Vec<(String, u32)>),
    /// Records, one behind the other.
    Found(Found),
    /// Bounds of all queues of a topic.
    TopicStats(Vec<QueueStat>),
    /// Where a group stands.
    ConsumeStats(Vec<ConsumeStat>),
    /// Offsets that were reset.
    Reset(Vec<Reset>),
    /// Undecided transactions.
    Transactions {
        /// One each.
        rows: Vec<TransactionStatus>,
        /// How many there are in all, those set aside included.
        total: u64,
        /// How many of them are set aside.
        set_aside: u64,
        /// Where the list goes on, if it does: after this. A list can go on although it is empty so far.
        next: Option<CommitLogOffset>,
    },
    /// What happened to transactions lately.
    Watched {
        /// In the order in which it happened.
        events: Vec<TransactionEvent>,
        /// Number to go on from.
        next: u64,
        /// Events that are told no more: whoever asks came too late for them. At least so many.
        missed: u64,
    },
    /// One transaction.
    Transaction(Box<TransactionStatus>),
}

/// A message is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Queue.
    pub queue: u32,
    /// Position in its queue; for a half its position among all halves.
    pub queue_offset: QueueOffset,
    /// Where it lies: part of the offset id.
    pub at: CommitLogOffset,
    /// The unique id.
    pub unique_key: String,
}

/// Whether a decision was new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// It counts.
    Decided,
    /// The same decision was there before.
    Repeated,
    /// There is no decision yet, and none was brought.
    Undecided,
}

/// Records that were looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// One behind the other, as they are delivered.
    pub records: Vec<u8>,
    /// When the newest message of the store became visible.
    pub last_time: Timestamp,
    /// Where the log ends.
    pub log_end: CommitLogOffset,
}

/// A queue and its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueStat {
    /// Queue.
    pub queue: u32,
    /// Bounds.
    pub range: QueueRange,
}

/// Where a group stands in a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumeStat {
    /// Topic.
    pub topic: Arc<str>,
    /// Queue.
    pub queue: u32,
    /// Bounds of the queue.
    pub range: QueueRange,
    /// Next offset the group consumes, `None` if it stored none.
    pub consumed: Option<QueueOffset>,
}

/// An offset that was reset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reset {
    /// Queue.
    pub queue: u32,
    /// Offset now.
    pub offset: QueueOffset,
}

/// A connected client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientInfo {
    /// Connection.
    pub session: SessionId,
    /// Client id.
    pub client: Arc<str>,
    /// Address.
    pub peer: SocketAddr,
    /// Language.
    pub language: Arc<str>,
    /// Protocol version.
    pub version: i32,
    /// Last sign of life.
    pub last_seen: Timestamp,
}

/// Members of a consumer group and what they consume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerConnections {
    /// Members.
    pub clients: Vec<ClientInfo>,
    /// What the group subscribes to.
    pub subscriptions: Vec<Subscription>,
    /// Push, pull or pop: the wire name.
    pub consume_type: &'static str,
    /// Whether members get each message.
    pub broadcasting: bool,
    /// Where the group begins: the wire name.
    pub from: &'static str,
}

/// A consumer group at a glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupSummary {
    /// Name.
    pub name: Arc<str>,
    /// Members that are connected.
    pub members: usize,
    /// Topics it has offsets for or subscribes to.
    pub topics: Vec<Arc<str>>,
}

/// A half that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Where it lies.
    pub at: CommitLogOffset,
    /// When, on the broker's clock.
    pub time: Timestamp,
}

/// A transaction as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionStatus {
    /// The half.
    pub half: Stored,
    /// Position among all halves.
    pub sequence: QueueOffset,
    /// Unique id.
    pub unique_key: String,
    /// Topic of the message.
    pub topic: String,
    /// Queue of the message.
    pub queue: u32,
    /// Producer group.
    pub group: String,
    /// Client id of the sender.
    pub client: String,
    /// `pending`, `set-aside`, `committed`, `rolled-back`.
    pub state: &'static str,
    /// Checks answered with "unknown".
    pub attempts: u32,
    /// Checks nobody answered.
    pub silent: u32,
    /// When it is asked about next; `None` when nobody is going to be asked, or is being asked.
    pub next_check: Option<Timestamp>,
    /// Connected producers of the group.
    pub producers: usize,
    /// Why it is where it is, and what happens next.
    pub explanation: String,
    /// Length of the record in bytes.
    pub size: u32,
    /// Tag of the message. Empty in lists, as are the keys: only the record has them.
    pub tag: String,
    /// Keys of the message, separated by spaces.
    pub keys: String,
    /// What happened to it, oldest first. Not in lists.
    pub timeline: Vec<(Timestamp, Happening)>,
}

/// Something that just happened to a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransactionEvent {
    /// Its number among all of this run of the broker.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// The half: the one name of the transaction that is always known.
    pub half: CommitLogOffset,
    /// Unique id; empty, as are group and topic, where the ledger has forgotten the half already.
    pub id: String,
    /// Producer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// What.
    pub what: Happening,
}

/// Something that happened to a transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    /// Its half was stored.
    Stored {
        /// Client id of the sender, empty if it never said one.
        client: String,
        /// Where.
        at: CommitLogOffset,
    },
    /// A producer is being asked. Told to those who watch only: the log has what came of it.
    Asked {
        /// Client id of the producer, empty if it never said one.
        client: String,
    },
    /// A producer was asked.
    Checked {
        /// Client id of the producer, empty if it never said one.
        client: String,
        /// What came of it.
        outcome: CheckOutcome,
    },
    /// It was decided.
    Decided {
        /// What it came to.
        outcome: Outcome,
        /// In what way.
        by: DecidedBy,
        /// Client id of the producer, or name of the operator; may be empty.
        who: String,
        /// Reason of the operator, or text of the producer's exception; may be empty.
        why: String,
    },
    /// It was set aside.
    SetAside {
        /// Name of the operator, empty for the broker itself.
        who: String,
        /// Why.
        why: String,
    },
    /// It is asked about again.
    Resumed {
        /// Name of the operator.
        who: String,
        /// Why.
        why: String,
    },
    /// It is committed, and its message becomes visible later.
    Scheduled {
        /// When.
        deliver_at: Timestamp,
    },
    /// Its message became visible.
    Visible {
        /// Topic.
        topic: String,
        /// Queue.
        queue: u32,
        /// Position in the queue.
        offset: QueueOffset,
        /// Where.
        at: CommitLogOffset,
    },
}
