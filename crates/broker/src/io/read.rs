use std::sync::Arc;

use message::{CommitLogOffset, QueueOffset, Timestamp};

use super::{SessionId, TagFilter};

/// Names a read until it is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket(pub u32);

/// Something that is not in memory: whoever owns the store reads it and says [`ReadDone`](super::Input::ReadDone).
///
/// Reads are done in the order in which they were asked for, after everything committed before is indexed.
#[derive(Clone, PartialEq, Debug)]
pub enum ReadRequest {
    /// Messages of a queue.
    Pull(PullRead),
    /// Bounds of queues.
    Bounds(Vec<(Arc<str>, u32)>),
    /// The offsets of queues at a time.
    SearchTime {
        /// Topic and queue of each.
        queues: Vec<(Arc<str>, u32)>,
        /// The time.
        time: Timestamp,
        /// Which of the messages around it.
        bound: TimeBound,
    },
    /// A visible message by the offset a client quoted.
    Visible {
        /// Where it became visible.
        at: CommitLogOffset,
    },
    /// Visible messages by key.
    Keys(KeyQuery),
    /// The entries of a half: itself and what came later, its decision last.
    Half {
        /// Its position among all halves.
        sequence: QueueOffset,
        /// The last entry about it, for one that is undecided.
        last: Option<CommitLogOffset>,
    },
    /// The same for the last half with this unique id or key.
    HalfByKey {
        /// Unique id, or one of its keys.
        key: String,
        /// Topics it may be for: all there are. A half may be the first thing that ever was for its topic.
        topics: Vec<Arc<str>>,
    },
    /// Where the halves with this unique id or key lie, decided or not.
    HalvesByKey {
        /// Unique id, or one of its keys.
        key: String,
        /// Topics they may be for.
        topics: Vec<Arc<str>>,
        /// At most so many.
        max: usize,
    },
    /// The entry at an offset, if there is one.
    Entry {
        /// First byte of its frame.
        at: CommitLogOffset,
    },
    /// Records whose places are known.
    Records(Vec<RecordAt>),
}

/// A pull, as far as the store is concerned.
#[derive(Clone, PartialEq, Debug)]
pub struct PullRead {
    /// The connection it came by: who does not read its answers waits.
    pub session: SessionId,
    /// Topic.
    pub topic: Arc<str>,
    /// Queue.
    pub queue: u32,
    /// First offset wanted.
    pub from: i64,
    /// At most so many messages.
    pub max_messages: usize,
    /// At most so many bytes, but always one message.
    pub max_bytes: usize,
    /// Which messages.
    pub filter: TagFilter,
}

/// A lookup by key.
#[derive(Clone, PartialEq, Debug)]
pub struct KeyQuery {
    /// Topic.
    pub topic: Arc<str>,
    /// Key, or unique id.
    pub key: String,
    /// At most so many.
    pub max: usize,
    /// Not older.
    pub from: Timestamp,
    /// Not younger.
    pub to: Timestamp,
}

/// Where a record lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordAt {
    /// Its first byte.
    pub at: CommitLogOffset,
    /// Its length.
    pub len: u32,
}

/// Which of the messages around a time is meant (remoting protocol 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeBound {
    /// The first one not older.
    Lower,
    /// The last one not younger.
    Upper,
}

/// What a read found.
#[derive(Debug)]
pub enum ReadOutcome {
    /// Messages of a queue.
    Pulled(Pulled),
    /// Bounds, in the order asked for.
    Bounds(Vec<QueueRange>),
    /// Offsets, in the order asked for.
    Offsets(Vec<QueueOffset>),
    /// Records one behind the other as they are delivered, each with where it became visible in its fields. For
    /// [`ReadRequest::Records`] they are as stored, and `None` when one of them could not be read.
    Records(Option<Vec<u8>>),
    /// A half and its decision.
    Half(Option<HalfEntries>),
    /// Places in the log, in no order.
    Places(Vec<CommitLogOffset>),
    /// The payload of an entry.
    Entry(Option<Vec<u8>>),
    /// The store could not read.
    Failed(String),
}

impl ReadOutcome {
    /// Why there is nothing, in words.
    pub fn failure(&self) -> &str {
        match self {
            ReadOutcome::Failed(text) => text,
            _ => "what is there is not a record",
        }
    }
}

/// The entries a half left in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HalfEntries {
    /// First byte of the half's frame.
    pub half_at: CommitLogOffset,
    /// Payload of the half.
    pub half: Vec<u8>,
    /// What came later, oldest first: first byte of the frame, time, payload. The last one is the decision, if there is
    /// one.
    pub later: Vec<(CommitLogOffset, Timestamp, Vec<u8>)>,
}

/// Why a pull found what it found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PullStatus {
    /// There are messages in the body.
    Found,
    /// There are messages, but none that the filter lets through: go on at `next`.
    NoMatch,
    /// The offset is the end of the queue.
    AtEnd,
    /// The offset lies before the first message still there.
    TooSmall,
    /// The offset lies behind the end.
    TooLarge,
    /// The queue never had a message.
    Empty,
}

/// The messages a pull found.
#[derive(Debug)]
pub struct Pulled {
    /// Why it found what it found.
    pub status: PullStatus,
    /// Where to go on.
    pub next: QueueOffset,
    /// First offset still there.
    pub min: QueueOffset,
    /// Next offset to be given.
    pub max: QueueOffset,
    /// Messages found.
    pub count: u32,
    /// Their records, as they are delivered.
    pub body: Vec<u8>,
}

/// What a queue holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueueRange {
    /// First offset still there.
    pub min: QueueOffset,
    /// Next offset to be given.
    pub max: QueueOffset,
    /// Where the first message still there became visible.
    pub first_at: Option<CommitLogOffset>,
    /// When it did.
    pub first_time: Option<Timestamp>,
    /// When the last one did.
    pub last_time: Option<Timestamp>,
}
