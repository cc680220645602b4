//! The rules of asking, each with the exact commands it leads to.

mod endings;
mod sessions;

use super::*;
use crate::test_halves::{at, at_ms, offset};

const OWN: SessionId = SessionId(1);
const SECOND: SessionId = SessionId(2);
const THIRD: SessionId = SessionId(3);
const FOREIGN: SessionId = SessionId(9);
const HALF: CommitLogOffset = CommitLogOffset::new(1000);

/// A checker, and the seconds at which things happen to it.
struct Scene {
    checker: Checker,
}

impl Scene {
    fn new(config: CheckConfig) -> Self {
        Scene { checker: Checker::new(config, at(0)) }
    }

    /// Sessions 1 to n of group "orders" have joined.
    fn with_sessions(n: u64) -> Self {
        let mut scene = Scene::new(CheckConfig::default());
        (1..=n).for_each(|session| assert_eq!(scene.join(0, "orders", SessionId(session)), []));
        scene
    }

    fn step(&mut self, time: Timestamp, event: Event<'_>) -> Vec<Command> {
        let mut out = Vec::new();
        self.checker.step(time, event, &mut out);
        out
    }

    fn tick(&mut self, seconds: i64) -> Vec<Command> {
        self.step(at(seconds), Event::Tick)
    }

    fn join(&mut self, seconds: i64, group: &str, session: SessionId) -> Vec<Command> {
        let client = format!("10.0.0.{session}@1");
        self.step(at(seconds), Event::SessionJoined { group, session, client: &client })
    }

    fn leave(&mut self, seconds: i64, session: SessionId) -> Vec<Command> {
        self.step(at(seconds), Event::SessionLeft { session })
    }

    /// Stores a half of group "orders", sent by a session.
    fn store(&mut self, seconds: i64, half: CommitLogOffset, session: SessionId) {
        self.store_in("orders", seconds, half, session, None);
    }

    fn store_in(
        &mut self,
        group: &str,
        seconds: i64,
        half: CommitLogOffset,
        session: SessionId,
        immunity_ms: Option<u32>,
    ) {
        let stored_at = at(seconds);
        let event = Event::HalfStored { half, group, session: Some(session), stored_at, immunity_ms };
        assert_eq!(self.step(stored_at, event), []);
    }

    fn unknown(&mut self, time: Timestamp, half: CommitLogOffset, session: SessionId) -> Vec<Command> {
        self.step(time, Event::UnknownAnswered { half, session, from_check: true })
    }

    fn decided(&mut self, seconds: i64, half: CommitLogOffset) -> Vec<Command> {
        self.step(at(seconds), Event::Decided { half })
    }
}

fn ask(half: CommitLogOffset, session: SessionId, attempt: u32) -> Command {
    Command::SendCheck { half, session, attempt }
}

fn log(outcome: CheckOutcome, session: SessionId) -> Command {
    Command::LogCheck { half: HALF, outcome, client: format!("10.0.0.{session}@1").into() }
}

fn silent(session: SessionId) -> Command {
    log(CheckOutcome::Silent, session)
}

fn unknown(session: SessionId) -> Command {
    log(CheckOutcome::Unknown, session)
}

/// The sessions asked, in order.
fn asked(commands: &[Command]) -> Vec<u64> {
    let session = |command: &Command| match command {
        Command::SendCheck { session, .. } => Some(session.0),
        _ => None,
    };
    commands.iter().filter_map(session).collect()
}

#[test]
fn the_sender_is_asked_when_the_first_check_is_due_and_not_before() {
    let mut scene = Scene::with_sessions(2);
    scene.store(1, HALF, SECOND);
    assert!(scene.checker.next_deadline().is_some_and(|deadline| deadline <= at(7)));
    assert_eq!(scene.step(at_ms(6_999), Event::Tick), []);
    assert_eq!(scene.tick(7), [ask(HALF, SECOND, 1)]);
    assert_eq!(scene.tick(8), []);
}

#[test]
fn a_message_may_ask_for_a_later_first_check_but_not_for_an_earlier_one() {
    let mut scene = Scene::with_sessions(1);
    scene.store_in("orders", 0, HALF, OWN, Some(20_000));
    scene.store_in("orders", 0, offset(2000), OWN, Some(1_000));
    assert_eq!(scene.tick(5), []);
    assert_eq!(scene.tick(6), [ask(offset(2000), OWN, 1)]);
    assert_eq!(scene.decided(7, offset(2000)), []);
    assert_eq!(scene.step(at_ms(19_999), Event::Tick), []);
    assert_eq!(scene.tick(20), [ask(HALF, OWN, 1)]);
}

#[test]
fn after_an_unknown_the_next_check_follows_an_interval_after_the_last_one() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.unknown(at(9), HALF, OWN), [unknown(OWN)]);
    assert_eq!(scene.step(at_ms(35_999), Event::Tick), []);
    assert_eq!(scene.tick(36), [ask(HALF, OWN, 2)]);
}

