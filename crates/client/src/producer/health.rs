//! Which brokers failed a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a broker is avoided after its first failure; doubled with each further one in a row.
const AVOID_FIRST: Duration = Duration::from_millis(500);
/// How long a broker is avoided at most.
const AVOID_MAX: Duration = Duration::from_secs(30);

/// What sends learned about brokers, by name. As many entries as there are brokers.
#[derive(Debug, Default)]
pub(super) struct Health {
    brokers: Mutex<HashMap<String, Failures>>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    avoid_until: Option<Instant>,
}

impl Health {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Failures>> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn succeeded(&self, broker: &str) {
        let mut brokers = self.lock();
        match brokers.get_mut(broker) {
            Some(failures) => *failures = Failures::default(),
            None => {
                brokers.insert(broker.to_owned(), Failures::default());
            }
        }
    }

    pub(super) fn failed(&self, broker: &str) {
        let mut brokers = self.lock();
        let failures = brokers.entry(broker.to_owned()).or_default();
        let avoid = AVOID_FIRST.saturating_mul(1 << failures.in_a_row.min(10)).min(AVOID_MAX);
        failures.in_a_row += 1;
        failures.avoid_until = Some(Instant::now() + avoid);
    }

    pub(super) fn is_good(&self, broker: &str) -> bool {
        let brokers = self.lock();
        let avoid_until = brokers.get(broker).and_then(|failures| failures.avoid_until);
        avoid_until.is_none_or(|until| until <= Instant::now())
    }

    /// Is a broker known that did well, other than this one?
    pub(super) fn has_other(&self, broker: &str) -> bool {
        self.lock().iter().any(|(name, failures)| name != broker && failures.in_a_row == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_failed_is_avoided_until_it_does_well() {
        let health = Health::default();
        assert!(health.is_good("a") && !health.has_other("b"));
        health.failed("a");
        assert!(!health.is_good("a") && health.is_good("b"));
        health.succeeded("a");
        assert!(health.is_good("a") && health.has_other("b") && !health.has_other("a"));
    }
}
