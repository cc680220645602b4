//! What came of proposals: applied and answered, or lost.

use message::CommitLogOffset;
use message::batch::Sealed;
use message::record::Record;

use crate::Broker;
use crate::io::{Answer, Output, Outputs, Refusal, Sent};
use crate::pending::{Pending, Sender};
use crate::state::{Applied, Visible};

impl Broker {
    pub(crate) fn committed(&mut self, batch: &Sealed<'_>, out: &mut Outputs) {
        let mut applied: Vec<(CommitLogOffset, Applied)> = Vec::with_capacity(batch.header().entries as usize);
        if let Err(error) = self.state.apply_batch(batch, |_, at, _, what| applied.push((at, what))) {
            self.set_unavailable(format!("the log cannot be applied: {error}"));
            out.list.push(Output::Fatal(error.to_string()));
            return;
        }
        self.now = self.now.max(self.state.time);
        for ((at, what), (_, payload)) in applied.into_iter().zip(batch.entries()) {
            let pending = self.pending.pop_front().unwrap_or(Pending::Nobody);
            self.watch_applied(at, payload, &what);
            self.entry_applied(at, payload, what, pending, out);
        }
    }

    fn entry_applied(
        &mut self,
        at: CommitLogOffset,
        payload: &[u8],
        applied: Applied,
        pending: Pending,
        out: &mut Outputs,
    ) {
        match applied {
            Applied::Visible(visible) => {
                self.counters.stored_in(&visible.topic, visible.count, payload.len() as u64);
                match pending {
                    Pending::Send(Some(sender)) => self.sent(sender, &visible, out),
                    Pending::Reply { sender, session, push } => {
                        if let Some(sender) = sender {
                            self.sent(sender, &visible, out);
                        }
                        let id = self.next_push();
                        out.list.push(Output::Push(id, session, *push));
                    }
                    Pending::Batch(Some(Sender { reply, unique_key })) => {
                        let records = records_of(visible.at, payload);
                        let first = sent(&visible, unique_key);
                        out.list.push(Output::Answer(reply, Answer::SentBatch { first, records }));
                    }
                    Pending::Deliver(source) => {
                        self.delivering.remove(&source);
                    }
                    Pending::Done(reply) => self.done(reply, out),
                    _ => {}
                }
                self.wake(&visible, payload, out);
            }
            Applied::Scheduled { sequence, .. } => match pending {
                Pending::Send(Some(Sender { reply, unique_key })) => {
                    let queue = scheduled_record(payload).map_or(0, |record| record.queue_id());
                    let sent = Sent { queue, queue_offset: sequence, at, unique_key };
                    out.list.push(Output::Answer(reply, Answer::Sent(sent)));
                }
                Pending::Done(reply) => self.done(reply, out),
                _ => {}
            },
            Applied::Half { half, sequence, repeat } => {
                self.half_applied(payload, half, sequence, repeat, pending, out);
            }
            Applied::Decided { half, outcome, record_len, visible } => {
                self.decided(half, outcome, pending, out);
                if let Some(visible) = visible {
                    self.counters.stored_in(&visible.topic, 1, u64::from(record_len));
                    self.wake(&visible, payload, out);
                }
            }
            Applied::Checked => {}
            Applied::SetAside => {
                self.counters.set_aside += 1;
                self.set_aside_applied(payload, out);
                self.pending_done(pending, out);
            }
            Applied::Resumed => {
                self.resumed_applied(payload, out);
                self.pending_done(pending, out);
            }
            Applied::Offsets => match pending {
                Pending::Offsets { replies, .. } => replies.into_iter().for_each(|reply| self.done(Some(reply), out)),
                Pending::Reset { reply, resets, pushes } => {
                    if let Some(reply) = reply {
                        out.list.push(Output::Answer(reply, Answer::Reset(resets)));
                    }
                    for (session, push) in pushes {
                        let id = self.next_push();
                        out.list.push(Output::Push(id, session, push));
                    }
                }
                _ => {}
            },
            Applied::Topic(name) => {
                if let Some(topic) = self.state.topics.get(&name) {
                    out.list.push(Output::TopicChanged(topic.config.clone()));
                }
                self.pending_done(pending, out);
            }
            Applied::TopicDeleted(name) => {
                self.counters.by_topic.remove(name.as_str());
                self.counters.by_group.retain(|(topic, _), _| **topic != *name);
                out.list.push(Output::TopicGone(name));
                self.pending_done(pending, out);
            }
            Applied::Group(_) => self.pending_done(pending, out),
            Applied::GroupDeleted(name) => {
                self.counters.by_group.retain(|(_, group), _| *group != name);
                self.pending_done(pending, out);
            }
            Applied::KeyValue { namespace, key, value } => {
                out.list.push(Output::KeyValueChanged { namespace, key, value });
                self.pending_done(pending, out);
            }
            Applied::Carried => {
                if let Pending::Carry(source) = pending {
                    self.carrying.remove(&source);
                }
            }
            Applied::Refused(why) => self.entry_refused(why, pending, out),
        }
    }

