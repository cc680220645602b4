//! Random histories against what must hold in every one of them.
//!
//! The test plays broker, network and clients: it keeps a ledger by what the checker tells it to log, and knows of each
//! session whether it answers, and what.

use std::collections::{BTreeMap, BTreeSet};

use message::entry::{Check, DecidedBy, Decision, Outcome, Place};

use super::*;
use crate::test_halves::{TestHalf, XorShift, at_ms, offset, parsed};

const GROUPS: [&str; 3] = ["orders", "stock", "mail"];

/// How a session deals with the checks it gets.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Manner {
    Decides,
    SaysUnknown,
    Silent,
    /// Answers, but later than it may.
    Late,
    /// Its connection takes nothing.
    Unwritable,
}

#[derive(Debug)]
struct Client {
    groups: BTreeSet<&'static str>,
    manner: Manner,
}

/// What the test knows about a half.
#[derive(Debug)]
struct Known {
    sequence: u64,
    group: &'static str,
    attempts: u32,
    asked: Option<SessionId>,
    set_aside: bool,
    /// Since when somebody who answers could have been asked without a break, and was not.
    unasked_since: Option<i64>,
}

struct History {
    seed: u64,
    random: XorShift,
    now_ms: i64,
    config: CheckConfig,
    checker: Checker,
    ledger: Ledger,
    clients: BTreeMap<SessionId, Client>,
    halves: BTreeMap<CommitLogOffset, Known>,
    /// Answers on their way: when, which half, who, and whether it decides.
    answers: Vec<(i64, CommitLogOffset, SessionId, bool)>,
    last: u64,
    sessions: u64,
    sent: usize,
    exhausted: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = XorShift::new(seed);
        let config = CheckConfig {
            first_check_after_ms: 1 + random.below(8_000) as u32,
            check_interval_ms: 1 + random.below(20_000) as u32,
            answer_timeout_ms: 100 + random.below(6_000) as u32,
            check_max: 1 + random.below(6) as u32,
            unanswered_max: 1 + random.below(20) as usize,
            when_exhausted: if random.below(2) == 0 { WhenExhausted::SetAside } else { WhenExhausted::Rollback },
        };
        History {
            seed,
            random,
            now_ms: 0,
            config,
            checker: Checker::new(config, at_ms(0)),
            ledger: Ledger::new(),
            clients: BTreeMap::new(),
            halves: BTreeMap::new(),
            answers: Vec::new(),
            last: 0,
            sessions: 0,
            sent: 0,
            exhausted: 0,
        }
    }

    fn step(&mut self, event: Event<'_>) {
        let mut out = Vec::new();
        self.checker.step(at_ms(self.now_ms), event, &mut out);
        for command in out {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        let seed = self.seed;
        match command {
            Command::SendCheck { half, session, attempt } => {
                self.sent += 1;
                let known = self.halves.get_mut(&half).unwrap_or_else(|| panic!("seed {seed}: {half} was decided"));
                assert!(!known.set_aside, "seed {seed}: {half} was set aside");
                assert_eq!(known.asked.replace(session), None, "seed {seed}: one check at a time");
                assert_eq!(attempt, known.attempts + 1, "seed {seed}");
                known.unasked_since = None;
                let client = self.clients.get(&session).unwrap_or_else(|| panic!("seed {seed}: {session} is gone"));
                assert!(client.groups.contains(known.group), "seed {seed}: {session} is of a foreign group");
                let unanswered = self.checker.unanswered(session);
                assert!(unanswered <= self.config.unanswered_max, "seed {seed}: {session} has {unanswered}");
                let timeout = u64::from(self.config.answer_timeout_ms);
                match client.manner {
                    Manner::Decides | Manner::SaysUnknown => {
                        let when = self.now_ms + self.random.below(timeout) as i64;
                        self.answers.push((when, half, session, client.manner == Manner::Decides));
                    }
                    Manner::Late => {
                        let when = self.now_ms + (timeout + self.random.below(3 * timeout)) as i64;
                        self.answers.push((when, half, session, false));
                    }
                    Manner::Unwritable => self.answers.push((self.now_ms, half, session, false)),
                    Manner::Silent => {}
                }
            }
            Command::LogCheck { half, outcome, client } => {
                self.ledger.apply_check(
                    at_ms(self.now_ms),
                    &Check { half, previous: CommitLogOffset::ZERO, time: Timestamp::ZERO, outcome, client: &client },
                );
                let known = self.halves.get_mut(&half).expect("undecided");
                let asked = known.asked.take().unwrap_or_else(|| panic!("seed {seed}: nobody was asked about {half}"));
                assert_eq!(*client, *format!("client-{asked}"), "seed {seed}");
                known.attempts += u32::from(outcome == CheckOutcome::Unknown);
            }
            Command::SetAside { half } => {
                assert_eq!(self.config.when_exhausted, WhenExhausted::SetAside, "seed {seed}");
                self.expect_exhausted(half);
                // Now and then the log loses it.
                if self.random.below(4) > 0 {
                    self.set_aside(half);
                }
            }
            Command::Rollback { half } => {
                assert_eq!(self.config.when_exhausted, WhenExhausted::Rollback, "seed {seed}");
                self.expect_exhausted(half);
                if self.random.below(4) > 0 {
                    self.decide(half);
                }
            }
        }
    }

    fn expect_exhausted(&mut self, half: CommitLogOffset) {
        self.exhausted += 1;
        assert!(self.halves[&half].attempts >= self.config.check_max, "seed {}: {half} has attempts left", self.seed);
    }

    fn store(&mut self) {
        self.last += 1;
        let half = offset(self.last * 1000);
        let group = GROUPS[self.random.below(3) as usize];
        let nth = TestHalf { group, ..TestHalf::nth(self.last) };
        let record = nth.record();
        let immunity_ms = (self.random.below(8) == 0).then(|| self.random.below(60_000) as u32);
        let entry = message::entry::Half { immunity_ms, ..nth.entry(&record) };
        let stored_at = at_ms(self.now_ms);
        self.ledger.apply_half(half, stored_at, &entry, &parsed(&record), half.plus(50));
        let known =
            Known { sequence: self.last, group, attempts: 0, asked: None, set_aside: false, unasked_since: None };
        self.halves.insert(half, known);
        let session = self.any_session().filter(|_| self.random.below(2) == 0);
        self.step(Event::HalfStored { half, group, session, stored_at, immunity_ms });
    }

    fn decide(&mut self, half: CommitLogOffset) {
        let Some(known) = self.halves.remove(&half) else { return };
        let decision = Decision {
            previous: CommitLogOffset::ZERO,
            time: Timestamp::ZERO,
            half,
            sequence: message::QueueOffset::new(known.sequence),
            outcome: Outcome::Commit,
            by: DecidedBy::Producer,
            who: "",
            why: "",
            place: Place::Nowhere,
        };
        assert!(matches!(self.ledger.apply_decision(&decision), crate::Settled::Decided(_)));
        self.step(Event::Decided { half });
    }

    fn set_aside(&mut self, half: CommitLogOffset) {
        self.ledger.apply_set_aside(half);
        let known = self.halves.get_mut(&half).expect("undecided");
        (known.set_aside, known.asked) = (true, None);
        self.step(Event::SetAside { half });
    }

    fn resume(&mut self, half: CommitLogOffset) {
        self.ledger.apply_resume(half);
        let known = self.halves.get_mut(&half).expect("undecided");
        (known.set_aside, known.attempts) = (false, 0);
        let group = known.group;
        self.step(Event::Resumed { half, group });
    }

    fn join(&mut self) {
        let manner = match self.random.below(8) {
            0..4 => Manner::Decides,
            4 => Manner::SaysUnknown,
            5 => Manner::Silent,
            6 => Manner::Late,
            _ => Manner::Unwritable,
        };
        self.sessions += 1;
        let session = SessionId(self.sessions);
        self.clients.insert(session, Client { groups: BTreeSet::new(), manner });
        for _ in 0..=self.random.below(2) {
            self.join_group(session);
        }
    }

    fn join_group(&mut self, session: SessionId) {
        let group = GROUPS[self.random.below(3) as usize];
        self.clients.get_mut(&session).expect("it is there").groups.insert(group);
        self.step(Event::SessionJoined { group, session, client: &format!("client-{session}") });
    }

    fn leave(&mut self, session: SessionId) {
        self.clients.remove(&session);
        self.nobody_asks(session, None);
        self.step(Event::SessionLeft { session });
    }

    fn leave_group(&mut self, session: SessionId) {
        let group = GROUPS[self.random.below(3) as usize];
        self.clients.get_mut(&session).expect("it is there").groups.remove(group);
        self.nobody_asks(session, Some(group));
        self.step(Event::GroupLeft { group, session });
    }

    fn nobody_asks(&mut self, session: SessionId, group: Option<&str>) {
        let asked = self.halves.values_mut().filter(|known| known.asked == Some(session));
        for known in asked.filter(|known| group.is_none_or(|group| group == known.group)) {
            known.asked = None;
        }
    }

    fn any_session(&mut self) -> Option<SessionId> {
        let nth = self.random.below(self.clients.len().max(1) as u64) as usize;
        self.clients.keys().nth(nth).copied()
    }

    fn any_half(&mut self) -> Option<CommitLogOffset> {
        let nth = self.random.below(self.halves.len().max(1) as u64) as usize;
        self.halves.keys().nth(nth).copied()
    }

    fn deliver_answers(&mut self) {
        let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(|answer| answer.0 <= self.now_ms);
        self.answers = later;
        for (_, half, session, decides) in due {
            let Some(client) = self.clients.get(&session) else { continue };
            if client.manner == Manner::Unwritable {
                if let Some(known) = self.halves.get_mut(&half).filter(|known| known.asked == Some(session)) {
                    known.asked = None;
                }
                self.step(Event::PushSent { half, session, ok: false });
            } else if decides {
                self.decide(half);
            } else {
                self.step(Event::UnknownAnswered { half, session, from_check: true });
            }
        }
    }

    /// A crash: what is volatile begins anew, and clients connect again.
    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.ledger.encode(&mut bytes);
        self.ledger = Ledger::decode(&mut message::codec::Reader::new(&bytes)).expect("just encoded");
        self.checker = Checker::new(self.config, at_ms(self.now_ms));
        self.checker.restore(&self.ledger, at_ms(self.now_ms));
        self.answers.clear();
        self.clients.clear();
        self.halves.values_mut().for_each(|known| (known.asked, known.unasked_since) = (None, None));
    }

    fn random_event(&mut self) {
        match self.random.below(100) {
            0..40 => self.store(),
            40..50 => {
                if let Some(half) = self.any_half() {
                    self.decide(half);
                }
            }
            50..60 => self.join(),
            60..69 => {
                if let Some(session) = self.any_session() {
                    self.leave(session);
                }
            }
            69..73 => {
                if let Some(session) = self.any_session() {
                    self.leave_group(session);
                }
            }
            73..77 => {
                if let Some(session) = self.any_session() {
                    self.join_group(session);
                }
            }
            77..80 => {
                if let Some(half) = self.any_half() {
                    self.set_aside(half);
                }
            }
            80..85 => {
                if let Some(half) = self.any_half() {
                    self.resume(half);
                }
            }
            // Somebody says "unknown" who was perhaps not asked.
            85..99 => {
                if let (Some(half), Some(session)) = (self.any_half(), self.any_session()) {
                    let from_check = self.random.below(2) == 0 && self.halves[&half].asked != Some(session);
                    let before = self.ledger.get(half).map(|half| half.attempts());
                    self.step(Event::UnknownAnswered { half, session, from_check });
                    assert_eq!(self.ledger.get(half).map(|half| half.attempts()), before, "seed {}", self.seed);
                }
            }
            _ => self.restart(),
        }
    }

    /// Checks what must hold between any two events.
    fn check(&mut self) {
        let seed = self.seed;
        assert!(self.checker.next_deadline().is_none_or(|deadline| deadline > at_ms(self.now_ms)), "seed {seed}");
        let mut asked: BTreeMap<SessionId, usize> = BTreeMap::new();
        for (half, known) in &mut self.halves {
            let kept = self.ledger.get(*half).expect("undecided");
            assert_eq!(kept.attempts(), known.attempts, "seed {seed}: {half}");
            let view = self.checker.view(*half);
            assert_eq!(view.is_none(), known.set_aside, "seed {seed}: {half}");
            let stage = view.map(|view| view.stage);
            let asks = match &stage {
                Some(Stage::Asked { session, .. }) => Some(*session),
                _ => None,
            };
            assert_eq!(asks, known.asked, "seed {seed}: {half}");
            if let Some(session) = asks {
                *asked.entry(session).or_default() += 1;
            }
            // Somebody of the group who takes checks, with room for one: then a half that is due is not left waiting.
            let has_room = |(id, client): (&SessionId, &Client)| {
                client.groups.contains(known.group)
                    && client.manner != Manner::Unwritable
                    && self.checker.unanswered(*id) < self.config.unanswered_max
            };
            let due = match stage {
                Some(Stage::Waiting { due } | Stage::Resting { due }) => due <= at_ms(self.now_ms),
                _ => false,
            };
            known.unasked_since = match due && self.clients.iter().any(has_room) {
                true => known.unasked_since.or(Some(self.now_ms)),
                false => None,
            };
            let waited = known.unasked_since.map_or(0, |since| self.now_ms - since);
            assert!(waited <= 1000, "seed {seed}: {half} was not asked about for {waited} ms: {stage:?}");
        }
        for session in self.clients.keys() {
            let unanswered = self.checker.unanswered(*session);
            assert_eq!(unanswered, asked.get(session).copied().unwrap_or(0), "seed {seed}: {session}");
        }
        assert_eq!(self.checker.watched(), self.ledger.counts().pending, "seed {seed}");
    }

    /// Lets time pass in ticks of 100 ms, as the server does.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.now_ms += 100;
            self.deliver_answers();
            self.step(Event::Tick);
        }
    }
}

