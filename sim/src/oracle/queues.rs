use std::collections::BTreeMap;

use message::{CommitLogOffset, Timestamp};

use super::MessageId;

/// What was seen at one offset of a queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// The message its body names.
    pub message: Option<MessageId>,
    /// Hash of the record as it was delivered.
    pub hash: u64,
    /// Where it became visible.
    pub at: CommitLogOffset,
    /// When.
    pub time: Timestamp,
    /// The half it was, 0 for a plain message.
    pub half: CommitLogOffset,
    /// Attempts to consume it before.
    pub reconsume: i32,
    /// Its tag.
    pub tag: String,
}

#[derive(Debug, Default)]
struct QueueFacts {
    slots: BTreeMap<u64, Slot>,
    /// What an answer said is there.
    promised: BTreeMap<u64, (MessageId, CommitLogOffset)>,
    /// Offsets below it have expired.
    expired: u64,
}

#[derive(Debug, Default)]
struct TopicFacts {
    queues: BTreeMap<u32, QueueFacts>,
}

/// Topics and their queues, as far as anybody has seen into them.
#[derive(Debug, Default)]
pub struct Queues {
    topics: BTreeMap<String, TopicFacts>,
    /// How often each topic has gone.
    gone: BTreeMap<String, u64>,
}

impl Queues {
    fn queue(&mut self, topic: &str, queue: u32) -> &mut QueueFacts {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), TopicFacts::default());
        }
        self.topics.get_mut(topic).expect("inserted above").queues.entry(queue).or_default()
    }

    /// Takes note of what stands at an offset. True if nobody had seen it before.
    ///
    /// # Errors
    /// When something else was there before, or is promised, or its neighbours are of another time.
    pub fn see(&mut self, topic: &str, queue: u32, offset: u64, slot: Slot) -> Result<bool, String> {
        let facts = self.queue(topic, queue);
        if let Some(before) = facts.slots.get(&offset) {
            return if *before == slot { Ok(false) } else { Err(format!("first {before:?}, then {slot:?}")) };
        }
        if let Some((promised, _)) = facts.promised.get(&offset)
            && slot.message != Some(*promised)
        {
            return Err(format!("{promised} was answered to be there, and it holds {slot:?}"));
        }
        let before = facts.slots.range(..offset).next_back();
        let after = facts.slots.range(offset..).next();
        if before.is_some_and(|(_, before)| before.time > slot.time || before.at >= slot.at)
            || after.is_some_and(|(_, after)| after.time < slot.time || after.at <= slot.at)
        {
            return Err(format!("{slot:?} is not between {before:?} and {after:?}"));
        }
        facts.slots.insert(offset, slot);
        Ok(true)
    }

    /// An answer says that a message stands at an offset.
    ///
    /// # Errors
    /// When another one does.
    pub fn promise(
        &mut self,
        topic: &str,
        queue: u32,
        offset: u64,
        message: MessageId,
        end: CommitLogOffset,
    ) -> Result<(), String> {
        let facts = self.queue(topic, queue);
        if let Some((other, _)) = facts.promised.get(&offset).filter(|(other, _)| *other != message) {
            return Err(format!("{topic} queue {queue} offset {offset} was given to {other} and to {message}"));
        }
        if let Some(slot) = facts.slots.get(&offset).filter(|slot| slot.message != Some(message)) {
            return Err(format!("{topic} queue {queue} offset {offset} was given to {message} and holds {slot:?}"));
        }
        facts.promised.insert(offset, (message, end));
        Ok(())
    }

    /// The offsets below this one have expired.
    pub fn expired_below(&mut self, topic: &str, queue: u32, min: u64) {
        let facts = self.queue(topic, queue);
        facts.expired = facts.expired.max(min);
    }

    /// Whether what stood at this offset may have expired before anybody saw it.
    pub fn may_have_expired(&self, topic: &str, queue: u32, offset: u64) -> bool {
        self.facts(topic, queue).is_some_and(|facts| offset < facts.expired)
    }

    /// Whether anything of a topic has expired.
    pub fn topic_expired(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.queues.values().any(|queue| queue.expired > 0))
            || self.gone.contains_key(topic)
    }

    fn facts(&self, topic: &str, queue: u32) -> Option<&QueueFacts> {
        self.topics.get(topic)?.queues.get(&queue)
    }

    /// What was seen at an offset.
    pub fn slot(&self, topic: &str, queue: u32, offset: u64) -> Option<&Slot> {
        self.facts(topic, queue)?.slots.get(&offset)
    }

    /// What was seen in a part of a queue.
    pub fn slots(&self, topic: &str, queue: u32, from: u64, to: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let facts = self.facts(topic, queue);
        let range = from..to.max(from);
        facts.into_iter().flat_map(move |facts| facts.slots.range(range.clone())).map(|(offset, slot)| (*offset, slot))
    }

    /// All that was seen: topic, queue, offset.
    pub fn all_slots(&self) -> impl Iterator<Item = (&str, u32, u64, &Slot)> {
        self.topics.iter().flat_map(|(name, topic)| {
            topic.queues.iter().flat_map(move |(queue, facts)| {
                facts.slots.iter().map(move |(offset, slot)| (name.as_str(), *queue, *offset, slot))
            })
        })
    }

    /// All that was promised: topic, queue, offset, message.
    pub fn all_promised(&self) -> impl Iterator<Item = (&str, u32, u64, MessageId)> {
        self.topics.iter().flat_map(|(name, topic)| {
            topic.queues.iter().flat_map(move |(queue, facts)| {
                facts.promised.iter().map(move |(offset, (message, _))| (name.as_str(), *queue, *offset, *message))
            })
        })
    }

    /// How often a topic has gone.
    pub fn gone(&self, topic: &str) -> u64 {
        self.gone.get(topic).copied().unwrap_or(0)
    }

    pub(super) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
        *self.gone.entry(topic.to_owned()).or_default() += 1;
    }

    pub(super) fn lost_behind(&mut self, synced: CommitLogOffset) {
        for facts in self.topics.values_mut().flat_map(|topic| topic.queues.values_mut()) {
            facts.slots.retain(|_, slot| slot.at < synced);
            facts.promised.retain(|_, (_, end)| *end <= synced);
        }
    }
}
