//! Decisions: the first one applied counts, for ever.

use message::entry::{DecidedBy, Decision, Entry, Half, Outcome, Place};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, properties};
use transaction::{Event, Mismatch};

use crate::Broker;
use crate::checks::name;
use crate::io::{
    Answer, End, EndOutcome, HalfEntries, Output, Outputs, ReadOutcome, ReadRequest, RecordAt, Refusal, Reply, Sent,
    SessionId, Settled,
};
use crate::pending::{Deciding, Pending, Sender};
use crate::reads::{DecideWork, Purpose, SettleWork};

impl Broker {
    pub(crate) fn end(&mut self, session: SessionId, reply: Option<Reply>, end: &End<'_>, out: &mut Outputs) {
        let (Some(half), Some(sequence)) =
            (CommitLogOffset::from_signed(end.half), QueueOffset::from_signed(end.sequence))
        else {
            self.counters.decisions_mismatched += 1;
            let text = format!("offset {} and position {} do not name a half", end.half, end.sequence);
            return self.refuse(reply, Refusal::NotFound(text), out);
        };
        let pending = match self.state.ledger.check_decision(end.group, half, sequence, end.unique_key) {
            Ok(_) => true,
            Err(Mismatch::NotPending { .. }) => false,
            // It names a pending half, but not as its own sender would: somebody else's, or a forgery.
            Err(mismatch) => {
                self.counters.decisions_mismatched += 1;
                return self.refuse(reply, Refusal::NotFound(mismatch.to_string()), out);
            }
        };
        let outcome = match end.outcome {
            EndOutcome::Unknown => {
                if pending {
                    let (session, from_check) = (name(session), end.from_check);
                    self.check_step(Event::UnknownAnswered { half, session, from_check }, out);
                }
                return self.settled(reply, Settled::Undecided, out);
            }
            EndOutcome::Decided(outcome) => outcome,
        };
        if !pending {
            // Decided before, or never was: the log knows.
            let work = SettleWork::new(reply, end, half, sequence, outcome);
            let ticket = self.reads.begin(Purpose::Settle(Box::new(work)));
            return out.list.push(Output::Read(ticket, ReadRequest::Half { sequence, last: None }));
        }
        let client = self.sessions.get(session).map(|session| session.client.clone());
        let by = if end.from_check { DecidedBy::CheckAnswer } else { DecidedBy::Producer };
        self.decide(reply, half, outcome, by, client.as_deref().unwrap_or_default(), end.remark, out);
    }

