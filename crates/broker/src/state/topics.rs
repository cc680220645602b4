use std::borrow::Borrow;
use std::sync::Arc;

use foldhash::HashMap;
use message::entry::TopicConfig;
use message::{CommitLogOffset, QueueOffset};

use super::Visible;

/// All topics.
#[derive(Debug, Default)]
pub struct Topics {
    by_name: HashMap<Arc<str>, Topic>,
}

/// A topic and how far its queues have come.
#[derive(Debug)]
pub struct Topic {
    /// What is set for it.
    pub config: TopicConfig,
    name: Arc<str>,
    /// Offset the next message of each queue gets. Queues without a message yet may be missing at the end.
    next: Vec<QueueOffset>,
}

impl Topic {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Offset the next message of a queue gets.
    pub fn next(&self, queue: u32) -> QueueOffset {
        self.next.get(queue as usize).copied().unwrap_or_default()
    }

    /// Queues there are for reading or writing, or that have messages although the topic was made smaller.
    pub fn queues(&self) -> u32 {
        self.config.read_queues.max(self.config.write_queues).max(self.next.len() as u32)
    }
}

impl Topics {
    /// A topic by its name.
    pub fn get(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name)
    }

    /// All topics, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_name.values()
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The shared copy of a topic's name, a new one when the topic does not exist.
    pub fn name(&self, name: &str) -> Arc<str> {
        self.by_name.get(name).map_or_else(|| Arc::from(name), |topic| topic.name.clone())
    }

    pub(super) fn put(&mut self, config: TopicConfig) -> Arc<str> {
        if let Some(topic) = self.by_name.get_mut(config.name.as_str()) {
            topic.config = config;
            return topic.name.clone();
        }
        let name: Arc<str> = Arc::from(config.name.as_str());
        self.by_name.insert(name.clone(), Topic { config, name: name.clone(), next: Vec::new() });
        name
    }

    pub(super) fn restore(&mut self, config: TopicConfig, next: Vec<QueueOffset>) {
        let name = self.put(config);
        if let Some(topic) = self.by_name.get_mut(Borrow::<str>::borrow(&name)) {
            topic.next = next;
        }
    }

    pub(super) fn next_offsets<'a>(&self, topic: &'a Topic) -> &'a [QueueOffset] {
        &topic.next
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// Gives a queue `count` more messages that begin at `first`; `None`, and no change, if that is not its next offset.
    pub(super) fn advance(
        &mut self,
        topic: &str,
        queue: u32,
        first: QueueOffset,
        count: u64,
        tags_code: Option<i32>,
        at: CommitLogOffset,
    ) -> Option<Visible> {
        let topic = self.by_name.get_mut(topic)?;
        if topic.next.len() <= queue as usize {
            // A queue number beyond every limit can only come from a damaged or foreign log.
            if queue >= topic.config.read_queues.max(topic.config.write_queues).max(TopicConfig::QUEUES_MAX) {
                return None;
            }
            topic.next.resize(queue as usize + 1, QueueOffset::ZERO);
        }
        let next = &mut topic.next[queue as usize];
        if *next != first {
            return None;
        }
        *next = first.plus(count);
        Some(Visible { topic: topic.name.clone(), queue, first, count, tags_code, at })
    }
}
