use std::cell::Cell;
use std::collections::VecDeque;

use message::CommitLogOffset;

/// Entries in one chunk.
const CHUNK: usize = 64;

/// Numbers by ascending offset: appended at the end, found and removed anywhere, read in order.
///
/// Two levels of sorted runs instead of a `BTreeMap`: offsets only ever arrive in ascending order, and at 100,000
/// entries appending, finding and removing one costs about 600 instructions here and 1,560 there (valgrind), a tenth
/// of a whole transaction. A hash table would be as quick, but has no order to list by.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    chunks: VecDeque<Chunk>,
    /// The last chunk that became empty, kept for the next one.
    spare: Option<Vec<Entry>>,
    /// Where something was found last. A decision looks for its half seven times, and the next one mostly for the half
    /// behind it: looking here first spares it 1,000 instructions of 13,500.
    hint: Cell<(usize, usize)>,
}

type Entry = (CommitLogOffset, u32);

#[derive(Debug)]
struct Chunk {
    first: CommitLogOffset,
    /// Never empty, at most [`CHUNK`].
    entries: Vec<Entry>,
}

impl Shelf {
    /// The largest offset.
    pub fn last(&self) -> Option<CommitLogOffset> {
        Some(self.chunks.back()?.entries.last()?.0)
    }

    /// Appends an entry.
    ///
    /// # Panics
    /// When the offset is not larger than all others.
    pub fn push(&mut self, at: CommitLogOffset, index: u32) {
        assert!(self.last().is_none_or(|last| last < at), "halves are stored in the order of the log: {at}");
        match self.chunks.back_mut() {
            Some(chunk) if chunk.entries.len() < CHUNK => chunk.entries.push((at, index)),
            _ => {
                let mut entries = self.spare.take().unwrap_or_else(|| Vec::with_capacity(CHUNK));
                entries.push((at, index));
                self.chunks.push_back(Chunk { first: at, entries });
            }
        }
    }

    pub fn get(&self, at: CommitLogOffset) -> Option<u32> {
        let (chunk, entry) = self.find(at)?;
        Some(self.chunks[chunk].entries[entry].1)
    }

    pub fn remove(&mut self, at: CommitLogOffset) -> Option<u32> {
        let (chunk, entry) = self.find(at)?;
        let entries = &mut self.chunks[chunk].entries;
        let (_, index) = entries.remove(entry);
        if entries.is_empty() {
            let emptied = self.chunks.remove(chunk).expect("it was just found");
            self.spare.get_or_insert(emptied.entries);
            return Some(index);
        }
        self.chunks[chunk].first = self.chunks[chunk].entries[0].0;
        if self.chunks[chunk].entries.len() <= CHUNK / 3 {
            self.merge(chunk);
        }
        Some(index)
    }

    /// All entries in order, from the first offset that is not smaller than `from`.
    pub fn iter_from(&self, from: CommitLogOffset) -> impl Iterator<Item = Entry> + '_ {
        let chunk = self.chunks.partition_point(|chunk| chunk.first <= from).saturating_sub(1);
        self.chunks.range(chunk..).flat_map(|chunk| chunk.entries.iter().copied()).skip_while(move |(at, _)| *at < from)
    }

    /// The entry with the largest offset that is smaller than `at`.
    pub fn before(&self, at: CommitLogOffset) -> Option<Entry> {
        let chunk = self.chunks.partition_point(|chunk| chunk.first < at).checked_sub(1)?;
        let entries = &self.chunks[chunk].entries;
        let entry = entries.partition_point(|entry| entry.0 < at).checked_sub(1)?;
        Some(entries[entry])
    }

    fn find(&self, at: CommitLogOffset) -> Option<(usize, usize)> {
        let (chunk, entry) = self.hint.get();
        if let Some(chunk_there) = self.chunks.get(chunk) {
            for entry in [entry, entry + 1] {
                if chunk_there.entries.get(entry).is_some_and(|found| found.0 == at) {
                    self.hint.set((chunk, entry));
                    return Some((chunk, entry));
                }
            }
        }
        let found = self.search(at)?;
        self.hint.set(found);
        Some(found)
    }

    fn search(&self, at: CommitLogOffset) -> Option<(usize, usize)> {
        let chunk = match self.chunks.back() {
            // Most halves are decided soon after they were stored.
            Some(last) if last.first <= at => self.chunks.len() - 1,
            _ => self.chunks.partition_point(|chunk| chunk.first <= at).checked_sub(1)?,
        };
        let entry = self.chunks[chunk].entries.binary_search_by_key(&at, |entry| entry.0).ok()?;
        Some((chunk, entry))
    }

    /// Joins a sparse chunk with its neighbour, so that a few old entries do not hold much memory.
    fn merge(&mut self, chunk: usize) {
        let left = match chunk.checked_sub(1) {
            Some(left) if self.fits(left) => left,
            _ if self.fits(chunk) => chunk,
            _ => return,
        };
        let right = self.chunks.remove(left + 1).expect("fits() looked at it");
        self.chunks[left].entries.extend(right.entries);
    }

    fn fits(&self, left: usize) -> bool {
        let len = |chunk: usize| self.chunks.get(chunk).map_or(CHUNK, |chunk| chunk.entries.len());
        len(left) + len(left + 1) <= CHUNK * 3 / 4
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::test_halves::XorShift;

    fn offset(value: u64) -> CommitLogOffset {
        CommitLogOffset::new(value)
    }

    #[test]
    fn a_shelf_behaves_as_a_sorted_map_does() {
        for seed in 1..=20 {
            let mut random = XorShift::new(seed);
            let (mut shelf, mut map) = (Shelf::default(), BTreeMap::new());
            let mut next = 0;
            for _ in 0..5_000 {
                // The load of the shelf goes up and down.
                if random.below(1000) < 500 + (next % 2000) / 4 - 250 || map.is_empty() {
                    next += 1 + random.below(3);
                    shelf.push(offset(next), next as u32);
                    map.insert(offset(next), next as u32);
                } else {
                    let at = offset(random.below(next + 2));
                    assert_eq!(shelf.remove(at), map.remove(&at), "seed {seed}");
                }
                let probe = offset(random.below(next + 2));
                assert_eq!(shelf.get(probe), map.get(&probe).copied(), "seed {seed}");
                let before = map.range(..probe).next_back().map(|(at, index)| (*at, *index));
                assert_eq!(shelf.before(probe), before, "seed {seed}");
                assert_eq!(shelf.last(), map.keys().next_back().copied(), "seed {seed}");
                let after: Vec<Entry> = shelf.iter_from(probe).take(5).collect();
                let expected: Vec<Entry> = map.range(probe..).take(5).map(|(at, index)| (*at, *index)).collect();
                assert_eq!(after, expected, "seed {seed}");
            }
            assert!(shelf.iter_from(CommitLogOffset::ZERO).eq(map.iter().map(|(at, index)| (*at, *index))));
        }
    }

    #[test]
    fn a_few_old_entries_do_not_hold_a_chunk_each() {
        let mut shelf = Shelf::default();
        (0..64_000).for_each(|at| shelf.push(offset(at), 0));
        (0..64_000).filter(|at| at % 64 != 0).for_each(|at| {
            shelf.remove(offset(at));
        });
        assert!(shelf.chunks.len() < 1000 / (CHUNK / 4), "{} chunks hold 1,000 entries", shelf.chunks.len());
    }
}
