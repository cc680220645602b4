//! Arguments of the demo.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::host_and_port;
use crate::config::units;

/// `tandem demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// How long orders come in
    #[arg(long = "for", value_name = "DURATION", default_value = "8s", value_parser = length)]
    pub time: Duration,
    /// Orders a second
    #[arg(long, value_name = "N", default_value_t = 80.0, value_parser = rate)]
    pub rate: f64,
    /// What the course of faults is drawn from; a random one without it
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Faults, with commas between them, or all, or none: order-crash, lost-decision, slow-transaction, cart-crash,
    /// broker-crash, refused
    #[arg(long, value_name = "FAULTS", default_value = "all")]
    pub faults: String,
    /// Send each message after the database commit instead, to see what is lost
    #[arg(long)]
    pub without_transactions: bool,
    /// Keep the directory with the databases and logs
    #[arg(long)]
    pub keep: bool,
}

/// `tandem demo-service`: what the demo starts, several times.
#[derive(Args, Debug)]
pub struct DemoServiceArgs {
    /// Which program.
    pub kind: ServiceKind,
    /// Which instance.
    #[arg(long)]
    pub name: String,
    /// The name server.
    #[arg(long, value_parser = host_and_port)]
    pub nameserver: String,
    /// The topic of the messages.
    #[arg(long)]
    pub topic: String,
    /// The group of the instances.
    #[arg(long)]
    pub group: String,
    /// The database of the instances.
    #[arg(long)]
    pub database: PathBuf,
    /// Messages are sent after the database commit.
    #[arg(long)]
    pub without_transactions: bool,
}

/// The programs of the shop.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServiceKind {
    /// Takes orders.
    Order,
    /// Clears carts.
    Cart,
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
        Ok(rate) if (0.1..=2000.0).contains(&rate) => Ok(rate),
        _ => Err("it is not a number from 0.1 to 2000".to_owned()),
    }
}
