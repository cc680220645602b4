//! Where topics are: 105, 106, and a route set by hand, 217.

use crate::body::{BodyError, Members, as_int, as_text, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Array, Object, Value, write_string};

/// Header of 105: which brokers serve this topic?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteHeader<'a> {
    /// The topic. Producers ask for `TBW102` when theirs has no route.
    pub topic: &'a str,
    /// Does the client want standard JSON, whatever its version?
    pub accept_standard_json_only: bool,
}

impl<'a> RouteHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            topic: fields.str("topic")?,
            accept_standard_json_only: fields.opt_bool("acceptStandardJsonOnly")?.unwrap_or(false),
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [
            ("topic", self.topic.into()),
            ("acceptStandardJsonOnly", Some(true).filter(|_| self.accept_standard_json_only).into()),
        ]
    }
}

/// How the ids of brokers are written as keys of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdStyle {
    /// `{"0":"10.0.0.1:10911"}`: JSON.
    Quoted,
    /// `{0:"10.0.0.1:10911"}`: what fastjson writes.
    Unquoted,
}

impl IdStyle {
    /// What RocketMQ writes in a route for this client: Go (317) gets the unquoted form, Java from 4.9.4 on JSON.
    pub fn for_client(version: i32, accept_standard_json_only: bool) -> Self {
        const V4_9_4: i32 = 401;
        if accept_standard_json_only || version >= V4_9_4 { Self::Quoted } else { Self::Unquoted }
    }
}

/// A broker and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerData {
    /// Its cluster.
    pub cluster: String,
    /// Its name, the same for its replicas.
    pub broker_name: String,
    /// Id and `ip:port` of each; 0 is the master, without which nobody sends here. Clients dial the text as it is.
    pub addresses: Vec<(i64, String)>,
}

impl BrokerData {
    fn write(&self, out: &mut Vec<u8>, style: IdStyle) {
        let mut object = Object::begin(out);
        let mut addresses = Object::begin(object.member("brokerAddrs"));
        for (id, address) in &self.addresses {
            let value = match style {
                IdStyle::Quoted => addresses.member(&id.to_string()),
                IdStyle::Unquoted => addresses.unquoted_member(*id),
            };
            write_string(value, address);
        }
        addresses.end();
        object.string("brokerName", &self.broker_name);
        object.string("cluster", &self.cluster);
        object.bool("enableActingMaster", false);
        object.end();
    }

    fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let name = "brokerAddrs";
        let addresses = value.entries(name)?.iter();
        Ok(Self {
            cluster: value.opt_text("cluster")?.unwrap_or_default(),
            broker_name: value.text("brokerName")?,
            addresses: addresses
                .map(|(id, address)| Ok((as_int(name, id)?, as_text(name, address)?)))
                .collect::<Result<_, BodyError>>()?,
        })
    }
}

/// Queues of a topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueData {
    /// The broker.
    pub broker_name: String,
    /// Queues to read.
    pub read_queue_nums: i32,
    /// Queues to write.
    pub write_queue_nums: i32,
    /// Permissions: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Flags of the topic, 0 outside units.
    pub topic_sys_flag: i32,
}

impl QueueData {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("brokerName", &self.broker_name);
        object.int("perm", self.perm);
        object.int("readQueueNums", self.read_queue_nums);
        object.int("topicSysFlag", self.topic_sys_flag);
        object.int("writeQueueNums", self.write_queue_nums);
        object.end();
    }

    fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let flag = value.opt_i32("topicSysFlag")?.or(value.opt_i32("topicSynFlag")?);
        Ok(Self {
            broker_name: value.text("brokerName")?,
            read_queue_nums: value.i32("readQueueNums")?,
            write_queue_nums: value.i32("writeQueueNums")?,
            perm: value.i32("perm")?,
            topic_sys_flag: flag.unwrap_or(0),
        })
    }
}

/// Body of the answer to 105, and of 217. A topic without a route is code 17 instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicRouteData {
    /// The brokers.
    pub brokers: Vec<BrokerData>,
    /// The queues, one entry per broker.
    pub queues: Vec<QueueData>,
    /// `brokerA:4;brokerB:4` for topics whose queues must never move.
    pub order_topic_conf: Option<String>,
}

impl TopicRouteData {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>, style: IdStyle) {
        let mut object = Object::begin(out);
        let mut brokers = Array::begin(object.member("brokerDatas"));
        for broker in &self.brokers {
            broker.write(brokers.item(), style);
        }
        brokers.end();
        Object::begin(object.member("filterServerTable")).end();
        object.opt_string("orderTopicConf", self.order_topic_conf.as_deref());
        let mut queues = Array::begin(object.member("queueDatas"));
        for queue in &self.queues {
            queue.write(queues.item());
        }
        queues.end();
        object.end();
    }

    /// Reads the body, in either style.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        Ok(Self {
            brokers: body.items("brokerDatas")?.iter().map(BrokerData::read).collect::<Result<_, _>>()?,
            queues: body.items("queueDatas")?.iter().map(QueueData::read).collect::<Result<_, _>>()?,
            order_topic_conf: body.opt_text("orderTopicConf")?.filter(|conf| !conf.is_empty()),
        })
    }
}

/// Body of the answer to 106. RocketMQ writes its broker ids unquoted for every client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterInfo {
    /// Each cluster and the names of its brokers.
    pub clusters: Vec<(String, Vec<String>)>,
    /// The brokers.
    pub brokers: Vec<BrokerData>,
}

impl ClusterInfo {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut brokers = Object::begin(object.member("brokerAddrTable"));
        for broker in &self.brokers {
            broker.write(brokers.member(&broker.broker_name), IdStyle::Unquoted);
        }
        brokers.end();
        let mut clusters = Object::begin(object.member("clusterAddrTable"));
        for (cluster, brokers) in &self.clusters {
            clusters.strings(cluster, brokers);
        }
        clusters.end();
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let mut info = Self::default();
        for (_, broker) in body.entries("brokerAddrTable")? {
            info.brokers.push(BrokerData::read(broker)?);
        }
        let name = "clusterAddrTable";
        for (cluster, brokers) in body.entries(name)? {
            let Value::Array(brokers) = brokers else {
                return Err(BodyError::Kind { name, found: brokers.kind(), expected: "arrays of broker names" });
            };
            let brokers = brokers.iter().map(|broker| as_text(name, broker)).collect::<Result<_, _>>()?;
            info.clusters.push((as_text(name, cluster)?, brokers));
        }
        Ok(info)
    }
}
