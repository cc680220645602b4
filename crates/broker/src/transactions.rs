//! Transactions as operators see them: listed, explained, settled by hand, browsed through RocketMQ's topics.

use std::sync::Arc;

use message::entry::{CheckOutcome, DecidedBy, Decision, Entry, Note, Outcome, Place};
use message::names;
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, Timestamp, properties};
use transaction::{HalfView, Stage, State as HalfState};

use crate::Broker;
use crate::checks::{half_properties, record_for_view};
use crate::held::HeldPull;
use crate::io::{
    Answer, HalfEntries, Happening, Output, Outputs, Pull, PullRead, PullStatus, Pulled, QueueRange, ReadOutcome,
    ReadRequest, RecordAt, Refusal, Reply, Resolution, Resolve, Stored, TagFilter, TransactionStatus,
};
use crate::pending::Pending;
use crate::reads::{HalfViewWork, Purpose};

impl Broker {
    pub(crate) fn status(&self, half: HalfView<'_>) -> TransactionStatus {
        TransactionStatus {
            half: Stored { at: half.at(), time: half.stored_at() },
            sequence: half.sequence(),
            unique_key: half.unique_key().to_owned(),
            topic: half.topic().to_owned(),
            queue: half.queue_id(),
            group: half.group().to_owned(),
            client: half.client().to_owned(),
            state: match half.state() {
                HalfState::Pending => "pending",
                HalfState::SetAside => "set-aside",
            },
            attempts: half.attempts(),
            silent: half.silent(),
            next_check: self.next_check(half),
            producers: self.sessions.producers(half.group()).count(),
            explanation: self.explain(half),
            size: half.record_len(),
            tag: String::new(),
            keys: String::new(),
            timeline: Vec::new(),
        }
    }

    fn next_check(&self, half: HalfView<'_>) -> Option<Timestamp> {
        if self.deciding.contains_key(&half.at()) {
            return None;
        }
        match self.checker.view(half.at())?.stage {
            Stage::Resting { due } | Stage::Waiting { due } => Some(due),
            Stage::Asked { .. } | Stage::Exhausted => None,
        }
    }

    fn explain(&self, half: HalfView<'_>) -> String {
        if self.deciding.contains_key(&half.at()) {
            return "a decision is on its way to the log".into();
        }
        let view = self.checker.view(half.at());
        transaction::explain(half, view.as_ref(), &self.config.checks, self.now).to_string()
    }

    /// The undecided half that goes by this id: its unique id, its offset id, or its offset.
    fn find_undecided(&self, id: &str) -> Option<CommitLogOffset> {
        if let Some(half) = self.state.ledger.find_by_unique_key(None, id).last() {
            return Some(half.at());
        }
        let at = offset_of_id(id)?;
        self.state.ledger.get(at).map(|half| half.at())
    }

    pub(crate) fn show_transaction(&mut self, reply: Reply, id: &str, out: &mut Outputs) {
        let (purpose, request) = match (self.find_undecided(id), offset_of_id(id)) {
            (Some(at), _) => {
                let half = self.state.ledger.get(at).expect("found above");
                let (sequence, last) = (half.sequence(), Some(half.last_entry()));
                (Purpose::Show(reply), ReadRequest::Half { sequence, last })
            }
            (None, Some(at)) => (Purpose::ShowByOffset { reply, key: id.to_owned() }, ReadRequest::Entry { at }),
            (None, None) => (Purpose::Show(reply), self.half_by_key(id.to_owned())),
        };
        let ticket = self.reads.begin(purpose);
        out.list.push(Output::Read(ticket, request));
    }

    pub(crate) fn shown_by_offset(&mut self, reply: Reply, key: String, outcome: ReadOutcome, out: &mut Outputs) {
        let sequence = match &outcome {
            ReadOutcome::Entry(Some(payload)) => match Entry::decode(payload) {
                Ok(Entry::Half(half)) => Some(half.sequence),
                Ok(Entry::Decision(decision)) => Some(decision.sequence),
                _ => None,
            },
            ReadOutcome::Failed(text) => return self.refuse(Some(reply), Refusal::Failed(text.clone()), out),
            _ => None,
        };
        // Unique ids and offset ids look alike: 32 hexadecimal digits.
        let request = match sequence {
            Some(sequence) => ReadRequest::Half { sequence, last: None },
            None => self.half_by_key(key),
        };
        let ticket = self.reads.begin(Purpose::Show(reply));
        out.list.push(Output::Read(ticket, request));
    }

