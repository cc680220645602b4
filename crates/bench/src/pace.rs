use std::time::{Duration, Instant};

/// When operations begin.
pub(crate) enum Pace {
    /// When an answer makes room.
    Closed,
    /// Not any more.
    Over,
    /// At a rate, whatever the answers.
    Open { started: Instant, interval: Duration, begun: u64 },
}

impl Pace {
    pub(crate) fn closed() -> Self {
        Pace::Closed
    }

    /// So many each second.
    pub(crate) fn open(rate: f64) -> Self {
        Pace::Open { started: Instant::now(), interval: Duration::from_secs_f64(1.0 / rate), begun: 0 }
    }

    /// The moment at which the next operation was meant to begin, if that is over.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        let due = self.due();
        match self {
            Pace::Closed => Some(now),
            Pace::Over => None,
            Pace::Open { begun, .. } => {
                let due = due.filter(|due| *due <= now)?;
                *begun += 1;
                Some(due)
            }
        }
    }

    /// How long to wait for the next one; none if nothing but an answer is waited for.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.due().map(|due| due.saturating_duration_since(now))
    }

    fn due(&self) -> Option<Instant> {
        match self {
            Pace::Closed | Pace::Over => None,
            Pace::Open { started, interval, begun } => Some(*started + interval.mul_f64((begun + 1) as f64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_counts_from_when_it_was_meant_to_begin() {
        let mut pace = Pace::open(1_000.0);
        let Pace::Open { started, .. } = pace else { panic!("it is open") };
        assert_eq!(pace.next(started), None);
        assert_eq!(pace.wait(started), Some(Duration::from_millis(1)));
        // The broker stood still for 3 ms: three operations are late, and each from its own moment.
        let now = started + Duration::from_micros(3_500);
        let begun: Vec<_> = std::iter::from_fn(|| pace.next(now)).map(|at| (at - started).as_millis()).collect();
        assert_eq!(begun, [1, 2, 3]);
    }

    #[test]
    fn a_closed_loop_begins_at_once() {
        let now = Instant::now();
        assert_eq!(Pace::closed().next(now), Some(now));
        assert_eq!(Pace::closed().wait(now), None);
    }
}
