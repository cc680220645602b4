use message::CommitLogOffset;
use thiserror::Error;

use crate::index::IndexError;
use crate::log::{self, Log, LogView};

/// Where the bytes of records come from: the log.
pub trait RecordSource {
    /// Appends `len` bytes from an offset on, as they lie in the log.
    ///
    /// # Errors
    /// [`ReadError::Outside`] when they are not in the log, or not in one piece; no record or entry is in two.
    /// [`ReadError::Log`] when the log cannot be read. Nothing is appended then.
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError>;

    /// Fills `to` with the bytes from an offset on.
    ///
    /// # Errors
    /// As [`RecordSource::read`]. After [`ReadError::Outside`] `to` is as it was, after any other what is in it means nothing.
    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError>;

    /// What was read there is not what was stored: what is kept of it in memory is not to be shown again.
    fn distrust(&self, _at: CommitLogOffset, _len: usize) {}
}

impl RecordSource for LogView {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        LogView::read(self, at, len, out).map_err(|error| from_log(error, at, len))
    }

    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        LogView::read_at(self, at, to).map_err(|error| from_log(error, at, to.len()))
    }
}

impl RecordSource for Log {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        Log::read(self, at, len, out).map_err(|error| from_log(error, at, len))
    }

    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        Log::read_at(self, at, to).map_err(|error| from_log(error, at, to.len()))
    }
}

fn from_log(error: log::ReadError, at: CommitLogOffset, len: usize) -> ReadError {
    match error {
        log::ReadError::BelowStart { .. } | log::ReadError::BeyondEnd { .. } | log::ReadError::NoEntry { .. } => {
            ReadError::Outside { at, len }
        }
        log::ReadError::Damaged(_) | log::ReadError::Io { .. } => ReadError::Log(error),
    }
}

/// Why a message could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Those bytes are not in the log: expired, or never written.
    #[error("{len} bytes from offset {at} on are not in the log")]
    Outside {
        /// First byte asked for.
        at: CommitLogOffset,
        /// How many.
        len: usize,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(log::ReadError),
    /// The index points at something else.
    #[error("there is no record at offset {at}, where the index says; delete the directory index and start again")]
    NoRecord {
        /// Where.
        at: CommitLogOffset,
    },
    /// A bit of the record has changed since it was stored.
    #[error("the record at offset {at} is damaged: it is not as it was stored; run `tandem store verify`")]
    Damaged {
        /// Where.
        at: CommitLogOffset,
    },
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}