    /// Proposes a decision, or joins one that is on its way.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn decide(
        &mut self,
        reply: Option<Reply>,
        half: CommitLogOffset,
        outcome: Outcome,
        by: DecidedBy,
        who: &str,
        why: &str,
        out: &mut Outputs,
    ) {
        if let Some(deciding) = self.deciding.get_mut(&half) {
            deciding.replies.push((reply, outcome));
            return;
        }
        self.deciding.insert(half, Deciding { replies: vec![(reply, outcome)] });
        let state = self.state.ledger.get(half).expect("whoever decides has looked it up");
        let old = self.now.since_ms(state.stored_at()) > self.config.limits.link_ms;
        if outcome == Outcome::Commit && old && state.delay().deliver_at(self.now).is_none() {
            let record = RecordAt { at: state.record_at(), len: state.record_len() };
            let work = DecideWork { half, by, who: who.to_owned(), why: why.to_owned() };
            let ticket = self.reads.begin(Purpose::Decide(Box::new(work)));
            return out.list.push(Output::Read(ticket, ReadRequest::Records(vec![record])));
        }
        self.propose_decision(half, outcome, by, who, why, None, out);
    }

    /// Goes on with a commit whose record was read, to be carried.
    pub(crate) fn decide_carried(&mut self, work: DecideWork, outcome: ReadOutcome, out: &mut Outputs) {
        match outcome {
            ReadOutcome::Records(Some(record)) => {
                let DecideWork { half, by, who, why } = work;
                self.propose_decision(half, Outcome::Commit, by, &who, &why, Some(&record), out);
            }
            _ => {
                // Undecided still: the producer is asked again.
                let text = "the record of the half could not be read; the transaction stays undecided";
                if let Some(deciding) = self.deciding.remove(&work.half) {
                    for (reply, _) in deciding.replies {
                        self.refuse(reply, Refusal::Failed(text.to_owned()), out);
                    }
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn propose_decision(
        &mut self,
        half: CommitLogOffset,
        outcome: Outcome,
        by: DecidedBy,
        who: &str,
        why: &str,
        carried: Option<&[u8]>,
        out: &mut Outputs,
    ) {
        let Some(state) = self.state.ledger.get(half) else {
            self.deciding.remove(&half);
            return;
        };
        let (sequence, topic, queue) = (state.sequence(), state.topic().to_owned(), state.queue_id());
        let (record_at, record_len, tags_code) = (state.record_at(), state.record_len(), state.tags_code());
        let deliver_at = state.delay().deliver_at(self.now);
        let place = match (outcome, deliver_at, carried) {
            (Outcome::Rollback, _, _) => Place::Nowhere,
            (Outcome::Commit, Some(deliver_at), _) => Place::Later { deliver_at },
            (Outcome::Commit, None, carried) => {
                let queue_offset = self.take_for_delivery(&topic, queue, out);
                match carried {
                    Some(bytes) => Place::Carry { queue_offset, tags_code, record: bytes },
                    None => {
                        Place::Link { topic: &topic, queue_id: queue, queue_offset, record_at, record_len, tags_code }
                    }
                }
            }
        };
        let (previous, time) = (self.last_entry(half), self.now);
        let decision = Decision { half, sequence, previous, time, outcome, by, who, why, place };
        self.propose(out, Pending::Decision(half), true, |payload| Entry::Decision(decision).encode(payload));
    }

    /// A half is stored: its sender is told under which name, and its checks begin.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn half_applied(
        &mut self,
        payload: &[u8],
        half: CommitLogOffset,
        sequence: QueueOffset,
        repeat: bool,
        pending: Pending,
        out: &mut Outputs,
    ) {
        match repeat {
            true => self.counters.halves_repeated += 1,
            false => self.counters.halves += 1,
        }
        let Pending::Half { sender, session, .. } = pending else { return };
        let Ok(Entry::Half(Half { record, group, immunity_ms, .. })) = Entry::decode(payload) else { return };
        let (stored_at, queue) = match self.state.ledger.get(half) {
            Some(half) => (half.stored_at(), half.queue_id()),
            // Decided in the same batch.
            None => (self.now, Record::parse(record).expect("it was parsed when it was applied").queue_id()),
        };
        let session = Some(name(session)).filter(|_| self.sessions.get(session).is_some());
        self.check_step(Event::HalfStored { half, group, session, stored_at, immunity_ms }, out);
        let Some(Sender { reply, unique_key }) = sender else { return };
        let sent = Sent { queue, queue_offset: sequence, at: half, unique_key };
        out.list.push(Output::Answer(reply, Answer::Sent(sent)));
    }

    /// A transaction is decided: everybody who brought a decision hears whether it was this one.
    pub(crate) fn decided(&mut self, half: CommitLogOffset, outcome: Outcome, pending: Pending, out: &mut Outputs) {
        match outcome {
            Outcome::Commit => self.counters.committed += 1,
            Outcome::Rollback => self.counters.rolled_back += 1,
        }
        self.check_step(Event::Decided { half }, out);
        let Pending::Decision(_) = pending else { return };
        let Some(deciding) = self.deciding.remove(&half) else { return };
        for (index, (reply, brought)) in deciding.replies.into_iter().enumerate() {
            match (brought == outcome, index) {
                (true, 0) => self.settled(reply, Settled::Decided, out),
                (true, _) => self.repeated(reply, out),
                (false, _) => self.contradicted(reply, outcome, out),
            }
        }
    }

    /// A proposed decision changed nothing, for another one came before it: look at the log again.
    pub(crate) fn decision_refused(&mut self, half: CommitLogOffset, out: &mut Outputs) {
        let Some(deciding) = self.deciding.remove(&half) else { return };
        for (reply, _) in deciding.replies {
            let text = "another decision was applied first; ask again to learn which";
            self.refuse(reply, Refusal::Conflict(text.to_owned()), out);
        }
    }

    /// Settles a decision that names no pending half by what the log says about it.
    pub(crate) fn settled_by_read(&mut self, work: SettleWork, outcome: ReadOutcome, out: &mut Outputs) {
        let entries = match outcome {
            ReadOutcome::Half(entries) => entries,
            ReadOutcome::Failed(text) => return self.refuse(work.reply, Refusal::Failed(text), out),
            other => unreachable!("a half is answered by a half, not by {other:?}"),
        };
        match verdict(&work, entries.as_ref()) {
            Ok(first) if first == work.outcome => self.repeated(work.reply, out),
            Ok(first) => self.contradicted(work.reply, first, out),
            Err(why) => {
                self.counters.decisions_mismatched += 1;
                self.refuse(work.reply, Refusal::NotFound(why), out);
            }
        }
    }

    fn settled(&mut self, reply: Option<Reply>, settled: Settled, out: &mut Outputs) {
        if let Some(reply) = reply {
            out.list.push(Output::Answer(reply, Answer::Settled(settled)));
        }
    }

    fn repeated(&mut self, reply: Option<Reply>, out: &mut Outputs) {
        self.counters.decisions_repeated += 1;
        self.settled(reply, Settled::Repeated, out);
    }

    fn contradicted(&mut self, reply: Option<Reply>, first: Outcome, out: &mut Outputs) {
        self.counters.decisions_refused += 1;
        let was = match first {
            Outcome::Commit => "committed",
            Outcome::Rollback => "rolled back",
        };
        self.refuse(
            reply,
            Refusal::Conflict(format!("the transaction was {was} before: the first decision counts")),
            out,
        );
    }
}

/// What was decided about the half a decision names, or why it names none.
fn verdict(work: &SettleWork, entries: Option<&HalfEntries>) -> Result<Outcome, String> {
    let unknown = || {
        format!(
            "no transaction with offset {} and position {} is known: it never was, or has expired",
            work.half, work.sequence
        )
    };
    let entries = entries.filter(|entries| entries.half_at == work.half).ok_or_else(unknown)?;
    let Ok(Entry::Half(half)) = Entry::decode(&entries.half) else { return Err(unknown()) };
    if half.group != work.group {
        return Err(format!("the transaction belongs to another producer group than {:?}", work.group));
    }
    let record = Record::parse(half.record).map_err(|_| unknown())?;
    let key = record.property(properties::UNIQ_KEY).unwrap_or_default();
    if !work.unique_key.is_empty() && key != work.unique_key {
        return Err(format!("the transaction at this offset has another id than {:?}", work.unique_key));
    }
    let (_, _, decision) = entries.later.last().ok_or_else(unknown)?;
    match Entry::decode(decision) {
        Ok(Entry::Decision(decision)) if decision.half == work.half => Ok(decision.outcome),
        _ => Err(unknown()),
    }
}
