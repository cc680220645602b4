//! Half messages: which there can be, and that each is decided once and for all, by whom it belongs to.

use std::time::{Duration, Instant};

use crate::broker::{Broker, PATIENCE};
use crate::wire::{COMMIT, END, Half, ROLLBACK, UNKNOWN, properties};

/// Answers to two-way decisions.
const DONE: i32 = 0;
const NOT_KNOWN: i32 = 1;
const OPPOSITE: i32 = 604;

#[test]
fn a_half_is_seen_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "before", b"body");
    let pairs = [("KEYS", "order-1"), ("TAGS", "paid"), ("colour", "red")];
    let first = wire.half_with("payers", "orders", "K1", b"first", &pairs);
    let second = wire.half("payers", "orders", "K2", b"second");
    assert_eq!(wire.keys("orders"), ["before"]);
    assert_eq!(wire.end(&second, ROLLBACK).code, DONE);
    assert_eq!(wire.end(&first, COMMIT).code, DONE);
    let all = wire.all("orders");
    assert_eq!(all.iter().map(|message| message.key.as_str()).collect::<Vec<_>>(), ["before", "K1"]);
    let committed = &all[1];
    assert_eq!((committed.offset, committed.body.as_slice()), (1, &b"first"[..]));
    assert_eq!(committed.prepared_offset, first.offset);
    assert!(committed.log_offset > first.offset, "its place is that of its commit");
    for (key, value) in pairs {
        assert_eq!(message::properties::get(&committed.properties, key), Some(value));
    }
}

#[test]
fn a_consumer_that_waits_is_woken_by_a_commit() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "before", b"body");
    let half = wire.half("payers", "orders", "K1", b"body");
    let mut reader = broker.connect();
    let waiting = std::thread::spawn(move || (reader.pull_as("cart", "orders", 1, Some(PATIENCE)), Instant::now()));
    std::thread::sleep(Duration::from_millis(100));
    let decided = Instant::now();
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
    let (pulled, answered) = waiting.join().unwrap();
    assert_eq!(pulled.messages[0].key, "K1");
    assert!(answered - decided < Duration::from_secs(1), "{:?}", answered - decided);
}

#[test]
fn the_first_decision_counts_for_ever_also_after_a_crash() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    let committed = wire.half("payers", "orders", "K1", b"body");
    let rolled_back = wire.half("payers", "orders", "K2", b"body");
    let undecided = wire.half("payers", "orders", "K3", b"body");
    for round in 0..3 {
        for (half, same, opposite) in [(&committed, COMMIT, ROLLBACK), (&rolled_back, ROLLBACK, COMMIT)] {
            assert_eq!(wire.end(half, same).code, DONE, "round {round}");
            let refused = wire.end(half, opposite);
            assert_eq!(refused.code, OPPOSITE, "round {round}");
            assert!(refused.remark.unwrap().contains("the first decision counts"), "round {round}");
            assert_eq!(wire.end(half, UNKNOWN).code, DONE, "a word that decides nothing does no harm");
            assert_eq!(wire.end_with(half, opposite, true).code, OPPOSITE, "as an answer to a check");
        }
        assert_eq!(wire.keys("orders"), ["K1"], "round {round}");
        if round == 0 {
            broker.crash();
        } else {
            assert_eq!(broker.terminate().0.code(), Some(0));
            broker.start_again();
        }
        wire = broker.connect();
    }
    assert_eq!(wire.end(&undecided, COMMIT).code, DONE);
    assert_eq!(wire.keys("orders"), ["K1", "K3"]);
}

