//! Arguments of the load.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::config::units;

/// Groups that read a fan-out unless `--groups` says otherwise.
pub const FAN_OUT: u32 = 10;
/// Messages that are read to catch up unless `--backlog` says otherwise.
pub const BACKLOG: u64 = 1_000_000;

/// `tandem bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// What is done
    #[arg(value_enum, default_value_t = Work::Send)]
    pub work: Work,
    /// Operations in flight, over all connections: the next begins when one is answered
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub in_flight: usize,
    /// Connections that send; more of them than operations in flight take turns
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub connections: usize,
    /// Begin so many each second, whatever the answers; latencies count from when each was meant to begin
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Bytes of a body
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub size: usize,
    /// Topics, one after the other
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub topics: u32,
    /// Queues of each topic
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub queues: u32,
    /// Consumer groups that read everything [default: 0; 1 of end-to-end and catch-up, 10 of fan-out]
    #[arg(long, value_name = "N")]
    pub groups: Option<u32>,
    /// Most messages of a pull
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub pull: u32,
    /// Messages to catch up with, which are stored first [default: 1000000]
    #[arg(long, value_name = "N")]
    pub backlog: Option<u64>,
    /// Halves that nobody decides, which are stored first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub open_halves: u64,
    /// How long it is measured
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", value_parser = units::parse_duration)]
    pub time: Duration,
    /// How long it runs before that
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = units::parse_duration)]
    pub warm_up: Duration,
    /// The broker's process on this machine, to say what it used
    #[arg(long)]
    pub pid: Option<u32>,
    /// Topics are called this and a number
    #[arg(long, value_name = "NAME", default_value = "bench")]
    pub topic: String,
    /// The address is a broker's and the topics exist: nothing is looked up or made
    #[arg(long)]
    pub direct: bool,
}

/// What is done, again and again.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Messages are sent
    Send,
    /// Halves are stored and committed, and both are answered
    Transactions,
    /// Halves are stored and committed one-way, as the Java client does
    OneWay,
    /// Three sends, then a transaction
    Mixed,
    /// Halves are stored that nobody decides
    Halves,
    /// Messages are sent and read
    EndToEnd,
    /// Messages are sent and read by many groups
    FanOut,
    /// A backlog is read, as fast as it goes
    CatchUp,
}
