//! How Tandem does when there is more of everything: topics, open halves, connections, reading groups; and what it costs
//! to be there, to have been there for long, and to come back.
//!
//! Each point starts a broker anew in an empty directory. Markdown goes to standard output, charts to `--out`. The machine
//! has to be quiet: how much others used is part of the output.

mod growth;
mod line;
mod lone;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bench::{Options, Report};
use clap::Parser;
use comparing::systems::Running;

/// Above this share of the machine, others disturb.
const QUIET: f64 = 0.03;

/// How Tandem does when there is more of everything, and what it costs to be there for long and to come back.
///
/// Results go to standard output. The machine has to be quiet.
#[derive(Parser)]
pub struct Arguments {
    /// The broker; `tandem` beside this program unless given
    #[arg(long, value_name = "BINARY")]
    tandem: Option<PathBuf>,
    /// The parts with this word in their name, not all
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// How long each load is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    time: u64,
    /// Log to be restarted with, in GiB
    #[arg(long, value_name = "N", default_value_t = 20)]
    gib: u64,
    /// Where the brokers have their data
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = std::env::temp_dir())]
    directory: PathBuf,
    /// Where charts go
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// How long each load is measured.
    fn time(&self) -> Duration {
        Duration::from_secs(self.time)
    }

    /// The broker's program, if it is there.
    fn tandem(&self) -> anyhow::Result<PathBuf> {
        let tandem = self.tandem.clone().map_or_else(|| beside("tandem"), Ok)?;
        anyhow::ensure!(tandem.exists(), "{} is not there: cargo build --release -p tandem", tandem.display());
        Ok(tandem)
    }

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
    let arguments = Arguments::parse();
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

/// A program in the directory of this one.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or(Path::new(".")).join(name))
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
