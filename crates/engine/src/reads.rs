//! What the broker wants to read, read from log and index.

use std::sync::Arc;

use broker::io::{
    HalfEntries, KeyQuery, PullRead, PullStatus, Pulled, QueueRange, ReadOutcome, ReadRequest, RecordAt, TagFilter,
    TimeBound,
};
use message::entry::{Entry, Half};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, Timestamp, properties};
use store::index::{Boundary, Index, KeyHit, KeyRange};
use store::log::{self, Log};
use store::reader::{self, QueueRead, ReadError, ReadLimits, ReadStatus, SharedBlocks};

/// Steps in a transaction's story that are read at most, should there ever be so many.
const STORY_MAX: usize = 10_000;

/// Halves with one key that are told apart to find the newest of them.
const NAMESAKES_MAX: usize = 64;

/// Does one read. A failure is an outcome: the client is told, and the broker goes on.
pub(crate) fn execute(log: &Log, index: &Index, shared: &mut SharedBlocks, request: &ReadRequest) -> ReadOutcome {
    let outcome = match request {
        ReadRequest::Pull(pull) => pulled(log, index, shared, pull).map(ReadOutcome::Pulled),
        ReadRequest::Bounds(queues) => {
            let ranges = queues.iter().map(|(topic, queue)| range(index, topic, *queue));
            ranges.collect::<Result<_, _>>().map(ReadOutcome::Bounds)
        }
        ReadRequest::SearchTime { queues, time, bound } => {
            let boundary = match bound {
                TimeBound::Lower => Boundary::Lower,
                TimeBound::Upper => Boundary::Upper,
            };
            let offsets = queues.iter().map(|(topic, queue)| index.search_by_time(topic, *queue, *time, boundary));
            offsets.collect::<Result<_, _>>().map(ReadOutcome::Offsets).map_err(ReadError::from)
        }
        ReadRequest::Visible { at } => visible(log, index, *at).map(ReadOutcome::Records),
        ReadRequest::Keys(query) => by_key(log, index, query).map(ReadOutcome::Records),
        ReadRequest::Half { sequence, last } => half(log, index, *sequence, *last).map(ReadOutcome::Half),
        ReadRequest::HalfByKey { key, topics } => half_by_key(log, index, key, topics).map(ReadOutcome::Half),
        ReadRequest::HalvesByKey { key, topics, max } => halves_by_key(log, index, key, topics, *max)
            .map(|found| ReadOutcome::Places(found.into_iter().map(|(at, _)| at).collect())),
        ReadRequest::Entry { at } => entry(log, *at).map(ReadOutcome::Entry),
        ReadRequest::Records(places) => records(log, places).map(|bytes| ReadOutcome::Records(Some(bytes))),
    };
    outcome.unwrap_or_else(|error| ReadOutcome::Failed(error.to_string()))
}

fn pulled(log: &Log, index: &Index, shared: &mut SharedBlocks, pull: &PullRead) -> Result<Pulled, ReadError> {
    // Below zero is as far behind as it gets: the answer says where the queue begins.
    let Some(from) = QueueOffset::from_signed(pull.from) else {
        let range = range(index, &pull.topic, pull.queue)?;
        let (next, min, max) = (range.min, range.min, range.max);
        return Ok(Pulled { status: PullStatus::TooSmall, next, min, max, count: 0, body: Vec::new() });
    };
    let read = QueueRead {
        topic: &pull.topic,
        queue_id: pull.queue,
        from,
        limits: ReadLimits { max_messages: pull.max_messages, max_bytes: pull.max_bytes },
        filter: match &pull.filter {
            TagFilter::All => reader::TagFilter::All,
            TagFilter::Codes(codes) => reader::TagFilter::Hashes(codes),
        },
    };
    let mut body = Vec::new();
    let source = shared.of(log, log.start()..log.written(), &read);
    let found = reader::read_messages(&source, index, &read, &mut body)?;
    let status = match found.status {
        ReadStatus::Found => PullStatus::Found,
        ReadStatus::NoMatch => PullStatus::NoMatch,
        ReadStatus::NoMessage => PullStatus::AtEnd,
        ReadStatus::OffsetTooSmall => PullStatus::TooSmall,
        ReadStatus::OffsetTooLarge => PullStatus::TooLarge,
        ReadStatus::NoQueue => PullStatus::Empty,
    };
    Ok(Pulled { status, next: found.next, min: found.min, max: found.max, count: found.count as u32, body })
}

fn range(index: &Index, topic: &str, queue: u32) -> Result<QueueRange, ReadError> {
    let Some(bounds) = index.queue(topic, queue)? else { return Ok(QueueRange::default()) };
    let mut range = QueueRange { min: bounds.min, max: bounds.max, ..QueueRange::default() };
    if bounds.min < bounds.max {
        let first = index.item(topic, queue, bounds.min)?;
        let last = index.item(topic, queue, QueueOffset::new(bounds.max.get() - 1))?;
        range.first_at = first.map(|item| item.visible_at);
        range.first_time = first.map(|item| item.visible_time);
        range.last_time = last.map(|item| item.visible_time);
    }
    Ok(range)
}

fn visible(log: &Log, index: &Index, at: CommitLogOffset) -> Result<Option<Vec<u8>>, ReadError> {
    let mut record = Vec::new();
    Ok(reader::resolve(log, index, at, &mut record)?.map(|_| record))
}

