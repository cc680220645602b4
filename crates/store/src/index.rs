//! What can be found without walking the log: queues, half slots and keys. A fold over the log's own entries.
//!
//! All of it is cache: delete the directory `index` and the next start rebuilds it from the log. While the broker runs,
//! newest things are in memory and older ones in files that are written without a sync; a checkpoint makes what was
//! written durable, so that a start replays only the log behind it. In reading order:
//!
//! - `fold.rs`: what each entry changes;
//! - `queues.rs`, `queue.rs`, `items.rs`: all queues, one queue, and items as bytes;
//! - `halves.rs`: where each half lies and what decided it;
//! - `keys.rs`, `run.rs`: hashes of keys, in memory and in sorted files;
//! - `delayed.rs`, `links.rs`: messages that wait, and how long records are needed;
//! - `blocks.rs`: the files that queues and half slots share;
//! - `checkpoint.rs`, `directory.rs`: how all this survives, and its bytes. `docs/format.md` draws them.
//!
//! Memory is bounded, see [`IndexBounds`], but for what is proportional to the number of queues (about 140 bytes for an
//! idle one), to messages (32 bytes for 128 of them in a queue, 32 for 128 half slots) and to delayed messages.

mod blocks;
mod checkpoint;
mod delayed;
mod directory;
mod error;
mod fold;
mod halves;
mod hash;
mod items;
mod keys;
mod links;
mod queue;
mod queues;
mod run;
mod varint;

use std::ops::Range;
use std::sync::Arc;

use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp};

pub use checkpoint::{Checkpoint, Opened};
pub use error::IndexError;
pub use halves::HalfSlot;
pub(crate) use hash::hash_of_queue;
pub use keys::{KeyHit, KeyRange};

use crate::disk::Disk;
use blocks::BlockFiles;
use delayed::Delayed;
use error::Health;
use halves::Halves;
use keys::Keys;
use links::Links;
use queues::Queues;

/// Queues, half slots and keys of one log.
pub struct Index {
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    /// Held by a checkpoint that is being written.
    ticket: Arc<()>,
    /// Everything before this offset is indexed.
    applied: CommitLogOffset,
    log_start: CommitLogOffset,
    files: BlockFiles,
    queues: Queues,
    halves: Halves,
    keys: Keys,
    delayed: Delayed,
    links: Links,
    counts: IndexCounts,
    /// What went wrong while an entry was applied.
    trouble: Option<IndexError>,
    key_hashes: Vec<u64>,
}

/// How much the index holds in memory before it writes, and how large its files become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexBounds {
    /// Bytes of queue items that are in no block yet. Reached with some 100,000 active queues; below that a queue's
    /// items become a block when there are 128.
    pub tail_bytes_max: usize,
    /// Pages of 128 half slots, 2 KiB each.
    pub hot_pages_max: usize,
    /// Keys before they become a run, 12 bytes each; while that is written there are half as many more at most.
    pub gathered_keys_max: usize,
    /// Bytes of a file of blocks; at most 1 GiB.
    pub block_file_len_max: u64,
    /// Bytes of log of which it is known until when one of their records is linked to; no more than a segment. The same
    /// for the whole life of an index.
    pub link_stretch: u64,
}

impl Default for IndexBounds {
    fn default() -> Self {
        IndexBounds {
            tail_bytes_max: 16 << 20,
            hot_pages_max: 2048,
            gathered_keys_max: 1 << 17,
            block_file_len_max: 64 << 20,
            link_stretch: 16 << 20,
        }
    }
}

/// How many entries, or messages of an entry, were left out, since the index was opened.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct IndexCounts {
    /// A place that is not the next one of its queue, or the second decision about a half: the broker refused them too.
    pub refused: u64,
    /// Entries of a newer version, or without the record they should hold.
    pub unreadable: u64,
}

/// Bytes of memory by what they are for, counted by capacity; allocators add to this.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct IndexMemory {
    /// Topics, queues and the places of their blocks.
    pub directory: usize,
    /// Queue items that are in no block yet.
    pub tails: usize,
    /// Half slots.
    pub halves: usize,
    /// Keys.
    pub keys: usize,
    /// Delayed messages and links.
    pub delayed: usize,
}

