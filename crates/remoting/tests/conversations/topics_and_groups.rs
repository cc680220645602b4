//! Topics and consumer groups: made, changed, listed, deleted, reset.

use protocol::request::groups::{SubscriptionGroupConfig, SubscriptionGroupTable};
use protocol::request::reset::ResetOffsets;
use protocol::request::route::TopicRouteData;
use protocol::request::topic_list::{GroupList, TopicList};
use protocol::request::topics::{TopicConfig, TopicTable};

use crate::checks::{HALF, refused};
use crate::house::House;

#[test]
fn topics_are_made_changed_listed_and_deleted() {
    let mut house = House::new();
    house.topic("orders", 3);
    let client = house.open();
    let route = |house: &mut House| {
        let answer = house.call(client, 105, &[("topic", "orders")], b"");
        (answer.code == 0).then(|| TopicRouteData::decode(&answer.body).unwrap())
    };
    let found = route(&mut house).unwrap();
    assert_eq!((found.queues[0].read_queue_nums, found.queues[0].perm), (3, 6));
    assert_eq!(found.brokers[0].addresses, [(0, crate::house::ADDRESS.to_owned())]);
    let put = |perm, attributes| {
        let base = [("topic", "orders"), ("readQueueNums", "3"), ("writeQueueNums", "3")];
        [base[0], base[1], base[2], ("perm", perm), ("attributes", attributes)]
    };
    assert_eq!(house.call(client, 17, &put("4", "+message.type=FIFO"), b"").code, 0);
    let config = TopicConfig::decode(&house.call(client, 351, &[("topic", "orders")], b"").body).unwrap();
    assert_eq!((config.perm, config.attributes.len()), (4, 1));
    refused(&house.message(client, "orders", "0", "", b"x"), 16, "orders");
    refused(&house.call(client, 17, &put("9", ""), b""), 29, "9 is not a permission");
    refused(&house.call(client, 17, &put("6", "+cleanup.policy=COMPACTION"), b""), 29, "COMPACTION");
    refused(&house.call(client, 351, &[("topic", "none")], b""), 17, "none");

    let page = house.call(client, 21, &[("topicSeq", "0"), ("maxTopicNum", "2")], b"");
    let all = house.call(client, 21, &[], b"");
    assert_eq!(TopicTable::decode(&page.body).unwrap().topics.len(), 2);
    let names: Vec<String> =
        TopicTable::decode(&all.body).unwrap().topics.into_iter().map(|topic| topic.topic_name).collect();
    assert!(names.contains(&"orders".to_owned()) && names.is_sorted());
    assert_eq!(all.field("totalTopicNum"), Some(names.len().to_string().as_str()));
    let listed = TopicList::decode(&house.call(client, 206, &[], b"").body).unwrap().topics;
    assert_eq!(listed, names);

    assert_eq!(house.call(client, 215, &[("topic", "orders")], b"").code, 0);
    assert_eq!(house.call(client, 216, &[("topic", "orders")], b"").code, 0);
    assert_eq!(route(&mut house), None);
    refused(&house.call(client, 105, &[("topic", "orders")], b""), 17, "orders");
    for topic in ["TBW102", " ", "DefaultCluster"] {
        refused(&house.call(client, 215, &[("topic", topic)], b""), 29, "system");
    }
}

#[test]
fn a_topic_with_undecided_halves_is_deleted_by_force_only() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    house.message(client, "orders", "0", HALF, b"paid");
    refused(&house.call(client, 215, &[("topic", "orders")], b""), 1, "undecided");
    assert_eq!(house.call(client, 215, &[("topic", "orders"), ("force", "true"), ("who", "ann")], b"").code, 0);
}

