//! Random histories of a broker, and what a naive reader of them knows.

use std::collections::{BTreeMap, BTreeSet};

use message::batch::{Batch, FRAME_LEN, Sealed};
use message::entry::{
    Carried, Check, CheckOutcome, DecidedBy, Decision, Delay, Deliver, Entry, Half, Messages, OffsetChange, Outcome,
    Place, Scheduled,
};
use message::record::{NewRecord, Record};
use message::tags::tags_code;
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp};

use crate::disk::Rng;
use crate::index::{HalfSlot, Index};
use crate::reader::{ReadError, RecordSource};

pub const TOPICS: [&str; 3] = ["orders", "%RETRY%cart", "t"];
pub const QUEUES: u32 = 3;

/// A log in memory.
#[derive(Clone, Default)]
pub struct TestLog {
    bytes: Vec<u8>,
    pub start: u64,
    /// Where each batch begins.
    pub batches: Vec<u64>,
}

impl TestLog {
    pub fn end(&self) -> CommitLogOffset {
        CommitLogOffset::new(self.bytes.len() as u64)
    }

    pub fn append(&mut self, batch: &mut Batch) {
        let at = self.end();
        self.batches.push(at.get());
        self.bytes.extend_from_slice(batch.seal(at, at, 0));
        batch.clear(1 << 20);
    }

    fn there(&self, at: CommitLogOffset, len: usize) -> Result<&[u8], ReadError> {
        let bytes = self.bytes.get(at.get() as usize..).and_then(|bytes| bytes.get(..len));
        bytes.filter(|_| at.get() >= self.start).ok_or(ReadError::Outside { at, len })
    }

    /// Applies all batches from an offset on.
    pub fn replay(&self, from: CommitLogOffset, index: &mut Index) {
        for at in self.batches.iter().copied().filter(|at| *at >= from.get().max(self.start)) {
            assert_eq!(self.replay_one(at, index), 0, "errors in the batch at {at}");
        }
    }

    /// Applies one batch, and tells how often there was an error.
    pub fn replay_one(&self, at: u64, index: &mut Index) -> usize {
        let at = CommitLogOffset::new(at);
        let sealed = Sealed::parse(&self.bytes[at.get() as usize..], at).expect("an intact batch");
        sealed.entries().filter(|(at, payload)| index.apply(*at, sealed.header().time, payload).is_err()).count()
    }
}

impl RecordSource for TestLog {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.extend_from_slice(self.there(at, len)?);
        Ok(())
    }

    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        to.copy_from_slice(self.there(at, to.len())?);
        Ok(())
    }
}

/// What is known of a queue.
#[derive(Clone, Default, Debug)]
pub struct ModelQueue {
    pub min: u64,
    pub next: u64,
    pub items: Vec<QueueItem>,
}

/// A message that is not visible yet.
#[derive(Clone, Debug)]
struct Pending {
    source: CommitLogOffset,
    sequence: QueueOffset,
    half: bool,
    delay: Delay,
    record_at: CommitLogOffset,
    record: Vec<u8>,
}

