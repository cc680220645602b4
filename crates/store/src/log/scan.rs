//! Reading a segment from end to end: batch by batch, or in search of the next batch behind damage.

use std::io;
use std::sync::LazyLock;

use message::CommitLogOffset;
use message::batch::{Batch, BatchError, BatchHeader, HEADER_LEN, Sealed};
use thiserror::Error;

use super::segment::Segment;

/// Bytes read at a time: large enough for a disk's full rate, small beside everything else in memory.
const READ_LEN: usize = 1 << 20;

/// Why no further batch could be read.
#[derive(Debug, Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("the batch is {len} bytes long and would reach beyond its segment")]
    Overlong { len: u32 },
    #[error("the batch names {synced} as synced, which lies behind it")]
    Synced { synced: CommitLogOffset },
    #[error("cannot read: {0}")]
    Io(#[from] io::Error),
}

impl ScanError {
    /// Whether a batch was certainly written there, and not just nothing, or something else before.
    pub(crate) fn is_torn(&self) -> bool {
        match self {
            ScanError::Batch(BatchError::Empty { .. } | BatchError::Header { .. } | BatchError::Old { .. }) => false,
            ScanError::Batch(BatchError::Entry { .. } | BatchError::Version { .. }) => true,
            ScanError::Overlong { .. } | ScanError::Synced { .. } | ScanError::Io(_) => true,
        }
    }
}

/// Reads batches of one segment one behind the other.
pub(crate) struct Scanner<'a> {
    segment: &'a Segment,
    at: CommitLogOffset,
    limit: CommitLogOffset,
    buf: Vec<u8>,
    /// Position in the file of the first byte in `buf`.
    buf_at: u64,
}

impl<'a> Scanner<'a> {
    /// Reads from the batch at `from` to `limit`, which is at most the segment's end.
    pub(crate) fn new(segment: &'a Segment, from: CommitLogOffset, limit: CommitLogOffset) -> Self {
        debug_assert!(segment.base() <= from && limit <= segment.capacity_end());
        Scanner { segment, at: from, limit, buf: Vec::new(), buf_at: segment.position(from) }
    }

    /// Where the next batch begins, or what stopped the scan stands.
    pub(crate) fn at(&self) -> CommitLogOffset {
        self.at
    }

    /// The next batch, `None` at the limit.
    pub(crate) fn next(&mut self) -> Result<Option<Sealed<'_>>, ScanError> {
        if self.at >= self.limit {
            return Ok(None);
        }
        self.fill(HEADER_LEN)?;
        let header = BatchHeader::parse(self.ahead(), self.at)?;
        if header.end() > self.limit {
            return Err(ScanError::Overlong { len: header.len });
        }
        if header.synced > header.offset {
            return Err(ScanError::Synced { synced: header.synced });
        }
        self.fill(header.len as usize)?;
        let at = self.at;
        let from = self.skipped();
        let sealed = Sealed::parse(&self.buf[from..], at)?;
        self.at = header.end();
        Ok(Some(sealed))
    }

    /// Bytes of `buf` that lie before the next batch.
    fn skipped(&self) -> usize {
        (self.segment.position(self.at) - self.buf_at) as usize
    }

    fn ahead(&self) -> &[u8] {
        &self.buf[self.skipped()..]
    }

    /// Makes `needed` bytes from the next batch on available; fewer only where the limit or the file ends.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        let skipped = self.skipped();
        if self.buf.len() - skipped >= needed {
            return Ok(());
        }
        self.buf.drain(..skipped);
        self.buf_at += skipped as u64;
        let left = self.segment.position(self.limit) - self.buf_at;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(needed.max(READ_LEN));
        let have = self.buf.len();
        if wanted > have {
            self.buf.resize(wanted, 0);
            let read = self.segment.file().read_at(&mut self.buf[have..], self.buf_at + have as u64)?;
            self.buf.truncate(have + read);
        }
        Ok(())
    }
}

/// The bytes with which every batch header begins.
static MAGIC: LazyLock<[u8; 4]> = LazyLock::new(|| {
    let mut batch = Batch::new();
    let header = batch.seal(CommitLogOffset::ZERO, CommitLogOffset::ZERO, 0);
    header[..4].try_into().expect("a header is longer than its magic")
});

/// Looks at every byte from `from` to `limit` for an intact batch header of that place, until `stop` says so.
///
/// Headers of recycled bytes name other places and are passed over. Whether entries are intact is not looked at.
pub(crate) fn search(
    segment: &Segment,
    from: CommitLogOffset,
    limit: CommitLogOffset,
    mut stop: impl FnMut(&BatchHeader) -> bool,
) -> io::Result<Option<BatchHeader>> {
    let mut at = from;
    let mut buf = Vec::new();
    while at < limit {
        let wanted = (limit.get() - at.get()).min(READ_LEN as u64) as usize;
        buf.resize(wanted, 0);
        let read = segment.file().read_at(&mut buf, segment.position(at))?;
        buf.truncate(read);
        if read < HEADER_LEN {
            return Ok(None);
        }
        // A header that the buffer cuts is looked at in the next one.
        let whole = read - HEADER_LEN + 1;
        for index in candidates(&buf, whole) {
            let place = at.plus(index as u64);
            if let Ok(header) = BatchHeader::parse(&buf[index..], place)
                && stop(&header)
            {
                return Ok(Some(header));
            }
        }
        at = at.plus(whole as u64);
    }
    Ok(None)
}

/// Indexes below `end` at which the magic number stands.
fn candidates(bytes: &[u8], end: usize) -> impl Iterator<Item = usize> {
    let magic = *MAGIC;
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < end {
            // Most of a segment that is not full is zeros, and slices are compared many bytes at a time.
            let zeros = &crate::disk::ZEROS[..4096.min(end - from)];
            if bytes[from..].starts_with(zeros) {
                from += zeros.len();
                continue;
            }
            let piece = &bytes[from..end.min(from + 4096)];
            let Some(found) = piece.iter().position(|b| *b == magic[0]) else {
                from += piece.len();
                continue;
            };
            from += found + 1;
            if bytes[from - 1..].starts_with(&magic) {
                return Some(from - 1);
            }
        }
        None
    })
}
