//! What a tool asks a consumer through the broker: 307 and 309.
//!
//! The broker sends the request on, with a correlation id of its own, and the answer back: code, remark and body of the
//! client's answer as they are. Only the body of 309, the message's record, comes from the broker.

use crate::encode::Field;
use crate::header::{FieldError, Fields};

/// Header of 307: what is this client doing?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningInfoHeader<'a> {
    /// The group.
    pub consumer_group: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// With the stacks of its threads?
    pub jstack_enable: bool,
}

impl<'a> RunningInfoHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            consumer_group: fields.str("consumerGroup")?,
            client_id: fields.str("clientId")?,
            jstack_enable: fields.opt_bool("jstackEnable")?.unwrap_or(false),
        })
    }

    /// The fields, for sending it on.
    pub fn fields(&self) -> [Field<'a>; 3] {
        [
            ("clientId", self.client_id.into()),
            ("jstackEnable", self.jstack_enable.into()),
            ("consumerGroup", self.consumer_group.into()),
        ]
    }
}

/// Header of 309: consume this message now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeDirectlyHeader<'a> {
    /// The group.
    pub consumer_group: &'a str,
    /// The client; without one the broker chooses.
    pub client_id: Option<&'a str>,
    /// Offset message id of the message.
    pub msg_id: Option<&'a str>,
    /// Name of the message's broker.
    pub broker_name: Option<&'a str>,
    /// Topic of the message, from 5.x tools.
    pub topic: Option<&'a str>,
    /// Flags of the topic, from 5.x tools.
    pub topic_sys_flag: Option<i32>,
    /// Flags of the group, from 5.x tools.
    pub group_sys_flag: Option<i32>,
}

impl<'a> ConsumeDirectlyHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            consumer_group: fields.str("consumerGroup")?,
            client_id: fields.opt_str("clientId"),
            msg_id: fields.opt_str("msgId"),
            broker_name: fields.opt_str("brokerName"),
            topic: fields.opt_str("topic"),
            topic_sys_flag: fields.opt_i32("topicSysFlag")?,
            group_sys_flag: fields.opt_i32("groupSysFlag")?,
        })
    }

    /// The fields, for sending it on.
    pub fn fields(&self) -> [Field<'a>; 7] {
        [
            ("consumerGroup", self.consumer_group.into()),
            ("clientId", self.client_id.into()),
            ("msgId", self.msg_id.into()),
            ("brokerName", self.broker_name.into()),
            ("topic", self.topic.into()),
            ("topicSysFlag", self.topic_sys_flag.into()),
            ("groupSysFlag", self.group_sys_flag.into()),
        ]
    }
}
