//! How entries are framed in the log: a batch header, then each entry behind its length and checksum.
//!
//! A batch is what one turn of the owner proposes and one sync makes durable. Layout, all numbers little-endian:
//!
//! ```text
//! batch header, 56 bytes                             entry frame
//!  0 u32 magic "TDB1"                                 0 u32 length of the payload
//!  4 u32 length of the batch, header included         4 u32 crc of the payload, seeded with the frame's offset
//!  8 u64 offset of this header in the log             8 .. payload: kind u8, fields (see `entry`)
//! 16 u64 offset known to be synced when written
//! 24 i64 time, ms since 1970, never smaller than the batch before
//! 32 u64 replication term (0 on a single node)
//! 40 u32 number of entries
//! 44 u32 format version (1)
//! 48 u32 reserved, 0
//! 52 u32 crc of bytes 0..52
//! ```
//!
//! A header that names another offset than its own is an old one of a recycled segment. A new header may stand before
//! old entries when a write was torn between pages; their checksums are seeded with the offset at which they were
//! written, so old bytes never pass for new ones. Bad bytes above the largest synced offset that any header names are a
//! torn tail; below it they are damage.

use thiserror::Error;

use crate::codec::Put;
use crate::{CommitLogOffset, Timestamp};

/// Bytes of a batch header.
pub const HEADER_LEN: usize = 56;
/// Bytes in front of an entry's payload.
pub const FRAME_LEN: usize = 8;
/// Longest batch, in bytes: a length beyond it is damage, not a batch.
pub const BATCH_LEN_MAX: usize = 256 << 20;

const MAGIC: u32 = u32::from_le_bytes(*b"TDB1");
const VERSION: u32 = 1;

/// Checksum of an entry's payload: CRC-32 (IEEE), begun with the offset of its frame.
fn entry_crc(at: CommitLogOffset, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&at.get().to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Entries gathered for the log, reused from turn to turn.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: u32,
    time: Timestamp,
}

impl Default for Batch {
    fn default() -> Self {
        Batch { bytes: vec![0; HEADER_LEN], entries: 0, time: Timestamp::ZERO }
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Number of entries.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// Framed length in bytes, the header included: by so much the log grows.
    pub fn framed_len(&self) -> usize {
        self.bytes.len()
    }

    /// The broker's time at which the entries happen.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Sets the time of all entries. Whoever proposes keeps it from going back.
    pub fn set_time(&mut self, time: Timestamp) {
        self.time = time;
    }

    /// Appends an entry whose payload `write` appends to the vector it is given.
    ///
    /// Returns the frame's distance from the batch's beginning.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; FRAME_LEN]);
        write(&mut self.bytes);
        let len = self.bytes.len() - at - FRAME_LEN;
        assert!(len > 0, "an entry has at least its kind");
        let len = u32::try_from(len).expect("an entry is smaller than a batch");
        self.bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
        self.entries += 1;
        at
    }

    /// Forgets all entries and keeps the memory, up to `keep` bytes of it.
    pub fn clear(&mut self, keep: usize) {
        self.bytes.clear();
        self.bytes.shrink_to(keep.max(HEADER_LEN));
        self.bytes.resize(HEADER_LEN, 0);
        self.entries = 0;
    }

    /// Fills in the header and the checksums for this place in the log, and returns the framed bytes.
    pub fn seal(&mut self, at: CommitLogOffset, synced: CommitLogOffset, term: u64) -> &[u8] {
        let mut frame = HEADER_LEN;
        while frame < self.bytes.len() {
            let len = u32::from_le_bytes(self.bytes[frame..frame + 4].try_into().expect("4 bytes")) as usize;
            let payload = frame + FRAME_LEN;
            let crc = entry_crc(at.plus(frame as u64), &self.bytes[payload..payload + len]);
            self.bytes[frame + 4..payload].copy_from_slice(&crc.to_le_bytes());
            frame = payload + len;
        }
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.put_u32(MAGIC);
        header.put_u32(u32::try_from(self.bytes.len()).expect("a batch is at most BATCH_LEN_MAX long"));
        header.put_u64(at.get());
        header.put_u64(synced.get());
        header.put_i64(self.time.millis());
        header.put_u64(term);
        header.put_u32(self.entries);
        header.put_u32(VERSION);
        header.put_u32(0);
        header.put_u32(crc32fast::hash(&header));
        self.bytes[..HEADER_LEN].copy_from_slice(&header);
        &self.bytes
    }

    /// Lets `write` see the bytes as [`Batch::seal`] left them with `zeros` zeros behind them.
    pub fn with_zeros<T>(&mut self, zeros: usize, write: impl FnOnce(&[u8]) -> T) -> T {
        let framed = self.bytes.len();
        self.bytes.resize(framed + zeros, 0);
        let written = write(&self.bytes);
        self.bytes.truncate(framed);
        written
    }

