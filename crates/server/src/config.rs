//! The configuration: what can be set, what it is unless set, and how it is read.
//!
//! [`Config`] is what the rest of the server reads. [`keys::KEYS`] is the one table about its keys: the file, the
//! environment, `--set`, the reference file `tandem.toml` and `tandem config explain` are all driven by it. In reading
//! order:
//!
//! - [`keys`]: every key, with its kind, range and documentation;
//! - [`kind`] and [`value`]: what a value may look like, and its way into a field; [`units`]: durations and sizes;
//! - [`load`]: default < file < environment < `--set` < flag, and where each value came from;
//! - [`file`](mod@file): the strict reading of `tandem.toml`; [`relations`]: rules between keys;
//! - [`problem`]: what is wrong, where, with a caret, and what to do; [`suggest`]: "did you mean";
//! - [`reference`](mod@reference): the reference file and the explanation of one key.

pub mod file;
pub mod keys;
pub mod kind;
pub mod load;
pub mod problem;
pub mod reference;
pub mod relations;
pub mod suggest;
pub mod units;
pub mod value;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use load::{Loaded, Loader};
pub use problem::ConfigError;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Everything that can be set. Each field is documented by its entry in [`keys::KEYS`]; counts are `u32`, sizes are
/// bytes in `u64`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Config {
    /// Where it listens and keeps its data.
    pub server: Server,
    /// How undecided transactions are pursued.
    pub transactions: Transactions,
    /// The log on disk.
    pub store: Store,
    /// How long messages are kept.
    pub retention: Retention,
    /// How topics come to be.
    pub topics: Topics,
    /// How consumer groups come to be.
    pub groups: Groups,
    /// The named bounds of everything that could grow.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: Log,
}

/// Section `[server]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Data directory.
    pub data: PathBuf,
    /// Address of the name server.
    pub nameserver_listen: SocketAddr,
    /// Address of the broker; see [`Server::vip_listen`] for its second one.
    pub broker_listen: SocketAddr,
    /// Address clients are told to connect to; `None` stands for [`Server::broker_listen`].
    pub advertise: Option<SocketAddr>,
    /// Whether it may listen beyond this machine although nobody is authenticated.
    pub insecure: bool,
    /// Name of this broker in routes.
    pub broker_name: String,
    /// Name of the cluster in routes.
    pub cluster_name: String,
    /// How long open requests may take to finish after SIGTERM.
    pub drain_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            data: PathBuf::from("tandem-data"),
            nameserver_listen: (Ipv4Addr::LOCALHOST, 9876).into(),
            broker_listen: (Ipv4Addr::LOCALHOST, 10911).into(),
            advertise: None,
            insecure: false,
            broker_name: "tandem".to_owned(),
            cluster_name: "DefaultCluster".to_owned(),
            drain_timeout: Duration::from_secs(3),
        }
    }
}

impl Server {
    /// The "VIP" address: two below the broker's port, where clients with `vipChannelEnabled` connect. `None` when the
    /// broker's port is chosen by the system.
    pub fn vip_listen(&self) -> Option<SocketAddr> {
        let port = self.broker_listen.port().checked_sub(2).filter(|port| *port > 0)?;
        Some(SocketAddr::new(self.broker_listen.ip(), port))
    }
}

/// Section `[transactions]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Transactions {
    /// Age of an undecided half at its first check.
    pub first_check_after: Duration,
    /// Time from one check to the next.
    pub check_interval: Duration,
    /// Answered checks without a decision before a half is given up.
    pub check_max: u32,
    /// What giving up means.
    pub when_exhausted: WhenExhausted,
    /// Silence after which another producer is asked.
    pub answer_timeout: Duration,
    /// Unanswered checks one connection may have.
    pub unanswered_max: u32,
}

impl Default for Transactions {
    fn default() -> Self {
        Transactions {
            first_check_after: Duration::from_secs(6),
            check_interval: Duration::from_secs(30),
            check_max: 15,
            when_exhausted: WhenExhausted::SetAside,
            answer_timeout: Duration::from_secs(5),
            unanswered_max: 500,
        }
    }
}

/// What becomes of a half whose producers answered `check_max` times that they do not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenExhausted {
    /// Kept aside: not asked about any more, never delivered, never lost, still decidable.
    SetAside,
    /// Rolled back.
    Rollback,
}

