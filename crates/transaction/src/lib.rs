//! Half messages, decisions and check-backs as a state machine: no clock, no file, no socket, no async.
//!
//! A half message is stored, its producer runs a local transaction and says commit or rollback; when nobody says so,
//! producers of its group are asked. Two parts, in reading order:
//!
//! - [`Ledger`]: what is durable about the halves nobody has decided yet, a fold over log entries. The first decision
//!   applied to a half takes it out, so a second one finds nothing to decide.
//! - [`Checker`]: what is volatile: who is connected, who is asked about which half and when. After a restart it begins
//!   anew from the ledger.
//!
//! [`explain()`] puts both into words: why a half is where it is, and what happens next. [`CheckConfig`] names every limit.

mod arena;
mod checker;
mod config;
mod explain;
mod half;
mod key_index;
mod ledger;
mod names;
mod shelf;
mod unique_key;
mod wheel;

pub use checker::{Checker, CheckerView, Command, Event, SessionId, Stage};
pub use config::{CheckConfig, WhenExhausted, immunity_ms};
pub use explain::{Explanation, explain};
pub use half::{HalfView, LastCheck, State};
pub use ledger::{Counts, Decided, Filter, HalfApplied, Ledger, Mismatch, Page, Settled};

#[cfg(test)]
mod test_halves;
