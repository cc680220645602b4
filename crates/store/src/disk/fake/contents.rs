//! The bytes of one simulated file: those a reader sees, and those a power cut may leave.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::Rng;

/// Bytes that reach a disk together or not at all.
pub(super) const SECTOR: usize = 512;

/// One file. What was written since the last sync may come back in any mixture of sectors, each in any of the versions
/// it had since.
#[derive(Clone, Default)]
pub(super) struct Contents {
    live: Vec<u8>,
    /// Earlier versions of sectors that are not known to be durable, oldest first; the live one is not among them.
    older: BTreeMap<u64, Vec<[u8; SECTOR]>>,
    /// Earlier lengths, as long as the live one is not known to be durable.
    older_lens: Vec<u64>,
    /// What the next sync writes. A failed sync empties it and leaves `older`: the kernel marks the pages clean.
    dirty: BTreeSet<u64>,
    len_dirty: bool,
}

impl Contents {
    pub(super) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(super) fn read(&self, buf: &mut [u8], at: u64) -> usize {
        let from = usize::try_from(at).map_or(self.live.len(), |at| at.min(self.live.len()));
        let count = buf.len().min(self.live.len() - from);
        buf[..count].copy_from_slice(&self.live[from..from + count]);
        count
    }

    pub(super) fn write(&mut self, bytes: &[u8], at: u64) {
        if bytes.is_empty() {
            return;
        }
        let at = usize::try_from(at).expect("simulated files fit into memory");
        let end = at + bytes.len();
        for sector in (at / SECTOR)..end.div_ceil(SECTOR) {
            let (from, to) = ((sector * SECTOR).max(at), ((sector + 1) * SECTOR).min(end));
            // Zeros written behind the end change the length only: there is nothing to lose in them.
            let same = (from..to).all(|i| self.live.get(i).copied().unwrap_or(0) == bytes[i - at]);
            if !same {
                self.remember(sector as u64);
            } else if self.older.contains_key(&(sector as u64)) {
                // Written again after a failed sync, the same bytes reach the disk with the next one.
                self.dirty.insert(sector as u64);
            }
        }
        if end > self.live.len() {
            self.set_len(end as u64);
        }
        self.len_dirty |= self.older_lens.iter().any(|len| *len < end as u64);
        self.live[at..end].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        let (old, new) = (self.live.len(), usize::try_from(len).expect("simulated files fit into memory"));
        if old == new {
            return;
        }
        for sector in (new / SECTOR)..old.div_ceil(SECTOR) {
            self.remember(sector as u64);
        }
        self.older_lens.push(old as u64);
        self.len_dirty = true;
        self.live.resize(new, 0);
    }

    fn sector(&self, sector: u64) -> [u8; SECTOR] {
        let mut bytes = [0; SECTOR];
        self.read(&mut bytes, sector * SECTOR as u64);
        bytes
    }

