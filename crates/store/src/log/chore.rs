//! Work that nobody waits for: segments are prepared ahead, and those that retention gave up are recycled.

use std::io;
use std::sync::Arc;

use message::CommitLogOffset;
use thiserror::Error;

use crate::disk::{Disk, DiskFile};

use super::error::is_full;
use super::segment::{DIR, Segment, spare_path, spare_tmp_path};

/// Bytes filled between two syncs: so that a sync of the log that comes in between waits for a few milliseconds at most.
const FILL_STEP: u64 = 4 << 20;

/// A segment that is filled and has no place in the log yet.
pub(super) struct Spare {
    pub(super) number: u64,
    pub(super) file: Arc<dyn DiskFile>,
}

/// One piece of work that [`super::Log::chore`] found to do. May run on any thread, and takes as long as the disk does.
#[must_use = "nothing is prepared or recycled before this has run"]
pub struct Chore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) task: Task,
}

pub(super) enum Task {
    /// Make and fill a spare.
    Prepare { number: u64, size: u64 },
    /// Make a spare of a segment that is not read any more; remove it if `spare` is `None` or its size is another.
    Retire { segment: Arc<Segment>, spare: Option<u64>, size: u64 },
}

/// What came of a [`Chore`], to be handed back to the log.
#[must_use = "the log learns from this what is prepared"]
pub struct ChoreDone {
    pub(super) end: End,
}

pub(super) enum End {
    Prepared(Spare),
    NoRoom,
    Recycled(CommitLogOffset, Spare),
    Removed(CommitLogOffset),
    PrepareFailed { file: String, source: io::Error },
    RetireFailed { segment: Arc<Segment>, source: io::Error },
}

/// What a chore has achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChoreOutcome {
    /// A spare segment has been made.
    Prepared,
    /// There is not enough room on the disk for a spare segment. Ask again in a while, not at once.
    NoRoom,
    /// The segment with this base has become a spare.
    Recycled(CommitLogOffset),
    /// The segment with this base has been removed.
    Removed(CommitLogOffset),
}

/// A chore that the disk did not let happen. The log goes on; say it to the operator.
#[derive(Debug, Error)]
#[error("cannot {doing} {file}: check the disk and its permissions")]
pub struct ChoreError {
    pub(super) doing: &'static str,
    pub(super) file: String,
    pub(super) source: io::Error,
}

impl Chore {
    /// Does it.
    pub fn run(self) -> ChoreDone {
        let disk = &*self.disk;
        let end = match self.task {
            Task::Prepare { number, size } => match prepare(disk, number, size) {
                Ok(Some(file)) => End::Prepared(Spare { number, file }),
                Ok(None) => End::NoRoom,
                Err(source) => End::PrepareFailed { file: spare_tmp_path(number), source },
            },
            Task::Retire { segment, spare, size } => match retire(disk, &segment, spare, size) {
                Ok(Some(spare)) => End::Recycled(segment.base(), spare),
                Ok(None) => End::Removed(segment.base()),
                Err(source) => End::RetireFailed { segment, source },
            },
        };
        ChoreDone { end }
    }
}

/// Fills a new spare, `None` when there is no room for it.
fn prepare(disk: &dyn Disk, number: u64, size: u64) -> io::Result<Option<Arc<dyn DiskFile>>> {
    // As much again stays free, for snapshots and index files: filling a disk to its last byte helps nobody.
    if disk.space()?.free < size.saturating_mul(2) {
        return Ok(None);
    }
    let unfinished = spare_tmp_path(number);
    match fill(disk, &unfinished, number, size) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            // The first error is the one to report; what stays behind is removed when the log is opened.
            let _ = disk.remove(&unfinished);
            if is_full(&error) { Ok(None) } else { Err(error) }
        }
    }
}

fn fill(disk: &dyn Disk, unfinished: &str, number: u64, size: u64) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create_direct(unfinished)?;
    let mut filled = 0;
    while filled < size {
        let to = size.min(filled + FILL_STEP);
        file.write_zeros(filled, to)?;
        file.sync()?;
        filled = to;
    }
    // The name comes last: a spare under its name is filled, whenever the process ends.
    disk.rename(unfinished, &spare_path(number))?;
    disk.sync_dir(DIR)?;
    Ok(file)
}

/// Takes a segment out of the log. The directory is synced before the file may be written again: otherwise a crash could
/// bring the old name back with new bytes under it, which is indistinguishable from damage.
fn retire(disk: &dyn Disk, segment: &Segment, spare: Option<u64>, size: u64) -> io::Result<Option<Spare>> {
    let spare = spare.filter(|_| segment.size() == size);
    let full_size = spare.is_some() && segment.file().len()? == size;
    let Some(number) = spare.filter(|_| full_size) else {
        disk.remove(segment.path())?;
        disk.sync_dir(DIR)?;
        return Ok(None);
    };
    disk.rename(segment.path(), &spare_path(number))?;
    disk.sync_dir(DIR)?;
    Ok(Some(Spare { number, file: Arc::clone(segment.file()) }))
}
