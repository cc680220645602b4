//! How long to wait between attempts: doubling, with jitter, so that many clients do not come back at once.

use std::time::Duration;

/// A growing wait.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits about `first` after the first failure, never more than `max`.
    pub(crate) const fn new(first: Duration, max: Duration) -> Self {
        Backoff { first, max, failures: 0 }
    }

    /// Something succeeded: the next wait is the first again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now, and at least `at_least`: between half and all of a time that doubles.
    pub(crate) fn next(&mut self, at_least: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        let half = doubled / 2;
        let wait = half + half.mul_f64(fastrand::f64());
        wait.max(at_least.unwrap_or_default().min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_begin_anew_after_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(350));
        for (least, most) in [(50, 100), (100, 200), (175, 350), (175, 350)] {
            let wait = backoff.next(None);
            assert!((ms(least)..=ms(most)).contains(&wait), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(None) <= ms(100));
        assert!(backoff.next(Some(ms(300))) >= ms(300));
    }
}
