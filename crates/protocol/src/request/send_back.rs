//! A message that could not be consumed: 36.

use crate::encode::Field;
use crate::header::{FieldError, Fields};

/// Header of 36: deliver this message to its group again, later.
///
/// Clients wait 5 s for the answer and then send the message to the retry topic themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendBackHeader<'a> {
    /// Commit-log offset of the message's record.
    pub offset: i64,
    /// Group of the consumer.
    pub group: &'a str,
    /// Delay level; 0 leaves it to the broker (3 + times consumed), below 0 means straight to the dead letters.
    pub delay_level: i32,
    /// The message's own id.
    pub origin_msg_id: Option<&'a str>,
    /// The topic it was consumed from.
    pub origin_topic: Option<&'a str>,
    /// Does the consumer belong to a unit?
    pub unit_mode: bool,
    /// How often the client wants it consumed in vain; clients from 3.4.9 (121) on mean it.
    pub max_reconsume_times: Option<i32>,
    /// The broker meant; from 5.x clients.
    pub broker_name: Option<&'a str>,
}

impl<'a> SendBackHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            offset: fields.i64("offset")?,
            group: fields.str("group")?,
            delay_level: fields.i32("delayLevel")?,
            origin_msg_id: fields.opt_str("originMsgId"),
            origin_topic: fields.opt_str("originTopic"),
            unit_mode: fields.opt_bool("unitMode")?.unwrap_or(false),
            max_reconsume_times: fields.opt_i32("maxReconsumeTimes")?,
            broker_name: fields.opt_str("bname"),
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 8] {
        [
            ("offset", self.offset.into()),
            ("group", self.group.into()),
            ("delayLevel", self.delay_level.into()),
            ("originMsgId", self.origin_msg_id.into()),
            ("originTopic", self.origin_topic.into()),
            ("unitMode", self.unit_mode.into()),
            ("maxReconsumeTimes", self.max_reconsume_times.into()),
            ("bname", self.broker_name.into()),
        ]
    }
}
