//! A group that shall go on elsewhere: 222 from a tool, 220 pushed to the group's clients.

use crate::body::{BodyError, as_int, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Array, Object, write_int};
use crate::message_queue::{MessageQueue, read_queue_map, write_queue_map};

/// Header of 222 and 220.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetOffsetHeader<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The group.
    pub group: &'a str,
    /// The moment to go on at, in ms since 1970; -1 for the end.
    pub timestamp: i64,
    /// May the group go forward too? Else it only goes back.
    pub is_force: bool,
    /// Only this queue; from 5.x tools, where -1 means all.
    pub queue_id: Option<i32>,
    /// The offset to go on at; from 5.x tools, where -1 means by time.
    pub offset: Option<i64>,
}

impl<'a> ResetOffsetHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            topic: fields.str("topic")?,
            group: fields.str("group")?,
            timestamp: fields.i64("timestamp")?,
            is_force: fields.bool("isForce")?,
            queue_id: fields.opt_i32("queueId")?.filter(|queue_id| *queue_id >= 0),
            offset: fields.opt_i64("offset")?.filter(|offset| *offset >= 0),
        })
    }

    /// The fields.
    pub fn fields(&self) -> [Field<'a>; 6] {
        [
            ("topic", self.topic.into()),
            ("group", self.group.into()),
            ("timestamp", self.timestamp.into()),
            ("isForce", self.is_force.into()),
            ("queueId", self.queue_id.into()),
            ("offset", self.offset.into()),
        ]
    }
}

/// Body of the answer to 222, and of 220: the offset to go on at in each queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResetOffsets {
    /// The queues.
    pub offsets: Vec<(MessageQueue, i64)>,
}

impl ResetOffsets {
    /// Appends the body, for tools and for all clients but C++.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_queue_map(object.member("offsetTable"), &self.offsets, |out, offset| write_int(out, *offset));
        object.end();
    }

    /// Appends the body of 220 for a C++ client, which cannot read objects as keys.
    pub fn write_for_cpp(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut list = Array::begin(object.member("offsetTable"));
        for (queue, offset) in &self.offsets {
            let mut entry = Object::begin(list.item());
            entry.string("brokerName", &queue.broker_name);
            entry.int("offset", *offset);
            entry.int("queueId", queue.queue_id);
            entry.string("topic", &queue.topic);
            entry.end();
        }
        list.end();
        object.end();
    }

    /// Reads the body, in the form for all but C++.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let name = "offsetTable";
        Ok(Self { offsets: read_queue_map(&parse_object(body)?, name, |offset| as_int(name, offset))? })
    }
}