    /// The framed bytes as [`Batch::seal`] left them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why bytes at some place in the log are not the batch that belongs there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// Nothing was ever written here: zeros, as in a new segment, or the bytes end.
    #[error("nothing is written at offset {at}")]
    Empty {
        /// Where.
        at: CommitLogOffset,
    },
    /// A whole batch, but of another place: what the segment held before it was recycled.
    #[error("at offset {at} stands an old batch of offset {found}")]
    Old {
        /// Where.
        at: CommitLogOffset,
        /// The offset the batch names as its own.
        found: CommitLogOffset,
    },
    /// A header that is damaged or only partly written.
    #[error("the batch header at offset {at} is damaged")]
    Header {
        /// Where.
        at: CommitLogOffset,
    },
    /// Written by a newer version of the format.
    #[error("the batch at offset {at} has format version {version}; this program reads version 1")]
    Version {
        /// Where.
        at: CommitLogOffset,
        /// Version found.
        version: u32,
    },
    /// A good header whose entries are damaged, old, or only partly written.
    #[error("the entry at offset {at} is damaged")]
    Entry {
        /// Where its frame begins.
        at: CommitLogOffset,
    },
}

/// A batch header that is intact and stands where it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Where the batch begins.
    pub offset: CommitLogOffset,
    /// Its length in bytes, this header included.
    pub len: u32,
    /// What was known to be synced when it was written.
    pub synced: CommitLogOffset,
    /// The time of its entries.
    pub time: Timestamp,
    /// Replication term.
    pub term: u64,
    /// Number of entries.
    pub entries: u32,
}

impl BatchHeader {
    /// The header at the beginning of these bytes, which lie at `at` in the log.
    ///
    /// # Errors
    /// Tells an empty place, an old batch and damage apart: recovery treats them differently.
    pub fn parse(bytes: &[u8], at: CommitLogOffset) -> Result<Self, BatchError> {
        let Some(header) = bytes.get(..HEADER_LEN) else {
            return Err(if bytes.iter().all(|b| *b == 0) {
                BatchError::Empty { at }
            } else {
                BatchError::Header { at }
            });
        };
        if header.iter().all(|b| *b == 0) {
            return Err(BatchError::Empty { at });
        }
        let u32_at = |i: usize| u32::from_le_bytes(header[i..i + 4].try_into().expect("4 bytes"));
        let u64_at = |i: usize| u64::from_le_bytes(header[i..i + 8].try_into().expect("8 bytes"));
        if u32_at(0) != MAGIC || u32_at(52) != crc32fast::hash(&header[..52]) {
            return Err(BatchError::Header { at });
        }
        if u32_at(44) != VERSION {
            return Err(BatchError::Version { at, version: u32_at(44) });
        }
        let parsed = BatchHeader {
            offset: CommitLogOffset::new(u64_at(8)),
            len: u32_at(4),
            synced: CommitLogOffset::new(u64_at(16)),
            time: Timestamp::from_millis(u64_at(24) as i64),
            term: u64_at(32),
            entries: u32_at(40),
        };
        if parsed.offset != at {
            return Err(BatchError::Old { at, found: parsed.offset });
        }
        if (parsed.len as usize) < HEADER_LEN || parsed.len as usize > BATCH_LEN_MAX {
            return Err(BatchError::Header { at });
        }
        Ok(parsed)
    }

    /// The offset behind the batch.
    pub fn end(&self) -> CommitLogOffset {
        self.offset.plus(u64::from(self.len))
    }
}

/// A batch as it lies in the log, with all checksums compared.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// The batch at the beginning of these bytes, which lie at `at` in the log.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`], and [`BatchError::Entry`] when one of the entries is not intact.
    pub fn parse(bytes: &'a [u8], at: CommitLogOffset) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes, at)?;
        let Some(bytes) = bytes.get(..header.len as usize) else {
            return Err(BatchError::Entry { at: at.plus(bytes.len() as u64) });
        };
        let mut frame = HEADER_LEN;
        for _ in 0..header.entries {
            let broken = BatchError::Entry { at: at.plus(frame as u64) };
            frame = match verify_entry(&bytes[frame..], at.plus(frame as u64)) {
                Some(payload) => frame + FRAME_LEN + payload.len(),
                None => return Err(broken),
            };
        }
        if frame != bytes.len() {
            return Err(BatchError::Entry { at: at.plus(frame as u64) });
        }
        Ok(Sealed { header, bytes })
    }

    /// The batch that [`Batch::seal`] just made: its checksums are not compared again.
    pub fn of(batch: &'a Batch, at: CommitLogOffset) -> Self {
        let header = BatchHeader {
            offset: at,
            len: batch.bytes.len() as u32,
            synced: CommitLogOffset::ZERO,
            time: batch.time,
            term: 0,
            entries: batch.entries,
        };
        Sealed { header, bytes: &batch.bytes }
    }

    /// Its header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Its bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of each entry's frame, and its payload.
    pub fn entries(&self) -> impl Iterator<Item = (CommitLogOffset, &'a [u8])> + use<'a> {
        let (start, bytes) = (self.header.offset, self.bytes);
        let mut frame = HEADER_LEN;
        std::iter::from_fn(move || {
            let len = bytes.get(frame..frame + 4)?;
            let len = u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize;
            let payload = bytes.get(frame + FRAME_LEN..frame + FRAME_LEN + len)?;
            let at = start.plus(frame as u64);
            frame += FRAME_LEN + len;
            Some((at, payload))
        })
    }
}

