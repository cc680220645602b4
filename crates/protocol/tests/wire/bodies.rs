//! Bodies of recorded requests and answers, read and written again byte for byte.

use std::fmt::Display;

use protocol::header::Language;
use protocol::request::connections::{Connection, ConsumerConnection, ProducerConnection, ProducerInfo, ProducerTable};
use protocol::request::groups::{SubscriptionGroupConfig, SubscriptionGroupTable};
use protocol::request::heartbeat::{CheckClientConfig, HeartbeatData, SubscriptionData};
use protocol::request::kv::KvTable;
use protocol::request::lock::{LockAnswer, LockRequest};
use protocol::request::register::{BrokerIdentity, RegisterBrokerBody, RegisterBrokerHeader, body_crc32};
use protocol::request::reset::ResetOffsets;
use protocol::request::route::{BrokerData, ClusterInfo, IdStyle, QueueData, TopicRouteData};
use protocol::request::session::ConsumerIdList;
use protocol::request::stats::{
    BrokerConsumeStats, BrokerStatsData, ConsumeStats, QueueTimeSpan, TopicStats, write_consume_time_spans,
};
use protocol::request::subscriptions::QuerySubscriptionAnswer;
use protocol::request::topic_list::{GroupList, TopicList};
use protocol::request::topics::{TopicConfig, TopicTable, decode_topic_list, write_topic_list};
use protocol::{BodyError, DataVersion, MessageQueue};

use crate::fixtures::{Fixture, all, answer, request};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn same<T, E: Display>(fixture: &Fixture, decode: fn(&[u8]) -> Result<T, E>, write: impl Fn(&T, &mut Vec<u8>)) -> T {
    let frame = fixture.frame();
    let value = decode(frame.body).unwrap_or_else(|error| panic!("{}: {error}", fixture.name()));
    assert_eq!(written(|out| write(&value, out)), std::str::from_utf8(frame.body).unwrap(), "{}", fixture.name());
    value
}

fn queue(topic: &str, queue_id: i32) -> MessageQueue {
    MessageQueue { topic: topic.to_owned(), broker_name: "broker-a".to_owned(), queue_id }
}

#[test]
fn routes_are_written_in_the_form_each_client_was_sent() {
    let quoted = |route: &TopicRouteData, out: &mut Vec<u8>| route.write(out, IdStyle::Quoted);
    let unquoted = |route: &TopicRouteData, out: &mut Vec<u8>| route.write(out, IdStyle::Unquoted);
    let to_go = same(&answer("go-2.1.2-producer", 105), TopicRouteData::decode, unquoted);
    same(&answer("java-4.9.8", 105), TopicRouteData::decode, quoted);
    same(&answer("java-5.5.0", 105), TopicRouteData::decode, quoted);
    let broker = BrokerData {
        cluster: "DefaultCluster".into(),
        broker_name: "broker-a".into(),
        addresses: vec![(0, "127.0.0.1:40911".into())],
    };
    let queues = QueueData {
        broker_name: "broker-a".into(),
        read_queue_nums: 4,
        write_queue_nums: 4,
        perm: 6,
        topic_sys_flag: 0,
    };
    assert_eq!(to_go, TopicRouteData { brokers: vec![broker], queues: vec![queues], order_topic_conf: None });
    let cluster = same(&answer("mqadmin-5.5.0", 106), ClusterInfo::decode, ClusterInfo::write);
    assert_eq!(cluster.clusters, [("DefaultCluster".to_owned(), vec!["broker-a".to_owned()])]);
}

#[test]
fn maps_with_queues_as_keys_are_written_as_rocketmq_writes_them() {
    let stats = same(&answer("mqadmin-5.5.0", 202), TopicStats::decode, TopicStats::write);
    let (first, offset) = &stats.offsets[0];
    assert_eq!((first, offset.max_offset, offset.min_offset), (&queue("c550", 1), 8, 0));
    let stats = same(&answer("mqadmin-5.5.0", 208), ConsumeStats::decode, ConsumeStats::write);
    assert_eq!((stats.offsets[0].1.broker_offset, stats.offsets[0].1.consumer_offset), (9, 1));
    let reset = same(&answer("mqadmin-5.5.0", 222), ResetOffsets::decode, ResetOffsets::write);
    assert_eq!(reset.offsets, [(queue("c550", 1), 9), (queue("c550", 0), 9)]);
    assert_eq!(
        written(|out| ResetOffsets { offsets: vec![(queue("t", 2), 7)] }.write_for_cpp(out)),
        r#"{"offsetTable":[{"brokerName":"broker-a","offset":7,"queueId":2,"topic":"t"}]}"#
    );
}

