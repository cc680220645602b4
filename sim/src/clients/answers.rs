//! What clients make of their answers, and whether the answers are allowed.

use broker::io::{Answer, Refusal, Settled};
use message::CommitLogOffset;
use message::entry::Outcome;
use message::names;
use message::record::Record;

use crate::history::hash_of;
use crate::oracle::{Ended, MessageId, Promise};
use crate::world::{Asked, What, World};

impl World {
    pub(crate) fn answered(&mut self, token: u64, asked: Asked, answer: Answer) {
        if asked.gone && matches!(answer, Answer::Refused(_)) {
            // The connection is reason enough, and its client does not know what became of the request.
            return self.unheard(asked);
        }
        match (asked.what.clone(), answer) {
            (What::Send(id), Answer::Sent(sent)) => {
                let delayed = self.oracle.messages[&id].delay_ms.is_some();
                let key = self.oracle.messages[&id].unique_key();
                if sent.unique_key != key {
                    let text = format!("{id} is {key:?} and was answered {sent:?}");
                    return self.oracle.fail("an answer is about what was asked", text);
                }
                if delayed {
                    let end = self.end();
                    let message = self.oracle.messages.get_mut(&id).expect("asked about");
                    message.promise = Some(Promise::Later { at: sent.at, end });
                } else {
                    self.promised(id, sent.queue, sent.queue_offset.get());
                }
            }
            (What::Batch(ids), Answer::SentBatch { first, records }) => {
                if records.len() != ids.len() {
                    let text = format!("{} messages were answered with {records:?}", ids.len());
                    return self.oracle.fail("an answer is about what was asked", text);
                }
                for (number, id) in ids.into_iter().enumerate() {
                    self.promised(id, first.queue, first.queue_offset.get() + number as u64);
                }
            }
            (What::Send(id), Answer::Refused(why)) => self.refused_send(&asked, &[id], &why),
            (What::Batch(ids), Answer::Refused(why)) => self.refused_send(&asked, &ids, &why),
            (What::Half(id), Answer::Sent(sent)) => self.half_stored(asked.client, id, &sent, !asked.gone),
            (What::Half(id), Answer::Refused(why)) => {
                self.allow(&asked, &why, &[Refused::New]);
                self.half_failed(asked.client, id);
            }
            (What::End { half, outcome }, answer) => self.end_answered(&asked, half, outcome, &answer),
            (What::Permit(..), Answer::Done) => self.closed_topics -= 1,
            (What::Permit(..), Answer::Refused(_)) => self.unheard(asked.clone()),
            (
                What::Illegal,
                Answer::Refused(Refusal::MessageIllegal(_) | Refusal::Unavailable(_) | Refusal::Busy(_)),
            ) => {}
            (What::Forged, Answer::Refused(Refusal::NotFound(_))) => {}
            (What::Forged, Answer::Refused(why)) if self.failed => self.note(format_args!("not looked up: {why}")),
            (What::Forged, answer) => {
                let text = format!("a decision that names another transaction was answered {answer:?}");
                self.oracle.fail("a forged decision is refused", text);
            }
            (What::Pull { .. }, Answer::Pulled(pulled)) => self.pulled(&asked, &pulled),
            (What::Pull { topic, queue, .. }, Answer::Refused(why)) => {
                self.allow(&asked, &why, &[Refused::New, Refused::TopicGone, Refused::Subscription]);
                self.lane_failed(&asked, &topic, queue);
            }
            (What::QueryOffset { .. }, Answer::Offset(offset)) => self.offset_queried(&asked, Some(offset.get())),
            (What::QueryOffset { .. }, Answer::NoOffset) => self.offset_queried(&asked, None),
            (What::QueryOffset { topic, queue, .. }, Answer::Refused(why)) => {
                self.allow(&asked, &why, &[Refused::TopicGone]);
                self.lane_failed(&asked, &topic, queue);
            }
            (What::TellOffset { group, topic, queue }, Answer::Done) => {
                self.oracle.offsets.stored(&group, &topic, queue, token);
            }
            (What::TellOffset { .. }, Answer::Refused(why)) => {
                self.allow(&asked, &why, &[Refused::TopicGone, Refused::GroupGone]);
            }
            (What::SendBack { group, message, attempt }, Answer::Done) => {
                let end = self.end();
                let back = self.oracle.sent_back.entry((group, message, attempt)).or_default();
                back.promised = Some(end);
            }
            (What::SendBack { message, .. }, Answer::Refused(why)) => self.send_back_refused(&asked, message, &why),
            (What::DeleteTopic(_), Answer::Done) => {}
            (What::DeleteTopic(topic), Answer::Refused(_)) => {
                // Of a log that has failed nobody can say what is in it.
                if !self.failed {
                    self.oracle.deleting.remove(&topic);
                }
            }
            (What::List, Answer::Transactions { rows, .. }) => self.listed(&rows),
            (What::Show(half), Answer::Transaction(status)) => self.shown(half, &status),
            (What::Show(half), Answer::Refused(why)) => {
                if !(self.failed || self.log_start() > half || self.plan.is_lossy()) {
                    let text = format!("half {half} cannot be shown, in a log from {} on: {why}", self.log_start());
                    self.oracle.fail("a stored half is known until it has expired", text);
                }
            }
            (What::Resolve { dry_run: true, .. }, _) | (What::Resolve { outcome: None, .. }, _) => {}
            (What::Resolve { half, outcome, .. }, answer) => self.resolved(&asked, half, outcome, &answer),
            (What::View { topic, queue, offset, gone }, answer) => {
                if self.oracle.queues.gone(&topic) == gone {
                    self.viewed(&topic, queue, offset, &answer);
                }
            }
            (What::ViewHidden(half), Answer::Found(found)) => {
                let text = format!("half {half} was shown: {:016x}", hash_of(&found.records));
                self.oracle.fail("a half is not readable by its offset", text);
            }
            (What::Query { topic, key }, Answer::Found(found)) => self.queried(&topic, &key, &found.records),
            (What::ResetOffset { group, topic }, _) => self.oracle.offsets.reset_done(&group, &topic),
            (What::Other | What::ViewHidden(_) | What::Query { .. }, _) => {}
            (what, answer) => {
                let text = format!("{what:?} was answered {answer:?}");
                self.oracle.fail("an answer is about what was asked", text);
            }
        }
        if asked.gone && matches!(asked.what, What::Send(_) | What::Batch(_) | What::Half(_)) {
            self.unheard(asked);
        }
    }

