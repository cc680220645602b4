use message::{CommitLogOffset, QueueOffset};
use thiserror::Error;

use crate::half::HalfView;

use super::Ledger;

/// Why a decision does not fit the half it names. It changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// Decided before, or no half at all: the log knows, memory does not.
    #[error(
        "no undecided transaction at commit log offset {half}; it was decided before, or quote the offset in the msgId \
         that the half was answered with"
    )]
    NotPending {
        /// The offset quoted.
        half: CommitLogOffset,
    },
    /// Another producer group's half.
    #[error(
        "the transaction at commit log offset {half} belongs to producer group {expected:?}, not to {quoted:?}; \
         decide it by a producer of its own group"
    )]
    Group {
        /// The half.
        half: CommitLogOffset,
        /// Its group.
        expected: String,
        /// The group quoted.
        quoted: String,
    },
    /// The offsets quoted belong to two transactions.
    #[error(
        "the transaction at commit log offset {half} has tranStateTableOffset {expected}, not {quoted}; quote the \
         queueOffset that the half was answered with"
    )]
    Sequence {
        /// The half.
        half: CommitLogOffset,
        /// Its sequence.
        expected: QueueOffset,
        /// The one quoted.
        quoted: QueueOffset,
    },
    /// The offsets of one transaction under the id of another.
    #[error(
        "the transaction at commit log offset {half} has msgId {expected:?}, not {quoted:?}; quote the UNIQ_KEY of the \
         message it was begun with"
    )]
    UniqueKey {
        /// The half.
        half: CommitLogOffset,
        /// Its UNIQ_KEY.
        expected: String,
        /// The one quoted.
        quoted: String,
    },
}

impl Ledger {
    /// The undecided half that a decision names, when group, offset, sequence and key are all those of one half.
    ///
    /// `unique_key` is the `msgId` of END_TRANSACTION; an empty one is not compared, for offset and sequence name the
    /// half already. The `topic` of a decision cannot be compared: stock clients send the half topic or none.
    ///
    /// # Errors
    /// Says what does not fit. After [`Mismatch::NotPending`] the half's place in the log tells whether it was decided,
    /// and how.
    pub fn check_decision(
        &self,
        group: &str,
        half: CommitLogOffset,
        sequence: QueueOffset,
        unique_key: &str,
    ) -> Result<HalfView<'_>, Mismatch> {
        let found = self.get(half).ok_or(Mismatch::NotPending { half })?;
        if found.group() != group {
            return Err(Mismatch::Group { half, expected: found.group().to_owned(), quoted: group.to_owned() });
        }
        if found.sequence() != sequence {
            return Err(Mismatch::Sequence { half, expected: found.sequence(), quoted: sequence });
        }
        if !unique_key.is_empty() && found.unique_key() != unique_key {
            let (expected, quoted) = (found.unique_key().to_owned(), unique_key.to_owned());
            return Err(Mismatch::UniqueKey { half, expected, quoted });
        }
        Ok(found)
    }
}
