//! Which messages have a key: hashes of topic and key, each with the place to look at.
//!
//! New keys gather in memory, in 256 buckets by the first byte of their hash. When there are enough they become a run:
//! one file, bucket behind bucket, each sorted, written a bucket at a time while the next keys gather, so that no
//! message waits for all of it. A lookup reads one bucket of each run that may matter, the newest first.
//!
//! The hash has 40 bits here and is only a hint: whoever looks up a key compares the message itself.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::{CommitLogOffset, Timestamp};

use super::blocks::IndexFile;
use super::error::{Health, IndexError};
use super::run::{BUCKETS, Bucket, Run, RunWriter, bucket_of, entry_of, place_of};
use crate::disk::Disk;

/// A link spans at most an hour: so much later than its half a message that is found through the half can be visible.
const LINK_SPAN_MS: i64 = 3_600_000;
/// Marks the place of a half.
const HALF: u64 = 1 << 63;
/// One bucket of a run that is being written, for so many new keys: a run is written before the next one is full.
const KEYS_PER_BUCKET: usize = 64;

/// A place to look at for a message with some key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum KeyHit {
    /// Where a message became visible: the record itself, or the entry that made it so.
    Visible(CommitLogOffset),
    /// A half (first byte of its frame): visible where the entry that decided it says.
    Half(CommitLogOffset),
}

impl KeyHit {
    /// The offset of either.
    pub fn offset(self) -> CommitLogOffset {
        match self {
            KeyHit::Visible(at) | KeyHit::Half(at) => at,
        }
    }

    fn from_bits(bits: u64) -> Self {
        let at = CommitLogOffset::new(bits & !HALF);
        if bits & HALF == 0 { KeyHit::Visible(at) } else { KeyHit::Half(at) }
    }

    fn bits(self) -> u64 {
        match self {
            KeyHit::Visible(at) => at.get(),
            KeyHit::Half(at) => at.get() | HALF,
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// Places in the log.
    pub offsets: Range<CommitLogOffset>,
    /// Times at which messages became visible. A hint that spares reads: hits beyond it can be among the answers.
    pub times: RangeInclusive<Timestamp>,
}

impl KeyRange {
    /// Everywhere, at all times.
    pub fn all() -> Self {
        let last = CommitLogOffset::new(HALF - 1);
        let times = Timestamp::from_millis(i64::MIN)..=Timestamp::MAX;
        KeyRange { offsets: CommitLogOffset::ZERO..last, times }
    }
}

/// Keys in memory.
#[derive(Debug)]
pub(super) struct Gathered {
    pub buckets: Vec<Bucket>,
    pub count: usize,
    /// Lowest and highest place, and earliest and latest time.
    pub from: u64,
    pub to: u64,
    pub min_time: i64,
    pub max_time: i64,
}

impl Gathered {
    pub fn new() -> Self {
        let buckets = (0..BUCKETS).map(|_| Bucket::new()).collect();
        Gathered { buckets, count: 0, from: u64::MAX, to: 0, min_time: i64::MAX, max_time: i64::MIN }
    }

    pub fn push(&mut self, hash: u64, hit: KeyHit, time: i64) {
        self.buckets[bucket_of(hash)].push(entry_of(hash, hit.bits()));
        self.count += 1;
        self.widen(hit.offset().get(), time);
    }

    /// Takes a place and a time into the ranges.
    pub fn widen(&mut self, at: u64, time: i64) {
        (self.from, self.to) = (self.from.min(at), self.to.max(at));
        (self.min_time, self.max_time) = (self.min_time.min(time), self.max_time.max(time));
    }

    fn clear(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.iter_mut().for_each(Vec::clear);
        *self = Gathered { buckets, ..Gathered::new() };
    }

    fn memory(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.capacity() * size_of::<[u32; 3]>()).sum::<usize>()
            + self.buckets.capacity() * size_of::<Bucket>()
    }
}

/// All keys.
pub(super) struct Keys {
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    gathered: Gathered,
    /// Keys of which a run is being written, and how far it is.
    sealing: Option<(Gathered, RunWriter)>,
    spare: Option<Gathered>,
    /// Oldest first.
    runs: Vec<Run>,
    /// Runs that are not synced.
    unsynced: Vec<Arc<IndexFile>>,
    doomed: Vec<String>,
    gathered_max: usize,
    /// When a run could not be created, it is tried again with so many keys.
    retry_at: usize,
}

impl Keys {
    /// No keys. As soon as `gathered_max` are in memory, they become a run.
    pub fn new(disk: Arc<dyn Disk>, health: Arc<Health>, gathered_max: usize) -> Self {
        Keys {
            disk,
            health,
            gathered: Gathered::new(),
            sealing: None,
            spare: None,
            runs: Vec::new(),
            unsynced: Vec::new(),
            doomed: Vec::new(),
            gathered_max,
            retry_at: 0,
        }
    }

