//! The broker starts, stops, is killed, loses its power, and does its work beside.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Done, Engine, Job, Opened};
use message::entry::{CheckOutcome, DecidedBy, Entry, Outcome, Place};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::disk::{Disk, FakeDisk};

use crate::agenda::Intent;
use crate::bugs::rewrite;
use crate::coverage::Kind;
use crate::disk::SimDisk;
use crate::mailbox::Mailbox;
use crate::network::Network;
use crate::oracle::{Recovered, state_is_the_fold};
use crate::world::{Node, World};

impl World {
    /// Starts the broker: recovery always succeeds, and what was said before holds.
    pub(crate) fn start_broker(&mut self) {
        if self.node.is_some() {
            return;
        }
        let mut index_lost = false;
        if self.rng.chance(self.chances.index_lost) {
            self.lose_index();
            index_lost = true;
        }
        if self.rng.chance(self.chances.clock_back) {
            self.fault("clock went back over a restart");
            self.now =
                self.now.plus_ms(-(self.rng.below(600_000) as i64)).max(Timestamp::from_millis(crate::plan::START_MS));
        }
        if self.rng.chance(self.chances.crash_while_recovering) {
            self.disk.off_after(self.rng.clone().below(12));
        }
        if let Some(bug) = self.bug {
            rewrite(bug, self.disk.inner());
        }
        let opened = Engine::open(Arc::new(self.disk.clone()), self.plan.engine.clone(), self.now);
        let recovering = self.disk.is_off();
        self.disk.disarm();
        // What a power cut in the middle of recovering leaves has all that was said before.
        self.copies.extend(self.disk.take_copy());
        self.recover_copy();
        match opened {
            _ if recovering => {
                drop(opened);
                self.fault("crash while recovering");
                self.crash(self.rng.clone().chance(500));
            }
            Err(error) => {
                let why = source_chain(&error);
                // No disk that is full or cannot be read makes what is on it look damaged.
                let refuses = self.now < self.full_until || std::mem::take(&mut self.io_fails);
                if refuses && !why.contains("is damaged") {
                    self.note(format_args!("cannot start while the disk refuses: {why}"));
                    self.disk.fail_nothing();
                    self.agenda.add(self.now.plus_ms(2_000), Intent::Start);
                    return;
                }
                self.oracle.fail("recovery always starts", why);
            }
            Ok((engine, opened)) => {
                if index_lost && !opened.fresh {
                    self.state("index rebuilt");
                }
                self.started(engine, &opened);
            }
        }
    }

    fn started(&mut self, engine: Engine, opened: &Opened) {
        self.note(format_args!(
            "the broker has started: log {}..{}, {} bytes replayed, {} undecided, {:?}",
            engine.log().start(),
            engine.log().written(),
            opened.replayed_bytes,
            opened.undecided,
            opened.remarks
        ));
        self.count_start(opened, &engine);
        self.failed = false;
        self.born_at = engine.log().written();
        self.oracle.born_at = self.born_at;
        self.segments_seen = segments_of(&engine);
        self.oracle.log_start = self.oracle.log_start.max(engine.log().start());
        self.mailbox = Mailbox::new(self.disk.clone(), self.bug);
        self.mailbox.born_at = self.born_at;
        if let Some(synced) = self.lost_behind.take() {
            let end = engine.log().written();
            if end < synced {
                return self
                    .oracle
                    .fail("what was synced is not lost", format!("synced to {synced}, recovered to {end}"));
            }
            self.oracle.lost_behind(end);
        }
        let found = match Recovered::read(&engine) {
            Ok(found) => found,
            Err(text) => return self.oracle.fail("every queue can be read", text),
        };
        self.settle_deletions(&engine, &found);
        self.go_back_to(&found);
        if let Err((rule, text)) = self.oracle.holds(&engine, &found) {
            return self.oracle.fail(rule, text);
        }
        if let Err(text) = state_is_the_fold(&engine, &self.disk) {
            return self.oracle.fail("the state is the fold of the log", text);
        }
        let state = engine.broker().state();
        self.oracle
            .offsets
            .collapse(|group, topic, queue| state.offsets.get(group, topic, queue).map(QueueOffset::get));
        self.routes = state.topics.iter().map(|topic| (topic.name().to_string(), topic.config.clone())).collect();
        let mut node = Node { engine, jobs: VecDeque::new(), done: VecDeque::new() };
        let (broker, out) = node.engine.broker_mut();
        broker.bootstrap(out);
        // As the server's clock, which never shows an earlier time than the log has entries of.
        self.now = self.now.max(node.engine.broker().state().time);
        self.node = Some(node);
        for client in 0..self.clients.len() {
            let wait = self.rng.below(3_000) as i64;
            self.agenda.add(self.now.plus_ms(wait), Intent::Connect(client));
        }
    }

