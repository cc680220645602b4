//! What happened to an engine, on a disk in memory.

use std::sync::Arc;

use broker::io::{Answer, End, EndOutcome, Input, Push, Reply, Request, Send, SessionId, Settled};
use broker::{BrokerConfig, Limits};
use message::Timestamp;
use message::entry::Outcome;
use store::disk::{Disk, FakeDisk};
use store::index::IndexBounds;
use store::log::LogConfig;

use crate::{Behind, Durability, Engine, EngineConfig, Retention, Sink, Syncing};

const SEGMENT: u64 = 64 << 10;
const START_MS: i64 = 1_700_000_000_000;
const SESSION: SessionId = SessionId(1);

mod damage;
mod retention;
mod slow_disk;
mod snapshots;

#[derive(Default)]
struct Answers {
    list: Vec<(u64, Answer)>,
    warnings: Vec<String>,
}

impl Sink for Answers {
    fn answer(&mut self, _behind: Behind<'_>, reply: Reply, answer: Answer) {
        self.list.push((reply.token, answer));
    }
    fn push(&mut self, _session: SessionId, _push: Push) -> bool {
        true
    }
    fn takes_more(&self, _session: SessionId) -> bool {
        true
    }
    fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }
}

fn config() -> EngineConfig {
    EngineConfig {
        broker: BrokerConfig {
            broker_name: "tandem".into(),
            cluster_name: "DefaultCluster".into(),
            store_host: "127.0.0.1:10911".parse().expect("an address"),
            auto_create_topics: true,
            default_queues: 4,
            auto_create_groups: true,
            retry_max: 16,
            checks: Default::default(),
            limits: Limits { batch_bytes: 16 << 10, reserve: 0, ..Limits::default() },
        },
        log: LogConfig { segment_size: SEGMENT, ..LogConfig::default() },
        index: IndexBounds::default(),
        durability: Durability::Disk,
        syncing: Syncing::Inline,
        memory_sync_ms: 500,
        lazy_ms: 1_000,
        read_block_len: 4096,
        snapshot_every: 1 << 30,
        snapshot_items: 0,
        retention: Retention { age_ms: 72 * 3_600_000, size: None },
    }
}

struct Bench {
    disk: FakeDisk,
    engine: Engine,
    now: Timestamp,
    token: u64,
    answers: Answers,
}

impl Bench {
    fn new() -> Self {
        let disk = FakeDisk::new(1);
        Self::on(disk.clone(), Arc::new(disk), config())
    }

    /// With the bytes on `disk`, reached `through` another one.
    fn on(disk: FakeDisk, through: Arc<dyn Disk>, config: EngineConfig) -> Self {
        let now = Timestamp::from_millis(START_MS);
        let (mut engine, _) = Engine::open(through, config, now).expect("an empty disk");
        let (broker, out) = engine.broker_mut();
        broker.bootstrap(out);
        let peer = "10.0.0.5:50000".parse().expect("an address");
        engine.handle(now, Input::Opened { session: SESSION, peer });
        let mut bench = Bench { disk, engine, now, token: 0, answers: Answers::default() };
        bench.settle();
        bench
    }

    fn ask(&mut self, request: Request<'_>) -> u64 {
        self.token += 1;
        let reply = Some(Reply { session: SESSION, token: self.token });
        self.engine.handle(self.now, Input::Request { session: SESSION, reply, request });
        self.token
    }

    fn settle(&mut self) {
        self.engine.settle(self.now, &mut self.answers).expect("an engine that goes on");
    }

    fn turn(&mut self) {
        self.engine.begin_turn(self.now);
        self.settle();
    }

    fn take(&mut self, token: u64) -> Answer {
        let at = self.answers.list.iter().position(|(of, _)| *of == token).expect("an answer");
        self.answers.list.remove(at).1
    }

    fn is_answered(&self, token: u64) -> bool {
        self.answers.list.iter().any(|(of, _)| *of == token)
    }

    /// Runs what is to be run elsewhere, here.
    fn run_jobs(&mut self) {
        while let Some(job) = self.engine.next_job(self.now) {
            let done = job.run();
            self.engine.done(self.now, done, &mut self.answers).expect("an engine that goes on");
        }
    }

