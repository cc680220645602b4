//! Arguments of the commands that look at a whole broker.

use std::time::Duration;

use clap::Args;

use super::ConfigArgs;
use crate::config::units;

/// `tandem top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Look once, and end
    #[arg(long)]
    pub once: bool,
    /// Time between two looks
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Stop after this time, such as 30s; without it, when interrupted
    #[arg(long = "for", value_name = "DURATION", value_parser = units::parse_duration)]
    pub time: Option<Duration>,
    /// Topics, and groups, shown at most
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub rows: usize,
}

/// `tandem doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// The configuration it is about.
    #[command(flatten)]
    pub config: ConfigArgs,
}

fn interval(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text)? {
        interval if interval < Duration::from_millis(100) => Err("it is shorter than 100ms".to_owned()),
        interval => Ok(interval),
    }
}
