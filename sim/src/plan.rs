use broker::{BrokerConfig, Limits};
use engine::{Durability, EngineConfig, Retention, Syncing};
use store::index::IndexBounds;
use store::log::LogConfig;
use transaction::{CheckConfig, WhenExhausted};

use crate::rng::Rng;

/// When every history begins, in milliseconds since 1970.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// What one seed is like: sizes, who takes part, and what may go wrong. Not every seed has everything: a history in
/// which little goes wrong gets further than one in which everything does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Steps before the faults stop.
    pub steps: u64,
    pub(crate) engine: EngineConfig,
    /// Ordinary topics and their queues.
    pub(crate) topics: Vec<(String, u32)>,
    /// Producer groups and their instances.
    pub(crate) producer_groups: Vec<(String, usize)>,
    /// A producer group nobody of which comes back when the faults stop: its halves stay undecided.
    pub(crate) dead_group: Option<String>,
    /// Consumer groups, their members, and the topics they consume.
    pub(crate) consumer_groups: Vec<(String, usize, Vec<String>)>,
    pub(crate) plain_producers: usize,
    pub(crate) chances: Chances,
    /// Longest body in bytes.
    pub(crate) body_max: u64,
    /// Longest delay in milliseconds.
    pub(crate) delay_max_ms: u64,
}

/// How likely things are, in permille of the occasions there are for them.
#[derive(Clone, Debug)]
pub(crate) struct Chances {
    // Per step.
    pub power_cut: u64,
    pub kill: u64,
    pub restart: u64,
    pub full: u64,
    pub write_error: u64,
    pub sync_error: u64,
    pub clock_jump: u64,
    /// Of the times a client connects.
    pub clock_drift: u64,
    pub disk_copy: u64,
    /// Of those copies.
    pub damage: u64,
    pub segment_cut: u64,
    pub connection_lost: u64,
    pub client_crash: u64,
    pub slow_reader: u64,
    /// That the broker gives up a connection whose client does not know.
    pub half_open: u64,
    // Per request and answer.
    pub request_late: u64,
    /// Of those that are late.
    pub request_doubled: u64,
    pub answer_lost: u64,
    // Per step.
    /// That the next job is run in this step.
    pub job_runs: u64,
    /// That a job that was run is handed back in this step.
    pub job_returns: u64,
    // Per restart.
    pub index_lost: u64,
    pub clock_back: u64,
    pub crash_while_recovering: u64,
    // Per transaction.
    pub rollback: u64,
    pub decision_lost: u64,
    pub decision_repeated: u64,
    pub rogue: u64,
    pub end_unknown: u64,
    pub delayed: u64,
    pub immunity: u64,
    // Per check.
    pub check_unknown: u64,
    pub check_silent: u64,
    pub check_slow: u64,
    // Per message consumed.
    pub consume_fails: u64,
    // Work, as weights.
    pub send: u64,
    pub batch: u64,
    pub transaction: u64,
    pub operate: u64,
    pub delete_topic: u64,
    pub ask_about: u64,
    pub forge: u64,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64, steps: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5EED_0F00);
        let rng = &mut rng;
        let count = rng.between(1, 4);
        let topics: Vec<(String, u32)> = (0..count).map(|i| (format!("topic-{i}"), rng.between(1, 4) as u32)).collect();
        let count = rng.between(1, 3);
        let producer_groups: Vec<(String, usize)> =
            (0..count).map(|i| (format!("payers-{i}"), rng.between(1, 3) as usize)).collect();
        let count = rng.between(1, 3);
        let consumer_groups = (0..count).map(|i| {
            let mut consumed: Vec<String> = topics.iter().map(|(name, _)| name.clone()).collect();
            consumed.retain(|_| rng.chance(750));
            (format!("cart-{i}"), rng.between(1, 3) as usize, consumed)
        });
        let consumer_groups: Vec<_> = consumer_groups.collect();
        let delay_max_ms = rng.pick(&[10_000, 60_000, 300_000, 5_400_000]);
        let engine = engine_config(rng, delay_max_ms);
        let mut chances = Chances::of(rng);
        if engine.durability == Durability::Memory {
            // A deletion that a power cut takes back brings the messages back.
            chances.delete_topic = 0;
        }
        let dead_group = (producer_groups.len() > 1 && rng.chance(200)).then(|| producer_groups[0].0.clone());
        Plan {
            seed,
            steps,
            body_max: rng.pick(&[100, 600, 2_000, 6_000]),
            delay_max_ms,
            engine,
            plain_producers: rng.between(1, 2) as usize,
            chances,
            topics,
            producer_groups,
            dead_group,
            consumer_groups,
        }
    }

    /// Whether a power cut may take what was answered.
    pub(crate) fn is_lossy(&self) -> bool {
        self.engine.durability == Durability::Memory
    }
}

