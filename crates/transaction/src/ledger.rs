//! What is durable about undecided halves: a fold over the entries of the log, and nothing else.
//!
//! Decided halves are forgotten. So the first decision that is applied takes the half out, and every later one, of
//! whatever outcome, finds nothing: a transaction has one decision because there is nothing left to decide twice.

mod decide;
mod listing;
mod snapshot;

pub use decide::Mismatch;
pub use listing::{Counts, Filter, Page};

use std::collections::BTreeSet;
use std::fmt;

use message::entry::{Check, CheckOutcome, Decision, Half};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, Timestamp, properties, tags};

use crate::arena::Arena;
use crate::half::{HalfView, NameTables, State, Stored};
use crate::key_index::{Item, KeyIndex};
use crate::shelf::Shelf;
use crate::unique_key::UniqueKey;

/// The undecided halves, by the offset of their entries.
///
/// Two ledgers to which the same entries were applied encode to the same bytes, see [`Ledger::encode`].
#[derive(Debug, Default)]
pub struct Ledger {
    halves: Arena<Stored>,
    order: Shelf,
    keys: KeyIndex,
    names: NameTables,
    /// Where the records lie that were stored again: all others lie in the entry of their half.
    carried: BTreeSet<(CommitLogOffset, CommitLogOffset)>,
    next_sequence: QueueOffset,
    set_aside: usize,
}

/// What applying a half came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HalfApplied {
    /// A new transaction.
    New,
    /// The same half as one that is undecided: its sender did not hear the first answer. One transaction, which goes
    /// by the offset and sequence of the first.
    Repeat {
        /// The half it repeats.
        first: CommitLogOffset,
    },
}

/// What applying a decision came to.
#[derive(Debug)]
pub enum Settled<'a> {
    /// It decided the half.
    Decided(Decided<'a>),
    /// No undecided half goes by that offset and sequence: it was decided before, or never stored.
    NotPending,
}

/// A half that was just decided: the last look at it.
pub struct Decided<'a> {
    half: Stored,
    names: &'a NameTables,
}

impl Decided<'_> {
    /// What was known about it.
    pub fn view(&self) -> HalfView<'_> {
        HalfView::new(&self.half, self.names)
    }
}

impl fmt::Debug for Decided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Ledger {
    /// A ledger without halves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Undecided halves, those set aside included.
    pub fn len(&self) -> usize {
        self.halves.len()
    }

    /// Whether every half is decided.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the youngest undecided half.
    pub fn last(&self) -> Option<CommitLogOffset> {
        self.order.last()
    }

    /// The sequence of the next half: one more than the largest ever applied, repeats included.
    pub fn next_sequence(&self) -> QueueOffset {
        self.next_sequence
    }

