use std::collections::BTreeMap;

use engine::Engine;
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, names};
use store::reader::{self, QueueRead, ReadLimits, ReadStatus, TagFilter};

use message::entry::Outcome;

use super::{MessageId, Oracle, Promise, index_has_what_the_log_has, messages};
use crate::history::hash_of;

/// What a recovered broker would deliver: every message of every queue, read as a consumer reads.
#[derive(Debug, Default)]
pub struct Recovered {
    /// By topic and queue.
    pub queues: BTreeMap<(String, u32), RecoveredQueue>,
    /// Halves whose messages are visible, with how many copies.
    committed: BTreeMap<CommitLogOffset, u32>,
}

/// One queue.
#[derive(Debug, Default)]
pub struct RecoveredQueue {
    /// First offset that is there.
    pub min: u64,
    /// Next offset to be given.
    pub max: u64,
    /// What is there: hash of the record, the message it is, and where it became visible.
    pub records: BTreeMap<u64, (u64, Option<MessageId>, CommitLogOffset)>,
    /// Hashes of the bodies.
    pub bodies: BTreeMap<u64, u64>,
}

impl Recovered {
    /// Reads everything.
    ///
    /// # Errors
    /// When a queue cannot be read, has a hole, or goes back in time.
    pub fn read(engine: &Engine) -> Result<Self, String> {
        let mut found = Recovered::default();
        let topics: BTreeMap<String, u32> = engine
            .broker()
            .state()
            .topics
            .iter()
            .filter(|topic| !names::is_transaction_view(topic.name()))
            .map(|topic| (topic.name().to_string(), topic.queues()))
            .collect();
        for (topic, queues) in topics {
            for queue in 0..queues {
                let read =
                    found.read_queue(engine, &topic, queue).map_err(|why| format!("{topic} queue {queue}: {why}"))?;
                let next = engine.broker().state().topics.get(&topic).map_or(0, |topic| topic.next(queue).get());
                if read.max != next {
                    return Err(format!(
                        "{topic} queue {queue} ends at {} in the index, at {next} in the state",
                        read.max
                    ));
                }
                found.queues.insert((topic.clone(), queue), read);
            }
        }
        Ok(found)
    }

    fn read_queue(&mut self, engine: &Engine, topic: &str, queue: u32) -> Result<RecoveredQueue, String> {
        let mut found = RecoveredQueue::default();
        let (mut from, mut begun) = (QueueOffset::ZERO, false);
        let mut last = None;
        loop {
            let mut body = Vec::new();
            let limits = ReadLimits { max_messages: 64, max_bytes: 1 << 20 };
            let read = QueueRead { topic, queue_id: queue, from, limits, filter: TagFilter::All };
            let answer = reader::read_messages(engine.log(), engine.index(), &read, &mut body)
                .map_err(|error| format!("cannot be read from {from} on: {error}"))?;
            (found.min, found.max) = (answer.min.get(), answer.max.get());
            match answer.status {
                ReadStatus::Found => {}
                ReadStatus::OffsetTooSmall if !begun => {
                    (from, begun) = (answer.next, true);
                    continue;
                }
                ReadStatus::NoMessage | ReadStatus::NoQueue => return Ok(found),
                other => return Err(format!("a read from {from} on found {other:?}")),
            }
            begun = true;
            let mut rest = &body[..];
            while !rest.is_empty() {
                let record = Record::parse(rest).map_err(|error| format!("offset {from} is no record: {error}"))?;
                if record.queue_offset() != from {
                    return Err(format!("offset {} stands where {from} should", record.queue_offset()));
                }
                let time = record.store_timestamp();
                if last.is_some_and(|last| last > time) {
                    return Err(format!("offset {from} is of {time}, the one before is later"));
                }
                last = Some(time);
                let (hash, id) = (hash_of(record.bytes()), messages::id_in(record.body()));
                found.records.insert(from.get(), (hash, id, record.physical_offset()));
                found.bodies.insert(from.get(), hash_of(record.body()));
                let half = record.prepared_transaction_offset();
                let again = names::group_of_retry_topic(topic).or(names::group_of_dead_letter_topic(topic)).is_some();
                if half > CommitLogOffset::ZERO && !again {
                    *self.committed.entry(half).or_default() += 1;
                }
                rest = &rest[record.bytes().len()..];
                from = from.plus(1);
            }
            if from != answer.next {
                return Err(format!("a read ended at {from} and said to go on at {}", answer.next));
            }
        }
    }
}

