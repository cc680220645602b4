//! Messages by key and by place: 12 and 33.

use crate::encode::Field;
use crate::header::{FieldError, Fields};

/// What kind of key a query means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// One of the keys the producer gave the message.
    Key,
    /// The message's `UNIQ_KEY`.
    UniqueKey,
    /// An old tool did not say: either.
    Any,
}

/// Header of 12: messages of this topic with this key. The body of the answer is their records; none is code 22.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryMessageHeader<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The key.
    pub key: &'a str,
    /// Most messages wanted.
    pub max_num: i32,
    /// Stored at this time or later, in ms since 1970.
    pub begin_timestamp: i64,
    /// Stored at this time or earlier, in ms since 1970; tools also say `i64::MAX`.
    pub end_timestamp: i64,
    /// `_UNIQUE_KEY_QUERY`, and `indexType` (K or U) from 5.5.0 on.
    pub kind: KeyKind,
}

impl<'a> QueryMessageHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        let kind = match (fields.opt_bool("_UNIQUE_KEY_QUERY")?, fields.opt_str("indexType")) {
            (Some(true), _) | (None, Some("U")) => KeyKind::UniqueKey,
            (Some(false), _) | (None, Some("K")) => KeyKind::Key,
            (None, _) => KeyKind::Any,
        };
        Ok(Self {
            topic: fields.str("topic")?,
            key: fields.str("key")?,
            max_num: fields.i32("maxNum")?,
            begin_timestamp: fields.i64("beginTimestamp")?,
            end_timestamp: fields.i64("endTimestamp")?,
            kind,
        })
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 6] {
        let unique = match self.kind {
            KeyKind::Key => Some(false),
            KeyKind::UniqueKey => Some(true),
            KeyKind::Any => None,
        };
        [
            ("topic", self.topic.into()),
            ("key", self.key.into()),
            ("maxNum", self.max_num.into()),
            ("beginTimestamp", self.begin_timestamp.into()),
            ("endTimestamp", self.end_timestamp.into()),
            ("_UNIQUE_KEY_QUERY", unique.into()),
        ]
    }
}

/// Fields of the answer to 12: how far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryMessageAnswer {
    /// Commit-log offset of the newest message in the index.
    pub index_last_update_physical_offset: i64,
    /// When it was stored, in ms since 1970.
    pub index_last_update_timestamp: i64,
}

impl QueryMessageAnswer {
    /// The fields. The spelling of the first is RocketMQ's.
    pub fn fields(&self) -> [Field<'static>; 2] {
        [
            ("indexLastUpdatePhyoffset", self.index_last_update_physical_offset.into()),
            ("indexLastUpdateTimestamp", self.index_last_update_timestamp.into()),
        ]
    }

    /// Reads the fields.
    pub fn decode(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            index_last_update_physical_offset: fields.i64("indexLastUpdatePhyoffset")?,
            index_last_update_timestamp: fields.i64("indexLastUpdateTimestamp")?,
        })
    }
}

/// Header of 33: the message at this commit-log offset. The body of the answer is its record; none is code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewMessageHeader<'a> {
    /// The offset, from an offset message id.
    pub offset: i64,
    /// The topic, from 5.x tools.
    pub topic: Option<&'a str>,
}

impl<'a> ViewMessageHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { offset: fields.i64("offset")?, topic: fields.opt_str("topic") })
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("offset", self.offset.into()), ("topic", self.topic.into())]
    }
}
