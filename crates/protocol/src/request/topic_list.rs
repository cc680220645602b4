//! Names of topics and groups: 206, 224, 304, 305, 343, and 300.

use crate::body::{BodyError, Members, parse_object};
use crate::header::{FieldError, Fields};
use crate::json::Object;

/// Header of 224: the topics of this cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterHeader<'a> {
    /// The cluster.
    pub cluster: &'a str,
}

impl<'a> ClusterHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { cluster: fields.str("cluster")? })
    }
}

/// Body of the answers to 206, 224, 304, 305 and 343. Tools want an array, never null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicList {
    /// The names.
    pub topics: Vec<String>,
    /// Address of one broker, in the answer to 304.
    pub broker_addr: Option<String>,
}

impl TopicList {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.opt_string("brokerAddr", self.broker_addr.as_deref());
        object.strings("topicList", &self.topics);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        Ok(Self { topics: body.texts("topicList")?, broker_addr: body.opt_text("brokerAddr")? })
    }
}

/// Body of the answer to 300: groups that consume a topic. Tools want an array, never null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupList {
    /// The names.
    pub groups: Vec<String>,
}

impl GroupList {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.strings("groupList", &self.groups);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Ok(Self { groups: parse_object(body)?.texts("groupList")? })
    }
}
