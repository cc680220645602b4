use std::time::Duration;

/// Most operations in flight: as many as fit the correlation ids of one connection's frames.
const IN_FLIGHT_MAX: usize = 100_000;
/// Largest body, in bytes: what brokers take by default.
const BODY_MAX: usize = 4 << 20;
/// Smallest body, in bytes: room for the moment it was sent at.
const BODY_MIN: usize = 8;

/// What a producer does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Producing {
    /// Sends a message.
    Send,
    /// Stores a half, then commits it, and waits for both answers.
    Transaction,
    /// Stores a half and waits for its answer, then commits it one-way, as the Java client does.
    OneWay,
    /// Three sends, then a transaction.
    Mixed,
    /// Stores a half that nobody ever decides.
    Half,
}

/// What a run does. [`Options::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Options {
    /// A name server, or with `direct` a broker.
    pub address: String,
    /// The address is a broker's, and the topics exist: nothing is looked up, and none is made.
    pub direct: bool,
    /// What the producers do, if there are any.
    pub producing: Option<Producing>,
    /// Operations in flight, over all connections: 1 to 100,000.
    pub in_flight: usize,
    /// Connections of producers: 1 to 10,000. When there are more of them than operations in flight they take turns.
    pub connections: usize,
    /// Operations begun each second, whatever the answers: an open loop.
    pub rate: Option<f64>,
    /// Bytes of a body: 8 to 4 MiB.
    pub body: usize,
    /// Topics, one after the other.
    pub topics: u32,
    /// Queues of each topic.
    pub queues: u32,
    /// Consumer groups that read all of it, each on a connection of its own.
    pub groups: u32,
    /// Most messages of a pull.
    pub pull: u32,
    /// Messages stored beforehand; then the run is over when all groups have read them.
    pub backlog: u64,
    /// Halves stored beforehand that nobody decides.
    pub halves: u64,
    /// Not measured: caches fill, compilers compile.
    pub warm_up: Duration,
    /// Measured.
    pub time: Duration,
    /// The broker's process, to say what it used. It has to be on this machine.
    pub pid: Option<u32>,
    /// Topics are called this and a number.
    pub topic: String,
}

impl Options {
    /// Sends of 1 KiB to 8 queues of one topic, 64 in flight over 4 connections, for 10 s after 2 s.
    pub fn new(address: impl Into<String>) -> Self {
        Options {
            address: address.into(),
            direct: false,
            producing: Some(Producing::Send),
            in_flight: 64,
            connections: 4,
            rate: None,
            body: 1024,
            topics: 1,
            queues: 8,
            groups: 0,
            pull: 32,
            backlog: 0,
            halves: 0,
            warm_up: Duration::from_secs(2),
            time: Duration::from_secs(10),
            pid: None,
            topic: "bench".to_owned(),
        }
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let ranges = [
            ("operations in flight", self.in_flight, 1, IN_FLIGHT_MAX),
            ("connections", self.connections, 1, 10_000),
            ("bytes of a body", self.body, BODY_MIN, BODY_MAX),
            ("topics", self.topics as usize, 1, 1_000_000),
            ("queues", self.queues as usize, 1, 1_024),
            ("groups", self.groups as usize, 0, 1_000),
            ("messages of a pull", self.pull as usize, 1, 1_024),
        ];
        for (what, value, least, most) in ranges {
            anyhow::ensure!((least..=most).contains(&value), "{value} {what}: {least} to {most} are possible");
        }
        anyhow::ensure!(self.rate.is_none_or(|rate| rate > 0.0), "a rate is above 0 operations a second");
        anyhow::ensure!(self.producing.is_some() || self.groups > 0, "nobody sends and nobody reads");
        let reads = u64::from(self.topics) * u64::from(self.queues) * u64::from(self.groups);
        anyhow::ensure!(
            reads <= 100_000,
            "{reads} queues would be read at a time; 100,000 are possible: fewer topics, queues or groups"
        );
        Ok(())
    }
}