    fn half_by_key(&self, key: String) -> ReadRequest {
        let topics = self.state.topics.iter().map(|topic| Arc::from(topic.config.name.as_str())).collect();
        ReadRequest::HalfByKey { key, topics }
    }

    pub(crate) fn shown(&mut self, reply: Reply, outcome: ReadOutcome, out: &mut Outputs) {
        let answer = match outcome {
            ReadOutcome::Half(Some(entries)) => match self.full_status(&entries) {
                Some(status) => Answer::Transaction(Box::new(status)),
                None => Answer::Refused(Refusal::Failed("the entries of the transaction cannot be read".into())),
            },
            ReadOutcome::Failed(text) => Answer::Refused(Refusal::Failed(text)),
            _ => Answer::Refused(Refusal::NotFound(
                "no transaction goes by this id: it never was one, or has expired (ids are the unique id, the offset id \
                 or the log offset of the half)"
                    .into(),
            )),
        };
        out.list.push(Output::Answer(reply, answer));
    }

    fn full_status(&self, entries: &HalfEntries) -> Option<TransactionStatus> {
        let Ok(Entry::Half(half)) = Entry::decode(&entries.half) else { return None };
        let record = Record::parse(half.record).ok()?;
        let stored = record.store_timestamp();
        let mut status = match self.state.ledger.get(entries.half_at) {
            Some(pending) => self.status(pending),
            None => TransactionStatus {
                half: Stored { at: entries.half_at, time: stored },
                sequence: half.sequence,
                unique_key: record.property(properties::UNIQ_KEY).unwrap_or_default().to_owned(),
                topic: record.topic().to_owned(),
                queue: record.queue_id(),
                group: half.group.to_owned(),
                client: half.client.to_owned(),
                state: "pending",
                attempts: 0,
                silent: 0,
                next_check: None,
                producers: self.sessions.producers(half.group).count(),
                explanation: String::new(),
                size: half.record.len() as u32,
                tag: String::new(),
                keys: String::new(),
                timeline: Vec::new(),
            },
        };
        record.property(properties::TAGS).unwrap_or_default().clone_into(&mut status.tag);
        record.property(properties::KEYS).unwrap_or_default().clone_into(&mut status.keys);
        let client = half.client.to_owned();
        status.timeline.push((stored, Happening::Stored { client, at: entries.half_at }));
        for (at, time, payload) in &entries.later {
            let Ok(entry) = Entry::decode(payload) else { continue };
            self.tell(&mut status, *at, *time, &entry);
        }
        if self.state.ledger.get(entries.half_at).is_none() {
            // The ledger has forgotten it: its story tells how often it was asked about.
            let asked = |wanted| {
                let came_to = |happening: &Happening| matches!(happening, Happening::Checked { outcome, .. } if *outcome == wanted);
                status.timeline.iter().filter(|(_, happening)| came_to(happening)).count() as u32
            };
            (status.attempts, status.silent) = (asked(CheckOutcome::Unknown), asked(CheckOutcome::Silent));
        }
        Some(status)
    }

    /// Adds what an entry did to a transaction to its story.
    fn tell(&self, status: &mut TransactionStatus, at: CommitLogOffset, time: Timestamp, entry: &Entry<'_>) {
        let happening = match entry {
            Entry::Check(check) => Happening::Checked { client: check.client.to_owned(), outcome: check.outcome },
            Entry::SetAside(note) => Happening::SetAside { who: note.who.to_owned(), why: note.why.to_owned() },
            Entry::Resume(note) => Happening::Resumed { who: note.who.to_owned(), why: note.why.to_owned() },
            Entry::Decision(decision) => {
                self.tell_decision(status, at, time, decision);
                return;
            }
            _ => return,
        };
        status.timeline.push((time, happening));
    }

