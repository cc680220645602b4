//! What is shown, for people and as JSON. The names of the fields are a contract with programs that read the JSON:
//! fields may be added, none is renamed or taken away. Times are milliseconds since 1970 on the broker's clock.

mod transaction;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use transaction::{
    CheckAnswer, DecidedBy, DecidedOutcome, Event, Resolve, ResolveAction, TransactionDetail, TransactionPage,
    TransactionQuery, TransactionRow, TransactionState, Watched, WatchedEvent, What,
};

/// What a topic is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopicKind {
    /// Somebody's messages.
    Ordinary,
    /// Messages that a consumer group failed on.
    Retry,
    /// Messages that a consumer group failed on too often.
    DeadLetter,
    /// The broker's own.
    System,
}

/// One topic in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TopicRow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: TopicKind,
    /// Queues that consumers read.
    pub read_queues: u32,
    /// Queues that producers write.
    pub write_queues: u32,
    /// Whether consumers may read.
    pub readable: bool,
    /// Whether producers may write.
    pub writable: bool,
    /// Messages that can be read.
    pub messages: u64,
    /// Transactions for it that are undecided or set aside.
    pub open_transactions: u64,
    /// When its last message became visible.
    pub last_message_at_ms: Option<i64>,
}

/// One topic by itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TopicDetail {
    /// What a list says about it.
    #[serde(flatten)]
    pub row: TopicRow,
    /// Attributes such as `message.type`.
    pub attributes: BTreeMap<String, String>,
    /// Its queues in order.
    pub queues: Vec<QueueRow>,
    /// Groups that have an offset in it.
    pub groups: Vec<TopicGroupRow>,
}

/// One queue of a topic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QueueRow {
    /// Its number.
    pub queue: u32,
    /// Offset of the first message that can be read.
    pub first_offset: u64,
    /// Offset that the next message will have.
    pub next_offset: u64,
    /// When its last message became visible.
    pub last_message_at_ms: Option<i64>,
}

/// One group that consumes a topic.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TopicGroupRow {
    /// The group.
    pub group: String,
    /// Its members online.
    pub members: u32,
    /// Messages of the topic that it has not consumed.
    pub lag: u64,
}

/// What deleting a topic did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TopicDeleted {
    /// Undecided transactions that were set aside.
    pub set_aside: u64,
}

/// One consumer group in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its name.
    pub name: String,
    /// Members online.
    pub members: u32,
    /// Topics in which it has an offset.
    pub topics: u32,
    /// Messages that it has not consumed, over all those topics.
    pub lag: u64,
    /// Its dead letters.
    pub dead_letters: u64,
}

/// One consumer group by itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GroupDetail {
    /// What a list says about it.
    #[serde(flatten)]
    pub row: GroupRow,
    /// Deliveries again before a message becomes a dead letter.
    pub retry_max: i32,
    /// Members online.
    pub online: Vec<MemberRow>,
    /// Its offsets, by topic and queue.
    pub offsets: Vec<OffsetRow>,
}

/// One member of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberRow {
    /// Client id.
    pub client: String,
    /// Where it connects from.
    pub address: String,
    /// Language of its client library.
    pub language: String,
    /// Version of its client library.
    pub version: String,
}

/// How far a group is in one queue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OffsetRow {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue: u32,
    /// Next offset it will consume.
    pub offset: u64,
    /// Offset that the queue's next message will have.
    pub next_offset: u64,
    /// Messages in between.
    pub lag: u64,
}

/// One message by itself.
#[derive(Clone, PartialEq, Debug)]
pub struct MessageDetail {
    /// The id that the producer knows: UNIQ_KEY; empty if it set none.
    pub id: String,
    /// Its address and place in the log.
    pub offset_id: String,
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue: u32,
    /// Offset in the queue; `None` as long as its transaction is undecided.
    pub offset: Option<u64>,
    /// Place in the log.
    pub log_offset: u64,
    /// Tag, empty if none.
    pub tag: String,
    /// Keys, empty if none.
    pub keys: String,
    /// All its properties.
    pub properties: BTreeMap<String, String>,
    /// The producer's flag.
    pub flag: i32,
    /// RocketMQ's flags.
    pub sys_flag: i32,
    /// When it was made, on the producer's clock.
    pub born_at_ms: i64,
    /// Where it was made.
    pub born_host: String,
    /// When it became visible; when it was stored, as long as its transaction is undecided.
    pub stored_at_ms: i64,
    /// Deliveries that failed.
    pub retries: u32,
    /// The transaction it came from.
    pub transaction: Option<String>,
    /// Body, as it was sent.
    pub body: Vec<u8>,
}

/// What verifying or repairing a data directory found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StoreReport {
    /// The data directory.
    pub data: String,
    /// Segment files of the log.
    pub segments: u64,
    /// First byte of the log that is kept.
    pub log_start: u64,
    /// End of the log.
    pub log_end: u64,
    /// Entries read.
    pub entries: u64,
    /// Milliseconds it took.
    pub elapsed_ms: u64,
    /// A torn tail: a write that was never acknowledged; a start cuts it off by itself.
    pub torn_tail: Option<Damage>,
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// What was done about it, or would be with `--dry-run`.
    pub repairs: Vec<String>,
}

/// One damaged place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Damage {
    /// File, relative to the data directory.
    pub file: String,
    /// Position in the file, in bytes.
    pub offset: u64,
    /// What is wrong, and what is lost by it.
    pub what: String,
}
