use std::ops::Range;

use message::{CommitLogOffset, Timestamp};

use crate::half::{HalfView, State};
use crate::names::Names;

use super::Ledger;

/// Halves one call of [`Ledger::page`] looks at: about a millisecond.
const PAGE_LOOKED_AT_MAX: usize = 10_000;

/// Which halves to list; `None` lets all pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter<'a> {
    /// Of this producer group.
    pub group: Option<&'a str>,
    /// For this topic.
    pub topic: Option<&'a str>,
    /// With this UNIQ_KEY.
    pub unique_key: Option<&'a str>,
    /// In this state.
    pub state: Option<State>,
    /// Stored at this time or earlier: now minus the smallest age asked for.
    pub stored_until: Option<Timestamp>,
}

/// Some of the halves asked for.
#[derive(Debug)]
pub struct Page<'a> {
    /// The halves, oldest first. Perhaps fewer than asked for, or none, although more follow.
    pub halves: Vec<HalfView<'a>>,
    /// Where the next page begins; `None` when there is none. It stays good when halves are decided in between.
    pub next: Option<CommitLogOffset>,
}

/// How many halves are undecided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Their producers are asked.
    pub pending: usize,
    /// Nobody is asked.
    pub set_aside: usize,
}

impl Counts {
    /// All undecided ones.
    pub fn undecided(self) -> usize {
        self.pending + self.set_aside
    }
}

impl Ledger {
    /// At most `limit` halves that pass the filter, oldest first, beginning at offset `from`.
    ///
    /// One call looks at a bounded number of halves, so that a filter few of them pass does not stall the broker: go on
    /// while there is a next page.
    pub fn page(&self, filter: &Filter<'_>, from: CommitLogOffset, limit: usize) -> Page<'_> {
        let mut halves = Vec::new();
        // Names are compared once, numbers per half. A name no half refers to lets nothing pass.
        let (Some(group), Some(topic)) =
            (wanted(&self.names.groups, filter.group), wanted(&self.names.topics, filter.topic))
        else {
            return Page { halves, next: None };
        };
        let candidates = match filter.unique_key {
            Some(key) => Candidates::Few(self.with_key(key, from).into_iter()),
            None => Candidates::All(self.order.iter_from(from)),
        };
        for (looked_at, (at, index)) in candidates.enumerate() {
            if halves.len() == limit || looked_at == PAGE_LOOKED_AT_MAX {
                return Page { halves, next: Some(at) };
            }
            let half = self.halves.get(index);
            if filter.stored_until.is_some_and(|until| half.stored_at > until) {
                // Times do not go back in the log: all that follow are younger still.
                break;
            }
            let passes = group.is_none_or(|group| half.group == group)
                && topic.is_none_or(|topic| half.topic == topic)
                && filter.state.is_none_or(|state| half.state == state);
            if passes {
                halves.push(self.view(index));
            }
        }
        Page { halves, next: None }
    }

    /// The half that has waited longest.
    pub fn oldest(&self) -> Option<HalfView<'_>> {
        self.iter().next()
    }

    /// All undecided halves, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = HalfView<'_>> {
        self.order.iter_from(CommitLogOffset::ZERO).map(|(_, index)| self.view(index))
    }

    /// The halves whose records lie in this part of the log, wholly or partly: they must be stored again before it goes.
    pub fn open_in(&self, range: Range<CommitLogOffset>) -> impl Iterator<Item = HalfView<'_>> {
        let lies_in = move |half: &HalfView<'_>| {
            half.record_at() < range.end && half.record_at().plus(u64::from(half.record_len())) > range.start
        };
        // A record lies in the entry of its half, unless it was carried: behind the half before the range, if at all.
        let (start, end) = (range.start, range.end);
        let first = self.order.before(start).map_or(start, |(at, _)| at);
        let in_place = self.order.iter_from(first).take_while(move |(at, _)| *at < end);
        let in_place = in_place.map(|(_, index)| self.view(index)).filter(|half| !half.is_carried());
        let from = (CommitLogOffset::new(start.get().saturating_sub(RECORD_LEN_MAX)), CommitLogOffset::ZERO);
        let carried = self.carried.range(from..(end, CommitLogOffset::ZERO));
        in_place.chain(carried.filter_map(|(_, at)| self.get(*at))).filter(lies_in)
    }

    /// All undecided halves.
    pub fn counts(&self) -> Counts {
        Counts { pending: self.len() - self.set_aside, set_aside: self.set_aside }
    }

    /// The undecided halves of each producer group, by name.
    pub fn group_counts(&self) -> Vec<(&str, Counts)> {
        all_counts(&self.names.groups)
    }

    /// The undecided halves for each topic, by name.
    pub fn topic_counts(&self) -> Vec<(&str, Counts)> {
        all_counts(&self.names.topics)
    }

    /// The undecided halves of one producer group.
    pub fn counts_of_group(&self, group: &str) -> Counts {
        self.names.groups.find(group).map_or(Counts::default(), |id| counts(&self.names.groups, id))
    }

    /// The undecided halves for one topic.
    pub fn counts_of_topic(&self, topic: &str) -> Counts {
        self.names.topics.find(topic).map_or(Counts::default(), |id| counts(&self.names.topics, id))
    }

    /// Whether a topic has undecided halves: it cannot be deleted then.
    pub fn has_undecided(&self, topic: &str) -> bool {
        self.names.topics.find(topic).is_some()
    }

    /// The undecided halves with this UNIQ_KEY, oldest first: of several groups, or with several bodies.
    pub fn find_by_unique_key(&self, group: Option<&str>, unique_key: &str) -> Vec<HalfView<'_>> {
        let filter = Filter { group, unique_key: Some(unique_key), ..Filter::default() };
        self.page(&filter, CommitLogOffset::ZERO, PAGE_LOOKED_AT_MAX).halves
    }

    fn with_key(&self, key: &str, from: CommitLogOffset) -> Vec<(CommitLogOffset, u32)> {
        let found = self.keys.all(self.keys.hash(key)).filter(|at| *at >= from);
        let mut found: Vec<_> = found.filter_map(|at| Some((at, self.order.get(at)?))).collect();
        found.retain(|(_, index)| self.halves.get(*index).unique_key.as_str() == key);
        found.sort_unstable();
        found
    }
}

/// No record is longer, since no batch is.
const RECORD_LEN_MAX: u64 = message::batch::BATCH_LEN_MAX as u64;

enum Candidates<A, F> {
    All(A),
    Few(F),
}

impl<T, A: Iterator<Item = T>, F: Iterator<Item = T>> Iterator for Candidates<A, F> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Candidates::All(all) => all.next(),
            Candidates::Few(few) => few.next(),
        }
    }
}

/// The number to look for: `Some(None)` for any, `None` when no half can have it.
fn wanted(names: &Names, name: Option<&str>) -> Option<Option<u32>> {
    match name {
        Some(name) => names.find(name).map(Some),
        None => Some(None),
    }
}

fn counts(names: &Names, id: u32) -> Counts {
    let (refs, set_aside) = names.refs(id);
    Counts { pending: (refs - set_aside) as usize, set_aside: set_aside as usize }
}

fn all_counts(names: &Names) -> Vec<(&str, Counts)> {
    names.sorted().into_iter().map(|id| (names.get(id), counts(names, id))).collect()
}
