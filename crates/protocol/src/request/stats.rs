//! Numbers about topics and groups: 202, 208, 303, 315, 317. (28 is a [`super::kv::KvTable`].)

use crate::body::{BodyError, Members, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Array, Object, Value};
use crate::message_queue::{MessageQueue, read_queue_map, write_queue_map};

/// Where a queue begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TopicOffset {
    /// First offset it still has.
    pub min_offset: i64,
    /// Offset its next message will have.
    pub max_offset: i64,
    /// When its last message was stored, in ms since 1970; 0 if it has none.
    pub last_update_timestamp: i64,
}

/// Body of the answer to 202. Every queue is in it, empty ones too.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicStats {
    /// The queues.
    pub offsets: Vec<(MessageQueue, TopicOffset)>,
    /// Messages sent to the topic per second.
    pub topic_put_tps: f64,
}

impl TopicStats {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_queue_map(object.member("offsetTable"), &self.offsets, |out, offset| {
            let mut object = Object::begin(out);
            object.int("lastUpdateTimestamp", offset.last_update_timestamp);
            object.int("maxOffset", offset.max_offset);
            object.int("minOffset", offset.min_offset);
            object.end();
        });
        object.float("topicPutTps", self.topic_put_tps);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let offsets = read_queue_map(&body, "offsetTable", |offset| {
            Ok(TopicOffset {
                min_offset: offset.int("minOffset")?,
                max_offset: offset.int("maxOffset")?,
                last_update_timestamp: offset.opt_int("lastUpdateTimestamp")?.unwrap_or(0),
            })
        })?;
        Ok(Self { offsets, topic_put_tps: body.opt_float("topicPutTps")?.unwrap_or(0.0) })
    }
}

/// Header of 208: where is this group?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeStatsHeader<'a> {
    /// The group.
    pub consumer_group: &'a str,
    /// Only this topic.
    pub topic: Option<&'a str>,
    /// Only these topics, separated by `;`.
    pub topic_list: Option<&'a str>,
}

impl<'a> ConsumeStatsHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            consumer_group: fields.str("consumerGroup")?,
            topic: fields.opt_str("topic"),
            topic_list: fields.opt_str("topicList"),
        })
    }

    /// The topics asked for; none means all.
    pub fn topics(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let listed = self.topic_list.unwrap_or("").split(';').filter(|topic| !topic.is_empty());
        self.topic.into_iter().chain(listed)
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 3] {
        [
            ("consumerGroup", self.consumer_group.into()),
            ("topic", self.topic.into()),
            ("topicList", self.topic_list.into()),
        ]
    }
}

/// Where a group is in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumeOffset {
    /// Offset the queue's next message will have.
    pub broker_offset: i64,
    /// First offset the group has not consumed.
    pub consumer_offset: i64,
    /// First offset the group has not pulled.
    pub pull_offset: i64,
    /// When the message before `consumer_offset` was stored, in ms since 1970; 0 if there is none.
    pub last_timestamp: i64,
}

/// Body of the answer to 208, and part of that to 317. A group without topics is an empty table and code 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConsumeStats {
    /// The queues.
    pub offsets: Vec<(MessageQueue, ConsumeOffset)>,
    /// Messages consumed per second.
    pub consume_tps: f64,
}

impl ConsumeStats {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.float("consumeTps", self.consume_tps);
        write_queue_map(object.member("offsetTable"), &self.offsets, |out, offset| {
            let mut object = Object::begin(out);
            object.int("brokerOffset", offset.broker_offset);
            object.int("consumerOffset", offset.consumer_offset);
            object.int("lastTimestamp", offset.last_timestamp);
            object.int("pullOffset", offset.pull_offset);
            object.end();
        });
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let offsets = read_queue_map(&body, "offsetTable", |offset| {
            Ok(ConsumeOffset {
                broker_offset: offset.int("brokerOffset")?,
                consumer_offset: offset.int("consumerOffset")?,
                pull_offset: offset.opt_int("pullOffset")?.unwrap_or(0),
                last_timestamp: offset.opt_int("lastTimestamp")?.unwrap_or(0),
            })
        })?;
        Ok(Self { offsets, consume_tps: body.opt_float("consumeTps")?.unwrap_or(0.0) })
    }
}