/// The first and the next offset of a queue; equal when it holds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueBounds {
    /// Offset of the first message that is there.
    pub min: QueueOffset,
    /// Offset the next message will have.
    pub max: QueueOffset,
}

/// Which of the messages around a moment is searched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Boundary {
    /// The first one at or after the moment.
    Lower,
    /// The last one at or before the moment.
    Upper,
}

impl Index {
    fn empty(disk: Arc<dyn Disk>, bounds: IndexBounds, names: &[String]) -> Self {
        let health = Arc::new(Health::default());
        assert!(bounds.block_file_len_max <= 1 << 30, "places in files have 32 bits");
        Index {
            health: health.clone(),
            ticket: Arc::new(()),
            applied: CommitLogOffset::ZERO,
            log_start: CommitLogOffset::ZERO,
            files: BlockFiles::new(disk.clone(), health.clone(), bounds.block_file_len_max, names),
            queues: Queues::new(bounds.tail_bytes_max),
            halves: Halves::new(bounds.hot_pages_max),
            keys: Keys::new(disk.clone(), health, bounds.gathered_keys_max),
            delayed: Delayed::default(),
            links: Links::new(bounds.link_stretch),
            counts: IndexCounts::default(),
            trouble: None,
            key_hashes: Vec::new(),
            disk,
        }
    }

    /// Everything before this offset is indexed: entries below it are passed over by [`Index::apply`].
    pub fn applied(&self) -> CommitLogOffset {
        self.applied
    }

    /// The first and the next offset of a queue; `None` for one that never had a message.
    ///
    /// # Errors
    /// When a block must be read for it (the first time after a trim) and cannot be.
    pub fn queue(&self, topic: &str, queue_id: u32) -> Result<Option<QueueBounds>, IndexError> {
        let Some(handle) = self.queues.find(topic, queue_id) else { return Ok(None) };
        let queue = self.queues.get(handle);
        let min = QueueOffset::new(queue.min(&self.files, self.log_start.get())?);
        Ok(Some(QueueBounds { min, max: QueueOffset::new(queue.next()) }))
    }

    /// Appends up to `max` items of a queue, from an offset on, or from the first that is there.
    ///
    /// # Errors
    /// When a block cannot be read; then as many are appended as come before it.
    pub fn items(
        &self,
        topic: &str,
        queue_id: u32,
        from: QueueOffset,
        max: usize,
        out: &mut Vec<QueueItem>,
    ) -> Result<(), IndexError> {
        let Some(handle) = self.queues.find(topic, queue_id) else { return Ok(()) };
        let queue = self.queues.get(handle);
        let min = queue.min(&self.files, self.log_start.get())?;
        queue.read(&self.files, from.get().max(min), max, out)
    }

