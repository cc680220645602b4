//! The durable state: a fold over committed entries, and nothing else.
//!
//! The same entries give the same state everywhere: at a restart, on a replica, and in the thread that makes snapshots
//! from an older snapshot and the log. So nothing in here knows a connection, a clock, or what is in flight.

mod offsets;
mod scheduled;
mod snapshot;
mod topics;

pub use offsets::Offsets;
pub use scheduled::{Scheduled, ScheduledMessage};
pub use topics::{Topic, Topics};

use std::collections::BTreeMap;
use std::sync::Arc;

use message::batch::Sealed;
use message::codec::CodecError;
use message::entry::{
    self, Carried, Decision, Deliver, Entry, GroupConfig, Half, Messages, Outcome, Place, TopicConfig,
};
use message::record::{Record, RecordError};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use thiserror::Error;
use transaction::{HalfApplied, Ledger, Settled};

/// Everything that survives a restart.
#[derive(Debug, Default)]
pub struct State {
    /// Topics and how far each of their queues has come.
    pub topics: Topics,
    /// Consumer groups.
    pub groups: BTreeMap<Arc<str>, GroupConfig>,
    /// How far each group has consumed.
    pub offsets: Offsets,
    /// The name server's configuration: namespace, key, value.
    pub key_values: BTreeMap<(String, String), String>,
    /// Messages that become visible later.
    pub scheduled: Scheduled,
    /// Undecided transactions.
    pub ledger: Ledger,
    /// Position the next half gets.
    pub next_half: QueueOffset,
    /// Position the next scheduled message gets.
    pub next_scheduled: QueueOffset,
    /// Everything before this offset is applied.
    pub applied: CommitLogOffset,
    /// Time of the last batch.
    pub time: Timestamp,
}

/// What an entry changed, for those who wait for it.
#[derive(Debug)]
pub enum Applied {
    /// Messages are visible.
    Visible(Visible),
    /// A half is stored, under its own offset or, when it was sent again, under that of the first.
    Half {
        /// The half that is pending.
        half: CommitLogOffset,
        /// Position among all halves.
        sequence: QueueOffset,
        /// Whether it was there before.
        repeat: bool,
    },
    /// A transaction is decided.
    Decided {
        /// The half.
        half: CommitLogOffset,
        /// How.
        outcome: Outcome,
        /// Length of its record in bytes.
        record_len: u32,
        /// Where its message became visible, if it did.
        visible: Option<Visible>,
    },
    /// A check was recorded.
    Checked,
    /// A half is set aside.
    SetAside,
    /// A half is asked about again.
    Resumed,
    /// A message waits for its time.
    Scheduled {
        /// Position among all scheduled messages.
        sequence: QueueOffset,
        /// When it becomes visible.
        deliver_at: Timestamp,
    },
    /// Offsets are stored.
    Offsets,
    /// A topic is created or changed.
    Topic(Arc<str>),
    /// A topic is gone.
    TopicDeleted(String),
    /// A group is created or changed.
    Group(Arc<str>),
    /// A group is gone.
    GroupDeleted(String),
    /// A configuration key changed.
    KeyValue {
        /// Namespace.
        namespace: String,
        /// Key.
        key: String,
        /// Value; `None` when it is gone.
        value: Option<String>,
    },
    /// A record lies elsewhere now.
    Carried,
    /// The entry contradicts the state and changed nothing: what it refers to was settled by an earlier one.
    Refused(&'static str),
}

/// Messages that became visible in one queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visible {
    /// Topic.
    pub topic: Arc<str>,
    /// Queue.
    pub queue: u32,
    /// Offset of the first.
    pub first: QueueOffset,
    /// How many.
    pub count: u64,
    /// Hash of the tag, 0 without one. `None` of messages whose records are in the entry: it is looked up there when
    /// somebody wants to know, which is seldom and takes a pass over the properties.
    pub tags_code: Option<i32>,
    /// Where the first one became visible.
    pub at: CommitLogOffset,
}

