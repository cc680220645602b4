//! Check-backs: what the checker wants is read, pushed and recorded here.

use message::CommitLogOffset;
use message::entry::{Check, CheckOutcome, DecidedBy, Entry, Note, Outcome};
use message::properties;
use message::record::{Delivery, NewRecord, Record};
use transaction::{Command, Event, State};

use crate::Broker;
use crate::io::{CheckPush, Output, Outputs, Push, PushId, ReadOutcome, ReadRequest, RecordAt, SessionId};
use crate::pending::Pending;
use crate::reads::Purpose;

impl Broker {
    pub(crate) fn check_due(&mut self, out: &mut Outputs) {
        if self.checker.next_deadline().is_some_and(|due| due <= self.now) {
            self.check_step(Event::Tick, out);
        }
    }

    pub(crate) fn producer_joined(&mut self, session: SessionId, group: &str, out: &mut Outputs) {
        let client = self.sessions.get(session).map(|known| known.client.clone()).unwrap_or_default();
        self.check_step(Event::SessionJoined { group, session: name(session), client: &client }, out);
    }

    pub(crate) fn producer_left(&mut self, session: SessionId, group: &str, out: &mut Outputs) {
        self.check_step(Event::GroupLeft { group, session: name(session) }, out);
    }

    /// One step of the checker, and what it wants done.
    pub(crate) fn check_step(&mut self, event: Event<'_>, out: &mut Outputs) {
        let mut commands = std::mem::take(&mut self.check_commands);
        self.checker.step(self.now, event, &mut commands);
        for command in commands.drain(..) {
            match command {
                Command::SendCheck { half, session, .. } => self.read_for_check(half, SessionId(session.0), out),
                Command::LogCheck { half, outcome, client } => self.log_check(half, outcome, &client, out),
                Command::SetAside { half } => self.propose_set_aside(half, "", "asked about too often", out),
                Command::Rollback { half } => {
                    let why = "asked about too often (transactions.when_exhausted = \"rollback\")";
                    if self.state.ledger.get(half).is_some() {
                        self.decide(None, half, Outcome::Rollback, DecidedBy::Exhausted, "", why, out);
                    }
                }
            }
        }
        self.check_commands = commands;
    }

    fn log_check(&mut self, half: CommitLogOffset, outcome: CheckOutcome, client: &str, out: &mut Outputs) {
        match outcome {
            CheckOutcome::Unknown => self.counters.checks_unknown += 1,
            CheckOutcome::Silent => self.counters.checks_silent += 1,
        }
        // Nobody waits for it. It is synced at once all the same: what comes next links back to it, and the story of a
        // transaction has no hole. Checks are seconds apart, and a storm of answers shares its syncs.
        let (previous, time) = (self.last_entry(half), self.now);
        let check = Check { half, previous, time, outcome, client };
        self.propose(out, Pending::Nobody, true, |payload| Entry::Check(check).encode(payload));
    }

    pub(crate) fn propose_set_aside(&mut self, half: CommitLogOffset, who: &str, why: &str, out: &mut Outputs) {
        let note = Note { half, previous: self.last_entry(half), time: self.now, who, why };
        self.propose(out, Pending::Nobody, true, |payload| Entry::SetAside(note).encode(payload));
    }

    /// The last entry about an undecided half that is applied: where the next one links to.
    ///
    /// One that is still on its way to the log is passed over: then the story lacks a line, and no decision.
    pub(crate) fn last_entry(&self, half: CommitLogOffset) -> CommitLogOffset {
        self.state.ledger.get(half).map_or(half, |half| half.last_entry())
    }

    pub(crate) fn set_aside_applied(&mut self, payload: &[u8], out: &mut Outputs) {
        if let Ok(Entry::SetAside(note)) = Entry::decode(payload) {
            self.check_step(Event::SetAside { half: note.half }, out);
        }
    }

    pub(crate) fn resumed_applied(&mut self, payload: &[u8], out: &mut Outputs) {
        if let Ok(Entry::Resume(note)) = Entry::decode(payload) {
            // A later entry of the same batch may have decided it.
            let Some(group) = self.state.ledger.get(note.half).map(|half| half.group().to_owned()) else { return };
            self.check_step(Event::Resumed { half: note.half, group: &group }, out);
        }
    }

    fn read_for_check(&mut self, half: CommitLogOffset, session: SessionId, out: &mut Outputs) {
        let Some(state) = self.state.ledger.get(half) else { return };
        if self.deciding.contains_key(&half) {
            // A decision is on its way to the log: no need to ask, unless it gets lost.
            return self.check_step(Event::CheckFailed { half }, out);
        }
        let record = RecordAt { at: state.record_at(), len: state.record_len() };
        let ticket = self.reads.begin(Purpose::Check { half, session });
        out.list.push(Output::Read(ticket, ReadRequest::Records(vec![record])));
    }

