//! How asking ends, and how it begins again.

use message::QueueOffset;
use message::entry::Check;

use super::*;
use crate::test_halves::{TestHalf, parsed};

#[test]
fn a_decision_that_crosses_a_check_ends_it() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.decided(7, HALF), []);
    assert_eq!(scene.unknown(at(8), HALF, OWN), []);
    assert_eq!(scene.tick(3600), []);
    assert_eq!((scene.checker.watched(), scene.checker.unanswered(OWN)), (0, 0));
}

#[test]
fn a_decision_that_comes_just_when_a_check_is_due_needs_no_check() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.decided(6, HALF), []);
    assert_eq!(scene.tick(3600), []);
}

/// Has the half asked about and answered "unknown" 15 times; returns what the last answer led to.
fn exhaust(scene: &mut Scene, from: i64) -> Vec<Command> {
    for attempt in 1..=15 {
        let due = from + 30 * i64::from(attempt - 1);
        assert_eq!(scene.tick(due), [ask(HALF, OWN, attempt)]);
        let answered = scene.unknown(at(due), HALF, OWN);
        if attempt == 15 {
            return answered;
        }
        assert_eq!(answered, [unknown(OWN)]);
    }
    unreachable!("the loop ends with the 15th answer")
}

#[test]
fn after_15_answers_unknown_a_half_is_set_aside_once_and_not_asked_about_any_more() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(exhaust(&mut scene, 6), [unknown(OWN), Command::SetAside { half: HALF }]);
    assert_eq!(scene.step(at(427), Event::SetAside { half: HALF }), []);
    assert_eq!(scene.tick(10_000), []);
    assert_eq!(scene.join(10_001, "orders", SECOND), []);
    assert_eq!(scene.checker.next_deadline(), None);
}

#[test]
fn a_half_can_be_rolled_back_instead_of_set_aside() {
    let config = CheckConfig { when_exhausted: WhenExhausted::Rollback, ..CheckConfig::default() };
    let mut scene = Scene::new(config);
    assert_eq!(scene.join(0, "orders", OWN), []);
    scene.store(0, HALF, OWN);
    assert_eq!(exhaust(&mut scene, 6), [unknown(OWN), Command::Rollback { half: HALF }]);
    assert_eq!(scene.decided(427, HALF), []);
    assert_eq!(scene.tick(10_000), []);
}

#[test]
fn a_half_that_the_log_did_not_set_aside_is_not_forgotten() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(exhaust(&mut scene, 6).len(), 2);
    assert_eq!(scene.tick(455), []);
    assert_eq!(scene.tick(456), [Command::SetAside { half: HALF }]);
    assert_eq!(scene.tick(457), []);
}

#[test]
fn a_resumed_half_is_asked_about_at_once_with_all_its_attempts() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(exhaust(&mut scene, 6).len(), 2);
    assert_eq!(scene.step(at(427), Event::SetAside { half: HALF }), []);
    let resumed = Event::Resumed { half: HALF, group: "orders" };
    assert_eq!(scene.step(at(500), resumed), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.unknown(at(500), HALF, OWN), [unknown(OWN)]);
    assert_eq!(exhaust_from_second(&mut scene, 530), [unknown(OWN), Command::SetAside { half: HALF }]);
}

fn exhaust_from_second(scene: &mut Scene, from: i64) -> Vec<Command> {
    for attempt in 2..15 {
        let due = from + 30 * i64::from(attempt - 2);
        assert_eq!(scene.tick(due), [ask(HALF, OWN, attempt)]);
        assert_eq!(scene.unknown(at(due), HALF, OWN), [unknown(OWN)]);
    }
    let due = from + 30 * 13;
    assert_eq!(scene.tick(due), [ask(HALF, OWN, 15)]);
    scene.unknown(at(due), HALF, OWN)
}

#[test]
fn a_resumed_half_of_a_group_without_sessions_waits_for_one() {
    let mut scene = Scene::new(CheckConfig::default());
    let resumed = Event::Resumed { half: HALF, group: "orders" };
    assert_eq!(scene.step(at(500), resumed), []);
    assert_eq!(scene.join(501, "orders", OWN), [ask(HALF, OWN, 1)]);
    // Resumed while it is asked about: the check goes on, it is still one.
    assert_eq!(scene.step(at(502), resumed), []);
    assert_eq!(scene.unknown(at(503), HALF, OWN), [unknown(OWN)]);
}

#[test]
fn a_half_set_aside_by_hand_while_it_is_asked_about_is_left_alone() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.step(at(7), Event::SetAside { half: HALF }), []);
    assert_eq!(scene.unknown(at(8), HALF, OWN), []);
    assert_eq!(scene.tick(3600), []);
}

#[test]
fn after_a_restart_everything_pending_is_asked_about_when_it_is_due() {
    let mut ledger = Ledger::new();
    for n in 1..=6 {
        let (half, at_offset) = (TestHalf::nth(n), offset(n * 1000));
        let record = half.record();
        let entry = message::entry::Half { immunity_ms: (n == 6).then_some(700_000), ..half.entry(&record) };
        ledger.apply_half(at_offset, at(n as i64), &entry, &parsed(&record), at_offset);
        assert_eq!(ledger.get(at_offset).map(|half| half.sequence()), Some(QueueOffset::new(n)));
    }
    let check = |n: u64, outcome| Check {
        half: offset(n * 1000),
        previous: CommitLogOffset::ZERO,
        time: Timestamp::ZERO,
        outcome,
        client: "c",
    };
    // The second was answered and rests, the third was not, the fourth is set aside, the fifth is exhausted.
    ledger.apply_check(at(590), &check(2, CheckOutcome::Unknown));
    ledger.apply_check(at(590), &check(3, CheckOutcome::Silent));
    ledger.apply_set_aside(offset(4000));
    for _ in 0..15 {
        ledger.apply_check(at(590), &check(5, CheckOutcome::Unknown));
    }
    let mut scene = Scene { checker: Checker::new(CheckConfig::default(), at(600)) };
    scene.checker.restore(&ledger, at(600));
    assert_eq!(scene.checker.watched(), 5);
    assert_eq!(scene.tick(601), [Command::SetAside { half: offset(5000) }]);
    assert_eq!(scene.join(602, "orders", OWN), [ask(offset(1000), OWN, 1), ask(offset(3000), OWN, 1)]);
    assert_eq!(scene.decided(603, offset(1000)), []);
    assert_eq!(scene.decided(603, offset(3000)), []);
    assert_eq!(scene.step(at(604), Event::SetAside { half: offset(5000) }), []);
    assert_eq!(scene.tick(619), []);
    assert_eq!(scene.tick(620), [ask(offset(2000), OWN, 2)]);
    assert_eq!(scene.decided(621, offset(2000)), []);
    assert_eq!(scene.tick(705), []);
    assert_eq!(scene.tick(706), [ask(offset(6000), OWN, 1)]);
}
