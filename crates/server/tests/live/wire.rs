//! A client that says what it is told to, right or wrong, and looks at what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use message::record::Record;
use protocol::request::heartbeat::{
    ConsumeFromWhere, ConsumeType, ConsumerData, EXPRESSION_TYPE_TAG, HeartbeatData, MessageModel, SubscriptionData,
};
use remoting::client::{Client, ClientError, Received};

use crate::broker::PATIENCE;

/// A decision, as its number in `commitOrRollback`.
pub const COMMIT: i32 = 8;
pub const ROLLBACK: i32 = 12;
pub const UNKNOWN: i32 = 0;

/// Request codes that tests send by number.
pub const SEND: i32 = 310;
pub const PULL: i32 = 11;
pub const END: i32 = 37;
pub const CHECK: i32 = 39;

/// System flag of a half.
const PREPARED: &str = "4";

/// One connection of a client.
pub struct Wire {
    pub client: Client,
}

/// The names by which a half can be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    pub group: String,
    pub key: String,
    /// `commitLogOffset` of a decision.
    pub offset: i64,
    /// `tranStateTableOffset` of a decision.
    pub sequence: i64,
    pub offset_id: String,
}

/// What a pull brought.
#[derive(Debug)]
pub struct Pulled {
    pub code: i32,
    pub next: i64,
    pub min: i64,
    pub messages: Vec<Message>,
}

/// A delivered message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub key: String,
    pub queue: u32,
    pub offset: i64,
    pub log_offset: i64,
    pub prepared_offset: i64,
    pub properties: String,
    pub body: Vec<u8>,
}

