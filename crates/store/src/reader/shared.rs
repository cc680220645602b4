//! Blocks of the log that several queues are read from.
//!
//! The records of one queue lie between those of the others, so that who reads all queues of a topic from far behind
//! reads the same stretch of the log once for each of them: a system call for every message. Here a stretch that a
//! second reader comes to is read as a whole and kept for those that follow, and so is what lies just behind one that
//! several read, whoever comes there first. Who is alone in a stretch reads what it wants.
//!
//! How many are kept follows from what they save: readers that keep in step are served from half a megabyte, which stays in
//! the processor's cache, and only those who are apart and would read the log again without it from eight, which do not.
//!
//! Catching up with eight queues of 1 KiB messages by pulls of 32: 1.6 times as many messages, at 0.6 of the broker's CPU
//! (`tandem bench catch-up`).

use std::cell::RefCell;
use std::ops::Range;

use message::{CommitLogOffset, QueueOffset};

use super::QueueRead;
use super::source::{ReadError, RecordSource};
use crate::index::hash_of_queue;

/// Bytes of a block: some ten records of 1 KiB for each of eight queues.
pub const BLOCK_LEN: usize = 64 << 10;
/// Blocks kept at most, 8 MiB: so far may readers that share them be apart.
const BLOCKS_MAX: u64 = 128;
/// Blocks kept at least. With so few, readers that keep in step catch up 1.10 times as fast as with [`BLOCKS_MAX`], with
/// twice as many 1.05 times (medians of 6 interleaved rounds, 8 queues of 1 KiB messages).
const BLOCKS_MIN: u64 = 8;
/// After so many blocks that were read it is asked how many should be kept.
const PERIOD: u64 = 256;
/// The part of a period's blocks that must be saved for more blocks to be kept: a few that are read again cost less than all
/// of them being out of the processor's cache.
const SAVED: u64 = 4;
/// Blocks of which it is known that somebody has read from them.
const TOUCHED_MAX: u64 = 1024;
/// So many blocks behind one that several read, the next is expected to be read by several as well: as far as a pull of
/// 32 messages of 1 KiB from one of eight queues goes, and somewhat more.
const AHEAD: u64 = 8;

/// The blocks, and which ones were read from lately. The blocks take no memory until two readers come to one.
pub struct SharedBlocks {
    block_len: usize,
    /// The block in each place.
    blocks: Vec<Block>,
    /// The bytes of all places. Pages that were never written to take no memory.
    bytes: Vec<u8>,
    touched: Vec<Touch>,
    /// Reads so far.
    reads: u64,
    /// Blocks read so far.
    loads: u64,
    /// Places in use, [`BLOCKS_MIN`] to [`BLOCKS_MAX`], and the one the next block takes.
    places: u64,
    place: u64,
    /// Blocks of this [`PERIOD`] that were read again, because what was read of them had made room for others.
    again: u64,
    /// Blocks that were still there when somebody came to them, and would not have been in half as many places.
    saved: u64,
}

/// What is in a place.
#[derive(Clone, Copy)]
struct Block {
    number: u64,
    /// Whether it is counted as saved.
    saved: bool,
}

/// No block has this number: the log's first byte is at 0, and it does not reach so far.
const NONE: u64 = u64::MAX;

/// A block somebody has read from.
#[derive(Clone, Copy)]
struct Touch {
    number: u64,
    /// Who came first, or last while it was not there.
    by: Reader,
    /// Whether others came.
    several: bool,
    /// How many blocks had been read when this one was, and where it was put. Another one may be there now.
    loaded: Option<(u64, usize)>,
}

/// Who reads: a queue, from an offset on.
#[derive(Clone, Copy, Debug)]
struct Reader {
    /// The number of the read.
    read: u64,
    queue: u64,
    from: QueueOffset,
}

impl Reader {
    /// Whether this is somebody else than who made the read `before`, and not the same one who goes on.
    fn is_other_than(self, before: Reader) -> bool {
        self.read != before.read && (self.queue != before.queue || self.from <= before.from)
    }
}

impl SharedBlocks {
    /// No blocks yet; of `block_len` bytes each, [`BLOCK_LEN`] unless for a test.
    pub fn new(block_len: usize) -> Self {
        SharedBlocks {
            block_len,
            blocks: Vec::new(),
            bytes: Vec::new(),
            touched: Vec::new(),
            reads: 0,
            loads: 0,
            places: BLOCKS_MIN,
            place: 0,
            again: 0,
            saved: 0,
        }
    }

