//! Ordinary messages: sent, read, waited for, kept.

use std::time::{Duration, Instant};

use crate::broker::{Broker, PATIENCE};
use crate::wire::{SEND, properties, pull_fields, send_fields};

#[test]
fn a_message_is_read_as_it_was_sent() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let pairs = properties(&[("UNIQ_KEY", "K1"), ("KEYS", "order-1"), ("TAGS", "paid"), ("colour", "grün")]);
    let answer = wire.try_send("orders", &pairs, b"body", &[]);
    assert_eq!((answer.code, answer.field("queueOffset"), answer.field("queueId")), (0, Some("0"), Some("0")));
    wire.send("orders", "K2", &[0xFF; 100_000]);
    let messages = wire.all("orders");
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].key.as_str(), messages[0].offset, messages[0].body.as_slice()), ("K1", 0, &b"body"[..]));
    for (key, value) in [("KEYS", "order-1"), ("TAGS", "paid"), ("colour", "grün")] {
        assert_eq!(message::properties::get(&messages[0].properties, key), Some(value));
    }
    assert_eq!((messages[1].offset, messages[1].body.len()), (1, 100_000));
    let id = answer.field("msgId").unwrap();
    assert_eq!(i64::from_str_radix(&id[16..], 16).unwrap(), messages[0].log_offset);
}

#[test]
fn a_pull_waits_for_its_message_and_not_longer() {
    let broker = Broker::start();
    let mut reader = broker.connect();
    let mut wire = broker.connect();
    wire.send("orders", "K1", b"body");
    let begun = Instant::now();
    let waiting = std::thread::spawn(move || {
        let pulled = reader.pull_as("cart", "orders", 1, Some(PATIENCE));
        (pulled, Instant::now(), reader)
    });
    std::thread::sleep(Duration::from_millis(200));
    let sent = Instant::now();
    wire.send("orders", "K2", b"body");
    let (pulled, answered, mut reader) = waiting.join().unwrap();
    assert_eq!((pulled.code, pulled.messages[0].key.as_str(), pulled.next), (0, "K2", 2));
    assert!(answered > sent && answered - sent < Duration::from_secs(1), "{:?} behind", answered - sent);
    assert!(answered - begun >= Duration::from_millis(200));

    let begun = Instant::now();
    let pulled = reader.pull_as("cart", "orders", 2, Some(Duration::from_millis(300)));
    let took = begun.elapsed();
    assert_eq!((pulled.code, pulled.messages.len(), pulled.next), (19, 0, 2));
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_pull_that_waits_for_a_tag_is_not_woken_by_another() {
    let broker = Broker::start();
    let (mut reader, mut wire) = (broker.connect(), broker.connect());
    wire.send("orders", "K0", b"body");
    let waiting = std::thread::spawn(move || {
        let mut fields = pull_fields("cart", "orders", "1", "6", "10000");
        fields[8].1 = "paid";
        reader.call(11, &fields, b"")
    });
    std::thread::sleep(Duration::from_millis(50));
    wire.try_send("orders", &properties(&[("UNIQ_KEY", "K1"), ("TAGS", "open")]), b"body", &[]);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished(), "it was woken by a message it does not want");
    wire.try_send("orders", &properties(&[("UNIQ_KEY", "K2"), ("TAGS", "paid")]), b"body", &[]);
    let answer = waiting.join().unwrap();
    let found = crate::wire::messages(&answer.body);
    assert_eq!((found.len(), found[0].key.as_str()), (1, "K2"));
}

#[test]
fn a_delayed_message_comes_at_its_time() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "K0", b"body");
    let sent = Instant::now();
    let pairs = properties(&[("UNIQ_KEY", "K1"), ("DELAY", "1")]);
    assert!(wire.try_send("orders", &pairs, b"body", &[]).is_success());
    assert_eq!(wire.pull("orders", 1).messages.len(), 0);
    let pulled = wire.pull_as("cart", "orders", 1, Some(PATIENCE));
    let took = sent.elapsed();
    assert_eq!(pulled.messages[0].key, "K1");
    assert!(took >= Duration::from_millis(950) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn topics_come_with_their_first_message_unless_that_is_switched_off() {
    let broker = Broker::with(&["topics.auto_create=false"]);
    let mut wire = broker.connect();
    let refused = wire.try_send("orders", &properties(&[("UNIQ_KEY", "K1")]), b"body", &[]);
    assert_eq!(refused.code, 17);
    assert!(refused.remark.unwrap().contains("orders"));
    broker.tell(&["topics", "create", "orders", "--queues", "2"]);
    wire.send("orders", "K1", b"body");
}

#[test]
fn the_long_and_the_short_names_of_a_send_mean_the_same() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.get(SEND, &send_fields("orders", &properties(&[("UNIQ_KEY", "K1")])), b"body");
    let second = properties(&[("UNIQ_KEY", "K2")]);
    let long = [
        ("producerGroup", "producers"),
        ("topic", "orders"),
        ("defaultTopic", "TBW102"),
        ("defaultTopicQueueNums", "4"),
        ("queueId", "0"),
        ("sysFlag", "0"),
        ("bornTimestamp", "1700000000000"),
        ("flag", "0"),
        ("properties", &second),
    ];
    wire.get(10, &long, b"body");
    assert_eq!(wire.keys("orders"), ["K1", "K2"]);
}

#[test]
fn a_group_takes_up_where_it_left_off() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.consume_for("c1", "cart", "orders");
    for key in ["K1", "K2", "K3"] {
        wire.send("orders", key, b"body");
    }
    assert_eq!(wire.offset("cart", "orders"), None);
    wire.commit_offset("cart", "orders", 2);
    assert_eq!(wire.offset("cart", "orders"), Some(2));
    assert_eq!(broker.json(&["groups", "show", "cart"])["lag"], 1);
}
