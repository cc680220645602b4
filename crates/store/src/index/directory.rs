//! The bytes of a checkpoint: what the index holds in memory, and where the rest lies.
//!
//! ```text
//!  0 u32 magic "TDIX"       8 u64 everything before this offset is indexed
//!  4 u32 version (1)       16 u64 where the log began
//! 24 .. seven lists, each behind its length; at the end the u32 crc of all bytes before it
//! ```
//!
//! The lists, of numbers and ways as in [`varint`](super::varint) unless said otherwise:
//!
//! - files of blocks: number, length;
//! - topics: length and bytes of the name; queues, behind their number: id, min, next; blocks, behind their number:
//!   way from the first offset of the block before, way from its oldest place, way from the oldest to the last place,
//!   file, way from its place in the file; number of items in the tail, and if there are any, length and bytes of them;
//! - pages of half slots: way from the page before, newest offset, file, place in the file;
//! - runs of keys: from, way to `to`, earliest time (way from 0), way to the latest, number of keys;
//! - keys not in a run, one list or two: from, to, earliest time, latest time as for runs; for each of 256 buckets the
//!   number of keys and 12 bytes of each (three u32, little-endian: hash, high and low half of the place);
//! - delayed messages: source, number of keys, 8 bytes of each, little-endian;
//! - links: stretch of 16 MiB, last entry that links into it.

use message::CommitLogOffset;
use message::codec::Put;

use super::Index;
use super::blocks::Place;
use super::halves::PageRef;
use super::keys::Gathered;
use super::queue::{BlockRef, Queue, Tail};
use super::run::{BUCKETS, Run};
use super::varint::{put, put_step, take, take_step};

const MAGIC: u32 = u32::from_le_bytes(*b"TDIX");
const VERSION: u32 = 1;
const HEADER_LEN: usize = 24;

/// Why a checkpoint is not used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is damaged")]
    Damaged,
    #[error("it has version {0}, this program reads version 1")]
    Version(u32),
    #[error("what it says does not fit together")]
    Contradiction,
    #[error("{0}")]
    File(String),
}

/// The bytes of a checkpoint of this index. Pages of half slots have been written.
pub(super) fn encode(index: &Index) -> Vec<u8> {
    let out = &mut Vec::with_capacity(4096);
    out.put_u32(MAGIC);
    out.put_u32(VERSION);
    out.put_u64(index.applied.get());
    out.put_u64(index.log_start.get());
    put_len(out, index.files.files().len());
    for (number, len) in index.files.files() {
        put(out, u64::from(number));
        put(out, len);
    }
    put_topics(out, index);
    put_len(out, index.halves.pages().len());
    let mut before = 0;
    for (number, page) in index.halves.pages() {
        put_step(out, before, number);
        put(out, page.newest);
        put_place(out, page.place);
        before = number;
    }
    put_keys(out, index);
    put_len(out, index.delayed.iter().len());
    let mut delayed: Vec<_> = index.delayed.iter().collect();
    delayed.sort_unstable_by_key(|(source, _)| *source);
    for (source, keys) in delayed {
        put(out, source.get());
        put_len(out, keys.len());
        keys.iter().for_each(|key| out.put_u64(*key));
    }
    put_len(out, index.links.iter().len());
    for (stretch, until) in index.links.iter() {
        put(out, stretch);
        put(out, until);
    }
    out.put_u32(crc32fast::hash(out));
    std::mem::take(out)
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    put(out, len as u64);
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    put(out, u64::from(place.file));
    put(out, u64::from(place.at));
}

fn put_topics(out: &mut Vec<u8>, index: &Index) {
    put_len(out, index.queues.topics().len());
    // In an order of their own: whoever reads them puts their queues in this one, and goes by it from then on.
    let mut topics: Vec<_> = index.queues.topics().collect();
    topics.sort_unstable_by_key(|(name, _)| *name);
    for (name, topic) in topics {
        put_len(out, name.len());
        out.extend_from_slice(name.as_bytes());
        put_len(out, topic.queues.len());
        for (id, handle) in &topic.queues {
            put(out, u64::from(*id));
            put_queue(out, index.queues.get(*handle));
        }
    }
}

