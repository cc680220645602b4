use std::sync::Arc;

use foldhash::HashMap;

/// What happened since the start, for people and for statistics. Lost at a restart.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Messages stored, halves not counted.
    pub stored: Flow,
    /// Messages delivered by pulls.
    pub delivered: Flow,
    /// Halves stored.
    pub halves: u64,
    /// Halves that were sent again and are one with the first.
    pub halves_repeated: u64,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions rolled back.
    pub rolled_back: u64,
    /// Decisions that repeated the one there was.
    pub decisions_repeated: u64,
    /// Decisions that contradicted the one there was.
    pub decisions_refused: u64,
    /// Decisions that named no transaction, or another one.
    pub decisions_mismatched: u64,
    /// Checks sent to producers.
    pub checks_sent: u64,
    /// Checks answered with "unknown".
    pub checks_unknown: u64,
    /// Checks nobody answered in time.
    pub checks_silent: u64,
    /// Halves set aside.
    pub set_aside: u64,
    /// Messages sent back by consumers.
    pub sent_back: u64,
    /// Messages that became dead letters.
    pub dead_letters: u64,
    /// Messages stored, by topic.
    pub by_topic: HashMap<Arc<str>, Flow>,
    /// Messages delivered, by topic and group.
    pub by_group: HashMap<(Arc<str>, String), Flow>,
}

impl Counters {
    /// Counts messages that were stored.
    pub(crate) fn stored_in(&mut self, topic: &Arc<str>, messages: u64, bytes: u64) {
        self.stored.add(messages, bytes);
        match self.by_topic.get_mut(&**topic) {
            Some(flow) => flow.add(messages, bytes),
            None => self.by_topic.entry(topic.clone()).or_default().add(messages, bytes),
        }
    }
}

/// A number of messages and of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flow {
    /// Messages.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
}

impl Flow {
    /// Counts messages.
    pub fn add(&mut self, messages: u64, bytes: u64) {
        self.messages += messages;
        self.bytes += bytes;
    }
}
