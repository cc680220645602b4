//! Pulls, retries and offsets.

use message::record::Record;

use crate::bench::{Bench, send};
use crate::io::{Answer, PullStatus, Request, SendBack};

#[test]
fn a_message_that_cannot_be_consumed_comes_again_and_ends_among_the_dead() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Pull(Bench::pull("none", 0, None)));
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}a", b"body")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let mut topic = "orders".to_owned();
    for (attempt, delay_s) in [(1, 10), (2, 30)] {
        let failed = bench.visible(&topic, 0).pop().expect("a message");
        let failed = Record::parse(&failed).expect("a record").physical_offset().signed();
        let back =
            SendBack { group: "cart", offset: failed, delay_level: 0, origin_id: "ID1", max_reconsume_times: Some(2) };
        assert!(matches!(bench.ask(consumer, Request::SendBack(back)), Some(Answer::Done)));
        topic = "%RETRY%cart".to_owned();
        bench.run_ms(delay_s * 1000 - 100);
        assert_eq!(bench.visible(&topic, 0).len(), attempt - 1);
        bench.run_ms(200);
        let again = bench.visible(&topic, 0).pop().expect("a retry");
        let again = Record::parse(&again).expect("a record");
        assert_eq!(again.reconsume_times(), attempt as i32);
        assert_eq!((again.property("RETRY_TOPIC"), again.property("ORIGIN_MESSAGE_ID")), (Some("orders"), Some("ID1")));
    }
    let failed = bench.visible(&topic, 0).pop().expect("a message");
    let offset = Record::parse(&failed).expect("a record").physical_offset().signed();
    let back = SendBack { group: "cart", offset, delay_level: 0, origin_id: "", max_reconsume_times: Some(2) };
    bench.ask(consumer, Request::SendBack(back));
    let dead = bench.visible("%DLQ%cart", 0);
    assert_eq!(dead.len(), 1);
    assert_eq!(Record::parse(&dead[0]).expect("a record").body(), b"body");
}

#[test]
fn a_pull_waits_for_a_message_that_it_wants() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    let mut pull = Bench::pull("orders", 1, Some(15_000));
    pull.subscription = Some("a || b");
    let token = bench.request(consumer, Request::Pull(pull));
    bench.settle();
    assert!(bench.take(token).is_none());
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}c", b"not this")));
    assert!(bench.take(token).is_none(), "its tag is not wanted");
    bench.ask(consumer, Request::Send(send("orders", "TAGS\u{1}b", b"this")));
    let Some(Answer::Pulled(pulled)) = bench.take(token) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.count, pulled.next.get()), (PullStatus::Found, 1, 3));
}

#[test]
fn a_pull_that_waits_in_vain_is_answered_in_time() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    let token = bench.request(consumer, Request::Pull(Bench::pull("orders", 1, Some(15_000))));
    bench.settle();
    bench.run_ms(14_900);
    assert!(bench.take(token).is_none());
    bench.run_ms(200);
    let Some(Answer::Pulled(pulled)) = bench.take(token) else { panic!("an answer") };
    assert_eq!((pulled.status, pulled.next.get(), pulled.max.get()), (PullStatus::AtEnd, 1, 1));
}

#[test]
fn offsets_survive_a_restart_even_if_nobody_waited_for_them() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let offset = |group, offset| Request::UpdateOffset { group, topic: "orders", queue: 0, offset };
    assert!(matches!(bench.ask(consumer, offset("cart", -1)), Some(Answer::Done)));
    assert!(matches!(bench.ask(consumer, offset("cart", 1)), Some(Answer::Done)));
    bench.restart();
    let consumer = bench.open();
    let query = Request::QueryOffset { group: "cart", topic: "orders", queue: 0, zero_if_absent: false };
    assert!(matches!(bench.ask(consumer, query), Some(Answer::Offset(offset)) if offset.get() == 1));
}
