//! Until when records are needed by links that lie behind them in the log.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use message::CommitLogOffset;

/// For each stretch of the log, the last entry that made one of its records visible.
#[derive(Debug)]
pub(super) struct Links {
    /// Bytes of log that are told apart.
    stretch: u64,
    stretches: BTreeMap<u64, u64>,
}

impl Links {
    /// No links, in a log of which so many bytes are told apart.
    pub fn new(stretch: u64) -> Self {
        Links { stretch: stretch.max(1), stretches: BTreeMap::new() }
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.stretches.clear();
    }

    /// A record became visible by an entry elsewhere.
    pub fn add(&mut self, record_at: CommitLogOffset, visible_at: CommitLogOffset) {
        match self.stretches.entry(record_at.get() / self.stretch) {
            Entry::Vacant(new) => _ = new.insert(visible_at.get()),
            Entry::Occupied(mut known) => *known.get_mut() = visible_at.get().max(*known.get()),
        }
    }

    /// The last entry that made a record of `[from, to)` visible, or one of the same stretches; zero if none did.
    pub fn until(&self, from: CommitLogOffset, to: CommitLogOffset) -> CommitLogOffset {
        if from >= to {
            return CommitLogOffset::ZERO;
        }
        let stretches = from.get() / self.stretch..=(to.get() - 1) / self.stretch;
        CommitLogOffset::new(self.stretches.range(stretches).map(|(_, until)| *until).max().unwrap_or(0))
    }

    /// Forgets the stretches below the log's start.
    pub fn trim(&mut self, start: u64) {
        self.stretches = self.stretches.split_off(&(start / self.stretch));
    }

    /// Number and last entry of each stretch.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.stretches.iter().map(|(stretch, until)| (*stretch, *until))
    }

    /// Adds a stretch as a checkpoint tells it.
    pub fn adopt(&mut self, stretch: u64, until: u64) {
        self.stretches.insert(stretch, until);
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.stretches.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRETCH: u64 = 1000;

    fn at(offset: u64) -> CommitLogOffset {
        CommitLogOffset::new(offset)
    }

    #[test]
    fn a_stretch_is_needed_until_the_last_link_into_it() {
        let mut links = Links::new(STRETCH);
        links.add(at(5), at(100));
        links.add(at(STRETCH - 1), at(STRETCH * 9));
        links.add(at(7), at(200));
        links.add(at(STRETCH * 3), at(STRETCH * 4));
        assert_eq!(links.until(at(0), at(STRETCH)), at(STRETCH * 9));
        assert_eq!(links.until(at(STRETCH), at(STRETCH * 3)), at(0));
        assert_eq!(links.until(at(STRETCH), at(STRETCH * 3 + 1)), at(STRETCH * 4));
        assert_eq!(links.until(at(5), at(5)), at(0));
        links.trim(STRETCH);
        assert_eq!(links.until(at(0), at(STRETCH)), at(0));
        assert_eq!(links.iter().len(), 1);
    }
}