#[test]
fn a_decision_about_another_transaction_changes_nothing_and_is_told_why() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "plain", b"body");
    let plain = wire.all("orders")[0].clone();
    let mine = wire.half("payers", "orders", "K1", b"body");
    let other = wire.half("payers", "orders", "K2", b"body");
    let foreign = wire.half("strangers", "orders", "K3", b"body");
    let forged = |change: &dyn Fn(&mut Half)| {
        let mut half = mine.clone();
        change(&mut half);
        half
    };
    let wrong = [
        ("an offset where nothing begins", forged(&|half| half.offset += 1)),
        ("an offset behind the log", forged(&|half| half.offset = 1 << 40)),
        ("a negative offset", forged(&|half| half.offset = -1)),
        ("another position", forged(&|half| half.sequence += 1)),
        ("a position nobody has", forged(&|half| half.sequence = 1 << 40)),
        ("a negative position", forged(&|half| half.sequence = -5)),
        ("another id", forged(&|half| half.key = "K9".to_owned())),
        ("another group", forged(&|half| half.group = "strangers".to_owned())),
        ("the place of a normal message", forged(&|half| half.offset = plain.log_offset)),
        (
            "the place of a normal message, and its own",
            forged(&|half| {
                (half.offset, half.sequence, half.key) = (plain.log_offset, plain.offset, plain.key.clone());
            }),
        ),
        ("the offset of another half under its own id", forged(&|half| half.offset = other.offset)),
        (
            "another half under its own id",
            forged(&|half| (half.offset, half.sequence) = (other.offset, other.sequence)),
        ),
        ("a half of another group", Half { group: "payers".to_owned(), ..foreign.clone() }),
    ];
    let all_undecided = |wire: &mut crate::wire::Wire| {
        assert_eq!(wire.keys("orders"), ["plain"]);
        assert_eq!(broker.json(&["transactions"])["undecided"], 3);
    };
    for (what, half) in &wrong {
        for decision in [COMMIT, ROLLBACK] {
            for from_check in [false, true] {
                let answer = wire.end_with(half, decision, from_check);
                assert_eq!(answer.code, NOT_KNOWN, "{what}: {:?}", answer.remark);
                assert!(!answer.remark.unwrap_or_default().is_empty(), "{what} is told why");
            }
        }
        all_undecided(&mut wire);
    }
    // The same when the right one is decided: what contradicts it is a mismatch, not an opposite.
    assert_eq!(wire.end(&mine, COMMIT).code, DONE);
    for (what, half) in &wrong {
        let answer = wire.end(half, ROLLBACK);
        assert_eq!(answer.code, NOT_KNOWN, "{what}: {:?}", answer.remark);
    }
    assert_eq!(wire.end(&other, COMMIT).code, DONE);
    assert_eq!(wire.end(&foreign, ROLLBACK).code, DONE);
    assert_eq!(wire.keys("orders"), ["plain", "K1", "K2"]);
}

#[test]
fn a_decision_that_lacks_something_is_refused_and_one_without_an_id_is_not() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let half = wire.half("payers", "orders", "K1", b"body");
    let (offset, sequence) = (half.offset.to_string(), half.sequence.to_string());
    let whole = [
        ("producerGroup", "payers"),
        ("tranStateTableOffset", &*sequence),
        ("commitLogOffset", &*offset),
        ("commitOrRollback", "8"),
        ("msgId", "K1"),
    ];
    for without in 0..whole.len() {
        let mut fields = whole.to_vec();
        let (name, _) = fields.remove(without);
        let answer = wire.call(END, &fields, b"");
        assert_eq!(answer.code, 1, "without {name}");
        assert!(answer.remark.unwrap().contains(name), "without {name}");
    }
    let mut strange = whole;
    strange[3].1 = "3";
    assert_eq!(wire.call(END, &strange, b"").code, 1);
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
}

