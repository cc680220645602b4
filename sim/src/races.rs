//! Racing decisions: several producers, answers to checks and operators decide the same transactions at the same time,
//! with restarts in between, and every transaction must have one outcome for everybody who is ever told of it.
//!
//! The worlds of the other modules do everything at once; here one thing is done, very often.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use broker::io::{
    Answer, End, EndOutcome, Heartbeat, Input, Pull, Push, Refusal, Reply, Request, Resolution, Resolve, Send,
    SessionId, Settled,
};
use engine::{Behind, Engine, Sink};
use message::entry::{Outcome, TopicConfig};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::disk::FakeDisk;

use crate::bugs::Bug;
use crate::disk::SimDisk;
use crate::mailbox::planted;
use crate::plan::{START_MS, racing};
use crate::rng::Rng;

/// Queues of the topic.
const QUEUES: u32 = 4;
/// Connections: producers of one group, then the operator, then the reader.
const PRODUCERS: u64 = 3;
const OPERATOR: SessionId = SessionId(PRODUCERS + 1);
const READER: SessionId = SessionId(PRODUCERS + 2);
const GROUP: &str = "racers";
const TOPIC: &str = "race";
/// Turns after its first decisions in which a transaction is decided again.
const LAPS: u64 = 6;
/// Most restarts of one broker in a thousand turns.
const RESTARTS_PERMILLE: u64 = 4;

/// What came of many races.
#[derive(Clone, Copy, Debug, Default)]
pub struct Races {
    /// Decisions sent.
    pub decisions: u64,
    /// Transactions they were about.
    pub transactions: u64,
    /// Transactions that were committed, and that were rolled back, as far as anybody was told.
    pub committed: u64,
    /// See above.
    pub rolled_back: u64,
    /// Answers that a decision counted, repeats, and refusals because the opposite had been decided.
    pub first: u64,
    /// See above.
    pub repeated: u64,
    /// See above.
    pub refused: u64,
    /// Power cuts and kills in between.
    pub restarts: u64,
    /// Messages of committed transactions that were delivered.
    pub delivered: u64,
    /// Transactions about which two outcomes were told or seen.
    pub contradicted: u64,
}

impl Races {
    /// Adds what happened elsewhere.
    pub fn merge(&mut self, other: &Races) {
        self.decisions += other.decisions;
        self.transactions += other.transactions;
        self.committed += other.committed;
        self.rolled_back += other.rolled_back;
        self.first += other.first;
        self.repeated += other.repeated;
        self.refused += other.refused;
        self.restarts += other.restarts;
        self.delivered += other.delivered;
        self.contradicted += other.contradicted;
    }
}

impl fmt::Display for Races {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} decisions about {} transactions, {} restarts: {} counted, {} repeats, {} refused as the opposite; \
             {} committed, {} delivered, {} rolled back; {} with two outcomes",
            self.decisions,
            self.transactions,
            self.restarts,
            self.first,
            self.repeated,
            self.refused,
            self.committed,
            self.delivered,
            self.rolled_back,
            self.contradicted
        )
    }
}

/// Has at least so many decisions race, as this seed will have it.
///
/// # Errors
/// What the broker did that no broker may do, other than two outcomes, which are counted.
pub fn race(seed: u64, decisions: u64, bug: Option<Bug>) -> Result<Races, String> {
    let mut track = Track::new(seed, bug);
    track.start()?;
    while track.races.decisions < decisions {
        track.turn(true)?;
    }
    // What is under way comes to its end.
    for _ in 0..4 * LAPS {
        track.turn(false)?;
    }
    for runner in track.runners.values() {
        match runner.outcome {
            Some(Outcome::Commit) => track.races.committed += 1,
            Some(Outcome::Rollback) => track.races.rolled_back += 1,
            None => {}
        }
        track.races.contradicted += u64::from(runner.contradicted);
    }
    Ok(track.races)
}

/// One transaction.
#[derive(Debug, Default)]
struct Runner {
    sequence: i64,
    key: String,
    /// What anybody was told, or has seen, that it came to.
    outcome: Option<Outcome>,
    /// Somebody was told that his decision was the one that counts.
    won: bool,
    copies: u32,
    contradicted: bool,
}

