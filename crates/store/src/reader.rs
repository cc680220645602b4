//! Messages as they are delivered: the log's own bytes, with what became known later patched into the copy.
//!
//! Three ways to find them: by place in a queue, as a consumer reads; by the offset a client quotes; by a key.

use std::ops::RangeInclusive;

use message::record::{Delivery, MAGIC_V1, Record, body_crc};
use message::{CommitLogOffset, QueueItem, QueueOffset};

use crate::index::{Index, IndexError};

mod lookup;
mod shared;
mod source;

pub use lookup::{KeyQuery, find_by_key, resolve};
pub use shared::{BLOCK_LEN, SharedBlocks};
pub use source::{ReadError, RecordSource};

/// Items that one read looks at before it answers that none matched: so much a filter may cost at a time.
pub const SCAN_ITEMS_MAX: usize = 8192;
/// Records this close together are read at once: copying what is between costs less than a further read.
const GAP_MAX: u64 = 1024;
/// Longest read, unless a single record is longer.
const SPAN_MAX: u64 = 1 << 20;
/// Items fetched at a time when most of them may not match.
const ITEMS_STEP: usize = 128;

/// How much one read brings at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadLimits {
    /// Messages, at least 1.
    pub max_messages: usize,
    /// Bytes of records; the first message is read even if it alone is longer.
    pub max_bytes: usize,
}

/// Which messages of a queue are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TagFilter<'a> {
    /// All of them.
    All,
    /// Those whose tag has one of these hashes (`message::tags`). Consumers compare the tag itself again.
    Hashes(&'a [i32]),
}

impl TagFilter<'_> {
    fn matches(&self, item: &QueueItem) -> bool {
        match self {
            TagFilter::All => true,
            TagFilter::Hashes(hashes) => hashes.contains(&item.tags_code),
        }
    }
}

/// What a read of a queue came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadStatus {
    /// There are messages.
    Found,
    /// There are messages from there on, and none of those looked at is wanted: go on at `next`.
    NoMatch,
    /// The end of the queue: wait for the next message.
    NoMessage,
    /// Those messages are gone: go on at `next`, the first that is there.
    OffsetTooSmall,
    /// The queue does not reach that far: `next` is its end.
    OffsetTooLarge,
    /// The queue never had a message.
    NoQueue,
}

/// Answer to a read of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// What it came to.
    pub status: ReadStatus,
    /// Where to go on.
    pub next: QueueOffset,
    /// Offset of the first message that is there.
    pub min: QueueOffset,
    /// Offset the next message will have.
    pub max: QueueOffset,
    /// Messages read.
    pub count: usize,
}

/// A read of one queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueRead<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: u32,
    /// Offset to begin at.
    pub from: QueueOffset,
    /// How much to bring.
    pub limits: ReadLimits,
    /// Which messages are wanted.
    pub filter: TagFilter<'a>,
}

/// Appends the messages of a queue, one record behind the other, as they are delivered.
///
/// # Errors
/// When the log or the index cannot be read, or the index points at something else than a record. Nothing is appended
/// then. A record that is damaged where it lies ends what is read; it is an error if it is the first.
pub fn read_messages(
    log: &impl RecordSource,
    index: &Index,
    read: &QueueRead<'_>,
    out: &mut Vec<u8>,
) -> Result<Found, ReadError> {
    let Some(bounds) = index.queue(read.topic, read.queue_id)? else {
        let none = QueueOffset::ZERO;
        return Ok(Found { status: ReadStatus::NoQueue, next: none, min: none, max: none, count: 0 });
    };
    let found = |status, next, count| Found { status, next, min: bounds.min, max: bounds.max, count };
    if read.from < bounds.min {
        return Ok(found(ReadStatus::OffsetTooSmall, bounds.min, 0));
    }
    if read.from > bounds.max {
        return Ok(found(ReadStatus::OffsetTooLarge, bounds.max, 0));
    }
    if read.from == bounds.max {
        return Ok(found(ReadStatus::NoMessage, bounds.max, 0));
    }
    let (wanted, next) = choose(index, read, bounds.max)?;
    if wanted.is_empty() {
        return Ok(found(ReadStatus::NoMatch, next, 0));
    }
    let count = append_records(log, &wanted, out)?;
    let next = wanted.get(count).map_or(next, |damaged| damaged.queue_offset);
    Ok(found(ReadStatus::Found, next, count))
}