    fn tell_decision(
        &self,
        status: &mut TransactionStatus,
        at: CommitLogOffset,
        time: Timestamp,
        decision: &Decision<'_>,
    ) {
        let Decision { outcome, by, who, why, .. } = *decision;
        let decided = Happening::Decided { outcome, by, who: who.to_owned(), why: why.to_owned() };
        status.timeline.push((time, decided));
        status.state = match outcome {
            Outcome::Commit => "committed",
            Outcome::Rollback => "rolled-back",
        };
        let visible = |topic: &str, queue, offset| Happening::Visible { topic: topic.to_owned(), queue, offset, at };
        let place = match decision.place {
            Place::Link { topic, queue_id, queue_offset, .. } => visible(topic, queue_id, queue_offset),
            Place::Carry { queue_offset, .. } => visible(&status.topic, status.queue, queue_offset),
            Place::Later { deliver_at } => Happening::Scheduled { deliver_at },
            Place::Nowhere => {
                "it is rolled back: its message was never visible and never will be"
                    .clone_into(&mut status.explanation);
                return;
            }
        };
        status.explanation = match &place {
            Happening::Visible { topic, queue, offset, .. } => {
                format!("it is committed, and its message is in {topic}, queue {queue}, offset {offset}")
            }
            Happening::Scheduled { deliver_at } if *deliver_at <= self.now => {
                format!("it is committed, and its message became visible at {deliver_at}")
            }
            Happening::Scheduled { deliver_at } => {
                format!("it is committed, and its message becomes visible at {deliver_at}")
            }
            other => unreachable!("a commit makes its message visible, now or later, not {other:?}"),
        };
        status.timeline.push((time, place));
    }

    pub(crate) fn resolve(&mut self, reply: Option<Reply>, resolve: &Resolve<'_>, out: &mut Outputs) {
        if resolve.why.trim().is_empty() || resolve.who.trim().is_empty() {
            let text = "settling a transaction by hand needs a reason and a name; both are recorded in the log";
            return self.refuse(reply, Refusal::InvalidParameter(text.into()), out);
        }
        let Some(half) = self.find_undecided(resolve.id) else {
            let text = format!(
                "no undecided transaction goes by {:?}: look it up with `tandem transactions show {}`",
                resolve.id, resolve.id
            );
            return self.refuse(reply, Refusal::NotFound(text), out);
        };
        if resolve.dry_run {
            let status = self.status(self.state.ledger.get(half).expect("found above"));
            if let Some(reply) = reply {
                out.list.push(Output::Answer(reply, Answer::Transaction(Box::new(status))));
            }
            return;
        }
        match resolve.resolution {
            Resolution::Decide(outcome) => {
                self.decide(reply, half, outcome, DecidedBy::Operator, resolve.who, resolve.why, out);
            }
            Resolution::Resume => {
                let (previous, time) = (self.last_entry(half), self.now);
                let note = Note { half, previous, time, who: resolve.who, why: resolve.why };
                self.propose(out, Pending::Done(reply), true, |payload| Entry::Resume(note).encode(payload));
            }
        }
    }

    /// Undecided halves as RocketMQ's tools look for them: as messages of a topic. Their bodies are not for consumers.
    pub(crate) fn pull_view(&mut self, reply: Reply, pull: &Pull<'_>, out: &mut Outputs) -> Result<(), Refusal> {
        if pull.group != names::TOOLS_GROUP {
            return Err(Refusal::NoPermission(format!(
                "undecided messages are shown to operators' tools only (group {}), not to group {:?}",
                names::TOOLS_GROUP,
                pull.group
            )));
        }
        let topic = match pull.topic {
            names::HALF_TOPIC => names::HALF_TOPIC,
            names::SET_ASIDE_TOPIC => names::SET_ASIDE_TOPIC,
            _ => names::OP_HALF_TOPIC,
        };
        let range = self.view_range(topic);
        let from = QueueOffset::from_signed(pull.offset).unwrap_or_default();
        let max = (pull.max_messages.max(1) as usize).min(self.config.limits.pull_messages);
        let (halves, records): (Vec<_>, Vec<_>) = self
            .viewed(topic)
            .skip_while(|half| half.sequence() < from)
            .take(max)
            .scan(0, |bytes, half| {
                // Always one, then as many as fit: nothing longer is read than may be sent.
                let fits = *bytes == 0 || *bytes + half.record_len() as usize <= self.config.limits.pull_bytes;
                *bytes += half.record_len() as usize;
                fits.then_some(half)
            })
            .map(|half| {
                let record = RecordAt { at: half.record_at(), len: half.record_len() };
                ((half.at(), half.sequence(), half.stored_at()), record)
            })
            .unzip();
        let read = PullRead {
            session: reply.session,
            topic: topic.into(),
            queue: 0,
            from: pull.offset,
            max_messages: max,
            max_bytes: self.config.limits.pull_bytes,
            filter: TagFilter::All,
        };
        let pull = HeldPull { reply, read, group: pull.group.to_owned(), until: self.now };
        let work = HalfViewWork { pull, topic, halves, min: range.min, max: range.max };
        let ticket = self.reads.begin(Purpose::HalfView(Box::new(work)));
        out.list.push(Output::Read(ticket, ReadRequest::Records(records)));
        Ok(())
    }

