use crate::{CommitLogOffset, QueueOffset, Timestamp};

use super::Place;

/// A half message. It is known by the offset of this entry, for its whole life.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Half<'a> {
    /// Position among all halves: what the sender is told as queue offset, and quotes as `tranStateTableOffset`.
    pub sequence: QueueOffset,
    /// Milliseconds before the first check, when the message itself says so (CHECK_IMMUNITY_TIME_IN_SECONDS).
    pub immunity_ms: Option<u32>,
    /// When it is delivered once it is committed.
    pub delay: Delay,
    /// Producer group: whose members are asked what became of it.
    pub group: &'a str,
    /// Client id of the sender, empty if it never said one.
    pub client: &'a str,
    /// The record as it will be delivered: real topic, real queue.
    pub record: &'a [u8],
}

/// When a message is delivered once it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Delay {
    /// At once.
    #[default]
    None,
    /// So many milliseconds after the commit.
    AfterMs(u64),
    /// At this time, or at once if that has passed.
    At(Timestamp),
}

impl Delay {
    /// The time of delivery for a message that may be delivered from `now` on; `None` means at once.
    pub fn deliver_at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Delay::None => None,
            Delay::AfterMs(ms) => Some(now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))),
            Delay::At(time) => Some(time),
        }
        .filter(|time| *time > now)
    }
}

/// What a transaction came to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// The message becomes visible.
    Commit,
    /// The message is never seen.
    Rollback,
}

/// Who decided a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DecidedBy {
    /// The producer, after its local transaction.
    Producer,
    /// A producer of the group that was asked.
    CheckAnswer,
    /// A person, by hand.
    Operator,
    /// The configured rule for halves that were asked about too often.
    Exhausted,
}

/// The decision about a half. The first one applied counts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision<'a> {
    /// The half it decides.
    pub half: CommitLogOffset,
    /// The half's position among all halves.
    pub sequence: QueueOffset,
    /// The entry about this half before this one, or the half itself: the way back through its story.
    pub previous: CommitLogOffset,
    /// When it was decided, on the broker's clock.
    pub time: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// Who decided.
    pub by: DecidedBy,
    /// Client id of the producer, or the name of the operator.
    pub who: &'a str,
    /// The reason an operator gave, or the exception text of a producer.
    pub why: &'a str,
    /// Where the message becomes visible.
    pub place: Place<'a>,
}

/// What came of one check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckOutcome {
    /// The producer answered that it does not know: the only outcome that counts as an attempt.
    Unknown,
    /// The producer did not answer in time; another one is asked, or the same one later.
    Silent,
}

/// One check that was sent to a producer and not answered by a decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Check<'a> {
    /// The half asked about.
    pub half: CommitLogOffset,
    /// The entry about this half before this one, or the half itself.
    pub previous: CommitLogOffset,
    /// When that was known, on the broker's clock.
    pub time: Timestamp,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// Client id of the producer that was asked.
    pub client: &'a str,
}

/// A half is set aside or resumed, by whom and why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Note<'a> {
    /// The half.
    pub half: CommitLogOffset,
    /// The entry about this half before this one, or the half itself.
    pub previous: CommitLogOffset,
    /// When, on the broker's clock.
    pub time: Timestamp,
    /// Name of the operator, empty for the broker itself.
    pub who: &'a str,
    /// The reason.
    pub why: &'a str,
}
