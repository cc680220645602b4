//! The commit log: every durable fact in the order in which it happened, in segment files of `log/`.
//!
//! The log has one owner, who appends batches, has them synced and learns how far the log is durable. Whatever takes
//! long is handed out as a job that may run on another thread and is handed back: a [`SyncJob`] makes durable what was
//! written, a [`Chore`] prepares segments ahead or recycles old ones. A [`LogView`] lets other threads read.
//!
//! A failed write or sync poisons the log: nobody knows what is on the disk then, and a second sync that succeeds would
//! say nothing about the bytes of the first. A full disk does not poison it, for segments are filled before they are
//! used: what is prepared can be written whatever happens. `docs/format.md` draws the bytes.
//!
//! ```
//! use std::sync::Arc;
//! use message::{CommitLogOffset, batch::Batch};
//! use store::disk::{Disk, FakeDisk};
//! use store::log::{Log, LogConfig};
//!
//! let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new(1));
//! let (mut log, recovery) = Log::open(disk, LogConfig::default(), CommitLogOffset::ZERO)?;
//! assert_eq!(recovery.end, CommitLogOffset::ZERO);
//! let mut batch = Batch::new();
//! let frame = batch.push(|payload| payload.extend_from_slice(b"a fact"));
//! let at = log.append(&mut batch)?;
//! assert_eq!(log.sync()?, log.written());
//! assert_eq!(log.read_entry(at.plus(frame as u64))?, b"a fact");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chore;
mod error;
mod files;
mod recovery;
mod retention;
mod room;
mod scan;
mod segment;
mod sync;
mod tail;
mod view;

pub use chore::{Chore, ChoreDone, ChoreError, ChoreOutcome};
pub use error::{AppendError, Damage, OpenError, Poisoned, ReadError};
pub use recovery::{CutReport, Recovery};
pub use retention::SegmentInfo;
pub use segment::{SEGMENT_HEADER_LEN, SEGMENT_HEADER_USED};
pub use sync::{SyncDone, SyncJob};
pub use view::LogView;

pub(crate) use error::is_full;
pub(crate) use files::Files;
pub(crate) use scan::{ScanError, Scanner, search};
pub(crate) use segment::{DIR, Segment};

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use message::batch::{BATCH_LEN_MAX, Batch};
use message::{CommitLogOffset, Timestamp};

use crate::disk::Disk;
use chore::Spare;

/// Sizes of the log.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Length of a segment file in bytes: a multiple of 4096, at least 8192. Opening the log reads, and may overwrite
    /// with zeros, up to one segment. Segments of another size stay as they are until they are dropped.
    pub segment_size: u64,
    /// Segments kept filled ahead of the writer: what can still be written when the disk is full.
    pub spare_segments: usize,
    /// Bytes by which a segment grows that nobody prepared: the first of a log, and one begun on a disk without room
    /// for a whole one.
    pub growth: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig { segment_size: 128 << 20, spare_segments: 2, growth: 1 << 20 }
    }
}

impl LogConfig {
    /// Longest batch that fits into a segment, framed, in bytes.
    pub fn batch_len_max(&self) -> u64 {
        (self.segment_size - SEGMENT_HEADER_LEN).min(BATCH_LEN_MAX as u64)
    }

    fn check(&self) -> Result<(), OpenError> {
        if self.segment_size.is_multiple_of(4096) && (8192..=1 << 40).contains(&self.segment_size) {
            return Ok(());
        }
        Err(OpenError::Config { segment_size: self.segment_size })
    }
}

/// The commit log, held by its one owner.
///
/// Invariant: `start <= synced <= written`.
pub struct Log {
    disk: Arc<dyn Disk>,
    config: LogConfig,
    /// All segments, the last of which is written to, and the end of what is written.
    view: LogView,
    /// Position in the last segment's file up to which its bytes are allocated.
    filled: u64,
    synced: CommitLogOffset,
    last_time: Option<Timestamp>,
    /// Time of the first batch of each segment that has one.
    first_times: BTreeMap<CommitLogOffset, Timestamp>,
    /// Segments written to since the last sync began.
    unsynced: Vec<Arc<Segment>>,
    dir_unsynced: bool,
    syncing: bool,
    spares: VecDeque<Spare>,
    next_spare: u64,
    /// Segments that retention gave up and whose files are not free yet, oldest first.
    retired: VecDeque<Arc<Segment>>,
    retire_failed: bool,
    chore_out: bool,
    disk_full: bool,
    poisoned: Option<Poisoned>,
}

