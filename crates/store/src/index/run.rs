//! A run: the keys of some stretch of the log, sorted, in a file of their own that is written once.
//!
//! ```text
//! per bucket, by its number: entries of 12 bytes, sorted: u32 of the hash, u64 place (top bit: a half)
//! per bucket: u32 number of entries up to its end, u32 crc of its entries
//! ```
//!
//! A bucket is the first byte of the hash, the u32 in an entry its next four. How many entries there are, and of which
//! places and times, the checkpoint knows.

use std::sync::Arc;

use super::blocks::{DIR, IndexFile};
use super::error::IndexError;
use super::keys::Gathered;
use crate::disk::{Disk, DiskFile};

/// Number of buckets.
pub(super) const BUCKETS: usize = 256;

const ENTRY_LEN: usize = 12;

/// Entries of one bucket, each the hash's part and the place in two halves, the high one first: so they sort.
pub(super) type Bucket = Vec<[u32; 3]>;

/// The bucket of a hash.
pub(super) fn bucket_of(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// The entry for a hash and a place.
pub(super) fn entry_of(hash: u64, place: u64) -> [u32; 3] {
    [(hash >> 24) as u32, (place >> 32) as u32, place as u32]
}

/// The place in an entry.
pub(super) fn place_of(entry: &[u32; 3]) -> u64 {
    u64::from(entry[1]) << 32 | u64::from(entry[2])
}

/// What is known of a run without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// Lowest and highest place.
    pub from: u64,
    pub to: u64,
    pub min_time: i64,
    pub max_time: i64,
    pub count: u32,
}

impl Run {
    /// The run that these keys become.
    pub fn of(keys: &Gathered) -> Self {
        let count = u32::try_from(keys.count).expect("far fewer keys than 2^32 are gathered");
        Run { from: keys.from, to: keys.to, min_time: keys.min_time, max_time: keys.max_time, count }
    }

    /// Its file. The places of two runs overlap at most in one entry of the log, so no two have the same name.
    pub fn path(&self) -> String {
        format!("{DIR}/keys-{:016x}-{:016x}.run", self.from, self.to)
    }

    /// Calls `found` with each place of this hash.
    ///
    /// # Errors
    /// When the file cannot be read or is not what was written.
    pub fn find(&self, disk: &dyn Disk, hash: u64, mut found: impl FnMut(u64)) -> Result<(), IndexError> {
        let path = self.path();
        let io = |source| IndexError::io(&path, source);
        let file = disk.open(&path).map_err(io)?;
        let bucket = bucket_of(hash);
        let table = u64::from(self.count) * ENTRY_LEN as u64;
        // The end of the bucket before comes from the entry before, except for the first.
        let mut ends = [0; 16];
        let (into, at) =
            if bucket == 0 { (&mut ends[8..], table) } else { (&mut ends[..], table + bucket as u64 * 8 - 8) };
        let damaged = |at| IndexError::Damaged { path: path.clone(), at };
        if file.read_at(into, at).map_err(io)? < into.len() {
            return Err(damaged(at));
        }
        let u32_at = |i: usize| u32::from_le_bytes(ends[i..i + 4].try_into().expect("4 bytes"));
        let (begin, end, crc) = (u32_at(0), u32_at(8), u32_at(12));
        if begin > end || end > self.count {
            return Err(damaged(at));
        }
        let mut bytes = vec![0; (end - begin) as usize * ENTRY_LEN];
        let at = u64::from(begin) * ENTRY_LEN as u64;
        if file.read_at(&mut bytes, at).map_err(io)? < bytes.len() || crc32fast::hash(&bytes) != crc {
            return Err(damaged(at));
        }
        let wanted = entry_of(hash, 0)[0];
        let (entries, _) = bytes.as_chunks::<ENTRY_LEN>();
        let hash_of = |entry: &[u8; ENTRY_LEN]| u32::from_le_bytes(entry[..4].try_into().expect("4 bytes"));
        let first = entries.partition_point(|entry| hash_of(entry) < wanted);
        for entry in entries[first..].iter().take_while(|entry| hash_of(entry) == wanted) {
            found(u64::from_le_bytes(entry[4..].try_into().expect("8 bytes")));
        }
        Ok(())
    }
}

/// A run that is being written, bucket by bucket.
pub(super) struct RunWriter {
    run: Run,
    path: String,
    file: Arc<dyn DiskFile>,
    /// The table at the file's end, as far as it is known: its length says which bucket is next.
    table: Vec<u8>,
    written: u32,
    scratch: Vec<u8>,
}

impl RunWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create(disk: &dyn Disk, run: Run) -> Result<Self, IndexError> {
        let path = run.path();
        let file = disk.create(&path).map_err(|source| IndexError::io(&path, source))?;
        Ok(RunWriter { run, path, file, table: Vec::with_capacity(BUCKETS * 8), written: 0, scratch: Vec::new() })
    }

    /// Its file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sorts and writes the next bucket, or after the last one the table; `true` when that was done.
    ///
    /// # Errors
    /// When the disk refuses; then the same is tried again by the next call.
    pub fn write_next(&mut self, buckets: &mut [Bucket]) -> Result<bool, IndexError> {
        let io = |source| IndexError::io(&self.path, source);
        let at = u64::from(self.written) * ENTRY_LEN as u64;
        let Some(bucket) = buckets.get_mut(self.table.len() / 8) else {
            self.file.write_at(&self.table, at).map_err(io)?;
            return Ok(true);
        };
        bucket.sort_unstable();
        self.scratch.clear();
        for entry in bucket.iter() {
            self.scratch.extend_from_slice(&entry[0].to_le_bytes());
            self.scratch.extend_from_slice(&place_of(entry).to_le_bytes());
        }
        if !self.scratch.is_empty() {
            self.file.write_at(&self.scratch, at).map_err(io)?;
        }
        self.written += bucket.len() as u32;
        self.table.extend_from_slice(&self.written.to_le_bytes());
        self.table.extend_from_slice(&crc32fast::hash(&self.scratch).to_le_bytes());
        Ok(false)
    }

    /// The run, and its file, not synced.
    pub fn finish(self) -> (Run, Arc<IndexFile>) {
        (self.run, IndexFile::unsynced(self.path, self.file))
    }
}
