use std::sync::Arc;

use message::CommitLogOffset;
use message::entry::Outcome;

use crate::io::{Push, Reply, Reset, SessionId};
use crate::offsets::OffsetKey;

/// What waits for an entry that was proposed, in the order of the proposals: the log commits in that order.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Nobody waits.
    Nobody,
    /// A sender.
    Send(Option<Sender>),
    /// The sender of a batch.
    Batch(Option<Sender>),
    /// The sender of a reply (request-reply), and the client that waits for it: told once it is stored.
    Reply { sender: Option<Sender>, session: SessionId, push: Box<Push> },
    /// The sender of a half.
    Half {
        sender: Option<Sender>,
        session: SessionId,
        /// Its topic, which must not be deleted meanwhile.
        topic: Arc<str>,
    },
    /// Those who brought the decision: see `Broker::deciding`.
    Decision(CommitLogOffset),
    /// A scheduled message that is being delivered.
    Deliver(CommitLogOffset),
    /// A record that is stored again, by what it is known by.
    Carry(CommitLogOffset),
    /// Offsets, and those who want to know that they are stored.
    Offsets {
        replies: Vec<Reply>,
        /// Group, topic and queue of each: to be logged again should the entry be lost.
        keys: Vec<OffsetKey>,
    },
    /// Offsets were moved by an operator.
    Reset { reply: Option<Reply>, resets: Vec<Reset>, pushes: Vec<(SessionId, Push)> },
    /// Somebody who only wants to know that it is done.
    Done(Option<Reply>),
}

/// Somebody who waits to hear that a message is stored.
#[derive(Debug)]
pub(crate) struct Sender {
    /// The way back.
    pub reply: Reply,
    /// The id of the message, or of the first of several: part of the answer.
    pub unique_key: String,
}

/// A decision that is on its way to the log, and those who wait to hear of it.
#[derive(Debug)]
pub(crate) struct Deciding {
    /// Who brought which decision; the first one is the one on its way.
    pub replies: Vec<(Option<Reply>, Outcome)>,
}