/// The log holds something that is not an entry this version writes: it was written by a newer version, or the state
/// machine has a defect. Going on would give another state than before, so whoever applies must stop.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The payload is not an entry.
    #[error("the entry at offset {at} cannot be read")]
    Entry {
        /// Where.
        at: CommitLogOffset,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The entry holds something that is not a record.
    #[error("the entry at offset {at} holds something that is not a record")]
    Record {
        /// Where.
        at: CommitLogOffset,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A message that is delivered later names a queue that no topic can have: delivering it would make all before it.
    #[error("the entry at offset {at} is for queue {queue}; queues below {} are possible", TopicConfig::QUEUES_MAX)]
    Queue {
        /// Where.
        at: CommitLogOffset,
        /// The queue it names.
        queue: u32,
    },
    /// A batch is missing between the last one applied and this one.
    #[error("the batch at offset {at} does not follow the last one applied, which ends at {applied}")]
    Gap {
        /// Where the batch begins.
        at: CommitLogOffset,
        /// Where the last one ended.
        applied: CommitLogOffset,
    },
}

/// A record that is delivered later, if it is for a queue that a topic can have.
fn later_record(at: CommitLogOffset, bytes: &[u8]) -> Result<Record<'_>, ApplyError> {
    let record = Record::parse(bytes).map_err(|source| ApplyError::Record { at, source })?;
    match record.queue_id() {
        queue if queue < TopicConfig::QUEUES_MAX => Ok(record),
        queue => Err(ApplyError::Queue { at, queue }),
    }
}

impl State {
    /// Applies a committed batch, the next one in order. `seen` is told of each entry.
    ///
    /// # Errors
    /// See [`ApplyError`]: the state must not be used any more.
    pub fn apply_batch(
        &mut self,
        batch: &Sealed<'_>,
        mut seen: impl FnMut(&mut State, CommitLogOffset, &[u8], Applied),
    ) -> Result<(), ApplyError> {
        let header = batch.header();
        if header.offset != self.applied && self.applied != CommitLogOffset::ZERO {
            return Err(ApplyError::Gap { at: header.offset, applied: self.applied });
        }
        self.time = self.time.max(header.time);
        for (at, payload) in batch.entries() {
            let applied = self.apply(at, payload)?;
            seen(self, at, payload, applied);
        }
        self.applied = header.end();
        Ok(())
    }

    fn apply(&mut self, at: CommitLogOffset, payload: &[u8]) -> Result<Applied, ApplyError> {
        let entry = Entry::decode(payload).map_err(|source| ApplyError::Entry { at, source })?;
        Ok(match entry {
            Entry::Messages(messages) => self.apply_messages(at, payload, messages)?,
            Entry::Half(half) => self.apply_half(at, payload, &half)?,
            Entry::Decision(decision) => self.apply_decision(at, &decision)?,
            Entry::Check(check) => match self.ledger.apply_check(self.time, &check) {
                Some(_) => {
                    self.ledger.link(check.half, at);
                    Applied::Checked
                }
                None => Applied::Refused("the half that was checked is decided"),
            },
            Entry::SetAside(note) => match self.ledger.apply_set_aside(note.half) {
                Some(_) => {
                    self.ledger.link(note.half, at);
                    Applied::SetAside
                }
                None => Applied::Refused("the half to set aside is decided"),
            },
            Entry::Resume(note) => match self.ledger.apply_resume(note.half) {
                Some(_) => {
                    self.ledger.link(note.half, at);
                    Applied::Resumed
                }
                None => Applied::Refused("the half to resume is decided"),
            },
            Entry::Scheduled(scheduled) => self.apply_scheduled(at, payload, &scheduled)?,
            Entry::Deliver(deliver) => self.apply_deliver(at, &deliver)?,
            Entry::Offsets(changes) => {
                for change in &changes {
                    self.offsets.store(change.group, change.topic, &change.queues);
                }
                Applied::Offsets
            }
            Entry::Topic(config) => Applied::Topic(self.topics.put(config)),
            Entry::TopicDeleted { name } => {
                self.topics.remove(name);
                self.offsets.forget_topic(name);
                Applied::TopicDeleted(name.to_owned())
            }
            Entry::Group(config) => {
                let name: Arc<str> = Arc::from(config.name.as_str());
                self.groups.insert(name.clone(), config);
                Applied::Group(name)
            }
            Entry::GroupDeleted { name, offsets } => {
                self.groups.remove(name);
                if offsets {
                    self.offsets.forget_group(name);
                }
                Applied::GroupDeleted(name.to_owned())
            }
            Entry::KeyValue { namespace, key, value } => {
                let id = (namespace.to_owned(), key.to_owned());
                match value {
                    Some(value) => self.key_values.insert(id, value.to_owned()),
                    None => self.key_values.remove(&id),
                };
                let value = value.map(str::to_owned);
                Applied::KeyValue { namespace: namespace.to_owned(), key: key.to_owned(), value }
            }
            Entry::Carried(carried) => self.apply_carried(at, payload, carried),
        })
    }