/// A property string of pairs.
pub fn properties(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(key, value)| format!("{key}\u{1}{value}\u{2}")).collect()
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        Wire { client: Client::connect(address, PATIENCE).expect("the broker listens") }
    }

    pub fn call(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Received {
        self.client.call(code, fields, body).unwrap_or_else(|error| panic!("request {code}: {error}"))
    }

    /// As [`Wire::call`], for requests that have to succeed.
    pub fn get(&mut self, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Received {
        let answer = self.call(code, fields, body);
        assert!(answer.is_success(), "request {code}: code {}, {:?}", answer.code, answer.remark);
        answer
    }

    /// Sends a message to queue 0, or what else `change` makes of the request.
    pub fn try_send(&mut self, topic: &str, properties: &str, body: &[u8], change: &[(&str, &str)]) -> Received {
        let mut fields = send_fields(topic, properties);
        for (name, value) in change {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        self.call(SEND, &fields, body)
    }

    /// Sends a message with this id to queue 0, and returns its offset there.
    pub fn send(&mut self, topic: &str, key: &str, body: &[u8]) -> i64 {
        let answer = self.try_send(topic, &properties(&[("UNIQ_KEY", key)]), body, &[]);
        assert!(answer.is_success(), "send: code {}, {:?}", answer.code, answer.remark);
        number(&answer, "queueOffset")
    }

    /// Sends a half with this id to queue 0.
    pub fn half(&mut self, group: &str, topic: &str, key: &str, body: &[u8]) -> Half {
        self.half_with(group, topic, key, body, &[])
    }

    pub fn half_with(&mut self, group: &str, topic: &str, key: &str, body: &[u8], more: &[(&str, &str)]) -> Half {
        let pairs = [&[("TRAN_MSG", "true"), ("PGROUP", group), ("UNIQ_KEY", key)], more].concat();
        let answer = self.try_send(topic, &properties(&pairs), body, &[("a", group), ("f", PREPARED)]);
        assert!(answer.is_success(), "half: code {}, {:?}", answer.code, answer.remark);
        half_of(group, key, &answer)
    }

    /// A two-way decision.
    pub fn end(&mut self, half: &Half, decision: i32) -> Received {
        self.end_with(half, decision, false)
    }

    pub fn end_with(&mut self, half: &Half, decision: i32, from_check: bool) -> Received {
        self.try_end(half, decision, from_check).unwrap_or_else(|error| panic!("{half:?}: {error}"))
    }

    /// A decision that the broker may be gone for.
    pub fn try_end(&mut self, half: &Half, decision: i32, from_check: bool) -> Result<Received, ClientError> {
        let (offset, sequence) = (half.offset.to_string(), half.sequence.to_string());
        let (decision, from_check) = (decision.to_string(), from_check.to_string());
        let fields = [
            ("producerGroup", half.group.as_str()),
            ("tranStateTableOffset", &sequence),
            ("commitLogOffset", &offset),
            ("commitOrRollback", &decision),
            ("fromTransactionCheck", &from_check),
            ("msgId", &half.key),
        ];
        self.client.call(END, &fields, b"")
    }

    /// Reads queue 0 of a topic from an offset on, without waiting.
    pub fn pull(&mut self, topic: &str, offset: i64) -> Pulled {
        self.pull_as("readers", topic, offset, None)
    }

    pub fn pull_as(&mut self, group: &str, topic: &str, offset: i64, suspend: Option<Duration>) -> Pulled {
        let suspend_ms = suspend.map_or(0, |suspend| suspend.as_millis()).to_string();
        let offset = offset.to_string();
        let flags = if suspend.is_some() { "6" } else { "4" };
        let answer = self.call(PULL, &pull_fields(group, topic, &offset, flags, &suspend_ms), b"");
        Pulled {
            code: answer.code,
            next: number(&answer, "nextBeginOffset"),
            min: number(&answer, "minOffset"),
            messages: messages(&answer.body),
        }
    }

    /// All messages of queue 0 of a topic.
    pub fn all(&mut self, topic: &str) -> Vec<Message> {
        let (mut all, mut offset) = (Vec::new(), 0);
        loop {
            let pulled = self.pull(topic, offset);
            if pulled.messages.is_empty() {
                if pulled.code == 21 && pulled.next > offset {
                    // The queue begins later: what was before has expired.
                    offset = pulled.next;
                    continue;
                }
                return all;
            }
            all.extend(pulled.messages);
            offset = pulled.next;
        }
    }

    /// The ids of all messages of queue 0 of a topic.
    pub fn keys(&mut self, topic: &str) -> Vec<String> {
        self.all(topic).into_iter().map(|message| message.key).collect()
    }

    /// Says who it is, and that it produces for this group.
    pub fn produce_for(&mut self, client_id: &str, group: &str) {
        self.heartbeat(client_id, vec![group.to_owned()], Vec::new());
    }

    /// Says who it is, and that it consumes a topic for this group.
    pub fn consume_for(&mut self, client_id: &str, group: &str, topic: &str) {
        let subscription = SubscriptionData {
            topic: topic.to_owned(),
            sub_string: "*".to_owned(),
            tags: Vec::new(),
            codes: Vec::new(),
            sub_version: 1,
            expression_type: EXPRESSION_TYPE_TAG.to_owned(),
            class_filter_mode: false,
        };
        let consumer = ConsumerData {
            group_name: group.to_owned(),
            consume_type: ConsumeType::ConsumePassively,
            message_model: MessageModel::Clustering,
            consume_from_where: ConsumeFromWhere::FirstOffset,
            unit_mode: false,
            subscriptions: vec![subscription],
        };
        self.heartbeat(client_id, Vec::new(), vec![consumer]);
    }

    fn heartbeat(&mut self, client_id: &str, producer_groups: Vec<String>, consumers: Vec<ConsumerData>) {
        let client_id = client_id.to_owned();
        let beat = HeartbeatData { client_id, producer_groups, consumers, fingerprint: 0, without_sub: false };
        let mut body = Vec::new();
        beat.write(&mut body);
        self.get(34, &[], &body);
    }

    /// The check that the broker pushes next: the half it asks about, and the message of it.
    pub fn next_check(&mut self, within: Duration) -> Option<(Half, Message)> {
        loop {
            let push = self.client.next_push(within).expect("the connection lives")?;
            if push.code != CHECK {
                continue;
            }
            let message = messages(&push.body).pop().expect("a check has the half's record");
            let property = |key| message::properties::get(&message.properties, key).unwrap_or_default().to_owned();
            let half = Half {
                group: property("PGROUP"),
                key: push.field("msgId").expect("every check has it").to_owned(),
                offset: number(&push, "commitLogOffset"),
                sequence: number(&push, "tranStateTableOffset"),
                offset_id: push.field("offsetMsgId").expect("every check has it").to_owned(),
            };
            return Some((half, message));
        }
    }

    /// Stores a group's offset for queue 0 of a topic, and waits until that is done.
    pub fn commit_offset(&mut self, group: &str, topic: &str, offset: i64) {
        let offset = offset.to_string();
        let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("commitOffset", &offset)];
        self.get(15, &fields, b"");
    }

    /// A group's offset for queue 0 of a topic.
    pub fn offset(&mut self, group: &str, topic: &str) -> Option<i64> {
        let fields = [("consumerGroup", group), ("topic", topic), ("queueId", "0"), ("setZeroIfNotFound", "false")];
        let answer = self.call(14, &fields, b"");
        answer.is_success().then(|| number(&answer, "offset"))
    }
}

/// The fields of a send to queue 0.
pub fn send_fields<'a>(topic: &'a str, properties: &'a str) -> Vec<(&'a str, &'a str)> {
    let (group, default) = (("a", "producers"), ("c", "TBW102"));
    let numbers = [("d", "4"), ("e", "0"), ("f", "0"), ("g", "1700000000000"), ("h", "7")];
    [&[group, ("b", topic), default][..], &numbers, &[("i", properties)]].concat()
}