/// A broker that writes a log, and knows what the index should say.
pub struct History {
    pub log: TestLog,
    pub rng: Rng,
    pub queues: BTreeMap<(&'static str, u32), ModelQueue>,
    pub halves: BTreeMap<u64, HalfSlot>,
    /// Keys of each visible message, by the offset clients quote.
    pub keys: BTreeMap<u64, (&'static str, Vec<String>)>,
    pub refused: u64,
    pending: Vec<Pending>,
    undelivered: Vec<Pending>,
    batch: Batch,
    time: i64,
    sequence: u64,
    key_counter: u64,
}

impl History {
    pub fn new(seed: u64) -> Self {
        History {
            log: TestLog::default(),
            rng: Rng::new(seed),
            queues: BTreeMap::new(),
            halves: BTreeMap::new(),
            keys: BTreeMap::new(),
            refused: 0,
            pending: Vec::new(),
            undelivered: Vec::new(),
            batch: Batch::new(),
            time: 1_700_000_000_000,
            sequence: 0,
            key_counter: 0,
        }
    }

    pub fn time(&self) -> i64 {
        self.time
    }

    /// Logs some batches.
    pub fn go_on(&mut self, batches: u64) {
        for _ in 0..batches {
            self.time += [0, 0, 1, 5, 1000][self.rng.below(5) as usize];
            self.batch.set_time(Timestamp::from_millis(self.time));
            for _ in 0..1 + self.rng.below(4) {
                self.entry();
            }
            self.log.append(&mut self.batch);
        }
    }

    fn entry(&mut self) {
        match self.rng.below(100) {
            0..40 => self.messages(),
            40..58 => self.half(),
            58..78 => self.decide(),
            78..84 => self.schedule(),
            84..92 => self.deliver(),
            92..94 => self.carry(),
            94 if self.rng.chance(20) => self.delete_topic(),
            _ => self.something_else(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.time)
    }

    fn push(&mut self, entry: &Entry<'_>) -> CommitLogOffset {
        self.log.end().plus(self.batch.push(|out| entry.encode(out)) as u64)
    }

    fn any_queue(&mut self) -> (&'static str, u32) {
        (TOPICS[self.rng.below(3) as usize], self.rng.below(u64::from(QUEUES)) as u32)
    }

    fn next_of(&mut self, queue: (&'static str, u32)) -> QueueOffset {
        QueueOffset::new(self.queues.entry(queue).or_default().next)
    }

    fn record(&mut self, queue: (&'static str, u32), queue_offset: QueueOffset) -> Vec<u8> {
        self.key_counter += 1;
        let (tag, shared) = (self.rng.below(4), self.rng.below(30));
        let mut properties = format!("UNIQ_KEY\u{1}U{}\u{2}KEYS\u{1}k{shared} all", self.key_counter);
        if tag > 0 {
            properties.push_str(&format!("\u{2}TAGS\u{1}tag{tag}"));
        }
        let host = "10.0.0.5:50000".parse().expect("an address");
        let record = NewRecord {
            topic: queue.0,
            queue_id: queue.1,
            queue_offset,
            flag: 0,
            sys_flag: 0,
            born_timestamp: self.now(),
            born_host: host,
            store_timestamp: self.now(),
            store_host: host,
            reconsume_times: 0,
            body: &vec![b'x'; self.rng.below(200) as usize],
            properties: &properties,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        bytes
    }

    fn appear(&mut self, queue: (&'static str, u32), record: &[u8], item: QueueItem) {
        let parsed = Record::parse(record).expect("a record");
        let of = |key| parsed.property(key).unwrap_or_default().split(' ').map(str::to_owned);
        self.keys.insert(item.visible_at.get(), (queue.0, of("UNIQ_KEY").chain(of("KEYS")).collect()));
        let queue = self.queues.entry(queue).or_default();
        assert_eq!(queue.next, item.queue_offset.get());
        queue.next += 1;
        queue.items.push(item);
    }

    fn messages(&mut self) {
        let queue = self.any_queue();
        let first = self.next_of(queue);
        let records: Vec<_> = (0..1 + self.rng.below(5)).map(|i| self.record(queue, first.plus(i))).collect();
        let at = self.push(&Entry::Messages(Messages { records: &records.concat() }));
        let mut record_at = at.plus(FRAME_LEN as u64 + 1);
        for (i, record) in records.iter().enumerate() {
            let item = QueueItem {
                queue_offset: first.plus(i as u64),
                record_at,
                record_len: record.len() as u32,
                visible_at: record_at,
                visible_time: self.now(),
                tags_code: tag_of(record),
                half: None,
            };
            self.appear(queue, record, item);
            record_at = record_at.plus(record.len() as u64);
        }
    }

    fn half(&mut self) {
        let queue = self.any_queue();
        let record = self.record(queue, QueueOffset::ZERO);
        let delay = if self.rng.chance(30) { Delay::AfterMs(5000) } else { Delay::None };
        let sequence = QueueOffset::new(self.sequence);
        self.sequence += 1;
        let half = Half { sequence, immunity_ms: None, delay, group: "g", client: "c@1", record: &record };
        let entry = Entry::Half(half);
        let source = self.push(&entry);
        let record_at = self.log.end().plus(self.batch.framed_len() as u64 - record.len() as u64);
        self.halves.insert(sequence.get(), HalfSlot { half: source, decided_by: None });
        self.pending.push(Pending { source, sequence, half: true, delay, record_at, record });
    }

    fn take_pending(&mut self) -> Option<Pending> {
        let which = (!self.pending.is_empty()).then(|| self.rng.below(self.pending.len() as u64) as usize)?;
        Some(self.pending.swap_remove(which))
    }

    fn decide(&mut self) {
        let Some(half) = self.take_pending() else { return };
        let queue = self.queue_of(&half.record);
        let queue_offset = self.next_of(queue);
        let carry = half.record_at.get() < self.log.start || self.rng.chance(10);
        let link = if carry { carry_of(&half, queue_offset) } else { link_of(&half, queue, queue_offset) };
        let place = match (self.rng.below(10), half.delay) {
            (0..3, _) => Place::Nowhere,
            (3..9, Delay::AfterMs(_)) => Place::Later { deliver_at: self.now() },
            _ => link,
        };
        let decision = Decision {
            half: half.source,
            sequence: half.sequence,
            previous: half.source,
            time: self.now(),
            outcome: if place == Place::Nowhere { Outcome::Rollback } else { Outcome::Commit },
            by: DecidedBy::Producer,
            who: "c@1",
            why: "",
            place,
        };
        let begun = self.queues[&queue].items.last().is_some_and(|item| item.visible_at > self.log.end());
        if place == link && begun && self.rng.chance(30) {
            // Refused, for it names a place that is not the next one; then decided properly. In the batch of the item
            // before it: as the first of a queue that is left of the log it would pass for good.
            let wrong = QueueOffset::new(queue_offset.get() + 1);
            let place = if carry { carry_of(&half, wrong) } else { link_of(&half, queue, wrong) };
            self.push(&Entry::Decision(Decision { place, ..decision }));
            self.refused += 1;
        }
        let at = self.push(&Entry::Decision(decision));
        self.halves.insert(half.sequence.get(), HalfSlot { half: half.source, decided_by: Some(at) });
        let (later, nowhere) = (matches!(place, Place::Later { .. }), place == Place::Nowhere);
        if later {
            self.undelivered.push(half.clone());
        } else if !nowhere {
            self.appear_at(at, carry, queue, &half, Some(half.source));
        }
        if self.rng.chance(15) {
            // A racing decision, refused although it names the next place.
            let place = link_of(&half, queue, self.next_of(queue));
            self.push(&Entry::Decision(Decision { place, ..decision }));
            self.refused += 1;
        }
    }

    fn appear_at(
        &mut self,
        at: CommitLogOffset,
        carried: bool,
        queue: (&'static str, u32),
        message: &Pending,
        half: Option<CommitLogOffset>,
    ) {
        let len = message.record.len() as u64;
        let record_at = if carried {
            CommitLogOffset::new(self.log.end().get() + self.batch.framed_len() as u64 - len)
        } else {
            message.record_at
        };
        let item = QueueItem {
            queue_offset: self.next_of(queue),
            record_at,
            record_len: len as u32,
            visible_at: at,
            visible_time: self.now(),
            tags_code: tag_of(&message.record),
            half,
        };
        self.appear(queue, &message.record, item);
    }

    fn queue_of(&self, record: &[u8]) -> (&'static str, u32) {
        let record = Record::parse(record).expect("a record");
        let topic = TOPICS.iter().find(|topic| **topic == record.topic()).expect("a known topic");
        (topic, record.queue_id())
    }

    fn schedule(&mut self) {
        let queue = self.any_queue();
        let record = self.record(queue, QueueOffset::ZERO);
        let (deliver_at, sequence) = (self.now(), QueueOffset::ZERO);
        let source = self.push(&Entry::Scheduled(Scheduled { deliver_at, sequence, record: &record }));
        let record_at = self.log.end().plus(self.batch.framed_len() as u64 - record.len() as u64);
        let delay = Delay::At(deliver_at);
        self.undelivered.push(Pending { source, sequence, half: false, delay, record_at, record });
    }

    fn deliver(&mut self) {
        if self.undelivered.is_empty() {
            return;
        }
        let which = self.rng.below(self.undelivered.len() as u64) as usize;
        let message = self.undelivered.swap_remove(which);
        let queue = self.queue_of(&message.record);
        let queue_offset = self.next_of(queue);
        let carry = message.record_at.get() < self.log.start || self.rng.chance(20);
        let place = if carry { carry_of(&message, queue_offset) } else { link_of(&message, queue, queue_offset) };
        let at = self.push(&Entry::Deliver(Deliver { source: message.source, half: message.half, place }));
        let half = message.half.then_some(message.source);
        self.appear_at(at, carry, queue, &message, half);
    }

    /// Stores a record again whose message is not visible yet.
    fn carry(&mut self) {
        let (undelivered, pending) = (self.undelivered.len(), self.pending.len());
        if undelivered + pending == 0 {
            return;
        }
        let which = self.rng.below((undelivered + pending) as u64) as usize;
        let of = |history: &Self| {
            let message =
                if which < undelivered { &history.undelivered[which] } else { &history.pending[which - undelivered] };
            (message.source, message.record.clone())
        };
        let (source, record) = of(self);
        self.push(&Entry::Carried(Carried { source, record: &record }));
        let record_at = self.log.end().plus(self.batch.framed_len() as u64 - record.len() as u64);
        match which.checked_sub(undelivered) {
            None => self.undelivered[which].record_at = record_at,
            Some(which) => self.pending[which].record_at = record_at,
        }
    }

    fn delete_topic(&mut self) {
        let topic = self.any_queue().0;
        self.push(&Entry::TopicDeleted { name: topic });
        self.queues.retain(|(name, _), _| *name != topic);
    }

    fn something_else(&mut self) {
        let half = self.log.end();
        let (time, outcome) = (self.now(), CheckOutcome::Unknown);
        self.push(&Entry::Check(Check { half, previous: half, time, outcome, client: "c@1" }));
        let queues = vec![(0, QueueOffset::new(1))];
        self.push(&Entry::Offsets(vec![OffsetChange { group: "g", topic: "t", queues }]));
    }

    /// Lets the log begin at this batch, and stores again what is still needed, as a broker does before.
    pub fn trim(&mut self, start: u64) {
        self.log.start = start;
        for queue in self.queues.values_mut() {
            let lowest = |item: &QueueItem| item.record_at.get().min(item.visible_at.get());
            let gone = queue.items.iter().rposition(|item| lowest(item) < start).map_or(0, |last| last + 1);
            queue.items.drain(..gone);
            queue.min = queue.items.first().map_or(queue.next, |item| item.queue_offset.get());
        }
        self.halves.retain(|_, slot| slot.half.get().max(slot.decided_by.map_or(0, CommitLogOffset::get)) >= start);
    }

    /// The offsets at which visible messages are that this query should bring, the last first.
    pub fn with_key(&self, topic: &str, key: &str, times: std::ops::RangeInclusive<i64>) -> Vec<u64> {
        let items = self.queues.iter().filter(|((name, _), _)| *name == topic).flat_map(|(_, queue)| &queue.items);
        let found = items.filter(|item| {
            let keys = &self.keys[&item.visible_at.get()].1;
            times.contains(&item.visible_time.millis()) && keys.iter().any(|known| known == key)
        });
        found.map(|item| item.visible_at.get()).collect::<BTreeSet<_>>().into_iter().rev().collect()
    }

    pub fn some_key(&mut self) -> String {
        match self.rng.below(3) {
            0 => format!("U{}", self.rng.below(self.key_counter + 2)),
            1 => format!("k{}", self.rng.below(31)),
            _ => "all".to_owned(),
        }
    }
}

fn tag_of(record: &[u8]) -> i32 {
    Record::parse(record).expect("a record").property("TAGS").map_or(0, tags_code)
}

fn link_of(message: &Pending, queue: (&'static str, u32), queue_offset: QueueOffset) -> Place<'static> {
    Place::Link {
        topic: queue.0,
        queue_id: queue.1,
        queue_offset,
        record_at: message.record_at,
        record_len: message.record.len() as u32,
        tags_code: tag_of(&message.record),
    }
}

fn carry_of(message: &Pending, queue_offset: QueueOffset) -> Place<'_> {
    Place::Carry { queue_offset, tags_code: tag_of(&message.record), record: &message.record }
}