    fn apply_messages(
        &mut self,
        at: CommitLogOffset,
        payload: &[u8],
        messages: Messages<'_>,
    ) -> Result<Applied, ApplyError> {
        let broken = |source| ApplyError::Record { at, source };
        let first = Record::parse(messages.records).map_err(broken)?;
        let (mut count, mut rest) = (1, &messages.records[first.bytes().len()..]);
        while !rest.is_empty() {
            rest = &rest[Record::parse(rest).map_err(broken)?.bytes().len()..];
            count += 1;
        }
        let Some(visible) = self.topics.advance(
            first.topic(),
            first.queue_id(),
            first.queue_offset(),
            count,
            None,
            at.plus(entry::record_distance(payload, messages.records)),
        ) else {
            return Ok(Applied::Refused("the topic is gone, or the queue is not where the message expected it"));
        };
        Ok(Applied::Visible(visible))
    }

    fn apply_half(&mut self, at: CommitLogOffset, payload: &[u8], half: &Half<'_>) -> Result<Applied, ApplyError> {
        let record = later_record(at, half.record)?;
        let record_at = at.plus(entry::record_distance(payload, half.record));
        self.next_half = self.next_half.max(half.sequence.plus(1));
        Ok(match self.ledger.apply_half(at, self.time, half, &record, record_at) {
            HalfApplied::New => Applied::Half { half: at, sequence: half.sequence, repeat: false },
            HalfApplied::Repeat { first } => {
                let sequence = self.ledger.get(first).map_or(half.sequence, |half| half.sequence());
                Applied::Half { half: first, sequence, repeat: true }
            }
        })
    }

    fn apply_decision(&mut self, at: CommitLogOffset, decision: &Decision<'_>) -> Result<Applied, ApplyError> {
        // Asked first: making the message visible must not happen for a decision that comes too late.
        if self.ledger.get(decision.half).is_none_or(|half| half.sequence() != decision.sequence) {
            return Ok(Applied::Refused("the half is not pending: an earlier decision counts"));
        }
        let mut later = None;
        let visible = match decision.place {
            Place::Nowhere => None,
            Place::Later { deliver_at } => {
                later = Some(deliver_at);
                None
            }
            Place::Link { .. } | Place::Carry { .. } => match self.place(at, &decision.place)? {
                Some(visible) => Some(visible),
                None => return Ok(Applied::Refused("the queue is not where the decision expected it")),
            },
        };
        let Settled::Decided(half) = self.ledger.apply_decision(decision) else {
            return Ok(Applied::Refused("the half is not pending: an earlier decision counts"));
        };
        let half = half.view();
        let record_len = half.record_len();
        if let Some(deliver_at) = later {
            self.scheduled.insert(
                decision.half,
                ScheduledMessage {
                    deliver_at,
                    topic: self.topics.name(half.topic()),
                    queue: half.queue_id(),
                    record_at: half.record_at(),
                    record_len,
                    tags_code: half.tags_code(),
                    stored: half.stored_at(),
                    half: true,
                },
            );
        }
        Ok(Applied::Decided { half: decision.half, outcome: decision.outcome, record_len, visible })
    }

