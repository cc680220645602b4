//! Who is asked about which half, and when: everything about checks that need not survive a restart.
//!
//! A half watched here is in one of four stages. It *rests* until its check is due, with a timer in the wheel. It
//! *waits* in its group's line, longest overdue first, while nobody of the group can be asked. It is *asked*, and then
//! among its session's unanswered checks, with a timer for the answer. Or it is *exhausted*, and the log is about to
//! say so. Halves that are set aside are not watched.
//!
//! One *round* asks the sessions of a group one after the other until one of them answers; who was silent in a round
//! is kept with the unanswered check. A round that ends in silence is followed by the next one an interval later, or
//! at once when a session joins, for that one was not asked yet.

mod answers;
mod event;
mod producers;
mod view;

pub use event::{Command, Event};
pub use producers::SessionId;
pub use view::{CheckerView, Stage};

use foldhash::HashMap;
use message::entry::CheckOutcome;
use message::{CommitLogOffset, Timestamp};

use crate::arena::Arena;
use crate::config::{CheckConfig, WhenExhausted};
use crate::half::State;
use crate::ledger::Ledger;
use crate::wheel::{Timed, Timer, Wheel};

use producers::{Group, Outstanding, Producers};

/// The volatile part of check-backs: `step(now, event)` appends what is to be done about it.
#[derive(Debug)]
pub struct Checker {
    config: CheckConfig,
    now: Timestamp,
    halves: Arena<Watched>,
    by_half: HashMap<CommitLogOffset, u32>,
    wheel: Wheel,
    producers: Producers,
    /// Halves whose timers fired; kept for its memory.
    fired: Vec<u32>,
    /// Things looked at one by one, to hold the claim that the cost is per due check.
    #[cfg(test)]
    looked_at: usize,
}

/// A half whose producers are asked.
#[derive(Debug)]
struct Watched {
    half: CommitLogOffset,
    timer: Timer,
    step: Step,
    /// The session that sent it.
    own: Option<SessionId>,
    group: u32,
    attempts: u32,
}

/// Where a watched half stands. The timer says until when it rests, is asked, or is exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Resting,
    /// In its group's line since, or until, this time.
    Waiting(Timestamp),
    Asked(SessionId),
    Exhausted,
}

impl Timed for Watched {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

impl Checker {
    /// A checker that watches nothing yet and knows no session.
    pub fn new(config: CheckConfig, now: Timestamp) -> Self {
        Checker {
            config,
            now,
            halves: Arena::default(),
            by_half: HashMap::default(),
            wheel: Wheel::new(now),
            producers: Producers::default(),
            fired: Vec::new(),
            #[cfg(test)]
            looked_at: 0,
        }
    }

    /// Watches all pending halves of a ledger, as after a restart. What is overdue is asked about as soon as somebody
    /// who can be asked has joined. Halves that are watched already stay as they are.
    pub fn restore(&mut self, ledger: &Ledger, now: Timestamp) {
        self.now = self.now.max(now);
        for half in ledger.iter().filter(|half| half.state() == State::Pending) {
            if self.by_half.contains_key(&half.at()) {
                continue;
            }
            let index = self.watch(half.at(), half.group(), None);
            self.halves.get_mut(index).attempts = half.attempts();
            let (due, answered) = match half.last_check() {
                None => (self.config.first_check_due(half.stored_at(), half.immunity_ms()), true),
                Some(check) => (self.after_interval(check.at), check.outcome == CheckOutcome::Unknown),
            };
            if half.attempts() >= self.config.check_max {
                // The log was cut between the last answer and its consequence.
                self.halves.get_mut(index).step = Step::Exhausted;
                self.wheel.set(&mut self.halves, index, self.now);
            } else if answered && due > self.now {
                self.wheel.set(&mut self.halves, index, due);
            } else {
                self.wait(index, due);
            }
        }
    }

