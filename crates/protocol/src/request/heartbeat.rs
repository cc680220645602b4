//! Who a client is and what it wants: 34, and the check of a filter expression before it, 46.

use crate::body::{BodyError, Members, as_i32, as_int, parse_object};
use crate::json::{Array, Object, Value, write_int};
use crate::words::{Word as _, words};

words! {
    /// How a consumer gets its messages.
    pub enum ConsumeType {
        /// It pulls when it wants to.
        ConsumeActively = 0 "CONSUME_ACTIVELY",
        /// Its library pulls for it: a push consumer.
        ConsumePassively = 1 "CONSUME_PASSIVELY",
        /// It pops.
        ConsumePop = 2 "CONSUME_POP",
    }
}

words! {
    /// Who of a group gets a message.
    pub enum MessageModel {
        /// Every member; offsets are kept by the members.
        Broadcasting = 0 "BROADCASTING",
        /// One member.
        Clustering = 1 "CLUSTERING",
    }
}

words! {
    /// Where a group begins in a queue it has no offset for. The client applies it, after code 22 to its 14.
    pub enum ConsumeFromWhere {
        /// At the end.
        LastOffset = 0 "CONSUME_FROM_LAST_OFFSET",
        /// Old name for the same.
        LastOffsetAndFromMinWhenBootFirst = 1 "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
        /// Old name for the beginning.
        MinOffset = 2 "CONSUME_FROM_MIN_OFFSET",
        /// Old name for the end.
        MaxOffset = 3 "CONSUME_FROM_MAX_OFFSET",
        /// At the beginning.
        FirstOffset = 4 "CONSUME_FROM_FIRST_OFFSET",
        /// At a moment.
        Timestamp = 5 "CONSUME_FROM_TIMESTAMP",
    }
}

/// The expression type of a subscription by tags, and of one that says none.
pub const EXPRESSION_TYPE_TAG: &str = "TAG";
/// The expression type of a subscription by an SQL expression over properties.
pub const EXPRESSION_TYPE_SQL92: &str = "SQL92";

/// Which messages of a topic a group wants. In heartbeats, and in the answers to 203 and 345.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionData {
    /// The topic.
    pub topic: String,
    /// The expression: tags separated by `||`, `*` for all, or SQL.
    pub sub_string: String,
    /// The tags in it; empty for all.
    pub tags: Vec<String>,
    /// Their Java hashes; the broker filters by these.
    pub codes: Vec<i32>,
    /// Rises with every change. Java says ms since 1970, Go ns.
    pub sub_version: i64,
    /// [`EXPRESSION_TYPE_TAG`] or [`EXPRESSION_TYPE_SQL92`].
    pub expression_type: String,
    /// Is the filter a class? Nobody does that any more.
    pub class_filter_mode: bool,
}

impl SubscriptionData {
    /// Appends the subscription as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.bool("classFilterMode", self.class_filter_mode);
        let mut codes = Array::begin(object.member("codeSet"));
        for code in &self.codes {
            write_int(codes.item(), (*code).into());
        }
        codes.end();
        object.string("expressionType", &self.expression_type);
        object.string("subString", &self.sub_string);
        object.int("subVersion", self.sub_version);
        object.strings("tagsSet", &self.tags);
        object.string("topic", &self.topic);
        object.end();
    }

    pub(crate) fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let codes = value.items("codeSet")?.iter();
        let expression_type = value.opt_text("expressionType")?.filter(|kind| !kind.is_empty());
        Ok(Self {
            topic: value.text("topic")?,
            sub_string: value.opt_text("subString")?.unwrap_or_default(),
            tags: value.texts("tagsSet")?,
            codes: codes.map(|code| as_i32("codeSet", as_int("codeSet", code)?)).collect::<Result<_, _>>()?,
            sub_version: value.opt_int("subVersion")?.unwrap_or(0),
            expression_type: expression_type.unwrap_or_else(|| EXPRESSION_TYPE_TAG.to_owned()),
            class_filter_mode: value.opt_bool("classFilterMode")?.unwrap_or(false),
        })
    }
}

/// One consumer group of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerData {
    /// Name of the group.
    pub group_name: String,
    /// How it gets its messages.
    pub consume_type: ConsumeType,
    /// Who of the group gets a message.
    pub message_model: MessageModel,
    /// Where it begins.
    pub consume_from_where: ConsumeFromWhere,
    /// Does it belong to a unit?
    pub unit_mode: bool,
    /// What it subscribes to; for a push consumer also its retry topic.
    pub subscriptions: Vec<SubscriptionData>,
}

