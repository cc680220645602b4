//! Consumer groups: 200, 201, 207, 225, 352.

use crate::body::{BodyError, Members, parse_object};
use crate::data_version::DataVersion;
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Object, RawJson, Value};
use crate::request::kv::{read_text_map, write_text_map};

/// A consumer group: body of 200 and of the answer to 352.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionGroupConfig {
    /// Its name.
    pub group_name: String,
    /// May it consume?
    pub consume_enable: bool,
    /// May it begin at the first message?
    pub consume_from_min_enable: bool,
    /// May it consume by broadcast?
    pub consume_broadcast_enable: bool,
    /// Does it consume in order? Then what it sends to its retry topic goes to the dead letters.
    pub consume_message_orderly: bool,
    /// Queues of its retry topic; 0 turns redelivery off.
    pub retry_queue_nums: i32,
    /// How often a message may be consumed in vain.
    pub retry_max_times: i32,
    /// `groupRetryPolicy`, kept as it came: nothing here acts by it.
    pub retry_policy: Option<RawJson>,
    /// Id of the broker to read from.
    pub broker_id: i64,
    /// Id of the broker to read from when the group is far behind.
    pub which_broker_when_consume_slowly: i64,
    /// Are members told when others come or go?
    pub notify_consumer_ids_changed_enable: bool,
    /// Flags, 0 outside units.
    pub group_sys_flag: i32,
    /// How long a message may be consumed, in minutes.
    pub consume_timeout_minute: i32,
    /// `subscriptionDataSet`, kept as it came: nothing here acts by it.
    pub subscription_data_set: Option<RawJson>,
    /// Attributes of 5.x.
    pub attributes: Vec<(String, String)>,
}

impl SubscriptionGroupConfig {
    /// A group as it is created by its first heartbeat.
    pub fn new(group_name: impl Into<String>) -> Self {
        Self {
            group_name: group_name.into(),
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            consume_message_orderly: false,
            retry_queue_nums: 1,
            retry_max_times: 16,
            retry_policy: None,
            broker_id: 0,
            which_broker_when_consume_slowly: 1,
            notify_consumer_ids_changed_enable: true,
            group_sys_flag: 0,
            consume_timeout_minute: 15,
            subscription_data_set: None,
            attributes: Vec::new(),
        }
    }

    /// Reads the body of 200; what is missing has its default.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Self::read(&parse_object(body)?)
    }

    pub(crate) fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let default = Self::new(value.text("groupName")?);
        let truth = |name, default| Ok::<_, BodyError>(value.opt_bool(name)?.unwrap_or(default));
        let number = |name, default| Ok::<_, BodyError>(value.opt_i32(name)?.unwrap_or(default));
        Ok(Self {
            consume_enable: truth("consumeEnable", default.consume_enable)?,
            consume_from_min_enable: truth("consumeFromMinEnable", default.consume_from_min_enable)?,
            consume_broadcast_enable: truth("consumeBroadcastEnable", default.consume_broadcast_enable)?,
            consume_message_orderly: truth("consumeMessageOrderly", default.consume_message_orderly)?,
            retry_queue_nums: number("retryQueueNums", default.retry_queue_nums)?,
            retry_max_times: number("retryMaxTimes", default.retry_max_times)?,
            retry_policy: value.get("groupRetryPolicy").map(RawJson::of),
            broker_id: value.opt_int("brokerId")?.unwrap_or(default.broker_id),
            which_broker_when_consume_slowly: value
                .opt_int("whichBrokerWhenConsumeSlowly")?
                .unwrap_or(default.which_broker_when_consume_slowly),
            notify_consumer_ids_changed_enable: truth(
                "notifyConsumerIdsChangedEnable",
                default.notify_consumer_ids_changed_enable,
            )?,
            group_sys_flag: number("groupSysFlag", default.group_sys_flag)?,
            consume_timeout_minute: number("consumeTimeoutMinute", default.consume_timeout_minute)?,
            subscription_data_set: value.get("subscriptionDataSet").map(RawJson::of),
            attributes: read_text_map(value, "attributes")?,
            group_name: default.group_name,
        })
    }

    /// Appends the group as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_text_map(object.member("attributes"), &self.attributes);
        object.int("brokerId", self.broker_id);
        object.bool("consumeBroadcastEnable", self.consume_broadcast_enable);
        object.bool("consumeEnable", self.consume_enable);
        object.bool("consumeFromMinEnable", self.consume_from_min_enable);
        object.bool("consumeMessageOrderly", self.consume_message_orderly);
        object.int("consumeTimeoutMinute", self.consume_timeout_minute);
        object.string("groupName", &self.group_name);
        if let Some(policy) = &self.retry_policy {
            policy.write(object.member("groupRetryPolicy"));
        }
        object.int("groupSysFlag", self.group_sys_flag);
        object.bool("notifyConsumerIdsChangedEnable", self.notify_consumer_ids_changed_enable);
        object.int("retryMaxTimes", self.retry_max_times);
        object.int("retryQueueNums", self.retry_queue_nums);
        if let Some(subscriptions) = &self.subscription_data_set {
            subscriptions.write(object.member("subscriptionDataSet"));
        }
        object.int("whichBrokerWhenConsumeSlowly", self.which_broker_when_consume_slowly);
        object.end();
    }
}

/// Body of 225.
pub fn decode_group_list(body: &[u8]) -> Result<Vec<SubscriptionGroupConfig>, BodyError> {
    parse_object(body)?.items("groupConfigList")?.iter().map(SubscriptionGroupConfig::read).collect()
}

/// Body of the answer to 201.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionGroupTable {
    /// All groups, or those of the page asked for.
    pub groups: Vec<SubscriptionGroupConfig>,
    /// When they were changed.
    pub data_version: DataVersion,
}

impl SubscriptionGroupTable {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        self.data_version.write(object.member("dataVersion"));
        Object::begin(object.member("forbiddenTable")).end();
        let mut table = Object::begin(object.member("subscriptionGroupTable"));
        for group in &self.groups {
            group.write(table.member(&group.group_name));
        }
        table.end();
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let groups = body.entries("subscriptionGroupTable")?.iter();
        Ok(Self {
            groups: groups.map(|(_, group)| SubscriptionGroupConfig::read(group)).collect::<Result<_, _>>()?,
            data_version: body.get("dataVersion").map(DataVersion::read).transpose()?.unwrap_or_default(),
        })
    }
}

/// Header of 352 and 343: this group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHeader<'a> {
    /// The group.
    pub group: &'a str,
}

impl<'a> GroupHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { group: fields.str("group")? })
    }

    /// The field, as our tools send it.
    pub fn fields(&self) -> [Field<'a>; 1] {
        [("group", self.group.into())]
    }
}

/// Header of 207: delete this group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteGroupHeader<'a> {
    /// The group.
    pub group_name: &'a str,
    /// Its offsets too? `cleanOffset` from 5.x tools, `removeOffset` from 4.9.
    pub clean_offset: bool,
}

impl<'a> DeleteGroupHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        let clean_offset = fields.opt_bool("cleanOffset")?.or(fields.opt_bool("removeOffset")?);
        Ok(Self { group_name: fields.str("groupName")?, clean_offset: clean_offset.unwrap_or(false) })
    }
}
