//! What happens in a step, and the end, when nothing goes wrong any more.

use engine::Engine;
use message::Timestamp;

use crate::agenda::Intent;
use crate::bugs::{Bug, count_silence};
use crate::clients::{OPERATOR, Role};
use crate::world::{Asked, What, World};

/// Most things done in one turn of the broker.
const INTENTS_PER_TURN: u64 = 12;
/// Milliseconds everybody has, once the faults have stopped, beside the longest delay.
const CALM_MS: i64 = 900_000;
/// Milliseconds within which every request is answered: a pull waits for a minute at most.
const ANSWER_MS: i64 = 70_000;

impl World {
    /// Lets everything happen.
    pub(crate) fn run(&mut self) {
        for step in 0..self.plan.steps {
            if step % 150 == 0 {
                self.mood = [0; 3].map(|_| self.rng.pick(&[100, 1000, 1000, 2500]));
            }
            self.steps_done = step + 1;
            self.step();
            if self.broken() {
                return;
            }
        }
        self.calm_down();
    }

    fn step(&mut self) {
        self.pass_time();
        self.faults_before();
        let armed = self.turn();
        if self.broken() {
            return;
        }
        if let Some(power) = armed
            && self.disk.is_off()
        {
            self.fault(match power {
                true => "power cut in the middle of a turn",
                false => "process killed in the middle of a turn",
            });
            return self.crash(power);
        }
        if self.ends_at_segment() {
            return;
        }
        self.disk.disarm();
        self.restart_failed();
        self.work();
        if !self.broken() && self.rng.chance(10) {
            self.look_inside();
            self.unanswered_requests();
        }
    }

    fn pass_time(&mut self) {
        let ms = match self.rng.below(100) {
            0..60 => self.rng.below(10),
            60..90 => self.rng.below(200),
            90..98 => self.rng.below(3_000),
            _ => {
                let due = self.node.as_ref().and_then(|node| node.engine.next_deadline(self.now));
                due.map_or(0, |due| due.since_ms(self.now).clamp(0, 30_000) as u64)
            }
        };
        self.now = self.now.plus_ms(ms as i64);
        let jumps = self.rng.chance(self.chances.clock_jump);
        if jumps {
            self.fault("clock jumped forward");
            self.now = self.now.plus_ms(self.rng.pick(&[20_000, 300_000, 4_000_000]));
        }
        self.latest = self.latest.max(self.now);
        if jumps {
            // Everybody is silent for too long at once, and is there again with the next heartbeat.
            self.jumped_until = self.latest.plus_ms(60_000);
        }
    }

    /// One turn of the broker. Returns what the process is armed to end by, if it is.
    fn turn(&mut self) -> Option<bool> {
        let now = self.now;
        if let Some(node) = self.node.as_mut() {
            node.engine.begin_turn(now);
        }
        let armed = self.arm();
        self.arrivals();
        for _ in 0..self.rng.between(1, INTENTS_PER_TURN) {
            let Some(intent) = self.agenda.take_due(now) else { break };
            self.act(intent);
        }
        self.new_work();
        self.settle();
        self.notice_failure();
        self.trace_entries();
        self.hear();
        armed
    }

    fn settle(&mut self) {
        let now = self.now;
        let Some(node) = self.node.as_mut() else { return };
        let parked = node.engine.has_parked();
        if self.bug == Some(Bug::SilenceCounted) {
            count_silence(node.engine.broker_mut().1);
        }
        if let Err(fatal) = node.engine.settle(now, &mut self.mailbox)
            && !self.disk.is_off()
        {
            self.oracle.fail("the engine goes on", fatal.to_string());
        }
        let parked = parked || node.engine.has_parked();
        if parked {
            self.state("reader parked");
        }
    }

    fn arm(&mut self) -> Option<bool> {
        let weights = [self.chances.power_cut, self.chances.kill, self.chances.disk_copy, 1000];
        let after = self.rng.below(14);
        match self.rng.weighted(&weights)? {
            0 => {
                self.disk.off_after(after);
                Some(true)
            }
            1 => {
                self.disk.off_after(after);
                Some(false)
            }
            2 => {
                self.disk.copy_after(after);
                None
            }
            _ => None,
        }
    }

