use crate::codec::{CodecError, Reader};
use crate::{CommitLogOffset, QueueOffset, Timestamp};

use super::{
    Carried, Check, CheckOutcome, DecidedBy, Decision, Delay, Deliver, Entry, GroupConfig, Half, Messages, Note,
    OffsetChange, Outcome, Place, Scheduled, TopicConfig, kind,
};

impl<'a> Entry<'a> {
    /// Reads the payload of an entry. Records in it are not parsed.
    ///
    /// # Errors
    /// When the payload is cut, has something left, or was written by a newer version.
    pub fn decode(payload: &'a [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(payload);
        let entry = match reader.u8("kind")? {
            kind::MESSAGES => return Ok(Entry::Messages(Messages { records: reader.rest() })),
            kind::HALF => return half(reader).map(Entry::Half),
            kind::SCHEDULED => return scheduled(reader).map(Entry::Scheduled),
            kind::CARRIED => {
                return Ok(Entry::Carried(Carried { source: offset(&mut reader)?, record: reader.rest() }));
            }
            kind::DECISION => Entry::Decision(decision(&mut reader)?),
            kind::DELIVER => Entry::Deliver(Deliver {
                source: offset(&mut reader)?,
                half: flag(&mut reader, "of a half")?,
                place: place(&mut reader)?,
            }),
            kind::CHECK => Entry::Check(check(&mut reader)?),
            kind::SET_ASIDE => Entry::SetAside(note(&mut reader)?),
            kind::RESUME => Entry::Resume(note(&mut reader)?),
            kind::OFFSETS => Entry::Offsets(offsets(&mut reader)?),
            kind::TOPIC => Entry::Topic(topic(&mut reader)?),
            kind::TOPIC_DELETED => Entry::TopicDeleted { name: reader.str("topic")? },
            kind::GROUP => Entry::Group(group(&mut reader)?),
            kind::GROUP_DELETED => {
                Entry::GroupDeleted { name: reader.str("group")?, offsets: flag(&mut reader, "with offsets")? }
            }
            kind::KEY_VALUE => Entry::KeyValue {
                namespace: reader.str("namespace")?,
                key: reader.str("key")?,
                value: if flag(&mut reader, "has value")? { Some(reader.str("value")?) } else { None },
            },
            unknown => return Err(CodecError::Unknown { field: "entry kind", value: u64::from(unknown) }),
        };
        reader.finish()?;
        Ok(entry)
    }
}

fn offset(reader: &mut Reader<'_>) -> Result<CommitLogOffset, CodecError> {
    reader.u64("offset").map(CommitLogOffset::new)
}

fn link(reader: &mut Reader<'_>) -> Result<(CommitLogOffset, Timestamp), CodecError> {
    let previous = CommitLogOffset::new(reader.u64("previous entry")?);
    Ok((previous, Timestamp::from_millis(reader.i64("time")?)))
}

fn flag(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, CodecError> {
    match reader.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        value => Err(CodecError::Unknown { field, value: u64::from(value) }),
    }
}

fn half(mut reader: Reader<'_>) -> Result<Half<'_>, CodecError> {
    let sequence = QueueOffset::new(reader.u64("sequence")?);
    let immunity_ms = Some(reader.u32("immunity")?).filter(|ms| *ms != u32::MAX);
    let delay = reader.u8("delay kind")?;
    let value = reader.i64("delay")?;
    let delay = match delay {
        0 => Delay::None,
        1 => Delay::AfterMs(value.unsigned_abs()),
        2 => Delay::At(Timestamp::from_millis(value)),
        unknown => return Err(CodecError::Unknown { field: "delay kind", value: u64::from(unknown) }),
    };
    let group = reader.str("producer group")?;
    let client = reader.str("client")?;
    Ok(Half { sequence, immunity_ms, delay, group, client, record: reader.rest() })
}

fn scheduled(mut reader: Reader<'_>) -> Result<Scheduled<'_>, CodecError> {
    let deliver_at = Timestamp::from_millis(reader.i64("deliver at")?);
    let sequence = QueueOffset::new(reader.u64("sequence")?);
    Ok(Scheduled { deliver_at, sequence, record: reader.rest() })
}

fn decision<'a>(reader: &mut Reader<'a>) -> Result<Decision<'a>, CodecError> {
    let half = offset(reader)?;
    let sequence = QueueOffset::new(reader.u64("sequence")?);
    let (previous, time) = link(reader)?;
    let outcome = match reader.u8("outcome")? {
        1 => Outcome::Commit,
        2 => Outcome::Rollback,
        unknown => return Err(CodecError::Unknown { field: "outcome", value: u64::from(unknown) }),
    };
    let by = match reader.u8("decided by")? {
        1 => DecidedBy::Producer,
        2 => DecidedBy::CheckAnswer,
        3 => DecidedBy::Operator,
        4 => DecidedBy::Exhausted,
        unknown => return Err(CodecError::Unknown { field: "decided by", value: u64::from(unknown) }),
    };
    let who = reader.str("who")?;
    let why = reader.str("why")?;
    Ok(Decision { half, sequence, previous, time, outcome, by, who, why, place: place(reader)? })
}

