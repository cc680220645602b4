//! Reading a queue: 11 and 361.

use crate::encode::Field;
use crate::header::fields::{self, given, required};
use crate::header::{FieldError, Fields};

/// `sysFlag` bit of a pull: `commitOffset` is to be stored as the group's offset.
pub const PULL_COMMIT_OFFSET: i32 = 1;
/// `sysFlag` bit of a pull: if there is nothing, wait up to `suspendTimeoutMillis`.
pub const PULL_SUSPEND: i32 = 2;
/// `sysFlag` bit of a pull: the subscription is in the header, and none needs to be known from a heartbeat.
pub const PULL_SUBSCRIPTION: i32 = 4;
/// `sysFlag` bit of a pull: filtered by a class; nobody does that any more.
pub const PULL_CLASS_FILTER: i32 = 8;
/// `sysFlag` bit of a pull: a lite pull consumer asks.
pub const PULL_LITE: i32 = 16;

/// Header of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullHeader<'a> {
    /// Group of the consumer.
    pub consumer_group: &'a str,
    /// Topic to read.
    pub topic: &'a str,
    /// Queue to read.
    pub queue_id: i32,
    /// Offset to read from.
    pub queue_offset: i64,
    /// Most messages wanted.
    pub max_msg_nums: i32,
    /// [`PULL_COMMIT_OFFSET`] and the other bits.
    pub sys_flag: i32,
    /// The group's offset, meant only with [`PULL_COMMIT_OFFSET`].
    pub commit_offset: i64,
    /// Longest wait, in ms, meant only with [`PULL_SUSPEND`]. Clients give up after 30,000.
    pub suspend_timeout_ms: i64,
    /// Filter expression, meant only with [`PULL_SUBSCRIPTION`]; none means all.
    pub subscription: Option<&'a str>,
    /// Version of the subscription the client has in mind.
    pub sub_version: i64,
    /// `TAG` or `SQL92`; none means `TAG`.
    pub expression_type: Option<&'a str>,
    /// Most bytes wanted; from 5.x clients.
    pub max_msg_bytes: Option<i32>,
    /// The broker meant; from 5.x clients.
    pub broker_name: Option<&'a str>,
}

impl<'a> PullHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        const NAMES: [&str; 13] = [
            "bname",
            "commitOffset",
            "consumerGroup",
            "expressionType",
            "maxMsgBytes",
            "maxMsgNums",
            "queueId",
            "queueOffset",
            "subVersion",
            "subscription",
            "suspendTimeoutMillis",
            "sysFlag",
            "topic",
        ];
        let [
            bname,
            commit_offset,
            group,
            expression_type,
            max_bytes,
            max_nums,
            queue_id,
            queue_offset,
            sub_version,
            subscription,
            suspend,
            sys_flag,
            topic,
        ] = fields.pick(NAMES);
        Ok(Self {
            consumer_group: required("consumerGroup", group)?,
            topic: required("topic", topic)?,
            queue_id: fields::i32("queueId", queue_id)?,
            queue_offset: fields::i64("queueOffset", queue_offset)?,
            max_msg_nums: fields::i32("maxMsgNums", max_nums)?,
            sys_flag: fields::i32("sysFlag", sys_flag)?,
            commit_offset: fields::i64("commitOffset", commit_offset)?,
            suspend_timeout_ms: fields::i64("suspendTimeoutMillis", suspend)?,
            subscription: given(subscription),
            sub_version: fields::i64("subVersion", sub_version)?,
            expression_type: given(expression_type),
            max_msg_bytes: fields::opt_i32("maxMsgBytes", max_bytes)?,
            broker_name: given(bname),
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 13] {
        [
            ("bname", self.broker_name.into()),
            ("commitOffset", self.commit_offset.into()),
            ("consumerGroup", self.consumer_group.into()),
            ("expressionType", self.expression_type.into()),
            ("maxMsgBytes", self.max_msg_bytes.into()),
            ("maxMsgNums", self.max_msg_nums.into()),
            ("queueId", self.queue_id.into()),
            ("queueOffset", self.queue_offset.into()),
            ("subVersion", self.sub_version.into()),
            ("subscription", self.subscription.into()),
            ("suspendTimeoutMillis", self.suspend_timeout_ms.into()),
            ("sysFlag", self.sys_flag.into()),
            ("topic", self.topic.into()),
        ]
    }

    /// Is [`PULL_COMMIT_OFFSET`] set?
    pub fn commits_offset(&self) -> bool {
        self.sys_flag & PULL_COMMIT_OFFSET != 0
    }

    /// Is [`PULL_SUSPEND`] set?
    pub fn may_suspend(&self) -> bool {
        self.sys_flag & PULL_SUSPEND != 0
    }

    /// Is [`PULL_SUBSCRIPTION`] set?
    pub fn has_subscription(&self) -> bool {
        self.sys_flag & PULL_SUBSCRIPTION != 0
    }
}

/// Fields of the answer to a pull with code 0, 19, 20 or 21. Clients dereference all four without looking.
///
/// The body of code 0 is the records, one after the other; the other codes have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullAnswer {
    /// Id of the broker to pull from next; 0 is the master.
    pub suggest_which_broker_id: i64,
    /// Where to go on. Never below the offset asked for, except with code 21: clients would loop.
    pub next_begin_offset: i64,
    /// First offset the queue still has.
    pub min_offset: i64,
    /// Offset the queue's next message will have.
    pub max_offset: i64,
}

impl PullAnswer {
    /// The fields, with the flags of topic and group that 5.5.0 sends too.
    pub fn fields(&self) -> [Field<'static>; 6] {
        [
            ("suggestWhichBrokerId", self.suggest_which_broker_id.into()),
            ("groupSysFlag", 0.into()),
            ("nextBeginOffset", self.next_begin_offset.into()),
            ("maxOffset", self.max_offset.into()),
            ("minOffset", self.min_offset.into()),
            ("topicSysFlag", 0.into()),
        ]
    }

    /// Reads the fields.
    pub fn decode(fields: &Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            suggest_which_broker_id: fields.i64("suggestWhichBrokerId")?,
            next_begin_offset: fields.i64("nextBeginOffset")?,
            min_offset: fields.i64("minOffset")?,
            max_offset: fields.i64("maxOffset")?,
        })
    }
}
