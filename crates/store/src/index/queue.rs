//! One queue: where its blocks lie, and the items that are not in a block yet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use message::{QueueItem, QueueOffset};

use super::blocks::{BlockFiles, Place};
use super::error::IndexError;
use super::items::{Items, Last, lowest_place};

/// Items of a full block.
pub(super) const BLOCK_ITEMS: u32 = 128;

/// A block of a queue. Its items end where the next block's, or the tail's, begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRef {
    /// Queue offset of the first item.
    pub first: u64,
    /// Lowest place in the log that any of its items needs.
    pub oldest: u64,
    /// Lowest place in the log that its last item needs.
    pub last: u64,
    pub place: Place,
}

/// Items as they will stand in a block.
#[derive(Debug)]
pub(super) struct Tail {
    pub first: u64,
    pub count: u32,
    pub oldest: u64,
    pub last: u64,
    pub bytes: Vec<u8>,
    codec: Last,
    /// Written to since the eviction last came by.
    pub touched: bool,
}

impl Tail {
    fn new(first: u64) -> Self {
        Tail {
            first,
            count: 0,
            oldest: u64::MAX,
            last: u64::MAX,
            bytes: Vec::new(),
            codec: Last::default(),
            touched: true,
        }
    }

    /// A tail with these items; `None` when the bytes are not as many items.
    pub fn load(first: u64, count: u32, bytes: &[u8]) -> Option<Self> {
        let mut tail = Tail::new(first);
        for item in Items::new(first, bytes) {
            tail.push(&item);
        }
        (tail.count == count && tail.bytes == bytes).then_some(tail)
    }

    fn push(&mut self, item: &QueueItem) {
        self.codec.put(item, &mut self.bytes);
        self.count += 1;
        self.last = lowest_place(item);
        self.oldest = self.oldest.min(self.last);
        self.touched = true;
    }

    /// Forgets the items and keeps the memory.
    fn clear(&mut self, first: u64) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Tail { bytes, ..Tail::new(first) };
    }

    fn items(&self) -> Items<'_> {
        Items::new(self.first, &self.bytes)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        size_of::<Tail>() + self.bytes.capacity()
    }
}

/// One queue of a topic. An idle one is this struct and its block references; one without messages is not there.
///
/// Invariant: blocks and tail are dense: each begins where the one before ends, and the tail ends at `next`.
#[derive(Debug)]
pub(super) struct Queue {
    owner: u64,
    pub blocks: Vec<BlockRef>,
    /// Offset of the first item that is there; while `stale` a lower bound of it within the first block.
    min: AtomicU64,
    next: u64,
    /// The first block holds items that are gone; how many is found when somebody asks, for it takes a read.
    stale: AtomicBool,
    pub tail: Option<Box<Tail>>,
}

impl Queue {
    /// An empty queue whose next item has this offset. `owner` marks its blocks.
    pub fn new(owner: u64, next: u64) -> Self {
        Queue { owner, blocks: Vec::new(), min: AtomicU64::new(next), next, stale: AtomicBool::new(false), tail: None }
    }

    /// A queue as a checkpoint tells it; `None` when that contradicts itself.
    pub fn load(
        owner: u64,
        min: u64,
        next: u64,
        blocks: Vec<BlockRef>,
        tail: Option<Tail>,
        start: u64,
    ) -> Option<Self> {
        let firsts = blocks.iter().map(|block| block.first).chain(tail.as_ref().map(|tail| tail.first));
        let begin = firsts.clone().next().unwrap_or(next);
        let ordered = firsts.clone().zip(firsts.skip(1)).all(|(a, b)| a < b);
        let ends = tail.as_ref().is_none_or(|tail| tail.count > 0 && tail.first + u64::from(tail.count) == next);
        let last_block = blocks.last().is_none_or(|block| block.first < next);
        if !ordered || !ends || !last_block || min < begin || min > next {
            return None;
        }
        let stale = blocks.first().is_some_and(|block| block.oldest < start);
        let tail = tail.map(Box::new);
        Some(Queue { owner, blocks, min: AtomicU64::new(min), next, stale: AtomicBool::new(stale), tail })
    }

    /// Offset of the next item.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What a checkpoint keeps as the beginning: the offset of the first item, or a lower bound of it.
    pub fn min_known(&self) -> u64 {
        self.min.load(Ordering::Relaxed)
    }

    /// Whether no item is there and none was since the queue was made or trimmed.
    pub fn is_empty(&self) -> bool {
        self.min_known() == self.next
    }

    /// Says where an empty queue goes on.
    pub fn set_next(&mut self, next: u64) {
        debug_assert!(self.is_empty());
        *self.min.get_mut() = next;
        self.next = next;
        if let Some(tail) = &mut self.tail {
            tail.clear(next);
        }
    }