#[test]
fn a_half_is_one_that_can_be_decided_or_it_is_refused_with_a_reason() {
    let broker = Broker::with(&["limits.message_size=64KiB", "limits.open_transactions=5"]);
    let mut wire = broker.connect();
    wire.send("orders", "plain", b"body");
    broker.tell(&["topics", "create", "closed", "--queues", "1"]);
    let read_only = [
        ("topic", "closed"),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "1"),
        ("writeQueueNums", "1"),
        ("perm", "4"),
        ("topicFilterType", "SINGLE_TAG"),
    ];
    wire.get(17, &read_only, b"");
    let good = properties(&[("TRAN_MSG", "true"), ("PGROUP", "payers"), ("UNIQ_KEY", "K1")]);
    let prepared = ("f", "4");
    let large = vec![1; 65 << 10];
    let without_group = properties(&[("TRAN_MSG", "true"), ("UNIQ_KEY", "K1")]);
    let bad_group = properties(&[("TRAN_MSG", "true"), ("PGROUP", "pay ers"), ("UNIQ_KEY", "K1")]);
    let not_transactional = properties(&[("UNIQ_KEY", "K1")]);
    let refusals: [Refused<'_>; 10] = [
        ("prepared without TRAN_MSG", "orders", &not_transactional, b"body", &[prepared], "TRAN_MSG"),
        ("no group at all", "orders", &without_group, b"body", &[prepared, ("a", "")], "group"),
        ("a group that cannot be", "orders", &bad_group, b"body", &[prepared], "group"),
        ("an empty body", "orders", &good, b"", &[prepared], "empty"),
        ("too large", "orders", &good, &large, &[prepared], "limits.message_size"),
        ("queue out of range", "orders", &good, b"body", &[prepared, ("e", "4")], "queue 4 is out of range"),
        ("no such topic", "nowhere", &good, b"body", &[prepared, ("c", "none-either")], "nowhere"),
        ("no write permission", "closed", &good, b"body", &[prepared], "permission"),
        ("a topic of the system", "RMQ_SYS_TRANS_HALF_TOPIC", &good, b"body", &[prepared], "system"),
        ("a batch", "orders", &good, &batch(), &[prepared, ("m", "true")], "batch"),
    ];
    for (what, topic, pairs, body, change, reason) in refusals {
        let answer = wire.try_send(topic, pairs, body, change);
        assert_ne!(answer.code, 0, "{what}");
        let remark = answer.remark.unwrap_or_default();
        assert!(remark.contains(reason), "{what}: {remark}");
    }
    assert_eq!(broker.json(&["transactions"])["undecided"], 0);
    for number in 0..5 {
        wire.half("payers", "orders", &format!("K{number}"), b"body");
    }
    let sixth = wire.try_send("orders", &good.replace("K1", "K6"), b"body", &[prepared]);
    assert_ne!(sixth.code, 0);
    assert!(sixth.remark.unwrap().contains("limits.open_transactions"));
}

/// What is wrong with a send; its topic, properties, body and other fields; words of the refusal.
type Refused<'a> = (&'a str, &'a str, &'a str, &'a [u8], &'a [(&'a str, &'a str)], &'a str);

/// The body of a batch of one message.
fn batch() -> Vec<u8> {
    let mut batch = Vec::new();
    batch.extend(26_u32.to_be_bytes());
    batch.extend([0; 12]);
    batch.extend(4_u32.to_be_bytes());
    batch.extend(b"body");
    batch.extend(0_u16.to_be_bytes());
    batch
}

#[test]
fn a_half_that_is_sent_again_is_one_transaction() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    let first = wire.half("payers", "orders", "K1", b"body");
    assert_eq!(wire.half("payers", "orders", "K1", b"body"), first);
    broker.crash();
    let mut wire = broker.connect();
    let again = wire.half("payers", "orders", "K1", b"body");
    assert_eq!((again.offset, again.sequence), (first.offset, first.sequence));
    assert_ne!(wire.half("payers", "orders", "K1", b"another body").offset, first.offset);
    assert_ne!(wire.half("others", "orders", "K1", b"body").offset, first.offset);
    assert_eq!(wire.end(&first, COMMIT).code, DONE);
    assert_eq!(wire.keys("orders"), ["K1"]);
}

#[test]
fn what_is_undecided_is_not_for_ordinary_consumers_to_read() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let half = wire.half("payers", "orders", "K1", b"secret");
    let pull = |wire: &mut crate::wire::Wire, group| {
        let fields = crate::wire::pull_fields(group, "RMQ_SYS_TRANS_HALF_TOPIC", "0", "4", "0");
        wire.call(11, &fields, b"")
    };
    let refused = pull(&mut wire, "cart");
    assert_eq!((refused.code, refused.body.len()), (16, 0));
    let offset = half.offset.to_string();
    let by_place = wire.call(33, &[("offset", &offset)], b"");
    assert_eq!((by_place.code, by_place.body.len()), (1, 0), "not by its place either");
    let shown = crate::wire::messages(&pull(&mut wire, "TOOLS_CONSUMER").body);
    assert_eq!((shown.len(), shown[0].body.as_slice()), (1, &b"secret"[..]));
    assert_eq!((shown[0].offset, shown[0].log_offset), (half.sequence, half.offset));
}