    /// The auditor keeps its places, but none behind the end of a queue.
    fn go_back_to(&mut self, found: &Recovered) {
        for client in self.clients.iter_mut().filter(|client| client.is_auditor()) {
            let Some(me) = client.consumer() else { continue };
            for (queue, lane) in &mut me.lanes {
                let end = found.queues.get(queue).map_or(0, |queue| queue.max);
                lane.next = lane.next.map(|next| next.min(end));
            }
        }
    }

    /// A deletion that nobody has heard of may have happened or not.
    fn settle_deletions(&mut self, engine: &Engine, found: &Recovered) {
        for topic in std::mem::take(&mut self.oracle.deleting) {
            let same = engine.broker().state().topics.get(&topic).is_some() && self.oracle.agrees(&topic, found);
            self.note(format_args!("topic {topic}, of whose deletion nobody has heard: still there: {same}"));
            if !same {
                self.topic_gone(&topic);
            }
        }
    }

    fn count_start(&mut self, opened: &Opened, engine: &Engine) {
        if opened.cut {
            self.state("torn tail cut");
        }
        if opened.remarks.iter().chain(&opened.notes).any(|remark| remark.contains("is rebuilt")) {
            self.state("index rebuilt");
        }
        if opened.replayed_bytes > 0 && !opened.fresh {
            let from_start = opened.replayed_bytes == engine.log().written().get();
            self.state(if from_start { "replayed from the beginning" } else { "replayed behind a snapshot" });
        }
    }

    fn lose_index(&mut self) {
        self.fault("index files lost");
        let files = self.disk.inner().list("index").unwrap_or_default();
        for file in files {
            // A file that cannot be removed is one less that is lost.
            let _ = self.disk.inner().remove(&format!("index/{file}"));
        }
        // Whoever removed them did so for good.
        let _ = self.disk.inner().sync_dir("index");
    }

    /// The process ends without a word; with `power`, what was not synced goes with it.
    pub(crate) fn crash(&mut self, power: bool) {
        if let Some(node) = &self.node {
            self.synced = node.engine.log().synced();
        }
        self.node = None;
        self.segment_cut = None;
        self.copies.clear();
        let inner = match power {
            true => self.disk.inner().crash(self.rng.bits()),
            false => self.disk.inner().clone(),
        };
        self.disk = SimDisk::new(inner, self.bug, self.rng.fork());
        self.disk.fail_nothing();
        self.io_fails = false;
        if power && self.plan.is_lossy() {
            self.lost_behind = Some(self.synced);
        }
        self.down();
    }

    /// Everybody loses the broker.
    fn down(&mut self) {
        self.mailbox = Mailbox::new(self.disk.clone(), self.bug);
        self.network = Network::default();
        let asked = std::mem::take(&mut self.asked);
        for client in 0..self.clients.len() {
            self.disconnected(client);
        }
        self.agenda.retain(|intent| !matches!(intent, Intent::Connect(_) | Intent::End(_)));
        self.unanswered.clear();
        for (_, request) in asked {
            self.unheard(request);
        }
        let wait = if self.calm { 100 } else { self.rng.below(5_000) as i64 };
        self.agenda.add(self.now.plus_ms(wait), Intent::Start);
    }

    /// Stops the broker in order and starts it again later.
    pub(crate) fn planned_restart(&mut self) {
        self.fault("planned restart");
        while let Some(node) = self.node.as_mut() {
            let Some(job) = node.jobs.pop_front() else { break };
            let done = job.run();
            self.hand_back(done);
        }
        while let Some(done) = self.node.as_mut().and_then(|node| node.done.pop_front()) {
            self.hand_back(done);
        }
        let now = self.now;
        let Some(node) = self.node.as_mut() else { return };
        let closed = node.engine.close(now, &mut self.mailbox);
        self.hear();
        if self.ends_at_segment() {
            return;
        }
        let Err(why) = closed else { return self.crash(false) };
        if !self.failed && !self.io_fails && self.now >= self.full_until && !self.broken() {
            self.oracle.fail("a planned restart ends in order", why);
        }
        self.crash(false);
    }

    fn hand_back(&mut self, done: Done) {
        let now = self.now;
        if let Done::Snapshot(made) = &done
            && made.is_ok()
        {
            self.state("snapshot made");
        }
        let Some(node) = self.node.as_mut() else { return };
        if let Err(fatal) = node.engine.done(now, done, &mut self.mailbox)
            && !self.disk.is_off()
        {
            self.oracle.fail("the engine goes on", fatal.to_string());
        }
    }

