//! What was promised, and whether it is kept: told of everything clients do and hear, and of nothing else.
//!
//! The oracle knows no entry of the log and no state of the broker. What it compares are answers with answers, answers
//! with deliveries, and deliveries with what the clients' simulated databases say. Only two rules look inside: the live
//! state is the fold of the log (`state.rs`), and what was said holds after every power cut (`recovered.rs`).

mod index;
mod messages;
mod offsets;
mod queues;
mod recovered;
mod state;
mod transactions;

pub use index::index_has_what_the_log_has;
pub use messages::{Message, MessageId, Promise};
pub use offsets::Offsets;
pub use queues::{Queues, Slot};
pub use recovered::Recovered;
pub use state::state_is_the_fold;
pub use transactions::{Ended, HalfFact, Local, Transaction, TransactionId, Transactions};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use message::entry::Outcome;
use message::record::Record;
use message::{CommitLogOffset, Timestamp, names, properties, sys_flag};

use crate::history::hash_of;

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which promise.
    pub rule: &'static str,
    /// What happened instead.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// Everything the oracle knows.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The first promise that was not kept.
    pub violation: Option<Violation>,
    /// All messages clients have sent.
    pub messages: BTreeMap<MessageId, Message>,
    /// What was seen in queues, and what must be there.
    pub queues: Queues,
    /// Transactions.
    pub transactions: Transactions,
    /// Offsets of consumer groups.
    pub offsets: Offsets,
    /// Topics about whose deletion nobody has heard yet.
    pub deleting: BTreeSet<String>,
    /// Messages sent back: group, message, and attempt, with how often it was tried and whether it was promised.
    pub sent_back: BTreeMap<(String, MessageId, i32), SentBack>,
    /// What was reached that is worth counting, since it was looked at last.
    pub reached: Vec<&'static str>,
    /// Where the log ended when this process of the broker began.
    pub born_at: CommitLogOffset,
    /// Where the log has begun at the latest. A crash may bring segments back that were given up, but not the messages.
    pub log_start: CommitLogOffset,
    /// Whether messages may expire.
    pub expires: bool,
}

/// A message that a consumer could not consume.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentBack {
    /// Requests that may have stored it.
    pub tries: u32,
    /// Where the log ended when it was promised to come again.
    pub promised: Option<CommitLogOffset>,
    /// Copies seen.
    pub copies: u32,
}

impl Oracle {
    /// A promise was not kept. The first one counts.
    pub fn fail(&mut self, rule: &'static str, text: impl Into<String>) {
        self.violation.get_or_insert_with(|| Violation { rule, text: text.into() });
    }

    /// A record was delivered from a queue, by whatever way.
    pub fn seen(&mut self, topic: &str, queue: u32, record: &Record<'_>) {
        let offset = record.queue_offset().get();
        let place = format!("{topic} queue {queue} offset {offset}");
        let id = messages::id_in(record.body());
        let slot = Slot {
            message: id,
            hash: hash_of(record.bytes()),
            at: record.physical_offset(),
            time: record.store_timestamp(),
            half: record.prepared_transaction_offset(),
            reconsume: record.reconsume_times(),
            tag: record.property(properties::TAGS).unwrap_or_default().to_owned(),
        };
        match self.queues.see(topic, queue, offset, slot.clone()) {
            Ok(true) => {}
            Ok(false) => return,
            Err(why) => return self.fail("a queue offset has one content for ever", format!("{place}: {why}")),
        }
        if record.topic() != topic || record.queue_id() != queue {
            let text = format!("{place} delivers a record of {} queue {}", record.topic(), record.queue_id());
            return self.fail("a message is delivered where it was sent", text);
        }
        let Some(id) = id.filter(|id| self.messages.contains_key(id)) else {
            return self.fail("only what was sent is delivered", format!("{place} holds {:?}", record.body()));
        };
        let text = {
            let message = &self.messages[&id];
            message.compare(record).err().map(|why| format!("{place}, message {id}: {why}"))
        };
        if let Some(text) = text {
            return self.fail("a message is delivered as it was sent", text);
        }
        if let Some(group) = names::group_of_retry_topic(topic).or(names::group_of_dead_letter_topic(topic)) {
            return self.seen_again(topic, group, id, &slot, &place);
        }
        self.seen_first(topic, queue, id, record, &slot, &place);
    }

    /// A copy of a message that a consumer had sent back.
    fn seen_again(&mut self, topic: &str, group: &str, id: MessageId, slot: &Slot, place: &str) {
        let key = (group.to_owned(), id, slot.reconsume);
        let copies = self.sent_back.get_mut(&key).map(|back| {
            back.copies += 1;
            (back.copies, back.tries)
        });
        match copies {
            Some((copies, tries)) if copies <= tries => {
                let dead = names::group_of_dead_letter_topic(topic).is_some();
                self.reached.push(if dead { "dead letter delivered" } else { "retry delivered" });
            }
            other => self.fail(
                "a message comes again as often as it was sent back",
                format!("{place}, message {id}, attempt {}: {other:?}", slot.reconsume),
            ),
        }
    }

