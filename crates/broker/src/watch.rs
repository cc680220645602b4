//! What happens to transactions, told live to whoever watches: nothing is kept while nobody does.

use std::collections::VecDeque;

use message::entry::Entry;
use message::record::Record;
use message::{CommitLogOffset, Timestamp, properties};
use transaction::HalfView;

use crate::Broker;
use crate::io::{Answer, Happening, Output, Outputs, Reply, TransactionEvent};
use crate::state::Applied;

/// Events kept for those who watch: the oldest go first, and who comes too late is told how many were missed.
const EVENTS_MAX: usize = 10_000;
/// Bytes of them, so that long names and reasons do not make up for what the number bounds.
const BYTES_MAX: usize = 8 << 20;
/// Events of one answer.
const ANSWER_MAX: usize = 1000;
/// Who has not asked for so long has stopped watching.
const IDLE_MS: i64 = 10_000;

/// The latest events, as long as somebody watches.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// `None` while nobody watches.
    asked_at: Option<Timestamp>,
    events: VecDeque<TransactionEvent>,
    bytes: usize,
    /// Number of the next event.
    next: u64,
}

impl Watch {
    /// Whether somebody watches. When nobody has asked for a while, all is forgotten.
    fn is_open(&mut self, now: Timestamp) -> bool {
        match self.asked_at {
            Some(asked_at) if now.since_ms(asked_at) <= IDLE_MS => true,
            Some(_) => {
                // The numbers go on: one who comes back learns that something was missed.
                *self = Watch { next: self.next + 1, ..Watch::default() };
                false
            }
            None => false,
        }
    }

    fn push(&mut self, mut event: TransactionEvent) {
        event.number = self.next;
        self.next += 1;
        self.bytes += size_of(&event);
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let gone = self.events.pop_front().expect("there is something too much");
            self.bytes -= size_of(&gone);
        }
    }
}

fn size_of(event: &TransactionEvent) -> usize {
    let texts = match &event.what {
        Happening::Stored { client, .. } | Happening::Asked { client } | Happening::Checked { client, .. } => {
            client.len()
        }
        Happening::Decided { who, why, .. } | Happening::SetAside { who, why } | Happening::Resumed { who, why } => {
            who.len() + why.len()
        }
        Happening::Scheduled { .. } | Happening::Visible { .. } => 0,
    };
    std::mem::size_of::<TransactionEvent>() + event.id.len() + event.group.len() + event.topic.len() + texts
}

impl Broker {
    /// Events from this number on; without one, the number at which watching begins.
    pub(crate) fn watch_transactions(&mut self, reply: Reply, from: Option<u64>, out: &mut Outputs) {
        self.watch.is_open(self.now);
        self.watch.asked_at = Some(self.now);
        let from = from.unwrap_or(self.watch.next);
        let first = self.watch.next - self.watch.events.len() as u64;
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let events: Vec<_> = self.watch.events.iter().skip(skip).take(ANSWER_MAX).cloned().collect();
        let next = events.last().map_or(self.watch.next, |last| last.number + 1);
        let missed = first.min(self.watch.next).saturating_sub(from);
        out.list.push(Output::Answer(reply, Answer::Watched { events, next, missed }));
    }

    /// An entry was applied: what it says about a transaction is told to those who watch.
    pub(crate) fn watch_applied(&mut self, at: CommitLogOffset, payload: &[u8], applied: &Applied) {
        let about_one = matches!(
            applied,
            Applied::Half { repeat: false, .. }
                | Applied::Decided { .. }
                | Applied::Checked
                | Applied::SetAside
                | Applied::Resumed
        );
        if !about_one || !self.watch.is_open(self.now) {
            return;
        }
        let Ok(entry) = Entry::decode(payload) else { return };
        let (half, what) = match entry {
            Entry::Half(half) => {
                let Ok(record) = Record::parse(half.record) else { return };
                let id = record.property(properties::UNIQ_KEY).unwrap_or_default().to_owned();
                let (group, topic) = (half.group.to_owned(), record.topic().to_owned());
                let what = Happening::Stored { client: half.client.to_owned(), at };
                return self.watch.push(TransactionEvent { number: 0, at: self.now, half: at, id, group, topic, what });
            }
            Entry::Decision(decision) => {
                let (who, why) = (decision.who.to_owned(), decision.why.to_owned());
                (decision.half, Happening::Decided { outcome: decision.outcome, by: decision.by, who, why })
            }
            Entry::Check(check) => {
                (check.half, Happening::Checked { client: check.client.to_owned(), outcome: check.outcome })
            }
            Entry::SetAside(note) => {
                (note.half, Happening::SetAside { who: note.who.to_owned(), why: note.why.to_owned() })
            }
            Entry::Resume(note) => {
                (note.half, Happening::Resumed { who: note.who.to_owned(), why: note.why.to_owned() })
            }
            _ => return,
        };
        self.watch_half(half, what);
    }

    /// A producer is being asked about a half.
    pub(crate) fn watch_asked(&mut self, half: CommitLogOffset, client: &str) {
        if self.watch.is_open(self.now) {
            self.watch_half(half, Happening::Asked { client: client.to_owned() });
        }
    }

    /// Tells of a half. One that was just decided is not in the ledger any more: only its place names it then.
    fn watch_half(&mut self, half: CommitLogOffset, what: Happening) {
        let known = self.state.ledger.get(half);
        let text = |part: fn(&HalfView<'_>) -> String| known.as_ref().map(part).unwrap_or_default();
        let event = TransactionEvent {
            number: 0,
            at: self.now,
            half,
            id: text(|half| half.unique_key().to_owned()),
            group: text(|half| half.group().to_owned()),
            topic: text(|half| half.topic().to_owned()),
            what,
        };
        self.watch.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> TransactionEvent {
        TransactionEvent {
            number: 0,
            at: Timestamp::ZERO,
            half: CommitLogOffset::ZERO,
            id: "K".into(),
            group: String::new(),
            topic: String::new(),
            what: Happening::Asked { client: "c".into() },
        }
    }

    #[test]
    fn nothing_is_kept_longer_than_somebody_watches_nor_without_bound() {
        let at = |ms| Timestamp::from_millis(ms);
        let mut watch = Watch::default();
        assert!(!watch.is_open(at(0)));
        watch.asked_at = Some(at(0));
        for _ in 0..EVENTS_MAX + 5 {
            assert!(watch.is_open(at(IDLE_MS)));
            watch.push(event());
        }
        assert_eq!((watch.events.len(), watch.events[0].number), (EVENTS_MAX, 5));
        let mut long = event();
        long.id = "x".repeat(BYTES_MAX);
        watch.push(long);
        assert_eq!((watch.events.len(), watch.bytes), (0, 0));
        assert!(!watch.is_open(at(IDLE_MS + 1)));
        assert_eq!((watch.events.capacity(), watch.next), (0, EVENTS_MAX as u64 + 7));
    }
}
