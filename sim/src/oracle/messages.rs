use std::collections::BTreeMap;

use message::record::Record;
use message::{CommitLogOffset, Timestamp, properties};

use super::TransactionId;

/// Names a message for its whole life, whatever happens to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

impl std::fmt::Display for MessageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// What the answer to a send promised.
#[derive(Clone, Debug)]
pub enum Promise {
    /// It is in the queue.
    At {
        /// Queue.
        queue: u32,
        /// Offset.
        offset: u64,
        /// Where the log ended when that was said.
        end: CommitLogOffset,
    },
    /// It will be.
    Later {
        /// The entry it is known by.
        at: CommitLogOffset,
        /// Where the log ended when that was said.
        end: CommitLogOffset,
    },
}

impl Promise {
    fn end(&self) -> CommitLogOffset {
        match self {
            Promise::At { end, .. } | Promise::Later { end, .. } => *end,
        }
    }
}

/// A message as its client made it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its name, which its body begins with.
    pub id: MessageId,
    /// Topic.
    pub topic: String,
    /// Queue; negative means any.
    pub queue: i32,
    /// Tag.
    pub tag: &'static str,
    /// Length of the body.
    pub body_len: usize,
    /// The transaction it is part of.
    pub transaction: Option<TransactionId>,
    /// Delay in milliseconds.
    pub delay_ms: Option<u64>,
    /// Requests that may have stored it.
    pub tries: u32,
    /// When the first of them was made.
    pub first_try: Timestamp,
    /// What was promised about it last.
    pub promise: Option<Promise>,
    /// Where it was seen: topic, queue, offset; and where in the log.
    pub copies: BTreeMap<(String, u32, u64), CommitLogOffset>,
}

impl Message {
    /// The body: its name and as many bytes as it has, which depend on the name.
    pub fn body(&self) -> Vec<u8> {
        body(self.id, self.body_len)
    }

    /// The unique id a client gives it.
    pub fn unique_key(&self) -> String {
        format!("7F0000010000000000000000{:08X}", self.id.0)
    }

    /// The properties as a client sends them, without those that make it a half.
    pub fn properties(&self) -> String {
        let mut text = String::new();
        properties::push(&mut text, properties::KEYS, &format!("key-{}", self.id.0 % 50));
        properties::push(&mut text, properties::UNIQ_KEY, &self.unique_key());
        properties::push(&mut text, properties::TAGS, self.tag);
        if let Some(ms) = self.delay_ms {
            properties::push(&mut text, properties::TIMER_DELAY_MS, &ms.to_string());
        }
        text
    }

    /// When a plain message is due at the earliest.
    pub fn due(&self) -> Option<Timestamp> {
        self.delay_ms.map(|ms| self.first_try.plus_ms(ms as i64))
    }

    /// Whether this record is this message.
    ///
    /// # Errors
    /// What is different.
    pub fn compare(&self, record: &Record<'_>) -> Result<(), String> {
        if record.body() != self.body() {
            return Err(format!("its body of {} bytes came as {} other bytes", self.body_len, record.body().len()));
        }
        for (key, wanted) in [(properties::UNIQ_KEY, self.unique_key().as_str()), (properties::TAGS, self.tag)] {
            if record.property(key) != Some(wanted) {
                return Err(format!("its property {key} came as {:?}", record.property(key)));
            }
        }
        if record.flag() != self.flag() {
            return Err(format!("its flag {} came as {}", self.flag(), record.flag()));
        }
        Ok(())
    }

    /// The application's flag.
    pub fn flag(&self) -> i32 {
        (self.id.0 % 7) as i32
    }

    /// Its topic is gone: what was stored is, and what is still to come makes the topic again.
    pub(super) fn topic_gone(&mut self) {
        self.promise = None;
        // It may have been delivered to the topic that is gone, and then sent again.
        self.tries += self.copies.len() as u32;
    }

    pub(super) fn lost_behind(&mut self, synced: CommitLogOffset) {
        self.promise = self.promise.take().filter(|promise| promise.end() <= synced);
        self.copies.retain(|_, at| *at < synced);
    }
}

const PREFIX: usize = 11;

fn body(id: MessageId, len: usize) -> Vec<u8> {
    let mut body = format!("m{:09}:", id.0).into_bytes();
    body.extend((PREFIX..len).map(|i| b'a' + ((id.0 as usize + i * 7) % 26) as u8));
    body
}

/// The message a body names.
pub(super) fn id_in(body: &[u8]) -> Option<MessageId> {
    let digits = body.get(..PREFIX)?.strip_prefix(b"m")?.strip_suffix(b":")?;
    std::str::from_utf8(digits).ok()?.parse().ok().map(MessageId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message() {
        assert_eq!(id_in(&body(MessageId(77), 200)), Some(MessageId(77)));
        assert_eq!(body(MessageId(77), 200).len(), 200);
        assert_eq!(id_in(b"something else"), None);
        assert_eq!(id_in(b"m1"), None);
    }
}
