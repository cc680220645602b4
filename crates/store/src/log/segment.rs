//! One file of the log: a header block, then batches.

use std::io;
use std::sync::Arc;

use message::CommitLogOffset;
use message::codec::Put;
use thiserror::Error;

use crate::disk::{Disk, DiskFile};

/// Bytes in front of a segment's first batch: the header and zeros, so that batches begin on a page.
pub const SEGMENT_HEADER_LEN: u64 = 4096;
/// Bytes of the header that mean something.
pub const SEGMENT_HEADER_USED: usize = 32;
/// Directory of the log's files.
pub(crate) const DIR: &str = "log";

const MAGIC: u32 = u32::from_le_bytes(*b"TDS1");
const VERSION: u32 = 1;

/// What a file of `log/` is, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileKind {
    /// `<20 digits>.seg`: the segment whose first byte has this offset.
    Segment(CommitLogOffset),
    /// `spare-<number>.seg`: prepared for later, or used before.
    Spare(u64),
    /// `*.tmp`: what was being made when the process ended. It holds nothing.
    Unfinished,
}

impl FileKind {
    /// What a file with this name is, `None` for one that the log did not write.
    pub(crate) fn of(name: &str) -> Option<FileKind> {
        if name == NEW_NAME || name == ZEROING_NAME {
            return Some(FileKind::Unfinished);
        }
        if let Some(rest) = name.strip_prefix("spare-") {
            let (number, kind) = rest.split_once('.')?;
            let number = decimal(number)?;
            return match kind {
                "seg" => Some(FileKind::Spare(number)),
                "tmp" => Some(FileKind::Unfinished),
                _ => None,
            };
        }
        let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?;
        decimal(digits).map(|base| FileKind::Segment(CommitLogOffset::new(base)))
    }
}

fn decimal(digits: &str) -> Option<u64> {
    if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// A segment that is being made.
const NEW_NAME: &str = "new.tmp";
/// An empty file that is there while a start overwrites the bytes behind the log's end.
pub(super) const ZEROING_NAME: &str = "zeroing.tmp";

/// Path of a segment.
pub(crate) fn segment_path(base: CommitLogOffset) -> String {
    format!("{DIR}/{:020}.seg", base.get())
}

/// Path of a spare segment.
pub(super) fn spare_path(number: u64) -> String {
    format!("{DIR}/spare-{number}.seg")
}

/// Path of a spare segment that is not complete.
pub(super) fn spare_tmp_path(number: u64) -> String {
    format!("{DIR}/spare-{number}.tmp")
}

/// Why a file is not the segment its name says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum HeaderFault {
    #[error("the segment is {len} bytes long and thereby shorter than its header")]
    Short { len: u64 },
    #[error("the segment's header is damaged")]
    Damaged,
    #[error("the segment's header names {found} as its first offset")]
    Base { found: CommitLogOffset },
    #[error("the segment has format version {0}, this program reads version 1")]
    Version(u32),
}

/// The header of a segment: where it begins, and how long the file is once it is filled.
pub(super) fn encode_header(base: CommitLogOffset, size: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(SEGMENT_HEADER_USED);
    header.put_u32(MAGIC);
    header.put_u32(VERSION);
    header.put_u64(base.get());
    header.put_u64(size);
    header.put_u32(0);
    header.put_u32(crc32fast::hash(&header));
    header
}

/// The size that a header names, if it is the header of the segment with this base.
pub(super) fn parse_header(bytes: &[u8], base: CommitLogOffset) -> Result<u64, HeaderFault> {
    let header = bytes.get(..SEGMENT_HEADER_USED).ok_or(HeaderFault::Short { len: bytes.len() as u64 })?;
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
    if u32_at(0) != MAGIC || u32_at(28) != crc32fast::hash(&header[..28]) {
        return Err(HeaderFault::Damaged);
    }
    if u32_at(4) != VERSION {
        return Err(HeaderFault::Version(u32_at(4)));
    }
    let (found, size) = (CommitLogOffset::new(u64_at(8)), u64_at(16));
    if found != base {
        return Err(HeaderFault::Base { found });
    }
    // Larger ones would overflow sums further on; no such file exists.
    if !(SEGMENT_HEADER_LEN..=1 << 48).contains(&size) {
        return Err(HeaderFault::Damaged);
    }
    Ok(size)
}