    /// The log for one read of a queue; `range` is what the log has now.
    pub fn of<'a, S: RecordSource>(
        &'a mut self,
        log: &'a S,
        range: Range<CommitLogOffset>,
        read: &QueueRead<'_>,
    ) -> impl RecordSource + use<'a, S> {
        self.reads += 1;
        let reader = Reader { read: self.reads, queue: hash_of_queue(read.topic, read.queue_id), from: read.from };
        Shared { log, range, reader, blocks: RefCell::new(self) }
    }

    /// Appends what the blocks have of it. False, with nothing appended, when they do not have all of it.
    fn read(
        &mut self,
        reader: Reader,
        log: &impl RecordSource,
        at: CommitLogOffset,
        len: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        // What is longer is read at once as well without them.
        if len > self.block_len {
            return false;
        }
        let block_len = self.block_len as u64;
        let (first, last) = (at.get() / block_len, (at.get() + len as u64).saturating_sub(1) / block_len);
        // There are two at most, and the second may have taken the place of the first.
        if !(first..=last).all(|number| self.has(reader, log, number)) || self.place_of(first).is_none() {
            return false;
        }
        for number in first..=last {
            let place = self.place_of(number).expect("the last one that was read is there, and so is the first");
            let bytes = &self.bytes[place * self.block_len..];
            let from = at.get().saturating_sub(number * block_len) as usize;
            let to = (at.get() + len as u64 - number * block_len).min(block_len) as usize;
            out.extend_from_slice(&bytes[from..to]);
        }
        true
    }

    /// Whether the block is there; it is read when this is the second reader that comes to it, or one is expected.
    fn has(&mut self, reader: Reader, log: &impl RecordSource, number: u64) -> bool {
        if self.touched.is_empty() {
            self.touched = vec![Touch { number: NONE, by: reader, several: false, loaded: None }; TOUCHED_MAX as usize];
        }
        let touch = &mut self.touched[slot(number)];
        if touch.number != number {
            *touch = Touch { number, by: reader, several: false, loaded: None };
            return self.follows(number) && self.load(log, number);
        }
        let other = reader.is_other_than(touch.by);
        touch.several |= other;
        let behind = touch.loaded.map(|(loads, _)| self.loads - loads);
        if let Some((_, place)) = touch.loaded
            && self.blocks[place].number == number
        {
            if behind >= Some(self.places / 2) && !std::mem::replace(&mut self.blocks[place].saved, true) {
                self.saved += 1;
            }
            return true;
        }
        touch.by = reader;
        if !(other || self.follows(number)) || !self.load(log, number) {
            return false;
        }
        // There could have been room for it; as long as there was not, each block of those between was read twice.
        if behind.is_some_and(|behind| behind < 2 * BLOCKS_MAX) {
            self.again += 1;
        }
        true
    }

    /// Makes more places when that saves reading, and fewer when it does not.
    fn fit(&mut self) {
        if self.again * SAVED > PERIOD {
            self.places = (self.places * 2).min(BLOCKS_MAX);
        } else if self.saved * SAVED < PERIOD {
            self.places = (self.places / 2).max(BLOCKS_MIN);
        }
        (self.again, self.saved) = (0, 0);
    }

    /// Where a block is that is there.
    fn place_of(&self, number: u64) -> Option<usize> {
        let touch = self.touched.get(slot(number)).filter(|touch| touch.number == number)?;
        let (_, place) = touch.loaded?;
        (self.blocks[place].number == number).then_some(place)
    }

    /// Whether several read what lies just before this block.
    fn follows(&self, number: u64) -> bool {
        let before = number.saturating_sub(AHEAD)..number;
        before.rev().any(|number| {
            let touch = &self.touched[slot(number)];
            touch.number == number && touch.several
        })
    }

    /// Reads a block that was touched. Only one that lies in one segment and is complete: what is written stays as it is.
    fn load(&mut self, log: &impl RecordSource, number: u64) -> bool {
        if self.blocks.is_empty() {
            self.blocks = vec![Block { number: NONE, saved: false }; BLOCKS_MAX as usize];
            self.bytes = vec![0; BLOCKS_MAX as usize * self.block_len];
        }
        let place = self.place as usize;
        let bytes = &mut self.bytes[place * self.block_len..][..self.block_len];
        // Whatever stands against it is told by the read of the record itself.
        match log.read_at(CommitLogOffset::new(number * self.block_len as u64), bytes) {
            Ok(()) => self.blocks[place] = Block { number, saved: false },
            // What is in this place stays: nobody has come to a block that is not complete for the last time.
            Err(ReadError::Outside { .. }) => return false,
            Err(_) => {
                self.blocks[place].number = NONE;
                return false;
            }
        }
        self.loads += 1;
        self.touched[slot(number)].loaded = Some((self.loads, place));
        self.place += 1;
        if self.loads.is_multiple_of(PERIOD) {
            self.fit();
        }
        if self.place >= self.places {
            self.place = 0;
        }
        true
    }

    fn forget(&mut self, at: CommitLogOffset, len: usize) {
        let block_len = self.block_len as u64;
        let numbers = at.get() / block_len..=(at.get() + len as u64) / block_len;
        let forgotten = self.blocks.iter_mut().filter(|block| numbers.contains(&block.number));
        forgotten.for_each(|block| block.number = NONE);
    }
}

/// Where it stands whether a block was read from.
fn slot(number: u64) -> usize {
    (number % TOUCHED_MAX) as usize
}

struct Shared<'a, S> {
    log: &'a S,
    range: Range<CommitLogOffset>,
    reader: Reader,
    blocks: RefCell<&'a mut SharedBlocks>,
}

impl<S: RecordSource> RecordSource for Shared<'_, S> {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        // What the log has given up is gone, whoever still has it.
        if self.range.contains(&at) && self.blocks.borrow_mut().read(self.reader, self.log, at, len, out) {
            return Ok(());
        }
        self.log.read(at, len, out)
    }

    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        self.log.read_at(at, to)
    }

    fn distrust(&self, at: CommitLogOffset, len: usize) {
        self.blocks.borrow_mut().forget(at, len);
    }
}