#[test]
fn a_sender_that_is_gone_is_stood_in_for_by_another_of_its_group() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.leave(1, OWN), []);
    assert_eq!(scene.tick(6), [ask(HALF, SECOND, 1)]);
}

#[test]
fn a_foreign_group_is_never_asked() {
    let mut scene = Scene::new(CheckConfig::default());
    assert_eq!(scene.join(0, "stock", FOREIGN), []);
    // Even if it sent the half: it never said that it belongs to the group.
    scene.store(0, HALF, FOREIGN);
    assert_eq!(scene.tick(600), []);
    assert_eq!(scene.join(601, "orders", OWN), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.tick(606), [silent(OWN)]);
    assert_eq!(scene.leave(607, OWN), []);
    assert_eq!(scene.tick(700), []);
}

#[test]
fn silence_moves_on_to_another_session_and_burns_no_attempt() {
    let mut scene = Scene::with_sessions(3);
    scene.store(0, HALF, SECOND);
    assert_eq!(scene.tick(6), [ask(HALF, SECOND, 1)]);
    assert_eq!(scene.step(at_ms(10_999), Event::Tick), []);
    assert_eq!(scene.tick(11), [silent(SECOND), ask(HALF, OWN, 1)]);
    assert_eq!(scene.tick(16), [silent(OWN), ask(HALF, THIRD, 1)]);
    // The round is over: the next one is an interval after its last check, and begins with the sender.
    assert_eq!(scene.tick(21), [silent(THIRD)]);
    assert_eq!(scene.step(at_ms(45_999), Event::Tick), []);
    assert_eq!(scene.tick(46), [ask(HALF, SECOND, 1)]);
}

#[test]
fn a_group_silent_for_a_thousand_rounds_is_asked_on_and_nothing_is_set_aside() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    for round in 0..1000 {
        assert_eq!(scene.tick(6 + round * 30), [ask(HALF, OWN, 1)]);
        assert_eq!(scene.tick(11 + round * 30), [silent(OWN)]);
    }
}

#[test]
fn only_an_unknown_that_answers_the_outstanding_check_counts() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    // The first phase ended with "unknown" before anybody was asked.
    assert_eq!(scene.unknown(at(1), HALF, OWN), []);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    // The first phase of a slow local transaction, while the check is on its way.
    let first_phase = Event::UnknownAnswered { half: HALF, session: OWN, from_check: false };
    assert_eq!(scene.step(at(7), first_phase), []);
    // Somebody who was not asked, and a half that nobody knows.
    assert_eq!(scene.unknown(at(8), HALF, SECOND), []);
    assert_eq!(scene.unknown(at(8), offset(7777), OWN), []);
    assert_eq!(scene.unknown(at(9), HALF, OWN), [unknown(OWN)]);
    // One per check.
    assert_eq!(scene.unknown(at(9), HALF, OWN), []);
    assert_eq!(scene.tick(36), [ask(HALF, OWN, 2)]);
}

#[test]
fn an_answer_after_the_time_for_it_changes_nothing() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    // Nobody has looked at the clock since: it is late all the same.
    assert_eq!(scene.unknown(at(12), HALF, OWN), [silent(OWN)]);
    assert_eq!(scene.unknown(at(13), HALF, OWN), []);
    assert_eq!(scene.tick(36), [ask(HALF, OWN, 1)]);
}

#[test]
fn a_half_sent_again_by_another_session_is_asked_about_there() {
    let mut scene = Scene::with_sessions(3);
    scene.store(0, HALF, OWN);
    scene.store(1, HALF, THIRD);
    assert_eq!(scene.tick(6), [ask(HALF, THIRD, 1)]);
    assert_eq!(scene.tick(7), []);
}

#[test]
fn a_clock_that_goes_back_brings_nothing_forward_or_back() {
    let mut scene = Scene::with_sessions(1);
    scene.store(100, HALF, OWN);
    assert_eq!(scene.tick(-5000), []);
    assert_eq!(scene.tick(106), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.unknown(at(50), HALF, OWN), [unknown(OWN)]);
}

#[test]
fn the_view_tells_the_stage_of_a_half() {
    let mut scene = Scene::new(CheckConfig::default());
    scene.store(0, HALF, OWN);
    let view = |scene: &Scene| scene.checker.view(HALF).expect("it is watched");
    assert_eq!(view(&scene), CheckerView { sessions: 0, stage: Stage::Resting { due: at(6) } });
    scene.tick(6);
    assert_eq!(view(&scene), CheckerView { sessions: 0, stage: Stage::Waiting { due: at(6) } });
    scene.join(8, "orders", SECOND);
    let asked = Stage::Asked { session: SECOND, client: "10.0.0.2@1".into(), sent_at: at(8), silent: 0 };
    assert_eq!(view(&scene), CheckerView { sessions: 1, stage: asked });
    scene.tick(13);
    assert_eq!(view(&scene), CheckerView { sessions: 1, stage: Stage::Waiting { due: at(38) } });
    scene.decided(14, HALF);
    assert_eq!(scene.checker.view(HALF), None);
}
