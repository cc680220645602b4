//! Replies to requests that clients send as messages (remoting protocol, request-reply).

use message::properties::{self, PROPERTIES_LEN_MAX};

use crate::Broker;
use crate::io::{Push, Send};
use crate::pending::{Pending, Sender};

/// How the topics end that replies are sent to: one per cluster, `<cluster>_REPLY_TOPIC`.
const REPLY_TOPIC_END: &str = "_REPLY_TOPIC";

impl Broker {
    /// What waits for a reply to be stored: its sender, and the client that made the request, if it is connected. It is
    /// told once the reply is stored, like everybody else.
    pub(crate) fn reply_waited_for(&mut self, sender: &mut Option<Sender>, send: &Send<'_>) -> Option<Pending> {
        if !send.topic.ends_with(REPLY_TOPIC_END) {
            return None;
        }
        let client = properties::get(send.properties, properties::REPLY_TO_CLIENT)?;
        let session = self.sessions.producer_with_client(client)?;
        let text = properties::with(send.properties, properties::PUSH_REPLY_TIME, &self.now.millis().to_string());
        if text.len() > PROPERTIES_LEN_MAX {
            return None;
        }
        let mut record = Vec::new();
        self.record(send, send.queue.max(0) as u32, send.flag, &text, send.body).encode(&mut record);
        let push = Box::new(Push::Reply { record, group: send.group.to_owned() });
        Some(Pending::Reply { sender: sender.take(), session, push })
    }
}