impl Oracle {
    /// What was said before a cut, against what is there after it.
    ///
    /// `lenient` are topics that may or may not be what they were: their deletion was asked for and not answered.
    ///
    /// # Errors
    /// The promise that does not hold, and how.
    pub fn holds(&self, engine: &Engine, found: &Recovered) -> Result<(), (&'static str, String)> {
        self.queues_hold(found)?;
        let start = self.log_start.max(engine.log().start());
        index_has_what_the_log_has(engine, found, start).map_err(|text| ("the index has what the log has", text))?;
        self.delayed_hold(engine, found)?;
        self.transactions_hold(engine, found)?;
        let state = engine.broker().state();
        self.offsets
            .check_recovered(|group, topic, queue| {
                if self.deleting.contains(topic) {
                    return None;
                }
                state.offsets.get(group, topic, queue).map(QueueOffset::get)
            })
            .or_else(|text| if self.deleting.is_empty() { Err(text) } else { Ok(()) })
            .map_err(|text| ("an acknowledged offset is never lost", text))
    }

    /// Whether what was seen of a topic is there.
    pub fn agrees(&self, topic: &str, found: &Recovered) -> bool {
        let there = |queue: u32, offset: u64| {
            let queue = found.queues.get(&(topic.to_owned(), queue))?;
            if offset < queue.min { Some(None) } else { queue.records.get(&offset).map(Some) }
        };
        let slots = self.queues.all_slots().filter(|(of, ..)| *of == topic);
        let mut promised = self.queues.all_promised().filter(|(of, ..)| *of == topic);
        slots.into_iter().all(|(_, queue, offset, slot)| {
            there(queue, offset).is_some_and(|found| found.is_none_or(|(hash, _, _)| *hash == slot.hash))
        }) && promised.all(|(_, queue, offset, message)| {
            there(queue, offset).is_some_and(|found| found.is_none_or(|(_, id, _)| *id == Some(message)))
        })
    }

    fn queues_hold(&self, found: &Recovered) -> Result<(), (&'static str, String)> {
        let there = |topic: &str, queue: u32| found.queues.get(&(topic.to_owned(), queue));
        for (topic, queue, offset, slot) in self.queues.all_slots() {
            if self.deleting.contains(topic) {
                continue;
            }
            let queue_found = there(topic, queue);
            let held = queue_found.is_some_and(|queue| {
                offset < queue.min
                    || queue.records.get(&offset).is_some_and(|(hash, _, at)| (*hash, *at) == (slot.hash, slot.at))
            });
            if !held {
                let now = queue_found.map(|queue| (queue.min, queue.max, queue.records.get(&offset)));
                let text = format!("{topic} queue {queue} offset {offset}: {slot:?} was delivered, now {now:?}");
                return Err(("what was delivered is not lost", text));
            }
        }
        for (topic, queue, offset, message) in self.queues.all_promised() {
            if self.deleting.contains(topic) {
                continue;
            }
            let queue_found = there(topic, queue);
            let held = queue_found.is_some_and(|queue| {
                offset < queue.min || queue.records.get(&offset).is_some_and(|(_, id, _)| *id == Some(message))
            });
            if !held {
                let now = queue_found.map(|queue| (queue.min, queue.max, queue.records.get(&offset)));
                let text = format!("{topic} queue {queue} offset {offset}: {message} was answered, now {now:?}");
                return Err(("what was answered as stored is not lost", text));
            }
        }
        for ((topic, queue), found) in found.queues.iter().filter(|(_, queue)| queue.min > 0) {
            self.may_begin_at(topic, *queue, found.min)?;
        }
        Ok(())
    }

