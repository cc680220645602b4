use std::sync::{Arc, OnceLock};

use broker::io::{
    Answer, End, EndOutcome, Input, Pull, Push, Reply, Request, Resolution, Resolve, Send, SessionId, TransactionFilter,
};
use broker::{BrokerConfig, Limits};
use engine::{Behind, Durability, Engine, EngineConfig, Retention, Sink, Syncing};
use message::entry::{Outcome, TopicConfig};
use message::{CommitLogOffset, Timestamp};
use store::disk::{Disk, FakeDisk};
use store::index::IndexBounds;
use store::log::LogConfig;

const START_MS: i64 = 1_795_216_000_000;
const SESSION: SessionId = SessionId(1);
const DIRECTORIES: [&str; 4] = ["", "log", "snapshots", "index"];

/// How the engines are set up: small files, so that opening them is cheap.
pub fn config() -> EngineConfig {
    let limits = Limits { batch_bytes: 16 << 10, reserve: 0, ..Limits::default() };
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
            limits,
        },
        log: LogConfig { segment_size: 64 << 10, spare_segments: 1, growth: 4096 },
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

/// An engine and somebody who talks to it.
pub struct Shop {
    engine: Engine,
    now: Timestamp,
    token: u64,
    answers: Answers,
    /// It said that it cannot go on: it is not used any more.
    stopped: bool,
}

#[derive(Default)]
struct Answers {
    list: Vec<(u64, Answer)>,
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
    fn warn(&mut self, _text: String) {}
}

impl Shop {
    /// Of an engine that was just opened.
    pub fn of(mut engine: Engine, now: Timestamp) -> Self {
        let (broker, out) = engine.broker_mut();
        broker.bootstrap(out);
        let peer = "10.0.0.5:50000".parse().expect("an address");
        engine.handle(now, Input::Opened { session: SESSION, peer });
        let mut shop = Shop { engine, now, token: 0, answers: Answers::default(), stopped: false };
        shop.settle();
        shop
    }

    /// Whether the engine goes on.
    fn settle(&mut self) -> bool {
        self.stopped = self.stopped || self.engine.settle(self.now, &mut self.answers).is_err();
        !self.stopped
    }

    fn ask(&mut self, request: Request<'_>) -> Option<Answer> {
        if self.stopped {
            return None;
        }
        self.token += 1;
        let reply = Some(Reply { session: SESSION, token: self.token });
        self.engine.handle(self.now, Input::Request { session: SESSION, reply, request });
        if !self.settle() {
            return None;
        }
        let at = self.answers.list.iter().position(|(token, _)| *token == self.token)?;
        Some(self.answers.list.remove(at).1)
    }

    fn pass_ms(&mut self, ms: i64) {
        if self.stopped {
            return;
        }
        self.now = self.now.plus_ms(ms);
        self.engine.begin_turn(self.now);
        if !self.settle() {
            return;
        }
        while let Some(job) = self.engine.next_job(self.now) {
            let done = job.run();
            if self.engine.done(self.now, done, &mut self.answers).is_err() {
                self.stopped = true;
                return;
            }
        }
    }

    fn send(&mut self, properties: &str, body: &[u8]) -> Option<Answer> {
        let born_timestamp = self.now;
        self.ask(Request::Send(Send {
            group: "producers",
            topic: "orders",
            default_topic: "TBW102",
            default_queues: 4,
            queue: 0,
            sys_flag: 0,
            born_timestamp,
            born_host: "10.0.0.5:50000".parse().expect("an address"),
            flag: 0,
            properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body,
        }))
    }

    fn end(&mut self, half: i64, sequence: i64, outcome: Outcome) {
        let outcome = EndOutcome::Decided(outcome);
        let (group, unique_key, remark) = ("payers", "", "");
        self.ask(Request::End(End { group, half, sequence, unique_key, outcome, from_check: false, remark }));
    }