    fn count_segments(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        let (before, now) = (self.segments_seen, segments_of(&node.engine));
        self.segments_seen = now;
        self.oracle.log_start = self.oracle.log_start.max(now.0);
        if before.0 < now.0 {
            self.state("segments dropped");
        }
        if before.1 < now.1 {
            self.state("segment begun");
            self.plant_in_segments();
        }
    }

    /// Takes what is to be done beside, does some of it, and hands some of what was done back.
    pub(crate) fn work(&mut self) {
        let now = self.now;
        self.count_segments();
        self.plant_snapshot();
        let Some(node) = self.node.as_mut() else { return };
        while let Some(job) = node.engine.next_job(now) {
            node.jobs.push_back(job);
        }
        if node.jobs.is_empty() && node.done.is_empty() {
            return;
        }
        let armed = self.arm_in_job();
        let mut late = false;
        let Some(node) = self.node.as_mut() else { return };
        while !node.jobs.is_empty() && !self.disk.is_off() {
            late = !self.rng.chance(self.chances.job_runs);
            if late {
                break;
            }
            let Some(job) = node.jobs.pop_front() else { break };
            let name = name_of(&job);
            let done = job.run();
            self.history.note(now, format_args!("a job is done: {name}"));
            node.done.push_back(done);
        }
        if late {
            self.coverage.hit(Kind::Fault, "job late");
        }
        if let Some(power) = armed {
            if self.disk.is_off() {
                self.fault(if power {
                    "power cut in the middle of a job"
                } else {
                    "process killed in the middle of a job"
                });
                self.crash(power);
                return;
            }
            self.disk.disarm();
        }
        while self.rng.chance(self.chances.job_returns) {
            let Some(done) = self.node.as_mut().and_then(|node| node.done.pop_front()) else { break };
            self.hand_back(done);
        }
        self.hear();
        self.ends_at_segment();
    }

    /// Whether the process was to end as a segment begins, and one has begun.
    pub(crate) fn ends_at_segment(&mut self) -> bool {
        let Some(power) = self.segment_cut.filter(|_| self.disk.is_off()) else { return false };
        self.fault(if power { "power cut as a segment begins" } else { "process killed as a segment begins" });
        self.crash(power);
        true
    }

    fn arm_in_job(&mut self) -> Option<bool> {
        let (cut, kill) = (self.chances.power_cut * 2, self.chances.kill * 2);
        let power = match self.rng.weighted(&[cut, kill, 1000])? {
            0 => true,
            1 => false,
            _ => return None,
        };
        let after = self.rng.below(30);
        self.disk.off_after(after);
        Some(power)
    }

    /// Recovers a copy of the disk as a power cut would have left it, and compares it with what was said by then.
    pub(crate) fn recover_copy(&mut self) {
        let Some(copy) = self.copies.pop_front() else { return };
        if self.plan.is_lossy() || self.broken() {
            return;
        }
        self.fault("disk copied and recovered");
        if self.rng.chance(self.chances.damage) {
            self.read_back_damage(&copy.disk);
        }
        if let Err((rule, text)) = self.recover(copy.disk) {
            self.oracle.fail(rule, format!("after a power cut: {text}"));
        }
    }

