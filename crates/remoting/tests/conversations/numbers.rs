//! Statistics, settings, status.

use message::record::Record;
use protocol::request::kv::KvTable;
use protocol::request::stats::{BrokerStatsData, ConsumeStats, TopicStats};
use remoting::own::BROKER_STATUS;

use crate::checks::{HALF, refused};
use crate::house::{House, pull_fields};

#[test]
fn statistics_of_topics_and_groups() {
    let mut house = House::new();
    house.topic("orders", 2);
    house.group("cart");
    let client = house.open();
    for _ in 0..4 {
        house.message(client, "orders", "0", "", b"x");
        house.run_ms(1000);
    }
    let stats = TopicStats::decode(&house.call(client, 202, &[("topic", "orders")], b"").body).unwrap();
    assert_eq!(stats.offsets.len(), 2, "empty queues too");
    assert_eq!((stats.offsets[0].1.max_offset, stats.offsets[1].1.last_update_timestamp), (4, 0));
    refused(&house.call(client, 202, &[("topic", "none")], b""), 17, "none");

    let consumed = [("consumerGroup", "cart"), ("topic", "orders"), ("queueId", "0"), ("commitOffset", "2")];
    house.call(client, 15, &consumed, b"");
    let visible = house.store.visible("orders");
    let stored = |index: usize| Record::parse(&visible[index]).unwrap().store_timestamp().millis();
    let stats = ConsumeStats::decode(&house.call(client, 208, &[("consumerGroup", "cart")], b"").body).unwrap();
    let (queue, offset) = &stats.offsets[0];
    assert_eq!((queue.topic.as_str(), offset.broker_offset, offset.consumer_offset), ("orders", 4, 2));
    assert_eq!(offset.last_timestamp, stored(1), "when the last message it consumed was stored");
    let other = house.call(client, 208, &[("consumerGroup", "cart"), ("topicList", "none;other")], b"");
    assert!(ConsumeStats::decode(&other.body).unwrap().offsets.is_empty());
    let unknown = house.call(client, 208, &[("consumerGroup", "nobody")], b"");
    assert_eq!((unknown.code, ConsumeStats::decode(&unknown.body).unwrap().offsets.len()), (0, 0));

    let span = String::from_utf8(house.call(client, 303, &[("topic", "orders"), ("group", "cart")], b"").body).unwrap();
    let delay = house.now.millis() - stored(2);
    assert!(span.contains(&format!(r#"{{"consumeTimeStamp":{},"delayTime":{delay},"#, stored(1))), "{span}");
    let all = String::from_utf8(house.call(client, 317, &[("isOrder", "false")], b"").body).unwrap();
    assert!(all.contains(r#"{"cart":[{"#) && all.contains(r#""totalDiff":2"#), "{all}");

    house.call(client, 11, &pull_fields("cart", "orders", "0", "0"), b"");
    for (name, key) in [("TOPIC_PUT_NUMS", "orders"), ("GROUP_GET_NUMS", "orders@cart")] {
        let answer = house.call(client, 315, &[("statsName", name), ("statsKey", key)], b"");
        assert_eq!(BrokerStatsData::decode(&answer.body).unwrap().day.sum, 4, "{name}");
    }
    refused(
        &house.call(client, 315, &[("statsName", "TOPIC_PUT_NUMS"), ("statsKey", "none")], b""),
        1,
        "TOPIC_PUT_NUMS",
    );
    assert_eq!(house.door.waiting(), 0);
}

#[test]
fn settings_are_shown_and_changed_elsewhere() {
    let mut house = House::new();
    let client = house.open();
    for code in [26, 319] {
        let answer = house.call(client, code, &[], b"");
        assert_eq!(String::from_utf8(answer.body).unwrap(), "transactions.check_max=15\n");
        assert!(answer_version_is_json(answer.fields.first().map(|(_, value)| value.as_str())));
    }
    for code in [25, 318] {
        refused(&house.call(client, code, &[], b"transactionCheckMax=3\n"), 1, "configuration file");
    }
}

fn answer_version_is_json(version: Option<&str>) -> bool {
    version.is_some_and(|version| protocol::DataVersion::decode(version.as_bytes()).is_ok())
}

#[test]
fn the_table_of_statistics_has_every_key_a_tool_takes_for_granted() {
    let mut house = House::new();
    let client = house.open();
    house.message(client, "orders", "0", "", b"x");
    let table = KvTable::decode(&house.call(client, 28, &[], b"").body).unwrap().table;
    let value = |name: &str| table.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    for name in "brokerActive brokerVersionDesc putTps getTransferredTps sendThreadPoolQueueSize pullThreadPoolQueueSize \
                 ackThreadPoolQueueSize sendThreadPoolQueueHeadWaitTimeMills pullThreadPoolQueueHeadWaitTimeMills \
                 ackThreadPoolQueueHeadWaitTimeMills pageCacheLockTimeMills earliestMessageTimeStamp commitLogDiskRatio \
                 timerReadBehind timerOffsetBehind timerCongestNum timerEnqueueTps timerDequeueTps \
                 msgPutTotalYesterdayMorning msgPutTotalTodayMorning msgPutTotalTodayNow msgGetTotalYesterdayMorning \
                 msgGetTotalTodayMorning msgGetTotalTodayNow bootTimestamp runtime"
        .split_whitespace()
    {
        assert!(value(name).is_some(), "{name} is missing");
    }
    assert_eq!(value("putTps").unwrap().split(' ').filter(|tps| tps.parse::<f64>().is_ok()).count(), 3);
    assert_eq!(value("msgPutTotalTodayNow"), Some("1"));
}

#[test]
fn the_status_counts_what_there_is() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    house.message(client, "orders", "0", HALF, b"paid");
    let body = house.call(client, BROKER_STATUS, &[], b"").body;
    let status = protocol::json::parse(&body).unwrap();
    let int = |name: &str| match status.get(name) {
        Some(protocol::json::Value::Int(number)) => *number,
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!((int("undecided"), int("connections")), (1, 1));
    assert!(int("logEnd") > 0 && int("topics") > 10);
}
