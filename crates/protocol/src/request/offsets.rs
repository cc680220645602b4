//! Offsets of groups and of queues: 14, 15, 29, 30, 31, 32.

use crate::encode::Field;
use crate::header::{FieldError, Fields};

/// Header of 14: where is this group in this queue?
///
/// The answer is code 0 with an [`OffsetAnswer`], or code 22 for "begin as `consumeFromWhere` says"; with any other
/// code the client does not consume the queue at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryConsumerOffset<'a> {
    /// Group of the consumer.
    pub consumer_group: &'a str,
    /// Topic of the queue.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
    /// May 0 be answered for a group without an offset, if the queue still has its first message? None means yes.
    pub set_zero_if_not_found: Option<bool>,
}

impl<'a> QueryConsumerOffset<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            consumer_group: fields.str("consumerGroup")?,
            topic: fields.str("topic")?,
            queue_id: fields.i32("queueId")?,
            set_zero_if_not_found: fields.opt_bool("setZeroIfNotFound")?,
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 4] {
        [
            ("consumerGroup", self.consumer_group.into()),
            ("topic", self.topic.into()),
            ("queueId", self.queue_id.into()),
            ("setZeroIfNotFound", self.set_zero_if_not_found.into()),
        ]
    }
}

/// Header of 15: the group has consumed this queue up to here.
///
/// One-way from Java. Go wants an answer, and sends -1 for queues it has not consumed, which is not to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateConsumerOffset<'a> {
    /// Group of the consumer.
    pub consumer_group: &'a str,
    /// Topic of the queue.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
    /// The first offset not consumed; may be lower than before.
    pub commit_offset: i64,
}

impl<'a> UpdateConsumerOffset<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            consumer_group: fields.str("consumerGroup")?,
            topic: fields.str("topic")?,
            queue_id: fields.i32("queueId")?,
            commit_offset: fields.i64("commitOffset")?,
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 4] {
        [
            ("consumerGroup", self.consumer_group.into()),
            ("topic", self.topic.into()),
            ("queueId", self.queue_id.into()),
            ("commitOffset", self.commit_offset.into()),
        ]
    }
}

/// Which offset is meant when several messages were stored in the millisecond asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// The first of them.
    #[default]
    Lower,
    /// The last of them.
    Upper,
}

/// Header of 29: the offset of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOffset<'a> {
    /// Topic of the queue.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
    /// The moment, in ms since 1970.
    pub timestamp: i64,
    /// From 5.x clients; older ones mean the lower.
    pub boundary: Boundary,
}

impl<'a> SearchOffset<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        let boundary = match fields.opt_str("boundaryType") {
            None => Boundary::Lower,
            Some(name) if name.eq_ignore_ascii_case("LOWER") => Boundary::Lower,
            Some(name) if name.eq_ignore_ascii_case("UPPER") => Boundary::Upper,
            Some(other) => return Err(FieldError::invalid("boundaryType", other, "LOWER or UPPER")),
        };
        Ok(Self {
            topic: fields.str("topic")?,
            queue_id: fields.i32("queueId")?,
            timestamp: fields.i64("timestamp")?,
            boundary,
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 4] {
        let boundary = match self.boundary {
            Boundary::Lower => "LOWER",
            Boundary::Upper => "UPPER",
        };
        [
            ("topic", self.topic.into()),
            ("queueId", self.queue_id.into()),
            ("timestamp", self.timestamp.into()),
            ("boundaryType", boundary.into()),
        ]
    }
}

/// Header of 30 (next offset), 31 (first offset) and 32 (time of the first message).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueHeader<'a> {
    /// Topic of the queue.
    pub topic: &'a str,
    /// The queue.
    pub queue_id: i32,
}

impl<'a> QueueHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { topic: fields.str("topic")?, queue_id: fields.i32("queueId")? })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("topic", self.topic.into()), ("queueId", self.queue_id.into())]
    }
}

/// Field of the answer to 14, 29, 30 and 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAnswer {
    /// The offset asked for.
    pub offset: i64,
}

impl OffsetAnswer {
    /// The field.
    pub fn fields(&self) -> [Field<'static>; 1] {
        [("offset", self.offset.into())]
    }

    /// Reads the field.
    pub fn decode(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self { offset: fields.i64("offset")? })
    }
}

/// Field of the answer to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampAnswer {
    /// When the first message was stored, in ms since 1970; -1 if there is none.
    pub timestamp: i64,
}

impl TimestampAnswer {
    /// The field.
    pub fn fields(&self) -> [Field<'static>; 1] {
        [("timestamp", self.timestamp.into())]
    }

    /// Reads the field.
    pub fn decode(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self { timestamp: fields.i64("timestamp")? })
    }
}