    /// The undecided half with this name.
    pub fn get(&self, at: CommitLogOffset) -> Option<HalfView<'_>> {
        self.order.get(at).map(|index| self.view(index))
    }

    /// The undecided half of this group, key and body: what a half sent again would be taken for.
    pub fn same_half(&self, group: &str, unique_key: &str, body_crc: u32) -> Option<HalfView<'_>> {
        let group = self.names.groups.find(group)?;
        self.same(self.keys.hash(unique_key), group, unique_key, body_crc)
    }

    /// Applies the half whose entry lies at `at` in a batch of this time; `record` is its record, which begins at
    /// `record_at`.
    ///
    /// # Panics
    /// When `at` is not behind all undecided halves: entries are applied in the order of the log.
    pub fn apply_half(
        &mut self,
        at: CommitLogOffset,
        time: Timestamp,
        half: &Half<'_>,
        record: &Record<'_>,
        record_at: CommitLogOffset,
    ) -> HalfApplied {
        let (unique_key, tags_code) = key_and_tags(record.properties());
        let key_hash = self.keys.hash(unique_key);
        self.next_sequence = self.next_sequence.max(half.sequence.plus(1));
        let group = self.names.groups.acquire(half.group);
        if let Some(first) = self.same(key_hash, group, unique_key, record.body_crc()) {
            let first = first.at();
            self.names.groups.release(group);
            return HalfApplied::Repeat { first };
        }
        let stored = Stored {
            at,
            sequence: half.sequence,
            stored_at: time,
            record_at,
            last_entry: at,
            last_check_at: Timestamp::ZERO,
            delay: half.delay,
            unique_key: UniqueKey::new(unique_key),
            // A length beyond 4 GiB cannot be parsed: the record's own length field has 32 bits.
            record_len: record.bytes().len() as u32,
            tags_code,
            queue_id: record.queue_id(),
            body_crc: record.body_crc(),
            immunity_ms: half.immunity_ms.unwrap_or(u32::MAX),
            topic: self.names.topics.acquire(record.topic()),
            group,
            client: self.names.clients.acquire(half.client),
            last_check_client: 0,
            attempts: 0,
            silent: 0,
            last_check: None,
            state: State::Pending,
            carried: false,
        };
        self.insert(stored, key_hash);
        HalfApplied::New
    }

    /// Applies a decision. Whether it was allowed is asked before it is proposed, see [`Ledger::check_decision`]; of two
    /// that were allowed at the same time the first one applied counts.
    pub fn apply_decision(&mut self, decision: &Decision<'_>) -> Settled<'_> {
        match self.order.get(decision.half) {
            Some(index) if self.halves.get(index).sequence == decision.sequence => {
                let half = self.remove(index);
                Settled::Decided(Decided { half, names: &self.names })
            }
            _ => Settled::NotPending,
        }
    }

    /// Applies what came of a check. `None` when the half is not undecided any more.
    pub fn apply_check(&mut self, time: Timestamp, check: &Check<'_>) -> Option<HalfView<'_>> {
        let index = self.order.get(check.half)?;
        let client = self.names.clients.acquire(check.client);
        let half = self.halves.get_mut(index);
        if half.last_check.is_some() {
            self.names.clients.release(half.last_check_client);
        }
        half.last_check_client = client;
        half.last_check_at = time;
        half.last_check = Some(check.outcome);
        match check.outcome {
            CheckOutcome::Unknown => {
                half.attempts = half.attempts.saturating_add(1);
                half.silent = 0;
            }
            CheckOutcome::Silent => half.silent = half.silent.saturating_add(1),
        }
        Some(self.view(index))
    }

    /// Sets a half aside; one that is set aside stays so. `None` when it is not undecided any more.
    pub fn apply_set_aside(&mut self, half: CommitLogOffset) -> Option<HalfView<'_>> {
        let index = self.order.get(half)?;
        self.change_state(index, State::SetAside);
        Some(self.view(index))
    }

    /// Makes a half pending again, its attempts counted from zero; one that is pending starts anew as well.
    /// `None` when it is not undecided any more.
    pub fn apply_resume(&mut self, half: CommitLogOffset) -> Option<HalfView<'_>> {
        let index = self.order.get(half)?;
        self.change_state(index, State::Pending);
        let half = self.halves.get_mut(index);
        half.attempts = 0;
        half.silent = 0;
        Some(self.view(index))
    }

    /// The record of the half `source` was stored again at `record_at`. `None` when the half is not undecided any more.
    pub fn apply_carried(
        &mut self,
        source: CommitLogOffset,
        record_at: CommitLogOffset,
        record_len: u32,
    ) -> Option<HalfView<'_>> {
        let index = self.order.get(source)?;
        let half = self.halves.get_mut(index);
        if half.carried {
            self.carried.remove(&(half.record_at, half.at));
        }
        (half.record_at, half.record_len, half.carried) = (record_at, record_len, true);
        self.carried.insert((record_at, source));
        Some(self.view(index))
    }

    /// Remembers that the entry at `entry` is the last one about a half, if it is undecided.
    pub fn link(&mut self, half: CommitLogOffset, entry: CommitLogOffset) {
        if let Some(index) = self.order.get(half) {
            self.halves.get_mut(index).last_entry = entry;
        }
    }

    fn view(&self, index: u32) -> HalfView<'_> {
        HalfView::new(self.halves.get(index), &self.names)
    }

    /// The half of this group, key and body. Halves without a key are all different.
    fn same(&self, key_hash: u64, group: u32, unique_key: &str, body_crc: u32) -> Option<HalfView<'_>> {
        let found = self.keys.same(key_hash, group, body_crc);
        found.filter_map(|at| self.get(at)).find(|half| !unique_key.is_empty() && half.unique_key() == unique_key)
    }

    /// Puts a half in its places. The references to its names are counted already.
    fn insert(&mut self, half: Stored, key_hash: u64) {
        if !half.unique_key.as_str().is_empty() {
            self.keys.insert(key_hash, Item { group: half.group, body_crc: half.body_crc, at: half.at });
        }
        if half.carried {
            self.carried.insert((half.record_at, half.at));
        }
        if half.state == State::SetAside {
            self.count_set_aside(half.group, half.topic, true);
        }
        let at = half.at;
        let index = self.halves.insert(half);
        self.order.push(at, index);
    }

    /// Takes a half out of all its places. Its names can be read until the next one is stored.
    fn remove(&mut self, index: u32) -> Stored {
        let half = self.halves.remove(index);
        self.order.remove(half.at);
        let key = half.unique_key.as_str();
        if !key.is_empty() {
            self.keys.remove(self.keys.hash(key), Item { group: half.group, body_crc: half.body_crc, at: half.at });
        }
        if half.carried {
            self.carried.remove(&(half.record_at, half.at));
        }
        if half.state == State::SetAside {
            self.count_set_aside(half.group, half.topic, false);
        }
        self.names.topics.release(half.topic);
        self.names.groups.release(half.group);
        self.names.clients.release(half.client);
        if half.last_check.is_some() {
            self.names.clients.release(half.last_check_client);
        }
        half
    }

    fn change_state(&mut self, index: u32, state: State) {
        let half = self.halves.get_mut(index);
        if half.state != state {
            half.state = state;
            let (group, topic) = (half.group, half.topic);
            self.count_set_aside(group, topic, state == State::SetAside);
        }
    }

    fn count_set_aside(&mut self, group: u32, topic: u32, set_aside: bool) {
        self.set_aside = if set_aside { self.set_aside + 1 } else { self.set_aside - 1 };
        self.names.groups.count_set_aside(group, set_aside);
        self.names.topics.count_set_aside(topic, set_aside);
    }
}

/// UNIQ_KEY and the hash of TAGS, in one look through the properties; the last of several counts.
fn key_and_tags(property_string: &str) -> (&str, i32) {
    let (mut unique_key, mut tags) = ("", "");
    for (key, value) in properties::iter(property_string) {
        match key {
            properties::UNIQ_KEY => unique_key = value,
            properties::TAGS => tags = value,
            _ => {}
        }
    }
    (unique_key, tags::tags_code(tags))
}

#[cfg(test)]
mod tests;
