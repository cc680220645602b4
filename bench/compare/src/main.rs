//! Tandem, Apache RocketMQ 5.5.0 and a bare durable server, in turn, on the same file system, under the same load.
//!
//! `compare --tandem BINARY [--jars DIRECTORY] [--rounds N] [--time SECONDS] [--backlog N] [--directory DIRECTORY]`
//!
//! Each round starts each system anew in an empty directory, A B C D A B C D. Of each row the median of the rounds is
//! shown, its spread, and the ratio of medians. Markdown goes to standard output, charts and all figures to the
//! directory given by `--out`. The machine has to be quiet: how much others used is part of the output.

mod chart;
mod rows;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bench::{Options, Report};

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

struct Arguments {
    programs: Programs,
    rounds: usize,
    scale: Scale,
    directory: PathBuf,
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = parse(std::env::args().skip(1))?;
    let mut figures = Vec::new();
    for round in 1..=arguments.rounds {
        for system in SYSTEMS {
            eprintln!("round {round} of {}: {}", arguments.rounds, system.name());
            measure(&arguments, system, &mut figures).with_context(|| system.name())?;
            rustix::fs::sync();
            std::thread::sleep(PAUSE);
        }
    }
    let text = table::markdown(&figures, arguments.rounds, &arguments.scale);
    print!("{text}");
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        for (name, svg) in chart::all(&figures, &arguments.scale) {
            std::fs::write(out.join(name), svg)?;
        }
        std::fs::write(out.join("compare.json"), table::json(&figures))?;
    }
    Ok(())
}

fn measure(arguments: &Arguments, system: System, figures: &mut Vec<Figure>) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("compare").tempdir_in(&arguments.directory)?;
    let running = Running::start(system, &arguments.programs, directory.path())?;
    let here = |options: Options| Options {
        address: running.address.to_string(),
        direct: system == System::Ceiling,
        pid: Some(running.pid),
        ..options
    };
    if matches!(system, System::RocketSync | System::RocketAsync) {
        let warm_up = here(Options { time: JVM_WARM_UP, ..(ROWS[0].options)(&arguments.scale) });
        patiently(&warm_up)?;
    }
    for (row, what) in ROWS.iter().enumerate() {
        if system == System::Ceiling && !what.with_ceiling {
            continue;
        }
        let report = patiently(&here((what.options)(&arguments.scale))).with_context(|| what.name)?;
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

fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Arguments> {
    let (mut tandem, mut jars, mut out) = (None, None, None);
    let (mut rounds, mut time, mut backlog) = (3, 5, 1_000_000);
    let mut directory = std::env::temp_dir();
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        let path = || PathBuf::from(&value);
        let number = || value.parse::<u64>().with_context(|| format!("{value:?} is not a number"));
        match word.as_str() {
            "--tandem" => tandem = Some(path()),
            "--jars" => jars = Some(path()),
            "--rounds" => rounds = number()? as usize,
            "--time" => time = number()?,
            "--backlog" => backlog = number()?,
            "--directory" => directory = path(),
            "--out" => out = Some(path()),
            _ => bail!("{word:?} is not known: see the head of bench/compare/src/main.rs"),
        }
    }
    let own = std::env::current_exe()?;
    let beside = |name: &str| own.parent().unwrap_or(Path::new(".")).join(name);
    let tandem = tandem.unwrap_or_else(|| beside("tandem"));
    for program in [&tandem, &beside("ceiling")] {
        anyhow::ensure!(
            program.exists(),
            "{} is not there: cargo build --release -p tandem -p compare",
            program.display()
        );
    }
    let jars = match jars {
        Some(jars) => jars,
        None => systems::fetch_jars(&directory)?,
    };
    let scale = Scale { time: Duration::from_secs(time), warm_up: Duration::from_secs(2), backlog };
    Ok(Arguments { programs: Programs { tandem, ceiling: beside("ceiling"), jars }, rounds, scale, directory, out })
}