/// Length of the payload of the entry whose frame begins with these bytes, `None` if they are too few or too many.
pub fn payload_len(frame: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(frame.get(..4)?.try_into().ok()?) as usize;
    (1..=BATCH_LEN_MAX).contains(&len).then_some(len)
}

/// The payload of the entry whose frame begins with these bytes and lies at `at`, if it is intact.
///
/// This is how a reader that was given an offset by a client learns whether there is an entry at all.
pub fn verify_entry(frame: &[u8], at: CommitLogOffset) -> Option<&[u8]> {
    let len = payload_len(frame)?;
    let crc = u32::from_le_bytes(frame.get(4..FRAME_LEN)?.try_into().ok()?);
    let payload = frame.get(FRAME_LEN..FRAME_LEN.checked_add(len)?)?;
    (entry_crc(at, payload) == crc).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: CommitLogOffset = CommitLogOffset::new(4096);

    fn batch() -> Batch {
        let mut batch = Batch::new();
        batch.set_time(Timestamp::from_millis(5));
        batch.push(|out| out.extend_from_slice(b"first"));
        batch.push(|out| out.extend_from_slice(b"second entry"));
        batch
    }

    #[test]
    fn a_sealed_batch_is_read_back_entry_by_entry() {
        let mut batch = batch();
        let bytes = batch.seal(AT, CommitLogOffset::new(4000), 3).to_vec();
        let sealed = Sealed::parse(&bytes, AT).expect("an intact batch");
        let header = sealed.header();
        assert_eq!((header.time.millis(), header.term, header.entries), (5, 3, 2));
        assert_eq!((header.synced.get(), header.end().get()), (4000, 4096 + bytes.len() as u64));
        let entries: Vec<_> = sealed.entries().collect();
        assert_eq!(entries, [(AT.plus(56), &b"first"[..]), (AT.plus(56 + 13), &b"second entry"[..])]);
        assert_eq!(verify_entry(&bytes[56..], AT.plus(56)), Some(&b"first"[..]));
    }

    #[test]
    fn the_same_bytes_at_another_place_are_an_old_batch() {
        let bytes = batch().seal(AT, AT, 0).to_vec();
        let elsewhere = CommitLogOffset::new(8192);
        assert_eq!(Sealed::parse(&bytes, elsewhere).unwrap_err(), BatchError::Old { at: elsewhere, found: AT });
    }

    #[test]
    fn old_entries_behind_a_new_header_do_not_pass_for_new_ones() {
        let old = batch().seal(AT, AT, 0).to_vec();
        let elsewhere = CommitLogOffset::new(8192);
        let mut torn = batch().seal(elsewhere, elsewhere, 0).to_vec();
        torn[HEADER_LEN..].copy_from_slice(&old[HEADER_LEN..]);
        assert_eq!(Sealed::parse(&torn, elsewhere).unwrap_err(), BatchError::Entry { at: elsewhere.plus(56) });
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = batch().seal(AT, AT, 0).to_vec();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 0x10;
            assert!(Sealed::parse(&bytes, AT).is_err(), "flipped byte {at}");
            assert!(Sealed::parse(&good[..at], AT).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn zeros_are_an_empty_place_and_not_damage() {
        assert_eq!(BatchHeader::parse(&[0; 64], AT), Err(BatchError::Empty { at: AT }));
        assert_eq!(BatchHeader::parse(&[0; 3], AT), Err(BatchError::Empty { at: AT }));
    }

    #[test]
    fn a_cleared_batch_is_empty_and_gives_surplus_memory_back() {
        let mut batch = batch();
        batch.push(|out| out.resize(out.len() + 100_000, 7));
        batch.clear(1024);
        assert!(batch.is_empty());
        assert_eq!(batch.framed_len(), HEADER_LEN);
        assert!(batch.bytes.capacity() < 100_000);
    }
}
