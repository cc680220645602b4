//! The binary `tandem`: reads its command line, and serves or asks a broker that serves.

// Until the connection to a broker is wired.
#[allow(dead_code)]
mod cli;
mod config;
mod logging;
mod serve;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use cli::admin::{Admin, AdminError};
use cli::model::StoreReport;
use cli::run::Doors;

struct Process;

impl Doors for Process {
    fn serve(&mut self, loaded: config::Loaded) -> anyhow::Result<()> {
        logging::init(&loaded.config.log)?;
        for caution in config::relations::cautions(&loaded.config) {
            tracing::warn!("{caution}");
        }
        serve::serve(&loaded)
    }

    fn connect(&mut self, addr: &str) -> Result<Box<dyn Admin>, AdminError> {
        let reason = "not wired yet".to_owned();
        Err(AdminError::Unreachable { addr: addr.to_owned(), reason })
    }

    fn verify_store(&mut self, data: &Path) -> anyhow::Result<StoreReport> {
        anyhow::bail!("not wired yet: {}", data.display())
    }

    fn repair_store(&mut self, data: &Path, _dry_run: bool) -> anyhow::Result<StoreReport> {
        anyhow::bail!("not wired yet: {}", data.display())
    }
}

fn main() -> ExitCode {
    cli::run::run(cli::args::Cli::parse(), &mut Process).into()
}