/// Body of the answer to 317.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BrokerConsumeStats {
    /// Address of the broker.
    pub broker_addr: String,
    /// Every group, with one entry per topic.
    pub groups: Vec<(String, Vec<ConsumeStats>)>,
    /// Messages that no group has consumed yet, summed over groups.
    pub total_diff: i64,
    /// Messages pulled but not consumed, summed over groups.
    pub total_inflight_diff: i64,
}

impl BrokerConsumeStats {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("brokerAddr", &self.broker_addr);
        let mut list = Array::begin(object.member("consumeStatsList"));
        for (group, topics) in &self.groups {
            let mut entry = Object::begin(list.item());
            let mut stats = Array::begin(entry.member(group));
            for topic in topics {
                topic.write(stats.item());
            }
            stats.end();
            entry.end();
        }
        list.end();
        object.int("totalDiff", self.total_diff);
        object.int("totalInflightDiff", self.total_inflight_diff);
        object.end();
    }
}

/// Header of 315: this statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewStatsHeader<'a> {
    /// Which: `TOPIC_PUT_NUMS`, `GROUP_GET_NUMS` and others.
    pub stats_name: &'a str,
    /// Of whom: a topic, or `topic@group`.
    pub stats_key: &'a str,
}

impl<'a> ViewStatsHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { stats_name: fields.str("statsName")?, stats_key: fields.str("statsKey")? })
    }
}

/// A statistic over some time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BrokerStatsItem {
    /// The sum of what was counted.
    pub sum: i64,
    /// The sum per second.
    pub tps: f64,
    /// The sum per event.
    pub avgpt: f64,
}

impl BrokerStatsItem {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.float("avgpt", self.avgpt);
        object.int("sum", self.sum);
        object.float("tps", self.tps);
        object.end();
    }

    fn read(value: Option<&Value<'_>>) -> Result<Self, BodyError> {
        let Some(value) = value else {
            return Ok(Self::default());
        };
        Ok(Self {
            sum: value.opt_int("sum")?.unwrap_or(0),
            tps: value.opt_float("tps")?.unwrap_or(0.0),
            avgpt: value.opt_float("avgpt")?.unwrap_or(0.0),
        })
    }
}

/// Body of the answer to 315; a statistic that nobody counted is code 1 instead.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BrokerStatsData {
    /// Over the last minute.
    pub minute: BrokerStatsItem,
    /// Over the last hour.
    pub hour: BrokerStatsItem,
    /// Over the last day.
    pub day: BrokerStatsItem,
}

impl BrokerStatsData {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        self.day.write(object.member("statsDay"));
        self.hour.write(object.member("statsHour"));
        self.minute.write(object.member("statsMinute"));
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        Ok(Self {
            minute: BrokerStatsItem::read(body.get("statsMinute"))?,
            hour: BrokerStatsItem::read(body.get("statsHour"))?,
            day: BrokerStatsItem::read(body.get("statsDay"))?,
        })
    }
}

/// Header of 303: how far is this group in this topic, by time?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeTimeSpanHeader<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The group.
    pub group: &'a str,
}

impl<'a> ConsumeTimeSpanHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { topic: fields.str("topic")?, group: fields.str("group")? })
    }
}

/// A queue by time, in ms since 1970; -1 where there is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTimeSpan {
    /// The queue.
    pub message_queue: MessageQueue,
    /// When its first message was stored.
    pub min_timestamp: i64,
    /// When its last message was stored.
    pub max_timestamp: i64,
    /// When the message before the group's offset was stored.
    pub consume_timestamp: i64,
    /// For how long the group's next message has been waiting, in ms.
    pub delay_time: i64,
}

/// Appends a body of the answer to 303.
pub fn write_consume_time_spans(out: &mut Vec<u8>, spans: &[QueueTimeSpan]) {
    let mut object = Object::begin(out);
    let mut list = Array::begin(object.member("consumeTimeSpanSet"));
    for span in spans {
        let mut entry = Object::begin(list.item());
        entry.int("consumeTimeStamp", span.consume_timestamp);
        entry.int("delayTime", span.delay_time);
        entry.int("maxTimeStamp", span.max_timestamp);
        span.message_queue.write(entry.member("messageQueue"));
        entry.int("minTimeStamp", span.min_timestamp);
        entry.end();
    }
    list.end();
    object.end();
}