fn put_queue(out: &mut Vec<u8>, queue: &Queue) {
    put(out, queue.min_known());
    put(out, queue.next());
    put_len(out, queue.blocks.len());
    let (mut first, mut oldest, mut at) = (0, 0, 0);
    for block in &queue.blocks {
        put_step(out, first, block.first);
        put_step(out, oldest, block.oldest);
        put_step(out, block.oldest, block.last);
        put(out, u64::from(block.place.file));
        put_step(out, at, u64::from(block.place.at));
        (first, oldest, at) = (block.first, block.oldest, u64::from(block.place.at));
    }
    match queue.tail.as_ref().filter(|tail| tail.count > 0) {
        Some(tail) => {
            put(out, u64::from(tail.count));
            put_len(out, tail.bytes.len());
            out.extend_from_slice(&tail.bytes);
        }
        None => put(out, 0),
    }
}

fn put_keys(out: &mut Vec<u8>, index: &Index) {
    let runs = index.keys.runs();
    put_len(out, runs.len());
    for run in runs {
        put_span(out, run.from, run.to, run.min_time, run.max_time);
        put(out, u64::from(run.count));
    }
    let unwritten: Vec<_> = index.keys.unwritten().filter(|keys| keys.count > 0).collect();
    put_len(out, unwritten.len());
    for keys in unwritten {
        put_span(out, keys.from, keys.to, keys.min_time, keys.max_time);
        for bucket in &keys.buckets {
            put_len(out, bucket.len());
            bucket.iter().flatten().for_each(|word| out.put_u32(*word));
        }
    }
}

fn put_span(out: &mut Vec<u8>, from: u64, to: u64, min_time: i64, max_time: i64) {
    put(out, from);
    put_step(out, from, to);
    put_step(out, 0, min_time as u64);
    put_step(out, min_time as u64, max_time as u64);
}

/// Fills an empty index with what a checkpoint tells.
pub(super) fn decode(bytes: &[u8], index: &mut Index) -> Result<(), Unusable> {
    let (content, crc) = bytes.split_last_chunk().ok_or(Unusable::Damaged)?;
    if content.len() < HEADER_LEN || u32::from_le_bytes(*crc) != crc32fast::hash(content) {
        return Err(Unusable::Damaged);
    }
    let u32_at = |i: usize| u32::from_le_bytes(content[i..i + 4].try_into().expect("4 bytes"));
    let u64_at = |i: usize| u64::from_le_bytes(content[i..i + 8].try_into().expect("8 bytes"));
    if u32_at(0) != MAGIC {
        return Err(Unusable::Damaged);
    }
    if u32_at(4) != VERSION {
        return Err(Unusable::Version(u32_at(4)));
    }
    index.applied = CommitLogOffset::new(u64_at(8));
    index.log_start = CommitLogOffset::new(u64_at(16));
    let rest = &mut &content[HEADER_LEN..];
    let files = take_list(rest, |rest| Some((take_u32(rest)?, take(rest)?)));
    for (number, len) in files.ok_or(Unusable::Contradiction)? {
        index.files.adopt(number, len).map_err(|error| Unusable::File(error.to_string()))?;
    }
    take_topics(rest, index)
        .and_then(|()| take_pages(rest, index))
        .and_then(|()| take_keys(rest, index))
        .and_then(|()| take_rest(rest, index))
        .filter(|()| rest.is_empty())
        .ok_or(Unusable::Contradiction)
}

/// A list behind its length. The length is not trusted with memory: the list grows as it is really read.
fn take_list<T>(rest: &mut &[u8], mut item: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let len = take(rest)?;
    let mut list = Vec::with_capacity(len.min(64) as usize);
    for _ in 0..len {
        list.push(item(rest)?);
    }
    list.shrink_to_fit();
    Some(list)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(rest)?).ok()
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take(rest)?).ok()?;
    let (bytes, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(bytes)
}

