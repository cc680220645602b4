//! Clients and groups that come and go: 35, 38, 40.

use crate::body::{BodyError, Members, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::Object;

/// Header of 35: the groups named go from this client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnregisterHeader<'a> {
    /// The client.
    pub client_id: &'a str,
    /// Its producer group that goes.
    pub producer_group: Option<&'a str>,
    /// Its consumer group that goes.
    pub consumer_group: Option<&'a str>,
}

impl<'a> UnregisterHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            client_id: fields.str("clientID")?,
            producer_group: fields.opt_str("producerGroup"),
            consumer_group: fields.opt_str("consumerGroup"),
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 3] {
        [
            ("clientID", self.client_id.into()),
            ("producerGroup", self.producer_group.into()),
            ("consumerGroup", self.consumer_group.into()),
        ]
    }
}

/// Header of 38 (who is in this group?), 40 (pushed: somebody came or went), 203 and 208.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerGroupHeader<'a> {
    /// The group.
    pub consumer_group: &'a str,
}

impl<'a> ConsumerGroupHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { consumer_group: fields.str("consumerGroup")? })
    }

    /// The field.
    pub fn fields(&self) -> [Field<'a>; 1] {
        [("consumerGroup", self.consumer_group.into())]
    }
}

/// Body of the answer to 38. Nobody in the group is code 1 instead. The asking client has to be in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerIdList {
    /// Ids of the clients.
    pub consumer_ids: Vec<String>,
}

impl ConsumerIdList {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.strings("consumerIdList", &self.consumer_ids);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Ok(Self { consumer_ids: parse_object(body)?.texts("consumerIdList")? })
    }
}
