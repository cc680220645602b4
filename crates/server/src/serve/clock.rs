use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use message::Timestamp;

/// The broker's time: the wall clock, but never going back.
///
/// It runs with the monotonic clock. When the wall clock is set forward it follows; when it is set back, time goes on
/// from where it was, so that ages and entry times stay true, until the wall clock has caught up.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// Wall time that belongs to `based`.
    base_ms: i64,
    based: Instant,
}

/// The wall clock may run ahead of ours by so much before we follow: less is how clocks are kept in step.
const FOLLOW_MS: i64 = 50;

impl Clock {
    /// A clock that shows wall time from now on.
    pub fn new() -> Self {
        let now = Instant::now();
        Clock { started: now, base_ms: wall_ms(), based: now }
    }

    /// Makes time go on from this moment, if it is later than now: the log has entries of it.
    pub fn not_before(&mut self, moment: Timestamp) {
        let now = self.now();
        if moment > now {
            (self.base_ms, self.based) = (moment.millis(), Instant::now());
        }
    }

    /// What time it is.
    pub fn now(&mut self) -> Timestamp {
        let instant = Instant::now();
        let ours = self.base_ms + millis(instant - self.based);
        let wall = wall_ms();
        if wall > ours + FOLLOW_MS {
            (self.base_ms, self.based) = (wall, instant);
            return Timestamp::from_millis(wall);
        }
        Timestamp::from_millis(ours)
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// How long it is until a moment; nothing when it has passed.
    pub fn until(&mut self, moment: Timestamp) -> Duration {
        Duration::from_millis(moment.since_ms(self.now()).max(0) as u64)
    }
}

fn wall_ms() -> i64 {
    // A clock before 1970 is not set: time then begins there and goes on with the monotonic clock.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_ahead_goes_on_and_does_not_go_back() {
        let mut clock = Clock { started: Instant::now(), base_ms: wall_ms() + 3_600_000, based: Instant::now() };
        let first = clock.now();
        assert!(first.millis() >= wall_ms() + 3_500_000);
        assert!(clock.now() >= first);
    }

    #[test]
    fn a_clock_that_was_behind_follows_the_wall() {
        let mut clock = Clock { started: Instant::now(), base_ms: wall_ms() - 3_600_000, based: Instant::now() };
        assert!((clock.now().millis() - wall_ms()).abs() < 1000);
    }
}