/// The fields of a pull from queue 0.
pub fn pull_fields<'a>(
    group: &'a str,
    topic: &'a str,
    offset: &'a str,
    flags: &'a str,
    suspend_ms: &'a str,
) -> [(&'a str, &'a str); 10] {
    [
        ("consumerGroup", group),
        ("topic", topic),
        ("queueId", "0"),
        ("queueOffset", offset),
        ("maxMsgNums", "32"),
        ("sysFlag", flags),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", suspend_ms),
        ("subscription", "*"),
        ("subVersion", "0"),
    ]
}

/// The half that an answer to a send names.
pub fn half_of(group: &str, key: &str, answer: &Received) -> Half {
    let offset_id = answer.field("msgId").expect("every answer to a send has it").to_owned();
    Half {
        group: group.to_owned(),
        key: key.to_owned(),
        offset: i64::from_str_radix(&offset_id[offset_id.len() - 16..], 16).expect("hexadecimal digits"),
        sequence: number(answer, "queueOffset"),
        offset_id,
    }
}

pub fn number(answer: &Received, field: &str) -> i64 {
    let text = answer.field(field).unwrap_or_else(|| panic!("no {field} in {answer:?}"));
    text.parse().unwrap_or_else(|_| panic!("{field} is {text:?}"))
}

/// Records, one behind the other.
pub fn messages(mut bytes: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let record = Record::parse(bytes).expect("a body of whole records");
        bytes = &bytes[record.bytes().len()..];
        assert_eq!(record.body_crc(), message::record::body_crc(record.body()), "checksum of a body");
        messages.push(Message {
            key: record.property("UNIQ_KEY").unwrap_or_default().to_owned(),
            queue: record.queue_id(),
            offset: record.queue_offset().signed(),
            log_offset: record.physical_offset().signed(),
            prepared_offset: record.prepared_transaction_offset().signed(),
            properties: record.properties().to_owned(),
            body: record.body().to_vec(),
        });
    }
    messages
}
