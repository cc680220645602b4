//! All queues: found by topic and number, their tails held within a bound.

use foldhash::HashMap;
use message::{QueueItem, QueueOffset};

use super::blocks::BlockFiles;
use super::error::IndexError;
use super::hash::{queue_hash, topic_hash};
use super::queue::Queue;

/// A queue that was looked up; good until a topic is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct QueueHandle(u32);

/// A topic that has queues.
#[derive(Debug)]
pub(super) struct Topic {
    pub hash: u64,
    /// Number and handle of each queue, in order of the numbers.
    pub queues: Vec<(u32, QueueHandle)>,
}

/// All queues of all topics.
#[derive(Debug)]
pub(super) struct Queues {
    topics: HashMap<Box<str>, Topic>,
    queues: Vec<Queue>,
    free: Vec<u32>,
    /// Bytes of memory of all tails, and how many they may be.
    tail_bytes: usize,
    tail_bytes_max: usize,
    /// Where the search for a tail to evict goes on.
    hand: usize,
}

impl Queues {
    /// No queue.
    pub fn new(tail_bytes_max: usize) -> Self {
        Queues {
            topics: HashMap::default(),
            queues: Vec::new(),
            free: Vec::new(),
            tail_bytes: 0,
            tail_bytes_max,
            hand: 0,
        }
    }

    /// The names of all topics that have queues, in no order.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = (&str, &Topic)> {
        self.topics.iter().map(|(name, topic)| (&**name, topic))
    }

    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub fn find(&self, topic: &str, queue_id: u32) -> Option<QueueHandle> {
        let queues = &self.topics.get(topic)?.queues;
        let found = queues.binary_search_by_key(&queue_id, |(id, _)| *id).ok()?;
        Some(queues[found].1)
    }

    pub fn get(&self, handle: QueueHandle) -> &Queue {
        &self.queues[handle.0 as usize]
    }

    /// Adds a queue that is not there yet; `make` is given what marks its blocks.
    pub fn add(&mut self, topic: &str, queue_id: u32, make: impl FnOnce(u64) -> Queue) -> QueueHandle {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.into(), Topic { hash: topic_hash(topic), queues: Vec::new() });
        }
        let topic = self.topics.get_mut(topic).expect("the topic was just found or made");
        let at = topic.queues.partition_point(|(id, _)| *id < queue_id);
        assert!(topic.queues.get(at).is_none_or(|(id, _)| *id != queue_id), "queue {queue_id} is there already");
        let queue = make(queue_hash(topic.hash, queue_id));
        self.tail_bytes += queue.tail.as_ref().map_or(0, |tail| tail.memory());
        let handle = match self.free.pop() {
            Some(free) => {
                self.queues[free as usize] = queue;
                QueueHandle(free)
            }
            None => {
                self.queues.push(queue);
                QueueHandle(u32::try_from(self.queues.len() - 1).expect("fewer than 2^32 queues"))
            }
        };
        topic.queues.insert(at, (queue_id, handle));
        handle
    }

    /// Appends an item that has the queue's next offset.
    ///
    /// # Errors
    /// When a block could not be written. The item is in the queue nevertheless.
    pub fn push(&mut self, handle: QueueHandle, item: &QueueItem, files: &mut BlockFiles) -> Result<(), IndexError> {
        let queue = &mut self.queues[handle.0 as usize];
        let before = queue.tail.as_ref().map_or(0, |tail| tail.memory());
        let written = queue.push(item, files);
        self.tail_bytes = self.tail_bytes - before + queue.tail.as_ref().map_or(0, |tail| tail.memory());
        if self.tail_bytes > self.tail_bytes_max { written.and(self.evict(handle, files)) } else { written }
    }

    /// Writes the tail of one queue as a block and frees its memory: of the next that was not written to since the
    /// hand came by.
    fn evict(&mut self, but: QueueHandle, files: &mut BlockFiles) -> Result<(), IndexError> {
        // Twice around finds one for certain, unless there is no other tail.
        for _ in 0..self.queues.len() * 2 {
            self.hand = (self.hand + 1) % self.queues.len();
            let queue = &mut self.queues[self.hand];
            let Some(tail) = &mut queue.tail else { continue };
            if self.hand == but.0 as usize || std::mem::take(&mut tail.touched) {
                continue;
            }
            queue.write_tail(files)?;
            self.tail_bytes -= queue.tail.take().map_or(0, |tail| tail.memory());
            if self.tail_bytes <= self.tail_bytes_max {
                break;
            }
        }
        Ok(())
    }

    /// Says where a queue goes on that has no items; `false` when it has some and goes on elsewhere.
    pub fn set_next(&mut self, topic: &str, queue_id: u32, next: QueueOffset) -> bool {
        match self.find(topic, queue_id) {
            None => {
                self.add(topic, queue_id, |owner| Queue::new(owner, next.get()));
                true
            }
            Some(handle) => {
                let queue = &mut self.queues[handle.0 as usize];
                if queue.is_empty() {
                    queue.set_next(next.get());
                }
                queue.next() == next.get()
            }
        }
    }

    /// Forgets a topic and all its queues.
    pub fn remove_topic(&mut self, name: &str, files: &mut BlockFiles) {
        let Some(topic) = self.topics.remove(name) else { return };
        for (_, handle) in topic.queues {
            let queue = &mut self.queues[handle.0 as usize];
            queue.clear(files);
            self.tail_bytes -= queue.tail.take().map_or(0, |tail| tail.memory());
            *queue = Queue::new(0, 0);
            self.free.push(handle.0);
        }
    }

    /// Forgets what needs a place below the log's start, in one queue.
    pub fn trim_one(&mut self, handle: QueueHandle, start: u64, files: &mut BlockFiles) {
        self.queues[handle.0 as usize].trim(start, files);
    }

    /// Forgets what needs a place below the log's start.
    pub fn trim(&mut self, start: u64, files: &mut BlockFiles) {
        self.queues.iter_mut().for_each(|queue| queue.trim(start, files));
    }

    /// Forgets everything; the blocks are not given up, for their files go as well.
    pub fn forget(&mut self) {
        *self = Queues::new(self.tail_bytes_max);
    }

    /// Bytes of memory of all tails.
    pub fn tail_memory(&self) -> usize {
        self.tail_bytes
    }

    /// Bytes of memory of everything else.
    pub fn directory_memory(&self) -> usize {
        let topics = self.topics.iter().map(|(name, topic)| name.len() + topic.queues.capacity() * 8).sum::<usize>();
        topics
            + self.topics.capacity() * (size_of::<(Box<str>, Topic)>() + 1)
            + self.queues.capacity() * size_of::<Queue>()
            + self.queues.iter().map(Queue::memory).sum::<usize>()
    }
}
