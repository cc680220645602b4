//! What can go wrong with the log, and what its reader can do about it.

use std::fmt;
use std::io;
use std::sync::Arc;

use message::CommitLogOffset;
use thiserror::Error;

/// A place in the log that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// File, relative to the data directory.
    pub file: String,
    /// Position in the file, in bytes.
    pub position: u64,
    /// Offset in the log.
    pub offset: CommitLogOffset,
    /// What stands there.
    pub found: String,
    /// Where the next intact batch begins, if any.
    pub next: Option<CommitLogOffset>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {} (log offset {}): {}; ", self.file, self.position, self.offset, self.found)?;
        match self.next {
            Some(next) => write!(f, "readable again from log offset {next} on"),
            None => write!(f, "nothing behind it is readable"),
        }
    }
}

/// Why a log could not be opened. Nothing was changed, unless it is [`OpenError::Io`].
#[derive(Debug, Error)]
pub enum OpenError {
    /// A size in the configuration makes no sense.
    #[error("a segment size of {segment_size} bytes cannot be used: choose a multiple of 4096, at least 8192")]
    Config {
        /// The configured size.
        segment_size: u64,
    },
    /// A file that the log did not write.
    #[error("{file} is not a file of the log: move it out of the data directory")]
    Foreign {
        /// The file.
        file: String,
    },
    /// Written by a newer version of this program.
    #[error("{file} has format version {version}, this program reads version 1: start the version that wrote it")]
    NewerVersion {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// No segment holds these offsets.
    #[error(
        "the log has no segment for offsets {from} to {to}: restore the missing file in log/ from a copy, or run \
         `tandem store verify` and `tandem store repair`"
    )]
    Missing {
        /// First missing offset.
        from: CommitLogOffset,
        /// Offset behind the missing ones.
        to: CommitLogOffset,
    },
    /// Bytes that were durable are not readable any more.
    #[error(
        "the log is damaged: {damage}; everything below offset {synced} had been made durable, so nothing is cut off: \
         restore the file from a copy, or run `tandem store verify` and `tandem store repair`"
    )]
    Damaged {
        /// Where, and what was found.
        damage: Damage,
        /// All bytes below were made durable once.
        synced: CommitLogOffset,
    },
    /// The disk failed.
    #[error("cannot {doing} {file}: check the disk, its free space and its permissions")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl OpenError {
    /// For `map_err`: a failure of the disk.
    pub(super) fn io(doing: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
        let file = file.into();
        move |source| OpenError::Io { doing, file, source }
    }
}

/// A write or sync failed, so that nobody knows what is on the disk. The log takes no writes until it is opened again.
#[derive(Clone, Debug, Error)]
#[error("the log takes no writes any more, because it could not {why}: restart to recover what is durable")]
pub struct Poisoned {
    pub(super) why: Arc<str>,
}

/// Why a batch was not appended. Nothing of it is in the log.
#[derive(Debug, Error)]
pub enum AppendError {
    /// Make smaller batches.
    #[error("a batch of {len} bytes does not fit into a segment, which holds {max}")]
    TooLong {
        /// Its framed length.
        len: u64,
        /// The longest there may be.
        max: u64,
    },
    /// Try again when there is room: the log itself is well.
    #[error("there is no prepared room for {needed} bytes, and the disk is full: free some space")]
    Full {
        /// Framed length of the batch.
        needed: u64,
    },
    /// Restart.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Why bytes of the log were not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// What was there has been dropped by retention.
    #[error("offset {at} lies below the log's start {start}")]
    BelowStart {
        /// What was asked for.
        at: CommitLogOffset,
        /// Where the log begins.
        start: CommitLogOffset,
    },
    /// Nothing has been written there yet.
    #[error("offset {at} and what was asked for from there reach beyond the log's end {end}")]
    BeyondEnd {
        /// What was asked for.
        at: CommitLogOffset,
        /// Where the log ends.
        end: CommitLogOffset,
    },
    /// No entry begins there: the offset was made up.
    #[error("no entry begins at offset {at}")]
    NoEntry {
        /// What was asked for.
        at: CommitLogOffset,
    },
    /// What was written there is not what stands there now.
    #[error("the log is damaged: {0}: run `tandem store verify`")]
    Damaged(Damage),
    /// The disk failed.
    #[error("cannot read {file} at position {position}")]
    Io {
        /// File, relative to the data directory.
        file: String,
        /// Position in the file, in bytes.
        position: u64,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Whether a disk said that it is full, which passes, and not that it is broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
