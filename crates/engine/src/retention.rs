use broker::io::Output;
use message::{CommitLogOffset, Timestamp};
use store::log::SegmentInfo;

use crate::engine::Engine;

/// How long messages are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Milliseconds a message can be read at least.
    pub age_ms: i64,
    /// Bytes of log beyond which the oldest go before their time; `None` for no bound.
    pub size: Option<u64>,
}

/// For the sake of [`Retention::size`], records that must stay are stored again only where they are at most this part of
/// what their going frees: in the limit three bytes are written for one that is freed. Else a log in which more must stay
/// than may stay would be carried round for ever; so it is longer by what must stay until enough has come between.
const NEEDED_MAX: (u64, u64) = (3, 4);

/// Milliseconds between two looks at what may go.
const ROUND_MS: i64 = 10_000;

/// Milliseconds before more is carried: a batch's worth at a time.
const CARRY_MS: i64 = 1_000;

/// This part of a segment is little to be carried.
const CARRIED_LITTLE: u64 = 64;

/// Turns are at most [`ROUND_MS`] apart while the process runs: so much between two of them is a clock that was set, or a
/// machine that stood still.
const JUMP_MS: i64 = 10 * 60_000;

/// Milliseconds for which nothing is too old after a jump: for people to set a wrong clock right, and for consumers
/// that stood still with us to read what they have not read.
const DOUBT_MS: i64 = 3_600_000;

/// Until when nothing is too old, at a start at `now` with a log whose last entry is of `before`.
pub(crate) fn doubted_until(now: Timestamp, before: Timestamp) -> Timestamp {
    match before > Timestamp::ZERO && now.since_ms(before) > JUMP_MS {
        true => now.plus_ms(DOUBT_MS),
        false => Timestamp::ZERO,
    }
}

impl Engine {
    /// Age is told by the clock, and a clock that is wrong must not empty the store at once.
    pub(crate) fn doubt_jumps(&mut self, now: Timestamp) {
        let jump_ms = now.since_ms(self.last_turn);
        self.last_turn = self.last_turn.max(now);
        if jump_ms <= JUMP_MS {
            return;
        }
        self.age_not_before = now.plus_ms(DOUBT_MS);
        let text = format!(
            "the clock went on by {} s at once; for an hour nothing is dropped for its age (retention.age), should it be wrong: \
             then stop the broker, and set it right",
            jump_ms / 1000
        );
        self.out.list.push(Output::Warn(text));
    }

    /// Looks now and then which segments may go, and whenever one is begun: those that go are used again then, and none has
    /// to be filled.
    pub(crate) fn retain_if_due(&mut self, now: Timestamp) {
        let newest = self.log.newest();
        let begun = std::mem::replace(&mut self.newest_segment, newest) != newest;
        if now >= self.jobs.retention_not_before || begun && now >= self.begun_not_before {
            self.retain(now);
        }
    }

    /// Gives up segments that nobody needs any more.
    ///
    /// A segment goes when all that became visible in it, and all that links into it, has expired; when two snapshots
    /// stand behind it; and when the undecided halves and delayed messages in it have been stored again elsewhere.
    pub(crate) fn retain(&mut self, now: Timestamp) {
        self.jobs.retention_not_before = now.plus_ms(ROUND_MS);
        if self.log.poisoned().is_some() {
            return;
        }
        let segments = self.log.segments();
        let segments = &segments[..segments.len().saturating_sub(1)];
        let (old, surplus) = self.expired(now, segments);
        let Some(expired) = old.max(surplus).checked_sub(1).map(|last| segments[last].end) else { return };
        // While records are carried the aim stays: what is carried would itself be the next that must go.
        let aim = match self.carrying {
            Some(aim) => aim,
            None if surplus > old => self.worth_carrying(&segments[..surplus], old),
            None => expired,
        };
        let limit = self.jobs.log_needed_from.min(self.log.synced());
        let Some(cut) = self.closed_under_links(segments, expired.min(limit), aim) else { return };
        let proposed = self.out.batch.framed_len();
        // What is carried now is behind the newest snapshot: the next round finds it covered.
        if self.broker.carry_before(cut, &mut self.out) {
            self.jobs.retention_not_before = now.plus_ms(CARRY_MS);
            // Much that is carried begins segments itself: none of them is a reason to look again. For a few halves whose
            // producer is gone others would have to be filled meanwhile.
            let carried = self.out.batch.framed_len().saturating_sub(proposed) as u64;
            if carried > self.config.log.segment_size / CARRIED_LITTLE {
                self.begun_not_before = now.plus_ms(ROUND_MS);
            }
            self.carrying = Some(cut);
            return;
        }
        if self.carrying.take().is_some() {
            self.carried_until = self.log.written();
        }
        // With durability = "memory" what was carried may be lost yet, and then the original is all there is.
        if self.log.synced() < self.carried_until {
            self.jobs.retention_not_before = now.plus_ms(CARRY_MS);
            return;
        }
        let start = self.log.drop_before(cut);
        self.index.trim(start);
    }

    /// How many of the first segments age lets go, and how many size does.
    fn expired(&self, now: Timestamp, segments: &[SegmentInfo]) -> (usize, usize) {
        let age_ms = self.config.retention.age_ms;
        let is_old = |segment: &&SegmentInfo| segment.last_time.is_some_and(|last| now.since_ms(last) > age_ms);
        let old = if now >= self.age_not_before { segments.iter().take_while(is_old).count() } else { 0 };
        let size = self.config.retention.size.unwrap_or(u64::MAX);
        let left = |segment: &&SegmentInfo| self.log.written().get() - segment.end.get();
        (old, segments.iter().take_while(|segment| left(segment) >= size).count())
    }

    /// Up to where segments go for at most [`NEEDED_MAX`] of what they hold; at least the first `old` ones.
    fn worth_carrying(&self, segments: &[SegmentInfo], old: usize) -> CommitLogOffset {
        let start = self.log.start();
        let ends: Vec<CommitLogOffset> = segments.iter().map(|segment| segment.end).collect();
        let (mut needed, mut worth) = (0, start);
        for (number, (end, more)) in ends.iter().zip(self.broker.needed_in(&ends)).enumerate() {
            needed += more;
            if number < old || needed * NEEDED_MAX.1 <= (end.get() - start.get()) * NEEDED_MAX.0 {
                worth = *end;
            }
        }
        worth
    }

    /// The largest end of a segment, at most `aim`, such that nothing that must stay links to before it: what became
    /// visible before `expired` has expired, though its segment may go a round later.
    fn closed_under_links(
        &self,
        segments: &[SegmentInfo],
        expired: CommitLogOffset,
        aim: CommitLogOffset,
    ) -> Option<CommitLogOffset> {
        let ends = segments.iter().rev().map(|segment| segment.end);
        let mut ends = ends.filter(|end| *end <= expired.min(aim));
        ends.find(|end| self.index.linked_until(self.log.start()..*end) < expired)
    }
}