/// The items a read brings, and where the next one goes on.
fn choose(index: &Index, read: &QueueRead<'_>, max: QueueOffset) -> Result<(Vec<QueueItem>, QueueOffset), IndexError> {
    let mut wanted = Vec::with_capacity(read.limits.max_messages.min(ITEMS_STEP));
    let (mut next, mut bytes, mut scanned) = (read.from, 0, 0);
    let messages_max = read.limits.max_messages.max(1);
    let mut items = Vec::with_capacity(wanted.capacity());
    while next < max && wanted.len() < messages_max && scanned < SCAN_ITEMS_MAX {
        let step = match read.filter {
            TagFilter::All => messages_max - wanted.len(),
            TagFilter::Hashes(_) => ITEMS_STEP,
        };
        items.clear();
        index.items(read.topic, read.queue_id, next, step.min(SCAN_ITEMS_MAX), &mut items)?;
        if items.is_empty() {
            break;
        }
        for item in items.iter().copied() {
            if read.filter.matches(&item) {
                let len = item.record_len as usize;
                if !wanted.is_empty() && bytes + len > read.limits.max_bytes {
                    return Ok((wanted, next));
                }
                bytes += len;
                wanted.push(item);
            }
            next = item.queue_offset.plus(1);
            scanned += 1;
            if wanted.len() == messages_max {
                break;
            }
        }
    }
    Ok((wanted, next))
}

/// Appends the records of these items, patched, up to one that is damaged, and says how many. Those that lie close
/// together are read at once.
fn append_records(log: &impl RecordSource, items: &[QueueItem], out: &mut Vec<u8>) -> Result<usize, ReadError> {
    let (start, mut count) = (out.len(), 0);
    let bytes = items.iter().map(|item| item.record_len as usize).sum::<usize>();
    out.reserve(bytes);
    let mut rest = items;
    while !rest.is_empty() {
        let (near, behind) = rest.split_at(near_records(rest));
        let appended = match append_near(log, near, out, &mut count) {
            // What lies close together may still lie in two segments.
            Err(ReadError::Outside { .. }) if near.len() > 1 => {
                near.chunks(1).try_for_each(|single| append_near(log, single, out, &mut count))
            }
            appended => appended,
        };
        match appended {
            Ok(()) => rest = behind,
            // Those before it are as they were sent.
            Err(ReadError::Damaged { .. }) if count > 0 => return Ok(count),
            Err(error) => {
                out.truncate(start);
                return Err(error);
            }
        }
    }
    Ok(count)
}

fn range_of(item: &QueueItem) -> RangeInclusive<u64> {
    item.record_at.get()..=item.record_at.get() + u64::from(item.record_len)
}

/// How many of the items can be read at once with the first.
fn near_records(items: &[QueueItem]) -> usize {
    let first = range_of(&items[0]);
    let mut end = *first.end();
    for (count, item) in items.iter().enumerate().skip(1) {
        let range = range_of(item);
        let near = *range.start() >= end && *range.start() - end <= GAP_MAX;
        if !near || range.end() - first.start() > SPAN_MAX {
            return count;
        }
        end = *range.end();
    }
    items.len()
}

/// Counts what it appends; after an error only that is left.
fn append_near(
    log: &impl RecordSource,
    items: &[QueueItem],
    out: &mut Vec<u8>,
    count: &mut usize,
) -> Result<(), ReadError> {
    let first = items[0].record_at;
    let end = *range_of(&items[items.len() - 1]).end();
    let start = out.len();
    log.read(first, (end - first.get()) as usize, out)?;
    let mut to = start;
    for item in items {
        let from = start + (item.record_at.get() - first.get()) as usize;
        let len = item.record_len as usize;
        if from != to {
            out.copy_within(from..from + len, to);
        }
        if let Err(error) = patch(item, &mut out[to..to + len]) {
            log.distrust(item.record_at, len);
            out.truncate(to);
            return Err(error);
        }
        to += len;
        *count += 1;
    }
    out.truncate(to);
    Ok(())
}

/// Whether the body of a record is what was stored.
///
/// # Errors
/// [`ReadError::Damaged`].
pub fn compare_body(record: &[u8], at: CommitLogOffset) -> Result<(), ReadError> {
    match Record::parse(record) {
        Ok(stored) if body_crc(stored.body()) == stored.body_crc() => Ok(()),
        _ => Err(ReadError::Damaged { at }),
    }
}

/// Turns the stored record of an item into the delivered one, if its body is what was stored.
///
/// The checksum of the entry around it would cost reading the entry, and the entry is not known here: header and
/// properties are compared when the log is replayed or verified.
fn patch(item: &QueueItem, record: &mut [u8]) -> Result<(), ReadError> {
    let u32_at = |i: usize| record.get(i..i + 4).map(|word| u32::from_be_bytes(word.try_into().expect("4 bytes")));
    if u32_at(0) != Some(item.record_len) || u32_at(4) != Some(MAGIC_V1) {
        return Err(ReadError::NoRecord { at: item.record_at });
    }
    compare_body(record, item.record_at)?;
    Delivery::of(item).patch(record).map_err(|_| ReadError::NoRecord { at: item.record_at })
}

#[cfg(test)]
mod tests;