    /// Lets time pass in steps, as a server does that has nothing else to do.
    fn run_s(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now = self.now.plus_ms(1_000);
            self.turn();
            self.run_jobs();
        }
    }

    fn send(&mut self, properties: &str, body: &[u8]) -> u64 {
        let token = self.ask(Request::Send(Send {
            group: "producers",
            topic: "orders",
            default_topic: "TBW102",
            default_queues: 4,
            queue: 0,
            sys_flag: 0,
            born_timestamp: self.now,
            born_host: "10.0.0.5:50000".parse().expect("an address"),
            flag: 0,
            properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body,
        }));
        self.settle();
        token
    }

    /// The next offset of the queue everything is sent to, as it is after a restart from what is on the disk.
    fn next_after_a_power_cut(&self) -> u64 {
        let disk = Arc::new(self.disk.crash(7));
        let (engine, _) = Engine::open(disk, config(), self.now).expect("a disk after a power cut");
        engine.broker().state().topics.get("orders").map_or(0, |topic| topic.next(0).get())
    }
}

/// Found by the simulator: commits of halves older than a link may span carry their records, and enough of them in one
/// turn made a batch longer than a segment, which stopped the broker.
#[test]
fn more_decisions_at_once_than_a_segment_holds_are_all_stored() {
    let mut bench = Bench::new();
    let body = [b'x'; 4_000];
    let halves: Vec<(i64, i64)> = (0..40)
        .map(|number| {
            let text = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}K{number}\u{2}");
            let token = bench.send(&text, &body);
            let Answer::Sent(sent) = bench.take(token) else { panic!("a half that is stored") };
            (sent.at.signed(), sent.queue_offset.signed())
        })
        .collect();
    bench.now = bench.now.plus_ms(2 * 3_600_000);
    let decisions: Vec<u64> = halves
        .into_iter()
        .map(|(half, sequence)| {
            bench.ask(Request::End(End {
                group: "payers",
                half,
                sequence,
                unique_key: "",
                outcome: EndOutcome::Decided(Outcome::Commit),
                from_check: false,
                remark: "",
            }))
        })
        .collect();
    bench.settle();
    for token in decisions {
        assert!(matches!(bench.take(token), Answer::Settled(Settled::Decided)));
    }
    assert_eq!(bench.next_after_a_power_cut(), 40);
}

/// Found by the simulator: after the clock had jumped, all delayed messages were due at once, and their records together
/// were longer than a segment, and than memory has room for.
#[test]
fn old_delayed_messages_that_are_due_at_once_are_delivered_a_batch_at_a_time() {
    let mut bench = Bench::new();
    let body = [b'x'; 4_000];
    for number in 0..40 {
        let token = bench.send(&format!("TIMER_DELAY_SEC\u{1}7200\u{2}UNIQ_KEY\u{1}K{number}\u{2}"), &body);
        assert!(matches!(bench.take(token), Answer::Sent(_)));
    }
    bench.now = bench.now.plus_ms(3 * 3_600_000);
    let before = bench.engine.log().written();
    bench.turn();
    let written = bench.engine.log().written().get() - before.get();
    assert!((4_000..20_000).contains(&written), "{written} bytes in the first turn");
    for _ in 0..40 {
        bench.turn();
    }
    assert_eq!(bench.next_after_a_power_cut(), 40);
}

/// Found by the fuzz target `sealed`: a snapshot whose state stood before its name let halves be applied again that were
/// in it already, which ended the process.
#[test]
fn a_snapshot_that_stands_elsewhere_than_it_says_is_refused() {
    let mut bench = Bench::new();
    bench.send("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}K\u{2}", b"a half");
    let state = bench.engine.broker().state();
    let (mut bytes, at) = (Vec::new(), state.applied);
    state.encode(&mut bytes);
    let applied = bytes.windows(8).position(|window| window == at.get().to_le_bytes()).expect("where it stands");
    let open = |bytes: &[u8]| {
        let disk = bench.disk.crash(7);
        store::snapshot::write(&disk, at, bench.now, bytes).expect("a disk without faults");
        Engine::open(Arc::new(disk), config(), bench.now).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(open(&bytes), Ok(()));
    // Before the half it holds, and behind it but not where the file says.
    for (wrong, words) in [(0, "cannot be read"), (at.get() + 1, "says that it stands at")] {
        bytes[applied..applied + 8].copy_from_slice(&u64::to_le_bytes(wrong));
        let refused = open(&bytes).expect_err("a snapshot that contradicts itself");
        assert!(refused.contains(words), "{refused}");
    }
}