/// Section `[store]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Store {
    /// When a write is acknowledged.
    pub durability: Durability,
    /// Whether the log is written past the page cache.
    pub direct_io: bool,
    /// Bytes of one segment file of the log.
    pub segment_size: u64,
    /// Segments prepared ahead of need.
    pub spare_segments: u32,
    /// Bytes of log after which a snapshot is written.
    pub snapshot_every: u64,
    /// With [`Durability::Memory`]: the longest time between a write and its sync.
    pub memory_sync_every: Duration,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            durability: Durability::Disk,
            direct_io: false,
            segment_size: 64 * MIB,
            spare_segments: 2,
            snapshot_every: 128 * MIB,
            memory_sync_every: Duration::from_millis(500),
        }
    }
}

/// When a write is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// When it is on the disk.
    Disk,
    /// When it is written to the operating system: a crash of the machine loses what was not yet synced.
    Memory,
}

/// Section `[retention]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Retention {
    /// How long a message can be read at least.
    pub age: Duration,
    /// Bytes of log beyond which the oldest messages go before their time; `None` for no bound.
    pub size: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { age: Duration::from_secs(72 * 3600), size: None }
    }
}

/// Section `[topics]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Topics {
    /// Whether the first send to an unknown topic creates it.
    pub auto_create: bool,
    /// Most queues of a topic that is created so.
    pub default_queues: u32,
}

impl Default for Topics {
    fn default() -> Self {
        Topics { auto_create: true, default_queues: 8 }
    }
}

/// Section `[groups]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Groups {
    /// Whether the first consumer of an unknown group creates it.
    pub auto_create: bool,
    /// Deliveries again of one message before it becomes a dead letter, when the client names no number.
    pub retry_max: u32,
}

impl Default for Groups {
    fn default() -> Self {
        Groups { auto_create: true, retry_max: 16 }
    }
}

/// Section `[limits]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// Connections of clients, on all listening addresses together.
    pub connections: u32,
    /// Connections of one address; `None` for as many as there may be.
    pub connections_per_address: Option<u32>,
    /// Silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// Time from the first byte of a request to its last.
    pub frame_timeout: Duration,
    /// Bytes of one request.
    pub frame_size: u64,
    /// Bytes of one message: body, topic and properties.
    pub message_size: u64,
    /// Bytes written to the log in one go.
    pub batch_bytes: u64,
    /// Bytes of requests that have not arrived whole, of all connections together.
    pub in_flight_bytes: u64,
    /// Bytes read from one connection before the others have their turn.
    pub receive_buffer: u64,
    /// Bytes of answers waiting for one connection to read them.
    pub send_buffer: u64,
    /// Bytes of answers waiting for all connections to read them.
    pub unread_bytes: u64,
    /// Pull requests waiting for a message.
    pub held_pulls: u32,
    /// Messages in the answer to one pull request.
    pub pull_messages: u32,
    /// Bytes of messages in the answer to one pull request.
    pub pull_bytes: u64,
    /// Undecided transactions, the set-aside ones included.
    pub open_transactions: u32,
    /// Messages waiting for a later time.
    pub scheduled_messages: u32,
    /// Topics.
    pub topics: u32,
    /// Queues of one topic.
    pub queues_per_topic: u32,
    /// Consumer groups.
    pub groups: u32,
    /// Consumers online in one group.
    pub group_members: u32,
    /// Other brokers registered with the name server.
    pub brokers: u32,
    /// Keys in the name server's key-value configuration.
    pub kv_entries: u32,
    /// Rows in one answer to an operator's query.
    pub query_rows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 20_000,
            connections_per_address: Some(10_000),
            idle_timeout: Duration::from_secs(120),
            frame_timeout: Duration::from_secs(60),
            frame_size: 16 * MIB,
            message_size: 4 * MIB,
            batch_bytes: 4 * MIB,
            in_flight_bytes: 128 * MIB,
            receive_buffer: 256 * KIB,
            send_buffer: 8 * MIB,
            unread_bytes: 512 * MIB,
            held_pulls: 100_000,
            pull_messages: 32,
            pull_bytes: 256 * KIB,
            open_transactions: 2_000_000,
            scheduled_messages: 2_000_000,
            topics: 200_000,
            queues_per_topic: 1024,
            groups: 100_000,
            group_members: 10_000,
            brokers: 1000,
            kv_entries: 10_000,
            query_rows: 1000,
        }
    }
}

/// Section `[log]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Log {
    /// A level, or levels by module: `info,tandem=debug`.
    pub level: String,
    /// For people or for programs.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One line of text.
    Text,
    /// One JSON object.
    Json,
}

#[cfg(test)]
mod tests;
