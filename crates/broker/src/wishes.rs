use message::entry::Delay;
use message::{Timestamp, properties};

use crate::config::delay_level_ms;

/// What the properties of a message ask of the broker, found in one pass.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    pub transactional: bool,
    pub group: Option<&'a str>,
    pub delay_level: Option<i32>,
    pub timer: Option<Timer>,
    pub immunity: Option<&'a str>,
    pub unique_key: Option<&'a str>,
    pub max_reconsume_times: Option<&'a str>,
    /// Whether the string holds a key that is not stored.
    pub dropped: bool,
    pub has_region: bool,
    pub has_trace: bool,
    pub has_cluster: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Timer {
    AfterMs(u64),
    At(Timestamp),
}

impl<'a> Wishes<'a> {
    pub fn of(text: &'a str) -> Self {
        let mut wishes = Wishes::default();
        let (mut after_sec, mut after_ms, mut at) = (None, None, None);
        for (key, value) in properties::iter(text) {
            match key {
                properties::TRAN_MSG => {
                    // Stays in the record: consumers' clients tell the transaction's id only where they find it.
                    wishes.transactional = value.eq_ignore_ascii_case("true");
                }
                properties::PGROUP => wishes.group = Some(value),
                properties::DELAY => {
                    wishes.delay_level = value.trim().parse().ok();
                    wishes.dropped = true;
                }
                properties::TIMER_DELAY_SEC => after_sec = value.trim().parse::<u64>().ok(),
                properties::TIMER_DELAY_MS => after_ms = value.trim().parse::<u64>().ok(),
                properties::TIMER_DELIVER_MS => at = value.trim().parse::<i64>().ok(),
                properties::CHECK_IMMUNITY_TIME_IN_SECONDS => wishes.immunity = Some(value),
                properties::UNIQ_KEY => wishes.unique_key = Some(value),
                properties::MAX_RECONSUME_TIMES => wishes.max_reconsume_times = Some(value),
                properties::POP_CK => wishes.dropped = true,
                properties::MSG_REGION => wishes.has_region = true,
                properties::TRACE_ON => wishes.has_trace = true,
                properties::CLUSTER => wishes.has_cluster = true,
                _ => {}
            }
        }
        // Remoting protocol 5.4: seconds before milliseconds before an absolute time.
        wishes.timer = after_sec
            .map(|sec| Timer::AfterMs(sec.saturating_mul(1000)))
            .or(after_ms.map(Timer::AfterMs))
            .or(at.map(|ms| Timer::At(Timestamp::from_millis(ms))));
        wishes.dropped |= wishes.timer.is_some();
        wishes
    }

    /// When the message is delivered, once it may be. A delay level wins over a timer.
    pub fn delay(&self) -> Delay {
        match (self.delay_level.and_then(delay_level_ms), self.timer) {
            (Some(ms), _) | (None, Some(Timer::AfterMs(ms))) => Delay::AfterMs(ms),
            (None, Some(Timer::At(time))) => Delay::At(time),
            (None, None) => Delay::None,
        }
    }

    /// Milliseconds before the first check: a number of seconds, or nothing at all.
    pub fn immunity_ms(&self) -> Option<u32> {
        let seconds: i64 = self.immunity?.trim().parse().ok()?;
        u32::try_from(seconds.checked_mul(1000)?).ok()
    }
}

/// Keys that are obeyed rather than stored.
pub(crate) const NOT_STORED: [&str; 5] = [
    properties::DELAY,
    properties::TIMER_DELAY_SEC,
    properties::TIMER_DELAY_MS,
    properties::TIMER_DELIVER_MS,
    properties::POP_CK,
];