    /// Appends an item that has the next offset.
    ///
    /// # Errors
    /// When the full tail could not be written as a block. The item is in the queue nevertheless, and the tail is
    /// written when as many items more have come.
    pub fn push(&mut self, item: &QueueItem, files: &mut BlockFiles) -> Result<(), IndexError> {
        assert_eq!(item.queue_offset.get(), self.next, "an item that is not the next one");
        let tail = self.tail.get_or_insert_with(|| Box::new(Tail::new(self.next)));
        tail.push(item);
        self.next += 1;
        if tail.count.is_multiple_of(BLOCK_ITEMS) { self.write_tail(files) } else { Ok(()) }
    }

    /// Writes the tail as a block, together with the blocks before it that are no longer than it.
    ///
    /// A queue whose tail is evicted again and again would otherwise consist of tiny blocks; merged like this, each
    /// item is written at most seven times more.
    pub fn write_tail(&mut self, files: &mut BlockFiles) -> Result<(), IndexError> {
        let Some(tail) = self.tail.as_mut().filter(|tail| tail.count > 0) else { return Ok(()) };
        if tail.count > BLOCK_ITEMS {
            return self.write_long_tail(files);
        }
        let mut block = BlockRef { first: tail.first, oldest: tail.oldest, last: tail.last, place: Place::NONE };
        let mut merged = 0;
        let mut count = tail.count;
        let mut before = Vec::new();
        for small in self.blocks.iter().rev() {
            let length = (block.first - small.first) as u32;
            if length > count || length + count > BLOCK_ITEMS {
                break;
            }
            // A block that cannot be read stays as it is; whoever reads it hears of it.
            let Ok(read) = files.read(small.place, self.owner, small.first) else { break };
            before.push((small.first, read));
            block = BlockRef { first: small.first, oldest: block.oldest.min(small.oldest), ..block };
            count += length;
            merged += 1;
        }
        if merged == 0 {
            block.place = files.append(self.owner, block.first, &tail.bytes)?;
        } else {
            let mut bytes = Vec::with_capacity(tail.bytes.len() * 2);
            let mut codec = Last::default();
            let olds = before.iter().rev().flat_map(|(first, bytes)| Items::new(*first, bytes));
            olds.chain(tail.items()).for_each(|item| codec.put(&item, &mut bytes));
            block.place = files.append(self.owner, block.first, &bytes)?;
        }
        for small in self.blocks.drain(self.blocks.len() - merged..) {
            files.free(small.place);
        }
        tail.clear(self.next);
        self.push_block(block);
        Ok(())
    }

    /// Writes a tail that grew beyond a block while the disk refused to take it.
    fn write_long_tail(&mut self, files: &mut BlockFiles) -> Result<(), IndexError> {
        let Some(mut long) = self.tail.take() else { return Ok(()) };
        let items: Vec<_> = long.items().collect();
        long.clear(long.first);
        let mut result = Ok(());
        for chunk in items.chunks(BLOCK_ITEMS as usize) {
            let mut tail = Tail::new(chunk[0].queue_offset.get());
            chunk.iter().for_each(|item| tail.push(item));
            if result.is_ok() {
                match files.append(self.owner, tail.first, &tail.bytes) {
                    Ok(place) => {
                        self.push_block(BlockRef { first: tail.first, oldest: tail.oldest, last: tail.last, place });
                        long.clear(tail.first + u64::from(tail.count));
                        continue;
                    }
                    Err(error) => result = Err(error),
                }
            }
            chunk.iter().for_each(|item| long.push(item));
        }
        self.tail = Some(long);
        result
    }

    fn push_block(&mut self, block: BlockRef) {
        if self.blocks.len() == self.blocks.capacity() {
            // Doubling would waste half of the directory's memory, and most queues never have a second block.
            self.blocks.reserve_exact(1 + self.blocks.len() / 4);
        }
        self.blocks.push(block);
    }

    /// Offset of the first item that is there.
    ///
    /// # Errors
    /// When a block must be read for it and cannot be.
    pub fn min(&self, files: &BlockFiles, start: u64) -> Result<u64, IndexError> {
        if self.stale.load(Ordering::Relaxed) {
            let block = self.blocks.first().expect("what is stale is the first block");
            let read = files.read(block.place, self.owner, block.first)?;
            let gone = Items::new(block.first, &read).filter(|item| lowest_place(item) < start).last();
            if let Some(item) = gone {
                self.min.fetch_max(item.queue_offset.get() + 1, Ordering::Relaxed);
            }
            self.stale.store(false, Ordering::Relaxed);
        }
        Ok(self.min_known())
    }

