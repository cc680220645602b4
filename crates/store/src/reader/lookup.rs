use std::ops::RangeInclusive;

use message::batch::{FRAME_LEN, payload_len, verify_entry};
use message::entry::{Entry, Place};
use message::record::{MAGIC_V1, Record};
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp, properties};

use super::{ReadError, RecordSource, patch};
use crate::index::{Index, KeyHit, KeyRange};

/// Longest record or entry that is looked at because a client quoted its offset: twice the longest frame clients send.
/// Any bytes can stand there, and they shall not make us read a gigabyte.
const LOOKUP_LEN_MAX: usize = 32 << 20;
/// Places that one lookup of a key visits: keys that all messages share are not worth more.
const HITS_MAX: usize = 4096;

/// Appends the message that a client names by its offset in the log, as it is delivered, if there is one that is
/// visible. What stands at that offset is asked which place of which queue it is; the queue must say the same.
///
/// # Errors
/// When the log or the index cannot be read. An offset at which there is nothing is no error.
pub fn resolve(
    log: &impl RecordSource,
    index: &Index,
    at: CommitLogOffset,
    out: &mut Vec<u8>,
) -> Result<Option<QueueItem>, ReadError> {
    let mut bytes = Vec::new();
    let Some((topic, queue_id, queue_offset)) = claimed_place(log, at, &mut bytes)? else { return Ok(None) };
    let item = index.item(&topic, queue_id, queue_offset)?;
    let Some(item) = item.filter(|item| item.visible_at == at) else { return Ok(None) };
    let start = out.len();
    log.read(item.record_at, item.record_len as usize, out)?;
    patch(&item, &mut out[start..]).inspect_err(|_| out.truncate(start))?;
    Ok(Some(item))
}

/// Which place of which queue what stands there says it is.
fn claimed_place(
    log: &impl RecordSource,
    at: CommitLogOffset,
    bytes: &mut Vec<u8>,
) -> Result<Option<(String, u32, QueueOffset)>, ReadError> {
    if let Some(record) = read_record(log, at, bytes)? {
        return Ok(Some((record.topic().to_owned(), record.queue_id(), record.queue_offset())));
    }
    let place = match read_entry(log, at, bytes)? {
        Some(Entry::Decision(decision)) => decision.place,
        Some(Entry::Deliver(deliver)) => deliver.place,
        _ => return Ok(None),
    };
    Ok(match place {
        Place::Link { topic, queue_id, queue_offset, .. } => Some((topic.to_owned(), queue_id, queue_offset)),
        Place::Carry { queue_offset, record, .. } => {
            let record = Record::parse(record).ok();
            record.map(|record| (record.topic().to_owned(), record.queue_id(), queue_offset))
        }
        Place::Later { .. } | Place::Nowhere => None,
    })
}

/// Reads bytes that may not be there.
fn read_if_there(
    log: &impl RecordSource,
    at: CommitLogOffset,
    len: usize,
    bytes: &mut Vec<u8>,
) -> Result<bool, ReadError> {
    bytes.clear();
    match log.read(at, len, bytes) {
        Ok(()) => Ok(true),
        Err(ReadError::Outside { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn read_record<'b>(
    log: &impl RecordSource,
    at: CommitLogOffset,
    bytes: &'b mut Vec<u8>,
) -> Result<Option<Record<'b>>, ReadError> {
    if !read_if_there(log, at, 8, bytes)? {
        return Ok(None);
    }
    let word = |i: usize| u32::from_be_bytes(bytes[i..i + 4].try_into().expect("4 bytes"));
    let (len, magic) = (word(0) as usize, word(4));
    if magic != MAGIC_V1 || len > LOOKUP_LEN_MAX || !read_if_there(log, at, len, bytes)? {
        return Ok(None);
    }
    Ok(Record::parse(bytes).ok())
}

fn read_entry<'b>(
    log: &impl RecordSource,
    at: CommitLogOffset,
    bytes: &'b mut Vec<u8>,
) -> Result<Option<Entry<'b>>, ReadError> {
    if !read_if_there(log, at, FRAME_LEN, bytes)? {
        return Ok(None);
    }
    let len = payload_len(bytes).map(|len| FRAME_LEN + len).filter(|len| *len <= LOOKUP_LEN_MAX);
    let Some(len) = len else { return Ok(None) };
    if !read_if_there(log, at, len, bytes)? {
        return Ok(None);
    }
    Ok(verify_entry(bytes, at).and_then(|payload| Entry::decode(payload).ok()))
}

/// A lookup by key.
#[derive(Clone, Debug)]
pub struct KeyQuery<'a> {
    /// Topic.
    pub topic: &'a str,
    /// A word of the property KEYS, or the UNIQ_KEY.
    pub key: &'a str,
    /// Times at which the messages became visible.
    pub times: RangeInclusive<Timestamp>,
    /// Most messages to bring.
    pub max_messages: usize,
    /// Most bytes of records to bring; the first message is brought even if it alone is longer.
    pub max_bytes: usize,
}

/// Appends the visible messages with a key, as they are delivered, the last ones in the log first.
///
/// # Errors
/// When the log or the index cannot be read. What was found before is appended.
pub fn find_by_key(
    log: &impl RecordSource,
    index: &Index,
    query: &KeyQuery<'_>,
    out: &mut Vec<u8>,
) -> Result<Vec<QueueItem>, ReadError> {
    let mut found: Vec<QueueItem> = Vec::new();
    let mut range = KeyRange { times: query.times.clone(), ..KeyRange::all() };
    let (start, mut visited, mut hits) = (out.len(), 0, Vec::new());
    while found.len() < query.max_messages && visited < HITS_MAX {
        hits.clear();
        index.keys(query.topic, query.key, &range, query.max_messages, &mut hits)?;
        hits.truncate(query.max_messages.max(64));
        let Some(last) = hits.last().copied() else { break };
        for hit in hits.drain(..).take(HITS_MAX) {
            visited += 1;
            let before = out.len();
            let Some(item) = visit(log, index, hit, out)? else { continue };
            let known = found.iter().any(|known| known.visible_at == item.visible_at);
            if known || !query.times.contains(&item.visible_time) || !has_key(&out[before..], query) {
                out.truncate(before);
                continue;
            }
            if found.len() == query.max_messages || (!found.is_empty() && out.len() - start > query.max_bytes) {
                out.truncate(before);
                return Ok(found);
            }
            found.push(item);
        }
        range.offsets.end = last.offset();
    }
    Ok(found)
}

fn visit(
    log: &impl RecordSource,
    index: &Index,
    hit: KeyHit,
    out: &mut Vec<u8>,
) -> Result<Option<QueueItem>, ReadError> {
    let half = match hit {
        KeyHit::Visible(at) => return resolve(log, index, at, out),
        KeyHit::Half(half) => half,
    };
    let mut bytes = Vec::new();
    let Some(Entry::Half(entry)) = read_entry(log, half, &mut bytes)? else { return Ok(None) };
    let slot = index.half(entry.sequence)?.filter(|slot| slot.half == half);
    match slot.and_then(|slot| slot.decided_by) {
        Some(decided_by) => resolve(log, index, decided_by, out),
        None => Ok(None),
    }
}

fn has_key(record: &[u8], query: &KeyQuery<'_>) -> bool {
    let Ok(record) = Record::parse(record) else { return false };
    let unique = record.property(properties::UNIQ_KEY) == Some(query.key);
    let list = || record.property(properties::KEYS).is_some_and(|keys| keys.split(' ').any(|key| key == query.key));
    record.topic() == query.topic && (unique || list())
}
