//! The half slots: for each half, by its sequence, where it lies and which entry decided it.
//!
//! A decision that names no pending half is settled by its slot: repeat, opposite or unknown. Slots are kept in pages
//! of 128; recent pages are in memory, others are blocks. A page that changes is written anew and never in place, so
//! that whatever a checkpoint refers to stays as it was. Payload of a page's block, numbers and ways as in
//! [`varint`](super::varint): 128 times `0` for no half, or 1 and the way from the half before (0 at first), then the
//! distance from the half to the deciding entry, 0 while it is undecided.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use foldhash::HashMap;
use message::{CommitLogOffset, QueueOffset};

use super::blocks::{BlockFiles, Place};
use super::error::IndexError;
use super::varint;

/// Slots of a page.
pub(super) const PAGE_SLOTS: u64 = 128;
/// What the blocks of pages are marked with, in place of a queue's hash.
const OWNER: u64 = u64::from_le_bytes(*b"halfslot");

/// What is known of a half after it left the memory of the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HalfSlot {
    /// The half's entry (first byte of its frame).
    pub half: CommitLogOffset,
    /// The entry that decided it, `None` while nothing did.
    pub decided_by: Option<CommitLogOffset>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Slot {
    /// 0 for none: a frame never begins at the log's first byte.
    half: u64,
    decided_by: u64,
}

impl Slot {
    fn newest(self) -> u64 {
        self.half.max(self.decided_by)
    }
}

#[derive(Debug)]
struct Page {
    slots: [Slot; PAGE_SLOTS as usize],
    dirty: bool,
    touched: bool,
}

/// A page wherever it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageRef {
    /// Largest offset that any of its slots names.
    pub newest: u64,
    /// Where it was last written, [`Place::NONE`] if never.
    pub place: Place,
}

/// All half slots.
#[derive(Debug)]
pub(super) struct Halves {
    pages: BTreeMap<u64, PageRef>,
    hot: HashMap<u64, Box<Page>>,
    /// The hot pages in the order in which they are looked at for eviction; may name some that are gone.
    ring: VecDeque<u64>,
    hot_max: usize,
    /// Pages that could not be read when they were to be changed: they say nothing until the index is built anew.
    unreadable: BTreeSet<u64>,
}

impl Halves {
    /// No slots.
    pub fn new(hot_max: usize) -> Self {
        Halves {
            pages: BTreeMap::new(),
            hot: HashMap::default(),
            ring: VecDeque::new(),
            hot_max,
            unreadable: BTreeSet::new(),
        }
    }

    /// Adds a page as a checkpoint tells it.
    pub fn adopt(&mut self, number: u64, page: PageRef) {
        self.pages.insert(number, page);
    }

    /// Number and place of each page; all have a place after [`Halves::write`].
    pub fn pages(&self) -> impl ExactSizeIterator<Item = (u64, &PageRef)> {
        self.pages.iter().map(|(number, page)| (*number, page))
    }

    /// A half was stored. It takes over a slot whose half is undecided: that one was refused.
    ///
    /// # Errors
    /// As [`Halves::decide`].
    pub fn store(
        &mut self,
        sequence: QueueOffset,
        half: CommitLogOffset,
        files: &mut BlockFiles,
    ) -> Result<(), IndexError> {
        self.change(sequence, files, |slot| {
            if slot.decided_by == 0 {
                *slot = Slot { half: half.get(), decided_by: 0 };
            }
        })
    }

    /// Whether a decision about this half would be the first one.
    ///
    /// # Errors
    /// When the slot's page cannot be read.
    pub fn is_open(
        &self,
        sequence: QueueOffset,
        half: CommitLogOffset,
        files: &BlockFiles,
    ) -> Result<bool, IndexError> {
        let slot = self.find(sequence, files)?;
        Ok(slot.half != half.get() || slot.decided_by == 0)
    }

    /// A half was decided.
    ///
    /// # Errors
    /// When a page cannot be read: it is not read again, for without this change it would tell of a half that never was,
    /// or is undecided. Or when another one cannot be written, which leaves it in memory.
    pub fn decide(
        &mut self,
        sequence: QueueOffset,
        half: CommitLogOffset,
        decided_by: CommitLogOffset,
        files: &mut BlockFiles,
    ) -> Result<(), IndexError> {
        // A half whose entry is older than the log's beginning has no slot when the index was rebuilt.
        let decided = Slot { half: half.get(), decided_by: decided_by.get() };
        self.change(sequence, files, |slot| *slot = decided)
    }

