//! How Tandem does when there is more of everything: topics, open halves, connections, reading groups; and what it costs
//! to be there, to have been there for long, and to come back.
//!
//! `curves [--tandem BINARY] [--only WORD] [--time SECONDS] [--gib N] [--directory DIRECTORY] [--out DIRECTORY]`
//!
//! Each point starts a broker anew in an empty directory. Markdown goes to standard output, charts to `--out`. The machine
//! has to be quiet: how much others used is part of the output.

mod growth;
mod line;
mod lone;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bench::{Options, Report};
use comparing::systems::Running;

/// Above this share of the machine, others disturb.
const QUIET: f64 = 0.03;

/// What was asked for.
pub struct Arguments {
    tandem: PathBuf,
    only: Option<String>,
    time: Duration,
    gib: u64,
    directory: PathBuf,
    out: Option<PathBuf>,
}

impl Arguments {
    /// A directory that is empty and goes away.
    fn directory(&self) -> anyhow::Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("curves").tempdir_in(&self.directory)?)
    }

    /// Whether a part is wanted.
    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| part.contains(only))
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = parse(std::env::args().skip(1))?;
    for curve in growth::CURVES.iter().filter(|curve| arguments.wants(curve.name)) {
        growth::draw(&arguments, curve).with_context(|| curve.name)?;
    }
    for (name, measure) in lone::ALL {
        if arguments.wants(name) {
            println!("- {}", measure(&arguments).context(name)?);
        }
    }
    Ok(())
}

/// A load on a broker, with what its process used.
fn load(running: &Running, options: Options) -> anyhow::Result<Report> {
    let options = Options { address: running.address.to_string(), pid: Some(running.pid), ..options };
    let report = bench::run(&options, &mut |_| ())?;
    if let Some(others) = report.others.filter(|others| *others > QUIET) {
        eprintln!("others used {:.0} % of the machine during: {}", others * 100.0, report.what);
    }
    Ok(report)
}

fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Arguments> {
    let own = std::env::current_exe()?;
    let mut arguments = Arguments {
        tandem: own.parent().unwrap_or(Path::new(".")).join("tandem"),
        only: None,
        time: Duration::from_secs(5),
        gib: 20,
        directory: std::env::temp_dir(),
        out: None,
    };
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{value:?} is not a number"));
        match word.as_str() {
            "--tandem" => arguments.tandem = PathBuf::from(&value),
            "--only" => arguments.only = Some(value),
            "--time" => arguments.time = Duration::from_secs(number()?),
            "--gib" => arguments.gib = number()?,
            "--directory" => arguments.directory = PathBuf::from(&value),
            "--out" => arguments.out = Some(PathBuf::from(&value)),
            _ => bail!("{word:?} is not known: see the head of bench/compare/src/bin/curves/main.rs"),
        }
    }
    let tandem = &arguments.tandem;
    anyhow::ensure!(tandem.exists(), "{} is not there: cargo build --release -p tandem -p compare", tandem.display());
    Ok(arguments)
}
