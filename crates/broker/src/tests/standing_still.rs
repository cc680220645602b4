//! The clock is set forward, or the process stands still for a while.

use crate::bench::Bench;
use crate::io::{Answer, ConsumerData, Heartbeat, Lock, MessageModel, Request, SessionId};

const HOUR_MS: i64 = 3_600_000;

fn consumer(bench: &mut Bench, client: &str) -> SessionId {
    let session = bench.open();
    let consumers = vec![ConsumerData {
        group: "cart".into(),
        consume_type: "CONSUME_PASSIVELY",
        model: MessageModel::Clustering,
        from: crate::io::ConsumeFrom("CONSUME_FROM_FIRST_OFFSET"),
        subscriptions: Vec::new(),
    }];
    let beat = Heartbeat { client, language: "JAVA", version: 513, producers: Vec::new(), consumers };
    bench.ask(session, Request::Heartbeat(beat));
    session
}

fn members(bench: &Bench) -> usize {
    bench.broker.consumer_connections("cart").map_or(0, |found| found.clients.len())
}

#[test]
fn nobody_is_taken_for_gone_because_the_clock_was_set_forward() {
    let mut bench = Bench::new();
    bench.producer("payer", "payers");
    consumer(&mut bench, "a");
    bench.run_ms(30_000);
    bench.pass_ms(HOUR_MS);
    assert_eq!((bench.broker.producers("payers").len(), members(&bench)), (1, 1));
    // Their silence counts from here on.
    bench.run_ms(80_000);
    assert_eq!((bench.broker.producers("payers").len(), members(&bench)), (1, 1));
    bench.run_ms(60_000);
    assert_eq!((bench.broker.producers("payers").len(), members(&bench)), (0, 0));
}

#[test]
fn a_queue_stays_locked_while_nobody_could_renew_and_no_longer() {
    let mut bench = Bench::new();
    let (a, b) = (consumer(&mut bench, "a"), consumer(&mut bench, "b"));
    bench.ask(a, Request::Send(crate::bench::send("orders", "", b"hello")));
    let lock = |client| Request::Lock(Lock { group: "cart", client, queues: vec![("orders", 0)] });
    let held = |answer| match answer {
        Some(Answer::Locked(queues)) => queues.len(),
        other => panic!("locked queues, not {other:?}"),
    };
    assert_eq!(held(bench.ask(a, lock("a"))), 1);
    bench.pass_ms(HOUR_MS);
    assert_eq!(held(bench.ask(b, lock("b"))), 0);
    bench.run_ms(60_000);
    assert_eq!(held(bench.ask(b, lock("b"))), 1);
}

#[test]
fn what_does_not_exist_is_not_locked() {
    let mut bench = Bench::new();
    let session = consumer(&mut bench, "a");
    for (group, topic) in [("cart", "nowhere"), ("nobody", "orders")] {
        let lock = Lock { group, client: "a", queues: vec![(topic, 0)] };
        assert!(matches!(bench.ask(session, Request::Lock(lock)), Some(Answer::Locked(queues)) if queues.is_empty()));
    }
}