    /// Forgets all items up to the last one that needs a place below the log's start.
    ///
    /// Reads nothing: in a block of which only a part is gone the beginning is looked for when it is asked for.
    pub fn trim(&mut self, start: u64, files: &mut BlockFiles) {
        let mut min = self.min_known();
        let tail = self.tail.as_mut().filter(|tail| tail.count > 0);
        if let Some(tail) = tail.filter(|tail| tail.oldest < start) {
            self.blocks.drain(..).for_each(|block| files.free(block.place));
            let gone = tail.items().filter(|item| lowest_place(item) < start).last();
            min = min.max(gone.map_or(tail.first, |item| item.queue_offset.get() + 1));
            if min == self.next {
                tail.clear(self.next);
            } else {
                let kept = tail.items().filter(|item| item.queue_offset.get() >= min);
                tail.oldest = kept.map(|item| lowest_place(&item)).min().unwrap_or(u64::MAX);
            }
            *self.stale.get_mut() = false;
        } else if let Some(last) = self.blocks.iter().rposition(|block| block.oldest < start) {
            let whole = self.blocks[last].last < start;
            let gone = last + usize::from(whole);
            self.blocks.drain(..gone).for_each(|block| files.free(block.place));
            let tail = self.tail.as_ref().filter(|tail| tail.count > 0).map(|tail| tail.first);
            min = min.max(self.blocks.first().map(|block| block.first).or(tail).unwrap_or(self.next));
            *self.stale.get_mut() = !whole;
        }
        *self.min.get_mut() = min;
    }

    /// Gives all blocks up.
    pub fn clear(&mut self, files: &mut BlockFiles) {
        self.blocks.drain(..).for_each(|block| files.free(block.place));
    }

    /// Appends up to `max` items from an offset on, as far as they are there.
    ///
    /// # Errors
    /// When a block cannot be read; then as many are appended as come before it.
    pub fn read(&self, files: &BlockFiles, from: u64, max: usize, out: &mut Vec<QueueItem>) -> Result<(), IndexError> {
        let end = self.next.min(from.saturating_add(max as u64));
        let mut at = from;
        for unit in self.unit_of(from)..self.units() {
            if at >= end {
                break;
            }
            let mut take = |items: Items<'_>| {
                out.extend(items.skip_while(|item| item.queue_offset.get() < at).take((end - at) as usize));
            };
            match self.blocks.get(unit) {
                Some(block) => take(Items::new(block.first, &files.read(block.place, self.owner, block.first)?)),
                None => take(self.tail.as_ref().expect("the last unit is the tail").items()),
            }
            at = self.first_of(unit + 1);
        }
        Ok(())
    }

    /// The offset of the first item whose time is not `before`, by binary search; times only grow along a queue.
    ///
    /// # Errors
    /// When a block cannot be read.
    pub fn search(
        &self,
        files: &BlockFiles,
        start: u64,
        before: impl Fn(i64) -> bool,
    ) -> Result<QueueOffset, IndexError> {
        let min = self.min(files, start)?;
        let (mut low, mut high) = (0, self.units());
        let mut items = Vec::new();
        while low < high {
            let middle = low + (high - low) / 2;
            items.clear();
            self.read(files, self.first_of(middle), 1, &mut items)?;
            if items.first().is_some_and(|item| before(item.visible_time.millis())) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(unit) = low.checked_sub(1) else { return Ok(QueueOffset::new(min)) };
        let (first, end) = (self.first_of(unit), self.first_of(low));
        items.clear();
        self.read(files, first, (end - first) as usize, &mut items)?;
        let before = items.partition_point(|item| before(item.visible_time.millis()));
        Ok(QueueOffset::new(min.max(first + before as u64)))
    }

    /// Number of blocks, and one more for a tail with items.
    fn units(&self) -> usize {
        self.blocks.len() + usize::from(self.tail.as_ref().is_some_and(|tail| tail.count > 0))
    }

    fn first_of(&self, unit: usize) -> u64 {
        match (self.blocks.get(unit), &self.tail) {
            (Some(block), _) => block.first,
            (None, Some(tail)) if unit == self.blocks.len() => tail.first,
            _ => self.next,
        }
    }

    fn unit_of(&self, offset: u64) -> usize {
        match &self.tail {
            Some(tail) if tail.count > 0 && tail.first <= offset => self.blocks.len(),
            _ => self.blocks.partition_point(|block| block.first <= offset).saturating_sub(1),
        }
    }

    /// Bytes of memory beside this struct and the tail.
    pub fn memory(&self) -> usize {
        self.blocks.capacity() * size_of::<BlockRef>()
    }
}
