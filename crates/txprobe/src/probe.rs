use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use client::{Client, Route};
use protocol::request::transaction::Decision;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::course::Stage;
use crate::instance::Instance;
use crate::ledger::{Heard, Ledger, Record, Shared, Truth};
use crate::outage::{self, Commands};
use crate::plan::{Fate, Fault, Plan};
use crate::producer::{Half, decide};
use crate::reader::Reader;
use crate::report::{Report, Setting};

/// What the probe is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// A name server, `host:port`.
    pub address: String,
    /// How long transactions begin.
    pub length: Duration,
    /// Transactions that begin each second.
    pub rate: f64,
    /// Producers of the group.
    pub connections: usize,
    /// What the course of faults is drawn from.
    pub seed: u64,
    /// What goes wrong.
    pub faults: BTreeSet<Fault>,
    /// Every transaction meets one of them; otherwise about half of them do.
    pub every: bool,
    /// How long the end may take; given, every transaction has to be decided by then.
    pub wait: Option<Duration>,
    /// How the broker is killed and started again; `None` leaves it alone.
    pub outage: Option<Commands>,
}

/// Most transactions of one run: all of them are remembered.
pub const TRANSACTIONS_MAX: f64 = 2_000_000.0;
/// How long the end may take unless that is said: longer than the 30 s from check to check that brokers come with.
pub const WAIT: Duration = Duration::from_secs(35);
/// Queues of the topic on each broker.
const QUEUES: u32 = 8;
/// Transactions on their way at the same time; no more begin then.
const ON_THEIR_WAY_MAX: usize = 4000;
/// How long a group that goes offline stays away, and how often one does.
const AWAY_MAX: Duration = Duration::from_secs(10);
const OFFLINE_EVERY: Duration = Duration::from_secs(10);
/// How long the broker stays dead.
const DEAD_FOR: Duration = Duration::from_millis(500);
/// How long a broker may take until it knows a topic or its producers, and until it is back from the dead.
const READY_WITHIN: Duration = Duration::from_secs(15);
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Between two lines of progress.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// Between two looks whether everything is settled.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long things are watched that are settled, where no check tells that a round of checks has passed.
const WATCHED_FOR: Duration = Duration::from_secs(5);
/// Checks of one transaction that is never decided, after all others are settled: whatever the broker would ask or
/// deliver once more, it has by then.
const ROUNDS: u32 = 2;
/// How long transactions may take that are on their way when the load ends.
const LAST_STEPS_WITHIN: Duration = Duration::from_secs(20);

/// Runs the probe: load and faults, the wait until everything is settled, and the verdict. `progress` gets a line now and
/// then.
///
/// # Errors
/// When it could not be run: nobody answers, nothing is acknowledged, a command fails. Broken promises are no error but the
/// verdict.
pub fn run(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Report> {
    let transactions = options.rate * options.length.as_secs_f64();
    ensure!(
        transactions <= TRANSACTIONS_MAX,
        "{transactions} transactions are more than {TRANSACTIONS_MAX}; run shorter"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Probe::open(options, progress).await?.run().await })
}

struct Probe<'a> {
    options: &'a Options,
    client: Client,
    topic: String,
    stage: Arc<Stage>,
    plan: Plan,
    close: watch::Sender<bool>,
    say: &'a mut dyn FnMut(&str),
    started: Instant,
    flows: JoinSet<Option<Half>>,
    /// Halves that nobody decides, to be rolled back when all is over.
    never: Vec<Half>,
    offline: JoinSet<Instance>,
    began: u64,
    held_back: u64,
}

/// Creates the topic; a broker that has only just started may not have registered yet.
async fn create_topic(client: &Client, topic: &str) -> client::Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match client.create_topic(topic, QUEUES).await {
            Err(client::Error::BrokerNotFound { .. }) if Instant::now() < deadline => sleep(LOOK_EVERY).await,
            done => return done,
        }
    }
}

/// Where the topic is, once the name server knows it.
async fn route(client: &Client, topic: &str) -> Result<Arc<Route>> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        match client.route(topic).await {
            Ok(route) if !route.write_queues().is_empty() => return Ok(route),
            Ok(_) if Instant::now() > deadline => bail!("topic {topic} has no queue to write to"),
            Err(error) if Instant::now() > deadline => return Err(error).context("the new topic does not appear"),
            _ => sleep(LOOK_EVERY).await,
        }
    }
}

/// Kills and restarts the broker at these times, and says so. The number of kills.
async fn outages(
    stage: Arc<Stage>,
    commands: Commands,
    times: Vec<Duration>,
    started: Instant,
    said: mpsc::UnboundedSender<String>,
) -> Result<u64> {
    let mut kills = 0;
    for time in times {
        tokio::time::sleep_until(started + time).await;
        outage::run(&commands.kill).await.context("the broker is not killed")?;
        kills += 1;
        let killed = Instant::now();
        // Nobody listens any more when the run was given up.
        let _ = said.send("broker killed".to_owned());
        sleep(DEAD_FOR).await;
        outage::run(&commands.restart).await.context("the broker is not started again")?;
        for instance in &stage.crew {
            ensure!(
                instance.is_ready_within(BACK_WITHIN).await,
                "the broker does not answer {} s after {:?}",
                BACK_WITHIN.as_secs(),
                commands.restart
            );
        }
        let _ = said.send(format!("broker back after {:.1} s", killed.elapsed().as_secs_f64()));
    }
    Ok(kills)
}

