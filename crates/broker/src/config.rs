use std::net::SocketAddr;

use transaction::CheckConfig;

/// What the state machine is told once. Values are checked where the configuration is read.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// Name of the broker, as routes and clients know it. Must not change: clients resolve decisions by it.
    pub broker_name: String,
    /// Name of the cluster.
    pub cluster_name: String,
    /// Address under which clients reach the broker: part of records and offset ids.
    pub store_host: SocketAddr,
    /// Whether topics are created when something is sent to them.
    pub auto_create_topics: bool,
    /// Most queues a topic gets that is created so: those of `TBW102`.
    pub default_queues: u32,
    /// Whether consumer groups are created when their first member arrives.
    pub auto_create_groups: bool,
    /// Attempts before a message becomes a dead letter, for groups that are created so.
    pub retry_max: i32,
    /// When halves are asked about, and what happens to those nobody decides.
    pub checks: CheckConfig,
    /// Named limits.
    pub limits: Limits,
}

/// Limits of the state machine. They refuse sends and halves, never decisions and acknowledgements.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest body, in bytes.
    pub message_size: usize,
    /// Messages one pull gets at most.
    pub pull_messages: usize,
    /// Bytes one pull gets at most, unless a single message is longer.
    pub pull_bytes: usize,
    /// Pulls that wait for messages.
    pub held_pulls: usize,
    /// Undecided transactions, those set aside included.
    pub open_transactions: usize,
    /// Messages that wait for their time.
    pub scheduled_messages: usize,
    /// Topics.
    pub topics: usize,
    /// Queues of one topic.
    pub queues: u32,
    /// Consumer groups.
    pub groups: usize,
    /// Members of one consumer group.
    pub group_members: usize,
    /// Keys of the name server's configuration.
    pub key_values: usize,
    /// Transactions one listing shows.
    pub query_rows: usize,
    /// Bytes of proposals that may wait for a sync before new messages are refused.
    pub batch_bytes: usize,
    /// Bytes of log that are kept for decisions and acknowledgements when the disk is full.
    pub reserve: u64,
    /// Milliseconds after which an offset that changed is proposed, if nothing else takes it along before.
    pub offsets_flush_ms: i64,
    /// Milliseconds after which a client that says nothing is taken for gone.
    pub session_timeout_ms: i64,
    /// Milliseconds a queue stays locked unless its owner renews.
    pub lock_ms: i64,
    /// Milliseconds a link may span: an older record is carried.
    pub link_ms: i64,
    /// Farthest a message may be scheduled, in milliseconds.
    pub delay_max_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_size: 4 << 20,
            pull_messages: 32,
            pull_bytes: 256 << 10,
            held_pulls: 100_000,
            open_transactions: 2_000_000,
            scheduled_messages: 2_000_000,
            topics: 200_000,
            queues: 1024,
            groups: 50_000,
            group_members: 10_000,
            key_values: 10_000,
            query_rows: 1000,
            batch_bytes: 8 << 20,
            reserve: 4 << 20,
            offsets_flush_ms: 1000,
            session_timeout_ms: 120_000,
            lock_ms: 60_000,
            link_ms: 3_600_000,
            delay_max_ms: 3 * 24 * 3_600_000,
        }
    }
}

/// Delay of each level in milliseconds, from level 1 on (remoting protocol 5.3).
pub const DELAY_LEVELS_MS: [u64; 18] = [
    1_000, 5_000, 10_000, 30_000, 60_000, 120_000, 180_000, 240_000, 300_000, 360_000, 420_000, 480_000, 540_000,
    600_000, 1_200_000, 1_800_000, 3_600_000, 7_200_000,
];

/// Milliseconds of a delay level; `None` for level 0 and below, the last level's for every higher one.
pub fn delay_level_ms(level: i32) -> Option<u64> {
    let index = usize::try_from(level).ok()?.checked_sub(1)?;
    Some(DELAY_LEVELS_MS[index.min(DELAY_LEVELS_MS.len() - 1)])
}
