use crate::body::{BodyError, Members};
use crate::json::{Object, Value};

/// One queue of a topic on a broker: what clients share out, lock and keep offsets of.
///
/// `{"brokerName":"broker-a","queueId":0,"topic":"t"}` as a value, and the same as a **key** of a map, which is not
/// JSON, but the only form that Java clients read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageQueue {
    /// The topic.
    pub topic: String,
    /// The broker, by the name its route has; compared to the letter.
    pub broker_name: String,
    /// The queue, from 0.
    pub queue_id: i32,
}

impl MessageQueue {
    /// Appends the queue as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("brokerName", &self.broker_name);
        object.int("queueId", self.queue_id);
        object.string("topic", &self.topic);
        object.end();
    }

    pub(crate) fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let name = "message queue";
        let Value::Object(_) = value else {
            return Err(BodyError::Kind { name, found: value.kind(), expected: "an object" });
        };
        Ok(Self {
            topic: value.text("topic")?,
            broker_name: value.text("brokerName")?,
            queue_id: value.i32("queueId")?,
        })
    }
}

/// Appends a map with queues as its keys.
pub(crate) fn write_queue_map<V>(out: &mut Vec<u8>, entries: &[(MessageQueue, V)], write: impl Fn(&mut Vec<u8>, &V)) {
    let mut map = Object::begin(out);
    for (queue, value) in entries {
        write(map.member_with(|out| queue.write(out)), value);
    }
    map.end();
}

/// Reads the member `name`, a map with queues as its keys.
pub(crate) fn read_queue_map<V>(
    body: &Value<'_>,
    name: &'static str,
    read: impl Fn(&Value<'_>) -> Result<V, BodyError>,
) -> Result<Vec<(MessageQueue, V)>, BodyError> {
    body.entries(name)?.iter().map(|(key, value)| Ok((MessageQueue::read(key)?, read(value)?))).collect()
}