    fn promised(&mut self, id: MessageId, queue: u32, offset: u64) {
        let end = self.end();
        let message = self.oracle.messages.get_mut(&id).expect("asked about");
        message.promise = Some(Promise::At { queue, offset, end });
        let topic = message.topic.clone();
        if message.queue >= 0 && message.queue as u32 != queue {
            let text = format!("{id} was sent to queue {} and answered to be in {queue}", message.queue);
            return self.oracle.fail("a message is delivered where it was sent", text);
        }
        if let Err(text) = self.oracle.queues.promise(&topic, queue, offset, id, end) {
            self.oracle.fail("a queue offset has one content for ever", text);
        }
    }

    fn refused_send(&mut self, asked: &Asked, ids: &[MessageId], why: &Refusal) {
        self.allow(asked, why, &[Refused::New]);
        self.send_failed(asked.client, ids);
    }

    /// A refusal is allowed when there is a reason for it.
    fn allow(&mut self, asked: &Asked, why: &Refusal, allowed: &[Refused]) {
        let reason = match why {
            Refusal::Busy(_) => allowed.contains(&Refused::New),
            Refusal::Unavailable(_) => {
                let full = self.node.as_ref().is_some_and(|node| node.engine.log().disk_full());
                self.failed || full || self.now < self.full_until
            }
            // The topic was made again with fewer queues, by a message that came late.
            Refusal::InvalidParameter(_) => true,
            Refusal::TopicNotFound(_) => allowed.contains(&Refused::TopicGone),
            Refusal::GroupNotFound(_) => allowed.contains(&Refused::GroupGone),
            Refusal::SubscriptionMissing(_) => allowed.contains(&Refused::Subscription),
            Refusal::Conflict(_) => allowed.contains(&Refused::New),
            Refusal::Failed(_) => self.failed,
            // With `durability = "memory"` a power cut may take back that it was opened again.
            Refusal::NoPermission(_) => {
                allowed.contains(&Refused::New) && (self.closed_topics > 0 || self.plan.is_lossy())
            }
            _ => false,
        };
        if !reason {
            self.oracle.fail("a refusal has a reason", format!("{:?} was refused: {why:?}", asked.what));
        }
    }

