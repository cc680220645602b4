//! The operations a client may ask for, the consumer and producer groups, the waiters and timers: one state machine.
//!
//! It has one owner, reads no clock, opens no file and awaits nothing: [`Input`](io::Input)s go in with the time,
//! [`Output`](io::Output)s come out. What must survive a restart is proposed to the log first; only when it comes back
//! as committed does [`State`](state::State) change and the client get its answer. In reading order:
//!
//! - [`io`]: what goes in and what comes out;
//! - [`state`]: the durable part, a fold over entries;
//! - [`Broker`]: the whole machine, one file per kind of request beside it.

mod broker;
mod checks;
mod committed;
mod config;
mod consumers;
mod counters;
mod delivery;
mod end;
mod heartbeat;
mod held;
mod listing;
mod locks;
mod lookup;
mod offsets;
mod overview;
mod pending;
mod pull;
mod reads;
mod refusal;
mod request_reply;
mod send;
mod send_back;
mod sessions;
mod topic_view;
mod topics;
mod transactions;
mod unique_key;
mod watch;
mod wishes;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;

pub mod io;
pub mod state;

pub use broker::Broker;
pub use config::{BrokerConfig, DELAY_LEVELS_MS, Limits, delay_level_ms};
pub use counters::{Counters, Flow};
