//! What a send, a decision and a check cost in instructions, with so many undecided halves beside them.
//!
//! `instructions HALVES` stores that many halves and then runs three functions, each [`TIMES`] operations of one kind,
//! through the engine on a real disk. `bench/instructions/run` has callgrind count what happens inside of them: exact
//! figures, whatever else the machine is doing.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::{Context, Result, bail, ensure};
use broker::io::{Answer, End, EndOutcome, Heartbeat, Input, Push, Reply, Request, Send, SessionId, Settled};
use broker::{BrokerConfig, Limits};
use engine::{Behind, Durability, Engine, EngineConfig, Retention, Sink, Syncing};
use message::entry::{Outcome, TopicConfig};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::directory::DataDirectory;
use store::log::LogConfig;

/// Operations of each kind.
const TIMES: usize = 2_000;
/// Operations in a turn: as many as arrive together under load.
const TOGETHER: usize = 20;

const SESSION: SessionId = SessionId(1);
const BODY: [u8; 1024] = [b'x'; 1024];

fn main() -> Result<()> {
    let halves: usize = match std::env::args().nth(1).map(|text| text.parse()) {
        Some(Ok(halves)) => halves,
        _ => bail!("usage: instructions HALVES (undecided halves beside what is measured, such as 0 or 100000)"),
    };
    let directory = tempfile::tempdir().context("cannot make a directory for the log")?;
    let mut house = House::new(directory.path())?;
    house.halves(halves, "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}86400\u{2}")?;
    // Everything measured happens once before, so that what grows only once is there.
    sends(&mut house)?;
    let named = house.halves(TIMES, "")?;
    decisions(&mut house, &named)?;

    measured_sends(&mut house)?;
    let named = house.halves(TIMES, "")?;
    measured_decisions(&mut house, &named)?;
    house.halves(TIMES, "")?;
    house.now = house.now.plus_ms(5_900);
    measured_checks(&mut house)?;
    Ok(())
}

/// The functions callgrind looks for: each is called once.
#[inline(never)]
fn measured_sends(house: &mut House) -> Result<()> {
    black_box(sends(house))
}

#[inline(never)]
fn measured_decisions(house: &mut House, named: &[Named]) -> Result<()> {
    black_box(decisions(house, named))
}

#[inline(never)]
fn measured_checks(house: &mut House) -> Result<()> {
    black_box(checks(house))
}

fn sends(house: &mut House) -> Result<()> {
    for turn in 0..TIMES / TOGETHER {
        for number in 0..TOGETHER {
            house.send(&format!("UNIQ_KEY\u{1}{:032x}\u{2}", turn * TOGETHER + number));
        }
        house.turn()?;
        ensure!(house.answers.sent.len() == TOGETHER, "sends were not answered");
        house.answers.sent.clear();
    }
    Ok(())
}

fn decisions(house: &mut House, named: &[Named]) -> Result<()> {
    for halves in named.chunks(TOGETHER) {
        for half in halves {
            house.decide(half, EndOutcome::Decided(Outcome::Commit), false);
        }
        house.turn()?;
        ensure!(house.answers.decided == halves.len(), "decisions were not taken");
        house.answers.decided = 0;
    }
    Ok(())
}

/// Lets the time of the first checks come, and answers each "unknown", which is recorded.
fn checks(house: &mut House) -> Result<()> {
    let mut answered = 0;
    for _ in 0..20 {
        house.now = house.now.plus_ms(20);
        loop {
            house.turn()?;
            if house.answers.checks.is_empty() {
                break;
            }
            for named in std::mem::take(&mut house.answers.checks) {
                house.decide(&named, EndOutcome::Unknown, true);
                answered += 1;
            }
        }
    }
    ensure!(answered == TIMES, "{answered} checks were made, {TIMES} were due");
    Ok(())
}

/// A half as its producer names it.
#[derive(Clone, Copy)]
struct Named {
    half: i64,
    sequence: i64,
}

struct House {
    engine: Engine,
    now: Timestamp,
    token: u64,
    keys: usize,
    answers: Answers,
}

#[derive(Default)]
struct Answers {
    sent: HashMap<u64, (CommitLogOffset, QueueOffset)>,
    decided: usize,
    checks: Vec<Named>,
    failure: Option<String>,
}