    fn faults_before(&mut self) {
        let chances = self.chances.clone();
        if self.node.is_some() {
            if self.rng.chance(chances.power_cut) {
                self.fault("power cut between turns");
                return self.crash(true);
            }
            if self.rng.chance(chances.kill) {
                self.fault("process killed between turns");
                return self.crash(false);
            }
            if self.rng.chance(chances.restart) {
                return self.planned_restart();
            }
        }
        if self.segment_cut.is_none() && self.rng.chance(chances.segment_cut) {
            self.segment_cut = Some(self.rng.chance(800));
            // The sync of its first batch is what matters most: behind it nothing is lost.
            self.disk.off_after_segment(self.rng.pick(&[0, 1, 1, 1, 2]));
        }
        if self.rng.chance(chances.full) {
            self.fault("disk full");
            let space = store::disk::Disk::space(self.disk.inner()).expect("a simulated disk knows its space");
            let left = self.rng.pick(&[0, 10_000, 200_000]);
            self.disk.inner().set_capacity(space.total - space.free + left);
            let wait = self.rng.between(500, 30_000) as i64;
            self.full_until = Timestamp::MAX;
            self.room_again = false;
            self.agenda.add(self.now.plus_ms(wait), Intent::Room);
        }
        if self.rng.chance(chances.write_error) {
            self.fault("write failed");
            self.disk.inner().fail_write(self.rng.between(1, 10));
            self.io_fails = true;
        }
        if self.rng.chance(chances.sync_error) {
            self.fault("sync failed");
            self.disk.inner().fail_sync(self.rng.between(1, 6));
            self.io_fails = true;
        }
        if self.rng.chance(chances.connection_lost) {
            let client = self.rng.below(self.clients.len() as u64) as usize;
            if let Some(session) = self.clients[client].session {
                self.fault("connection lost");
                if self.rng.chance(200) {
                    self.unregister(client);
                }
                self.end_session(session);
            }
        }
        if self.rng.chance(chances.client_crash) {
            let client = self.rng.below(self.clients.len() as u64) as usize;
            if client != OPERATOR && !self.clients[client].is_auditor() {
                self.crash_client(client);
            }
        }
        if self.rng.chance(chances.half_open) {
            let client = self.rng.below(self.clients.len() as u64) as usize;
            if client != OPERATOR {
                self.half_open(client);
            }
        }
        if self.rng.chance(chances.slow_reader) {
            let client = self.rng.below(self.clients.len() as u64) as usize;
            if let Some(session) = self.clients[client].session {
                if self.mailbox.slow.remove(&session) {
                    self.reads_since.insert(session, self.now);
                } else {
                    self.fault("slow reader");
                    self.mailbox.slow.insert(session);
                }
            }
        }
    }

    fn notice_failure(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        if node.engine.log().poisoned().is_some() && !self.failed {
            self.failed = true;
            self.state("log poisoned");
        }
        if self.node.as_ref().is_some_and(|node| node.engine.log().disk_full()) {
            self.state("log full");
            self.oracle.offsets.nothing_is_sure();
        } else if self.room_again {
            // The log has found out, so nothing is refused any more.
            // What was refused in this turn is still to be heard.
            (self.room_again, self.full_until) = (false, self.now.plus_ms(1));
        }
    }

    /// A log that has failed takes nothing until a restart.
    fn restart_failed(&mut self) {
        if self.node.is_some() && self.failed && (self.calm || self.rng.chance(50)) {
            self.note(format_args!("the operator restarts a broker whose log has failed"));
            let power = !self.calm && self.rng.chance(300);
            self.crash(power);
        }
    }

