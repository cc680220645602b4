use std::convert::Infallible;
use std::fmt::{Debug, Display};

use protocol::request::transaction::Decision;

use crate::error::Error;
use crate::producer::SendReceipt;

/// What became of a transaction.
#[derive(Debug)]
pub struct TransactionReceipt {
    /// The half, as it was stored. The delivered message has an offset of its own.
    pub sent: SendReceipt,
    /// What was decided.
    pub decision: Decision,
    /// Why the broker did not confirm that it heard the decision, if it did not. It will ask then, and the check
    /// decides the same.
    pub unconfirmed: Option<Error>,
}

impl TransactionReceipt {
    /// Did the broker confirm the decision?
    pub fn is_confirmed(&self) -> bool {
        self.unconfirmed.is_none() && self.decision != Decision::Unknown
    }
}

/// Why a transaction did not end as it should. `E` is the local transaction's own error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError<E: Debug + Display = Infallible> {
    /// The half was not stored, and the local transaction did not run.
    #[error("the half message was not stored: {0}")]
    Send(#[source] Error),
    /// The local transaction failed; the message is rolled back.
    #[error("the local transaction failed and its message is rolled back: {error}")]
    Local {
        /// Its error.
        error: E,
        /// What became of the message.
        receipt: Box<TransactionReceipt>,
    },
    /// The broker holds the opposite decision: a check was answered otherwise, or an operator decided. The local
    /// transaction and the message disagree now, and somebody has to look.
    #[error("the broker refuses {decision:?} of transaction {}: {error}", sent.message_id)]
    Refused {
        /// What was to be decided.
        decision: Decision,
        /// The half.
        sent: Box<SendReceipt>,
        /// What the broker says.
        error: Error,
    },
}

impl<E: Debug + Display> TransactionError<E> {
    /// An error of a decision as one of a whole transaction.
    pub(super) fn from_decision(error: TransactionError) -> Self {
        match error {
            TransactionError::Send(error) => Self::Send(error),
            TransactionError::Local { error, .. } => match error {},
            TransactionError::Refused { decision, sent, error } => Self::Refused { decision, sent, error },
        }
    }

    /// Can the same call succeed when it is made again? Only when the half was not stored; otherwise the transaction
    /// is over, or the local transaction has to say.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Send(error) if error.is_retryable())
    }
}
