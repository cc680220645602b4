use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use message::{CommitLogOffset, Timestamp};

/// Messages that become visible later, by the entry they are known by.
#[derive(Debug, Default)]
pub struct Scheduled {
    by_source: BTreeMap<CommitLogOffset, ScheduledMessage>,
    by_time: BTreeSet<(Timestamp, CommitLogOffset)>,
}

/// A message that waits for its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScheduledMessage {
    /// When it becomes visible.
    pub deliver_at: Timestamp,
    /// Topic it is for.
    pub topic: Arc<str>,
    /// Queue it is for.
    pub queue: u32,
    /// Where its record lies.
    pub record_at: CommitLogOffset,
    /// Length of the record in bytes.
    pub record_len: u32,
    /// Hash of its tag.
    pub tags_code: i32,
    /// When it was stored: a link to it may span an hour.
    pub stored: Timestamp,
    /// Whether it is a committed transaction with a delay.
    pub half: bool,
}

impl Scheduled {
    /// A message by the entry it is known by.
    pub fn get(&self, source: CommitLogOffset) -> Option<&ScheduledMessage> {
        self.by_source.get(&source)
    }

    /// Number of messages that wait.
    pub fn len(&self) -> usize {
        self.by_source.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// All of them, in order of the entries they are known by.
    pub fn iter(&self) -> impl Iterator<Item = (CommitLogOffset, &ScheduledMessage)> {
        self.by_source.iter().map(|(source, message)| (*source, message))
    }

    /// Those that are due at `now`, the earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = CommitLogOffset> {
        self.by_time.iter().take_while(move |(time, _)| *time <= now).map(|(_, source)| *source)
    }

    /// When the next one is due that is not before `after`.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// When the first one is due that `skip` does not hold back.
    pub fn next_due_unless(&self, skip: impl Fn(CommitLogOffset) -> bool) -> Option<Timestamp> {
        self.by_time.iter().find(|(_, source)| !skip(*source)).map(|(time, _)| *time)
    }

    /// Those whose record lies in this part of the log. A record never lies before the entry that it is known by.
    pub fn in_range(
        &self,
        range: Range<CommitLogOffset>,
    ) -> impl Iterator<Item = (CommitLogOffset, &ScheduledMessage)> {
        let known = self.by_source.range(..range.end).map(|(source, message)| (*source, message));
        known.filter(move |(_, message)| range.contains(&message.record_at))
    }

    pub(super) fn insert(&mut self, source: CommitLogOffset, message: ScheduledMessage) {
        self.by_time.insert((message.deliver_at, source));
        self.by_source.insert(source, message);
    }

    pub(super) fn remove(&mut self, source: CommitLogOffset) {
        if let Some(message) = self.by_source.remove(&source) {
            self.by_time.remove(&(message.deliver_at, source));
        }
    }

    pub(super) fn carry(&mut self, source: CommitLogOffset, record_at: CommitLogOffset) -> bool {
        match self.by_source.get_mut(&source) {
            Some(message) => {
                message.record_at = record_at;
                true
            }
            None => false,
        }
    }
}
