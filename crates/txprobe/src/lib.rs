//! A user's own proof, for any broker that speaks RocketMQ's protocol: transactions under load, faults made from the
//! client's side, and a verdict.
//!
//! The probe plays both sides of a shop: producers whose local database it is itself, so it knows the truth about every
//! transaction, and a reader that says what consumers get. Between the two it loses, doubles, contradicts, races and forges
//! decisions, kills producers, sends halves twice, and has the broker killed. It relies on nothing but the protocol. In
//! reading order:
//!
//! - [`Options`], and [`run`]: a run from its first transaction to the verdict;
//! - [`plan`]: which transaction meets which fault, from a seed;
//! - [`ledger`]: what every transaction was told, and the truth about it;
//! - [`verdict`]: which promises were broken to one transaction; [`report`]: to all of them, for people and programs;
//! - [`course`]: how a transaction of each fate goes; [`instance`]: a producer process, and how it answers checks;
//! - [`producer`] on a [`link`]: what is said on the wire; [`reader`]: what consumers get; [`outage`]: the broker's death.

pub mod course;
pub mod instance;
pub mod ledger;
pub mod link;
pub mod outage;
pub mod plan;
mod probe;
pub mod producer;
pub mod reader;
pub mod report;
pub mod verdict;

pub use probe::{Options, run};