    /// Whether a queue may begin at `min`: what was before has gone with its segment.
    ///
    /// # Errors
    /// The message that is missing although its segment is there.
    pub fn may_begin_at(&self, topic: &str, queue: u32, min: u64) -> Result<(), (&'static str, String)> {
        let start = self.log_start;
        let rule = "nothing expires before its time";
        if !self.expires {
            return Err((rule, format!("{topic} queue {queue} has lost its beginning")));
        }
        // A record may lie far before the place where it became visible: a half's is known by the half, that of a delayed
        // message or of a retry is not known here.
        let again = names::group_of_retry_topic(topic).or(names::group_of_dead_letter_topic(topic)).is_some();
        let Some(last) = self.queues.slot(topic, queue, min - 1).filter(|_| !again) else { return Ok(()) };
        let delayed =
            last.message.and_then(|id| self.messages.get(&id)).is_none_or(|message| message.delay_ms.is_some());
        let half = last.half > CommitLogOffset::ZERO && last.half < start;
        if last.at >= start && !half && !delayed && !self.deleting.contains(topic) {
            return Err((
                rule,
                format!("{topic} queue {queue} begins at {min} in a log from {start} on, without {last:?}"),
            ));
        }
        Ok(())
    }

    fn delayed_hold(&self, engine: &Engine, found: &Recovered) -> Result<(), (&'static str, String)> {
        let scheduled = &engine.broker().state().scheduled;
        for message in self.messages.values() {
            let Some(Promise::Later { at, .. }) = message.promise else { continue };
            if scheduled.get(at).is_some() || !message.copies.is_empty() || self.deleting.contains(&message.topic) {
                continue;
            }
            let visible = found.queues.iter().any(|((topic, _), queue)| {
                *topic == message.topic
                    && (queue.min > 0 || queue.records.values().any(|(_, id, _)| *id == Some(message.id)))
            });
            if !visible {
                let text = format!("{message:?} is neither scheduled nor visible");
                return Err(("a delayed message is not lost", text));
            }
        }
        Ok(())
    }

    fn transactions_hold(&self, engine: &Engine, found: &Recovered) -> Result<(), (&'static str, String)> {
        let (ledger, scheduled) = (&engine.broker().state().ledger, &engine.broker().state().scheduled);
        for (half, fact) in &self.transactions.halves {
            let pending = ledger.get(*half).is_some();
            let copies = found.committed.get(half).copied().unwrap_or(0);
            let message = &self.messages[&self.transactions.get(fact.transaction).message];
            if self.deleting.contains(&message.topic) {
                continue;
            }
            if copies > 1 || (copies > 0 && (pending || fact.sent[0] == 0)) {
                let text = format!("half {half} has {copies} copies, pending: {pending}, {fact:?}");
                return Err(("an undecided, set aside or rolled back half is never delivered", text));
            }
            match fact.decided {
                Some((outcome, _)) if pending => {
                    return Err(("a decision is not lost", format!("half {half}, {outcome:?}, is pending again")));
                }
                Some((Outcome::Rollback, _)) if copies > 0 => {
                    return Err(("a rolled back half is never delivered", format!("half {half}: {fact:?}")));
                }
                Some((Outcome::Commit, _)) => {
                    let expired = self.queues.topic_expired(&message.topic)
                        || found.queues.iter().any(|((topic, _), queue)| *topic == message.topic && queue.min > 0);
                    if copies == 0 && scheduled.get(*half).is_none() && !expired {
                        let text = format!("half {half} of {message:?} is neither visible nor scheduled: {fact:?}");
                        return Err(("a commit is not lost", text));
                    }
                }
                _ if !pending && self.transactions.must_be_undecided(fact) => {
                    return Err(("a stored half is not lost", format!("half {half} is not pending: {fact:?}")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
