use super::*;
use crate::test_halves::{TestHalf, at, at_ms, offset};
use message::QueueOffset;
use message::entry::Check;

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
fn nobody_online_burns_nothing_and_whoever_connects_is_asked_at_once() {
    let mut scene = Scene::new(CheckConfig::default());
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), []);
    // Nothing is due any more: an idle broker sleeps.
    assert_eq!(scene.checker.next_deadline(), None);
    assert_eq!(scene.tick(100 * 3600), []);
    assert_eq!(scene.join(100 * 3600 + 1, "orders", SECOND), [ask(HALF, SECOND, 1)]);
}

#[test]
fn a_half_whose_first_check_is_not_due_is_not_asked_about_when_somebody_connects() {
    let mut scene = Scene::new(CheckConfig::default());
    scene.store(0, HALF, OWN);
    assert_eq!(scene.join(3, "orders", SECOND), []);
    assert_eq!(scene.tick(6), [ask(HALF, SECOND, 1)]);
}

#[test]
fn who_connects_after_a_round_of_silence_is_asked_at_once_and_only_about_that() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    scene.store(1, offset(2000), OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(asked(&scene.tick(7)), [1]);
    // One is answered and keeps its interval, the other was asked in vain: perhaps of a connection long dead.
    assert_eq!(scene.unknown(at(8), offset(2000), OWN).len(), 1);
    assert_eq!(scene.tick(11), [silent(OWN)]);
    assert_eq!(scene.join(12, "orders", SECOND), [ask(HALF, SECOND, 1)]);
    assert_eq!(scene.join(13, "orders", SECOND), []);
    assert_eq!(scene.tick(17), [silent(SECOND), ask(HALF, OWN, 1)]);
    assert_eq!(scene.tick(22), [silent(OWN)]);
    assert_eq!(scene.tick(37), [ask(offset(2000), OWN, 2)]);
    assert_eq!(scene.unknown(at(37), offset(2000), OWN).len(), 1);
    assert_eq!(scene.tick(47), [ask(HALF, OWN, 1)]);
}

#[test]
fn a_connection_that_flaps_does_not_burn_attempts_faster_than_the_interval() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.unknown(at(7), HALF, OWN), [unknown(OWN)]);
    assert_eq!(scene.leave(8, OWN), []);
    for session in 10..20 {
        assert_eq!(scene.join(9, "orders", SessionId(session)), []);
        assert_eq!(scene.leave(10, SessionId(session)), []);
    }
    assert_eq!(scene.tick(36), []);
    assert_eq!(scene.join(37, "orders", SECOND), [ask(HALF, SECOND, 2)]);
}

#[test]
fn a_storm_after_a_long_absence_is_dealt_out_oldest_first_and_500_at_a_time() {
    let mut scene = Scene::new(CheckConfig::default());
    (1..=1200).for_each(|n| scene.store(n, offset(n as u64), OWN));
    assert_eq!(scene.tick(3600), []);
    let first = scene.join(3601, "orders", OWN);
    let expected: Vec<Command> = (1..=500).map(|n| ask(offset(n), OWN, 1)).collect();
    assert_eq!(first, expected);
    // An answer, of whatever kind, makes room for one more.
    assert_eq!(scene.decided(3602, offset(7)), [ask(offset(501), OWN, 1)]);
    let unknown = scene.unknown(at(3602), offset(9), OWN);
    assert_eq!(unknown[1..], [ask(offset(502), OWN, 1)]);
    // A second session takes its own 500 at once, the rest is left for later.
    let second = scene.join(3603, "orders", SECOND);
    assert_eq!((asked(&second).len(), second.first()), (500, Some(&ask(offset(503), SECOND, 1))));
    assert_eq!((scene.checker.unanswered(OWN), scene.checker.unanswered(SECOND)), (500, 500));
    assert_eq!(scene.tick(3604), []);
}

#[test]
fn checks_are_dealt_out_fairly_among_the_sessions_of_a_group() {
    let mut scene = Scene::with_sessions(3);
    (1..=9).for_each(|n| scene.store(0, offset(n), SessionId(77)));
    assert_eq!(asked(&scene.tick(6)), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert_eq!(scene.leave(7, SECOND).len(), 3);
    assert_eq!((scene.checker.unanswered(OWN), scene.checker.unanswered(THIRD)), (5, 4));
}

#[test]
fn a_session_that_leaves_hands_its_checks_on_at_once_without_a_word_in_the_log() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.leave(7, OWN), [ask(HALF, SECOND, 1)]);
    // The last one leaves as well: the half waits for whoever comes.
    assert_eq!(scene.leave(8, SECOND), []);
    assert_eq!(scene.tick(60), []);
    assert_eq!(scene.join(61, "orders", THIRD), [ask(HALF, THIRD, 1)]);
}

#[test]
fn who_was_silent_in_a_round_is_not_asked_again_in_it_because_another_one_left() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.tick(11), [silent(OWN), ask(HALF, SECOND, 1)]);
    assert_eq!(scene.leave(12, SECOND), []);
    assert_eq!(scene.step(at_ms(40_999), Event::Tick), []);
    assert_eq!(scene.tick(41), [ask(HALF, OWN, 1)]);
}