fn check<'a>(reader: &mut Reader<'a>) -> Result<Check<'a>, CodecError> {
    let half = offset(reader)?;
    let (previous, time) = link(reader)?;
    let outcome = match reader.u8("check outcome")? {
        1 => CheckOutcome::Unknown,
        2 => CheckOutcome::Silent,
        unknown => return Err(CodecError::Unknown { field: "check outcome", value: u64::from(unknown) }),
    };
    Ok(Check { half, previous, time, outcome, client: reader.str("client")? })
}

fn note<'a>(reader: &mut Reader<'a>) -> Result<Note<'a>, CodecError> {
    let half = offset(reader)?;
    let (previous, time) = link(reader)?;
    Ok(Note { half, previous, time, who: reader.str("who")?, why: reader.str("why")? })
}

fn place<'a>(reader: &mut Reader<'a>) -> Result<Place<'a>, CodecError> {
    match reader.u8("place")? {
        0 => Ok(Place::Nowhere),
        1 => Ok(Place::Link {
            topic: reader.str("topic")?,
            queue_id: reader.u32("queue id")?,
            queue_offset: QueueOffset::new(reader.u64("queue offset")?),
            record_at: offset(reader)?,
            record_len: reader.u32("record length")?,
            tags_code: reader.i32("tags code")?,
        }),
        2 => {
            let queue_offset = QueueOffset::new(reader.u64("queue offset")?);
            let tags_code = reader.i32("tags code")?;
            let left = reader.rest().len();
            Ok(Place::Carry { queue_offset, tags_code, record: reader.take("record", left)? })
        }
        3 => Ok(Place::Later { deliver_at: Timestamp::from_millis(reader.i64("deliver at")?) }),
        unknown => Err(CodecError::Unknown { field: "place", value: u64::from(unknown) }),
    }
}

fn offsets<'a>(reader: &mut Reader<'a>) -> Result<Vec<OffsetChange<'a>>, CodecError> {
    // Counts are not trusted with memory: vectors grow as fields are really read.
    let mut changes = Vec::new();
    for _ in 0..reader.u32("number of changes")? {
        let group = reader.str("group")?;
        let topic = reader.str("topic")?;
        let mut queues = Vec::new();
        for _ in 0..reader.u32("number of queues")? {
            queues.push((reader.u32("queue id")?, QueueOffset::new(reader.u64("queue offset")?)));
        }
        changes.push(OffsetChange { group, topic, queues });
    }
    Ok(changes)
}

fn topic(reader: &mut Reader<'_>) -> Result<TopicConfig, CodecError> {
    let mut topic = TopicConfig {
        name: reader.str("topic")?.to_owned(),
        read_queues: queues(reader, "read queues")?,
        write_queues: queues(reader, "write queues")?,
        perm: reader.u8("perm")?,
        sys_flag: reader.i32("system flag")?,
        order: flag(reader, "order")?,
        multi_tag: flag(reader, "multi tag")?,
        attributes: Vec::new(),
    };
    for _ in 0..reader.u16("number of attributes")? {
        topic.attributes.push((reader.str("attribute")?.to_owned(), reader.str("attribute value")?.to_owned()));
    }
    Ok(topic)
}

/// A number of queues, for which somebody will make room.
fn queues(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, CodecError> {
    match reader.u32(field)? {
        count if count > TopicConfig::QUEUES_MAX => Err(CodecError::Unknown { field, value: u64::from(count) }),
        count => Ok(count),
    }
}

fn group(reader: &mut Reader<'_>) -> Result<GroupConfig, CodecError> {
    let name = reader.str("group")?.to_owned();
    let bits = reader.u8("group flags")?;
    if bits >= 1 << 5 {
        return Err(CodecError::Unknown { field: "group flags", value: u64::from(bits) });
    }
    let bit = |n: u8| bits >> n & 1 == 1;
    Ok(GroupConfig {
        name,
        consume_enable: bit(0),
        consume_from_min_enable: bit(1),
        consume_broadcast_enable: bit(2),
        consume_message_orderly: bit(3),
        notify_ids_changed: bit(4),
        retry_queues: queues(reader, "retry queues")?,
        retry_max: reader.i32("retry max")?,
        broker_id: reader.i64("broker id")?,
        which_broker_when_slow: reader.i64("slow broker id")?,
        sys_flag: reader.i32("system flag")?,
        consume_timeout_min: reader.i32("consume timeout")?,
    })
}

impl TopicConfig {
    /// Reads a topic as [`Entry::Topic`] writes it, without the kind. Snapshots hold topics in this form too.
    ///
    /// # Errors
    /// When the bytes are cut or not such a topic.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        topic(reader)
    }
}

impl GroupConfig {
    /// Reads a group as [`Entry::Group`] writes it, without the kind. Snapshots hold groups in this form too.
    ///
    /// # Errors
    /// When the bytes are cut or not such a group.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        group(reader)
    }
}
