//! Decisions: one for ever, and what they make visible.

use message::record::Record;
use message::sys_flag;

use super::{COMMIT, ROLLBACK, refused, settled};
use crate::bench::{Bench, HALF, send};
use crate::io::{Answer, PullStatus, Refusal, Request, Settled};

#[test]
fn a_half_is_seen_by_nobody_until_it_is_committed_and_then_once_with_everything_it_had() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    assert!(bench.visible("orders", 0).is_empty());
    bench.pass_ms(1000);
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let visible = bench.visible("orders", 0);
    assert_eq!(visible.len(), 1);
    let record = Record::parse(&visible[0]).expect("a record");
    assert_eq!((record.topic(), record.body(), record.flag()), ("orders", &b"body"[..], 7));
    assert_eq!((record.property("UNIQ_KEY"), record.property("TAGS")), (Some("K1"), Some("a")));
    assert_eq!(record.property("TRAN_MSG"), Some("true"), "clients tell the transaction's id only where they find it");
    assert_eq!(record.sys_flag() & sys_flag::TRANSACTION_TYPE, sys_flag::TRANSACTION_COMMIT);
    assert_eq!(record.prepared_transaction_offset().signed(), named.half);
    assert_eq!(record.store_timestamp(), bench.now, "it is as old as its commit");
}

#[test]
fn the_first_decision_counts_for_ever() {
    for (first, opposite) in [(COMMIT, ROLLBACK), (ROLLBACK, COMMIT)] {
        let mut bench = Bench::new();
        let producer = bench.producer("p1", "payers");
        let named = bench.half_message(producer, "K1");
        assert_eq!(settled(bench.end(producer, &named, first, false)), Settled::Decided);
        assert_eq!(settled(bench.end(producer, &named, first, false)), Settled::Repeated);
        assert!(matches!(refused(bench.end(producer, &named, opposite, false)), Refusal::Conflict(_)));
        bench.restart();
        let producer = bench.producer("p1", "payers");
        assert_eq!(settled(bench.end(producer, &named, first, true)), Settled::Repeated);
        assert!(matches!(refused(bench.end(producer, &named, opposite, true)), Refusal::Conflict(_)));
        assert_eq!(bench.visible("orders", 0).len(), usize::from(first == COMMIT));
        assert_eq!(bench.broker.counters().decisions_refused, 1);
    }
}

#[test]
fn decisions_that_race_have_one_outcome_and_everybody_hears_it() {
    let mut bench = Bench::new();
    let (one, two) = (bench.producer("p1", "payers"), bench.producer("p2", "payers"));
    let named = bench.half_message(one, "K1");
    let tokens = [(one, ROLLBACK), (two, COMMIT), (one, ROLLBACK)]
        .map(|(session, outcome)| bench.request(session, Request::End(named.end(outcome, false))));
    bench.settle();
    assert_eq!(settled(bench.take(tokens[0])), Settled::Decided);
    assert!(matches!(refused(bench.take(tokens[1])), Refusal::Conflict(_)));
    assert_eq!(settled(bench.take(tokens[2])), Settled::Repeated);
    assert!(bench.visible("orders", 0).is_empty());
}

#[test]
fn a_decision_that_names_another_transaction_changes_nothing() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let (mine, other) = (bench.half_message(producer, "K1"), bench.half_message(producer, "K2"));
    let Some(Answer::Sent(plain)) = bench.ask(producer, Request::Send(send("orders", "", b"x"))) else {
        panic!("an answer")
    };
    let before = bench.log_len();
    let mut wrong = vec![
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
        mine.end(COMMIT, false),
    ];
    wrong[0].half += 1;
    wrong[1].sequence += 1;
    wrong[2].unique_key = "K2";
    wrong[3].group = "thieves";
    wrong[4].half = plain.at.signed();
    wrong[5].half = other.half;
    for end in wrong {
        let answer = bench.ask(producer, Request::End(end));
        assert!(matches!(refused(answer), Refusal::NotFound(_)), "{end:?}");
    }
    assert_eq!(bench.log_len(), before, "nothing was written");
    assert_eq!(bench.broker.counters().decisions_mismatched, 6);
    assert_eq!(settled(bench.end(producer, &mine, COMMIT, false)), Settled::Decided);
}

#[test]
fn a_half_sent_again_is_one_transaction_and_after_its_decision_a_new_one() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let first = bench.half_message(producer, "K1");
    let again = bench.half_message(producer, "K1");
    assert_eq!((first.half, first.sequence), (again.half, again.sequence));
    assert_eq!(bench.broker.counters().halves_repeated, 1);
    // Both in flight at the same time.
    let properties = HALF.replace("K1", "K9");
    let tokens = [0, 0].map(|_| bench.request(producer, Request::Send(send("orders", &properties, b"body"))));
    bench.settle();
    let ids = tokens.map(|token| match bench.take(token) {
        Some(Answer::Sent(sent)) => (sent.at, sent.queue_offset),
        other => panic!("an answer, not {other:?}"),
    });
    assert_eq!(ids[0], ids[1]);
    // The queue told is that of the one stored, whichever the repetition named.
    let properties = HALF.replace("K1", "K9");
    let elsewhere = crate::io::Send { queue: 1, ..send("orders", &properties, b"body") };
    match bench.ask(producer, Request::Send(elsewhere)) {
        Some(Answer::Sent(sent)) => assert_eq!((sent.at, sent.queue), (ids[0].0, 0)),
        other => panic!("an answer, not {other:?}"),
    }
    bench.end(producer, &first, COMMIT, false);
    let new = bench.half_message(producer, "K1");
    assert_ne!(new.half, first.half);
    assert_eq!(bench.visible("orders", 0).len(), 1);
}