    /// The item at an offset of a queue, if it is there.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub fn item(&self, topic: &str, queue_id: u32, at: QueueOffset) -> Result<Option<QueueItem>, IndexError> {
        let mut items = Vec::with_capacity(1);
        self.items(topic, queue_id, at, 1, &mut items)?;
        Ok(items.pop().filter(|item| item.queue_offset == at))
    }

    /// The offset a consumer begins at that wants messages from some moment on (remoting protocol 5.2).
    ///
    /// [`Boundary::Lower`]: the first message at or after it, the next offset when all are earlier.
    /// [`Boundary::Upper`]: the last message at or before it, 0 when all are later. For an empty queue it is the next
    /// offset, 0 for one that never had a message.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub fn search_by_time(
        &self,
        topic: &str,
        queue_id: u32,
        time: Timestamp,
        boundary: Boundary,
    ) -> Result<QueueOffset, IndexError> {
        let Some(handle) = self.queues.find(topic, queue_id) else { return Ok(QueueOffset::ZERO) };
        let (queue, start, wanted) = (self.queues.get(handle), self.log_start.get(), time.millis());
        let min = queue.min(&self.files, start)?;
        if min == queue.next() {
            return Ok(QueueOffset::new(min));
        }
        match boundary {
            Boundary::Lower => queue.search(&self.files, start, |time| time < wanted),
            Boundary::Upper => {
                let behind = queue.search(&self.files, start, |time| time <= wanted)?.get();
                Ok(QueueOffset::new(if behind == min { 0 } else { behind - 1 }))
            }
        }
    }

    /// Whether files turned out to be damaged, or could not be read when that was needed to take an entry in: what it
    /// says is right, but it does not say everything, and it has to be [built anew](Index::discard).
    pub fn is_damaged(&self) -> bool {
        matches!(self.health.check(), Err(IndexError::Broken))
    }

    /// The slot of a half; `None` if there never was one or neither of its entries is in the log any more.
    ///
    /// # Errors
    /// When its page cannot be read.
    pub fn half(&self, sequence: QueueOffset) -> Result<Option<HalfSlot>, IndexError> {
        self.halves.slot(sequence, self.log_start.get(), &self.files)
    }

    /// Appends places where messages with this key may be, the last in the log first: at least `max` if there are as
    /// many in the range, and perhaps more.
    ///
    /// A hit is a hint. The message there may have another key of the same hash, may be rolled back, or deleted with its
    /// topic: [`find_by_key`](crate::reader::find_by_key) looks.
    ///
    /// # Errors
    /// When a file of keys cannot be read.
    pub fn keys(
        &self,
        topic: &str,
        key: &str,
        range: &KeyRange,
        max: usize,
        out: &mut Vec<KeyHit>,
    ) -> Result<(), IndexError> {
        let start = self.log_start.max(range.offsets.start);
        let range = KeyRange { offsets: start..range.offsets.end, times: range.times.clone() };
        self.keys.find(hash::key_hash(hash::topic_hash(topic), key), &range, max, out)
    }

    /// The topics that have or had messages, in no order.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &str> {
        self.queues.topics().map(|(name, _)| name)
    }

    /// The queues of a topic that have or had messages, in order.
    pub fn queues(&self, topic: &str) -> impl Iterator<Item = u32> {
        self.queues.topic(topic).into_iter().flat_map(|topic| topic.queues.iter().map(|(id, _)| *id))
    }

    /// The last entry that made a record in `[from, to)` visible from elsewhere, zero if none did. It may be one of a
    /// record up to 16 MiB beside the range.
    pub fn linked_until(&self, range: Range<CommitLogOffset>) -> CommitLogOffset {
        self.links.until(range.start, range.end)
    }

    /// Says where a queue goes on of which no message is left in the log; the broker's state alone knows. To be called
    /// when the log was replayed; `false` when the queue has messages and goes on elsewhere.
    pub fn set_next(&mut self, topic: &str, queue_id: u32, next: QueueOffset) -> bool {
        self.queues.set_next(topic, queue_id, next)
    }

    /// The log begins here now. Forgets messages whose record or whose place of visibility is gone, and in a queue all
    /// those before such a one; slots of halves of which nothing is left; runs of keys. Reads no file.
    ///
    /// When the log begins behind all that was indexed, everything is forgotten and the index goes on from there.
    pub fn trim(&mut self, log_start: CommitLogOffset) {
        if log_start <= self.log_start {
            return;
        }
        self.log_start = log_start;
        let start = log_start.get();
        if log_start > self.applied {
            self.forget();
            self.applied = log_start;
            return;
        }
        self.queues.trim(start, &mut self.files);
        self.halves.trim(start, &mut self.files);
        self.keys.trim(start);
        self.links.trim(start);
    }

    fn forget(&mut self) {
        self.queues.forget();
        self.halves.forget();
        self.keys.forget();
        self.files.forget();
        self.delayed = Delayed::default();
        self.links.clear();
    }

    /// How many entries were left out.
    pub fn counts(&self) -> IndexCounts {
        self.counts
    }

    /// Bytes of memory.
    pub fn memory(&self) -> IndexMemory {
        let (hot, pages) = self.halves.memory();
        IndexMemory {
            directory: self.queues.directory_memory(),
            tails: self.queues.tail_memory(),
            halves: hot + pages,
            keys: self.keys.memory(),
            delayed: self.delayed.memory() + self.links.memory(),
        }
    }
}

#[cfg(test)]
mod tests;
