//! Proposals that were lost, and orders that overtook each other.

use message::QueueOffset;

use super::{COMMIT, ROLLBACK, refused, settled};
use crate::bench::{Bench, config, send};
use crate::io::{Answer, Push, Refusal, Request, Settled};

#[test]
fn what_is_lost_is_answered_and_leaves_no_trace() {
    let mut bench = Bench::new();
    let producer = bench.producer("p1", "payers");
    bench.ask(producer, Request::Send(send("orders", "", b"first")));
    let named = bench.half_message(producer, "K1");
    let lost = [
        bench.request(producer, Request::Send(send("orders", "", b"second"))),
        bench.request(producer, Request::End(named.end(COMMIT, false))),
    ];
    bench.lose();
    for token in lost {
        assert!(matches!(refused(bench.take(token)), Refusal::Unavailable(_)));
    }
    assert_eq!(settled(bench.end(producer, &named, ROLLBACK, false)), Settled::Decided);
    bench.ask(producer, Request::Send(send("orders", "", b"third")));
    assert_eq!(bench.visible("orders", 0).len(), 2);
}

/// Found by the simulator: after a full disk had lost an offset, the same offset told again was answered and not stored,
/// for the broker took it for stored already.
#[test]
fn an_offset_that_was_lost_and_told_again_is_stored_before_it_is_answered() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let offset = || Request::UpdateOffset { group: "cart", topic: "orders", queue: 0, offset: 1 };
    let lost = bench.request(consumer, offset());
    bench.lose();
    assert!(matches!(refused(bench.take(lost)), Refusal::Unavailable(_)));
    assert!(matches!(bench.ask(consumer, offset()), Some(Answer::Done)));
    bench.restart();
    assert_eq!(bench.broker.state().offsets.get("cart", "orders", 0), Some(QueueOffset::new(1)));
}

/// Found by the simulator: an offset that was told and not logged when its topic was deleted left its deadline behind,
/// and the broker woke for it without end.
#[test]
fn a_topic_deleted_before_its_offsets_are_logged_leaves_nothing_to_wake_for() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    let pull = crate::io::Pull { commit_offset: Some(1), ..Bench::pull("orders", 1, None) };
    bench.request(consumer, Request::Pull(pull));
    bench.request(consumer, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.settle();
    bench.pass_ms(2_000);
    assert!(bench.broker.next_deadline().is_none_or(|due| due > bench.now));
}

/// Found by the simulator: the deletion of a topic was lost on a full disk, and its groups were told to begin at 0.
#[test]
fn a_deletion_that_was_lost_leaves_the_offsets_as_they_were() {
    let mut bench = Bench::new();
    let consumer = bench.open();
    bench.ask(consumer, Request::Send(send("orders", "", b"first")));
    bench.ask(consumer, Request::Pull(Bench::pull("orders", 0, None)));
    bench.ask(consumer, Request::UpdateOffset { group: "cart", topic: "orders", queue: 0, offset: 1 });
    bench.request(consumer, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.lose();
    let query = Request::QueryOffset { group: "cart", topic: "orders", queue: 0, zero_if_absent: true };
    assert!(matches!(bench.ask(consumer, query), Some(Answer::Offset(offset)) if offset.get() == 1));
}

/// Found by the simulator: a reset that crossed the deletion of its topic gave the group an offset of the messages that
/// were gone, behind which it would have begun to read the new ones.
#[test]
fn a_reset_that_crosses_the_deletion_of_its_topic_changes_nothing() {
    let mut bench = Bench::new();
    let operator = bench.open();
    bench.ask(operator, Request::Send(send("orders", "", b"first")));
    bench.ask(operator, Request::Pull(Bench::pull("orders", 0, None)));
    let reset = Request::ResetOffset {
        group: "cart",
        topic: "orders",
        time: message::Timestamp::from_millis(-1),
        force: true,
        queue: None,
        offset: None,
    };
    let reset = bench.request(operator, reset);
    bench.request(operator, Request::DeleteTopic { topic: "orders", force: false, who: "ann" });
    bench.settle();
    assert!(matches!(refused(bench.take(reset)), Refusal::TopicNotFound(_)));
    assert_eq!(bench.broker.state().offsets.get("cart", "orders", 0), None);
}

#[test]
fn a_reply_reaches_the_client_that_waits_for_it_when_it_is_stored_and_not_before() {
    let mut bench = Bench::new();
    bench.producer("asker", "askers");
    let session = bench.open();
    let properties = "REPLY_TO_CLIENT\u{1}asker\u{2}CORRELATION_ID\u{1}7\u{2}";
    let token = bench.request(session, Request::Send(send("DefaultCluster_REPLY_TOPIC", properties, b"yes")));
    bench.drain();
    assert!(bench.pushes.is_empty());
    bench.lose();
    bench.settle();
    assert!(bench.pushes.is_empty(), "a reply that was lost is told to nobody but its sender");
    refused(bench.take(token));
    bench.ask(session, Request::Send(send("DefaultCluster_REPLY_TOPIC", properties, b"yes")));
    assert!(matches!(bench.pushes[..], [(_, Push::Reply { .. })]));
}

/// Seed 2614 of the simulator: a broker that started for the first time on a full disk lost the topics that every broker
/// has, and refused to create any other for good once there was room.
#[test]
fn seed_2614_topics_that_were_lost_at_the_first_start_are_made_when_they_are_needed() {
    let mut bench = Bench::begun(config());
    bench.lose();
    let producer = bench.open();
    assert!(matches!(bench.ask(producer, Request::Send(send("orders", "", b"first"))), Some(Answer::Sent(_))));
    assert!(bench.broker.state().topics.get("SELF_TEST_TOPIC").is_some());
}
