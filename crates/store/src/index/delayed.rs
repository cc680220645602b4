//! Messages that become visible later: what the entry that delivers them does not say.
//!
//! A delivery names its source and not its keys. So they are remembered from the entry that stored the message until the
//! one that delivers it, and stand in the checkpoint meanwhile. That is a few dozen bytes for each delayed message, less
//! than its timer takes.

use foldhash::HashMap;
use message::CommitLogOffset;

/// All messages that wait, by the entry they are known by, with the hashes of their keys.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    waiting: HashMap<u64, Box<[u64]>>,
}

impl Delayed {
    /// A message with these keys waits. When it does already, its record was stored again, with the same keys.
    pub fn add(&mut self, source: CommitLogOffset, keys: &[u64]) {
        self.waiting.entry(source.get()).or_insert_with(|| keys.into());
    }

    /// A message waits no longer. Returns its keys.
    pub fn remove(&mut self, source: CommitLogOffset) -> Option<Box<[u64]>> {
        self.waiting.remove(&source.get())
    }

    /// All of them with their keys, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (CommitLogOffset, &[u64])> {
        self.waiting.iter().map(|(source, keys)| (CommitLogOffset::new(*source), &**keys))
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.waiting.capacity() * (size_of::<(u64, Box<[u64]>)>() + 1)
            + self.waiting.values().map(|keys| keys.len() * 8).sum::<usize>()
    }
}
