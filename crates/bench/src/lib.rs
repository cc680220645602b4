//! Load for any broker that speaks the RocketMQ remoting protocol, and what it costs.
//!
//! One thread drives all connections, so that the load is not what is measured: its own CPU time per operation stands in
//! every report. A *closed* loop keeps so many operations in flight; an *open* loop begins them at a rate, and measures
//! each from the moment it was meant to begin, so that a broker that stands still is not let off.
//!
//! - [`Options`]: what is done;
//! - `wire`: frames made once and patched;
//! - `producing`, `reading`: the two kinds of connections;
//! - `turn`: the loop;
//! - [`Report`]: what came of it;
//! - [`ProcessCost`]: what a process used meanwhile.

mod gauge;
mod look;
mod options;
mod pace;
mod prepare;
mod process;
mod producing;
mod reading;
mod report;
mod socket;
mod turn;
mod wire;

use std::time::Duration;

use anyhow::Context;

pub use options::{Options, Producing};
pub use process::{Machine, ProcessCost};
pub use report::{Progress, Report, Spread};

use gauge::Gauge;
use pace::Pace;
use turn::{End, Load};

/// Operations in flight while a backlog or open halves are stored beforehand.
const FILL_IN_FLIGHT: usize = 256;
/// Longest that nothing may happen at all before the broker is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Does what the options say. `progress` hears of it once a second.
///
/// # Errors
/// When the broker cannot be reached, refuses an operation, answers none for 30 s, or hands out messages that are not
/// those that were stored: a run with a mistake in it has no figures.
pub fn run(options: &Options, progress: &mut dyn FnMut(&Progress)) -> anyhow::Result<Report> {
    options.check()?;
    let place = prepare::prepare(options)?;
    let filled = fill(options, &place, progress)?;
    let start = prepare::offsets(options, &place)?;
    let mut gauge = Gauge::new();
    let mut load = Load::new(options, &place, &start)?;
    let pace = match options.rate {
        Some(rate) => Pace::open(rate),
        None => Pace::closed(),
    };
    let end = match options.backlog {
        0 => End::After { warm_up: options.warm_up, time: options.time },
        // A backlog is read to its end, from its first message on.
        backlog => End::Read(backlog * u64::from(options.groups)),
    };
    let measured = load.run(pace, &end, options.pid, &mut gauge, progress).context("the run was given up")?;
    Ok(Report::new(options, filled, measured, &gauge))
}

/// Stores what has to be there before anything is measured. Says how many messages and how many halves.
fn fill(options: &Options, place: &prepare::Place, progress: &mut dyn FnMut(&Progress)) -> anyhow::Result<(u64, u64)> {
    for (count, producing) in [(options.backlog, Producing::Send), (options.halves, Producing::Half)] {
        if count == 0 {
            continue;
        }
        let fill = Options {
            producing: Some(producing),
            in_flight: FILL_IN_FLIGHT,
            connections: options.connections.max(1),
            rate: None,
            groups: 0,
            ..options.clone()
        };
        let mut load = Load::new(&fill, place, &[])?;
        let what = if producing == Producing::Half { "open halves" } else { "the backlog" };
        load.run(Pace::closed(), &End::Stored(count), None, &mut Gauge::new(), progress)
            .with_context(|| format!("{what} could not be stored"))?;
    }
    Ok((options.backlog, options.halves))
}
