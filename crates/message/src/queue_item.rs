use crate::{CommitLogOffset, QueueOffset, Timestamp};

/// One message of a queue: where its record lies, and where and when it became visible.
///
/// For a plain send both places are the record itself. A committed or delayed message is visible at the entry that
/// made it so, and its record stays where it was: a commit links, it does not copy. Delivered records carry
/// `visible_at` as physical offset and `visible_time` as store timestamp, so that a queue stays ordered by both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueItem {
    /// Position in its queue.
    pub queue_offset: QueueOffset,
    /// First byte of the record in the log.
    pub record_at: CommitLogOffset,
    /// Length of the record in bytes.
    pub record_len: u32,
    /// The record itself, or the entry (first byte of its frame) that made it visible.
    pub visible_at: CommitLogOffset,
    /// The broker's time at which it became visible.
    pub visible_time: Timestamp,
    /// Java hash of its tag, 0 without a tag: what tag filters compare.
    pub tags_code: i32,
    /// Position of the half entry (first byte of its frame) for a committed transaction.
    pub half: Option<CommitLogOffset>,
}

impl QueueItem {
    /// Whether the record became visible by a later entry (a commit, a delayed delivery) and not by itself.
    pub fn is_link(&self) -> bool {
        self.record_at != self.visible_at
    }
}
