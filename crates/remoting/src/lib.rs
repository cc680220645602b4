//! The TCP door: what clients and tools of RocketMQ ask, handed to the broker and the name server, and their answers.
//!
//! The door translates and decides nothing. It knows no socket either: whoever owns both hands it the frames that
//! [`Sockets`] receives, and sends what it writes. In the order in which a request walks through:
//!
//! - [`Sockets`]: connections, what they send cut into frames, and what is written back;
//! - [`Door`]: frames in, answers and pushes out, and what [`Env`] lends it for that;
//! - [`REQUESTS`]: the one table of request codes; `docs/compatibility.md` is held to it by a test;
//! - `handlers`: one file per family of requests;
//! - [`own`]: the few requests RocketMQ does not have;
//! - [`client`]: a small blocking client for the command line and for tests.

mod caller;
mod desk;
mod door;
mod handlers;
mod notes;
mod pushes;
mod rates;
mod refusals;
mod relays;
mod requests;
mod sockets;

pub mod client;
pub mod own;

pub use desk::Counters;
pub use door::{Door, Env, Facts};
pub use requests::{REQUESTS, RequestKind};
pub use sockets::{CloseReason, Event, Hearing, ListenerId, SocketLimits, Sockets, Verdict};