fn engine_config(rng: &mut Rng, delay_max_ms: u64) -> EngineConfig {
    let segment_size = rng.pick(&[16_u64, 16, 20, 32, 64]) * 4096;
    let checks = CheckConfig {
        first_check_after_ms: rng.pick(&[6_000, 6_000, 2_000]),
        check_interval_ms: rng.pick(&[30_000, 30_000, 8_000]),
        answer_timeout_ms: 5_000,
        check_max: rng.pick(&[2, 3, 5, 15]),
        unanswered_max: rng.pick(&[2, 20, 500]),
        when_exhausted: rng.pick(&[WhenExhausted::SetAside, WhenExhausted::SetAside, WhenExhausted::Rollback]),
    };
    let limits = Limits {
        message_size: 8 << 10,
        pull_messages: rng.pick(&[4, 32]),
        pull_bytes: rng.pick(&[2_000, 64 << 10]),
        held_pulls: rng.pick(&[2, 1000, 1000]),
        open_transactions: rng.pick(&[30, 10_000, 10_000, 10_000]),
        scheduled_messages: rng.pick(&[20, 10_000, 10_000, 10_000]),
        batch_bytes: 24 << 10,
        reserve: 32 << 10,
        link_ms: rng.pick(&[3_600_000, 60_000, 20_000]),
        delay_max_ms: delay_max_ms as i64 + 1000,
        ..Limits::default()
    };
    let retention = match rng.below(3) {
        0 => Retention { age_ms: 72 * 3_600_000, size: None },
        1 => Retention { age_ms: rng.pick(&[30_000, 120_000, 600_000]), size: None },
        _ => Retention { age_ms: 72 * 3_600_000, size: Some(segment_size * rng.between(1, 5)) },
    };
    let snapshot_every = rng.pick(&[10_000, 20_000, 60_000, 300_000]);
    EngineConfig {
        broker: broker_config(rng.between(1, 3) as i32, checks, limits),
        log: LogConfig { segment_size, spare_segments: rng.between(1, 3) as usize, growth: rng.pick(&[4096, 16384]) },
        index: index_bounds(rng, segment_size),
        durability: if rng.chance(150) { Durability::Memory } else { Durability::Disk },
        syncing: Syncing::Inline,
        memory_sync_ms: 500,
        lazy_ms: rng.pick(&[0, 1_000]),
        read_block_len: 4096,
        snapshot_every,
        // Worlds where every snapshot is a replay, and worlds where only that of a larger state is.
        snapshot_items: if matches!(snapshot_every, 10_000 | 60_000) { 0 } else { 30 },
        retention,
    }
}

/// What the broker of a race is told: checks come at once, and the log is short, so that it goes round.
pub(crate) fn racing() -> EngineConfig {
    let checks = CheckConfig {
        first_check_after_ms: 40,
        check_interval_ms: 200,
        answer_timeout_ms: 5_000,
        check_max: 15,
        unanswered_max: 500,
        when_exhausted: WhenExhausted::SetAside,
    };
    let limits = Limits { batch_bytes: 256 << 10, reserve: 512 << 10, ..Limits::default() };
    EngineConfig {
        broker: broker_config(16, checks, limits),
        log: LogConfig { segment_size: 1 << 20, spare_segments: 2, growth: 1 << 20 },
        index: IndexBounds { link_stretch: 1 << 20, ..IndexBounds::default() },
        durability: Durability::Disk,
        syncing: Syncing::Inline,
        memory_sync_ms: 500,
        lazy_ms: 100,
        read_block_len: 4096,
        snapshot_every: 1 << 20,
        snapshot_items: 100,
        retention: Retention { age_ms: 72 * 3_600_000, size: Some(8 << 20) },
    }
}