#[test]
fn what_must_hold_holds_in_every_history() {
    let (mut sent, mut exhausted) = (0, 0);
    for seed in 1..=300 {
        let mut history = History::new(seed);
        for _ in 0..250 {
            history.random_event();
            let pause = [0, 0, 100, 1_000, 10_000][history.random.below(5) as usize];
            history.pass(pause);
            history.deliver_answers();
            history.check();
        }
        (sent, exhausted) = (sent + history.sent, exhausted + history.exhausted);
    }
    assert!(sent > 10_000 && exhausted > 300, "{sent} checks sent, {exhausted} halves exhausted: too few to tell");
}

#[test]
fn once_the_faults_stop_every_half_of_a_live_group_is_decided() {
    for seed in 1..=100 {
        let mut history = History::new(seed);
        for _ in 0..150 {
            history.random_event();
            history.pass(100);
        }
        let gone: Vec<SessionId> = history.clients.keys().copied().collect();
        gone.into_iter().for_each(|session| history.leave(session));
        let halves: Vec<CommitLogOffset> = history.halves.keys().copied().collect();
        halves.into_iter().for_each(|half| history.resume(half));
        history.sessions += 1;
        let session = SessionId(history.sessions);
        history.clients.insert(session, Client { groups: GROUPS.into_iter().collect(), manner: Manner::Decides });
        let client = format!("client-{session}");
        GROUPS.into_iter().for_each(|group| history.step(Event::SessionJoined { group, session, client: &client }));
        // The longest immunity, then as many rounds of answers as the session's limit demands.
        let rounds = history.halves.len() / history.config.unanswered_max + 2;
        let answers = rounds as u64 * u64::from(history.config.answer_timeout_ms);
        history.pass(61_000 + u64::from(history.config.check_interval_ms) + answers);
        assert_eq!(history.halves.len(), 0, "seed {seed}: undecided {:?}", history.halves);
        assert_eq!((history.checker.watched(), history.checker.next_deadline()), (0, None), "seed {seed}");
    }
}