#[test]
fn empty_answers_have_their_tables_all_the_same() {
    assert_eq!(written(|out| ConsumeStats::default().write(out)), r#"{"consumeTps":0.0,"offsetTable":{}}"#);
    assert_eq!(written(|out| TopicStats::default().write(out)), r#"{"offsetTable":{},"topicPutTps":0.0}"#);
    assert_eq!(written(|out| KvTable::default().write(out)), r#"{"table":{}}"#);
    assert_eq!(written(|out| LockAnswer::default().write(out)), r#"{"lockOKMQSet":[]}"#);
    assert_eq!(written(|out| GroupList::default().write(out)), r#"{"groupList":[]}"#);
    assert_eq!(written(|out| TopicList::default().write(out)), r#"{"topicList":[]}"#);
}

#[test]
fn sessions_and_locks_are_written_as_recorded() {
    for fixture in all().iter().filter(|fixture| fixture.request == 34 && fixture.answer.is_none()) {
        if fixture.scenario.starts_with("java-5.5.0") || fixture.scenario.starts_with("mqadmin") {
            same(fixture, HeartbeatData::decode, HeartbeatData::write);
        }
        // Whoever sent it, and in whatever order: nothing is lost between reading and writing.
        let beat = HeartbeatData::decode(fixture.frame().body).unwrap();
        assert_eq!(HeartbeatData::decode(written(|out| beat.write(out)).as_bytes()), Ok(beat));
    }
    same(&answer("go-2.1.2-push", 38), ConsumerIdList::decode, ConsumerIdList::write);
    same(&request("java-5.5.0-orderly", 41), LockRequest::decode, LockRequest::write);
    same(&request("java-5.5.0-orderly", 42), LockRequest::decode, LockRequest::write);
    same(&answer("java-5.5.0-orderly", 41), LockAnswer::decode, LockAnswer::write);
    let check = CheckClientConfig::decode(request("java-5.5.0-filter-sql", 46).frame().body).unwrap();
    assert_eq!(check.subscription.expression_type, "SQL92");
    assert_eq!(check.subscription.sub_string, "color = 'red' AND index BETWEEN 1 AND 1000");
}

#[test]
fn what_tools_ask_for_is_written_as_recorded() {
    let tool = |code| answer("mqadmin-5.5.0", code);
    let connection = same(&tool(203), ConsumerConnection::decode, ConsumerConnection::write);
    assert_eq!((connection.connections[0].version, connection.subscriptions.len()), (513, 2));
    same(&tool(204), ProducerConnection::decode, ProducerConnection::write);
    same(&tool(206), TopicList::decode, TopicList::write);
    same(&tool(300), GroupList::decode, GroupList::write);
    same(&tool(315), BrokerStatsData::decode, BrokerStatsData::write);
    let topic = same(&tool(351), TopicConfig::decode, TopicConfig::write);
    assert_eq!(topic, TopicConfig::new("c550", 2));
    let info = same(&tool(28), KvTable::decode, KvTable::write);
    assert!(info.table.iter().any(|(key, value)| key == "brokerActive" && value == "true"));
    let group = same(&request("mqadmin-5.5.0", 200), SubscriptionGroupConfig::decode, SubscriptionGroupConfig::write);
    assert_eq!(group.retry_policy.unwrap().as_str(), r#"{"type":"CUSTOMIZED"}"#);
}

#[test]
fn all_producers_are_written_as_recorded() {
    let client = |group: &str, client_id: &str, addr: &str, last_update_timestamp| {
        let connection = Connection {
            client_id: client_id.to_owned(),
            client_addr: addr.to_owned(),
            language: Language::Java,
            version: 513,
        };
        (group.to_owned(), ProducerInfo { connection, last_update_timestamp })
    };
    let (live, of_live) =
        client("live_producer", "192.0.2.2@13914#4681423660625", "127.0.0.1:41930", 1_795_216_986_857);
    let (inner, of_inner) =
        client("CLIENT_INNER_PRODUCER", "192.0.2.2@13910#4682194959264", "127.0.0.1:41932", 1_795_216_987_573);
    let table = ProducerTable { groups: vec![(live, vec![of_live.clone()]), (inner, vec![of_inner, of_live])] };
    let fixture = answer("mqadmin-5.5.0", 328);
    assert_eq!(written(|out| table.write(out)), std::str::from_utf8(fixture.frame().body).unwrap());
}

#[test]
fn tables_of_topics_and_groups_survive_being_written_and_read() {
    let mut topic = TopicConfig::new("t", 8);
    topic.attributes.push(("message.type".into(), "TRANSACTION".into()));
    topic.order = true;
    let data_version = DataVersion { counter: 3, state_version: 0, timestamp: 1_700_000_000_000 };
    let table = TopicTable { topics: vec![topic.clone(), TopicConfig::new("u", 1)], data_version };
    assert_eq!(TopicTable::decode(written(|out| table.write(out)).as_bytes()), Ok(table));
    let list = written(|out| write_topic_list(out, std::slice::from_ref(&topic)));
    assert_eq!(decode_topic_list(list.as_bytes()), Ok(vec![topic]));
    let groups = vec![SubscriptionGroupConfig::new("g")];
    let table = SubscriptionGroupTable { groups, data_version };
    let text = written(|out| table.write(out));
    assert!(text.starts_with(
        r#"{"dataVersion":{"counter":3,"stateVersion":0,"timestamp":1700000000000},"forbiddenTable":{},"#
    ));
    assert_eq!(SubscriptionGroupTable::decode(text.as_bytes()), Ok(table));
    assert_eq!(DataVersion::decode(written(|out| data_version.write(out)).as_bytes()), Ok(data_version));
}

#[test]
fn a_registration_is_compared_with_its_header() {
    let body = RegisterBrokerBody {
        topics: vec![TopicConfig::new("t", 8)],
        data_version: DataVersion { counter: 1, state_version: 0, timestamp: 5 },
        filter_servers: Vec::new(),
    };
    let bytes = written(|out| body.write(out)).into_bytes();
    let broker = BrokerIdentity { broker_name: "b", broker_addr: "10.0.0.1:10911", cluster_name: "c", broker_id: 0 };
    let header = RegisterBrokerHeader {
        broker,
        ha_server_addr: "",
        heartbeat_timeout_ms: None,
        enable_acting_master: false,
        compressed: false,
        body_crc32: body_crc32(&bytes),
    };
    let decode = |header: &RegisterBrokerHeader<'_>| RegisterBrokerBody::decode(header, &bytes);
    assert_eq!(decode(&header), Ok(body.clone()));
    assert_eq!(decode(&RegisterBrokerHeader { body_crc32: 0, ..header }), Ok(body));
    assert!(matches!(
        decode(&RegisterBrokerHeader { body_crc32: 1, ..header }),
        Err(BodyError::Crc { expected: 1, .. })
    ));
    assert_eq!(decode(&RegisterBrokerHeader { compressed: true, ..header }), Err(BodyError::Compressed));
    let real = br#"{"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":2,"stateVersion":0,
        "timestamp":9},"mappingDataVersion":{"counter":0,"timestamp":9},"topicConfigTable":{"t":{"order":false,"perm":6,
        "readQueueNums":4,"topicFilterType":"SINGLE_TAG","topicName":"t","topicSysFlag":0,"writeQueueNums":4}},
        "topicQueueMappingDetailMap":{},"topicQueueMappingInfoMap":{}}}"#;
    let read = RegisterBrokerBody::decode(&RegisterBrokerHeader { body_crc32: 0, ..header }, real).unwrap();
    assert_eq!((read.topics, read.data_version.counter), (vec![TopicConfig::new("t", 4)], 2));
}

#[test]
fn statistics_without_a_recording_have_the_documented_members() {
    let stats = BrokerConsumeStats {
        broker_addr: "10.0.0.1:10911".into(),
        groups: vec![("g".into(), vec![ConsumeStats::default()])],
        total_diff: 4,
        total_inflight_diff: 1,
    };
    assert_eq!(
        written(|out| stats.write(out)),
        r#"{"brokerAddr":"10.0.0.1:10911","consumeStatsList":[{"g":[{"consumeTps":0.0,"offsetTable":{}}]}],"totalDiff":4,"totalInflightDiff":1}"#
    );
    let span = QueueTimeSpan {
        message_queue: queue("t", 0),
        min_timestamp: 1,
        max_timestamp: 5,
        consume_timestamp: 3,
        delay_time: 2,
    };
    assert_eq!(
        written(|out| write_consume_time_spans(out, &[span])),
        r#"{"consumeTimeSpanSet":[{"consumeTimeStamp":3,"delayTime":2,"maxTimeStamp":5,"messageQueue":{"brokerName":"broker-a","queueId":0,"topic":"t"},"minTimeStamp":1}]}"#
    );
    let subscription = SubscriptionData {
        topic: "t".into(),
        sub_string: "a || b".into(),
        tags: vec!["a".into(), "b".into()],
        codes: vec![97, 98],
        sub_version: 7,
        expression_type: "TAG".into(),
        class_filter_mode: false,
    };
    let answer = QuerySubscriptionAnswer { group: "g".into(), topic: "t".into(), subscription: Some(subscription) };
    assert_eq!(
        written(|out| answer.write(out)),
        r#"{"group":"g","subscriptionData":{"classFilterMode":false,"codeSet":[97,98],"expressionType":"TAG","subString":"a || b","subVersion":7,"tagsSet":["a","b"],"topic":"t"},"topic":"t"}"#
    );
}
