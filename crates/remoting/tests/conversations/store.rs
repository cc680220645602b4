//! The least of a store: a log in memory and what is visible in it.

use broker::io::{HalfEntries, PullStatus, Pulled, QueueRange, ReadOutcome, ReadRequest, TimeBound};
use message::batch::{Batch, Sealed};
use message::entry::{Entry, Half, Place, record_distance};
use message::record::{Delivery, Record};
use message::tags::tags_code;
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp, properties};

#[derive(Default)]
pub struct Store {
    log: Vec<u8>,
    items: Vec<(String, u32, QueueItem)>,
    entries: Vec<(CommitLogOffset, Timestamp, Vec<u8>)>,
}

impl Store {
    pub fn append(&mut self, batch: &mut Batch) -> CommitLogOffset {
        let at = CommitLogOffset::new(self.log.len() as u64);
        self.log.extend_from_slice(batch.seal(at, at, 0));
        let time = batch.time();
        for (frame, payload) in Sealed::of(batch, at).entries() {
            self.index(frame, time, payload);
            self.entries.push((frame, time, payload.to_vec()));
        }
        at
    }

    fn index(&mut self, at: CommitLogOffset, visible_time: Timestamp, payload: &[u8]) {
        let plain = |record: &Record<'_>, record_at, visible_at, queue_offset, half| QueueItem {
            queue_offset,
            record_at,
            record_len: record.bytes().len() as u32,
            visible_at,
            visible_time,
            tags_code: record.property(properties::TAGS).map_or(0, tags_code),
            half,
        };
        let (place, half) = match Entry::decode(payload).expect("our own entry") {
            Entry::Messages(messages) => {
                let mut rest = messages.records;
                while let Ok(record) = Record::parse(rest) {
                    let record_at = at.plus(record_distance(payload, rest));
                    let item = plain(&record, record_at, record_at, record.queue_offset(), None);
                    self.items.push((record.topic().to_owned(), record.queue_id(), item));
                    rest = &rest[record.bytes().len()..];
                }
                return;
            }
            Entry::Decision(decision) => (decision.place, Some(decision.half)),
            Entry::Deliver(deliver) => (deliver.place, deliver.half.then_some(deliver.source)),
            _ => return,
        };
        match place {
            Place::Link { topic, queue_id, queue_offset, record_at, record_len, tags_code } => {
                let visible_at = at;
                let item = QueueItem { queue_offset, record_at, record_len, visible_at, visible_time, tags_code, half };
                self.items.push((topic.to_owned(), queue_id, item));
            }
            Place::Carry { queue_offset, record, .. } => {
                let parsed = Record::parse(record).expect("our own record");
                let item = plain(&parsed, at.plus(record_distance(payload, record)), at, queue_offset, half);
                self.items.push((parsed.topic().to_owned(), parsed.queue_id(), item));
            }
            Place::Later { .. } | Place::Nowhere => {}
        }
    }

    fn queue<'a>(&'a self, topic: &'a str, queue: u32) -> impl DoubleEndedIterator<Item = &'a QueueItem> {
        self.items.iter().filter(move |(t, q, _)| t == topic && *q == queue).map(|(_, _, item)| item)
    }

    fn delivered(&self, item: &QueueItem) -> Vec<u8> {
        let at = item.record_at.get() as usize;
        let mut record = self.log[at..at + item.record_len as usize].to_vec();
        Delivery::of(item).patch(&mut record).expect("our own record");
        record
    }

    /// Messages a consumer can see in a topic.
    pub fn visible(&self, topic: &str) -> Vec<Vec<u8>> {
        self.items.iter().filter(|(t, _, _)| t == topic).map(|(_, _, item)| self.delivered(item)).collect()
    }

    pub fn read(&self, request: &ReadRequest) -> ReadOutcome {
        match request {
            ReadRequest::Pull(pull) => {
                let items: Vec<&QueueItem> = self.queue(&pull.topic, pull.queue).collect();
                let max = QueueOffset::new(items.len() as u64);
                let rest = items.iter().skip(pull.from.max(0) as usize);
                let found: Vec<_> =
                    rest.filter(|item| pull.filter.matches(item.tags_code)).take(pull.max_messages).collect();
                let body: Vec<u8> = found.iter().flat_map(|item| self.delivered(item)).collect();
                let status = match (found.is_empty(), pull.from.cmp(&max.signed())) {
                    _ if items.is_empty() => PullStatus::Empty,
                    _ if pull.from < 0 => PullStatus::TooSmall,
                    (_, std::cmp::Ordering::Equal) => PullStatus::AtEnd,
                    (_, std::cmp::Ordering::Greater) => PullStatus::TooLarge,
                    (true, _) => PullStatus::NoMatch,
                    (false, _) => PullStatus::Found,
                };
                let next = match status {
                    PullStatus::TooSmall => QueueOffset::ZERO,
                    _ => found.last().map_or(max, |item| item.queue_offset.plus(1)),
                };
                let (min, count) = (QueueOffset::ZERO, found.len() as u32);
                ReadOutcome::Pulled(Pulled { status, next, min, max, count, body })
            }
            ReadRequest::Bounds(queues) => {
                ReadOutcome::Bounds(queues.iter().map(|(topic, queue)| self.bounds(topic, *queue)).collect())
            }
            ReadRequest::SearchTime { queues, time, bound } => {
                let offset = |topic: &str, queue| {
                    let items = self.queue(topic, queue);
                    let found = match bound {
                        TimeBound::Lower => items.filter(|item| item.visible_time < *time).count(),
                        TimeBound::Upper => items.filter(|item| item.visible_time <= *time).count().saturating_sub(1),
                    };
                    QueueOffset::new(found as u64)
                };
                ReadOutcome::Offsets(queues.iter().map(|(topic, queue)| offset(topic, *queue)).collect())
            }
            ReadRequest::Visible { at } => {
                let found = self.items.iter().find(|(_, _, item)| item.visible_at == *at);
                ReadOutcome::Records(found.map(|(_, _, item)| self.delivered(item)))
            }
            ReadRequest::Keys(query) => {
                let records = self.visible(&query.topic).into_iter().filter(|bytes| {
                    let record = Record::parse(bytes).expect("our own record");
                    let keys = record.property(properties::KEYS).unwrap_or_default().split(' ');
                    let in_time = (query.from..=query.to).contains(&record.store_timestamp());
                    in_time && keys.chain(record.property(properties::UNIQ_KEY)).any(|key| key == query.key)
                });
                let records: Vec<u8> = records.take(query.max).flatten().collect();
                ReadOutcome::Records(Some(records).filter(|records| !records.is_empty()))
            }
            ReadRequest::Half { sequence, .. } => ReadOutcome::Half(self.half(|half| half.sequence == *sequence)),
            ReadRequest::HalfByKey { key, .. } => ReadOutcome::Half(self.half(|half| {
                Record::parse(half.record).ok().and_then(|r| r.property(properties::UNIQ_KEY)) == Some(key.as_str())
            })),
            ReadRequest::HalvesByKey { key, .. } => {
                let named = self.half(|half| {
                    Record::parse(half.record).ok().and_then(|r| r.property(properties::KEYS)) == Some(key.as_str())
                });
                ReadOutcome::Places(named.into_iter().map(|entries| entries.half_at).collect())
            }
            ReadRequest::Entry { at } => {
                let found = self.entries.iter().find(|(frame, ..)| frame == at);
                ReadOutcome::Entry(found.map(|(_, _, payload)| payload.clone()))
            }
            ReadRequest::Records(places) => {
                let bytes = |at: CommitLogOffset, len: u32| &self.log[at.get() as usize..][..len as usize];
                ReadOutcome::Records(Some(
                    places.iter().flat_map(|place| bytes(place.at, place.len)).copied().collect(),
                ))
            }
        }
    }

    fn bounds(&self, topic: &str, queue: u32) -> QueueRange {
        let first = self.queue(topic, queue).next();
        QueueRange {
            min: QueueOffset::ZERO,
            max: QueueOffset::new(self.queue(topic, queue).count() as u64),
            first_at: first.map(|item| item.visible_at),
            first_time: first.map(|item| item.visible_time),
            last_time: self.queue(topic, queue).next_back().map(|item| item.visible_time),
        }
    }

    fn half(&self, wanted: impl Fn(&Half<'_>) -> bool) -> Option<HalfEntries> {
        let is_wanted = |payload: &[u8]| matches!(Entry::decode(payload), Ok(Entry::Half(half)) if wanted(&half));
        let (half_at, _, half) = self.entries.iter().find(|(_, _, payload)| is_wanted(payload))?.clone();
        let about = |payload: &[u8]| match Entry::decode(payload) {
            Ok(Entry::Decision(decision)) => decision.half == half_at,
            Ok(Entry::Check(check)) => check.half == half_at,
            Ok(Entry::SetAside(note) | Entry::Resume(note)) => note.half == half_at,
            _ => false,
        };
        let later = self.entries.iter().filter(|(_, _, payload)| about(payload)).cloned().collect();
        Some(HalfEntries { half_at, half, later })
    }
}
