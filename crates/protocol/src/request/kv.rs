//! Values in namespaces of the name server (100, 101, 102, 219), and tables of texts (28 as well).

use crate::body::{BodyError, Members, as_text, parse_object};
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Object, write_string};

/// The namespace whose values are the `orderTopicConf` of routes.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// Header of 100: set this value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutKv<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: &'a str,
}

impl<'a> PutKv<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { namespace: fields.str("namespace")?, key: fields.str("key")?, value: fields.str("value")? })
    }
}

/// Header of 101 (get) and 102 (delete).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvKey<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The key.
    pub key: &'a str,
}

impl<'a> KvKey<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { namespace: fields.str("namespace")?, key: fields.str("key")? })
    }
}

/// Field of the answer to 101; a missing value is code 22 instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvAnswer<'a> {
    /// The value.
    pub value: &'a str,
}

impl<'a> KvAnswer<'a> {
    /// The field.
    pub fn fields(&self) -> [Field<'a>; 1] {
        [("value", self.value.into())]
    }
}

/// Header of 219: all values of this namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceHeader<'a> {
    /// The namespace.
    pub namespace: &'a str,
}

impl<'a> NamespaceHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { namespace: fields.str("namespace")? })
    }
}

/// Body of the answers to 28, 103 and 219: `{"table":{"k":"v"}}`, the table also when it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KvTable {
    /// Keys and values. A number that a tool will parse is written into its text by whoever fills the table.
    pub table: Vec<(String, String)>,
}

impl KvTable {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_text_map(object.member("table"), &self.table);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Ok(Self { table: read_text_map(&parse_object(body)?, "table")? })
    }
}

pub(crate) fn write_text_map(out: &mut Vec<u8>, entries: &[(String, String)]) {
    let mut map = Object::begin(out);
    for (key, value) in entries {
        write_string(map.member(key), value);
    }
    map.end();
}

pub(crate) fn read_text_map(
    body: &crate::json::Value<'_>,
    name: &'static str,
) -> Result<Vec<(String, String)>, BodyError> {
    body.entries(name)?.iter().map(|(key, value)| Ok((as_text(name, key)?, as_text(name, value)?))).collect()
}