    fn sent(&mut self, sender: Sender, visible: &Visible, out: &mut Outputs) {
        out.list.push(Output::Answer(sender.reply, Answer::Sent(sent(visible, sender.unique_key))));
    }

    fn pending_done(&mut self, pending: Pending, out: &mut Outputs) {
        if let Pending::Done(reply) = pending {
            self.done(reply, out);
        }
    }

    /// An entry changed nothing. With one owner that is rare: an order that was overtaken by another one.
    fn entry_refused(&mut self, why: &str, pending: Pending, out: &mut Outputs) {
        match pending {
            Pending::Nobody => {}
            Pending::Decision(half) => self.decision_refused(half, out),
            Pending::Deliver(source) => {
                self.delivering.remove(&source);
            }
            // Should the record still be needed where it is, it is looked for there again.
            Pending::Carry(source) => {
                self.carrying.remove(&source);
            }
            Pending::Offsets { replies, .. } => {
                for reply in replies {
                    self.refuse(Some(reply), Refusal::Conflict(why.to_owned()), out);
                }
            }
            Pending::Send(sender)
            | Pending::Batch(sender)
            | Pending::Reply { sender, .. }
            | Pending::Half { sender, .. } => {
                self.refuse(sender.map(|sender| sender.reply), Refusal::Conflict(why.to_owned()), out);
            }
            Pending::Reset { reply, .. } | Pending::Done(reply) => {
                self.refuse(reply, Refusal::Conflict(why.to_owned()), out);
            }
        }
    }

    /// What was proposed and is not committed will not be, or nobody can say: those who wait are told so.
    pub(crate) fn lost(&mut self, reason: &str, out: &mut Outputs) {
        let pending = std::mem::take(&mut self.pending);
        for waiting in pending {
            match waiting {
                Pending::Nobody => {}
                Pending::Decision(half) => {
                    if let Some(deciding) = self.deciding.remove(&half) {
                        for (reply, _) in deciding.replies {
                            self.refuse(reply, Refusal::Unavailable(reason.to_owned()), out);
                        }
                    }
                }
                Pending::Deliver(source) => {
                    self.delivering.remove(&source);
                    self.deliveries_not_before = self.now.plus_ms(crate::delivery::RETRY_MS);
                }
                Pending::Carry(source) => {
                    self.carrying.remove(&source);
                }
                Pending::Offsets { replies, keys } => {
                    self.offsets_lost(keys);
                    for reply in replies {
                        self.refuse(Some(reply), Refusal::Unavailable(reason.to_owned()), out);
                    }
                }
                Pending::Send(sender)
                | Pending::Batch(sender)
                | Pending::Reply { sender, .. }
                | Pending::Half { sender, .. } => {
                    self.refuse(sender.map(|sender| sender.reply), Refusal::Unavailable(reason.to_owned()), out);
                }
                Pending::Reset { reply, .. } | Pending::Done(reply) => {
                    self.refuse(reply, Refusal::Unavailable(reason.to_owned()), out);
                }
            }
        }
        self.topics.reset(&self.state.topics);
        self.offsets_restore();
        self.group_view = self.state.groups.clone();
        self.next_half = self.state.next_half;
        self.next_scheduled = self.state.next_scheduled;
    }
}

/// The record in the payload of a scheduled message.
fn scheduled_record(payload: &[u8]) -> Option<Record<'_>> {
    match message::entry::Entry::decode(payload) {
        Ok(message::entry::Entry::Scheduled(scheduled)) => Record::parse(scheduled.record).ok(),
        _ => None,
    }
}

/// What the sender of a message, or of the first of several, is told.
fn sent(visible: &Visible, unique_key: String) -> Sent {
    Sent { queue: visible.queue, queue_offset: visible.first, at: visible.at, unique_key }
}

/// The place of each record of an entry of messages; the first is at `at`.
fn records_of(at: CommitLogOffset, payload: &[u8]) -> Vec<CommitLogOffset> {
    let mut records = Vec::new();
    // The kind is one byte; it was decoded when the entry was applied.
    let mut rest = payload.get(1..).unwrap_or_default();
    let mut next = at;
    while let Ok(record) = Record::parse(rest) {
        records.push(next);
        let len = record.bytes().len();
        next = next.plus(len as u64);
        rest = &rest[len..];
    }
    records
}