    fn new_work(&mut self) {
        if self.node.is_none() {
            return;
        }
        let of = |world: &Self, wanted: fn(&Role) -> bool| -> Vec<usize> {
            let there = world.clients.iter().enumerate();
            there.filter(|(_, client)| client.session.is_some() && wanted(&client.role)).map(|(at, _)| at).collect()
        };
        let (plain, transactional) =
            (of(self, |role| matches!(role, Role::Plain)), of(self, |role| matches!(role, Role::Transactional(_))));
        let often = |permille: u64, mood: u64| permille * 10 * mood / 1000;
        let chances = self.chances.clone();
        if !plain.is_empty() && self.rng.chance(often(chances.send, self.mood[0])) {
            let (client, id) = (self.rng.pick(&plain), self.new_message(None, true));
            self.send(client, id);
        }
        if !plain.is_empty() && self.rng.chance(often(chances.batch, self.mood[0])) {
            let client = self.rng.pick(&plain);
            self.new_batch(client);
        }
        if !transactional.is_empty() && self.rng.chance(often(chances.transaction, self.mood[1])) {
            let client = self.rng.pick(&transactional);
            self.new_transaction(client);
        }
        if !transactional.is_empty() && self.rng.chance(chances.forge) {
            let client = self.rng.pick(&transactional);
            if self.rng.chance(200) {
                self.send_illegal(client);
            } else {
                self.forge(client);
            }
        }
        if self.rng.chance(often(chances.operate, self.mood[2])) {
            self.operate();
        }
        if self.rng.chance(often(chances.ask_about, self.mood[2])) {
            self.ask_about();
        }
        if self.rng.chance(chances.delete_topic) {
            self.delete_topic();
        }
    }

    fn act(&mut self, intent: Intent) {
        match intent {
            Intent::Start => self.start_broker(),
            Intent::Room => {
                self.note(format_args!("the disk has room again"));
                self.disk.inner().set_capacity(1 << 50);
                self.room_again = true;
            }
            Intent::Connect(client) => {
                let known = &mut self.clients[client];
                known.alive = !(self.calm && known.doomed);
                self.connect(client);
                if client == OPERATOR {
                    self.make_topics();
                }
            }
            Intent::Heartbeat(client, session) => self.heartbeat(client, session),
            Intent::End(session) => self.end_session(session),
            Intent::Send(client, id) => self.send(client, id),
            Intent::Batch(client, ids) => self.send_batch(client, ids),
            Intent::Half(client, id) => self.send_half(client, id),
            Intent::Local(client, id) => self.run_local(client, id),
            Intent::Decide { client, half, outcome, two_way } => self.decide(client, half, outcome, two_way),
            Intent::AnswerCheck { client, session, half, sequence, key } => {
                self.answer_check(client, session, half, sequence, &key);
            }
            Intent::TellOffset { client, session, queue, offset, two_way } => {
                self.tell_offset(client, session, queue, offset, two_way);
            }
            Intent::SendBack { client, session, message, at, attempt } => {
                self.send_back(client, session, message, at, attempt);
            }
            Intent::Resolve(half, resolution, dry_run) => self.resolve(half, resolution, dry_run),
            Intent::OpenTopic(topic) => self.open_topic(topic),
            Intent::Balance(client, session) => self.balance(client, session),
            Intent::Pull(client, session, topic, queue) => self.pull(client, session, &topic, queue),
        }
    }

    /// The connection went while a request was under way: its client does not know what became of it.
    pub(crate) fn unheard(&mut self, asked: Asked) {
        match asked.what {
            What::Send(id) => self.send_failed(asked.client, &[id]),
            What::Batch(ids) => self.send_failed(asked.client, &ids),
            What::Half(id) => self.half_failed(asked.client, id),
            What::Permit(topic) => self.agenda.add(self.now.plus_ms(500), Intent::OpenTopic(topic)),
            _ => {}
        }
    }

    fn unanswered_requests(&mut self) {
        let since = |asked: &Asked| self.reads_since.get(&asked.session).map_or(asked.at, |reads| asked.at.max(*reads));
        let waits = |asked: &&Asked| !asked.gone && self.now.since_ms(since(asked)) > ANSWER_MS;
        let slow = |asked: &&Asked| self.mailbox.slow.contains(&asked.session);
        let late = self.asked.values().filter(waits).find(|asked| !slow(asked)).cloned();
        // A clock that jumped makes everything late at once: what was due is answered in the next turn.
        if let Some(asked) = late.filter(|_| self.plan.chances.clock_jump == 0 && self.plan.chances.clock_back == 0) {
            self.oracle.fail("every request is answered", format!("{asked:?}, and now it is {}", self.now));
        }
    }