    /// One of each fact that a log can hold, or nearly.
    fn do_business(&mut self, round: u32) {
        for number in 0..3 {
            let key = format!("{round}-{number}");
            self.send(&format!("UNIQ_KEY\u{1}K{key}\u{2}KEYS\u{1}a b\u{2}TAGS\u{1}t\u{2}"), b"a plain one");
            self.send(&format!("UNIQ_KEY\u{1}D{key}\u{2}DELAY\u{1}{}\u{2}", number + 1), b"a late one");
            let half = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}H{key}\u{2}");
            if let Some(Answer::Sent(sent)) = self.send(&half, b"a half") {
                let (half, sequence) = (sent.at.signed(), sent.queue_offset.signed());
                match number {
                    0 => self.end(half, sequence, Outcome::Commit),
                    1 => self.end(half, sequence, Outcome::Rollback),
                    _ => {}
                }
            }
        }
        let (topic, queue) = ("orders", 0);
        self.ask(Request::UpdateOffset { group: "readers", topic, queue, offset: i64::from(round) + 1 });
        self.ask(Request::PutTopic(TopicConfig::new(format!("made-{round}"), 2)));
        let (namespace, key) = ("ORDER_TOPIC_CONFIG", "orders");
        self.ask(Request::PutKeyValue { namespace, key, value: Some("broker-a:4") });
        for _ in 0..8 {
            self.pass_ms(2_000);
        }
    }

    /// Asks for everything there is, in every way it can be asked for.
    pub fn read_everything(&mut self) {
        let mut topics: Vec<String> =
            self.engine.broker().state().topics.iter().map(|topic| topic.config.name.to_string()).collect();
        topics.sort_unstable();
        for topic in topics.iter().take(12) {
            for queue in 0..2 {
                let mut offset = 0;
                while let Some(Answer::Pulled(pulled)) = self.pull(topic, queue, offset)
                    && pulled.next.signed() > offset
                {
                    offset = pulled.next.signed();
                }
            }
            let (from, to) = (Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX));
            for (key, unique) in [("a", false), ("K0-0", true), ("H0-0", true)] {
                self.ask(Request::QueryMessage { topic, key, max: 32, from, to, unique });
            }
            self.ask(Request::TopicStats { topic });
        }
        self.ask(Request::ConsumeStats { group: "readers", topic: None });
        self.ask(Request::ListTransactions(TransactionFilter::default()));
        for id in ["H0-0", "H0-1", "H0-2", "H1-2", "0", "1", "2"] {
            self.ask(Request::ShowTransaction { id });
        }
        let end = self.engine.log().written().get();
        for at in (0..end).step_by(97) {
            self.ask(Request::ViewMessage { at: CommitLogOffset::new(at) });
        }
    }

    fn pull(&mut self, topic: &str, queue: i32, offset: i64) -> Option<Answer> {
        self.ask(Request::Pull(Pull {
            group: "readers",
            topic,
            queue,
            offset,
            max_messages: 32,
            max_bytes: None,
            commit_offset: None,
            suspend_ms: None,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: "TAG",
        }))
    }

    /// Goes on with business, lets what is late become due, and closes.
    pub fn go_on(&mut self) {
        self.do_business(9);
        for half in ["H0-2", "H9-2"] {
            let resolution = Resolution::Decide(Outcome::Commit);
            let (who, why, dry_run) = ("ada", "row 17 is paid", false);
            self.ask(Request::Resolve(Resolve { id: half, resolution, who, why, dry_run }));
        }
        for _ in 0..4 {
            self.pass_ms(40_000);
        }
        self.read_everything();
        if !self.stopped {
            drop(self.engine.close(self.now, &mut self.answers));
        }
    }
}

struct Recorded {
    files: Vec<(String, Vec<u8>)>,
    states: Vec<Vec<u8>>,
}

fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let disk = FakeDisk::new(1);
        let now = Timestamp::from_millis(START_MS);
        let mut states = Vec::new();
        for round in 0..2 {
            let (engine, _) = Engine::open(Arc::new(disk.clone()), config(), now).expect("a disk without faults");
            let mut shop = Shop::of(engine, now.plus_ms(i64::from(round) * 60_000));
            shop.do_business(round);
            let mut state = Vec::new();
            shop.engine.broker().state().encode(&mut state);
            states.push(state);
            if round == 0 {
                shop.engine.close(shop.now, &mut shop.answers).expect("a disk without faults");
            }
        }
        let mut files = Vec::new();
        for directory in DIRECTORIES {
            for name in disk.list(directory).expect("a directory of ours") {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                let file = disk.open(&path).expect("a file of ours");
                let mut bytes = vec![0; file.len().expect("a disk without faults") as usize];
                file.read_at(&mut bytes, 0).expect("a disk without faults");
                files.push((path, bytes));
            }
        }
        Recorded { files, states }
    })
}

/// Each file of a data directory in use: a snapshot, what the log says after it, and an index.
pub fn files() -> Vec<(String, Vec<u8>)> {
    recorded().files.clone()
}

/// The first segment of its log.
pub fn log_of() -> (String, Vec<u8>) {
    let mut files = recorded().files.iter();
    files.find(|(path, _)| path.starts_with("log/0000")).cloned().expect("a log has a first segment")
}

/// States at two moments.
pub fn states() -> Vec<Vec<u8>> {
    recorded().states.clone()
}
