use crate::codec::Put;
use crate::record::NewRecord;
use crate::{CommitLogOffset, QueueOffset, Timestamp};

use super::{
    Carried, Check, CheckOutcome, DecidedBy, Decision, Delay, Deliver, Entry, GroupConfig, Half, Messages, Note,
    OffsetChange, Outcome, Place, Scheduled, TopicConfig, kind,
};

/// Begins an [`Entry::Messages`]: the caller appends the records.
pub fn messages_head(out: &mut Vec<u8>) {
    out.put_u8(kind::MESSAGES);
}

impl Entry<'_> {
    /// Appends the payload of this entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Entry::Messages(Messages { records }) => {
                messages_head(out);
                out.extend_from_slice(records);
            }
            Entry::Half(half) => half.encode(out),
            Entry::Decision(decision) => decision.encode(out),
            Entry::Check(check) => check.encode(out),
            Entry::SetAside(note) => note.encode(kind::SET_ASIDE, out),
            Entry::Resume(note) => note.encode(kind::RESUME, out),
            Entry::Scheduled(Scheduled { deliver_at, sequence, record }) => {
                Scheduled::head(*deliver_at, *sequence, out);
                out.extend_from_slice(record);
            }
            Entry::Deliver(Deliver { source, half, place }) => {
                out.put_u8(kind::DELIVER);
                out.put_u64(source.get());
                out.put_u8(u8::from(*half));
                place.encode(out);
            }
            Entry::Offsets(changes) => encode_offsets(changes, out),
            Entry::Topic(topic) => encode_topic(topic, out),
            Entry::TopicDeleted { name } => {
                out.put_u8(kind::TOPIC_DELETED);
                out.put_str(name);
            }
            Entry::Group(group) => encode_group(group, out),
            Entry::GroupDeleted { name, offsets } => {
                out.put_u8(kind::GROUP_DELETED);
                out.put_str(name);
                out.put_u8(u8::from(*offsets));
            }
            Entry::KeyValue { namespace, key, value } => {
                out.put_u8(kind::KEY_VALUE);
                out.put_str(namespace);
                out.put_str(key);
                out.put_u8(u8::from(value.is_some()));
                if let Some(value) = value {
                    out.put_str(value);
                }
            }
            Entry::Carried(Carried { source, record }) => {
                out.put_u8(kind::CARRIED);
                out.put_u64(source.get());
                out.extend_from_slice(record);
            }
        }
    }
}

impl Half<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.encode_head(out);
        out.extend_from_slice(self.record);
    }

    fn encode_head(&self, out: &mut Vec<u8>) {
        out.put_u8(kind::HALF);
        out.put_u64(self.sequence.get());
        // Milliseconds beyond 49 days are as good as never: the largest value stands for "not said".
        out.put_u32(self.immunity_ms.map_or(u32::MAX, |ms| ms.min(u32::MAX - 1)));
        let (delay, value) = match self.delay {
            Delay::None => (0, 0),
            Delay::AfterMs(ms) => (1, i64::try_from(ms).unwrap_or(i64::MAX)),
            Delay::At(time) => (2, time.millis()),
        };
        out.put_u8(delay);
        out.put_i64(value);
        out.put_str(self.group);
        out.put_str(self.client);
    }

    /// Appends the payload with a record that is made in place; the `record` of `self` is not looked at.
    pub fn encode_with(&self, record: &NewRecord<'_>, out: &mut Vec<u8>) {
        self.encode_head(out);
        record.encode(out);
    }
}

impl Scheduled<'_> {
    /// Begins the payload of a scheduled message: the caller appends the record.
    pub fn head(deliver_at: Timestamp, sequence: QueueOffset, out: &mut Vec<u8>) {
        out.put_u8(kind::SCHEDULED);
        out.put_i64(deliver_at.millis());
        out.put_u64(sequence.get());
    }
}