#[test]
fn a_group_that_is_left_hands_on_its_checks_and_keeps_those_of_other_groups() {
    let mut scene = Scene::with_sessions(2);
    assert_eq!(scene.join(0, "stock", OWN), []);
    scene.store(0, HALF, OWN);
    scene.store_in("stock", 0, offset(2000), OWN, None);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1), ask(offset(2000), OWN, 1)]);
    let left = scene.step(at(7), Event::GroupLeft { group: "orders", session: OWN });
    assert_eq!(left, [ask(HALF, SECOND, 1)]);
    assert_eq!(scene.unknown(at(8), offset(2000), OWN).len(), 1);
    assert_eq!(scene.step(at(9), Event::GroupLeft { group: "stock", session: OWN }), []);
    assert_eq!(scene.tick(12), [silent(SECOND)]);
    assert_eq!(scene.tick(36), []);
    assert_eq!(scene.tick(37), [ask(HALF, SECOND, 1)]);
}

#[test]
fn a_check_that_could_not_be_sent_goes_to_another_session_and_its_own_one_is_left_in_peace() {
    let mut scene = Scene::with_sessions(2);
    scene.store(0, HALF, OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    let failed = |session| Event::PushSent { half: HALF, session, ok: false };
    assert_eq!(scene.step(at(6), failed(OWN)), [ask(HALF, SECOND, 1)]);
    // Reported by a session that is not asked any more.
    assert_eq!(scene.step(at(6), failed(OWN)), []);
    // Nobody is left to try: no endless loop, but a new attempt when the first has had its rest.
    assert_eq!(scene.step(at(7), failed(SECOND)), []);
    assert!(scene.checker.next_deadline().is_some_and(|deadline| deadline <= at(11)));
    assert_eq!(scene.step(at_ms(10_999), Event::Tick), []);
    assert_eq!(scene.tick(11), [ask(HALF, OWN, 1)]);
    let sent = Event::PushSent { half: HALF, session: OWN, ok: true };
    assert_eq!(scene.step(at(11), sent), []);
}

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
fn after_a_restart_everything_pending_is_asked_about_when_it_is_due() {
    let mut ledger = Ledger::new();
    for n in 1..=6 {
        let (half, at_offset) = (TestHalf::nth(n), offset(n * 1000));
        let record = half.record();
        let entry = message::entry::Half { immunity_ms: (n == 6).then_some(700_000), ..half.entry(&record) };
        assert!(ledger.apply_half(at_offset, at(n as i64), &entry, at_offset).is_ok());
        assert_eq!(ledger.get(at_offset).map(|half| half.sequence()), Some(QueueOffset::new(n)));
    }
    let check = |n: u64, outcome| Check { half: offset(n * 1000), outcome, client: "c" };
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

#[test]
fn a_hundred_thousand_halves_with_nobody_online_cost_nothing_per_tick() {
    let mut scene = Scene::new(CheckConfig::default());
    (1..=100_000).for_each(|n| scene.store(n / 10_000, offset(n as u64), OWN));
    assert_eq!(scene.tick(100), []);
    // Each half was looked at when its check became due, and on its way down the wheel.
    assert!(scene.checker.looked_at <= 400_000, "{} looked at", scene.checker.looked_at);
    scene.checker.looked_at = 0;
    // Somebody of another group who is there changes nothing about it.
    scene.join(100, "stock", FOREIGN);
    for tenth in 0..10_000 {
        assert_eq!(scene.step(at_ms(100_000 + tenth * 100), Event::Tick), []);
    }
    assert_eq!((scene.checker.looked_at, scene.checker.next_deadline()), (0, None));
}

#[test]
fn a_hundred_thousand_halves_behind_a_full_session_cost_nothing_per_tick() {
    let mut scene = Scene::new(CheckConfig::default());
    (1..=100_000).for_each(|n| scene.store(n / 10_000, offset(n as u64), OWN));
    scene.tick(100);
    assert_eq!(scene.join(200, "orders", OWN).len(), 500);
    scene.checker.looked_at = 0;
    for tenth in 1..50 {
        assert_eq!(scene.step(at_ms(200_000 + tenth * 100), Event::Tick), []);
    }
    assert!(scene.checker.looked_at <= 2 * 500, "{} looked at", scene.checker.looked_at);
    // 500 time-outs bring 500 others their turn: that, and no more, is what they cost.
    scene.checker.looked_at = 0;
    let commands = scene.tick(205);
    assert_eq!((commands.len(), asked(&commands).len()), (1000, 500));
    assert!(scene.checker.looked_at <= 4 * 500, "{} looked at", scene.checker.looked_at);
}

#[test]
fn what_nobody_needs_any_more_is_forgotten() {
    let mut scene = Scene::new(CheckConfig::default());
    for n in 1..=100 {
        let group = format!("group-{n}");
        scene.store_in(&group, 0, offset(n), OWN, None);
        scene.join(0, &group, SessionId(n));
    }
    (1..=50).for_each(|n| drop(scene.leave(1, SessionId(n))));
    assert_eq!(scene.tick(6).len(), 50);
    (51..=100).for_each(|n| drop(scene.leave(7, SessionId(n))));
    assert_eq!(scene.checker.producers.groups.len(), 100);
    (1..=100).for_each(|n| drop(scene.decided(8, offset(n))));
    assert_eq!((scene.checker.producers.groups.len(), scene.checker.next_deadline()), (0, None));
}
