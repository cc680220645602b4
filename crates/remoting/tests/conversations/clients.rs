//! Codes nobody serves, one-way requests, malformed fields; heartbeats, groups of clients, locks.

use protocol::request::connections::{ConsumerConnection, ProducerConnection};
use protocol::request::lock::LockAnswer;
use protocol::request::session::ConsumerIdList;
use remoting::client::Received;

use crate::checks::refused;
use crate::house::{House, send_fields};

#[test]
fn an_unknown_code_is_answered_with_3_and_never_with_silence() {
    let mut house = House::new();
    let client = house.open();
    for code in [0, -1, 39, 40, 220, 370, 3001, 3442, 9999, 200_050, i32::MAX, i32::MIN] {
        let answer = house.call(client, code, &[], b"");
        refused(&answer, 3, &format!(" request type {code} not supported"));
    }
    assert_eq!(house.door.counters().unknown, 12);
}

#[test]
fn a_oneway_request_is_never_answered_whatever_it_is() {
    let mut house = House::new();
    let client = house.open();
    for kind in remoting::REQUESTS {
        house.ask(client, kind.code, 2, &[], b"{}");
        house.ask(client, kind.code, 2, &[("topic", "orders"), ("queueId", "x")], b"");
    }
    house.ask(client, 9999, 2, &[], b"");
    house.run_ms(60_000);
    assert_eq!(house.take(client), []);
    let counters = *house.door.counters();
    assert!(counters.malformed > 30 && counters.oneway_dropped > 30, "{counters:?}");
}

#[test]
fn a_field_that_is_missing_or_wrong_is_named() {
    let mut house = House::new();
    let client = house.open();
    refused(&house.call(client, 310, &[("a", "g")], b"x"), 1, r#"header field "b" is missing"#);
    let mut fields = send_fields("orders", "0", "").to_vec();
    fields[4] = ("e", "seven");
    refused(&house.call(client, 310, &fields, b"x"), 1, r#"header field "e" is "seven"; send a 32-bit number"#);
    refused(&house.call(client, 34, &[], b"{"), 1, "body: byte 1");
    refused(&house.call(client, 34, &[], b"{}"), 1, r#"body member "clientID" is missing"#);
    refused(&house.call(client, 15, &[("consumerGroup", "g")], b""), 1, r#""topic""#);
    let end =
        [("producerGroup", "g"), ("commitOrRollback", "9"), ("tranStateTableOffset", "0"), ("commitLogOffset", "0")];
    refused(&house.call(client, 37, &end, b""), 1, "8 (commit), 12 (rollback) or 0 (unknown)");
    assert_eq!(house.door.counters().malformed, 6);
}

#[test]
fn members_of_a_group_hear_of_each_other() {
    let mut house = House::new();
    house.topic("orders", 2);
    let first = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(first);
    let second = house.client("c2", None, Some(("cart", &["orders"])));
    let pushed = house.pushes(first);
    assert_eq!((pushed.len(), pushed[0].code, pushed[0].oneway), (1, 40, true));
    assert_eq!(pushed[0].field("consumerGroup"), Some("cart"));
    let list = house.call(first, 38, &[("consumerGroup", "cart")], b"");
    assert_eq!(ConsumerIdList::decode(&list.body).unwrap().consumer_ids, ["c1", "c2"]);
    refused(&house.call(first, 38, &[("consumerGroup", "nobody")], b""), 1, "nobody");

    let connected =
        ConsumerConnection::decode(&house.call(first, 203, &[("consumerGroup", "cart")], b"").body).unwrap();
    assert_eq!((connected.connections.len(), connected.subscriptions[0].topic.as_str()), (2, "orders"));
    refused(&house.call(first, 203, &[("consumerGroup", "nobody")], b""), 206, "nobody");
    house.close(second);
    assert_eq!(house.pushes(first).len(), 1);
    assert_eq!(
        house.call(first, 35, &[("clientID", "c1"), ("consumerGroup", "cart"), ("producerGroup", "")], b"").code,
        0
    );
    refused(&house.call(first, 203, &[("consumerGroup", "cart")], b""), 206, "cart");
}

#[test]
fn heartbeats_without_subscriptions_are_refused_rather_than_misunderstood() {
    let mut house = House::new();
    let client = house.open();
    let body =
        br#"{"clientID":"c","producerDataSet":[],"consumerDataSet":[],"withoutSub":true,"heartbeatFingerprint":5}"#;
    refused(&house.call(client, 34, &[], body), 1, "send whole ones");
}

#[test]
fn producers_are_listed_by_group() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    let connected =
        ProducerConnection::decode(&house.call(client, 204, &[("producerGroup", "payers")], b"").body).unwrap();
    assert_eq!(connected.connections[0].client_id, "p1");
    refused(&house.call(client, 204, &[("producerGroup", "nobody")], b""), 1, "nobody");
    let all = String::from_utf8(house.call(client, 328, &[], b"").body).unwrap();
    assert!(all.contains(r#""payers":[{"clientId":"p1""#), "{all}");
}

#[test]
fn only_queues_of_this_broker_are_locked() {
    let mut house = House::new();
    house.topic("orders", 4);
    let client = house.client("c1", None, Some(("cart", &["orders"])));
    let body = |client: &str| {
        format!(
            r#"{{"clientId":{client:?},"consumerGroup":"cart","mqSet":[{{"topic":"orders","brokerName":"broker-a","queueId":0}},{{"topic":"orders","brokerName":"other","queueId":1}},{{"topic":"orders","brokerName":"broker-a","queueId":-1}}]}}"#
        )
    };
    let locked = |answer: Received| LockAnswer::decode(&answer.body).unwrap().locked.len();
    assert_eq!(locked(house.call(client, 41, &[], body("c1").as_bytes())), 1);
    assert_eq!(locked(house.call(client, 41, &[], body("c2").as_bytes())), 0);
    assert_eq!(house.call(client, 42, &[], body("c1").as_bytes()).code, 0);
    assert_eq!(locked(house.call(client, 41, &[], body("c2").as_bytes())), 1);
}
