//! The broker and its store in a simulated world: one seed in, one verdict out, the same one every time.
//!
//! The production engine, broker and store run unchanged on a disk in memory that loses, tears, fails and fills up, with
//! a clock that jumps and clients that crash, stay silent, contradict each other and lie. In reading order:
//!
//! - [`Plan`]: what one seed is like: sizes, who takes part, what may go wrong;
//! - `world`, `steps`, `life`, `clients`, `network`: what happens;
//! - `disk`, `damage`: how the disk loses, tears and reads back something else;
//! - [`oracle`]: what was promised, and whether it is kept;
//! - [`Coverage`]: what was reached, and what never was;
//! - [`race`]: many decide the same transactions at once;
//! - [`shrink`]: a failing history made smaller;
//! - [`Bug`]: defects planted around the production code, each of which some seed must find.
//!
//! Sockets and frames are not simulated: clients speak the broker's own requests and answers, over a network that delays,
//! doubles, reorders and cuts them.

mod agenda;
mod bugs;
mod clients;
mod coverage;
mod damage;
mod disk;
mod history;
mod life;
mod mailbox;
mod network;
pub mod oracle;
mod parts;
mod plan;
mod races;
mod rng;
mod run;
mod shrink;
mod steps;
mod stories;
mod world;

pub use bugs::{BUGS, Bug, first_to_find};
pub use coverage::{Coverage, Kind};
pub use plan::Plan;
pub use races::{Races, race};
pub use run::{Options, Verdict, run};
pub use shrink::{Shrunk, shrink};