impl<'a> Probe<'a> {
    async fn open(options: &'a Options, say: &'a mut dyn FnMut(&str)) -> Result<Probe<'a>> {
        let run = fastrand::u64(..);
        let (topic, group) = (format!("txprobe-{run:016x}"), format!("txprobe-{run:016x}"));
        let client = Client::builder([&options.address]).build().await?;
        create_topic(&client, &topic)
            .await
            .with_context(|| format!("cannot create a topic by way of {}", options.address))?;
        let route = route(&client, &topic).await?;
        let brokers: Vec<_> = route
            .brokers()
            .iter()
            .filter_map(|broker| Some((broker.name.clone(), broker.master()?.to_owned())))
            .collect();
        let ledger = Shared::default();
        let crew: Vec<_> = (0..options.connections).map(|_| Instance::start(&group, &brokers, &ledger)).collect();
        let forger = Instance::start(&format!("{group}-forger"), &brokers, &ledger);
        for instance in crew.iter().chain([&forger]) {
            ensure!(instance.is_ready_within(READY_WITHIN).await, "no producer can be introduced to {brokers:?}");
        }
        let (close, closing) = watch::channel(false);
        let queues = route.write_queues().to_vec();
        let stage = Arc::new(Stage { run, group, brokers, queues, crew, forger, ledger, closing });
        Ok(Probe {
            options,
            client,
            topic,
            stage,
            plan: Plan::new(options.seed, options.faults.clone()).every(options.every),
            close,
            say,
            started: Instant::now(),
            flows: JoinSet::new(),
            never: Vec::new(),
            offline: JoinSet::new(),
            began: 0,
            held_back: 0,
        })
    }

    async fn run(mut self) -> Result<Report> {
        let reader = Reader::start(
            &self.options.address,
            &format!("{}-reader", self.stage.group),
            &self.stage.queues,
            &self.stage.ledger,
        )
        .await?;
        let (stop, stopped) = watch::channel(false);
        let reading = tokio::spawn(reader.follow(stopped));
        let (length, kills) = self.load().await?;
        self.last_steps().await;
        let (waited, interrupted) = self.settle().await;
        stop.send_replace(true);
        let mut reader = reading.await.context("the reader failed")?;
        reader.read_all().await?;
        let stored = self.stage.ledger.read(|ledger| ledger.records().iter().any(|record| record.halves > 0));
        ensure!(stored, "not one half was acknowledged; can this broker take transactional messages at all?");
        let setting = Setting {
            address: self.options.address.clone(),
            topic: self.topic.clone(),
            seed: self.options.seed,
            length,
            rate: self.options.rate,
            wait: self.options.wait.unwrap_or(WAIT),
            wait_given: self.options.wait.is_some() && !interrupted,
            waited,
            kills,
            held_back: self.held_back,
            shrunk: reader.shrunk,
        };
        let report = self.stage.ledger.read(|ledger| Report::new(ledger, setting));
        self.tidy_up(report.passed()).await;
        Ok(report)
    }

    /// Transactions begin until the time is over or somebody interrupts. How long that was, and how often the broker was
    /// killed.
    async fn load(&mut self) -> Result<(Duration, u64)> {
        self.started = Instant::now();
        let (length, closing) = (self.options.length, self.started + self.options.length);
        let (said, mut heard) = mpsc::unbounded_channel();
        let commands = self.options.outage.clone();
        let times = self.plan.restarts(length);
        let mut dying: Option<JoinHandle<Result<u64>>> = commands
            .map(|commands| tokio::spawn(outages(self.stage.clone(), commands, times, self.started, said.clone())));
        let mut next = interval(Duration::from_secs_f64(1.0 / self.options.rate));
        next.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut next_offline = interval(OFFLINE_EVERY);
        let mut next_line = interval(SAY_EVERY);
        next_line.tick().await;
        let mut kills = 0;
        while Instant::now() < closing {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {
                    self.line("interrupted: no more transactions begin");
                    break;
                }
                _ = next.tick() => self.begin(),
                _ = next_offline.tick() => self.begin_offline(),
                _ = next_line.tick() => self.progress(),
                Some(words) = heard.recv() => self.line(&words),
                died = async { dying.as_mut().expect("looked at before").await }, if dying.is_some() => {
                    dying = None;
                    kills = died.context("the task that kills the broker failed")??;
                }
                Some(half) = self.flows.join_next() => self.never.extend(half.ok().flatten()),
                () = tokio::time::sleep_until(closing) => break,
            }
        }
        let loaded = self.started.elapsed();
        if let Some(dying) = dying {
            // Killed late: it has to come back before anything can be settled.
            kills = dying.await.context("the task that kills the broker failed")??;
        }
        while let Ok(words) = heard.try_recv() {
            self.line(&words);
        }
        self.close.send_replace(true);
        Ok((loaded, kills))
    }

    fn begin(&mut self) {
        // Drawn in any case, so that the course does not depend on the broker's pace.
        let planned = self.plan.next_transaction();
        if self.flows.len() >= ON_THEIR_WAY_MAX {
            self.held_back += 1;
            return;
        }
        self.flows.spawn(self.stage.clone().transaction(self.began, planned));
        self.began += 1;
    }

    fn begin_offline(&mut self) {
        let away = (self.options.length / 2).min(AWAY_MAX);
        let planned = self.plan.offline();
        // Whoever comes back after the load would have less time than --wait promises.
        if planned.is_empty() || self.started.elapsed() + away > self.options.length + SAY_EVERY {
            return;
        }
        let (first, count) = (self.began, planned.len() as u64);
        self.offline.spawn(self.stage.clone().offline(first, planned, away));
        self.began += count;
    }

    /// Whatever is on its way comes to its end.
    async fn last_steps(&mut self) {
        let mut never = Vec::new();
        let ended = timeout(LAST_STEPS_WITHIN, async {
            while let Some(half) = self.flows.join_next().await {
                never.extend(half.ok().flatten());
            }
        });
        if ended.await.is_err() {
            (self.say)("some transactions are given up: their steps do not come to an end");
            self.flows.abort_all();
        }
        self.never.extend(never);
    }

    /// Waits until every transaction is as it should be and stays so for as long as a broker takes to ask about all that
    /// it holds open; or until the time is over. How long that took, and whether somebody interrupted it.
    async fn settle(&mut self) -> (Duration, bool) {
        let began = Instant::now();
        let deadline = began + self.options.wait.unwrap_or(WAIT);
        let mut next_line = began + SAY_EVERY;
        let mut settled: Option<(Instant, Vec<(String, u32)>)> = None;
        // Those that came back have to live on: somebody has to answer their checks.
        let mut returned = Vec::new();
        while Instant::now() < deadline {
            while let Some(instance) = self.offline.try_join_next() {
                returned.extend(instance.ok());
            }
            let open = self.stage.ledger.read(|ledger| ledger.records().iter().any(|record| record.is_open()));
            match &settled {
                _ if open || !self.offline.is_empty() => settled = None,
                None => settled = Some((Instant::now(), self.stage.ledger.read(asked_for_ever))),
                Some((since, before)) if self.rounds_have_passed(*since, before) => break,
                Some(_) => {}
            }
            if Instant::now() >= next_line {
                next_line += SAY_EVERY;
                self.progress();
            }
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {
                    self.line("interrupted: what is undecided does not count");
                    return (began.elapsed(), true);
                }
                () = sleep(LOOK_EVERY) => {}
            }
        }
        self.line("settled, or out of time: all queues are read once more");
        (began.elapsed(), false)
    }

    fn rounds_have_passed(&self, since: Instant, before: &[(String, u32)]) -> bool {
        if before.is_empty() {
            return since.elapsed() >= WATCHED_FOR;
        }
        self.stage.ledger.read(|ledger| {
            let asked = |id: &str| ledger.get(id).map_or(0, |record| record.checks);
            before.iter().any(|(id, checks)| asked(id) >= checks + ROUNDS)
        })
    }

    /// Leaves the broker as it was found, as far as the protocol goes; what was broken stays to be looked at.
    async fn tidy_up(&mut self, passed: bool) {
        for half in &self.never {
            let instance = &self.stage.crew[0];
            let heard = decide(instance.link(&half.broker).as_ref(), half, Decision::Rollback, false, true).await;
            if matches!(heard, Heard::Nothing | Heard::Unsent) {
                self.line("transactions that are never decided are left behind: nobody answers");
                break;
            }
        }
        if passed && let Err(error) = self.client.delete_topic(&self.topic).await {
            self.line(&format!("topic {} is left behind: {error}", self.topic));
        }
    }

    fn progress(&mut self) {
        let (began, delivered, checks, open) = self.stage.ledger.read(|ledger| {
            let records = ledger.records();
            let count = |is: fn(&Record) -> bool| records.iter().filter(|record| is(record)).count();
            let checks: u32 = records.iter().map(|record| record.checks).sum();
            (records.len(), count(|record| !record.places.is_empty()), checks, count(|record| record.is_open()))
        });
        self.line(&format!("{began} transactions · {delivered} delivered · {checks} checks · {open} unsettled"));
    }

    fn line(&mut self, text: &str) {
        let elapsed = self.started.elapsed().as_secs();
        (self.say)(&format!("{elapsed:>4} s  {text}"));
    }
}

/// The transactions that brokers ask about as long as they hold them, and how often they did.
fn asked_for_ever(ledger: &Ledger) -> Vec<(String, u32)> {
    let never = ledger.records().iter().filter(|record| record.fate == Fate::Never && record.truth == Truth::Running);
    never.map(|record| (record.id.clone(), record.checks)).collect()
}