#[test]
fn a_delayed_half_takes_effect_at_its_commit() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    let half = wire.half_with("payers", "orders", "K1", b"body", &[("DELAY", "1")]);
    let rolled_back = wire.half_with("payers", "orders", "K2", b"body", &[("TIMER_DELAY_MS", "100")]);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    assert_eq!(wire.end(&rolled_back, ROLLBACK).code, DONE);
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
    let committed = Instant::now();
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    broker.crash();
    let mut wire = broker.connect();
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
    let pulled = wire.pull_as("cart", "orders", 0, Some(PATIENCE));
    assert!(committed.elapsed() >= Duration::from_millis(950), "{:?}", committed.elapsed());
    assert_eq!(pulled.messages.iter().map(|message| message.key.as_str()).collect::<Vec<_>>(), ["K1"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(wire.keys("orders"), ["K1"]);
}

#[test]
fn a_commit_never_fails_for_what_became_of_its_topic() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let deleted = wire.half("payers", "orders", "K1", b"body");
    let by_hand = wire.half("payers", "orders", "K2", b"body");
    let closed = wire.half("payers", "bills", "K3", b"body");
    broker.tell(&["topics", "delete", "orders", "--force"]);
    let change = [
        ("topic", "bills"),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", "1"),
        ("writeQueueNums", "1"),
        ("perm", "4"),
        ("topicFilterType", "SINGLE_TAG"),
    ];
    wire.get(17, &change, b"");
    assert_eq!(wire.end(&deleted, COMMIT).code, DONE);
    broker.tell(&["transactions", "resolve", "K2", "--commit", "--reason", "paid"]);
    assert_eq!(wire.end(&closed, COMMIT).code, DONE);
    assert_eq!(wire.keys("orders"), ["K1", "K2"]);
    assert_eq!(wire.keys("bills"), ["K3"]);
    assert_eq!(wire.end(&by_hand, ROLLBACK).code, OPPOSITE);
}

#[test]
fn a_topic_that_is_deleted_and_comes_again_has_none_of_its_old_messages() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    for key in ["K1", "K2"] {
        wire.send("orders", key, b"body");
    }
    let half = wire.half("payers", "orders", "H1", b"body");
    assert_eq!(wire.end(&half, COMMIT).code, DONE);
    broker.tell(&["topics", "delete", "orders"]);
    assert_eq!(wire.call(11, &crate::wire::pull_fields("g", "orders", "0", "4", "0"), b"").code, 17);
    wire.send("orders", "K3", b"body");
    assert_eq!(wire.keys("orders"), ["K3"]);
    for _ in 0..2 {
        assert_eq!(wire.end(&half, COMMIT).code, DONE);
        assert_eq!(wire.end(&half, ROLLBACK).code, OPPOSITE);
        assert_eq!(wire.keys("orders"), ["K3"]);
        broker.crash();
        wire = broker.connect();
    }
}

#[test]
fn decisions_that_race_have_one_outcome() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let halves: Vec<Half> =
        (0..40).map(|number| wire.half("payers", "orders", &format!("K{number}"), b"body")).collect();
    let racers: Vec<_> = [COMMIT, ROLLBACK, COMMIT, ROLLBACK]
        .into_iter()
        .map(|decision| {
            let (mut wire, halves) = (broker.connect(), halves.clone());
            std::thread::spawn(move || halves.iter().map(|half| wire.end(half, decision).code).collect::<Vec<_>>())
        })
        .collect();
    let answers: Vec<Vec<i32>> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
    let delivered = wire.keys("orders");
    for (at, half) in halves.iter().enumerate() {
        let said: Vec<i32> = answers.iter().map(|codes| codes[at]).collect();
        let committed = delivered.iter().filter(|key| **key == half.key).count();
        let expected = match committed {
            1 => [DONE, OPPOSITE, DONE, OPPOSITE],
            0 => [OPPOSITE, DONE, OPPOSITE, DONE],
            more => panic!("{} is delivered {more} times", half.key),
        };
        assert_eq!(said, expected, "{}", half.key);
    }
}
