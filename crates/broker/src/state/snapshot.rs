//! The state as bytes: what a snapshot holds. Equal states give equal bytes.

use std::sync::Arc;

use message::codec::{CodecError, Put, Reader};
use message::entry::{Entry, GroupConfig, TopicConfig};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use transaction::Ledger;

use super::{ScheduledMessage, State};

/// Version of the bytes below; a snapshot of another version is refused.
const VERSION: u32 = 1;

/// Bytes of a client's choice that count as one more thing: most keys, ids and attributes are shorter.
const LONG: usize = 256;

impl State {
    /// Whether there are more things in it than these: topics, queues, groups, offsets, configuration keys, scheduled
    /// messages and undecided halves, and one more for each 256 bytes of a configuration key and its value, of a half's
    /// unique key and of a topic's attributes. Costs no more than looking at that many.
    pub fn is_larger_than(&self, items: usize) -> bool {
        let mut total = self.groups.len() + self.key_values.len() + self.scheduled.len() + self.ledger.len();
        if total > items {
            return true;
        }
        let key_values =
            self.key_values.iter().map(|((namespace, key), value)| (namespace.len() + key.len() + value.len()) / LONG);
        let halves = self.ledger.iter().map(|half| half.unique_key().len() / LONG);
        let topics = self.topics.iter().map(|topic| {
            let attributes = topic.config.attributes.iter().map(|(key, value)| key.len() + value.len());
            1 + self.topics.next_offsets(topic).len() + attributes.sum::<usize>() / LONG
        });
        let offsets = self.offsets.iter().map(|(_, _, queues)| 1 + queues.len());
        key_values.chain(halves).chain(topics).chain(offsets).any(|more| {
            total += more;
            total > items
        })
    }

    /// Appends the whole state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(VERSION);
        out.put_u64(self.applied.get());
        out.put_i64(self.time.millis());
        out.put_u64(self.next_half.get());
        out.put_u64(self.next_scheduled.get());
        let mut topics: Vec<_> = self.topics.iter().collect();
        topics.sort_by(|a, b| a.name().cmp(b.name()));
        put_count(out, topics.len());
        for topic in topics {
            put_entry(out, &Entry::Topic(topic.config.clone()));
            let next = self.topics.next_offsets(topic);
            put_count(out, next.len());
            next.iter().for_each(|offset| out.put_u64(offset.get()));
        }
        put_count(out, self.groups.len());
        for group in self.groups.values() {
            put_entry(out, &Entry::Group(group.clone()));
        }
        put_count(out, self.offsets.iter().count());
        for (group, topic, queues) in self.offsets.iter() {
            out.put_str(group);
            out.put_str(topic);
            put_count(out, queues.len());
            for (queue, offset) in queues {
                out.put_u32(*queue);
                out.put_u64(offset.get());
            }
        }
        put_count(out, self.key_values.len());
        for ((namespace, key), value) in &self.key_values {
            out.put_str(namespace);
            out.put_str(key);
            out.put_str(value);
        }
        put_count(out, self.scheduled.len());
        for (source, message) in self.scheduled.iter() {
            put_scheduled(out, source, message);
        }
        self.ledger.encode(out);
    }

    /// Reads a state back.
    ///
    /// # Errors
    /// When the bytes are not a state of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u32("snapshot version")?;
        if version != VERSION {
            return Err(CodecError::Unknown { field: "snapshot version", value: u64::from(version) });
        }
        let mut state = State {
            applied: CommitLogOffset::new(reader.u64("applied")?),
            time: Timestamp::from_millis(reader.i64("time")?),
            next_half: QueueOffset::new(reader.u64("next half")?),
            next_scheduled: QueueOffset::new(reader.u64("next scheduled")?),
            ..State::default()
        };
        for _ in 0..reader.u32("topics")? {
            reader.u8("topic kind")?;
            let config = TopicConfig::read(&mut reader)?;
            let mut next = Vec::new();
            for _ in 0..reader.u32("queues")? {
                next.push(QueueOffset::new(reader.u64("next offset")?));
            }
            state.topics.restore(config, next);
        }
        for _ in 0..reader.u32("groups")? {
            reader.u8("group kind")?;
            let config = GroupConfig::read(&mut reader)?;
            state.groups.insert(Arc::from(config.name.as_str()), config);
        }
        for _ in 0..reader.u32("offsets")? {
            let (group, topic) = (reader.str("group")?, reader.str("topic")?);
            let mut queues = Vec::new();
            for _ in 0..reader.u32("queues")? {
                queues.push((reader.u32("queue")?, QueueOffset::new(reader.u64("offset")?)));
            }
            state.offsets.store(group, topic, &queues);
        }
        for _ in 0..reader.u32("key values")? {
            let id = (reader.str("namespace")?.to_owned(), reader.str("key")?.to_owned());
            state.key_values.insert(id, reader.str("value")?.to_owned());
        }
        for _ in 0..reader.u32("scheduled")? {
            let (source, message) = scheduled(&mut reader, &state)?;
            state.scheduled.insert(source, message);
        }
        state.ledger = Ledger::decode(&mut reader)?;
        reader.finish()?;
        // What comes next in the log is applied on top: nothing of it may be in here already.
        if let Some(half) = state.ledger.last().filter(|half| *half >= state.applied) {
            return Err(CodecError::Unknown { field: "offset of a half", value: half.get() });
        }
        Ok(state)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.put_u32(u32::try_from(count).expect("every collection is limited far below 2^32"));
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry<'_>) {
    entry.encode(out);
}

fn put_scheduled(out: &mut Vec<u8>, source: CommitLogOffset, message: &ScheduledMessage) {
    out.put_u64(source.get());
    out.put_i64(message.deliver_at.millis());
    out.put_str(&message.topic);
    out.put_u32(message.queue);
    out.put_u64(message.record_at.get());
    out.put_u32(message.record_len);
    out.put_i32(message.tags_code);
    out.put_i64(message.stored.millis());
    out.put_u8(u8::from(message.half));
}

fn scheduled(reader: &mut Reader<'_>, state: &State) -> Result<(CommitLogOffset, ScheduledMessage), CodecError> {
    let source = CommitLogOffset::new(reader.u64("source")?);
    let message = ScheduledMessage {
        deliver_at: Timestamp::from_millis(reader.i64("deliver at")?),
        topic: state.topics.name(reader.str("topic")?),
        queue: reader.u32("queue")?,
        record_at: CommitLogOffset::new(reader.u64("record at")?),
        record_len: reader.u32("record length")?,
        tags_code: reader.i32("tags code")?,
        stored: Timestamp::from_millis(reader.i64("stored")?),
        half: reader.u8("half")? != 0,
    };
    // A queue that is not there any more is made again when the message is due: with all before it.
    if message.queue >= TopicConfig::QUEUES_MAX {
        return Err(CodecError::Unknown { field: "queue", value: u64::from(message.queue) });
    }
    Ok((source, message))
}