    /// Keys as a checkpoint tells them.
    pub fn load(&mut self, gathered: Gathered, runs: Vec<Run>) {
        (self.gathered, self.runs) = (gathered, runs);
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When a run could not be written. The key is in memory nevertheless, and it is tried again.
    pub fn insert(&mut self, hash: u64, hit: KeyHit, time: Timestamp) -> Result<(), IndexError> {
        self.gathered.push(hash, hit, time.millis());
        match self.sealing {
            Some(_) if self.gathered.count.is_multiple_of(self.step()) => self.seal_bucket(),
            None if self.gathered.count >= self.gathered_max.max(self.retry_at) => self.begin_run(),
            _ => Ok(()),
        }
    }

    fn step(&self) -> usize {
        KEYS_PER_BUCKET.min(self.gathered_max / BUCKETS / 2).max(1)
    }

    fn begin_run(&mut self) -> Result<(), IndexError> {
        let keys = &self.gathered;
        let run = Run::of(keys);
        match RunWriter::create(&*self.disk, run) {
            Ok(writer) => {
                let next = self.spare.take().unwrap_or_else(Gathered::new);
                self.sealing = Some((std::mem::replace(&mut self.gathered, next), writer));
                self.retry_at = 0;
                Ok(())
            }
            Err(error) => {
                self.retry_at = keys.count + self.gathered_max / 8;
                Err(error)
            }
        }
    }

    fn seal_bucket(&mut self) -> Result<(), IndexError> {
        let Some((mut keys, mut writer)) = self.sealing.take() else { return Ok(()) };
        match writer.write_next(&mut keys.buckets) {
            Ok(true) => {
                let (run, file) = writer.finish();
                self.runs.push(run);
                self.unsynced.push(file);
                keys.clear();
                self.spare = Some(keys);
                Ok(())
            }
            Ok(false) => {
                self.sealing = Some((keys, writer));
                Ok(())
            }
            Err(error) => {
                self.sealing = Some((keys, writer));
                Err(error)
            }
        }
    }

    /// Appends places to look at for this hash, the last ones in the log first, at least `max` if there are as many.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub fn find(&self, hash: u64, range: &KeyRange, max: usize, out: &mut Vec<KeyHit>) -> Result<(), IndexError> {
        let start = out.len();
        let add = |bits: u64, out: &mut Vec<KeyHit>| {
            let hit = KeyHit::from_bits(bits);
            if range.offsets.contains(&hit.offset()) {
                out.push(hit);
            }
        };
        let wanted = entry_of(hash, 0)[0];
        for keys in self.in_memory() {
            let bucket = keys.buckets[bucket_of(hash)].iter();
            bucket.filter(|entry| entry[0] == wanted).for_each(|entry| add(place_of(entry), out));
        }
        let begin = range.times.start().millis().saturating_sub(LINK_SPAN_MS);
        for run in self.runs.iter().rev() {
            // What is in a run lies behind all that is in the runs before it.
            if out.len() - start >= max || run.to < range.offsets.start.get() {
                break;
            }
            let in_time = run.max_time >= begin && run.min_time <= range.times.end().millis();
            if in_time && run.from < range.offsets.end.get() {
                let read = run.find(&*self.disk, hash, |bits| add(bits, out));
                read.inspect_err(|error| {
                    if let IndexError::Damaged { .. } = error {
                        self.health.found_damage();
                    }
                })?;
            }
        }
        out[start..].sort_unstable_by_key(|hit| std::cmp::Reverse(hit.offset()));
        Ok(())
    }

    fn in_memory(&self) -> impl Iterator<Item = &Gathered> {
        std::iter::once(&self.gathered).chain(self.sealing.as_ref().map(|(keys, _)| keys))
    }

    /// The keys that are in no finished run, for a checkpoint.
    pub fn unwritten(&self) -> impl Iterator<Item = &Gathered> {
        self.in_memory()
    }

    /// All finished runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Appends the files that may hold unsynced bytes.
    pub fn unsynced(&mut self, to: &mut Vec<Arc<IndexFile>>) {
        self.unsynced.retain(|file| file.dirty.load(Ordering::Acquire));
        to.extend(self.unsynced.iter().cloned());
    }

    /// The files that a checkpoint written now does not name and that may be removed when it is durable.
    pub fn take_doomed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.doomed)
    }

    /// Forgets the runs, and what is to become one, whose places all lie below the log's start.
    pub fn trim(&mut self, start: u64) {
        let doomed = &mut self.doomed;
        self.runs.retain(|run| {
            let keep = run.to >= start;
            if !keep {
                doomed.push(run.path());
            }
            keep
        });
        if let Some((mut keys, writer)) = self.sealing.take_if(|(keys, _)| keys.to < start) {
            self.doomed.push(writer.path().to_owned());
            keys.clear();
            self.spare = Some(keys);
        }
        if self.gathered.to < start {
            self.gathered.clear();
        }
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.doomed.extend(self.runs.drain(..).map(|run| run.path()));
        if let Some((_, writer)) = self.sealing.take() {
            self.doomed.push(writer.path().to_owned());
        }
        self.gathered.clear();
        self.unsynced.clear();
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, Gathered::memory);
        self.in_memory().map(Gathered::memory).sum::<usize>() + spare + self.runs.capacity() * size_of::<Run>()
    }
}

#[cfg(test)]
mod tests;
