//! Queues locked for one client of a group, for orderly consumption: 41 and 42.

use crate::body::{BodyError, Members, parse_object};
use crate::json::{Array, Object};
use crate::message_queue::MessageQueue;

/// Body of 41 (lock these queues) and of 42 (give them up).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// The group.
    pub consumer_group: String,
    /// The client of the group.
    pub client_id: String,
    /// The queues.
    pub queues: Vec<MessageQueue>,
    /// Is the lock to be taken without asking replicas?
    pub only_this_broker: bool,
}

impl LockRequest {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        Ok(Self {
            consumer_group: body.text("consumerGroup")?,
            client_id: body.text("clientId")?,
            queues: body.items("mqSet")?.iter().map(MessageQueue::read).collect::<Result<_, _>>()?,
            only_this_broker: body.opt_bool("onlyThisBroker")?.unwrap_or(false),
        })
    }

    /// Appends the body, as our client sends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("clientId", &self.client_id);
        object.string("consumerGroup", &self.consumer_group);
        write_queues(object.member("mqSet"), &self.queues);
        object.bool("onlyThisBroker", self.only_this_broker);
        object.end();
    }
}

/// Body of the answer to 41.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockAnswer {
    /// The queues locked; those missing belong to another client. An empty array, never null.
    pub locked: Vec<MessageQueue>,
}

impl LockAnswer {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_queues(object.member("lockOKMQSet"), &self.locked);
        object.end();
    }

    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse_object(body)?;
        Ok(Self { locked: body.items("lockOKMQSet")?.iter().map(MessageQueue::read).collect::<Result<_, _>>()? })
    }
}

fn write_queues(out: &mut Vec<u8>, queues: &[MessageQueue]) {
    let mut array = Array::begin(out);
    for queue in queues {
        queue.write(array.item());
    }
    array.end();
}