fn take_topics(rest: &mut &[u8], index: &mut Index) -> Option<()> {
    for _ in 0..take(rest)? {
        let name = std::str::from_utf8(take_bytes(rest)?).ok()?;
        for _ in 0..take(rest)? {
            let id = take_u32(rest)?;
            let (min, next) = (take(rest)?, take(rest)?);
            let (mut first, mut oldest, mut at) = (0, 0, 0);
            let blocks = take_list(rest, |rest| {
                first = take_step(rest, first)?;
                oldest = take_step(rest, oldest)?;
                let last = take_step(rest, oldest)?;
                let file = take_u32(rest)?;
                at = take_step(rest, at)?;
                let place = Place { file, at: u32::try_from(at).ok()? };
                index.files.claim(place).then_some(BlockRef { first, oldest, last, place })
            })?;
            let tail = match take_u32(rest)? {
                0 => None,
                count => Some(Tail::load(next.checked_sub(u64::from(count))?, count, take_bytes(rest)?)?),
            };
            let start = index.log_start.get();
            if index.queues.find(name, id).is_some() {
                return None;
            }
            let mut contradiction = false;
            index.queues.add(name, id, |owner| {
                Queue::load(owner, min, next, blocks, tail, start).unwrap_or_else(|| {
                    contradiction = true;
                    Queue::new(owner, next)
                })
            });
            if contradiction {
                return None;
            }
        }
    }
    Some(())
}

fn take_pages(rest: &mut &[u8], index: &mut Index) -> Option<()> {
    let mut number = 0;
    for _ in 0..take(rest)? {
        number = take_step(rest, number)?;
        let newest = take(rest)?;
        let place = Place { file: take_u32(rest)?, at: take_u32(rest)? };
        if !index.files.claim(place) {
            return None;
        }
        index.halves.adopt(number, PageRef { newest, place });
    }
    Some(())
}

fn take_keys(rest: &mut &[u8], index: &mut Index) -> Option<()> {
    let runs = take_list(rest, |rest| {
        let (from, to, min_time, max_time) = take_span(rest)?;
        Some(Run { from, to, min_time, max_time, count: take_u32(rest)? })
    })?;
    let mut gathered = Gathered::new();
    for _ in 0..take(rest)? {
        let (from, to, min_time, max_time) = take_span(rest)?;
        gathered.widen(from, min_time);
        gathered.widen(to, max_time);
        for bucket in 0..BUCKETS {
            for _ in 0..take(rest)? {
                let mut entry = [0; 3];
                for word in &mut entry {
                    let (bytes, behind) = rest.split_first_chunk()?;
                    *rest = behind;
                    *word = u32::from_le_bytes(*bytes);
                }
                gathered.buckets[bucket].push(entry);
                gathered.count += 1;
            }
        }
    }
    index.keys.load(gathered, runs);
    Some(())
}

fn take_span(rest: &mut &[u8]) -> Option<(u64, u64, i64, i64)> {
    let from = take(rest)?;
    let to = take_step(rest, from)?;
    let min_time = take_step(rest, 0)?;
    let max_time = take_step(rest, min_time)?;
    Some((from, to, min_time as i64, max_time as i64))
}

fn take_rest(rest: &mut &[u8], index: &mut Index) -> Option<()> {
    for _ in 0..take(rest)? {
        let source = CommitLogOffset::new(take(rest)?);
        let keys = take_list(rest, |rest| {
            let (bytes, behind) = rest.split_first_chunk()?;
            *rest = behind;
            Some(u64::from_le_bytes(*bytes))
        })?;
        index.delayed.add(source, &keys);
    }
    for _ in 0..take(rest)? {
        let stretch = take(rest)?;
        index.links.adopt(stretch, take(rest)?);
    }
    Some(())
}