/// Body of 34, sent every 30 s and after every change.
///
/// The answer needs no fields: without `IS_SUPPORT_HEART_BEAT_V2` a client repeats its subscriptions in every beat.
/// Its header's version tells the client how new the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatData {
    /// `ip@instance`, the same on all connections of one client.
    pub client_id: String,
    /// Producer groups. Every Java consumer has `CLIENT_INNER_PRODUCER`.
    pub producer_groups: Vec<String>,
    /// Consumer groups.
    pub consumers: Vec<ConsumerData>,
    /// Hash of the beat, 0 unless the client uses heartbeats of version 2.
    pub fingerprint: i32,
    /// Have the subscriptions been left out because they are those of the beat before?
    pub without_sub: bool,
}

impl HeartbeatData {
    /// Reads the body. Enumerations may be names or, from C++, ordinals; lists may be null.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let producers = body.items("producerDataSet")?.iter();
        Ok(Self {
            client_id: body.text("clientID")?,
            producer_groups: producers.map(|producer| producer.text("groupName")).collect::<Result<_, _>>()?,
            consumers: body.items("consumerDataSet")?.iter().map(ConsumerData::read).collect::<Result<_, _>>()?,
            fingerprint: body.opt_i32("heartbeatFingerprint")?.unwrap_or(0),
            without_sub: body.opt_bool("withoutSub")?.unwrap_or(false),
        })
    }

    /// Appends the body, as our client sends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("clientID", &self.client_id);
        let mut consumers = Array::begin(object.member("consumerDataSet"));
        for consumer in &self.consumers {
            consumer.write(consumers.item());
        }
        consumers.end();
        object.int("heartbeatFingerprint", self.fingerprint);
        let mut producers = Array::begin(object.member("producerDataSet"));
        for group in &self.producer_groups {
            let mut producer = Object::begin(producers.item());
            producer.string("groupName", group);
            producer.end();
        }
        producers.end();
        object.bool("withoutSub", self.without_sub);
        object.end();
    }
}

impl ConsumerData {
    fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let consume_type = value.opt_word("consumeType", "CONSUME_ACTIVELY, CONSUME_PASSIVELY or CONSUME_POP")?;
        let message_model = value.opt_word("messageModel", "BROADCASTING or CLUSTERING")?;
        let from_where =
            value.opt_word("consumeFromWhere", "CONSUME_FROM_LAST_OFFSET, .._FIRST_OFFSET or .._TIMESTAMP")?;
        let subscriptions = value.items("subscriptionDataSet")?.iter();
        Ok(Self {
            group_name: value.text("groupName")?,
            consume_type: consume_type.unwrap_or(ConsumeType::ConsumePassively),
            message_model: message_model.unwrap_or(MessageModel::Clustering),
            consume_from_where: from_where.unwrap_or(ConsumeFromWhere::LastOffset),
            unit_mode: value.opt_bool("unitMode")?.unwrap_or(false),
            subscriptions: subscriptions.map(SubscriptionData::read).collect::<Result<_, _>>()?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("consumeFromWhere", self.consume_from_where.name());
        object.string("consumeType", self.consume_type.name());
        object.string("groupName", &self.group_name);
        object.string("messageModel", self.message_model.name());
        let mut subscriptions = Array::begin(object.member("subscriptionDataSet"));
        for subscription in &self.subscriptions {
            subscription.write(subscriptions.item());
        }
        subscriptions.end();
        object.bool("unitMode", self.unit_mode);
        object.end();
    }
}

/// Body of 46: is this subscription acceptable? Asked at the start of a consumer whose filter is not by tags.
///
/// Code 1 or 23 in the answer makes the consumer's start fail with the remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckClientConfig {
    /// The client.
    pub client_id: String,
    /// Its consumer group.
    pub group: String,
    /// The subscription.
    pub subscription: SubscriptionData,
}

impl CheckClientConfig {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let name = "subscriptionData";
        let subscription = body.get(name).ok_or(BodyError::Missing { name })?;
        Ok(Self {
            client_id: body.opt_text("clientId")?.unwrap_or_default(),
            group: body.opt_text("group")?.unwrap_or_default(),
            subscription: SubscriptionData::read(subscription)?,
        })
    }
}
