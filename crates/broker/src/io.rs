//! What goes into the state machine and what comes out of it.
//!
//! Doors translate their protocol into [`Request`]s and [`Answer`]s back; the owner of the log turns proposals into
//! [`Input::Committed`]. Nothing here names a request code, a socket or a file.

mod answer;
mod output;
mod read;
mod request;

pub use answer::{
    Answer, ClientInfo, ConsumeStat, ConsumerConnections, Found, GroupSummary, Happening, QueueStat, Refusal, Reset,
    Sent, Settled, Stored, TransactionEvent, TransactionStatus,
};
pub use output::{CheckPush, Output, Outputs, Push, PushId};
pub use read::{
    HalfEntries, KeyQuery, PullRead, PullStatus, Pulled, QueueRange, ReadOutcome, ReadRequest, RecordAt, Ticket,
    TimeBound,
};
pub use request::{
    Batch, ConsumeFrom, ConsumerData, End, EndOutcome, Heartbeat, Lock, MessageModel, Pull, Request, Resolution,
    Resolve, Send, SendBack, Subscription, TagFilter, TransactionFilter,
};

use std::net::SocketAddr;

use message::batch::Sealed;

/// One connection of a client, for as long as it lives. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// Where an answer goes: a session, and the door's own word for the request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reply {
    /// The connection the request came by.
    pub session: SessionId,
    /// What the door needs to match the answer with the request (the `opaque` of remoting).
    pub token: u64,
}

/// Something that happened, for the state machine to handle.
#[derive(Debug)]
pub enum Input<'a> {
    /// A connection was accepted.
    Opened {
        /// Its name from now on.
        session: SessionId,
        /// The client's address.
        peer: SocketAddr,
    },
    /// A client asks for something.
    Request {
        /// The connection it came by.
        session: SessionId,
        /// Where the answer goes; `None` when the client does not want one.
        reply: Option<Reply>,
        /// What it asks for.
        request: Request<'a>,
    },
    /// A batch that was proposed is durable. Batches come back in the order in which they were proposed.
    Committed(Sealed<'a>),
    /// What was proposed and not committed yet will not be, or nobody can say.
    Lost {
        /// Why, for those who wait for an answer.
        reason: &'a str,
    },
    /// A push was written to its connection, or could not be.
    Sent {
        /// The push.
        push: PushId,
        /// Whether it was written.
        ok: bool,
    },
    /// A read that was asked for is done.
    ReadDone {
        /// The read.
        ticket: Ticket,
        /// What it found.
        outcome: ReadOutcome,
    },
    /// A connection is gone.
    Gone(SessionId),
    /// Time has passed: see [`Broker::next_deadline`](crate::Broker::next_deadline).
    Tick,
}
