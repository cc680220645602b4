use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use message::CommitLogOffset;
use message::codec::CodecError;
use message::record::RecordError;
use thiserror::Error;

/// What can go wrong with the index. None of this loses a message: the log has them all.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The operating system refused.
    #[error("index file {path}: {source}")]
    Io {
        /// The file, relative to the data directory.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file does not hold what was written to it.
    #[error("index file {path} is damaged at byte {at}; the index is rebuilt from the log at the next start")]
    Damaged {
        /// The file, relative to the data directory.
        path: String,
        /// Where.
        at: u64,
    },
    /// An entry that this version does not know.
    #[error("the entry at offset {at} cannot be indexed: {source}")]
    Entry {
        /// Where its frame begins.
        at: CommitLogOffset,
        /// What is wrong with it.
        source: CodecError,
    },
    /// An entry without the record it should hold.
    #[error("the record in the entry at offset {at} cannot be indexed: {source}")]
    Record {
        /// Where the entry's frame begins.
        at: CommitLogOffset,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A sync failed earlier: what has reached the disk since is not known, so no checkpoint is written any more.
    #[error("a sync of index files failed earlier; the next start replays the log from the last checkpoint")]
    Unsynced,
    /// Damage was found earlier. The checkpoint was removed, so that the next start rebuilds.
    #[error("damaged index files were found earlier; the next start rebuilds the index from the log")]
    Broken,
    /// A checkpoint that was begun earlier is still being written.
    #[error("the checkpoint before is still being written; begin the next one when it is done")]
    Busy,
}

impl IndexError {
    pub(super) fn io(path: &str, source: io::Error) -> Self {
        IndexError::Io { path: path.to_owned(), source }
    }
}

/// Whether what is on the disk can be built upon. It only gets worse.
#[derive(Debug, Default)]
pub(super) struct Health(AtomicU8);

impl Health {
    const UNSYNCED: u8 = 1;
    const BROKEN: u8 = 2;

    pub fn sync_failed(&self) {
        self.0.fetch_max(Self::UNSYNCED, Ordering::Relaxed);
    }

    pub fn found_damage(&self) {
        self.0.fetch_max(Self::BROKEN, Ordering::Relaxed);
    }

    pub fn check(&self) -> Result<(), IndexError> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            Self::UNSYNCED => Err(IndexError::Unsynced),
            _ => Err(IndexError::Broken),
        }
    }
}
