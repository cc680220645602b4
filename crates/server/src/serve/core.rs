use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use broker::io::Input;
use engine::Engine;
use nameserver::NameServer;
use remoting::{CloseReason, Door, Env, Event, Facts, Hearing, Sockets, Verdict};
use store::disk::Disk;

use super::clock::Clock;
use super::refusals::Refusals;
use super::sink::Doors;
use super::stop::Stop;
use super::workers::Workers;

/// Seconds between two looks at the disk.
const FACTS_EVERY_S: u64 = 5;

/// Longest sleep: so that a missed deadline can cost no more.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// The owner of everything, and the one thread that turns.
pub struct Core {
    pub engine: Engine,
    pub sockets: Sockets,
    pub door: Door,
    pub names: NameServer,
    pub clock: Clock,
    pub workers: Workers,
    pub stop: Stop,
    pub facts: Facts,
    pub disk: Arc<dyn Disk>,
    pub facts_due: u64,
    pub refusals: Refusals,
}

impl Core {
    /// Turns until a signal comes.
    ///
    /// # Errors
    /// When the log cannot be applied or the sockets cannot be polled: a restart is needed.
    pub fn run(&mut self) -> Result<()> {
        while !self.stop.asked() {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        let sleep = self.sleep();
        let seconds = self.clock.seconds();
        let may = hearing(&mut self.engine);
        self.sockets.wait(sleep, seconds, may).context("cannot wait for connections")?;
        let now = self.clock.now();
        if seconds >= self.facts_due {
            self.look_around(seconds);
        }
        if let Some(line) = self.refusals.tick(seconds) {
            tracing::info!("{line}");
        }
        let Core { engine, sockets, door, names, workers, facts, refusals, .. } = self;
        while let Some(done) = workers.take_done() {
            engine.done(now, done, &mut Doors { sockets, door, names, facts, now })?;
        }
        engine.begin_turn(now);
        for broker in names.expire(now) {
            tracing::info!("broker {broker} has said nothing for too long and is not routed to any more");
        }
        door.tick(now);
        let may = hearing(engine);
        sockets.turn(may, |event| match event {
            Event::Opened { session, peer, listener: _ } => {
                door.opened(session, peer);
                engine.handle(now, Input::Opened { session, peer });
                Verdict::Keep
            }
            Event::Frame { session, frame, to } => {
                let (broker, out) = engine.broker_mut();
                let mut env = Env { broker, names: &mut *names, out, facts, now };
                match door.request(&mut env, session, &frame, to) {
                    Ok(()) if engine.is_full() => Verdict::Later,
                    Ok(()) => Verdict::Keep,
                    Err(error) => Verdict::Close(error.to_string()),
                }
            }
            Event::Refused { peer, why } => {
                if let Some(line) = refusals.happened("refused", peer, &why) {
                    tracing::info!("{line}");
                }
                Verdict::Keep
            }
            Event::Closed { session, peer, reason } => {
                if let CloseReason::Malformed(why) | CloseReason::Overload(why) | CloseReason::Slow(why) = &reason
                    && let Some(line) = refusals.happened("closed", peer, why)
                {
                    tracing::info!("{line}");
                }
                door.gone(session);
                engine.handle(now, Input::Gone(session));
                Verdict::Keep
            }
        });
        let mut doors = Doors { sockets, door, names, facts, now };
        doors.deliver_mail();
        engine.settle(now, &mut doors)?;
        while let Some(job) = engine.next_job(now) {
            workers.run(job);
        }
        sockets.flush();
        Ok(())
    }

    fn sleep(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        if self.engine.has_ready(|session| self.sockets.takes_more(session)) {
            return Some(Duration::ZERO);
        }
        // A reader that makes room later is noticed by the poll, for its connection can then be written.
        let due = [self.engine.next_deadline(now), self.door.next_deadline(), self.names.next_deadline()];
        let due = due.into_iter().flatten().min().map(|due| self.clock.until(due));
        let line = self.refusals.due_in(self.clock.seconds()).map(Duration::from_secs);
        let due = [due, line].into_iter().flatten().min();
        // A millisecond more: the poll must not end a fraction of a millisecond before what it waits for is due.
        Some(
            due.map_or(SLEEP_MAX, |due| if due.is_zero() { due } else { due + Duration::from_millis(1) })
                .min(SLEEP_MAX),
        )
    }

    /// What tools ask about the process: looked up now and then.
    fn look_around(&mut self, seconds: u64) {
        self.facts_due = seconds + FACTS_EVERY_S;
        self.facts.log_begin = self.engine.log().start();
        self.facts.log_begin_time = self.engine.log().segments().first().and_then(|first| first.last_time);
        match self.disk.space() {
            Ok(space) => (self.facts.disk_size, self.facts.disk_free) = (space.total, space.free),
            Err(error) => tracing::warn!("cannot ask how full the disk is: {error}"),
        }
    }

    /// Ends in order: nothing new is taken, what was taken is answered, everything is made durable.
    ///
    /// # Errors
    /// What could not be done.
    pub fn finish(mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        self.sockets.stop_listening();
        let now = self.clock.now();
        let mut failed = None;
        let Core { mut engine, mut sockets, mut door, mut names, workers, facts, .. } = self;
        let mut doors = Doors { sockets: &mut sockets, door: &mut door, names: &mut names, facts: &facts, now };
        engine.settle(now, &mut doors)?;
        // Waits for what is under way elsewhere: those who wait for a sync still get their answers.
        for done in workers.stop() {
            engine.done(now, done, &mut doors)?;
        }
        if let Err(error) = engine.close(now, &mut doors) {
            failed = Some(error);
        }
        sockets.finish(deadline);
        match failed {
            Some(error) => bail!("not everything could be written before the end: {error}"),
            None => Ok(()),
        }
    }
}

/// What may be heard now. A batch that somebody waits for and that is not written waits for the sync of the one before.
fn hearing(engine: &mut Engine) -> Hearing {
    if engine.is_full() {
        return Hearing::Nothing;
    }
    let (_, out) = engine.broker_mut();
    if out.urgent && !out.batch.is_empty() { Hearing::Rest } else { Hearing::Anew }
}
