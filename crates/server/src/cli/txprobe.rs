//! `tandem txprobe`.

use ::txprobe::outage::Commands;
use ::txprobe::{Options, plan};

use super::args::TxprobeArgs;
use super::demo::random_seed;
use super::exit::Exit;
use super::json;
use super::run::{Failure, Screen};

/// Runs the probe against a broker that runs already.
///
/// # Errors
/// When it could not be run. A verdict that is negative is exit code 1.
pub fn run(args: TxprobeArgs, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let options = Options {
        address: args.nameserver,
        length: args.time,
        rate: args.rate,
        connections: args.connections.into(),
        seed: args.seed.unwrap_or_else(random_seed),
        every: args.every,
        faults: plan::parse_faults(&args.faults).map_err(|error| Failure::Usage(error.to_string()))?,
        wait: args.wait,
        outage: args.kill_command.zip(args.restart_command).map(|(kill, restart)| Commands { kill, restart }),
    };
    let mut progress = |line: &str| {
        // Progress that nobody can see is no reason to stop.
        let _ = writeln!(screen.err, "{line}");
    };
    let report = ::txprobe::run(&options, &mut progress).map_err(|error| Failure::NotRun(format!("{error:#}")))?;
    match screen.json {
        true => json::write(screen.out, &report.json())?,
        false => report.write(screen.out)?,
    }
    Ok(if report.passed() { Exit::Ok } else { Exit::Failed })
}
