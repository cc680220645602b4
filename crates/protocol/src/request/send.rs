//! Sends (10, 310, 320), replies to request messages (324, 325) and the push of such a reply (326).

use crate::codes::RequestCode;
use crate::encode::{Field, FieldValue};
use crate::header::fields::{self, given, required};
use crate::header::{FieldError, Fields, parse_i32, parse_i64};

/// Header of a send: 10 and 324 with long field names, 310, 320 and 325 with one-letter names.
///
/// | letter | name | | letter | name | |
/// |--|--|--|--|--|--|
/// | a | producerGroup | | h | flag | |
/// | b | topic | | i | properties | optional |
/// | c | defaultTopic | | j | reconsumeTimes | optional |
/// | d | defaultTopicQueueNums | | k | unitMode | optional |
/// | e | queueId | | l | maxReconsumeTimes | optional |
/// | f | sysFlag | | m | batch | optional |
/// | g | bornTimestamp | | n | bname | optional |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendHeader<'a> {
    /// Group of the producer.
    pub producer_group: &'a str,
    /// Topic to send to.
    pub topic: &'a str,
    /// Topic to copy from if `topic` has to be created, normally `TBW102`.
    pub default_topic: &'a str,
    /// Queues the producer wants `topic` to be created with.
    pub default_topic_queue_nums: i32,
    /// Queue to send to; below 0 the broker chooses.
    pub queue_id: i32,
    /// System flags of the record: compression, transaction type.
    pub sys_flag: i32,
    /// When the producer made the message, in ms since 1970 by a clock that nobody vouches for.
    pub born_timestamp: i64,
    /// The user's flag.
    pub flag: i32,
    /// The property string, empty if there are none.
    pub properties: &'a str,
    /// How often the message was consumed in vain; above 0 in what consumers send to retry topics.
    pub reconsume_times: i32,
    /// Does the producer belong to a unit?
    pub unit_mode: bool,
    /// Is the body a batch? This alone decides, not code 320: C++ sends batches as 310.
    pub batch: bool,
    /// How often it may be consumed in vain; of sends to retry topics by clients from 3.4.9 (121) on.
    pub max_reconsume_times: Option<i32>,
    /// The broker meant; from 4.9.8 on.
    pub broker_name: Option<&'a str>,
}

impl<'a> SendHeader<'a> {
    /// Reads the header of a request with this code, which says whether names are long (10, 324) or letters.
    pub fn decode(code: RequestCode, fields: &Fields<'a>) -> Result<Self, FieldError> {
        match code {
            RequestCode::SendMessage | RequestCode::SendReplyMessage => Self::decode_long(fields),
            _ => Self::decode_letters(fields),
        }
    }

    fn decode_long(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            producer_group: fields.str("producerGroup")?,
            topic: fields.str("topic")?,
            default_topic: fields.str("defaultTopic")?,
            default_topic_queue_nums: fields.i32("defaultTopicQueueNums")?,
            queue_id: fields.i32("queueId")?,
            sys_flag: fields.i32("sysFlag")?,
            born_timestamp: fields.i64("bornTimestamp")?,
            flag: fields.i32("flag")?,
            properties: fields.opt_str("properties").unwrap_or(""),
            reconsume_times: fields.opt_i32("reconsumeTimes")?.unwrap_or(0),
            unit_mode: fields.opt_bool("unitMode")?.unwrap_or(false),
            batch: fields.opt_bool("batch")?.unwrap_or(false),
            max_reconsume_times: fields.opt_i32("maxReconsumeTimes")?,
            broker_name: fields.opt_str("bname"),
        })
    }

    /// One pass over the fields: this is the request a busy broker decodes most.
    fn decode_letters(fields: &Fields<'a>) -> Result<Self, FieldError> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = fields.letters::<LETTERS>();
        let number = |name, value| parse_i32(name, required(name, value)?);
        let truth = |name, value| fields::opt_bool(name, value).map(|truth| truth.unwrap_or(false));
        Ok(Self {
            producer_group: required("a", a)?,
            topic: required("b", b)?,
            default_topic: required("c", c)?,
            default_topic_queue_nums: number("d", d)?,
            queue_id: number("e", e)?,
            sys_flag: number("f", f)?,
            born_timestamp: parse_i64("g", required("g", g)?)?,
            flag: number("h", h)?,
            properties: i.unwrap_or(""),
            reconsume_times: fields::opt_i32("j", j)?.unwrap_or(0),
            unit_mode: truth("k", k)?,
            batch: truth("m", m)?,
            max_reconsume_times: fields::opt_i32("l", l)?,
            broker_name: given(n),
        })
    }

    /// The fields of 310 and 320, as Java sends them.
    pub fn fields(&self) -> [Field<'a>; LETTERS] {
        [
            ("a", self.producer_group.into()),
            ("b", self.topic.into()),
            ("c", self.default_topic.into()),
            ("d", self.default_topic_queue_nums.into()),
            ("e", self.queue_id.into()),
            ("f", self.sys_flag.into()),
            ("g", self.born_timestamp.into()),
            ("h", self.flag.into()),
            ("i", self.properties.into()),
            ("j", self.reconsume_times.into()),
            ("k", self.unit_mode.into()),
            ("l", self.max_reconsume_times.into()),
            ("m", self.batch.into()),
            ("n", self.broker_name.into()),
        ]
    }
}

