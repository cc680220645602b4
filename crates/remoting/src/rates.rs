//! Rates from counters that only grow: a sample is kept whenever somebody asks, so what nobody looks at costs nothing.

use std::collections::{HashMap, VecDeque};

use message::Timestamp;

/// Most counters whose samples are kept.
const COUNTERS_MAX: usize = 1024;
/// Most samples kept of one counter.
const SAMPLES_MAX: usize = 128;

/// Milliseconds over which rates are told: a minute, an hour, a day.
pub(crate) const WINDOWS_MS: [i64; 3] = [60_000, 3_600_000, 86_400_000];

/// Samples of counters, by name.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    by_counter: HashMap<String, VecDeque<(Timestamp, u64)>>,
}

/// What a counter did during a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Counted in the window; the share of a longer time that falls into it when no sample is as young.
    pub sum: u64,
    /// Per second.
    pub per_second: f64,
}

impl Rates {
    /// What a counter that is `total` now did in each window, `started` being when it was 0.
    ///
    /// A window reaches back to the youngest sample that is at least as old, and further when there is none: the first
    /// look at a counter sees its average since the start.
    pub fn of(
        &mut self,
        name: &str,
        total: u64,
        started: Timestamp,
        now: Timestamp,
        windows_ms: &[i64; 3],
    ) -> [Rate; 3] {
        if !self.by_counter.contains_key(name) {
            if self.by_counter.len() >= COUNTERS_MAX {
                // Whoever looks at so many in turn compares averages since the start.
                self.by_counter.clear();
            }
            self.by_counter.insert(name.to_owned(), VecDeque::from([(started, 0)]));
        }
        let samples = self.by_counter.get_mut(name).expect("inserted above");
        let rates = windows_ms.map(|window_ms| {
            let old_enough = |sample: &&(Timestamp, u64)| now.since_ms(sample.0) >= window_ms;
            let from = samples.iter().rev().find(old_enough).or(samples.front()).copied();
            let (time, before) = from.unwrap_or((started, 0));
            let elapsed_ms = now.since_ms(time).max(1);
            let per_second = total.saturating_sub(before) as f64 * 1000.0 / elapsed_ms as f64;
            let seconds = elapsed_ms.min(window_ms) as f64 / 1000.0;
            Rate { sum: (per_second * seconds).round() as u64, per_second }
        });
        if samples.back().is_none_or(|(time, _)| now.since_ms(*time) >= SAMPLE_MS) {
            samples.push_back((now, total));
            if samples.len() > SAMPLES_MAX {
                // Not the first: it is what a long window goes back to.
                samples.remove(1);
            }
        }
        rates
    }
}

/// Milliseconds between two samples at least.
const SAMPLE_MS: i64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn the_first_look_sees_the_average_since_the_start_and_later_ones_what_happened_since() {
        let mut rates = Rates::default();
        let first = rates.of("puts", 600, at(0), at(600), &WINDOWS_MS);
        assert_eq!((first[0].sum, first[0].per_second), (60, 1.0));
        assert_eq!((first[1].sum, first[2].sum), (600, 600));
        let second = rates.of("puts", 606, at(0), at(660), &WINDOWS_MS);
        assert_eq!((second[0].sum, second[0].per_second), (6, 0.1));
        assert_eq!((second[1].sum, second[2].sum), (606, 606));
    }

    #[test]
    fn a_broker_that_just_started_divides_by_nothing() {
        let rate = Rates::default().of("puts", 5, at(0), at(0), &WINDOWS_MS)[0];
        assert!(rate.per_second.is_finite());
    }

    #[test]
    fn samples_and_counters_are_bounded() {
        let mut rates = Rates::default();
        for second in 0..10_000 {
            rates.of("one", 1, at(0), at(second * 10), &WINDOWS_MS);
        }
        assert_eq!(rates.by_counter["one"].len(), SAMPLES_MAX);
        for name in 0..3000 {
            rates.of(&name.to_string(), 1, at(0), at(1), &WINDOWS_MS);
        }
        assert!(rates.by_counter.len() <= COUNTERS_MAX);
    }
}
