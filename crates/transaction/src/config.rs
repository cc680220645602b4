use message::Timestamp;

/// When, how often and how many at a time producers are asked about their undecided halves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckConfig {
    /// Milliseconds from storing a half to the first check (`transactions.first_check_after`).
    pub first_check_after_ms: u32,
    /// Milliseconds from one check to the next one about the same half (`transactions.check_interval`).
    pub check_interval_ms: u32,
    /// Milliseconds a producer has for its answer before another one of its group is asked.
    pub answer_timeout_ms: u32,
    /// Answers "unknown" after which a half is exhausted, at least 1 (`transactions.check_max`).
    pub check_max: u32,
    /// Checks one session may have unanswered, at least 1.
    pub unanswered_max: usize,
    /// What becomes of an exhausted half (`transactions.when_exhausted`).
    pub when_exhausted: WhenExhausted,
}

impl Default for CheckConfig {
    fn default() -> Self {
        CheckConfig {
            first_check_after_ms: 6_000,
            check_interval_ms: 30_000,
            answer_timeout_ms: 5_000,
            check_max: 15,
            unanswered_max: 500,
            when_exhausted: WhenExhausted::SetAside,
        }
    }
}

/// What becomes of a half whose producers answered "unknown" too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenExhausted {
    /// It is set aside: never delivered, never lost, and can still be decided or resumed.
    SetAside,
    /// It is rolled back.
    Rollback,
}

impl CheckConfig {
    /// When a half may be asked about for the first time, on the broker's clock.
    ///
    /// A message can ask for more time than the configured one, never for less: RocketMQ takes an immunity below its
    /// `transactionTimeOut` for that time-out (remoting protocol 4.6).
    pub fn first_check_due(&self, stored_at: Timestamp, immunity_ms: Option<u32>) -> Timestamp {
        let wait = immunity_ms.map_or(self.first_check_after_ms, |ms| ms.max(self.first_check_after_ms));
        stored_at.plus_ms(i64::from(wait))
    }
}

/// The milliseconds that a message's CHECK_IMMUNITY_TIME_IN_SECONDS asks for.
///
/// `None` for what is no number of seconds, and for negative ones: the configured time applies, as with RocketMQ.
pub fn immunity_ms(seconds: &str) -> Option<u32> {
    let seconds: i64 = seconds.parse().ok()?;
    let seconds = u64::try_from(seconds).ok()?;
    // The largest value is how a half entry says "not said"; 49 days are as good as never.
    Some(u32::try_from(seconds.saturating_mul(1000)).unwrap_or(u32::MAX).min(u32::MAX - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_immunity_longer_than_the_first_check_counts_and_a_shorter_one_does_not() {
        let config = CheckConfig::default();
        let stored = Timestamp::from_millis(1_000);
        assert_eq!(config.first_check_due(stored, None), Timestamp::from_millis(7_000));
        assert_eq!(config.first_check_due(stored, Some(2_000)), Timestamp::from_millis(7_000));
        assert_eq!(config.first_check_due(stored, Some(60_000)), Timestamp::from_millis(61_000));
    }

    #[test]
    fn an_immunity_that_is_no_number_of_seconds_is_as_good_as_none() {
        assert_eq!(immunity_ms("20"), Some(20_000));
        assert_eq!(immunity_ms("0"), Some(0));
        for garbage in ["", "-1", "-20", "6.5", "soon", " 6"] {
            assert_eq!(immunity_ms(garbage), None, "{garbage:?}");
        }
        assert_eq!(immunity_ms("9223372036854775807"), Some(u32::MAX - 1));
    }
}
