//! A message to send.

use bytes::Bytes;
use message::{names, properties};

use crate::error::{Error, Result};
use crate::unique_id::unique_id;

/// Largest body that brokers take by default, in bytes.
pub const BODY_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Highest delay level of brokers as they come: two hours.
pub const DELAY_LEVEL_MAX: u8 = 18;

/// The property in which Java clients keep the key that orders messages.
const SHARDING_KEY: &str = "__SHARDINGKEY";

/// Bytes of properties that are left to the broker and to this crate: ids, groups, the target of a half.
const PROPERTIES_RESERVE: usize = 1024;

/// Properties that only brokers and client libraries may set.
const RESERVED: [&str; 24] = [
    properties::KEYS,
    properties::TAGS,
    properties::DELAY,
    properties::UNIQ_KEY,
    properties::TRAN_MSG,
    properties::PGROUP,
    properties::REAL_TOPIC,
    properties::REAL_QID,
    properties::TRANSACTION_CHECK_TIMES,
    properties::RETRY_TOPIC,
    properties::ORIGIN_MESSAGE_ID,
    properties::RECONSUME_TIME,
    properties::MAX_RECONSUME_TIMES,
    properties::MSG_REGION,
    properties::TRACE_ON,
    properties::CLUSTER,
    properties::POP_CK,
    properties::REPLY_TO_CLIENT,
    properties::PUSH_REPLY_TIME,
    properties::TRANSACTION_ID,
    SHARDING_KEY,
    "WAIT",
    "MIN_OFFSET",
    "MAX_OFFSET",
];

/// A message to send: a topic, a body, and what consumers filter and look it up by.
///
/// It has its id from the moment it is built. A message that is sent again after an error keeps its id, so consumers
/// can tell repetitions, and a broker that knows an undecided half of this id takes the second for the first.
///
/// ```
/// use tandem_client::Message;
///
/// let message = Message::builder("orders")
///     .tag("paid")
///     .key("order-4711")
///     .property("region", "north")
///     .body(r#"{"order":4711}"#)
///     .build()?;
/// assert_eq!((message.tag(), message.keys().next()), (Some("paid"), Some("order-4711")));
/// # Ok::<(), tandem_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    topic: String,
    body: Bytes,
    flag: i32,
    /// As it is sent, the id in front.
    properties: String,
}

impl Message {
    /// Begins a message for a topic.
    pub fn builder(topic: impl Into<String>) -> MessageBuilder {
        MessageBuilder { topic: topic.into(), ..MessageBuilder::default() }
    }

    /// The id that this client gave it: 32 hex digits. Consumers see it as the message's id.
    pub fn id(&self) -> &str {
        self.property(properties::UNIQ_KEY).expect("every message is built with an id")
    }

    /// Where it goes.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What it says.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The tag consumers filter by.
    pub fn tag(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// What it can be looked up by.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.property(properties::KEYS).into_iter().flat_map(|keys| keys.split_ascii_whitespace())
    }

    /// The key that chooses its queue: messages with the same one stay in order.
    pub fn ordering_key(&self) -> Option<&str> {
        self.property(SHARDING_KEY)
    }

    /// A property, the application's or the protocol's.
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::get(&self.properties, name)
    }

    /// The application's flag.
    pub fn flag(&self) -> i32 {
        self.flag
    }

    pub(crate) fn property_string(&self) -> &str {
        &self.properties
    }
}

/// Makes a [`Message`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct MessageBuilder {
    topic: String,
    body: Bytes,
    tag: Option<String>,
    keys: Vec<String>,
    delay_level: Option<u8>,
    ordering_key: Option<String>,
    check_immunity_s: Option<u32>,
    flag: i32,
    properties: Vec<(String, String)>,
}

impl MessageBuilder {
    /// What it says; at most 4 MiB, not empty.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The tag consumers filter by.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// Adds a key it can be looked up by, such as an order's number. Without white space.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Adds a property of the application's own.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// Delivers it later: level 1 to 18 stand for 1 s, 5 s, 10 s, 30 s, 1 m, 2 m, 3 m, 4 m, 5 m, 6 m, 7 m, 8 m, 9 m, 10 m,
    /// 20 m, 30 m, 1 h and 2 h unless the broker is configured otherwise.
    pub fn delay_level(mut self, level: u8) -> Self {
        self.delay_level = Some(level);
        self
    }

