//! Topics: 17, 18, 21, 215, 216, 217, 300, 351, and 202 for what is in them (see [`super::stats`]).

use crate::body::{BodyError, Members, parse_object};
use crate::data_version::DataVersion;
use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::{Array, Object, Value};
use crate::request::kv::{read_text_map, write_text_map};
use crate::words::{Word as _, words};

words! {
    /// Can a message of a topic have several tags?
    pub enum TopicFilterType {
        /// It has one at most.
        SingleTag = 0 "SINGLE_TAG",
        /// It may have several.
        MultiTag = 1 "MULTI_TAG",
    }
}

/// A topic on a broker, as it is registered (103), listed (21) and shown (351).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its name.
    pub topic_name: String,
    /// Queues to read.
    pub read_queue_nums: i32,
    /// Queues to write.
    pub write_queue_nums: i32,
    /// Permissions: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Tags of a message.
    pub topic_filter_type: TopicFilterType,
    /// Flags, 0 outside units.
    pub topic_sys_flag: i32,
    /// Is it an order topic?
    pub order: bool,
    /// Attributes of 5.x, such as `message.type`.
    pub attributes: Vec<(String, String)>,
}

impl TopicConfig {
    /// A topic with `queue_nums` queues to read and to write, and nothing special.
    pub fn new(topic_name: impl Into<String>, queue_nums: i32) -> Self {
        Self {
            topic_name: topic_name.into(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            perm: 6,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_sys_flag: 0,
            order: false,
            attributes: Vec::new(),
        }
    }

    /// Appends the topic as a JSON object: the body of the answer to 351.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_text_map(object.member("attributes"), &self.attributes);
        object.bool("order", self.order);
        object.int("perm", self.perm);
        object.int("readQueueNums", self.read_queue_nums);
        object.string("topicFilterType", self.topic_filter_type.name());
        object.string("topicName", &self.topic_name);
        object.int("topicSysFlag", self.topic_sys_flag);
        object.int("writeQueueNums", self.write_queue_nums);
        object.end();
    }

    /// Reads the body of the answer to 351.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Self::read(&parse_object(body)?)
    }

    pub(crate) fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let default = Self::new(value.text("topicName")?, 16);
        let filter_type = value.opt_word("topicFilterType", FILTER_TYPES)?;
        Ok(Self {
            read_queue_nums: value.opt_i32("readQueueNums")?.unwrap_or(default.read_queue_nums),
            write_queue_nums: value.opt_i32("writeQueueNums")?.unwrap_or(default.write_queue_nums),
            perm: value.opt_i32("perm")?.unwrap_or(default.perm),
            topic_filter_type: filter_type.unwrap_or(default.topic_filter_type),
            topic_sys_flag: value.opt_i32("topicSysFlag")?.unwrap_or(0),
            order: value.opt_bool("order")?.unwrap_or(false),
            attributes: read_text_map(value, "attributes")?,
            topic_name: default.topic_name,
        })
    }
}

const FILTER_TYPES: &str = "SINGLE_TAG or MULTI_TAG";

/// Header of 17: create or change this topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateTopicHeader<'a> {
    /// Its name.
    pub topic: &'a str,
    /// Queues to read.
    pub read_queue_nums: i32,
    /// Queues to write.
    pub write_queue_nums: i32,
    /// Permissions: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Tags of a message.
    pub topic_filter_type: TopicFilterType,
    /// Flags, 0 outside units.
    pub topic_sys_flag: i32,
    /// Is it an order topic?
    pub order: bool,
    /// Changes of attributes, `+key=value,-key`, from 5.x tools.
    pub attributes: Option<&'a str>,
    /// Should it be created even where that is unwise? From 5.x tools.
    pub force: bool,
}