    /// The slot of a half, unless it was trimmed.
    ///
    /// # Errors
    /// When its page cannot be read.
    pub fn slot(&self, sequence: QueueOffset, start: u64, files: &BlockFiles) -> Result<Option<HalfSlot>, IndexError> {
        let slot = self.find(sequence, files)?;
        let decided_by = Some(CommitLogOffset::new(slot.decided_by)).filter(|at| *at != CommitLogOffset::ZERO);
        let known = slot.half != 0 && slot.newest() >= start;
        Ok(known.then_some(HalfSlot { half: CommitLogOffset::new(slot.half), decided_by }))
    }

    fn find(&self, sequence: QueueOffset, files: &BlockFiles) -> Result<Slot, IndexError> {
        let (number, index) = position(sequence);
        if let Some(page) = self.hot.get(&number) {
            return Ok(page.slots[index]);
        }
        match self.pages.get(&number) {
            Some(page) if self.unreadable.contains(&number) => Err(files.damaged(page.place)),
            Some(page) => read(files, number, page.place).map(|slots| slots[index]),
            None => Ok(Slot::default()),
        }
    }

    fn change(
        &mut self,
        sequence: QueueOffset,
        files: &mut BlockFiles,
        change: impl FnOnce(&mut Slot),
    ) -> Result<(), IndexError> {
        let (number, index) = position(sequence);
        let mut result = Ok(());
        if !self.hot.contains_key(&number) {
            let known = self.pages.entry(number).or_insert(PageRef { newest: 0, place: Place::NONE });
            let slots = match known.place {
                Place::NONE => [Slot::default(); PAGE_SLOTS as usize],
                place => read(files, number, place).inspect_err(|_| {
                    files.distrust();
                    self.unreadable.insert(number);
                })?,
            };
            let page = match self.make_room(files) {
                Ok(None) => Box::new(Page { slots, dirty: false, touched: false }),
                Ok(Some(mut page)) => {
                    *page = Page { slots, dirty: false, touched: false };
                    page
                }
                Err(error) => {
                    result = Err(error);
                    Box::new(Page { slots, dirty: false, touched: false })
                }
            };
            self.hot.insert(number, page);
            self.ring.push_back(number);
        }
        let page = self.hot.get_mut(&number).expect("the page was just made hot");
        change(&mut page.slots[index]);
        (page.dirty, page.touched) = (true, true);
        let newest = page.slots[index].newest();
        let known = self.pages.get_mut(&number).expect("a hot page is a known page");
        known.newest = known.newest.max(newest);
        result
    }

    /// Moves one page out of memory when there are too many: the next that was not touched since it was last looked at.
    fn make_room(&mut self, files: &mut BlockFiles) -> Result<Option<Box<Page>>, IndexError> {
        if self.hot.len() < self.hot_max {
            return Ok(None);
        }
        while let Some(number) = self.ring.pop_front() {
            let Some(page) = self.hot.get_mut(&number) else { continue };
            if std::mem::take(&mut page.touched) {
                self.ring.push_back(number);
                continue;
            }
            if let Err(error) = self.write_page(number, files) {
                self.ring.push_back(number);
                return Err(error);
            }
            return Ok(self.hot.remove(&number));
        }
        Ok(None)
    }

    fn write_page(&mut self, number: u64, files: &mut BlockFiles) -> Result<(), IndexError> {
        let page = self.hot.get_mut(&number).expect("only hot pages are written");
        if page.dirty {
            let place = files.append(OWNER, number, &encode(&page.slots))?;
            page.dirty = false;
            let known = self.pages.get_mut(&number).expect("a hot page is a known page");
            let old = std::mem::replace(&mut known.place, place);
            if old != Place::NONE {
                files.free(old);
            }
        }
        Ok(())
    }

    /// Writes every page that changed, as a checkpoint needs it.
    ///
    /// # Errors
    /// When the disk refuses; pages not written stay in memory.
    pub fn write(&mut self, files: &mut BlockFiles) -> Result<(), IndexError> {
        let mut dirty: Vec<u64> = self.hot.iter().filter(|(_, page)| page.dirty).map(|(number, _)| *number).collect();
        // In their order: the same history writes the same bytes.
        dirty.sort_unstable();
        dirty.into_iter().try_for_each(|number| self.write_page(number, files))
    }

    /// Forgets the pages that name nothing from the log's start on.
    pub fn trim(&mut self, start: u64, files: &mut BlockFiles) {
        self.pages.retain(|number, page| {
            let keep = page.newest >= start;
            if !keep {
                self.hot.remove(number);
                if page.place != Place::NONE {
                    files.free(page.place);
                }
            }
            keep
        });
        self.ring.retain(|number| self.hot.contains_key(number));
    }

    /// Forgets everything; the blocks are not given up, for their files go as well.
    pub fn forget(&mut self) {
        *self = Halves::new(self.hot_max);
    }

