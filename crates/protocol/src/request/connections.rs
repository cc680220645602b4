//! Who is connected: 203, 204, 328.

use crate::body::{BodyError, Members, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields, Language};
use crate::json::{Array, Object, Value};
use crate::request::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::words::Word as _;

/// One connected client of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub client_id: String,
    /// Its address, `ip:port`.
    pub client_addr: String,
    /// What it is written in.
    pub language: Language,
    /// Its version ordinal.
    pub version: i32,
}

impl Connection {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("clientAddr", &self.client_addr);
        object.string("clientId", &self.client_id);
        object.string("language", self.language.name());
        object.int("version", self.version);
        object.end();
    }

    fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let language = value.opt_text("language")?.unwrap_or_default();
        Ok(Self {
            client_id: value.text("clientId")?,
            client_addr: value.opt_text("clientAddr")?.unwrap_or_default(),
            language: Language::from_name(&language).unwrap_or(Language::Other),
            version: value.opt_i32("version")?.unwrap_or(0),
        })
    }
}

/// Body of the answer to 203; a group of which nobody is connected is code 206 instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConnection {
    /// The clients.
    pub connections: Vec<Connection>,
    /// What the group subscribes to.
    pub subscriptions: Vec<SubscriptionData>,
    /// How it gets its messages.
    pub consume_type: ConsumeType,
    /// Who of it gets a message.
    pub message_model: MessageModel,
    /// Where it begins.
    pub consume_from_where: ConsumeFromWhere,
}

impl ConsumerConnection {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_connections(object.member("connectionSet"), &self.connections);
        object.string("consumeFromWhere", self.consume_from_where.name());
        object.string("consumeType", self.consume_type.name());
        object.string("messageModel", self.message_model.name());
        let mut table = Object::begin(object.member("subscriptionTable"));
        for subscription in &self.subscriptions {
            subscription.write(table.member(&subscription.topic));
        }
        table.end();
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let consume_type = body.opt_word("consumeType", "CONSUME_ACTIVELY, CONSUME_PASSIVELY or CONSUME_POP")?;
        let message_model = body.opt_word("messageModel", "BROADCASTING or CLUSTERING")?;
        let from_where =
            body.opt_word("consumeFromWhere", "CONSUME_FROM_LAST_OFFSET, .._FIRST_OFFSET or .._TIMESTAMP")?;
        let subscriptions = body.entries("subscriptionTable")?.iter();
        Ok(Self {
            connections: read_connections(&body)?,
            subscriptions: subscriptions.map(|(_, value)| SubscriptionData::read(value)).collect::<Result<_, _>>()?,
            consume_type: consume_type.unwrap_or(ConsumeType::ConsumePassively),
            message_model: message_model.unwrap_or(MessageModel::Clustering),
            consume_from_where: from_where.unwrap_or(ConsumeFromWhere::LastOffset),
        })
    }
}

/// Header of 204: who of this group is connected?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerGroupHeader<'a> {
    /// The group.
    pub producer_group: &'a str,
}

impl<'a> ProducerGroupHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { producer_group: fields.str("producerGroup")? })
    }

    /// The field, as our tools send it.
    pub fn fields(&self) -> [Field<'a>; 1] {
        [("producerGroup", self.producer_group.into())]
    }
}

/// Body of the answer to 204; a group of which nobody is connected is code 1 instead.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerConnection {
    /// The clients.
    pub connections: Vec<Connection>,
}

impl ProducerConnection {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_connections(object.member("connectionSet"), &self.connections);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Ok(Self { connections: read_connections(&parse_object(body)?)? })
    }
}

fn write_connections(out: &mut Vec<u8>, connections: &[Connection]) {
    let mut list = Array::begin(out);
    for connection in connections {
        connection.write(list.item());
    }
    list.end();
}

fn read_connections(body: &Value<'_>) -> Result<Vec<Connection>, BodyError> {
    body.items("connectionSet")?.iter().map(Connection::read).collect()
}

/// One connected client of a producer group, as 328 shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerInfo {
    /// The client.
    pub connection: Connection,
    /// When it last sent a heartbeat, in ms since 1970.
    pub last_update_timestamp: i64,
}

/// Body of the answer to 328.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerTable {
    /// Every group and its clients.
    pub groups: Vec<(String, Vec<ProducerInfo>)>,
}

impl ProducerTable {
    /// Appends the body. The slash before an address is Java's, and tools print it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut data = Object::begin(object.member("data"));
        for (group, clients) in &self.groups {
            let mut list = Array::begin(data.member(group));
            for client in clients {
                let connection = &client.connection;
                let mut entry = Object::begin(list.item());
                entry.string("clientId", &connection.client_id);
                entry.string("language", connection.language.name());
                entry.int("lastUpdateTimestamp", client.last_update_timestamp);
                entry.string("remoteIP", &format!("/{}", connection.client_addr));
                entry.int("version", connection.version);
                entry.end();
            }
            list.end();
        }
        data.end();
        object.end();
    }
}