    fn end_answered(&mut self, asked: &Asked, half: CommitLogOffset, outcome: Option<Outcome>, answer: &Answer) {
        let ended = match (outcome, answer) {
            (None, Answer::Settled(Settled::Undecided)) => return,
            (Some(_), Answer::Settled(Settled::Decided)) => Ended::Decided,
            (Some(_), Answer::Settled(Settled::Repeated)) => Ended::Repeated,
            (Some(_), Answer::Refused(Refusal::Conflict(why))) if why.contains("before") => Ended::Contradicted,
            (Some(_), Answer::Refused(Refusal::Conflict(_))) => return,
            (_, Answer::Refused(Refusal::NotFound(_))) => Ended::NotFound,
            (_, Answer::Refused(why @ (Refusal::Unavailable(_) | Refusal::Failed(_)))) => {
                return self.allow(asked, why, &[]);
            }
            (_, other) => {
                let text = format!("{outcome:?} of half {half} was answered {other:?}");
                return self.oracle.fail("an answer is about what was asked", text);
            }
        };
        let Some(outcome) = outcome else { return };
        let known = self.oracle.transactions.halves.get(&half).is_some_and(|fact| fact.told);
        if known && matches!(ended, Ended::Repeated | Ended::Contradicted) {
            self.oracle.reached.push("decision answered from the log");
        }
        let (end, start) = (self.end(), self.log_start());
        if let Err((rule, text)) = self.oracle.transactions.ended(half, outcome, ended, end, start) {
            self.oracle.fail(rule, text);
        }
    }

    fn resolved(&mut self, asked: &Asked, half: CommitLogOffset, outcome: Option<Outcome>, answer: &Answer) {
        match answer {
            // Who looks for an undecided transaction finds none when it is decided.
            Answer::Refused(Refusal::NotFound(_)) => {}
            answer => self.end_answered(asked, half, outcome, answer),
        }
    }

    fn lane_failed(&mut self, asked: &Asked, topic: &str, queue: u32) {
        if self.clients[asked.client].session != Some(asked.session) {
            return;
        }
        let auditor = self.clients[asked.client].is_auditor();
        if let Some(me) = self.clients[asked.client].consumer() {
            if auditor {
                if let Some(lane) = me.lanes.get_mut(&(topic.to_owned(), queue)) {
                    lane.busy = false;
                }
            } else {
                me.lanes.remove(&(topic.to_owned(), queue));
            }
        }
    }

    fn send_back_refused(&mut self, asked: &Asked, message: MessageId, why: &Refusal) {
        let topic = self.oracle.messages[&message].topic.clone();
        match why {
            Refusal::NotFound(_) => {
                let What::SendBack { group, .. } = &asked.what else { return };
                let excused = self.oracle.expires
                    || self.plan.is_lossy()
                    || self.oracle.queues.gone(&topic) > 0
                    || self.oracle.queues.gone(&names::retry_topic(group)) > 0;
                if !excused {
                    let text = format!("{message} was delivered and cannot be sent back: {why}");
                    self.oracle.fail("what was delivered is found by its offset", text);
                }
            }
            why => self.allow(asked, why, &[Refused::New, Refused::GroupGone]),
        }
    }

    fn viewed(&mut self, topic: &str, queue: u32, offset: u64, answer: &Answer) {
        let Some(slot) = self.oracle.queues.slot(topic, queue, offset).cloned() else { return };
        match answer {
            Answer::Found(found) if hash_of(&found.records) == slot.hash => {}
            Answer::Refused(_) if self.oracle.expires || self.failed || self.plan.is_lossy() => {}
            other => {
                let text = format!("{topic} queue {queue} offset {offset}, {slot:?}: {other:?}");
                self.oracle.fail("what was delivered is found by its offset", text);
            }
        }
    }

    /// Messages found by key are messages that are, or will be, found in their queues.
    fn queried(&mut self, topic: &str, key: &str, records: &[u8]) {
        let mut rest = records;
        while !rest.is_empty() {
            let record = match Record::parse(rest) {
                Ok(record) => record,
                Err(error) => return self.oracle.fail("what is found by key is a record", error.to_string()),
            };
            let keys = record.property(message::properties::KEYS).unwrap_or_default();
            if record.topic() != topic || !keys.split(' ').any(|one| one == key) {
                let text = format!("{key:?} in {topic} found {} with {keys:?}", record.topic());
                return self.oracle.fail("what is found by key has it", text);
            }
            self.oracle.seen(topic, record.queue_id(), &record);
            rest = &rest[record.bytes().len()..];
        }
    }
}

/// Reasons for which a request may be refused, beside a log that has failed and a disk that is full.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It stores something new: limits.
    New,
    /// Its topic is gone.
    TopicGone,
    /// Its group is gone, or was never stored.
    GroupGone,
    /// Its group has sent no heartbeat.
    Subscription,
}