    /// Bytes of memory of the hot pages, and of the rest.
    pub fn memory(&self) -> (usize, usize) {
        // A B-tree's nodes are on average three quarters full.
        let known = self.pages.len() * (size_of::<(u64, PageRef)>() + 8);
        (self.hot.len() * (size_of::<Page>() + 32), known)
    }
}

fn position(sequence: QueueOffset) -> (u64, usize) {
    (sequence.get() / PAGE_SLOTS, (sequence.get() % PAGE_SLOTS) as usize)
}

fn encode(slots: &[Slot; PAGE_SLOTS as usize]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    let mut before = 0;
    for slot in slots {
        bytes.push(u8::from(slot.half != 0));
        if slot.half != 0 {
            varint::put_step(&mut bytes, before, slot.half);
            varint::put(&mut bytes, slot.decided_by.saturating_sub(slot.half));
            before = slot.half;
        }
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<[Slot; PAGE_SLOTS as usize]> {
    let mut slots = [Slot::default(); PAGE_SLOTS as usize];
    let mut before = 0;
    for slot in &mut slots {
        let (&there, rest) = bytes.split_first()?;
        bytes = rest;
        if there != 0 {
            slot.half = varint::take_step(&mut bytes, before)?;
            slot.decided_by = match varint::take(&mut bytes)? {
                0 => 0,
                distance => slot.half.checked_add(distance)?,
            };
            before = slot.half;
        }
    }
    bytes.is_empty().then_some(slots)
}

fn read(files: &BlockFiles, number: u64, place: Place) -> Result<[Slot; PAGE_SLOTS as usize], IndexError> {
    decode(&files.read(place, OWNER, number)?).ok_or_else(|| files.damaged(place))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::blocks::DIR;
    use super::super::error::Health;
    use super::*;
    use crate::disk::{Disk, FakeDisk};

    fn at(offset: u64) -> CommitLogOffset {
        CommitLogOffset::new(offset)
    }

    fn sequence(value: u64) -> QueueOffset {
        QueueOffset::new(value)
    }

    fn files() -> BlockFiles {
        let disk = FakeDisk::new(1);
        disk.create_dir(DIR).unwrap();
        BlockFiles::new(Arc::new(disk), Arc::new(Health::default()), 1 << 20, &[])
    }

    #[test]
    fn slots_survive_leaving_and_entering_memory() {
        let (mut files, mut halves) = (files(), Halves::new(3));
        for i in 0..2000 {
            halves.store(sequence(i), at(100 + i * 10), &mut files).unwrap();
        }
        for i in (0..2000).step_by(7) {
            assert!(halves.is_open(sequence(i), at(100 + i * 10), &files).unwrap());
            halves.decide(sequence(i), at(100 + i * 10), at(100_000 + i), &mut files).unwrap();
        }
        assert!(halves.hot.len() <= 3);
        for i in 0..2000 {
            let decided_by = (i % 7 == 0).then_some(at(100_000 + i));
            let half = at(100 + i * 10);
            assert_eq!(halves.slot(sequence(i), 0, &files).unwrap(), Some(HalfSlot { half, decided_by }));
            assert_eq!(halves.is_open(sequence(i), half, &files).unwrap(), decided_by.is_none());
        }
        assert_eq!(halves.slot(sequence(2000), 0, &files).unwrap(), None);
    }

    #[test]
    fn a_slot_goes_when_the_log_begins_behind_both_of_its_entries() {
        let (mut files, mut halves) = (files(), Halves::new(3));
        for i in 0..1000 {
            halves.store(sequence(i), at(100 + i), &mut files).unwrap();
        }
        halves.decide(sequence(5), at(105), at(5000), &mut files).unwrap();
        halves.trim(900, &mut files);
        assert!(halves.slot(sequence(5), 900, &files).unwrap().is_some());
        assert_eq!(halves.slot(sequence(6), 900, &files).unwrap(), None);
        assert_eq!(halves.slot(sequence(300), 900, &files).unwrap(), None);
        assert!(halves.slot(sequence(900), 900, &files).unwrap().is_some());
        assert_eq!(halves.pages.len(), 3, "pages of the first, of the 900th and of the last halves");
    }

    #[test]
    fn a_half_that_was_refused_leaves_its_sequence_to_the_next_one() {
        let (mut files, mut halves) = (files(), Halves::new(3));
        halves.store(sequence(1), at(100), &mut files).unwrap();
        halves.store(sequence(1), at(200), &mut files).unwrap();
        assert_eq!(halves.slot(sequence(1), 0, &files).unwrap().map(|slot| slot.half), Some(at(200)));
    }
}