    fn remember(&mut self, sector: u64) {
        let bytes = self.sector(sector);
        self.older.entry(sector).or_default().push(bytes);
        self.dirty.insert(sector);
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.older.remove(&sector);
        }
        if std::mem::take(&mut self.len_dirty) {
            self.older_lens.clear();
        }
    }

    /// Nothing becomes durable, and the next [`Contents::sync`] makes nothing of this durable either.
    pub(super) fn fail_sync(&mut self) {
        self.dirty.clear();
        self.len_dirty = false;
    }

    /// Changes a bit for good, as a decaying medium does.
    pub(super) fn flip(&mut self, position: u64, bit: u8) {
        let at = usize::try_from(position).expect("simulated files fit into memory");
        self.live[at] ^= 1 << bit;
        let sector = position / SECTOR as u64;
        for version in self.older.get_mut(&sector).into_iter().flatten() {
            version[at % SECTOR] ^= 1 << bit;
        }
    }

    /// What is left after a power cut.
    pub(super) fn crash(&self, rng: &mut Rng) -> Contents {
        let mut live = self.live.clone();
        let len = match rng.below(1 + self.older_lens.len() as u64) as usize {
            0 => live.len(),
            older => self.older_lens[older - 1] as usize,
        };
        live.resize(len.max(live.len()), 0);
        // A coin for every sector would hardly ever lose all or nothing of a file, which happens most.
        let survives = [0, 10, 50, 90, 100][rng.below(5) as usize];
        let in_order = rng.chance(25);
        let cut = rng.below(1 + self.older.len() as u64);
        for (index, (sector, versions)) in self.older.iter().enumerate() {
            let kept = if in_order { (index as u64) < cut } else { rng.chance(survives) };
            if kept {
                continue;
            }
            let version = &versions[rng.below(versions.len() as u64) as usize];
            let from = *sector as usize * SECTOR;
            let to = (from + SECTOR).min(live.len());
            if from < to {
                live[from..to].copy_from_slice(&version[..to - from]);
            }
        }
        live.truncate(len);
        Contents { live, ..Contents::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_crash(contents: &Contents, seed: u64) -> Vec<u8> {
        contents.crash(&mut Rng::new(seed)).live
    }

    #[test]
    fn what_was_synced_survives_every_power_cut() {
        let mut contents = Contents::default();
        contents.write(&[7; 3000], 100);
        contents.sync();
        for seed in 0..200 {
            assert!(after_crash(&contents, seed) == contents.live, "seed {seed}");
        }
    }

    #[test]
    fn an_unsynced_write_is_kept_lost_or_torn_between_sectors() {
        let mut contents = Contents::default();
        contents.write(&[1; 4 * SECTOR], 0);
        contents.sync();
        contents.write(&[2; 4 * SECTOR], 0);
        let (mut kept, mut lost, mut torn, mut reordered) = (false, false, false, false);
        for seed in 0..500 {
            let left = after_crash(&contents, seed);
            let sectors: Vec<u8> = left.chunks(SECTOR).map(|sector| sector[0]).collect();
            assert!(left.chunks(SECTOR).all(|sector| sector.iter().all(|b| *b == sector[0])), "seed {seed}");
            kept |= sectors == [2; 4];
            lost |= sectors == [1; 4];
            torn |= sectors == [2, 2, 1, 1];
            reordered |= sectors[0] == 1 && sectors[3] == 2;
        }
        assert!(kept && lost && torn && reordered);
    }

    #[test]
    fn a_sector_written_twice_comes_back_in_any_of_its_versions() {
        let mut contents = Contents::default();
        for value in 1..=3 {
            contents.write(&[value; SECTOR], 0);
        }
        let seen: BTreeSet<Option<u8>> = (0..300).map(|seed| after_crash(&contents, seed).first().copied()).collect();
        assert_eq!(seen, [None, Some(0), Some(1), Some(2), Some(3)].into());
    }

    #[test]
    fn a_cut_that_was_not_synced_may_be_undone() {
        let mut contents = Contents::default();
        contents.write(&[5; 1000], 0);
        contents.sync();
        contents.set_len(10);
        let lens: BTreeSet<usize> = (0..200).map(|seed| after_crash(&contents, seed).len()).collect();
        assert_eq!(lens, [10, 1000].into());
    }

    #[test]
    fn what_a_failed_sync_left_is_not_saved_by_the_next_one() {
        let mut contents = Contents::default();
        contents.write(&[1; SECTOR], 0);
        contents.sync();
        contents.write(&[2; SECTOR], 0);
        contents.fail_sync();
        contents.sync();
        assert!((0..100).any(|seed| after_crash(&contents, seed) == [1; SECTOR]));
        contents.write(&[2; SECTOR], 0);
        contents.sync();
        assert!((0..100).all(|seed| after_crash(&contents, seed) == [2; SECTOR]), "written again and synced");
    }
}
