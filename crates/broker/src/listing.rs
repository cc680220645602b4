//! Undecided transactions listed: by what memory knows of them, or by a key that only their records have.

use std::sync::Arc;

use message::CommitLogOffset;
use transaction::{Filter, State as HalfState};

use crate::Broker;
use crate::io::{Answer, Output, Outputs, ReadOutcome, ReadRequest, Refusal, Reply, TransactionFilter};
use crate::reads::{ListWork, Purpose};

/// Pages of the ledger one listing looks at, 10,000 halves each: about 5 ms in which nobody else is served. A filter
/// that few pass gets an answer with few rows or none, and where to go on.
const LIST_PAGES_MAX: usize = 5;
/// Halves with one key that are told apart. More have a key that is none.
const NAMESAKES_MAX: usize = 1000;

impl Broker {
    pub(crate) fn list_transactions(&mut self, reply: Reply, wanted: &TransactionFilter<'_>, out: &mut Outputs) {
        let max = wanted.max.clamp(1, self.config.limits.query_rows);
        if let Some(key) = wanted.key {
            let topics = match wanted.topic {
                // What is the id of a half in memory is no key of another one: there is nothing to read.
                _ if !self.state.ledger.find_by_unique_key(None, key).is_empty() => Vec::new(),
                Some(topic) => vec![Arc::from(topic)],
                None => self.state.topics.iter().map(|topic| Arc::from(topic.config.name.as_str())).collect(),
            };
            let work = ListWork {
                reply,
                key: key.to_owned(),
                group: wanted.group.map(str::to_owned),
                topic: wanted.topic.map(str::to_owned),
                set_aside: wanted.set_aside,
                min_age_ms: wanted.min_age_ms,
                after: wanted.after,
                max,
            };
            let ticket = self.reads.begin(Purpose::ListByKey(Box::new(work)));
            let request = ReadRequest::HalvesByKey { key: key.to_owned(), topics, max: NAMESAKES_MAX };
            return out.list.push(Output::Read(ticket, request));
        }
        let filter = self.ledger_filter(wanted);
        let mut from = wanted.after.map_or(CommitLogOffset::ZERO, |after| after.plus(1));
        let mut rows = Vec::new();
        let mut next = None;
        for _ in 0..LIST_PAGES_MAX {
            let page = self.state.ledger.page(&filter, from, max - rows.len());
            rows.extend(page.halves.into_iter().map(|half| self.status(half)));
            next = page.next;
            match next {
                Some(begin) if rows.len() < max => from = begin,
                _ => break,
            }
        }
        // A page begins behind at least one half that was looked at, so there is an offset before it.
        let next = next.map(|begin| CommitLogOffset::new(begin.get().saturating_sub(1)));
        self.listed(reply, rows, next, out);
    }

    /// The places of the halves with a key were read: those that are undecided still are listed.
    pub(crate) fn list_by_key(&mut self, work: &ListWork, outcome: ReadOutcome, out: &mut Outputs) {
        let mut places = match outcome {
            ReadOutcome::Places(places) => places,
            ReadOutcome::Failed(text) => return self.refuse(Some(work.reply), Refusal::Failed(text), out),
            _ => Vec::new(),
        };
        // Halves with a delay have no key to be read by before they are visible; their unique ids are in memory.
        let by_id = self.state.ledger.find_by_unique_key(None, &work.key);
        places.extend(by_id.into_iter().map(|half| half.at()));
        places.sort_unstable();
        places.dedup();
        let wanted = work.filter();
        let filter = self.ledger_filter(&wanted);
        let halves = places.into_iter().filter(|at| wanted.after.is_none_or(|after| *at > after));
        let halves = halves.filter_map(|at| self.state.ledger.get(at)).filter(|half| {
            filter.group.is_none_or(|group| half.group() == group)
                && filter.topic.is_none_or(|topic| half.topic() == topic)
                && filter.state.is_none_or(|state| half.state() == state)
                && filter.stored_until.is_none_or(|until| half.stored_at() <= until)
        });
        let mut rows: Vec<_> = halves.take(work.max + 1).map(|half| self.status(half)).collect();
        let more = rows.len() > work.max;
        rows.truncate(work.max);
        let next = rows.last().filter(|_| more).map(|last| last.half.at);
        self.listed(work.reply, rows, next, out);
    }

    fn ledger_filter<'a>(&self, wanted: &TransactionFilter<'a>) -> Filter<'a> {
        Filter {
            group: wanted.group,
            topic: wanted.topic,
            unique_key: None,
            state: wanted.set_aside.map(|aside| if aside { HalfState::SetAside } else { HalfState::Pending }),
            stored_until: (wanted.min_age_ms > 0)
                .then(|| self.now.plus_ms(-i64::try_from(wanted.min_age_ms).unwrap_or(i64::MAX))),
        }
    }

    fn listed(
        &self,
        reply: Reply,
        rows: Vec<crate::io::TransactionStatus>,
        next: Option<CommitLogOffset>,
        out: &mut Outputs,
    ) {
        let counts = self.state.ledger.counts();
        let (total, set_aside) = (counts.undecided() as u64, counts.set_aside as u64);
        out.list.push(Output::Answer(reply, Answer::Transactions { rows, total, set_aside, next }));
    }
}