    fn apply_scheduled(
        &mut self,
        at: CommitLogOffset,
        payload: &[u8],
        scheduled: &entry::Scheduled<'_>,
    ) -> Result<Applied, ApplyError> {
        let record = later_record(at, scheduled.record)?;
        self.next_scheduled = self.next_scheduled.max(scheduled.sequence.plus(1));
        self.scheduled.insert(
            at,
            ScheduledMessage {
                deliver_at: scheduled.deliver_at,
                topic: self.topics.name(record.topic()),
                queue: record.queue_id(),
                record_at: at.plus(entry::record_distance(payload, scheduled.record)),
                record_len: scheduled.record.len() as u32,
                tags_code: tags_code_of(&record),
                stored: self.time,
                half: false,
            },
        );
        Ok(Applied::Scheduled { sequence: scheduled.sequence, deliver_at: scheduled.deliver_at })
    }

    fn apply_deliver(&mut self, at: CommitLogOffset, deliver: &Deliver<'_>) -> Result<Applied, ApplyError> {
        if self.scheduled.get(deliver.source).is_none() {
            return Ok(Applied::Refused("the scheduled message was delivered before"));
        }
        match self.place(at, &deliver.place)? {
            Some(visible) => {
                self.scheduled.remove(deliver.source);
                Ok(Applied::Visible(visible))
            }
            None => Ok(Applied::Refused("the queue is not where the delivery expected it")),
        }
    }

    /// Makes a message visible at its place, `None` if the queue is not there or has moved on.
    fn place(&mut self, at: CommitLogOffset, place: &Place<'_>) -> Result<Option<Visible>, ApplyError> {
        Ok(match place {
            Place::Link { topic, queue_id, queue_offset, tags_code, .. } => {
                self.topics.advance(topic, *queue_id, *queue_offset, 1, Some(*tags_code), at)
            }
            Place::Carry { queue_offset, tags_code, record } => {
                let record = Record::parse(record).map_err(|source| ApplyError::Record { at, source })?;
                self.topics.advance(record.topic(), record.queue_id(), *queue_offset, 1, Some(*tags_code), at)
            }
            Place::Later { .. } | Place::Nowhere => None,
        })
    }

    fn apply_carried(&mut self, at: CommitLogOffset, payload: &[u8], carried: Carried<'_>) -> Applied {
        let record_at = at.plus(entry::record_distance(payload, carried.record));
        let len = carried.record.len() as u32;
        if self.ledger.apply_carried(carried.source, record_at, len).is_some()
            || self.scheduled.carry(carried.source, record_at)
        {
            Applied::Carried
        } else {
            Applied::Refused("the message was decided or delivered before its record was carried")
        }
    }
}

/// Hash of the tag of the first message of an entry of messages, 0 without one.
pub(crate) fn tags_code_of_first(payload: &[u8]) -> i32 {
    match Entry::decode(payload) {
        Ok(Entry::Messages(messages)) => Record::parse(messages.records).map_or(0, |record| tags_code_of(&record)),
        _ => 0,
    }
}

/// Hash of the tag of a record, 0 without one.
pub(crate) fn tags_code_of(record: &Record<'_>) -> i32 {
    record.property(message::properties::TAGS).map_or(0, message::tags::tags_code)
}

#[cfg(test)]
mod tests {
    use message::record::NewRecord;

    use super::*;

    fn record(queue_id: u32) -> Vec<u8> {
        let host = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let mut bytes = Vec::new();
        let new = NewRecord {
            topic: "orders",
            queue_id,
            queue_offset: QueueOffset::ZERO,
            flag: 0,
            sys_flag: 0,
            born_timestamp: Timestamp::ZERO,
            born_host: host,
            store_timestamp: Timestamp::ZERO,
            store_host: host,
            reconsume_times: 0,
            body: b"body",
            properties: "",
        };
        new.encode(&mut bytes);
        bytes
    }

    /// A fuzzed log with right checksums had a half for queue 16,777,216: its commit made room for as many queues.
    #[test]
    fn a_message_for_later_whose_queue_no_topic_can_have_is_not_applied() {
        let at = CommitLogOffset::new(4096);
        assert!(later_record(at, &record(TopicConfig::QUEUES_MAX - 1)).is_ok());
        let refused = later_record(at, &record(TopicConfig::QUEUES_MAX)).expect_err("one too many");
        assert_eq!(refused.to_string(), "the entry at offset 4096 is for queue 65536; queues below 65536 are possible");
        assert!(matches!(later_record(at, b"no record"), Err(ApplyError::Record { .. })));
    }
}
