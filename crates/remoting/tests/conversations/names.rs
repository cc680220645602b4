//! The name server: routes, other brokers, keys, lists of names.

use protocol::request::kv::KvTable;
use protocol::request::route::{ClusterInfo, TopicRouteData};
use protocol::request::topic_list::TopicList;

use crate::checks::refused;
use crate::house::House;

#[test]
fn the_name_servers_keys_are_kept_by_the_broker() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.open();
    let key = [("namespace", "ORDER_TOPIC_CONFIG"), ("key", "orders")];
    refused(&house.call(client, 101, &key, b""), 22, "orders");
    assert_eq!(house.call(client, 100, &[key[0], key[1], ("value", "broker-a:1")], b"").code, 0);
    assert_eq!(house.call(client, 101, &key, b"").field("value"), Some("broker-a:1"));
    let table = house.call(client, 219, &[key[0]], b"");
    assert_eq!(KvTable::decode(&table.body).unwrap().table, [("orders".to_owned(), "broker-a:1".to_owned())]);
    let route = house.call(client, 105, &[("topic", "orders")], b"");
    assert_eq!(TopicRouteData::decode(&route.body).unwrap().order_topic_conf.as_deref(), Some("broker-a:1"));
    assert_eq!(house.broker.state().key_values.len(), 1);
    for _ in 0..2 {
        assert_eq!(house.call(client, 102, &key, b"").code, 0);
    }
    refused(&house.call(client, 219, &[key[0]], b""), 22, "ORDER_TOPIC_CONFIG");
}

#[test]
fn routes_are_written_as_the_client_reads_them() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.open();
    let body = |house: &mut House, version: i32, standard: bool| {
        let mut fields = vec![("topic".to_owned(), "orders".to_owned())];
        if standard {
            fields.push(("acceptStandardJsonOnly".to_owned(), "true".to_owned()));
        }
        let request =
            crate::house::Request { code: 105, flag: 0, opaque: 5, version, language: "GO", fields, body: Vec::new() };
        house.send(client, &request.frame()).unwrap();
        String::from_utf8(house.take(client).remove(0).1.body).unwrap()
    };
    assert!(body(&mut house, 317, false).contains(r#"{0:"127.0.0.1:40911"}"#));
    assert!(body(&mut house, 317, true).contains(r#"{"0":"127.0.0.1:40911"}"#));
    assert!(body(&mut house, 401, false).contains(r#"{"0":"127.0.0.1:40911"}"#));
    let clusters = house.call(client, 106, &[], b"");
    assert!(String::from_utf8(clusters.body.clone()).unwrap().contains(r#"{0:"127.0.0.1:40911"}"#));
    assert_eq!(ClusterInfo::decode(&clusters.body).unwrap().clusters[0].0, "DefaultCluster");
}

#[test]
fn other_brokers_register_and_are_routed_to() {
    let mut house = House::new();
    let client = house.open();
    let id = |name| {
        [("brokerName", name), ("brokerAddr", "10.0.0.9:10911"), ("clusterName", "DefaultCluster"), ("brokerId", "0")]
    };
    let body = br#"{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":7},"topicConfigTable":{"theirs":{"topicName":"theirs","readQueueNums":4,"writeQueueNums":4,"perm":6}}}}"#;
    let answer = house.call(client, 103, &id("broker-b"), body);
    assert_eq!((answer.code, KvTable::decode(&answer.body).unwrap().table.len()), (0, 0));
    refused(&house.call(client, 103, &id("broker-a"), body), 1, "broker-a");
    let mut wrong = id("broker-b").to_vec();
    wrong.push(("bodyCrc32", "1"));
    refused(&house.call(client, 103, &wrong, body), 1, "crc32");
    assert_eq!(house.call(client, 105, &[("topic", "theirs")], b"").code, 0);
    assert_eq!(house.call(client, 904, &id("broker-b"), b"").code, 0);
    let version = |counter: i64| format!(r#"{{"counter":{counter},"stateVersion":0,"timestamp":7}}"#);
    for (counter, changed) in [(1, "false"), (2, "true")] {
        let answer = house.call(client, 322, &id("broker-b"), version(counter).as_bytes());
        assert_eq!(answer.field("changed"), Some(changed));
    }
    let members = house.call(client, 901, &[("clusterName", "DefaultCluster"), ("brokerName", "broker-b")], b"");
    assert!(String::from_utf8(members.body).unwrap().contains(r#"{0:"10.0.0.9:10911"}"#));
    assert_eq!(house.call(client, 205, &[("brokerName", "broker-b")], b"").field("wipeTopicCount"), Some("1"));
    let route = house.call(client, 105, &[("topic", "theirs")], b"");
    assert_eq!(TopicRouteData::decode(&route.body).unwrap().queues[0].perm, 4);
    assert_eq!(house.call(client, 327, &[("brokerName", "broker-b")], b"").field("addTopicCount"), Some("1"));
    let mut by_hand = Vec::new();
    let queues = TopicRouteData::decode(&route.body).unwrap();
    queues.write(&mut by_hand, protocol::request::route::IdStyle::Unquoted);
    assert_eq!(house.call(client, 217, &[("topic", "by hand")], &by_hand).code, 0);
    assert_eq!(house.call(client, 105, &[("topic", "by hand")], b"").code, 0);
    house.run_ms(121_000);
    refused(&house.call(client, 105, &[("topic", "theirs")], b""), 17, "theirs");
    house.call(client, 103, &id("broker-b"), body);
    assert_eq!(house.call(client, 104, &id("broker-b"), b"").code, 0);
    assert_eq!(house.call(client, 105, &[("topic", "theirs")], b"").code, 17);
}

#[test]
fn lists_of_names_by_what_they_are() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.open();
    let list = |house: &mut House, code, fields: &[(&str, &str)]| {
        TopicList::decode(&house.call(client, code, fields, b"").body).unwrap()
    };
    assert!(list(&mut house, 224, &[("cluster", "DefaultCluster")]).topics.contains(&"orders".to_owned()));
    assert!(list(&mut house, 224, &[("cluster", "none")]).topics.is_empty());
    let system = list(&mut house, 304, &[]);
    assert_eq!(system.topics, ["DefaultCluster", "broker-a"]);
    assert_eq!(system.broker_addr.as_deref(), Some(crate::house::ADDRESS));
    let system = list(&mut house, 305, &[]).topics;
    assert!(system.contains(&"TBW102".to_owned()) && !system.contains(&"orders".to_owned()));
    for code in [311, 312, 313] {
        assert!(list(&mut house, code, &[]).topics.is_empty());
    }
}