    /// The faults stop. Within a bound everything is decided, delivered and consumed.
    fn calm_down(&mut self) {
        self.note(format_args!("the faults stop"));
        self.calm = true;
        self.chances = self.chances.calm();
        self.disk.disarm();
        self.disk.never_off();
        for session in std::mem::take(&mut self.mailbox.slow) {
            self.reads_since.insert(session, self.now);
        }
        self.disk.fail_nothing();
        self.act(Intent::Room);
        self.network_heals();
        if self.failed {
            self.crash(false);
        }
        for client in 0..self.clients.len() {
            if self.clients[client].doomed {
                if let Some(session) = self.clients[client].session {
                    self.end_session(session);
                }
                self.clients[client].alive = false;
            } else {
                self.agenda.add(self.now, Intent::Connect(client));
            }
        }
        let until = self.now.plus_ms(CALM_MS + self.plan.delay_max_ms as i64);
        let mut next_look = self.now;
        let mut idle = 0;
        while self.now < until && !self.broken() {
            let due = self.node.as_ref().and_then(|node| node.engine.next_deadline(self.now));
            let wake = [due, self.agenda.next_due(), self.network.next_due(), Some(next_look)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(until);
            idle = if wake <= self.now { idle + 1 } else { 0 };
            if idle > 3_000 {
                let engine = self.engine();
                let broker = engine.and_then(|engine| engine.broker().next_deadline());
                let log = engine.map(|engine| (engine.log().synced(), engine.log().written()));
                let text = format!(
                    "due at {due:?}, for the broker at {broker:?}, log {log:?}, now {}, and nothing comes of it",
                    self.now
                );
                return self.oracle.fail("a broker with nothing to do sleeps", text);
            }
            self.now = wake.clamp(self.now, until);
            self.latest = self.latest.max(self.now);
            self.turn();
            self.restart_failed();
            self.work();
            if self.now >= next_look {
                next_look = self.now.plus_ms(5_000);
                if self.is_done() {
                    break;
                }
                self.list(Some(true));
                self.unanswered_requests();
            }
        }
        if !self.broken() {
            self.conclude();
        }
    }

    fn engine(&self) -> Option<&Engine> {
        self.node.as_ref().map(|node| &node.engine)
    }

    /// Halves of groups that somebody can be asked of, messages that wait for their time, and queues not read.
    fn left(&self) -> Option<String> {
        let Some(engine) = self.engine() else { return Some("the broker is down".into()) };
        if engine.log().disk_full() {
            return Some("the disk has room, and the log does not know".into());
        }
        let dead = |group: &str| self.plan.dead_group.as_deref() == Some(group);
        let state = engine.broker().state();
        if let Some(half) = state.ledger.iter().find(|half| !dead(half.group())) {
            return Some(format!("half {} of {} is undecided: {half:?}", half.at(), half.group()));
        }
        if let Some((source, message)) = state.scheduled.iter().next() {
            return Some(format!("message {source} waits for its time: {message:?}"));
        }
        for client in self.clients.iter().filter(|client| !client.doomed) {
            let Role::Consumer(me) = &client.role else { continue };
            if client.session.is_none() {
                return Some(format!("{} is not connected", client.name));
            }
            for ((topic, queue), lane) in &me.lanes {
                let end = state.topics.get(topic).map_or(0, |topic| topic.next(*queue).get());
                if lane.next != Some(end) {
                    return Some(format!(
                        "{} is at {lane:?} of {topic} queue {queue}, which ends at {end}",
                        client.name
                    ));
                }
            }
        }
        None
    }

    fn is_done(&self) -> bool {
        self.left().is_none()
    }

    fn conclude(&mut self) {
        if let Some(left) = self.left() {
            return self.oracle.fail("once the faults stop, everything is decided and delivered", left);
        }
        self.look_inside();
        self.oracle.finish(self.now);
        if self.broken() {
            return;
        }
        let copy = self.disk.copy_now();
        self.copies.push_back(copy);
        self.recover_copy();
        if self.broken() {
            return;
        }
        self.planned_restart();
        self.start_broker();
    }
}