    /// The record of a half was read: ask.
    pub(crate) fn check_read(
        &mut self,
        half: CommitLogOffset,
        session: SessionId,
        outcome: ReadOutcome,
        out: &mut Outputs,
    ) {
        // One entry of a batch may set aside, or decide, what an earlier one had asked about.
        let Some(state) = self.state.ledger.get(half).filter(|half| half.state() == State::Pending) else { return };
        let record = match &outcome {
            ReadOutcome::Records(Some(bytes)) => Record::parse(bytes).ok(),
            _ => None,
        };
        let Some(record) = record else {
            let why = outcome.failure();
            let text = format!("the half at offset {half} cannot be read, so nobody can be asked about it: {why}");
            out.list.push(Output::Warn(text));
            return self.check_step(Event::CheckFailed { half }, out);
        };
        let (sequence, unique_key) = (state.sequence(), state.unique_key().to_owned());
        let checks = state.attempts() + 1;
        let push = CheckPush {
            half,
            sequence,
            record: record_for_check(&record, half, sequence, state.group(), checks, self.now),
            unique_key,
        };
        let id = self.next_push();
        self.counters.checks_sent += 1;
        let client = self.sessions.get(session).map(|known| known.client.clone()).unwrap_or_default();
        self.watch_asked(half, &client);
        self.checks_in_flight.insert(id, (half, session));
        out.list.push(Output::Push(id, session, Push::Check(push)));
    }

    pub(crate) fn push_sent(&mut self, push: PushId, ok: bool, out: &mut Outputs) {
        if let Some((half, session)) = self.checks_in_flight.remove(&push) {
            self.check_step(Event::PushSent { half, session: name(session), ok }, out);
        }
    }
}

/// A connection as the checker knows it.
pub(crate) fn name(session: SessionId) -> transaction::SessionId {
    transaction::SessionId(session.0)
}

/// The record of a half with the properties a producer expects in a check (remoting protocol 4.2).
fn record_for_check(
    record: &Record<'_>,
    half: CommitLogOffset,
    sequence: message::QueueOffset,
    group: &str,
    checks: u32,
    now: message::Timestamp,
) -> Vec<u8> {
    let text = half_properties(record, group, checks);
    let mut bytes = Vec::new();
    NewRecord { properties: &text, ..record.to_new() }.encode(&mut bytes);
    let delivery = Delivery { queue_offset: sequence, physical_offset: half, store_timestamp: now, half: None };
    delivery.patch(&mut bytes).expect("a record that was just encoded");
    bytes
}

/// The properties of a half as RocketMQ keeps them: its target, and that it is a half.
///
/// When they do not fit, the half is shown without what the broker would add; producers go by PGROUP and UNIQ_KEY.
pub(crate) fn half_properties(record: &Record<'_>, group: &str, checks: u32) -> String {
    let added = [
        properties::TRAN_MSG,
        properties::PGROUP,
        properties::REAL_TOPIC,
        properties::REAL_QID,
        properties::TRANSACTION_CHECK_TIMES,
    ];
    let mut text = String::with_capacity(record.properties().len() + 160);
    properties::copy_without(record.properties(), &added, &mut text);
    properties::push(&mut text, properties::TRAN_MSG, "true");
    properties::push(&mut text, properties::PGROUP, group);
    properties::push(&mut text, properties::REAL_TOPIC, record.topic());
    properties::push(&mut text, properties::REAL_QID, &record.queue_id().to_string());
    if checks > 0 {
        properties::push(&mut text, properties::TRANSACTION_CHECK_TIMES, &checks.to_string());
    }
    if text.len() > properties::PROPERTIES_LEN_MAX {
        text = properties::with(record.properties(), properties::PGROUP, group);
        if text.len() > properties::PROPERTIES_LEN_MAX {
            text = record.properties().to_owned();
        }
    }
    text
}

/// A half as it is shown in one of the system's topics.
pub(crate) fn record_for_view(
    record: &Record<'_>,
    properties: &str,
    at: CommitLogOffset,
    sequence: message::QueueOffset,
    stored: message::Timestamp,
    topic: &str,
) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    NewRecord { properties, topic, queue_id: 0, ..record.to_new() }.encode(&mut bytes);
    Delivery { queue_offset: sequence, physical_offset: at, store_timestamp: stored, half: None }
        .patch(&mut bytes)
        .ok()?;
    Some(bytes)
}
