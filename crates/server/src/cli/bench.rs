//! `tandem bench`: load, and what it costs.

use bench::{Options, Producing, Progress};

use super::args::{BACKLOG, BenchArgs, FAN_OUT, Work};
use super::exit::Exit;
use super::json;
use super::run::{Failure, Screen};

/// Puts load on the broker that a name server knows.
///
/// # Errors
/// When it cannot be reached, or a run has a mistake in it.
pub fn run(args: &BenchArgs, addr: &str, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let options = options(args, addr);
    let err = &mut *screen.err;
    let mut progress = |progress: &Progress| {
        // Nobody reads how it goes: that is no reason to stop.
        let _ = writeln!(err, "{progress}");
    };
    let report = bench::run(&options, &mut progress)?;
    if screen.json {
        json::write(screen.out, &report.json())?;
    } else {
        writeln!(screen.out, "{report}")?;
    }
    Ok(Exit::Ok)
}

fn options(args: &BenchArgs, addr: &str) -> Options {
    let (producing, groups, backlog) = match args.work {
        Work::Send => (Some(Producing::Send), 0, 0),
        Work::Transactions => (Some(Producing::Transaction), 0, 0),
        Work::OneWay => (Some(Producing::OneWay), 0, 0),
        Work::Mixed => (Some(Producing::Mixed), 0, 0),
        Work::Halves => (Some(Producing::Half), 0, 0),
        Work::EndToEnd => (Some(Producing::Send), 1, 0),
        Work::FanOut => (Some(Producing::Send), FAN_OUT, 0),
        Work::CatchUp => (None, 1, args.backlog.unwrap_or(BACKLOG)),
    };
    Options {
        direct: args.direct,
        producing,
        in_flight: args.in_flight,
        connections: args.connections,
        rate: args.rate,
        body: args.size,
        topics: args.topics,
        queues: args.queues,
        groups: args.groups.unwrap_or(groups),
        pull: args.pull,
        backlog,
        halves: args.open_halves,
        warm_up: args.warm_up,
        time: args.time,
        pid: args.pid,
        topic: args.topic.clone(),
        ..Options::new(addr)
    }
}
