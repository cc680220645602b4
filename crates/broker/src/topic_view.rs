use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::HashMap;
use message::QueueOffset;
use message::entry::TopicConfig;

use crate::held::HeldId;
use crate::state::Topics;

/// Topics as the next proposal has to see them: the applied ones, and what is on its way to the log.
#[derive(Debug, Default)]
pub struct TopicViews {
    by_name: HashMap<Arc<str>, TopicView>,
}

/// One topic and its queues.
#[derive(Debug)]
pub struct TopicView {
    /// What is set for it.
    pub config: TopicConfig,
    /// Its name.
    pub name: Arc<str>,
    lanes: Vec<Lane>,
}

/// One queue: what is proposed to it, and who waits for it.
#[derive(Debug, Default)]
pub struct Lane {
    /// Offset the next message proposed to this queue gets.
    pub next: QueueOffset,
    /// Pulls that wait for a message, the longest waiting first.
    pub held: BTreeSet<HeldId>,
}

impl TopicView {
    /// The queue with this number. Queues without messages are made when they are first asked for.
    pub fn lane(&mut self, queue: u32) -> &mut Lane {
        let index = queue as usize;
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, Lane::default);
        }
        &mut self.lanes[index]
    }

    /// Gives away the next `count` offsets of a queue and returns the first of them.
    pub fn take(&mut self, queue: u32, count: u64) -> QueueOffset {
        let lane = self.lane(queue);
        let first = lane.next;
        lane.next = first.plus(count);
        first
    }

    /// Everybody who waits for any queue of the topic.
    fn waiting(&mut self) -> Vec<HeldId> {
        self.lanes.iter_mut().flat_map(|lane| std::mem::take(&mut lane.held)).collect()
    }
}

impl TopicViews {
    /// The views of these topics, with nothing on its way.
    pub fn of(topics: &Topics) -> Self {
        let mut views = TopicViews::default();
        views.reset(topics);
        views
    }

    /// Forgets what was on its way: after a proposal was lost. Those who wait go on waiting.
    pub fn reset(&mut self, topics: &Topics) {
        let mut held: HashMap<(Arc<str>, usize), BTreeSet<HeldId>> = HashMap::default();
        for view in self.by_name.values_mut() {
            for (queue, lane) in view.lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.held.is_empty()) {
                held.insert((view.name.clone(), queue), std::mem::take(&mut lane.held));
            }
        }
        self.by_name.clear();
        for topic in topics.iter() {
            let view = self.put(topic.config.clone());
            view.lanes = (0..topic.queues())
                .map(|queue| Lane {
                    next: topic.next(queue),
                    held: held.remove(&(topic.name().clone(), queue as usize)).unwrap_or_default(),
                })
                .collect();
        }
    }

    /// A topic by its name.
    pub fn get(&self, name: &str) -> Option<&TopicView> {
        self.by_name.get(name)
    }

    /// A topic by its name.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut TopicView> {
        self.by_name.get_mut(name)
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// A topic is created or changed.
    pub fn put(&mut self, config: TopicConfig) -> &mut TopicView {
        let name: Arc<str> = match self.by_name.get(config.name.as_str()) {
            Some(view) => view.name.clone(),
            None => Arc::from(config.name.as_str()),
        };
        let view = self.by_name.entry(name.clone()).or_insert_with(|| TopicView {
            config: config.clone(),
            name,
            lanes: Vec::new(),
        });
        view.config = config;
        view
    }

    /// A topic is about to go; returns those who waited for it.
    pub fn remove(&mut self, name: &str) -> Vec<HeldId> {
        self.by_name.remove(name).map(|mut view| view.waiting()).unwrap_or_default()
    }
}