    /// Takes note of an event, lets time pass until `now`, and appends what is to be done.
    pub fn step(&mut self, now: Timestamp, event: Event<'_>, out: &mut Vec<Command>) {
        self.now = self.now.max(now);
        match event {
            Event::HalfStored { half, group, session, stored_at, immunity_ms } => {
                self.half_stored(half, group, session, self.config.first_check_due(stored_at, immunity_ms));
            }
            // Before time passes: a decision that comes just when a check is due needs no check.
            Event::Decided { half } | Event::SetAside { half } => self.forget(half),
            Event::UnknownAnswered { half, session, from_check } => {
                // An answer that comes too late is too late even if nobody has looked at the clock since.
                self.advance(out);
                if from_check {
                    self.unknown_answered(half, session, out);
                }
            }
            Event::Resumed { half, group } => self.resumed(half, group),
            Event::SessionJoined { group, session, client } => self.session_joined(group, session, client),
            Event::GroupLeft { group, session } => self.group_left(group, session, out),
            Event::SessionLeft { session } => self.session_left(session, out),
            Event::PushSent { half, session, ok: false } => self.push_failed(half, session, out),
            Event::CheckFailed { half } => self.check_failed(half),
            Event::PushSent { ok: true, .. } | Event::Tick => {}
        }
        self.advance(out);
    }

    /// When the next [`Event::Tick`] is needed at the latest; until then nothing is due. Perhaps a little early.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let wake = self.producers.next_wake();
        self.wheel.next().map_or(wake, |timer| Some(wake.map_or(timer, |wake| wake.min(timer))))
    }

    /// Pending halves that are watched.
    pub fn watched(&self) -> usize {
        self.halves.len()
    }

    fn half_stored(&mut self, half: CommitLogOffset, group: &str, session: Option<SessionId>, due: Timestamp) {
        if let Some(&index) = self.by_half.get(&half) {
            // Sent again because its answer was lost: the local transaction runs where it was sent from last.
            self.halves.get_mut(index).own = session;
            return;
        }
        let index = self.watch(half, group, session);
        self.wheel.set(&mut self.halves, index, due);
    }

    fn resumed(&mut self, half: CommitLogOffset, group: &str) {
        let index = match self.by_half.get(&half) {
            Some(&index) => index,
            None => self.watch(half, group, None),
        };
        self.halves.get_mut(index).attempts = 0;
        if !matches!(self.halves.get(index).step, Step::Asked(_)) {
            self.stop(index);
            self.wait(index, self.now);
        }
    }

    fn session_joined(&mut self, group: &str, session: SessionId, client: &str) {
        // Whatever waits after a silent round was last asked before now, and is due before that horizon.
        let recall = self.after_interval(self.now);
        let group = self.producers.group(group);
        if self.producers.join(group, session, client, recall) {
            self.producers.wake(group, self.now);
        }
    }

    /// Begins to watch a half; the caller gives it a timer or a place in the line.
    fn watch(&mut self, half: CommitLogOffset, group: &str, own: Option<SessionId>) -> u32 {
        let group = self.producers.group(group);
        self.producers.groups.get_mut(group).halves += 1;
        let timer = Timer::default();
        let index = self.halves.insert(Watched { half, timer, step: Step::Resting, own, group, attempts: 0 });
        self.by_half.insert(half, index);
        index
    }

    /// Stops to watch a half, whatever its stage.
    fn forget(&mut self, half: CommitLogOffset) {
        let Some(index) = self.by_half.remove(&half) else { return };
        if self.by_half.is_empty() {
            self.by_half.shrink_to(1024);
        }
        self.stop(index);
        let group = self.halves.remove(index).group;
        self.producers.groups.get_mut(group).halves -= 1;
        self.producers.drop_unused(group);
    }

    /// Takes a half out of the wheel, its group's line or its session's checks: it rests, without a timer.
    fn stop(&mut self, index: u32) {
        match self.halves.get(index).step {
            Step::Resting | Step::Exhausted => self.wheel.stop(&mut self.halves, index),
            Step::Waiting(due) => {
                let watched = self.halves.get(index);
                self.producers.groups.get_mut(watched.group).waiting.remove(&(due, watched.half));
            }
            Step::Asked(session) => {
                self.take_check(index, session);
            }
        }
        self.halves.get_mut(index).step = Step::Resting;
    }

