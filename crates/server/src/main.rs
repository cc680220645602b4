//! The binary `tandem`: reads its command line, and serves or asks a broker that serves.

mod cli;
mod config;
mod logging;
mod serve;

use std::path::Path;
use std::process::ExitCode;

use cli::admin::{Admin, AdminError};
use cli::model::StoreReport;
use cli::offline;
use cli::remote::Remote;
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
        Ok(Box::new(Remote::connect(addr)?))
    }

    fn verify_store(&mut self, data: &Path) -> anyhow::Result<StoreReport> {
        offline::verify(data)
    }

    fn repair_store(&mut self, data: &Path, dry_run: bool) -> anyhow::Result<StoreReport> {
        offline::repair(data, dry_run)
    }
}

fn main() -> ExitCode {
    cli::run::run(cli::args::Cli::read(), &mut Process).into()
}
