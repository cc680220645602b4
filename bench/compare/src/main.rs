//! Tandem, Apache RocketMQ 5.5.0 and a bare durable server, in turn, on the same file system, under the same load.
//!
//! Each round starts each system anew in an empty directory, A B C D E A B C D E. Of each row the median of the rounds is
//! shown, its spread, and the ratio of medians. Markdown goes to standard output, charts and all figures to the
//! directory given by `--out`. The machine has to be quiet: how much others used is part of the output.

mod chart;
mod rows;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::{Options, Report};
use clap::Parser;
use comparing::systems::{self, Programs, Running, System};
use rows::{ROWS, SYSTEMS, Scale};

/// Between stopping one system and starting the next: what it left to be written is written.
const PAUSE: Duration = Duration::from_secs(3);
/// A JVM compiles what it runs often.
const JVM_WARM_UP: Duration = Duration::from_secs(10);
/// Longest that a broker may take to be known to its name server.
const REGISTRATION: Duration = Duration::from_secs(40);

/// One measurement.
pub struct Figure {
    row: usize,
    system: System,
    report: Report,
}

/// Tandem, Apache RocketMQ 5.5.0 and a bare durable server, in turn, on the same file system, under the same load.
///
/// Tables go to standard output. The machine has to be quiet.
#[derive(Parser)]
struct Arguments {
    /// The broker; `tandem` beside this program unless given
    #[arg(long, value_name = "BINARY")]
    tandem: Option<PathBuf>,
    /// RocketMQ's jars; fetched by Maven unless given
    #[arg(long, value_name = "DIRECTORY")]
    jars: Option<PathBuf>,
    /// The rows with this word in their name, not all
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// How often each system is started and measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// How long each load is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    time: u64,
    /// Messages to catch up with
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    backlog: u64,
    /// Where the systems have their data
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
    /// Where charts and all figures go
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let programs = programs(&arguments)?;
    let scale = Scale {
        time: Duration::from_secs(arguments.time),
        warm_up: Duration::from_secs(2),
        backlog: arguments.backlog,
        only: arguments.only.clone(),
    };
    anyhow::ensure!(ROWS.iter().any(|row| scale.wants(row)), "no row has this word in its name");
    let mut figures = Vec::new();
    for round in 1..=arguments.rounds {
        for system in SYSTEMS.into_iter().filter(|system| ROWS.iter().any(|row| scale.asks(row, *system))) {
            eprintln!("round {round} of {}: {}", arguments.rounds, system.name());
            measure(&arguments.directory, &programs, &scale, system, &mut figures).with_context(|| system.name())?;
            rustix::fs::sync();
            std::thread::sleep(PAUSE);
        }
    }
    let text = table::markdown(&figures, arguments.rounds, &scale);
    print!("{text}");
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        for (name, svg) in chart::all(&figures, &scale) {
            std::fs::write(out.join(name), svg)?;
        }
        std::fs::write(out.join("compare.json"), table::json(&figures))?;
    }
    Ok(())
}

fn measure(
    directory: &Path,
    programs: &Programs,
    scale: &Scale,
    system: System,
    figures: &mut Vec<Figure>,
) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("compare").tempdir_in(directory)?;
    let running = Running::start(system, programs, directory.path(), scale.backlog)?;
    let here = |options: Options| Options {
        address: running.address.to_string(),
        direct: system.is_bare(),
        pid: Some(running.pid),
        ..options
    };
    if matches!(system, System::RocketSync | System::RocketAsync) {
        let warm_up = here(Options { time: JVM_WARM_UP, ..(ROWS[0].options)(scale) });
        patiently(&warm_up)?;
    }
    for (row, what) in ROWS.iter().enumerate() {
        if !scale.asks(what, system) {
            continue;
        }
        let report = patiently(&here((what.options)(scale))).with_context(|| what.name)?;
        let rate = if what.reads { report.read_rate() } else { report.rate() };
        let others = report.others.unwrap_or_default() * 100.0;
        eprintln!("  {:<50} {rate:>9.0} /s   others {others:.0} %", what.name);
        figures.push(Figure { row, system, report });
    }
    Ok(())
}

/// As [`bench::run`]; a broker that has just been started may not be registered yet.
fn patiently(options: &Options) -> anyhow::Result<Report> {
    let started = Instant::now();
    loop {
        match bench::run(options, &mut |_| ()) {
            Err(error) if started.elapsed() < REGISTRATION && error.to_string().contains("knows no broker") => {
                std::thread::sleep(Duration::from_millis(200));
            }
            done => return done,
        }
    }
}

/// What is compared, all of it there.
fn programs(arguments: &Arguments) -> anyhow::Result<Programs> {
    let own = std::env::current_exe()?;
    let beside = |name: &str| own.parent().unwrap_or(Path::new(".")).join(name);
    let tandem = arguments.tandem.clone().unwrap_or_else(|| beside("tandem"));
    for program in [&tandem, &beside("ceiling")] {
        anyhow::ensure!(
            program.exists(),
            "{} is not there: cargo build --release -p tandem -p compare",
            program.display()
        );
    }
    let jars = match &arguments.jars {
        Some(jars) => jars.clone(),
        None => systems::fetch_jars(&arguments.directory)?,
    };
    Ok(Programs { tandem, ceiling: beside("ceiling"), jars })
}
