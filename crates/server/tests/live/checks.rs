//! Checks: who is asked what became of a transaction, when, how often, and what becomes of it then.

use std::time::{Duration, Instant};

use crate::broker::{Broker, PATIENCE};
use crate::crashes::store_halves;
use crate::wire::{COMMIT, ROLLBACK, UNKNOWN};

/// Answers to two-way decisions.
const DONE: i32 = 0;
const OPPOSITE: i32 = 604;

#[test]
fn an_undecided_half_is_asked_about_on_the_connection_that_sent_it() {
    let broker = Broker::with(&["transactions.first_check_after=1s", "transactions.check_interval=1s"]);
    let mut wire = broker.connect();
    wire.produce_for("p1@1", "payers");
    let mut bystander = broker.connect();
    bystander.produce_for("s1@1", "strangers");
    let stored = Instant::now();
    let half = wire.half_with("payers", "orders", "K1", b"body", &[("KEYS", "order-1")]);
    let (asked, message) = wire.next_check(PATIENCE).expect("a check");
    let took = stored.elapsed();
    assert!(took >= Duration::from_millis(950) && took < Duration::from_millis(2000), "{took:?}");
    assert_eq!((asked.offset, asked.sequence, asked.key.as_str()), (half.offset, half.sequence, "K1"));
    assert_eq!((message.body.as_slice(), asked.group.as_str()), (&b"body"[..], "payers"));
    // "I do not know" is asked again an interval later, silence after the timeout.
    assert_eq!(wire.end_with(&asked, UNKNOWN, true).code, DONE);
    let (again, _) = wire.next_check(PATIENCE).expect("a second check");
    assert_eq!((again.offset, again.sequence), (half.offset, half.sequence), "one identity for life");
    assert_eq!(wire.end_with(&again, COMMIT, true).code, DONE);
    assert_eq!(wire.keys("orders"), ["K1"]);
    assert!(wire.next_check(Duration::from_millis(1500)).is_none(), "what is decided is not asked about");
    assert!(bystander.next_check(Duration::ZERO).is_none(), "a foreign group is never asked");
}

#[test]
fn a_message_may_ask_for_more_time_before_its_first_check() {
    let broker = Broker::with(&["transactions.first_check_after=100ms", "transactions.answer_timeout=10m"]);
    let mut wire = broker.connect();
    wire.produce_for("p1@1", "payers");
    let stored = Instant::now();
    wire.half_with("payers", "orders", "K1", b"body", &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "1")]);
    wire.half_with("payers", "orders", "K2", b"body", &[("CHECK_IMMUNITY_TIME_IN_SECONDS", "soon")]);
    let (asked, _) = wire.next_check(PATIENCE).expect("a check");
    assert_eq!((asked.key.as_str(), stored.elapsed() < Duration::from_millis(950)), ("K2", true));
    let (asked, _) = wire.next_check(PATIENCE).expect("another check");
    let took = stored.elapsed();
    assert_eq!(asked.key, "K1");
    assert!(took >= Duration::from_millis(950) && took < Duration::from_millis(2500), "{took:?}");
}

#[test]
fn another_producer_of_the_group_is_asked_when_the_sender_is_gone_or_silent() {
    let broker = Broker::with(&[
        "transactions.first_check_after=500ms",
        "transactions.check_interval=10m",
        "transactions.answer_timeout=1500ms",
    ]);
    let mut sender = broker.connect();
    sender.produce_for("p1@1", "payers");
    let half = sender.half("payers", "orders", "K1", b"body");
    sender.next_check(PATIENCE).expect("the sender is asked first");
    let asked = Instant::now();
    // The sender is silent, and now somebody else is there.
    let mut other = broker.connect();
    other.produce_for("p2@1", "payers");
    let (question, _) = other.next_check(PATIENCE).expect("the other one is asked");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!((question.offset, question.sequence), (half.offset, half.sequence));
    // That nobody answered is written down with what comes next, or half a second later.
    let shown = broker.shown_when("K1", |shown| shown["silent"] == 1);
    assert_eq!(shown["checks"], 0, "silence does not count: {shown}");
    assert_eq!(other.end_with(&question, COMMIT, true).code, DONE);
    assert_eq!(other.keys("orders"), ["K1"]);
}

