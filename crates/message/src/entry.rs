//! Every durable fact, one variant each: the state of a broker is a fold over these.
//!
//! The payload of an entry is its kind (one byte) and its fields in the order of the structs below, little-endian,
//! strings behind a u16 length, a record always last. `docs/format.md` draws them. Kinds are never reused.
//!
//! An entry is self-describing as far as queues are concerned: whoever makes a message visible says in which queue, at
//! which queue offset and where its record lies, so that queue files can be rebuilt from the log alone. The one owner of
//! the state proposes in log order, so it knows the queue offset when it proposes; applying compares it.

mod config;
mod decode;
mod encode;
mod transaction;

pub use config::{GroupConfig, TopicConfig};
pub use encode::messages_head;
pub use transaction::{Check, CheckOutcome, DecidedBy, Decision, Delay, Half, Note, Outcome};

use crate::{CommitLogOffset, QueueOffset, Timestamp};

/// One durable fact, borrowed from the bytes it was read from.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry<'a> {
    /// One or more messages of one queue, sent by one request: records with consecutive queue offsets.
    Messages(Messages<'a>),
    /// A half message: stored, and visible to no consumer.
    Half(Half<'a>),
    /// The decision about a half.
    Decision(Decision<'a>),
    /// What came of one check that was sent to a producer.
    Check(Check<'a>),
    /// A half that was asked about too often is set aside: not asked about any more, still decidable.
    SetAside(Note<'a>),
    /// A half that had been set aside is asked about again, its attempts counted from zero.
    Resume(Note<'a>),
    /// A message that becomes visible later.
    Scheduled(Scheduled<'a>),
    /// A scheduled message becomes visible.
    Deliver(Deliver<'a>),
    /// Consumer offsets that changed.
    Offsets(Vec<OffsetChange<'a>>),
    /// A topic is created or changed.
    Topic(TopicConfig),
    /// A topic and the offsets of its consumers are gone.
    TopicDeleted {
        /// Its name.
        name: &'a str,
    },
    /// A consumer group is created or changed.
    Group(GroupConfig),
    /// A consumer group is gone.
    GroupDeleted {
        /// Its name.
        name: &'a str,
        /// Whether its offsets go as well.
        offsets: bool,
    },
    /// A key of the name server's configuration is set, or removed when the value is `None`.
    KeyValue {
        /// Namespace, such as `ORDER_TOPIC_CONFIG`.
        namespace: &'a str,
        /// Key.
        key: &'a str,
        /// Value.
        value: Option<&'a str>,
    },
    /// The record of an undecided half or of a scheduled message, stored again so that its old segment may go.
    Carried(Carried<'a>),
}

/// Messages of one request, see [`Entry::Messages`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Messages<'a> {
    /// The records one behind the other; each knows its length.
    pub records: &'a [u8],
}

/// A message for later, see [`Entry::Scheduled`]. It is known by the offset of this entry.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scheduled<'a> {
    /// When it becomes visible, on the broker's clock.
    pub deliver_at: Timestamp,
    /// Position among all scheduled messages: what the sender is told as queue offset.
    pub sequence: QueueOffset,
    /// The record as it will be delivered.
    pub record: &'a [u8],
}

/// A scheduled message becomes visible, see [`Entry::Deliver`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deliver<'a> {
    /// The entry by which it is known: [`Entry::Scheduled`], or the half that was committed with a delay.
    pub source: CommitLogOffset,
    /// Whether that is a half: it is delivered as a committed transaction, though the entries that say so may have expired.
    pub half: bool,
    /// Where it becomes visible.
    pub place: Place<'a>,
}

/// Where the message of a half or of a scheduled message becomes visible.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place<'a> {
    /// In a queue; the record stays where it is. A link spans at most an hour.
    Link {
        /// Topic.
        topic: &'a str,
        /// Queue.
        queue_id: u32,
        /// Position in the queue.
        queue_offset: QueueOffset,
        /// First byte of the record.
        record_at: CommitLogOffset,
        /// Its length in bytes.
        record_len: u32,
        /// Hash of its tag.
        tags_code: i32,
    },
    /// In a queue; the record is carried here, for its old place is about to go. Topic and queue are the record's.
    Carry {
        /// Position in the queue.
        queue_offset: QueueOffset,
        /// Hash of its tag.
        tags_code: i32,
        /// The record.
        record: &'a [u8],
    },
    /// Not yet: it is delivered at this time.
    Later {
        /// When, on the broker's clock.
        deliver_at: Timestamp,
    },
    /// Nowhere: rolled back.
    Nowhere,
}

/// Offsets a group has consumed up to, in the queues of one topic.
#[derive(Clone, PartialEq, Debug)]
pub struct OffsetChange<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue, and the next offset to consume there.
    pub queues: Vec<(u32, QueueOffset)>,
}

/// A record stored again, see [`Entry::Carried`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Carried<'a> {
    /// The entry by which the half or scheduled message is known. It keeps that name.
    pub source: CommitLogOffset,
    /// The record.
    pub record: &'a [u8],
}

/// The first byte of a payload. Never reused, so that an old log is never misread.
pub(crate) mod kind {
    pub const MESSAGES: u8 = 1;
    pub const HALF: u8 = 2;
    pub const DECISION: u8 = 3;
    pub const CHECK: u8 = 4;
    pub const SET_ASIDE: u8 = 5;
    pub const RESUME: u8 = 6;
    pub const SCHEDULED: u8 = 7;
    pub const DELIVER: u8 = 8;
    pub const OFFSETS: u8 = 9;
    pub const TOPIC: u8 = 10;
    pub const TOPIC_DELETED: u8 = 11;
    pub const GROUP: u8 = 12;
    pub const GROUP_DELETED: u8 = 13;
    pub const KEY_VALUE: u8 = 14;
    pub const CARRIED: u8 = 15;
}

/// Distance from an entry's frame to the record that ends its payload.
///
/// `payload` and `record` as an [`Entry`] was decoded: the record is the payload's tail.
pub fn record_distance(payload: &[u8], record: &[u8]) -> u64 {
    (crate::batch::FRAME_LEN + payload.len() - record.len()) as u64
}

#[cfg(test)]
mod tests;