    /// Puts a half in its group's line, to be asked about from this time on.
    fn wait(&mut self, index: u32, due: Timestamp) {
        let watched = self.halves.get_mut(index);
        watched.step = Step::Waiting(due);
        self.producers.groups.get_mut(watched.group).waiting.insert((due, watched.half));
        self.producers.wake(watched.group, self.now);
    }

    fn ask(&mut self, index: u32, session: SessionId, silent: Vec<SessionId>, out: &mut Vec<Command>) {
        let watched = self.halves.get_mut(index);
        watched.step = Step::Asked(session);
        let (half, attempt) = (watched.half, watched.attempts + 1);
        self.producers.add_check(session, half, Outstanding { sent_at: self.now, silent });
        let deadline = self.now.plus_ms(i64::from(self.config.answer_timeout_ms));
        self.wheel.set(&mut self.halves, index, deadline);
        out.push(Command::SendCheck { half, session, attempt });
    }

    /// Ends an unanswered check: its session has room for another one.
    fn take_check(&mut self, index: u32, session: SessionId) -> Outstanding {
        self.wheel.stop(&mut self.halves, index);
        let watched = self.halves.get_mut(index);
        watched.step = Step::Resting;
        self.producers.take_check(session, watched.half, self.now)
    }

    fn exhausted(&mut self, index: u32, out: &mut Vec<Command>) {
        let watched = self.halves.get_mut(index);
        watched.step = Step::Exhausted;
        let half = watched.half;
        out.push(match self.config.when_exhausted {
            WhenExhausted::SetAside => Command::SetAside { half },
            WhenExhausted::Rollback => Command::Rollback { half },
        });
        let again = self.after_interval(self.now);
        self.wheel.set(&mut self.halves, index, again);
    }

    /// Lets time pass: timers fire, and groups for which something changed are served.
    fn advance(&mut self, out: &mut Vec<Command>) {
        let mut fired = std::mem::take(&mut self.fired);
        let looked_at = self.wheel.advance(&mut self.halves, self.now, &mut fired);
        self.count(looked_at);
        // In the order in which they were due, whatever way they took through the wheel.
        fired.sort_unstable_by_key(|index| {
            let watched = self.halves.get(*index);
            (watched.timer.due(), watched.half)
        });
        for index in fired.drain(..) {
            match self.halves.get(index).step {
                Step::Resting => self.wait(index, self.halves.get(index).timer.due()),
                Step::Asked(session) => self.was_silent(index, session, out),
                Step::Exhausted => self.exhausted(index, out),
                Step::Waiting(_) => unreachable!("who waits in line has no timer"),
            }
        }
        self.fired = fired;
        while let Some(group) = self.producers.pop_wake(self.now) {
            self.serve(group, out);
        }
    }

    /// Asks about the halves in a group's line, as long as there is somebody to ask.
    fn serve(&mut self, group: u32, out: &mut Vec<Command>) {
        let unanswered_max = self.config.unanswered_max;
        while let Some((due, half)) = self.producers.first_waiting(group) {
            self.count(1);
            let index = self.by_half[&half];
            let Group { recall, members, .. } = self.producers.groups.get(group);
            let first = match due > self.now {
                true if due >= *recall => {
                    self.producers.wake(group, due);
                    return;
                }
                // The others were silent when they were asked about it, whoever sent it.
                true => members.last().copied(),
                false => self.halves.get(index).own,
            };
            match self.producers.pick(group, first, &[], self.now, unanswered_max) {
                Ok(session) => {
                    self.producers.groups.get_mut(group).waiting.pop_first();
                    self.ask(index, session, Vec::new(), out);
                }
                Err(nobody) => {
                    self.count(nobody.looked_at);
                    if let Some(time) = nobody.until {
                        self.producers.wake(group, time);
                    }
                    return;
                }
            }
        }
    }

    fn after_interval(&self, time: Timestamp) -> Timestamp {
        time.plus_ms(i64::from(self.config.check_interval_ms))
    }

    #[cfg(test)]
    fn count(&mut self, looked_at: usize) {
        self.looked_at += looked_at;
    }

    #[cfg(not(test))]
    fn count(&mut self, _looked_at: usize) {}
}

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod tests;