const LETTERS: usize = 14;

/// Fields of the answer to a send: of code 0, and of 10, 11 and 12, which clients take for sent too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendAnswer<'a> {
    /// Offset message id of the record; of a batch, those of all its messages, separated by commas; of a half message,
    /// the id whose offset the decision has to name.
    pub msg_id: &'a str,
    /// The queue, chosen by the broker if the client did not; of a half message, its real queue.
    pub queue_id: i32,
    /// Offset in that queue, of the first message of a batch; of a half message, what the decision has to name as
    /// `tranStateTableOffset`.
    pub queue_offset: i64,
    /// The message's `UNIQ_KEY`, or nothing. Never an empty text: Java then never runs the local transaction.
    pub transaction_id: Option<&'a str>,
}

impl<'a> SendAnswer<'a> {
    /// The fields, `MSG_REGION` and `TRACE_ON` included, without which clients do not trace.
    pub fn fields(&self) -> [Field<'a>; 6] {
        [
            ("queueId", self.queue_id.into()),
            ("transactionId", self.transaction_id.filter(|id| !id.is_empty()).into()),
            ("msgId", self.msg_id.into()),
            ("TRACE_ON", true.into()),
            ("MSG_REGION", REGION.into()),
            ("queueOffset", self.queue_offset.into()),
        ]
    }

    /// Reads the fields.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            msg_id: fields.str("msgId")?,
            queue_id: fields.i32("queueId")?,
            queue_offset: fields.i64("queueOffset")?,
            transaction_id: fields.opt_str("transactionId"),
        })
    }
}

/// The region every broker is in that was not told another.
pub const REGION: &str = "DefaultRegion";

/// Header of 326, by which a broker hands a reply to the producer that waits for it. The client answers 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushReplyHeader<'a> {
    /// The header of the reply's own send.
    pub send: SendHeader<'a>,
    /// Address of the responder, `ip:port`.
    pub born_host: &'a str,
    /// Address of the broker, `ip:port`.
    pub store_host: &'a str,
    /// When the broker took the reply, in ms since 1970.
    pub store_timestamp: i64,
}

impl<'a> PushReplyHeader<'a> {
    /// The fields.
    pub fn fields(&self) -> [Field<'a>; 14] {
        let send = &self.send;
        let properties = Some(send.properties).filter(|properties| !properties.is_empty());
        [
            ("queueId", send.queue_id.into()),
            ("flag", send.flag.into()),
            ("sysFlag", send.sys_flag.into()),
            ("reconsumeTimes", send.reconsume_times.into()),
            ("storeTimestamp", self.store_timestamp.into()),
            ("unitMode", send.unit_mode.into()),
            ("defaultTopic", send.default_topic.into()),
            ("bornHost", self.born_host.into()),
            ("defaultTopicQueueNums", send.default_topic_queue_nums.into()),
            ("producerGroup", send.producer_group.into()),
            ("topic", send.topic.into()),
            ("bornTimestamp", send.born_timestamp.into()),
            ("storeHost", self.store_host.into()),
            ("properties", FieldValue::from(properties)),
        ]
    }
}