impl Runner {
    fn came_to(&mut self, outcome: Outcome) {
        self.contradicted |= self.outcome.is_some_and(|before| before != outcome);
        self.outcome.get_or_insert(outcome);
    }
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Half,
    Decision(CommitLogOffset, Outcome),
    Pull(u32),
    Other,
}

struct Track {
    rng: Rng,
    bug: Option<Bug>,
    now: Timestamp,
    turns: u64,
    disk: SimDisk,
    engine: Option<Engine>,
    told: Told,
    token: u64,
    asked: BTreeMap<u64, Asked>,
    runners: BTreeMap<CommitLogOffset, Runner>,
    /// Decisions by the turn in which they are sent.
    laps: BTreeMap<u64, Vec<(CommitLogOffset, Outcome)>>,
    next: [u64; QUEUES as usize],
    keys: u64,
    races: Races,
}

/// What the broker says.
struct Told {
    disk: SimDisk,
    bug: Option<Bug>,
    answers: VecDeque<(u64, Answer)>,
    checks: VecDeque<(CommitLogOffset, i64, String)>,
}

impl Sink for Told {
    fn answer(&mut self, _behind: Behind<'_>, reply: Reply, answer: Answer) {
        if self.disk.tell() {
            let answer = match self.bug {
                Some(bug) => planted(bug, reply, answer),
                None => answer,
            };
            self.answers.push_back((reply.token, answer));
        }
    }

    fn push(&mut self, _session: SessionId, push: Push) -> bool {
        if let Push::Check(check) = push
            && self.disk.tell()
        {
            self.checks.push_back((check.half, check.sequence.signed(), check.unique_key));
        }
        true
    }

    fn takes_more(&self, _session: SessionId) -> bool {
        true
    }

    fn warn(&mut self, _text: String) {}
}