#[test]
fn a_commit_after_more_than_an_hour_carries_its_record() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    bench.gone(producer);
    bench.run_ms(3_700_000);
    let producer = bench.producer("p2", "payers");
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let visible = bench.visible("orders", 0);
    let record = Record::parse(&visible[0]).expect("a record");
    assert_eq!((record.body(), record.prepared_transaction_offset().signed()), (&b"body"[..], named.half));
}

#[test]
fn a_delayed_half_takes_effect_at_its_commit() {
    for wish in ["DELAY\u{1}2", "TIMER_DELAY_SEC\u{1}5", "TIMER_DELAY_MS\u{1}5000"] {
        let mut bench = Bench::new();
        let producer = bench.producer("p1", "payers");
        let properties = format!("{HALF}{wish}");
        let Some(Answer::Sent(sent)) = bench.ask(producer, Request::Send(send("orders", &properties, b"body"))) else {
            panic!("an answer")
        };
        let named =
            crate::bench::Named { half: sent.at.signed(), sequence: sent.queue_offset.signed(), key: "K1".into() };
        bench.pass_ms(3_000);
        assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
        bench.run_ms(4_900);
        assert!(bench.visible("orders", 0).is_empty(), "{wish:?}");
        bench.restart();
        bench.run_ms(200);
        let visible = bench.visible("orders", 0);
        assert_eq!(visible.len(), 1, "{wish:?}");
        let record = Record::parse(&visible[0]).expect("a record");
        assert_eq!((record.property("DELAY"), record.body()), (None, &b"body"[..]));
        bench.run_ms(60_000);
        assert_eq!(bench.visible("orders", 0).len(), 1);
    }
}

#[test]
fn a_topic_with_undecided_transactions_is_deleted_by_force_only_and_they_can_still_be_committed() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    let named = bench.half_message(producer, "K1");
    let delete = |force| Request::DeleteTopic { topic: "orders", force, who: "ann" };
    assert!(matches!(refused(bench.ask(producer, delete(false))), Refusal::Conflict(_)));
    assert!(matches!(bench.ask(producer, delete(true)), Some(Answer::Done)));
    assert!(bench.broker.state().topics.get("orders").is_none());
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    assert_eq!(bench.broker.state().topics.get("orders").map(|topic| topic.next(0).get()), Some(1));
}

/// Found by the simulator: a delayed half for queue 3 of a topic that was deleted and made again with 3 queues went to
/// a queue nobody could read.
#[test]
fn a_commit_for_a_queue_its_topic_has_lost_can_be_read() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.ask(producer, Request::PutTopic(message::entry::TopicConfig::new("orders", 4)));
    let half = crate::io::Send { queue: 3, ..send("orders", HALF, b"body") };
    let Some(Answer::Sent(sent)) = bench.ask(producer, Request::Send(half)) else { panic!("an answer") };
    let named = crate::bench::Named { half: sent.at.signed(), sequence: 0, key: "K1".into() };
    bench.ask(producer, Request::DeleteTopic { topic: "orders", force: true, who: "ann" });
    bench.ask(producer, Request::PutTopic(message::entry::TopicConfig::new("orders", 2)));
    assert_eq!(settled(bench.end(producer, &named, COMMIT, false)), Settled::Decided);
    let pull = crate::io::Pull { queue: 3, ..Bench::pull("orders", 0, None) };
    let Some(Answer::Pulled(pulled)) = bench.ask(producer, Request::Pull(pull)) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count), (PullStatus::Found, 1));
    let topic = &bench.broker.state().topics.get("orders").expect("the topic").config;
    assert_eq!((topic.read_queues, topic.write_queues), (4, 2));
}

#[test]
fn undecided_bodies_are_shown_to_tools_only() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.half_message(producer, "K1");
    let mut pull = Bench::pull("RMQ_SYS_TRANS_HALF_TOPIC", 0, None);
    assert!(matches!(refused(bench.ask(producer, Request::Pull(pull.clone()))), Refusal::NoPermission(_)));
    pull.group = "TOOLS_CONSUMER";
    let Some(Answer::Pulled(pulled)) = bench.ask(producer, Request::Pull(pull)) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count), (PullStatus::Found, 1));
    let record = Record::parse(&pulled.body).expect("a record");
    assert_eq!((record.topic(), record.body()), ("RMQ_SYS_TRANS_HALF_TOPIC", &b"body"[..]));
    assert_eq!(record.property("REAL_TOPIC"), Some("orders"));
}