    fn seen_first(&mut self, topic: &str, queue: u32, id: MessageId, record: &Record<'_>, slot: &Slot, place: &str) {
        let message = self.messages.get_mut(&id).expect("looked up before");
        if message.topic != topic || (message.queue >= 0 && message.queue as u32 != queue) {
            let text = format!("{place}, message {id} was sent to {} queue {}", message.topic, message.queue);
            return self.fail("a message is delivered where it was sent", text);
        }
        message.copies.insert((topic.to_owned(), queue, record.queue_offset().get()), slot.at);
        let copies = message.copies.len();
        let is_commit = record.sys_flag() & sys_flag::TRANSACTION_TYPE == sys_flag::TRANSACTION_COMMIT;
        match message.transaction {
            Some(transaction) if is_commit => {
                if let Err((rule, text)) = self.transactions.seen(transaction, slot) {
                    self.fail(rule, format!("{place}, message {id}: {text}"));
                }
                if slot.half < self.born_at && slot.at >= self.born_at {
                    self.reached.push("commit delivered after a restart");
                }
            }
            Some(_) => self.fail(
                "an undecided half is never delivered",
                format!("{place}, message {id} is a half without a commit, flags {}", record.sys_flag()),
            ),
            None if is_commit => {
                self.fail("only transactions are committed", format!("{place}, message {id} was sent as a plain one"))
            }
            None => {
                let (tries, due) = (message.tries, message.due());
                if copies > tries as usize {
                    let text = format!("{place}, message {id}: {copies} copies after {tries} requests");
                    return self.fail("a message is stored as often as it was sent at most", text);
                }
                if due.is_some_and(|due| slot.time < due) {
                    let text = format!("{place}, message {id}: visible at {}, due at {due:?}", slot.time);
                    self.fail("a delayed message is not delivered before its time", text);
                }
            }
        }
    }

    /// A topic is gone, and with it what was in its queues.
    pub fn topic_gone(&mut self, topic: &str) {
        self.deleting.remove(topic);
        self.queues.forget(topic);
        self.offsets.forget_topic(topic);
        for message in self.messages.values_mut().filter(|message| message.topic == topic) {
            message.topic_gone();
        }
        if let Some(group) = names::group_of_retry_topic(topic).or(names::group_of_dead_letter_topic(topic)) {
            for (_, back) in self.sent_back.iter_mut().filter(|((of, _, _), _)| of == group) {
                back.promised = None;
            }
        }
    }

    /// A decision about a half is known: by an answer, or because its message was seen.
    pub fn decided(&mut self, half: CommitLogOffset, outcome: Outcome, end: CommitLogOffset, how: &str) {
        if let Err(text) = self.transactions.decided(half, outcome, end, how) {
            self.fail("a transaction has one decision", text);
        }
    }

    /// With `durability = "memory"` a power cut has taken what lay behind this offset, or some of it.
    pub fn lost_behind(&mut self, synced: CommitLogOffset) {
        self.queues.lost_behind(synced);
        self.transactions.lost_behind(synced);
        self.offsets.lost();
        for message in self.messages.values_mut() {
            message.lost_behind(synced);
        }
        for back in self.sent_back.values_mut() {
            back.promised = back.promised.filter(|end| *end <= synced);
            // What was seen may come again: it is stored anew, or it was not lost.
            back.tries += back.copies;
        }
    }

    /// When the faults have stopped and everybody has had time: what was promised must have happened.
    pub fn finish(&mut self, now: Timestamp) {
        let missing = self.messages.values().find_map(|message| {
            let promise = message.promise.as_ref()?;
            let seen = match promise {
                Promise::At { queue, offset, .. } => {
                    self.queues
                        .slot(&message.topic, *queue, *offset)
                        .is_some_and(|slot| slot.message == Some(message.id))
                        || self.queues.may_have_expired(&message.topic, *queue, *offset)
                }
                Promise::Later { .. } => {
                    !message.copies.is_empty() || (self.expires && self.queues.topic_expired(&message.topic))
                }
            };
            (!seen).then(|| format!("message {}, {promise:?}, for {}", message.id, message.topic))
        });
        if let Some(text) = missing {
            return self.fail("what was answered as stored is delivered", text);
        }
        let missing = self.sent_back.iter().find(|((group, _, _), back)| {
            back.promised.is_some()
                && back.copies == 0
                && !self.queues.topic_expired(&names::retry_topic(group))
                && !self.queues.topic_expired(&names::dead_letter_topic(group))
        });
        if let Some((key, back)) = missing {
            let text = format!("{key:?}: {back:?}");
            return self.fail("what was sent back is delivered again, or is a dead letter", text);
        }
        let (queues, expires) = (&self.queues, self.expires);
        let gone = |topic: &str| queues.gone(topic) > 0 || (expires && queues.topic_expired(topic));
        if let Err((rule, text)) = self.transactions.finish(now, &self.messages, gone) {
            self.fail(rule, text);
        }
    }
}
