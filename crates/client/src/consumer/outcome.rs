use std::fmt::Display;

/// What became of the handling of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It shall come again: later each time, at most as often as the consumer allows, then it is a dead letter. An orderly
    /// consumer gets it again before any other of its queue.
    Retry,
    /// As [`Outcome::Retry`], after the time of this delay level (see
    /// [`MessageBuilder::delay_level`](crate::MessageBuilder::delay_level)). An orderly consumer retries as usual.
    RetryAtLevel(u8),
    /// No attempt will ever succeed: it goes to the dead letters of the group, `%DLQ%group`, at once.
    DeadLetter,
}

/// What a handler may return.
///
/// `()` says done. An `Err` says retry, and is logged as a warning.
pub trait IntoOutcome {
    /// What it says.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Done
    }
}

impl<T: IntoOutcome, E: Display> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(outcome) => outcome.into_outcome(),
            Err(error) => {
                tracing::warn!("a message could not be handled and will come again: {error}");
                Outcome::Retry
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_means_again_and_nothing_means_done() {
        assert_eq!(().into_outcome(), Outcome::Done);
        assert_eq!(Err::<(), _>("no database").into_outcome(), Outcome::Retry);
        assert_eq!(Ok::<_, String>(Outcome::DeadLetter).into_outcome(), Outcome::DeadLetter);
    }
}
