//! Brokers that tell a name server about themselves: 103, 104, 322, 904.

use crate::body::{BodyError, Members, parse_object};
use crate::data_version::DataVersion;
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Array, Object, write_string};
use crate::request::topics::{TopicConfig, read_topic_table, write_topic_table};

/// Who registers, goes or asks: the header of 104 and 322, and part of that of 103.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerIdentity<'a> {
    /// Its name, the same for its replicas.
    pub broker_name: &'a str,
    /// Its address, `ip:port`.
    pub broker_addr: &'a str,
    /// Its cluster.
    pub cluster_name: &'a str,
    /// 0 for the master.
    pub broker_id: i64,
}

impl<'a> BrokerIdentity<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            broker_name: fields.str("brokerName")?,
            broker_addr: fields.str("brokerAddr")?,
            cluster_name: fields.str("clusterName")?,
            broker_id: fields.i64("brokerId")?,
        })
    }

    /// The fields, as a broker of ours sends them.
    pub fn fields(&self) -> [Field<'a>; 4] {
        [
            ("brokerName", self.broker_name.into()),
            ("brokerAddr", self.broker_addr.into()),
            ("clusterName", self.cluster_name.into()),
            ("brokerId", self.broker_id.into()),
        ]
    }
}

/// Header of 103, sent every 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterBrokerHeader<'a> {
    /// Who registers.
    pub broker: BrokerIdentity<'a>,
    /// Where replicas fetch from.
    pub ha_server_addr: &'a str,
    /// After how long without a registration it counts as gone, in ms; 120,000 if not told.
    pub heartbeat_timeout_ms: Option<i64>,
    /// May a replica act for a master that is gone?
    pub enable_acting_master: bool,
    /// Is the body deflated?
    pub compressed: bool,
    /// CRC-32 of the body, its top bit cleared; 0 for none.
    pub body_crc32: i32,
}

impl<'a> RegisterBrokerHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            broker: BrokerIdentity::decode(fields)?,
            ha_server_addr: fields.opt_str("haServerAddr").unwrap_or(""),
            heartbeat_timeout_ms: fields.opt_i64("heartbeatTimeoutMillis")?,
            enable_acting_master: fields.opt_bool("enableActingMaster")?.unwrap_or(false),
            compressed: fields.opt_bool("compressed")?.unwrap_or(false),
            body_crc32: fields.opt_i32("bodyCrc32")?.unwrap_or(0),
        })
    }

    /// The fields, as a broker of ours sends them.
    pub fn fields(&self) -> [Field<'a>; 9] {
        let [name, addr, cluster, id] = self.broker.fields();
        [
            name,
            addr,
            cluster,
            id,
            ("haServerAddr", self.ha_server_addr.into()),
            ("heartbeatTimeoutMillis", self.heartbeat_timeout_ms.into()),
            ("enableActingMaster", self.enable_acting_master.into()),
            ("compressed", self.compressed.into()),
            ("bodyCrc32", self.body_crc32.into()),
        ]
    }
}

/// Body of 103.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegisterBrokerBody {
    /// The broker's topics.
    pub topics: Vec<TopicConfig>,
    /// When they were changed.
    pub data_version: DataVersion,
    /// Addresses of filter servers; nobody has them any more.
    pub filter_servers: Vec<String>,
}

impl RegisterBrokerBody {
    /// Reads the body, after comparing it with what its header says about it.
    pub fn decode(header: &RegisterBrokerHeader<'_>, body: &[u8]) -> Result<Self, BodyError> {
        let (found, expected) = (body_crc32(body), header.body_crc32);
        if expected != 0 && found != expected {
            return Err(BodyError::Crc { found, expected });
        }
        if header.compressed {
            return Err(BodyError::Compressed);
        }
        let body = parse_object(body)?;
        let filter_servers = body.texts("filterServerList")?;
        let Some(wrapper) = body.get("topicConfigSerializeWrapper") else {
            return Ok(Self { filter_servers, ..Self::default() });
        };
        Ok(Self {
            topics: read_topic_table(wrapper)?,
            data_version: wrapper.get("dataVersion").map(DataVersion::read).transpose()?.unwrap_or_default(),
            filter_servers,
        })
    }

    /// Appends the body, as a broker of ours sends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut servers = Array::begin(object.member("filterServerList"));
        for server in &self.filter_servers {
            write_string(servers.item(), server);
        }
        servers.end();
        write_topic_table(object.member("topicConfigSerializeWrapper"), &self.topics, &self.data_version);
        object.end();
    }
}

/// The `bodyCrc32` of a body: its CRC-32 with the top bit cleared, since Java has no unsigned numbers.
pub fn body_crc32(body: &[u8]) -> i32 {
    (crc32fast::hash(body) & 0x7FFF_FFFF) as i32
}

/// Fields of the answer to 103. Its body is a [`super::kv::KvTable`] of the namespace `ORDER_TOPIC_CONFIG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegisterBrokerAnswer<'a> {
    /// Where the master's replicas fetch from; told to replicas.
    pub ha_server_addr: Option<&'a str>,
    /// The master's address; told to replicas.
    pub master_addr: Option<&'a str>,
}

impl<'a> RegisterBrokerAnswer<'a> {
    /// The fields.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("haServerAddr", self.ha_server_addr.into()), ("masterAddr", self.master_addr.into())]
    }
}

/// Header of 904: this broker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerHeartbeatHeader<'a> {
    /// Its cluster.
    pub cluster_name: &'a str,
    /// Its address, `ip:port`.
    pub broker_addr: &'a str,
    /// Its name.
    pub broker_name: &'a str,
    /// 0 for the master; not told by all.
    pub broker_id: Option<i64>,
    /// After how long without a sign of life it counts as gone, in ms.
    pub heartbeat_timeout_ms: Option<i64>,
}

impl<'a> BrokerHeartbeatHeader<'a> {
    /// Reads the header. The field for the timeout really has that name.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            cluster_name: fields.str("clusterName")?,
            broker_addr: fields.str("brokerAddr")?,
            broker_name: fields.str("brokerName")?,
            broker_id: fields.opt_i64("brokerId")?,
            heartbeat_timeout_ms: fields.opt_i64("heartbeatTimeoutMills")?,
        })
    }
}

/// Field of the answer to 322, whose body is the [`DataVersion`] the name server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataVersionAnswer {
    /// Should the broker register again?
    pub changed: bool,
}

impl DataVersionAnswer {
    /// The field.
    pub fn fields(&self) -> [Field<'static>; 1] {
        [("changed", self.changed.into())]
    }
}