#[test]
fn when_nobody_is_there_nothing_is_burnt_and_the_first_who_comes_is_asked() {
    let mut broker = Broker::with(&["transactions.first_check_after=100ms", "transactions.check_interval=200ms"]);
    let mut sender = broker.connect();
    sender.produce_for("p1@1", "payers");
    let half = sender.half("payers", "orders", "K1", b"body");
    drop(sender);
    std::thread::sleep(Duration::from_millis(700));
    broker.crash();
    std::thread::sleep(Duration::from_millis(300));
    let before = broker.json(&["transactions", "show", "K1"]);
    assert_eq!((&before["checks"], &before["producers_online"]), (&0.into(), &0.into()));
    let mut other = broker.connect();
    let came = Instant::now();
    other.produce_for("p2@1", "payers");
    let (question, _) = other.next_check(PATIENCE).expect("it is asked");
    assert!(came.elapsed() < Duration::from_secs(1), "{:?}", came.elapsed());
    assert_eq!(other.end_with(&question, ROLLBACK, true).code, DONE);
    assert_eq!(other.end(&half, COMMIT).code, OPPOSITE);
    assert_eq!(other.keys("orders"), Vec::<String>::new());
}

#[test]
fn a_storm_of_checks_after_a_long_absence_comes_500_at_a_time() {
    let broker = Broker::with(&[
        "transactions.first_check_after=100ms",
        "transactions.check_interval=10m",
        "transactions.answer_timeout=10m",
    ]);
    let halves = store_halves(&broker, 0, 1200);
    std::thread::sleep(Duration::from_millis(300));
    let mut producer = broker.connect();
    producer.produce_for("p2@1", "payers");
    let mut asked: Vec<_> =
        std::iter::from_fn(|| producer.next_check(Duration::from_secs(1)).map(|(half, _)| half)).collect();
    assert_eq!(asked.len(), 500, "so many wait for an answer at most");
    let (mut decided, mut seen) = (0, std::collections::BTreeSet::new());
    while let Some(half) = asked.pop() {
        assert!(seen.insert(half.offset), "nothing is asked about twice");
        assert_eq!(producer.end_with(&half, COMMIT, true).code, DONE);
        decided += 1;
        // Each answer makes room for one more.
        if decided + asked.len() < halves.len() {
            asked.extend(producer.next_check(PATIENCE).map(|(half, _)| half));
        }
    }
    assert_eq!(decided, halves.len());
    assert_eq!(producer.all("orders").len(), halves.len());
}

#[test]
fn a_half_answered_unknown_too_often_is_set_aside_and_still_its_producers_to_decide() {
    let broker = Broker::with(&[
        "transactions.first_check_after=50ms",
        "transactions.check_interval=50ms",
        "transactions.check_max=3",
    ]);
    let mut wire = broker.connect();
    wire.produce_for("p1@1", "payers");
    let half = wire.half("payers", "orders", "K1", b"body");
    for _ in 0..3 {
        let (question, _) = wire.next_check(PATIENCE).expect("a check");
        assert_eq!(wire.end_with(&question, UNKNOWN, true).code, DONE);
    }
    assert!(wire.next_check(Duration::from_millis(500)).is_none(), "nobody is asked any more");
    let shown = broker.json(&["transactions", "show", "K1"]);
    assert_eq!((&shown["state"], &shown["checks"]), (&"set-aside".into(), &3.into()));
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    let view = wire.pull_as("TOOLS_CONSUMER", "TRANS_CHECK_MAX_TIME_TOPIC", 0, None);
    assert_eq!(view.messages[0].key, "K1");
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
    assert_eq!(wire.keys("orders"), ["K1"]);
}

#[test]
fn the_rule_may_be_to_roll_back_what_stays_unknown() {
    let broker = Broker::with(&[
        "transactions.first_check_after=50ms",
        "transactions.check_interval=50ms",
        "transactions.check_max=1",
        "transactions.when_exhausted=rollback",
    ]);
    let mut wire = broker.connect();
    wire.produce_for("p1@1", "payers");
    let half = wire.half("payers", "orders", "K1", b"body");
    let (question, _) = wire.next_check(PATIENCE).expect("a check");
    assert_eq!(wire.end_with(&question, UNKNOWN, true).code, DONE);
    let shown = broker.shown_when("K1", |shown| shown["state"] == "rolled-back");
    assert_eq!(shown["timeline"].as_array().unwrap().last().unwrap()["by"], "exhausted");
    assert_eq!(wire.end(&half, COMMIT).code, OPPOSITE);
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
}
