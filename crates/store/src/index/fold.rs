//! What each entry changes.

use message::batch::FRAME_LEN;
use message::entry::{Decision, Delay, Deliver, Entry, Half, Messages, Place, record_distance};
use message::record::Record;
use message::tags::tags_code;
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp, properties};

use super::hash::{key_hash, topic_hash};
use super::keys::KeyHit;
use super::queue::Queue;
use super::{Index, IndexError};

/// Keys of one message that can be looked up, its UNIQ_KEY included: a property string has room for 16,000.
const KEYS_PER_MESSAGE_MAX: usize = 128;

/// Where and when an entry stands, and its bytes.
#[derive(Clone, Copy)]
struct Frame<'a> {
    at: CommitLogOffset,
    time: Timestamp,
    payload: &'a [u8],
}

impl Frame<'_> {
    /// The place in the log of these last bytes of the payload.
    fn place_of(&self, tail: &[u8]) -> CommitLogOffset {
        self.at.plus(record_distance(self.payload, tail))
    }
}

impl Index {
    /// Takes in the next entry of the log: `at` is the first byte of its frame, `time` that of its batch.
    ///
    /// Entries below [`Index::applied`] are passed over, so a replay may begin earlier than the index needs it.
    ///
    /// # Errors
    /// To be logged, and nothing else: after an error about the entry, it was left out; after one about a file, it was
    /// taken in all the same, and what could not be written stays in memory until it can.
    pub fn apply(&mut self, at: CommitLogOffset, time: Timestamp, payload: &[u8]) -> Result<(), IndexError> {
        if at < self.applied {
            return Ok(());
        }
        self.applied = at.plus((FRAME_LEN + payload.len()) as u64);
        let frame = Frame { at, time, payload };
        let entry = Entry::decode(payload).map_err(|source| IndexError::Entry { at, source });
        match entry.inspect_err(|_| self.counts.unreadable += 1)? {
            Entry::Messages(messages) => self.messages(frame, messages),
            Entry::Half(half) => self.half_stored(frame, &half),
            Entry::Decision(decision) => self.decision(frame, &decision),
            Entry::Deliver(deliver) => self.deliver(frame, &deliver),
            Entry::Scheduled(scheduled) => self.waits(frame, at, scheduled.record),
            Entry::Carried(carried) => self.waits(frame, carried.source, carried.record),
            Entry::TopicDeleted { name } => self.queues.remove_topic(name, &mut self.files),
            Entry::Check(_)
            | Entry::SetAside(_)
            | Entry::Resume(_)
            | Entry::Offsets(_)
            | Entry::Topic(_)
            | Entry::Group(_)
            | Entry::GroupDeleted { .. }
            | Entry::KeyValue { .. } => {}
        }
        self.trouble.take().map_or(Ok(()), Err)
    }

    fn messages(&mut self, frame: Frame<'_>, messages: Messages<'_>) {
        let mut rest = messages.records;
        while !rest.is_empty() {
            let Some(record) = self.parse(frame, rest) else { return };
            let record_at = frame.place_of(rest);
            rest = &rest[record.bytes().len()..];
            let tags_code = self.read_properties(&record);
            let item = QueueItem {
                queue_offset: record.queue_offset(),
                record_at,
                record_len: record.bytes().len() as u32,
                visible_at: record_at,
                visible_time: frame.time,
                tags_code,
                half: None,
            };
            if self.enter(record.topic(), record.queue_id(), &item) {
                self.add_keys(KeyHit::Visible(record_at), frame.time);
            }
        }
    }

    fn half_stored(&mut self, frame: Frame<'_>, half: &Half<'_>) {
        let stored = self.halves.store(half.sequence, frame.at, &mut self.files);
        self.note(stored);
        if half.delay != Delay::None {
            return self.waits(frame, frame.at, half.record);
        }
        if let Some(record) = self.parse(frame, half.record) {
            self.read_properties(&record);
            self.add_keys(KeyHit::Half(frame.at), frame.time);
        }
    }

    /// Remembers a message until an entry makes it visible that has no record and so no keys.
    fn waits(&mut self, frame: Frame<'_>, source: CommitLogOffset, record: &[u8]) {
        if let Some(record) = self.parse(frame, record) {
            self.read_properties(&record);
            self.delayed.add(source, &self.key_hashes);
        }
    }

    fn decision(&mut self, frame: Frame<'_>, decision: &Decision<'_>) {
        let open = self.halves.is_open(decision.sequence, decision.half, &self.files);
        // A slot that cannot be read says nothing: like the one of a half from before the log's beginning.
        let open = open.unwrap_or_else(|error| {
            self.note(Err(error));
            true
        });
        if !open {
            self.counts.refused += 1;
            return;
        }
        if self.place(frame, decision.half, Some(decision.half), &decision.place) {
            let decided = self.halves.decide(decision.sequence, decision.half, frame.at, &mut self.files);
            self.note(decided);
        }
    }