#[test]
fn lists_of_topics_and_groups_are_answered_once_all_are_made() {
    let mut house = House::new();
    let client = house.open();
    let topics = br#"{"topicConfigList":[{"topicName":"one","readQueueNums":2,"writeQueueNums":2,"perm":6},{"topicName":"two","readQueueNums":2,"writeQueueNums":2,"perm":6}]}"#;
    assert_eq!(house.call(client, 18, &[], topics).code, 0);
    assert!(house.names.route("one").is_some() && house.names.route("two").is_some());
    let topics = br#"{"topicConfigList":[{"topicName":"bad one","perm":6},{"topicName":"three","perm":6}]}"#;
    refused(&house.call(client, 18, &[], topics), 29, "bad one");
    assert!(house.names.route("three").is_some(), "the others are made");
    assert_eq!(house.call(client, 18, &[], br#"{"topicConfigList":[]}"#).code, 0);
    let groups = br#"{"groupConfigList":[{"groupName":"a"},{"groupName":"b","retryMaxTimes":3}]}"#;
    assert_eq!(house.call(client, 225, &[], groups).code, 0);
    let group = house.call(client, 352, &[("group", "b")], b"");
    assert_eq!(SubscriptionGroupConfig::decode(&group.body).unwrap().retry_max_times, 3);
    assert_eq!(house.door.waiting(), 0);
}

#[test]
fn groups_are_made_listed_and_deleted() {
    let mut house = House::new();
    house.group("cart");
    let client = house.open();
    assert!(house.names.route("%RETRY%cart").is_some(), "tools ask for the route of its retry topic first");
    let all = house.call(client, 201, &[], b"");
    let table = SubscriptionGroupTable::decode(&all.body).unwrap();
    assert!(table.groups.iter().any(|group| group.group_name == "cart"));
    assert_eq!(all.field("totalGroupNum"), Some(table.groups.len().to_string().as_str()));
    for (field, group) in [("cleanOffset", "cart"), ("removeOffset", "cart")] {
        assert_eq!(house.call(client, 207, &[("groupName", group), (field, "true")], b"").code, 0);
    }
    refused(&house.call(client, 352, &[("group", "cart")], b""), 26, "cart");
    refused(&house.call(client, 207, &[("groupName", "TOOLS_CONSUMER")], b""), 29, "system");
    refused(&house.call(client, 200, &[], br#"{"groupName":"a","retryQueueNums":-1}"#), 29, "negative");
}

#[test]
fn what_a_group_consumes_is_told_by_topic_and_by_group() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.client("c1", None, Some(("cart", &["orders"])));
    let groups = GroupList::decode(&house.call(client, 300, &[("topic", "orders")], b"").body).unwrap();
    assert_eq!(groups.groups, ["cart"]);
    assert_eq!(GroupList::decode(&house.call(client, 300, &[("topic", "none")], b"").body).unwrap().groups.len(), 0);
    let topics = TopicList::decode(&house.call(client, 343, &[("group", "cart")], b"").body).unwrap();
    assert_eq!(topics.topics, ["orders"]);
    let subscription = house.call(client, 345, &[("group", "cart"), ("topic", "orders")], b"");
    assert!(String::from_utf8(subscription.body).unwrap().contains(r#""subString":"*""#));
    let none = house.call(client, 345, &[("group", "cart"), ("topic", "none")], b"");
    assert_eq!(
        (none.code, String::from_utf8(none.body).unwrap()),
        (0, r#"{"group":"cart","topic":"none"}"#.to_owned())
    );
}

#[test]
fn offsets_are_reset_and_the_members_told() {
    let mut house = House::new();
    house.topic("orders", 1);
    let sender = house.open();
    house.message(sender, "orders", "0", "", b"x");
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(member);
    let reset = [
        ("topic", "orders"),
        ("group", "cart"),
        ("timestamp", "-1"),
        ("isForce", "true"),
        ("queueId", "-1"),
        ("offset", "-1"),
    ];
    let answer = house.call(sender, 222, &reset, b"");
    let offsets = ResetOffsets::decode(&answer.body).unwrap().offsets;
    assert_eq!((offsets.len(), offsets[0].1, offsets[0].0.broker_name.as_str()), (1, 1, "broker-a"));
    let pushed = house.pushes(member);
    assert_eq!((pushed.len(), pushed[0].code, pushed[0].field("group")), (1, 220, Some("cart")));
    assert_eq!(ResetOffsets::decode(&pushed[0].body).unwrap().offsets, offsets);
    refused(
        &house.call(sender, 222, &[("topic", "none"), ("group", "g"), ("timestamp", "0"), ("isForce", "true")], b""),
        17,
        "none",
    );
    assert_eq!(house.door.waiting(), 0);
}