fn broker_config(retry_max: i32, checks: CheckConfig, limits: Limits) -> BrokerConfig {
    BrokerConfig {
        broker_name: "tandem".into(),
        cluster_name: "DefaultCluster".into(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        default_queues: 4,
        auto_create_groups: true,
        retry_max,
        checks,
        limits,
    }
}

/// Small bounds, so that a short history writes, evicts and drops what a long one does.
fn index_bounds(rng: &mut Rng, segment_size: u64) -> IndexBounds {
    IndexBounds {
        tail_bytes_max: rng.pick(&[1 << 10, 8 << 10, 16 << 20]),
        hot_pages_max: rng.pick(&[1, 2048]),
        gathered_keys_max: rng.pick(&[600, 1 << 17]),
        block_file_len_max: rng.pick(&[4 << 10, 64 << 20]),
        link_stretch: rng.pick(&[4096, segment_size]),
    }
}

impl Chances {
    fn of(rng: &mut Rng) -> Self {
        let rare = rng.pick(&[1, 3, 8]);
        let mut may = |permille: u64, of_seeds: u64| if rng.chance(of_seeds) { permille } else { 0 };
        Chances {
            power_cut: may(rare, 600),
            kill: may(rare, 500),
            restart: may(rare, 400),
            full: may(4, 250),
            write_error: may(2, 200),
            sync_error: may(2, 200),
            clock_jump: may(4, 400),
            clock_drift: may(300, 400),
            disk_copy: may(12, 900),
            damage: may(500, 500),
            segment_cut: may(8, 300),
            connection_lost: may(6, 600),
            client_crash: may(6, 600),
            slow_reader: may(10, 300),
            half_open: may(4, 400),
            request_late: may(60, 600),
            request_doubled: may(200, 700),
            answer_lost: may(4, 500),
            job_runs: may(900, 500) + 60,
            job_returns: may(900, 500) + 60,
            index_lost: may(300, 300),
            clock_back: may(300, 300),
            crash_while_recovering: may(200, 300),
            rollback: may(250, 900),
            decision_lost: may(150, 800),
            decision_repeated: may(150, 700),
            rogue: may(100, 500),
            end_unknown: may(100, 600),
            delayed: may(150, 500),
            immunity: may(100, 500),
            check_unknown: may(400, 500),
            check_silent: may(200, 500),
            check_slow: may(200, 500),
            consume_fails: may(60, 500),
            send: may(30, 850),
            batch: may(8, 500),
            transaction: may(40, 950),
            operate: may(4, 600),
            delete_topic: may(1, 300),
            ask_about: may(8, 600),
            forge: may(5, 500),
        }
    }

    /// The chances when the faults have stopped and everybody tells the truth.
    pub(crate) fn calm(&self) -> Self {
        Chances {
            power_cut: 0,
            kill: 0,
            restart: 0,
            full: 0,
            write_error: 0,
            sync_error: 0,
            segment_cut: 0,
            clock_jump: 0,
            connection_lost: 0,
            client_crash: 0,
            slow_reader: 0,
            half_open: 0,
            request_late: 0,
            request_doubled: 0,
            answer_lost: 0,
            job_runs: 1000,
            job_returns: 1000,
            index_lost: 0,
            clock_back: 0,
            crash_while_recovering: 0,
            decision_lost: 0,
            decision_repeated: 0,
            rogue: 0,
            end_unknown: 0,
            check_unknown: 0,
            check_silent: 0,
            check_slow: 0,
            consume_fails: 0,
            send: 0,
            batch: 0,
            transaction: 0,
            operate: 0,
            ask_about: 0,
            delete_topic: 0,
            forge: 0,
            ..self.clone()
        }
    }
}