    fn recover(&mut self, disk: FakeDisk) -> Result<(), (&'static str, String)> {
        if let Some(bug) = self.bug {
            rewrite(bug, &disk);
        }
        // A copy has the capacity of its original, and recovery must not need more than a restart has.
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(disk, self.bug, self.rng.fork()));
        let opened = Engine::open(disk.clone(), self.plan.engine.clone(), self.now);
        let engine = match opened {
            Ok((engine, _)) => engine,
            Err(_) if self.now < self.full_until => return Ok(()),
            Err(error) => return Err(("recovery always starts", source_chain(&error))),
        };
        let found = Recovered::read(&engine).map_err(|text| ("every queue can be read", text))?;
        self.oracle.holds(&engine, &found)?;
        state_is_the_fold(&engine, &*disk).map_err(|text| ("the state is the fold of the log", text))
    }

    /// Compares the live state with the log, and counts what the log holds.
    pub(crate) fn look_inside(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        let applied = node.engine.broker().state().applied;
        if !self.plan.is_lossy() && applied > node.engine.log().synced() {
            let text = format!("{applied} is applied and {} is durable", node.engine.log().synced());
            return self.oracle.fail("nothing is visible that is not durable", text);
        }
        if let Err(text) = state_is_the_fold(&node.engine, &self.disk) {
            return self.oracle.fail("the state is the fold of the log", text);
        }
        self.count_entries();
    }

    /// Prints the entries that came since the last time.
    pub(crate) fn trace_entries(&mut self) {
        let Some(node) = self.node.as_ref().filter(|_| self.history.is_traced()) else { return };
        let view = node.engine.log().view();
        let from = self.traced_to.max(view.start()).min(view.end());
        // What cannot be read here is noticed where it matters.
        let _ = view.for_each_batch(from, view.end(), |batch| {
            for (at, payload) in batch.entries() {
                println!("           log {at}: {}", shown(payload));
            }
            ControlFlow::Continue(())
        });
        self.traced_to = view.end();
    }

    fn count_entries(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        let view = node.engine.log().view();
        let from = self.counted_to.max(view.start());
        let mut seen = Vec::new();
        let (stories, mut steps) = (&mut self.stories, Vec::new());
        // What a power cut has taken may be counted again: these are counts of what was tried.
        let from = if from > view.end() { view.end() } else { from };
        let counted = view.for_each_batch(from, view.end(), |batch| {
            for (at, payload) in batch.entries() {
                let Ok(entry) = Entry::decode(payload) else { continue };
                steps.extend(stories.step(at, &entry));
                names_of(entry, &mut seen);
            }
            ControlFlow::Continue(())
        });
        if let Ok(end) = counted {
            self.counted_to = end;
        }
        seen.into_iter().for_each(|name| self.state(name));
        steps.into_iter().for_each(|name| self.coverage.hit(Kind::Transition, name));
    }
}

/// Where the log begins, and where its last segment does.
fn segments_of(engine: &Engine) -> (CommitLogOffset, CommitLogOffset) {
    let last = engine.log().segments().last().map_or(CommitLogOffset::ZERO, |segment| segment.base);
    (engine.log().start(), last)
}

/// An error and what caused it.
fn source_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

fn name_of(job: &Job) -> &'static str {
    match job {
        Job::Sync(_) => "sync",
        Job::Chore(_) => "chore",
        Job::Snapshot(_) => "snapshot",
        Job::Checkpoint(_) => "checkpoint",
    }
}

/// An entry in a line: without bodies.
fn shown(payload: &[u8]) -> String {
    match Entry::decode(payload) {
        Ok(Entry::Messages(messages)) => format!("messages, {} bytes", messages.records.len()),
        Ok(Entry::Half(half)) => format!("half {} of {}, {:?}", half.sequence, half.group, half.delay),
        Ok(Entry::Scheduled(scheduled)) => format!("scheduled {} for {}", scheduled.sequence, scheduled.deliver_at),
        Ok(Entry::Deliver(deliver)) => format!("deliver {}", deliver.source),
        Ok(Entry::Carried(carried)) => format!("carried {}", carried.source),
        Ok(Entry::Decision(decision)) => {
            format!("decision about {}: {:?} by {:?}", decision.half, decision.outcome, decision.by)
        }
        Ok(entry) => format!("{entry:?}"),
        Err(error) => error.to_string(),
    }
}

/// What an entry is counted as.
fn names_of(entry: Entry<'_>, seen: &mut Vec<&'static str>) {
    let name = match entry {
        Entry::Messages(_) => "entry messages",
        Entry::Half(_) => "entry half",
        Entry::Check(check) => match check.outcome {
            CheckOutcome::Unknown => "entry check unknown",
            CheckOutcome::Silent => "entry check silent",
        },
        Entry::SetAside(_) => "entry set aside",
        Entry::Resume(_) => "entry resume",
        Entry::Scheduled(_) => "entry scheduled",
        Entry::Deliver(deliver) => match deliver.place {
            Place::Carry { .. } => "entry deliver carry",
            _ => "entry deliver link",
        },
        Entry::Offsets(_) => "entry offsets",
        Entry::Topic(_) => "entry topic",
        Entry::TopicDeleted { .. } => "entry topic deleted",
        Entry::Group(_) | Entry::GroupDeleted { .. } | Entry::KeyValue { .. } => "entry group",
        Entry::Carried(_) => "entry carried",
        Entry::Decision(decision) => {
            seen.push(match decision.by {
                DecidedBy::Producer => "decided by producer",
                DecidedBy::CheckAnswer => "decided by check answer",
                DecidedBy::Operator => "decided by operator",
                DecidedBy::Exhausted => "decided by exhaustion",
            });
            match (decision.outcome, decision.place) {
                (Outcome::Rollback, _) => "decision rollback",
                (_, Place::Carry { .. }) => "decision commit carry",
                (_, Place::Later { .. }) => "decision commit later",
                _ => "decision commit link",
            }
        }
    };
    seen.push(name);
}