    /// Keeps it in order with the other messages of this key: they all go to one queue, which an orderly consumer reads one
    /// by one. The queue is chosen as Java's `SelectMessageQueueByHash` chooses it for the same text.
    pub fn ordering_key(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// Of a half message: how many seconds the broker leaves the producer in peace before its first check.
    pub fn check_immunity_s(mut self, seconds: u32) -> Self {
        self.check_immunity_s = Some(seconds);
        self
    }

    /// A number that travels along and that only the application understands.
    pub fn flag(mut self, flag: i32) -> Self {
        self.flag = flag;
        self
    }

    /// The message, with an id of its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a broker would refuse it: the topic's name, an empty or too large body, white space in a
    /// key, a reserved or unprintable property.
    pub fn build(self) -> Result<Message> {
        names::validate_topic(&self.topic).map_err(|error| Error::Invalid(error.to_string()))?;
        if names::is_write_forbidden(&self.topic) {
            return Err(Error::Invalid(format!(
                "topic {:?} belongs to the broker; send to one of your own",
                self.topic
            )));
        }
        if self.body.is_empty() || self.body.len() > BODY_SIZE_MAX {
            let size = self.body.len();
            return Err(Error::Invalid(format!("a body of {size} bytes; send 1 to {BODY_SIZE_MAX}")));
        }
        let mut text = String::with_capacity(128);
        properties::push(&mut text, properties::UNIQ_KEY, &unique_id());
        properties::push(&mut text, "WAIT", "true");
        if let Some(tag) = &self.tag {
            if tag.trim() != tag || tag.contains("||") {
                return Err(Error::Invalid(format!("tag {tag:?}; give it no \"||\" and no white space around it")));
            }
            push(&mut text, properties::TAGS, tag)?;
        }
        if let Some(bad) = self.keys.iter().find(|key| key.contains(char::is_whitespace)) {
            return Err(Error::Invalid(format!("key {bad:?} has white space in it; keys are separated by it")));
        }
        if !self.keys.is_empty() {
            push(&mut text, properties::KEYS, &self.keys.join(" "))?;
        }
        if let Some(level) = self.delay_level {
            if level > DELAY_LEVEL_MAX {
                return Err(Error::Invalid(format!("delay level {level}; give one from 0 to {DELAY_LEVEL_MAX}")));
            }
            push(&mut text, properties::DELAY, &level.to_string())?;
        }
        if let Some(key) = &self.ordering_key {
            push(&mut text, SHARDING_KEY, key)?;
        }
        if let Some(seconds) = self.check_immunity_s {
            push(&mut text, properties::CHECK_IMMUNITY_TIME_IN_SECONDS, &seconds.to_string())?;
        }
        for (name, value) in &self.properties {
            if RESERVED.contains(&name.as_str()) {
                return Err(Error::Invalid(format!("property {name:?} belongs to the protocol; use another name")));
            }
            push(&mut text, name, value)?;
        }
        if text.len() + PROPERTIES_RESERVE > properties::PROPERTIES_LEN_MAX {
            let (size, most) = (text.len(), properties::PROPERTIES_LEN_MAX - PROPERTIES_RESERVE);
            return Err(Error::Invalid(format!(
                "{size} bytes of properties; at most {most} fit, put the rest in the body"
            )));
        }
        Ok(Message { topic: self.topic, body: self.body, flag: self.flag, properties: text })
    }
}

fn push(text: &mut String, name: &str, value: &str) -> Result<()> {
    let separated = |part: &str| part.contains(['\u{1}', '\u{2}']);
    if name.is_empty() || value.is_empty() || separated(name) || separated(value) {
        let problem = "neither may be empty or contain the characters 1 and 2";
        return Err(Error::Invalid(format!("property {name:?} with value {value:?}; {problem}")));
    }
    properties::push(text, name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(builder: MessageBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn everything_said_about_a_message_is_in_its_properties() {
        let message = Message::builder("T").body("b").tag("a").key("k1").key("k2").delay_level(3).ordering_key("o");
        let message = message.property("p", "v").flag(7).build().unwrap();
        assert_eq!(message.property(properties::KEYS), Some("k1 k2"));
        assert_eq!(message.keys().collect::<Vec<_>>(), ["k1", "k2"]);
        assert_eq!((message.tag(), message.ordering_key()), (Some("a"), Some("o")));
        assert_eq!((message.property("DELAY"), message.property("p")), (Some("3"), Some("v")));
        assert_eq!((message.id().len(), message.flag()), (32, 7));
        assert_ne!(message.id(), Message::builder("T").body("b").build().unwrap().id());
        assert_eq!(message.clone().id(), message.id());
    }

    #[test]
    fn what_a_broker_would_refuse_is_refused_before_it_is_sent() {
        assert!(refusal(Message::builder("a b").body("x")).contains("topic name"));
        assert!(refusal(Message::builder(names::HALF_TOPIC).body("x")).contains("belongs to the broker"));
        assert!(refusal(Message::builder("T")).contains("a body of 0 bytes"));
        assert!(refusal(Message::builder("T").body(vec![0; BODY_SIZE_MAX + 1])).contains("a body of 4194305"));
        assert!(refusal(Message::builder("T").body("x").key("a b")).contains("white space"));
        assert!(refusal(Message::builder("T").body("x").tag("a || b")).contains("tag"));
        assert!(refusal(Message::builder("T").body("x").property("TAGS", "a")).contains("belongs to the protocol"));
        assert!(refusal(Message::builder("T").body("x").property("a", "\u{2}")).contains("characters 1 and 2"));
        assert!(refusal(Message::builder("T").body("x").property("a", "")).contains("empty"));
        assert!(refusal(Message::builder("T").body("x").delay_level(19)).contains("delay level 19"));
        assert!(refusal(Message::builder("T").body("x").property("a", "v".repeat(32_000))).contains("of properties"));
    }
}
