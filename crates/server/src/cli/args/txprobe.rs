//! Arguments of the probe.

use std::time::Duration;

use clap::Args;

use super::host_and_port;
use crate::config::units;

/// `tandem txprobe`.
#[derive(Args, Debug)]
pub struct TxprobeArgs {
    /// Address of a name server; the broker's own, if it is one of ours
    #[arg(value_name = "ADDR", value_parser = host_and_port)]
    pub nameserver: String,
    /// How long transactions begin
    #[arg(long = "for", value_name = "DURATION", default_value = "20s", value_parser = length)]
    pub time: Duration,
    /// Transactions a second
    #[arg(long, value_name = "N", default_value_t = 50.0, value_parser = rate)]
    pub rate: f64,
    /// Producers of the group
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=500))]
    pub connections: u16,
    /// What the course of faults is drawn from; a random one without it
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Faults, with commas between them, or all, or none: lost, unanswered, doubled, contradicting, racing, forged,
    /// killed, offline, resent, late, never, restart
    #[arg(long, value_name = "FAULTS", default_value = "all")]
    pub faults: String,
    /// Every transaction meets one of the faults, rather than about half of them
    #[arg(long)]
    pub every: bool,
    /// Time in which everything has to be decided once no more transactions begin. Without it up to 35s are waited, and
    /// what is undecided then does not count
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub wait: Option<Duration>,
    /// Kills the broker; run by sh -c
    #[arg(long, value_name = "CMD", requires = "restart_command")]
    pub kill_command: Option<String>,
    /// Starts it again on the same addresses, in the background; run by sh -c
    #[arg(long, value_name = "CMD", requires = "kill_command")]
    pub restart_command: Option<String>,
}

fn length(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text)? {
        length if length < Duration::from_secs(1) => Err("it is shorter than 1s".to_owned()),
        length if length > Duration::from_secs(86_400) => Err("it is longer than 1d".to_owned()),
        length => Ok(length),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("it is not a number from 0.1 to 10000".to_owned()),
    }
}