    pub(crate) fn view_read(&mut self, work: HalfViewWork, outcome: ReadOutcome, out: &mut Outputs) {
        let records = match outcome {
            ReadOutcome::Records(Some(records)) => records,
            ReadOutcome::Failed(text) => return self.refuse(Some(work.pull.reply), Refusal::Failed(text), out),
            _ => Vec::new(),
        };
        let (mut body, mut rest, mut count, mut next) = (Vec::new(), &records[..], 0, None);
        for (at, sequence, stored) in &work.halves {
            let Ok(record) = Record::parse(rest) else { break };
            rest = &rest[record.bytes().len()..];
            if body.len() >= work.pull.read.max_bytes {
                break;
            }
            let group = self.state.ledger.get(*at).map_or("", |half| half.group());
            let text = half_properties(&record, group, 0);
            if let Some(bytes) = record_for_view(&record, &text, *at, *sequence, *stored, work.topic) {
                body.extend_from_slice(&bytes);
            }
            (count, next) = (count + 1, Some(sequence.plus(1)));
        }
        let from = QueueOffset::from_signed(work.pull.read.from).unwrap_or_default();
        let status = match (body.is_empty(), work.max == QueueOffset::ZERO) {
            (false, _) => PullStatus::Found,
            (true, true) => PullStatus::Empty,
            (true, false) if from > work.max => PullStatus::TooLarge,
            (true, false) => PullStatus::AtEnd,
        };
        let next = next.unwrap_or(from.max(work.max));
        let pulled = Pulled { status, next, min: work.min, max: work.max, count, body };
        out.list.push(Output::Answer(work.pull.reply, Answer::Pulled(pulled)));
    }

    fn viewed<'a>(&'a self, topic: &str) -> Box<dyn Iterator<Item = HalfView<'a>> + 'a> {
        let state = match topic {
            names::HALF_TOPIC => HalfState::Pending,
            names::SET_ASIDE_TOPIC => HalfState::SetAside,
            _ => return Box::new(std::iter::empty()),
        };
        Box::new(self.state.ledger.iter().filter(move |half| half.state() == state))
    }

    /// Positions of the halves one of the system's topics shows.
    pub(crate) fn view_range(&self, topic: &str) -> QueueRange {
        let mut shown = self.viewed(topic);
        let Some(first) = shown.next() else {
            let end = if topic == names::HALF_TOPIC { self.state.next_half } else { QueueOffset::ZERO };
            return QueueRange { min: end, max: end, ..QueueRange::default() };
        };
        let last = shown.last().unwrap_or(first);
        let max = if topic == names::HALF_TOPIC { self.state.next_half } else { last.sequence().plus(1) };
        QueueRange {
            min: first.sequence(),
            max,
            first_at: Some(first.at()),
            first_time: Some(first.stored_at()),
            last_time: Some(last.stored_at()),
        }
    }

    pub(crate) fn view_offset_at(&self, topic: &str, time: Timestamp) -> QueueOffset {
        let found = self.viewed(topic).find(|half| half.stored_at() >= time).map(|half| half.sequence());
        found.unwrap_or_else(|| self.view_range(topic).max)
    }
}

/// The log offset an id names: the last 16 digits of an offset id, or a plain number.
fn offset_of_id(id: &str) -> Option<CommitLogOffset> {
    let hex = matches!(id.len(), 32 | 56) && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    match hex {
        true => u64::from_str_radix(&id[id.len() - 16..], 16).ok().map(CommitLogOffset::new),
        false => id.parse().ok().map(CommitLogOffset::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_id_and_a_number_name_a_place_in_the_log_and_other_words_do_not() {
        assert_eq!(offset_of_id("0A00000900002A9F0000000000001000"), Some(CommitLogOffset::new(4096)));
        assert_eq!(offset_of_id("4096"), Some(CommitLogOffset::new(4096)));
        assert_eq!(offset_of_id("order-17"), None);
        assert_eq!(offset_of_id(""), None);
    }
}