impl Log {
    /// Opens the log in `log/` of this disk, making one if there is none, and checks every batch from `from` on.
    ///
    /// `from` is where the last snapshot stands: the beginning or end of a batch, known to be durable. A torn tail is
    /// cut off. When this returns, all of the log is durable, and behind its end there are zeros.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(disk: Arc<dyn Disk>, config: LogConfig, from: CommitLogOffset) -> Result<(Log, Recovery), OpenError> {
        config.check()?;
        let recovered = recovery::recover(&*disk, &config, from)?;
        let recovery = recovered.recovery;
        let log = Log {
            disk,
            config,
            view: LogView { segments: Arc::new(recovered.segments), end: recovery.end },
            filled: recovered.filled,
            synced: recovery.end,
            last_time: recovery.last_time,
            first_times: recovered.first_times,
            unsynced: Vec::new(),
            dir_unsynced: false,
            syncing: false,
            next_spare: recovered.spares.iter().map(|spare| spare.number + 1).max().unwrap_or(0),
            spares: recovered.spares.into(),
            retired: VecDeque::new(),
            retire_failed: false,
            chore_out: false,
            disk_full: false,
            poisoned: None,
        };
        Ok((log, recovery))
    }

    /// Offset of the first byte that is kept.
    pub fn start(&self) -> CommitLogOffset {
        self.view.start()
    }

    /// Offset behind the last byte that is known to be durable.
    pub fn synced(&self) -> CommitLogOffset {
        self.synced
    }

    /// Offset behind the last byte written: where the next batch goes.
    pub fn written(&self) -> CommitLogOffset {
        self.view.end
    }

    /// Longest batch that can be appended, framed, in bytes.
    pub fn batch_len_max(&self) -> u64 {
        self.config.batch_len_max()
    }

    /// Seals a batch and writes it behind the last one. Returns where it begins: its frames lie that much further than
    /// [`Batch::push`] said.
    ///
    /// # Errors
    /// See [`AppendError`]. After [`AppendError::Full`] and [`AppendError::TooLong`] nothing has happened.
    ///
    /// # Panics
    /// When the batch is empty or its time is before the last one's.
    pub fn append(&mut self, batch: &mut Batch) -> Result<CommitLogOffset, AppendError> {
        assert!(!batch.is_empty(), "an empty batch");
        let time = batch.time();
        assert!(self.last_time <= Some(time), "time goes back from {:?} to {time:?}", self.last_time);
        if let Some(poisoned) = &self.poisoned {
            return Err(poisoned.clone().into());
        }
        let len = batch.framed_len() as u64;
        if len > self.batch_len_max() {
            return Err(AppendError::TooLong { len, max: self.batch_len_max() });
        }
        self.make_room(len)?;
        let at = self.view.end;
        batch.seal(at, self.synced, 0);
        let segment = Arc::clone(self.active());
        // Whole units: of a page that is written in part, and is not in the page cache, the system would read the rest
        // first. On a segment that is used again that was a read for each batch, and half as much time again for its
        // sync. What is overwritten with zeros is behind the log's end.
        let from = segment.position(at);
        let zeros = (from + len).next_multiple_of(segment.file().write_unit()).min(self.filled) - (from + len);
        if let Err(error) = batch.with_zeros(zeros as usize, |bytes| segment.file().write_at(bytes, from)) {
            return Err(self.poison("write to", segment.path(), &error).into());
        }
        self.view.end = at.plus(len);
        self.last_time = Some(time);
        self.first_times.entry(segment.base()).or_insert(time);
        if self.unsynced.last().is_none_or(|last| last.base() != segment.base()) {
            self.unsynced.push(segment);
        }
        Ok(at)
    }

    fn active(&self) -> &Arc<Segment> {
        self.view.segments.last().expect("a log has at least one segment")
    }

    fn poison(&mut self, doing: &str, file: &str, error: &io::Error) -> Poisoned {
        let poisoned = Poisoned { why: format!("{doing} {file}: {error}").into() };
        self.poisoned = Some(poisoned.clone());
        poisoned
    }

    /// Why the log takes no writes any more, if so.
    pub fn poisoned(&self) -> Option<&Poisoned> {
        self.poisoned.as_ref()
    }

    /// What is to be done so that everything written so far is durable. `None` when it is, when such a job is under way,
    /// or when the log is poisoned.
    pub fn begin_sync(&mut self) -> Option<SyncJob> {
        if self.syncing || self.poisoned.is_some() || self.synced == self.view.end {
            return None;
        }
        self.syncing = true;
        Some(SyncJob {
            segments: std::mem::take(&mut self.unsynced),
            dir: std::mem::take(&mut self.dir_unsynced).then(|| Arc::clone(&self.disk)),
            up_to: self.view.end,
        })
    }

    /// Takes a job back and returns the offset behind the last byte known to be durable.
    ///
    /// # Errors
    /// When the job failed: the log is poisoned then. A write that failed in the meantime poisons the log too, but takes
    /// nothing away from what the job has made durable.
    ///
    /// # Panics
    /// When no job is under way.
    pub fn finish_sync(&mut self, done: SyncDone) -> Result<CommitLogOffset, Poisoned> {
        assert!(self.syncing, "no sync is under way");
        self.syncing = false;
        if let Err((file, error)) = done.result {
            return Err(self.poison("sync", &file, &error));
        }
        assert!(self.synced <= done.up_to && done.up_to <= self.view.end, "{} was never written", done.up_to);
        self.synced = done.up_to;
        Ok(self.synced)
    }

    /// Makes everything written durable, here and now.
    ///
    /// # Errors
    /// When the log is poisoned, or becomes so.
    ///
    /// # Panics
    /// When a job is under way.
    pub fn sync(&mut self) -> Result<CommitLogOffset, Poisoned> {
        assert!(!self.syncing, "a sync is under way");
        match self.begin_sync() {
            Some(job) => self.finish_sync(job.run()),
            None => self.poisoned.clone().map_or(Ok(self.synced), Err),
        }
    }

    /// See [`LogView::read`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.view.read(at, len, out)
    }

    /// See [`LogView::read_at`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        self.view.read_at(at, to)
    }

    /// See [`LogView::read_entry`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_entry(&self, at: CommitLogOffset) -> Result<Vec<u8>, ReadError> {
        self.view.read_entry(at)
    }

    /// The log as it is now, for other threads to read.
    pub fn view(&self) -> LogView {
        self.view.clone()
    }
}

#[cfg(test)]
mod tests;