impl Sink for Answers {
    fn answer(&mut self, _behind: Behind<'_>, reply: Reply, answer: Answer) {
        match answer {
            Answer::Sent(sent) => {
                self.sent.insert(reply.token, (sent.at, sent.queue_offset));
            }
            Answer::Settled(Settled::Decided) => self.decided += 1,
            Answer::Refused(refusal) => self.failure = Some(refusal.to_string()),
            _ => {}
        }
    }
    fn push(&mut self, _session: SessionId, push: Push) -> bool {
        if let Push::Check(check) = push {
            self.checks.push(Named { half: check.half.signed(), sequence: check.sequence.signed() });
        }
        true
    }
    fn takes_more(&self, _session: SessionId) -> bool {
        true
    }
    fn topic_changed(&mut self, _topic: TopicConfig) {}
    fn topic_gone(&mut self, _topic: &str) {}
    fn key_value_changed(&mut self, _namespace: &str, _key: &str, _value: Option<&str>) {}
    fn warn(&mut self, text: String) {
        self.failure = Some(text);
    }
}

impl House {
    fn new(directory: &std::path::Path) -> Result<Self> {
        let disk = DataDirectory::open(directory)?.disk();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let config = EngineConfig {
            broker: BrokerConfig {
                broker_name: "tandem".into(),
                cluster_name: "DefaultCluster".into(),
                store_host: "127.0.0.1:10911".parse()?,
                auto_create_topics: true,
                default_queues: 8,
                auto_create_groups: true,
                retry_max: 16,
                checks: Default::default(),
                limits: Limits::default(),
            },
            log: LogConfig { segment_size: 256 << 20, ..LogConfig::default() },
            durability: Durability::Disk,
            syncing: Syncing::Inline,
            memory_sync_ms: 500,
            lazy_ms: 500,
            // Snapshots are made beside: they are no cost of the operation that happened to come before.
            snapshot_every: 1 << 40,
            retention: Retention { age_ms: 72 * 3_600_000, size: None },
            index: Default::default(),
        };
        let (mut engine, _) = Engine::open(disk, config, now)?;
        let (broker, out) = engine.broker_mut();
        broker.bootstrap(out);
        engine.handle(now, Input::Opened { session: SESSION, peer: "127.0.0.1:50000".parse()? });
        let mut house = House { engine, now, token: 0, keys: 0, answers: Answers::default() };
        let beat =
            Heartbeat { client: "p", language: "JAVA", version: 513, producers: vec!["payers"], consumers: Vec::new() };
        house.ask(Request::Heartbeat(beat));
        house.turn()?;
        Ok(house)
    }

    fn ask(&mut self, request: Request<'_>) -> u64 {
        self.token += 1;
        let reply = Some(Reply { session: SESSION, token: self.token });
        self.engine.handle(self.now, Input::Request { session: SESSION, reply, request });
        self.token
    }

    fn turn(&mut self) -> Result<()> {
        self.engine.begin_turn(self.now);
        self.engine.settle(self.now, &mut self.answers)?;
        if let Some(failure) = self.answers.failure.take() {
            bail!("{failure}");
        }
        while let Some(job) = self.engine.next_job(self.now) {
            self.engine.done(self.now, job.run(), &mut self.answers)?;
        }
        Ok(())
    }

    fn send(&mut self, properties: &str) -> u64 {
        self.ask(Request::Send(Send {
            group: "payers",
            topic: "orders",
            default_topic: "TBW102",
            default_queues: 8,
            queue: (self.token % 8) as i32,
            sys_flag: 0,
            born_timestamp: self.now,
            born_host: "127.0.0.1:50000".parse().expect("an address"),
            flag: 0,
            properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body: &BODY,
        }))
    }

    /// Stores halves, and returns how they are named, in the order in which they were sent.
    fn halves(&mut self, count: usize, properties: &str) -> Result<Vec<Named>> {
        let mut named = Vec::with_capacity(count);
        let numbers: Vec<usize> = (0..count).collect();
        for together in numbers.chunks(TOGETHER) {
            let mut tokens = Vec::with_capacity(TOGETHER);
            for _ in together {
                self.keys += 1;
                let key = self.keys;
                let text =
                    format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}{key:032X}\u{2}{properties}");
                tokens.push(self.send(&text));
            }
            self.turn()?;
            for token in tokens {
                let (half, sequence) = self.answers.sent.remove(&token).context("a half was not answered")?;
                named.push(Named { half: half.signed(), sequence: sequence.signed() });
            }
        }
        Ok(named)
    }

    fn decide(&mut self, named: &Named, outcome: EndOutcome, from_check: bool) {
        self.ask(Request::End(End {
            group: "payers",
            half: named.half,
            sequence: named.sequence,
            unique_key: "",
            outcome,
            from_check,
            remark: "",
        }));
    }
}