impl Track {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = Rng::new(seed ^ 0x4AC3);
        let disk = SimDisk::new(FakeDisk::new(seed), None, rng.fork());
        Track {
            bug,
            now: Timestamp::from_millis(START_MS),
            turns: 0,
            told: Told { disk: disk.clone(), bug, answers: VecDeque::new(), checks: VecDeque::new() },
            disk,
            engine: None,
            token: 0,
            asked: BTreeMap::new(),
            runners: BTreeMap::new(),
            laps: BTreeMap::new(),
            next: [0; QUEUES as usize],
            keys: 0,
            races: Races::default(),
            rng,
        }
    }

    fn start(&mut self) -> Result<(), String> {
        let opened = Engine::open(Arc::new(self.disk.clone()), racing(), self.now);
        let (mut engine, _) = opened.map_err(|error| format!("recovery always starts: {error:?}"))?;
        let (broker, out) = engine.broker_mut();
        broker.bootstrap(out);
        self.now = self.now.max(engine.broker().state().time);
        self.told = Told { disk: self.disk.clone(), bug: self.bug, answers: VecDeque::new(), checks: VecDeque::new() };
        self.asked.clear();
        for session in 1..=READER.0 {
            let peer = std::net::SocketAddr::from(([10, 0, 0, session as u8], 40_000));
            engine.handle(self.now, Input::Opened { session: SessionId(session), peer });
        }
        self.engine = Some(engine);
        for session in 1..=PRODUCERS {
            let client = format!("racer-{session}");
            let producers = vec![GROUP];
            let beat = Heartbeat { client: &client, language: "SIM", version: 1, producers, consumers: Vec::new() };
            self.ask(SessionId(session), Asked::Other, Request::Heartbeat(beat));
        }
        let topic = Request::PutTopic(TopicConfig::new(TOPIC, QUEUES));
        self.ask(OPERATOR, Asked::Other, topic);
        self.settle()
    }

    fn ask(&mut self, session: SessionId, asked: Asked, request: Request<'_>) {
        let Some(engine) = self.engine.as_mut() else { return };
        self.token += 1;
        self.asked.insert(self.token, asked);
        let reply = Some(Reply { session, token: self.token });
        engine.handle(self.now, Input::Request { session, reply, request });
    }

    fn settle(&mut self) -> Result<(), String> {
        let Some(engine) = self.engine.as_mut() else { return Ok(()) };
        let settled = engine.settle(self.now, &mut self.told);
        if let Err(fatal) = settled
            && !self.disk.is_off()
        {
            return Err(format!("the engine goes on: {fatal}"));
        }
        self.hear()
    }

    fn turn(&mut self, begins: bool) -> Result<(), String> {
        self.turns += 1;
        self.now = self.now.plus_ms(self.rng.below(8) as i64);
        if let Some(engine) = self.engine.as_mut() {
            engine.begin_turn(self.now);
        }
        let ends = begins && self.rng.chance(RESTARTS_PERMILLE);
        if ends {
            self.disk.off_after(self.rng.below(4));
        }
        let halves = if begins { self.rng.between(1, 16) } else { 0 };
        (0..halves).for_each(|_| self.half());
        while let Some(entry) = self.laps.first_entry().filter(|entry| *entry.key() <= self.turns) {
            for (half, outcome) in entry.remove() {
                self.decide(half, outcome);
            }
        }
        (0..QUEUES).for_each(|queue| self.pull(queue));
        self.settle()?;
        if ends && self.disk.is_off() {
            return self.restart();
        }
        self.disk.disarm();
        self.work()
    }

    fn work(&mut self) -> Result<(), String> {
        while let Some(job) = self.engine.as_mut().and_then(|engine| engine.next_job(self.now)) {
            let done = job.run();
            let Some(engine) = self.engine.as_mut() else { return Ok(()) };
            engine.done(self.now, done, &mut self.told).map_err(|fatal| format!("the engine goes on: {fatal}"))?;
        }
        self.hear()
    }

    fn restart(&mut self) -> Result<(), String> {
        self.races.restarts += 1;
        self.engine = None;
        let inner = match self.rng.chance(500) {
            true => self.disk.inner().crash(self.rng.bits()),
            false => self.disk.inner().clone(),
        };
        self.disk = SimDisk::new(inner, None, self.rng.fork());
        self.start()
    }

    fn half(&mut self) {
        self.keys += 1;
        let session = SessionId(self.rng.between(1, PRODUCERS));
        let properties = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}UNIQ_KEY\u{1}K{:016}\u{2}", self.keys);
        let send = Send {
            group: GROUP,
            topic: TOPIC,
            default_topic: "TBW102",
            default_queues: QUEUES,
            queue: self.rng.below(u64::from(QUEUES)) as i32,
            sys_flag: 0,
            born_timestamp: self.now,
            born_host: std::net::SocketAddr::from(([10, 0, 0, session.0 as u8], 40_000)),
            flag: 0,
            properties: &properties,
            reconsume_times: 0,
            max_reconsume_times: None,
            body: b"run",
        };
        self.ask(session, Asked::Half, Request::Send(send));
    }

    /// A transaction is known: several decide it, soon, and not all alike.
    fn begins(&mut self, half: CommitLogOffset, sequence: i64, key: String) {
        if self.runners.contains_key(&half) {
            return;
        }
        self.races.transactions += 1;
        self.runners.insert(half, Runner { sequence, key, ..Runner::default() });
        for _ in 0..self.rng.between(2, 5) {
            let lap = self.turns + 1 + self.rng.pick(&[0, 0, 0, 1, 2, LAPS]);
            let outcome = if self.rng.chance(500) { Outcome::Commit } else { Outcome::Rollback };
            self.laps.entry(lap).or_default().push((half, outcome));
        }
    }

    fn decide(&mut self, half: CommitLogOffset, outcome: Outcome) {
        let Some(runner) = self.runners.get(&half) else { return };
        let (sequence, key) = (runner.sequence, runner.key.clone());
        self.races.decisions += 1;
        if self.rng.chance(150) {
            let id = half.to_string();
            let resolution = Resolution::Decide(outcome);
            let resolve = Resolve { id: &id, resolution, who: "ann", why: "she knows", dry_run: false };
            return self.ask(OPERATOR, Asked::Decision(half, outcome), Request::Resolve(resolve));
        }
        let end = End {
            group: GROUP,
            half: half.signed(),
            sequence,
            unique_key: &key,
            outcome: EndOutcome::Decided(outcome),
            from_check: self.rng.chance(400),
            remark: "",
        };
        let session = SessionId(self.rng.between(1, PRODUCERS));
        self.ask(session, Asked::Decision(half, outcome), Request::End(end));
    }

    fn pull(&mut self, queue: u32) {
        let pull = Pull {
            group: "reader",
            topic: TOPIC,
            queue: queue as i32,
            offset: self.next[queue as usize] as i64,
            max_messages: 64,
            max_bytes: None,
            commit_offset: None,
            suspend_ms: None,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: "TAG",
        };
        self.ask(READER, Asked::Pull(queue), Request::Pull(pull));
    }

    fn hear(&mut self) -> Result<(), String> {
        while let Some((token, answer)) = self.told.answers.pop_front() {
            let asked = self.asked.remove(&token).ok_or_else(|| format!("request {token} is answered twice"))?;
            self.answered(asked, answer)?;
        }
        while let Some((half, sequence, key)) = self.told.checks.pop_front() {
            self.begins(half, sequence, key);
        }
        Ok(())
    }

    fn answered(&mut self, asked: Asked, answer: Answer) -> Result<(), String> {
        match (asked, answer) {
            (Asked::Half, Answer::Sent(sent)) => self.begins(sent.at, sent.queue_offset.signed(), sent.unique_key),
            (Asked::Half, Answer::Refused(Refusal::Busy(_))) | (Asked::Other, _) => {}
            (Asked::Decision(half, outcome), answer) => return self.decided(half, outcome, &answer),
            (Asked::Pull(queue), Answer::Pulled(pulled)) => {
                let mut rest = &pulled.body[..];
                while let Ok(record) = Record::parse(rest) {
                    self.delivered(&record)?;
                    rest = &rest[record.bytes().len()..];
                }
                self.next[queue as usize] = pulled.next.get();
            }
            (asked, answer) => return Err(format!("{asked:?} was answered {answer:?}")),
        }
        Ok(())
    }

    fn decided(&mut self, half: CommitLogOffset, outcome: Outcome, answer: &Answer) -> Result<(), String> {
        let Some(runner) = self.runners.get_mut(&half) else { return Ok(()) };
        let opposite = match outcome {
            Outcome::Commit => Outcome::Rollback,
            Outcome::Rollback => Outcome::Commit,
        };
        match answer {
            Answer::Settled(Settled::Decided) => {
                self.races.first += 1;
                // Two who are told that theirs was the one that counts are two decisions, even if they are alike.
                runner.contradicted |= std::mem::replace(&mut runner.won, true);
                runner.came_to(outcome);
            }
            Answer::Settled(Settled::Repeated) => {
                self.races.repeated += 1;
                runner.came_to(outcome);
            }
            Answer::Refused(Refusal::Conflict(why)) if why.contains("before") => {
                self.races.refused += 1;
                runner.came_to(opposite);
            }
            // An operator finds no undecided transaction, or it has expired.
            Answer::Refused(Refusal::NotFound(_) | Refusal::Conflict(_)) => {}
            other => return Err(format!("a decision about half {half} was answered {other:?}")),
        }
        Ok(())
    }

    fn delivered(&mut self, record: &Record<'_>) -> Result<(), String> {
        let half = record.prepared_transaction_offset();
        let place = (record.queue_id(), record.queue_offset().max(QueueOffset::ZERO));
        let Some(runner) = self.runners.get_mut(&half) else {
            return Err(format!("{place:?} delivers half {half}, which nobody was told of"));
        };
        self.races.delivered += 1;
        runner.copies += 1;
        runner.contradicted |= runner.copies > 1;
        runner.came_to(Outcome::Commit);
        Ok(())
    }
}
