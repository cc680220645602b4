use std::sync::Arc;

use message::entry::CheckOutcome;
use message::{CommitLogOffset, Timestamp};

use super::SessionId;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A half is durable. Sent again by another session, it is that one's from now on.
    HalfStored {
        /// Its name.
        half: CommitLogOffset,
        /// Its producer group.
        group: &'a str,
        /// The connection it came by: asked first, as long as it is there and has joined the group.
        session: Option<SessionId>,
        /// When it was stored, on the broker's clock.
        stored_at: Timestamp,
        /// Milliseconds before the first check, when the message itself says so.
        immunity_ms: Option<u32>,
    },
    /// A half was decided, by whomever.
    Decided {
        /// The half.
        half: CommitLogOffset,
    },
    /// A producer said that it does not know. Only as the answer to the check it was sent does it count.
    UnknownAnswered {
        /// The half it names.
        half: CommitLogOffset,
        /// Who said so.
        session: SessionId,
        /// Whether it says that it answers a check (`fromTransactionCheck`).
        from_check: bool,
    },
    /// A half is asked about again, its attempts counted from zero.
    Resumed {
        /// The half.
        half: CommitLogOffset,
        /// Its producer group.
        group: &'a str,
    },
    /// A half was set aside, because it was exhausted or because an operator said so.
    SetAside {
        /// The half.
        half: CommitLogOffset,
    },
    /// A session belongs to a producer group: with its first heartbeat or half of that group. Saying so again changes
    /// nothing.
    SessionJoined {
        /// The group.
        group: &'a str,
        /// The session.
        session: SessionId,
        /// Its client id, empty if it never said one.
        client: &'a str,
    },
    /// A session unregistered from one of its groups.
    GroupLeft {
        /// The group.
        group: &'a str,
        /// The session.
        session: SessionId,
    },
    /// A session is gone.
    SessionLeft {
        /// The session.
        session: SessionId,
    },
    /// A check was written to its connection, or could not be.
    PushSent {
        /// The half it asks about.
        half: CommitLogOffset,
        /// The session it was for.
        session: SessionId,
        /// Whether it was written.
        ok: bool,
    },
    /// A check could not be made, for its record cannot be read: it is tried again an interval later. No session is to
    /// blame for it.
    CheckFailed {
        /// The half.
        half: CommitLogOffset,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Ask a producer.
    SendCheck {
        /// The half to ask about.
        half: CommitLogOffset,
        /// Whom to ask.
        session: SessionId,
        /// 1 for the first check, and one more for each answer "unknown" so far.
        attempt: u32,
    },
    /// Write what came of a check to the log. Nobody waits for it, so it forces no sync.
    LogCheck {
        /// The half asked about.
        half: CommitLogOffset,
        /// What came of it.
        outcome: CheckOutcome,
        /// Client id of the producer that was asked.
        client: Arc<str>,
    },
    /// The half is exhausted: set it aside. Given again after an interval if neither that nor a decision was reported.
    SetAside {
        /// The half.
        half: CommitLogOffset,
    },
    /// The half is exhausted: roll it back. Given again as [`Command::SetAside`] is.
    Rollback {
        /// The half.
        half: CommitLogOffset,
    },
}