impl<'a> CreateTopicHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        let name = "topicFilterType";
        let topic_filter_type = match fields.opt_str(name) {
            None => TopicFilterType::SingleTag,
            Some(word) => {
                TopicFilterType::from_name(word).ok_or_else(|| FieldError::invalid(name, word, FILTER_TYPES))?
            }
        };
        Ok(Self {
            topic: fields.str("topic")?,
            read_queue_nums: fields.i32("readQueueNums")?,
            write_queue_nums: fields.i32("writeQueueNums")?,
            perm: fields.i32("perm")?,
            topic_filter_type,
            topic_sys_flag: fields.opt_i32("topicSysFlag")?.unwrap_or(0),
            order: fields.opt_bool("order")?.unwrap_or(false),
            attributes: fields.opt_str("attributes"),
            force: fields.opt_bool("force")?.unwrap_or(false),
        })
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 10] {
        [
            ("topic", self.topic.into()),
            ("defaultTopic", "TBW102".into()),
            ("readQueueNums", self.read_queue_nums.into()),
            ("writeQueueNums", self.write_queue_nums.into()),
            ("perm", self.perm.into()),
            ("topicFilterType", self.topic_filter_type.name().into()),
            ("topicSysFlag", self.topic_sys_flag.into()),
            ("order", self.order.into()),
            ("attributes", self.attributes.into()),
            ("force", Some(true).filter(|_| self.force).into()),
        ]
    }
}

/// Header of requests that are about one topic: 202, 215, 216, 217, 300, 351.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicHeader<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The cluster meant, in 216.
    pub cluster_name: Option<&'a str>,
}

impl<'a> TopicHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { topic: fields.str("topic")?, cluster_name: fields.opt_str("clusterName") })
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("topic", self.topic.into()), ("clusterName", self.cluster_name.into())]
    }
}

/// Body of 18.
pub fn decode_topic_list(body: &[u8]) -> Result<Vec<TopicConfig>, BodyError> {
    parse_object(body)?.items("topicConfigList")?.iter().map(TopicConfig::read).collect()
}

/// Body of the answer to 21.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicTable {
    /// All topics, or those of the page asked for.
    pub topics: Vec<TopicConfig>,
    /// When they were changed.
    pub data_version: DataVersion,
}

impl TopicTable {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_topic_table(out, &self.topics, &self.data_version);
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        let data_version = body.get("dataVersion").map(DataVersion::read).transpose()?.unwrap_or_default();
        Ok(Self { topics: read_topic_table(&body)?, data_version })
    }
}

/// Header of 21 and 201: a page of a table, from 5.x tools; older ones ask for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageHeader {
    /// First entry wanted.
    pub first: i32,
    /// Most entries wanted.
    pub max: Option<i32>,
}

impl PageHeader {
    /// Reads the header of 21.
    pub fn decode_topics(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self { first: fields.opt_i32("topicSeq")?.unwrap_or(0), max: fields.opt_i32("maxTopicNum")? })
    }

    /// Reads the header of 201.
    pub fn decode_groups(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self { first: fields.opt_i32("groupSeq")?.unwrap_or(0), max: fields.opt_i32("maxGroupNum")? })
    }
}

/// Field of the answer to 21 and 201: by it a tool knows whether to ask for another page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageAnswer {
    /// Entries of the whole table.
    pub total: i32,
}

impl PageAnswer {
    /// The field of the answer to 21.
    pub fn topic_fields(&self) -> [Field<'static>; 1] {
        [("totalTopicNum", self.total.into())]
    }

    /// The field of the answer to 201.
    pub fn group_fields(&self) -> [Field<'static>; 1] {
        [("totalGroupNum", self.total.into())]
    }
}

/// Appends topics and version, with the tables of static topics, which are empty.
pub(crate) fn write_topic_table(out: &mut Vec<u8>, topics: &[TopicConfig], data_version: &DataVersion) {
    let mut object = Object::begin(out);
    data_version.write(object.member("dataVersion"));
    let mut table = Object::begin(object.member("topicConfigTable"));
    for topic in topics {
        topic.write(table.member(&topic.topic_name));
    }
    table.end();
    Object::begin(object.member("topicQueueMappingDetailMap")).end();
    Object::begin(object.member("topicQueueMappingInfoMap")).end();
    object.end();
}

pub(crate) fn read_topic_table(wrapper: &Value<'_>) -> Result<Vec<TopicConfig>, BodyError> {
    wrapper.entries("topicConfigTable")?.iter().map(|(_, topic)| TopicConfig::read(topic)).collect()
}

/// Appends a body of 18, as our tools send it.
pub fn write_topic_list(out: &mut Vec<u8>, topics: &[TopicConfig]) {
    let mut object = Object::begin(out);
    let mut list = Array::begin(object.member("topicConfigList"));
    for topic in topics {
        topic.write(list.item());
    }
    list.end();
    object.end();
}
