//! Reading the log: by offset, and batch by batch.

use std::ops::ControlFlow;
use std::sync::Arc;

use message::CommitLogOffset;
use message::batch::{FRAME_LEN, Sealed, payload_len, verify_entry};

use super::error::{Damage, ReadError};
use super::scan::{ScanError, Scanner, search};
use super::segment::Segment;

/// Bytes read to begin with when the length of an entry is not known: most entries are shorter.
const FIRST_READ: u64 = 4096;

/// The log as it was at one moment, for any thread to read while its owner goes on. Cheap to clone.
///
/// A segment that a view holds is not recycled, so whoever keeps a view for long keeps disk space.
#[derive(Clone)]
pub struct LogView {
    pub(super) segments: Arc<Vec<Arc<Segment>>>,
    pub(super) end: CommitLogOffset,
}

impl LogView {
    /// Offset of the first batch.
    pub fn start(&self) -> CommitLogOffset {
        self.segments[0].base()
    }

    /// Offset behind the last byte written when the view was made, synced or not.
    pub fn end(&self) -> CommitLogOffset {
        self.end
    }

    /// Appends `len` raw bytes from `at` on to `out`: a record or a frame, which never span segments.
    ///
    /// # Errors
    /// As [`LogView::read_at`]. `out` is then as it was.
    pub fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        // Before there is room for them: the length may be anything.
        self.locate_whole(at, len)?;
        let before = out.len();
        out.resize(before + len, 0);
        self.read_at(at, &mut out[before..]).inspect_err(|_| out.truncate(before))
    }

    /// Fills `to` with raw bytes from `at` on, which must not span segments.
    ///
    /// # Errors
    /// See [`ReadError`]; bytes that lie in two segments are [`ReadError::NoEntry`]. What is in `to` then means nothing.
    /// Checksums are not compared.
    pub fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        let segment = self.locate_whole(at, to.len())?;
        match read_at(segment, at, to)? {
            count if count == to.len() => Ok(()),
            count => {
                let found = format!("the file ends {} bytes too early", to.len() - count);
                Err(ReadError::Damaged(damage(segment, at, found, None)))
            }
        }
    }

    /// The payload of the entry whose frame begins at `at`, a place that the caller knows from the log itself.
    ///
    /// # Errors
    /// See [`ReadError`]. An entry that is not intact is [`ReadError::Damaged`].
    pub fn read_entry(&self, at: CommitLogOffset) -> Result<Vec<u8>, ReadError> {
        match self.find_entry(at, usize::MAX) {
            Err(ReadError::NoEntry { .. }) => {
                let (segment, _) = self.locate(at, 0)?;
                let found = "an entry should begin here, and none that is intact does".to_owned();
                Err(ReadError::Damaged(damage(segment, at, found, None)))
            }
            other => other,
        }
    }

    /// The payload of the entry whose frame begins at `at`, a place that somebody else named.
    ///
    /// `len_max` limits what a made-up offset costs: the checksum of that many bytes.
    ///
    /// # Errors
    /// See [`ReadError`]. [`ReadError::NoEntry`] when no intact entry of at most `len_max` bytes begins there.
    pub fn find_entry(&self, at: CommitLogOffset, len_max: usize) -> Result<Vec<u8>, ReadError> {
        let no_entry = ReadError::NoEntry { at };
        let (segment, end) = self.locate(at, FRAME_LEN as u64 + 1)?;
        let room = end.get() - at.get();
        let mut frame = vec![0; room.min(FIRST_READ) as usize];
        let read = read_at(segment, at, &mut frame)?;
        frame.truncate(read);
        let Some(payload) = payload_len(&frame).filter(|len| *len <= len_max) else {
            return Err(no_entry);
        };
        let whole = FRAME_LEN + payload;
        if whole as u64 > room {
            return Err(no_entry);
        }
        if whole > frame.len() {
            let have = frame.len();
            frame.resize(whole, 0);
            let read = read_at(segment, at.plus(have as u64), &mut frame[have..])?;
            frame.truncate(have + read);
        }
        if verify_entry(&frame, at).is_none() {
            return Err(no_entry);
        }
        frame.truncate(whole);
        frame.drain(..FRAME_LEN);
        Ok(frame)
    }

    /// Shows every batch from the one at `from` to `to` in order, until `visit` breaks off. Reads a megabyte at a time.
    ///
    /// `from` and `to` are where batches begin or end. Returns where the batch behind the last one shown begins.
    ///
    /// # Errors
    /// See [`ReadError`]. [`ReadError::Damaged`] where a batch is not intact: [`LogView::next_batch`] says where to go
    /// on.
    pub fn for_each_batch(
        &self,
        from: CommitLogOffset,
        to: CommitLogOffset,
        mut visit: impl FnMut(Sealed<'_>) -> ControlFlow<()>,
    ) -> Result<CommitLogOffset, ReadError> {
        if to > self.end {
            return Err(ReadError::BeyondEnd { at: to, end: self.end });
        }
        let mut at = from;
        while at < to {
            let (segment, end) = self.locate(at, 1)?;
            let mut scanner = Scanner::new(segment, at, end.min(to));
            loop {
                match scanner.next() {
                    Ok(Some(batch)) => {
                        if visit(batch).is_break() {
                            return Ok(scanner.at());
                        }
                    }
                    Ok(None) => break,
                    Err(ScanError::Io(source)) => return Err(io_error(segment, scanner.at(), source)),
                    Err(other) => {
                        let next = self.next_batch(scanner.at().plus(1))?;
                        return Err(ReadError::Damaged(damage(segment, scanner.at(), other.to_string(), next)));
                    }
                }
            }
            at = scanner.at();
        }
        Ok(at)
    }

    /// Where the first batch at or behind `from` begins, `None` if there is none: how to go on behind damage.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_batch(&self, from: CommitLogOffset) -> Result<Option<CommitLogOffset>, ReadError> {
        let mut at = from.max(self.start());
        while at < self.end {
            let (segment, end) = self.locate(at, 0)?;
            match search(segment, at, end, |_| true) {
                Ok(Some(header)) => return Ok(Some(header.offset)),
                Ok(None) => at = end,
                Err(source) => return Err(io_error(segment, at, source)),
            }
        }
        Ok(None)
    }

    /// The segment in which all of these bytes lie.
    fn locate_whole(&self, at: CommitLogOffset, len: usize) -> Result<&Segment, ReadError> {
        let (segment, end) = self.locate(at, len as u64)?;
        match end.get() - at.get() < len as u64 {
            true => Err(ReadError::NoEntry { at }),
            false => Ok(segment),
        }
    }

    /// The segment in which `at` lies and where its last batch ends, if `len` bytes follow in the log.
    fn locate(&self, at: CommitLogOffset, len: u64) -> Result<(&Arc<Segment>, CommitLogOffset), ReadError> {
        let start = self.start();
        if at < start {
            return Err(ReadError::BelowStart { at, start });
        }
        if self.end < at || self.end.get() - at.get() < len {
            return Err(ReadError::BeyondEnd { at, end: self.end });
        }
        let next = self.segments.partition_point(|segment| segment.base() <= at);
        let end = self.segments.get(next).map_or(self.end, |segment| segment.base());
        Ok((&self.segments[next - 1], end))
    }
}

fn read_at(segment: &Segment, at: CommitLogOffset, buf: &mut [u8]) -> Result<usize, ReadError> {
    segment.file().read_at(buf, segment.position(at)).map_err(|source| io_error(segment, at, source))
}

fn io_error(segment: &Segment, at: CommitLogOffset, source: std::io::Error) -> ReadError {
    ReadError::Io { file: segment.path().to_owned(), position: segment.position(at), source }
}

/// Damage at this place of a segment.
pub(super) fn damage(segment: &Segment, at: CommitLogOffset, found: String, next: Option<CommitLogOffset>) -> Damage {
    Damage { file: segment.path().to_owned(), position: segment.position(at), offset: at, found, next }
}
