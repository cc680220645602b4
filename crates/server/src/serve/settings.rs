//! From the configuration to what each part is told.

use std::net::SocketAddr;
use std::time::Duration;

use broker::{BrokerConfig, Limits};
use engine::{Durability, EngineConfig, Retention, Syncing};
use remoting::SocketLimits;
use store::index::IndexBounds;
use store::log::LogConfig;
use transaction::{CheckConfig, WhenExhausted};

use crate::config::{self, Config};

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn millis_u32(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// What the engine is told; `advertise` is the address clients reach the broker by.
pub fn engine(config: &Config, advertise: SocketAddr) -> EngineConfig {
    EngineConfig {
        broker: broker(config, advertise),
        log: LogConfig {
            segment_size: config.store.segment_size,
            spare_segments: config.store.spare_segments as usize,
            ..LogConfig::default()
        },
        index: IndexBounds::default(),
        durability: match config.store.durability {
            config::Durability::Disk => Durability::Disk,
            config::Durability::Memory => Durability::Memory,
        },
        syncing: Syncing::Adaptive,
        memory_sync_ms: millis(config.store.memory_sync_every),
        lazy_ms: LAZY_MS,
        read_block_len: store::reader::BLOCK_LEN,
        snapshot_every: config.store.snapshot_every,
        snapshot_items: SNAPSHOT_ITEMS,
        retention: Retention { age_ms: millis(config.retention.age), size: config.retention.size },
    }
}

/// Milliseconds a batch nobody waits for (offsets, outcomes of checks) stays in memory at most.
const LAZY_MS: i64 = 500;

/// Topics, queues, offsets, undecided halves and so on that the owner writes down at once for a snapshot: half a
/// millisecond at most, once for each `store.snapshot_every` of log.
const SNAPSHOT_ITEMS: usize = 4096;

fn broker(config: &Config, advertise: SocketAddr) -> BrokerConfig {
    let transactions = &config.transactions;
    BrokerConfig {
        broker_name: config.server.broker_name.clone(),
        cluster_name: config.server.cluster_name.clone(),
        store_host: advertise,
        auto_create_topics: config.topics.auto_create,
        default_queues: config.topics.default_queues,
        auto_create_groups: config.groups.auto_create,
        retry_max: i32::try_from(config.groups.retry_max).unwrap_or(i32::MAX),
        checks: CheckConfig {
            first_check_after_ms: millis_u32(transactions.first_check_after),
            check_interval_ms: millis_u32(transactions.check_interval),
            answer_timeout_ms: millis_u32(transactions.answer_timeout),
            check_max: transactions.check_max,
            unanswered_max: transactions.unanswered_max as usize,
            when_exhausted: match transactions.when_exhausted {
                config::WhenExhausted::SetAside => WhenExhausted::SetAside,
                config::WhenExhausted::Rollback => WhenExhausted::Rollback,
            },
        },
        limits: Limits {
            message_size: config.limits.message_size as usize,
            pull_messages: config.limits.pull_messages as usize,
            pull_bytes: config.limits.pull_bytes as usize,
            held_pulls: config.limits.held_pulls as usize,
            open_transactions: config.limits.open_transactions as usize,
            scheduled_messages: config.limits.scheduled_messages as usize,
            topics: config.limits.topics as usize,
            queues: config.limits.queues_per_topic,
            groups: config.limits.groups as usize,
            group_members: config.limits.group_members as usize,
            key_values: config.limits.kv_entries as usize,
            query_rows: config.limits.query_rows as usize,
            batch_bytes: config.limits.batch_bytes as usize,
            ..Limits::default()
        },
    }
}

/// What the connections are told.
pub fn sockets(config: &Config) -> SocketLimits {
    SocketLimits {
        connections: config.limits.connections as usize,
        connections_per_address: config.limits.connections_per_address.map(|most| most as usize),
        frame_size: config.limits.frame_size as usize,
        send_buffer: config.limits.send_buffer as usize,
        receive_buffer: config.limits.receive_buffer as usize,
        receive_buffers: config.limits.in_flight_bytes as usize,
        send_buffers: config.limits.unread_bytes as usize,
        idle: config.limits.idle_timeout,
        frame_timeout: config.limits.frame_timeout,
    }
}