/// An open segment.
pub(crate) struct Segment {
    path: String,
    base: CommitLogOffset,
    size: u64,
    file: Arc<dyn DiskFile>,
}

impl Segment {
    pub(super) fn new(base: CommitLogOffset, size: u64, file: Arc<dyn DiskFile>) -> Self {
        Segment { path: segment_path(base), base, size, file }
    }

    /// Makes the segment that begins at `base`, filled up to the position `filled` and growing from there to `size`.
    ///
    /// It appears under its name only when it is complete, and not durably: until something in it has been synced it
    /// may be torn after a crash, which recovery takes for the torn tail that it is.
    pub(crate) fn create(disk: &dyn Disk, base: CommitLogOffset, size: u64, filled: u64) -> io::Result<Self> {
        let unfinished = format!("{DIR}/{NEW_NAME}");
        let file = disk.create_direct(&unfinished)?;
        let segment = Segment::new(base, size, file);
        let made = segment
            .file
            .write_at(&encode_header(base, size), 0)
            .and_then(|()| segment.file.write_zeros(SEGMENT_HEADER_USED as u64, filled))
            .and_then(|()| disk.rename(&unfinished, &segment.path));
        match made {
            Ok(()) => Ok(segment),
            Err(error) => {
                // The first error is the one to report. On a full disk what stays behind would take the last bytes.
                let _ = disk.remove(&unfinished);
                Err(error)
            }
        }
    }

    /// Writes its header anew and syncs it.
    pub(crate) fn rewrite_header(&self) -> io::Result<()> {
        if self.file.len()? < SEGMENT_HEADER_LEN {
            self.file.set_len(SEGMENT_HEADER_LEN)?;
        }
        self.file.write_at(&encode_header(self.base, self.size), 0)?;
        self.file.sync()
    }

    /// File, relative to the data directory.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Offset of its first batch.
    pub(crate) fn base(&self) -> CommitLogOffset {
        self.base
    }

    /// Length of its file once it is filled.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The offset behind the last byte it can hold.
    pub(crate) fn capacity_end(&self) -> CommitLogOffset {
        self.base.plus(self.size - SEGMENT_HEADER_LEN)
    }

    /// Position in the file of this offset.
    pub(crate) fn position(&self, at: CommitLogOffset) -> u64 {
        SEGMENT_HEADER_LEN + (at.get() - self.base.get())
    }

    pub(crate) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let base = CommitLogOffset::new(4242);
        assert_eq!(segment_path(base), "log/00000000000000004242.seg");
        assert_eq!(FileKind::of("00000000000000004242.seg"), Some(FileKind::Segment(base)));
        assert_eq!(FileKind::of("spare-7.seg"), Some(FileKind::Spare(7)));
        assert_eq!(FileKind::of("spare-7.tmp"), Some(FileKind::Unfinished));
        assert_eq!(FileKind::of("new.tmp"), Some(FileKind::Unfinished));
        for foreign in ["4242.seg", "+0000000000000004242.seg", "spare-.seg", "spare-x.seg", "a", ".swp", "spare-1.bak"]
        {
            assert_eq!(FileKind::of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_header_is_read_back_and_every_flipped_bit_in_it_is_noticed() {
        let base = CommitLogOffset::new(77);
        let header = encode_header(base, 1 << 20);
        assert_eq!(parse_header(&header, base), Ok(1 << 20));
        for at in 0..header.len() {
            let mut bytes = header.clone();
            bytes[at] ^= 4;
            assert_eq!(parse_header(&bytes, base), Err(HeaderFault::Damaged), "byte {at}");
            assert_eq!(parse_header(&header[..at], base), Err(HeaderFault::Short { len: at as u64 }));
        }
        assert_eq!(parse_header(&header, CommitLogOffset::ZERO), Err(HeaderFault::Base { found: base }));
    }
}
