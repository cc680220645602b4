//! The server's own log: to standard error, because standard output is for data.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat};

/// Sets up logging for the rest of the process.
///
/// # Errors
/// The level cannot be read, which reading the configuration rules out, or logging has been set up before.
pub fn init(log: &Log) -> anyhow::Result<()> {
    let levels: Targets = log.level.parse()?;
    let layer = match log.format {
        LogFormat::Text => fmt::layer().compact().with_writer(io::stderr).with_ansi(colours_wanted()).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    tracing_subscriber::registry().with(layer).with(levels).try_init()?;
    Ok(())
}

/// Colours are for a person at a terminal who did not decline them (`NO_COLOR`, see no-color.org).
fn colours_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
