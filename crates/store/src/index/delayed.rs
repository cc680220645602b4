//! Messages that become visible later: what the entry that delivers them does not say.
//!
//! A delivery names its source and not whether that is a half, nor its keys. So both are remembered from the entry that
//! stored the message until the one that delivers it, and stand in the checkpoint meanwhile. That is a few dozen bytes
//! for each delayed message, less than its timer takes.

use std::collections::HashMap;

use message::CommitLogOffset;

/// What is remembered of one message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    /// It is a half's: delivered as a committed transaction.
    pub half: bool,
    /// Hashes of its keys.
    pub keys: Box<[u64]>,
}

/// All messages that wait, by the entry they are known by.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    waiting: HashMap<u64, Waiting>,
}

impl Delayed {
    /// A message with these keys waits. When it does already, its keys may have been unknown: its record was stored
    /// before the log's beginning, and now again.
    pub fn add(&mut self, source: CommitLogOffset, half: bool, keys: &[u64]) {
        let waiting = self.waiting.entry(source.get()).or_default();
        waiting.half |= half;
        if waiting.keys.is_empty() {
            waiting.keys = keys.into();
        }
    }

    /// A half is committed, to be delivered later.
    pub fn mark_half(&mut self, half: CommitLogOffset) {
        self.waiting.entry(half.get()).or_default().half = true;
    }

    /// A message that waits.
    pub fn get(&self, source: CommitLogOffset) -> Option<&Waiting> {
        self.waiting.get(&source.get())
    }

    /// A message waits no longer.
    pub fn remove(&mut self, source: CommitLogOffset) -> Option<Waiting> {
        self.waiting.remove(&source.get())
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (CommitLogOffset, &Waiting)> {
        self.waiting.iter().map(|(source, waiting)| (CommitLogOffset::new(*source), waiting))
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.waiting.capacity() * (size_of::<(u64, Waiting)>() + 1)
            + self.waiting.values().map(|waiting| waiting.keys.len() * 8).sum::<usize>()
    }
}
