//! Making what was written durable, on this thread or another.

use std::io;
use std::sync::Arc;

use message::CommitLogOffset;

use crate::disk::Disk;

use super::segment::{DIR, Segment};

/// Syncs everything that was written when [`super::Log::begin_sync`] made it. May run on any thread.
#[must_use = "what was written is durable once this has run"]
pub struct SyncJob {
    pub(super) segments: Vec<Arc<Segment>>,
    /// Set when a segment was added: its name must be durable too.
    pub(super) dir: Option<Arc<dyn Disk>>,
    pub(super) up_to: CommitLogOffset,
}

/// What came of a [`SyncJob`], to be handed back to the log.
#[must_use = "the log learns from this what is durable"]
pub struct SyncDone {
    pub(super) up_to: CommitLogOffset,
    /// What could not be synced and why.
    pub(super) result: Result<(), (String, io::Error)>,
}

impl SyncJob {
    /// Syncs. This is where the time goes: a tenth of a millisecond on a fast disk, many on a busy one.
    pub fn run(self) -> SyncDone {
        SyncDone { up_to: self.up_to, result: self.sync() }
    }

    fn sync(&self) -> Result<(), (String, io::Error)> {
        for segment in &self.segments {
            segment.file().sync().map_err(|error| (segment.path().to_owned(), error))?;
        }
        match &self.dir {
            Some(disk) => disk.sync_dir(DIR).map_err(|error| (format!("{DIR}/"), error)),
            None => Ok(()),
        }
    }
}