impl Decision<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(kind::DECISION);
        out.put_u64(self.half.get());
        out.put_u64(self.sequence.get());
        put_link(self.previous, self.time, out);
        out.put_u8(match self.outcome {
            Outcome::Commit => 1,
            Outcome::Rollback => 2,
        });
        out.put_u8(match self.by {
            DecidedBy::Producer => 1,
            DecidedBy::CheckAnswer => 2,
            DecidedBy::Operator => 3,
            DecidedBy::Exhausted => 4,
        });
        out.put_str(self.who);
        out.put_str(self.why);
        self.place.encode(out);
    }
}

impl Check<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(kind::CHECK);
        out.put_u64(self.half.get());
        put_link(self.previous, self.time, out);
        out.put_u8(match self.outcome {
            CheckOutcome::Unknown => 1,
            CheckOutcome::Silent => 2,
        });
        out.put_str(self.client);
    }
}

impl Note<'_> {
    fn encode(&self, kind: u8, out: &mut Vec<u8>) {
        out.put_u8(kind);
        out.put_u64(self.half.get());
        put_link(self.previous, self.time, out);
        out.put_str(self.who);
        out.put_str(self.why);
    }
}

impl Place<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Place::Nowhere => out.put_u8(0),
            Place::Link { topic, queue_id, queue_offset, record_at, record_len, tags_code } => {
                out.put_u8(1);
                out.put_str(topic);
                out.put_u32(*queue_id);
                out.put_u64(queue_offset.get());
                out.put_u64(record_at.get());
                out.put_u32(*record_len);
                out.put_i32(*tags_code);
            }
            Place::Carry { queue_offset, tags_code, record } => {
                out.put_u8(2);
                out.put_u64(queue_offset.get());
                out.put_i32(*tags_code);
                out.extend_from_slice(record);
            }
            Place::Later { deliver_at } => {
                out.put_u8(3);
                out.put_i64(deliver_at.millis());
            }
        }
    }
}

/// The way back through a transaction's story, and the time: entries are also read one by one, without their batch.
fn put_link(previous: CommitLogOffset, time: Timestamp, out: &mut Vec<u8>) {
    out.put_u64(previous.get());
    out.put_i64(time.millis());
}

fn encode_offsets(changes: &[OffsetChange<'_>], out: &mut Vec<u8>) {
    out.put_u8(kind::OFFSETS);
    out.put_u32(u32::try_from(changes.len()).expect("an entry holds far fewer changes than 2^32"));
    for change in changes {
        out.put_str(change.group);
        out.put_str(change.topic);
        out.put_u32(u32::try_from(change.queues.len()).expect("a topic has at most 65,536 queues"));
        for (queue, offset) in &change.queues {
            out.put_u32(*queue);
            out.put_u64(offset.get());
        }
    }
}

fn encode_topic(topic: &TopicConfig, out: &mut Vec<u8>) {
    out.put_u8(kind::TOPIC);
    out.put_str(&topic.name);
    out.put_u32(topic.read_queues);
    out.put_u32(topic.write_queues);
    out.put_u8(topic.perm);
    out.put_i32(topic.sys_flag);
    out.put_u8(u8::from(topic.order));
    out.put_u8(u8::from(topic.multi_tag));
    out.put_u16(u16::try_from(topic.attributes.len()).expect("attributes are limited to a handful"));
    for (key, value) in &topic.attributes {
        out.put_str(key);
        out.put_str(value);
    }
}

fn encode_group(group: &GroupConfig, out: &mut Vec<u8>) {
    out.put_u8(kind::GROUP);
    out.put_str(&group.name);
    let bits = [
        group.consume_enable,
        group.consume_from_min_enable,
        group.consume_broadcast_enable,
        group.consume_message_orderly,
        group.notify_ids_changed,
    ];
    out.put_u8(bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit)));
    out.put_u32(group.retry_queues);
    out.put_i32(group.retry_max);
    out.put_i64(group.broker_id);
    out.put_i64(group.which_broker_when_slow);
    out.put_i32(group.sys_flag);
    out.put_i32(group.consume_timeout_min);
}