    fn deliver(&mut self, frame: Frame<'_>, deliver: &Deliver<'_>) {
        self.place(frame, deliver.source, deliver.half.then_some(deliver.source), &deliver.place);
    }

    /// Makes a message visible where the entry says; `false` when that is not the next place of the queue.
    fn place(
        &mut self,
        frame: Frame<'_>,
        source: CommitLogOffset,
        half: Option<CommitLogOffset>,
        place: &Place<'_>,
    ) -> bool {
        let item = |queue_offset: QueueOffset, record_at, record_len, tags_code| QueueItem {
            queue_offset,
            record_at,
            record_len,
            visible_at: frame.at,
            visible_time: frame.time,
            tags_code,
            half,
        };
        match *place {
            Place::Link { topic, queue_id, queue_offset, record_at, record_len, tags_code } => {
                if !self.enter(topic, queue_id, &item(queue_offset, record_at, record_len, tags_code)) {
                    return false;
                }
                self.links.add(record_at, frame.at);
                if let Some(keys) = self.delayed.remove(source) {
                    self.key_hashes.clear();
                    self.key_hashes.extend_from_slice(&keys);
                    self.add_keys(KeyHit::Visible(frame.at), frame.time);
                }
            }
            Place::Carry { queue_offset, tags_code, record: bytes } => {
                let Some(record) = self.parse(frame, bytes) else { return false };
                let item = item(queue_offset, frame.place_of(bytes), record.bytes().len() as u32, tags_code);
                if !self.enter(record.topic(), record.queue_id(), &item) {
                    return false;
                }
                self.delayed.remove(source);
                self.read_properties(&record);
                self.add_keys(KeyHit::Visible(frame.at), frame.time);
            }
            Place::Later { .. } => {}
            Place::Nowhere => _ = self.delayed.remove(source),
        }
        true
    }

    /// Appends an item to its queue if it is the next one there. The first of a queue says where the queue begins.
    fn enter(&mut self, topic: &str, queue_id: u32, item: &QueueItem) -> bool {
        let next = item.queue_offset.get();
        let handle = match self.queues.find(topic, queue_id) {
            Some(handle) if self.queues.get(handle).next() != next => {
                self.counts.refused += 1;
                return false;
            }
            Some(handle) => handle,
            None => self.queues.add(topic, queue_id, |owner| Queue::new(owner, next)),
        };
        let pushed = self.queues.push(handle, item, &mut self.files);
        self.note(pushed);
        if item.record_at < self.log_start {
            // In a replay: what it links to is gone already, and so is everything before it in its queue.
            self.queues.trim_one(handle, self.log_start.get(), &mut self.files);
        }
        true
    }

    /// The record at the beginning of these bytes, if it is one.
    fn parse<'r>(&mut self, frame: Frame<'_>, bytes: &'r [u8]) -> Option<Record<'r>> {
        Record::parse(bytes)
            .map_err(|source| {
                self.counts.unreadable += 1;
                self.note(Err(IndexError::Record { at: frame.at, source }));
            })
            .ok()
    }

    /// Gathers the hashes of a record's keys, and returns the hash of its tag.
    fn read_properties(&mut self, record: &Record<'_>) -> i32 {
        let (mut tags, mut unique, mut list) = (None, None, "");
        for (key, value) in properties::iter(record.properties()) {
            match key {
                properties::TAGS => tags = Some(value),
                properties::UNIQ_KEY => unique = Some(value),
                properties::KEYS => list = value,
                _ => {}
            }
        }
        let topic = topic_hash(record.topic());
        self.key_hashes.clear();
        let keys = unique.into_iter().chain(list.split(' ').filter(|key| !key.is_empty()));
        for key in keys.take(KEYS_PER_MESSAGE_MAX) {
            let hash = key_hash(topic, key);
            if !self.key_hashes.contains(&hash) {
                self.key_hashes.push(hash);
            }
        }
        tags.map_or(0, tags_code)
    }

    fn add_keys(&mut self, hit: KeyHit, time: Timestamp) {
        for i in 0..self.key_hashes.len() {
            let inserted = self.keys.insert(self.key_hashes[i], hit, time);
            self.note(inserted);
        }
    }

    /// Keeps the first error of an entry.
    fn note(&mut self, result: Result<(), IndexError>) {
        if let Err(error) = result
            && self.trouble.is_none()
        {
            self.trouble = Some(error);
        }
    }
}