fn by_key(log: &Log, index: &Index, query: &KeyQuery) -> Result<Option<Vec<u8>>, ReadError> {
    let mut records = Vec::new();
    let query = reader::KeyQuery {
        topic: &query.topic,
        key: &query.key,
        max_messages: query.max,
        max_bytes: QUERY_BYTES_MAX,
        times: query.from..=query.to,
    };
    reader::find_by_key(log, index, &query, &mut records)?;
    Ok(Some(records))
}

fn half(
    log: &Log,
    index: &Index,
    sequence: QueueOffset,
    last: Option<CommitLogOffset>,
) -> Result<Option<HalfEntries>, ReadError> {
    match index.half(sequence)? {
        Some(slot) => story(log, slot.half, slot.decided_by.or(last)),
        None => Ok(None),
    }
}

/// The last half with this unique id or key, whatever its topic.
fn half_by_key(log: &Log, index: &Index, key: &str, topics: &[Arc<str>]) -> Result<Option<HalfEntries>, ReadError> {
    let found = halves_by_key(log, index, key, topics, NAMESAKES_MAX)?;
    let newest = found.into_iter().max_by_key(|(at, _)| *at);
    newest.map_or(Ok(None), |(_, sequence)| half(log, index, sequence, None))
}

/// Places and positions of the halves with this unique id or key, `max` of them at most.
fn halves_by_key(
    log: &Log,
    index: &Index,
    key: &str,
    topics: &[Arc<str>],
    max: usize,
) -> Result<Vec<(CommitLogOffset, QueueOffset)>, ReadError> {
    let mut found = Vec::new();
    let mut hits = Vec::new();
    for topic in topics {
        hits.clear();
        index.keys(topic, key, &KeyRange::all(), max, &mut hits)?;
        for hit in &hits {
            let KeyHit::Half(at) = *hit else { continue };
            let Some(payload) = entry(log, at)? else { continue };
            let Ok(Entry::Half(Half { sequence, record, .. })) = Entry::decode(&payload) else { continue };
            let Ok(record) = Record::parse(record) else { continue };
            let keys = record.property(properties::KEYS).unwrap_or_default().split(' ');
            // The index knows hashes only.
            if keys.chain(record.property(properties::UNIQ_KEY)).any(|known| known == key) {
                found.push((at, sequence));
            }
        }
        if found.len() >= max {
            found.truncate(max);
            break;
        }
    }
    Ok(found)
}

/// A half and what came later, walked backwards from the last entry about it.
fn story(log: &Log, half_at: CommitLogOffset, last: Option<CommitLogOffset>) -> Result<Option<HalfEntries>, ReadError> {
    let Some(half) = known_entry(log, half_at)? else { return Ok(None) };
    let mut later = Vec::new();
    let mut next = last.filter(|last| *last != half_at);
    while let Some(at) = next {
        let Some(payload) = known_entry(log, at)? else { break };
        let previous = match Entry::decode(&payload) {
            Ok(Entry::Decision(decision)) if decision.half == half_at => decision.previous,
            Ok(Entry::Check(check)) if check.half == half_at => check.previous,
            Ok(Entry::SetAside(note) | Entry::Resume(note)) if note.half == half_at => note.previous,
            _ => break,
        };
        later.push((at, time_of(&payload), payload));
        // Links lead backwards: anything else is damage and must not turn into a circle.
        next = Some(previous).filter(|previous| *previous > half_at && *previous < at && later.len() < STORY_MAX);
    }
    later.reverse();
    Ok(Some(HalfEntries { half_at, half, later }))
}

fn time_of(payload: &[u8]) -> Timestamp {
    match Entry::decode(payload) {
        Ok(Entry::Decision(decision)) => decision.time,
        Ok(Entry::Check(check)) => check.time,
        Ok(Entry::SetAside(note) | Entry::Resume(note)) => note.time,
        _ => Timestamp::ZERO,
    }
}

/// The payload of the entry at an offset that a client may have made up.
fn entry(log: &Log, at: CommitLogOffset) -> Result<Option<Vec<u8>>, ReadError> {
    match log.view().find_entry(at, ENTRY_LEN_MAX) {
        Ok(payload) => Ok(Some(payload)),
        Err(log::ReadError::BelowStart { .. } | log::ReadError::BeyondEnd { .. } | log::ReadError::NoEntry { .. }) => {
            Ok(None)
        }
        Err(error) => Err(ReadError::Log(error)),
    }
}

/// The payload of an entry that was there: `None` when it has expired, an error when something else stands there now. A
/// half whose entry is damaged must not pass for one that never was.
fn known_entry(log: &Log, at: CommitLogOffset) -> Result<Option<Vec<u8>>, ReadError> {
    match entry(log, at)? {
        None if at >= log.start() => Err(ReadError::Damaged { at }),
        found => Ok(found),
    }
}

/// Bytes one lookup by key brings at most.
const QUERY_BYTES_MAX: usize = 8 << 20;

/// Longest entry that is looked at because somebody quoted its offset.
const ENTRY_LEN_MAX: usize = 32 << 20;

fn records(log: &Log, places: &[RecordAt]) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    for place in places {
        let start = bytes.len();
        log.read(place.at, place.len as usize, &mut bytes).map_err(ReadError::Log)?;
        reader::compare_body(&bytes[start..], place.at)?;
    }
    Ok(bytes)
}
