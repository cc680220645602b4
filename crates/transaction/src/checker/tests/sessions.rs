//! Sessions that come, go, are many, or have no room.

use super::*;

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

#[test]
fn a_check_that_could_not_be_made_is_tried_again_later_and_keeps_nobody_else_waiting() {
    let mut scene = Scene::with_sessions(1);
    scene.store(0, HALF, OWN);
    scene.store(2, offset(2000), OWN);
    assert_eq!(scene.tick(6), [ask(HALF, OWN, 1)]);
    assert_eq!(scene.step(at(7), Event::CheckFailed { half: HALF }), []);
    assert_eq!(scene.step(at(7), Event::CheckFailed { half: HALF }), []);
    assert_eq!(scene.tick(8), [ask(offset(2000), OWN, 1)]);
    assert_eq!(scene.decided(9, offset(2000)), []);
    assert_eq!(scene.tick(36), [ask(HALF, OWN, 1)]);
}

#[test]
fn a_session_of_two_groups_is_shared_by_them_however_long_their_lines_are() {
    let mut scene = Scene::new(CheckConfig::default());
    (1..=1000).for_each(|n| scene.store(0, offset(n), OWN));
    (1001..=2000).for_each(|n| scene.store_in("stock", 0, offset(n), OWN, None));
    assert_eq!(scene.tick(6), []);
    let mut commands = scene.join(7, "orders", OWN);
    assert_eq!(scene.join(7, "stock", OWN), []);
    let mut of_stock = 0;
    for _ in 0..400 {
        let Some(Command::SendCheck { half, .. }) = commands.pop() else { panic!("somebody is always asked") };
        let next = scene.decided(8, half);
        of_stock += next
            .iter()
            .filter(|command| matches!(command, Command::SendCheck { half, .. } if half.get() > 1000))
            .count();
        commands.extend(next);
    }
    assert_eq!(of_stock, 200);
}
