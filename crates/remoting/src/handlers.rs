//! One file per family of requests: each reads its request, hands it to the broker or answers it, and writes the
//! broker's answer.

// A message's way.
pub(crate) mod consumer_offset;
pub(crate) mod end_transaction;
pub(crate) mod pull;
pub(crate) mod queue_bounds;
pub(crate) mod send;
pub(crate) mod send_back;
// A client's life.
pub(crate) mod heartbeat;
pub(crate) mod lock;
// Routes and the name server.
pub(crate) mod key_values;
pub(crate) mod register;
pub(crate) mod route;
// Topics, groups, and looking at them.
pub(crate) mod connections;
pub(crate) mod groups;
pub(crate) mod overview;
pub(crate) mod query;
pub(crate) mod relay;
pub(crate) mod reset_offset;
pub(crate) mod runtime;
pub(crate) mod several;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod topics;
pub(crate) mod transactions;

use broker::io::Answer;

use crate::caller::Caller;

/// What an answer needs of its request beyond the reply's token.
#[derive(Debug)]
pub(crate) enum Note {
    /// The topic it is about.
    Topic(String),
    /// Where a group is, with what is still being looked up.
    Standing(Box<stats::Standing>),
    /// Which entries of a queue are wanted.
    QueueEntries(query::QueueEntries),
    /// A message is being looked up, to be consumed by a client.
    Directly(Box<relay::Directly>),
    /// Clients are being asked where they are.
    Status(relay::Status),
    /// Several orders of one request are on their way.
    Several(several::Several),
}

/// The broker answered a question with something that is no answer to it: a defect of ours.
fn mismatch(caller: Caller, answer: &Answer) -> ! {
    unreachable!("{:?} is not answered by {answer:?}", caller.kind());
}

/// Writes the answer to an order of which nothing but success or refusal is told.
fn done_or_refused(caller: Caller, answer: &Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Done => caller.done(to),
        Answer::Refused(refusal) => caller.refused(to, refusal),
        other => mismatch(caller, other),
    }
}
