//! What a tool asks a client through the broker, and what the broker asks clients by itself.

use message::record::Record;
use remoting::client::Received;

use crate::house::{House, send_fields};

fn one(pushed: Vec<Received>) -> Received {
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    pushed.into_iter().next().expect("one")
}

fn answer(house: &mut House, session: broker::io::SessionId) -> Received {
    let taken = house.take(session);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(taken[0].0, "an answer");
    taken.into_iter().next().expect("one").1
}

#[test]
fn the_answer_of_a_client_goes_back_to_the_tool_as_it_is() {
    let mut house = House::new();
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(member);
    let tool = house.open();
    let opaque =
        house.ask(tool, 307, 0, &[("consumerGroup", "cart"), ("clientId", "c1"), ("jstackEnable", "true")], b"");
    let asked = one(house.pushes(member));
    assert_eq!((asked.code, asked.oneway, asked.field("jstackEnable")), (307, false, Some("true")));
    assert_eq!(house.take(tool), []);
    house.respond(member, &asked, 7, "half done", b"{\"a\":1}");
    let told = answer(&mut house, tool);
    assert_eq!((told.code, told.opaque, told.remark.as_deref()), (7, opaque, Some("half done")));
    assert_eq!(told.body, b"{\"a\":1}");
    house.respond(member, &asked, 0, "", b"again");
    assert_eq!(house.take(tool), []);
    assert_eq!((house.door.counters().answers_unmatched, house.door.waiting()), (1, 0));
}

#[test]
fn a_client_that_is_not_there_leaves_or_is_silent_is_named() {
    let mut house = House::new();
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(member);
    let tool = house.open();
    let fields = |client| [("consumerGroup", "cart"), ("clientId", client)];
    assert_eq!(house.call(tool, 307, &fields("nobody"), b"").code, 206);
    assert_eq!(house.call(tool, 307, &[("consumerGroup", "none"), ("clientId", "c1")], b"").code, 206);
    house.ask(tool, 307, 0, &fields("c1"), b"");
    house.run_ms(9_999);
    assert_eq!(house.take(tool), []);
    house.run_ms(1);
    let told = answer(&mut house, tool);
    assert_eq!((told.code, told.remark.as_deref()), (207, Some("client \"c1\" did not answer within 10 s")));
    house.ask(tool, 307, 0, &fields("c1"), b"");
    house.close(member);
    let told = answer(&mut house, tool);
    assert_eq!((told.code, told.remark.as_deref()), (206, Some("client \"c1\" went away before it answered")));
}

#[test]
fn a_tool_that_leaves_is_forgotten() {
    let mut house = House::new();
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(member);
    let tool = house.open();
    house.ask(tool, 307, 0, &[("consumerGroup", "cart"), ("clientId", "c1")], b"");
    house.close(tool);
    assert_eq!(house.door.waiting(), 0);
    let asked = one(house.pushes(member));
    house.respond(member, &asked, 0, "", b"");
    assert_eq!(house.door.counters().answers_unmatched, 1);
}

#[test]
fn a_message_is_consumed_directly_with_what_the_broker_has_of_it() {
    let mut house = House::new();
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    house.pushes(member);
    let tool = house.open();
    let sent = house.message(tool, "orders", "0", "", b"again");
    let id = sent.field("msgId").unwrap().to_owned();
    let opaque = house.ask(tool, 309, 0, &[("consumerGroup", "cart"), ("msgId", &id), ("topic", "orders")], b"");
    let asked = one(house.pushes(member));
    assert_eq!((asked.code, asked.field("clientId"), asked.field("msgId")), (309, Some("c1"), Some(id.as_str())));
    assert_eq!(Record::parse(&asked.body).unwrap().body(), b"again");
    house.respond(member, &asked, 0, "", br#"{"consumeResult":"CR_SUCCESS"}"#);
    let told = answer(&mut house, tool);
    assert_eq!((told.code, told.opaque), (0, opaque));

    let missing = house.call(tool, 309, &[("consumerGroup", "cart"), ("msgId", "K1")], b"");
    assert!(missing.remark.unwrap().contains("not an offset message id"));
    let gone = "7F00000100009FCF0000000000FFFFFF";
    assert_eq!(house.call(tool, 309, &[("consumerGroup", "cart"), ("msgId", gone)], b"").code, 1);
    assert_eq!(house.door.waiting(), 0);
}

#[test]
fn the_members_of_a_group_say_where_they_are() {
    let mut house = House::new();
    let members = ["c1", "c2", "c3"].map(|id| house.client(id, None, Some(("cart", &["orders"]))));
    for member in members {
        house.pushes(member);
    }
    let tool = house.open();
    house.ask(tool, 223, 0, &[("topic", "orders"), ("group", "cart")], b"");
    let queue = r#"{"brokerName":"broker-a","queueId":0,"topic":"orders"}"#;
    for (index, member) in members.into_iter().take(2).enumerate() {
        let asked = one(house.pushes(member));
        assert_eq!((asked.code, asked.field("topic"), asked.field("group")), (221, Some("orders"), Some("cart")));
        let body = format!(r#"{{"consumerTable":{{}},"messageQueueTable":{{{queue}:{index}}}}}"#);
        house.respond(member, &asked, 0, "", body.as_bytes());
    }
    assert_eq!(house.take(tool), []);
    house.run_ms(10_000);
    let told = answer(&mut house, tool);
    let expected = format!(r#"{{"consumerTable":{{"c1":{{{queue}:0}},"c2":{{{queue}:1}}}},"messageQueueTable":{{}}}}"#);
    assert_eq!((told.code, String::from_utf8(told.body).unwrap()), (0, expected));
    assert_eq!(house.call(tool, 223, &[("topic", "orders"), ("group", "none")], b"").code, 206);
    assert_eq!(house.call(tool, 223, &[("topic", "orders"), ("group", "cart"), ("clientAddr", "c9")], b"").code, 206);
    assert_eq!(house.door.waiting(), 0);
}

#[test]
fn a_reply_is_pushed_to_the_client_that_asked() {
    let mut house = House::new();
    let asker = house.client("p1", Some("askers"), None);
    let responder = house.open();
    let properties = "REPLY_TO_CLIENT\u{1}p1\u{2}CORRELATION_ID\u{1}7\u{2}MSG_TYPE\u{1}reply\u{2}";
    let sent = house.call(responder, 325, &send_fields("DefaultCluster_REPLY_TOPIC", "0", properties), b"yes");
    assert_eq!((sent.code, sent.field("transactionId")), (0, None));
    let pushed = one(house.pushes(asker));
    assert_eq!((pushed.code, pushed.oneway, &pushed.body[..]), (326, false, &b"yes"[..]));
    assert!(pushed.field("properties").unwrap().contains("PUSH_REPLY_TIME"));
    assert_eq!(pushed.field("bornHost"), Some("10.0.0.5:50002"));
    house.respond(asker, &pushed, 0, "", b"");
}

#[test]
fn a_cpp_client_is_told_its_offsets_in_the_form_it_reads() {
    let mut house = House::new();
    house.topic("orders", 1);
    let member = house.open();
    let body = r#"{"clientID":"c1","consumerDataSet":[{"groupName":"cart","consumeType":1,"messageModel":1,"consumeFromWhere":0,"subscriptionDataSet":[{"topic":"orders","subString":"*"}]}]}"#;
    let beat = crate::house::Request {
        code: 34,
        flag: 0,
        opaque: 1,
        version: 333,
        language: "CPP",
        fields: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    house.send(member, &beat.frame()).unwrap();
    house.pushes(member);
    let tool = house.open();
    house.call(tool, 222, &[("topic", "orders"), ("group", "cart"), ("timestamp", "0"), ("isForce", "true")], b"");
    let pushed = one(house.pushes(member));
    let body = String::from_utf8(pushed.body).unwrap();
    assert_eq!(body, r#"{"offsetTable":[{"brokerName":"broker-a","offset":0,"queueId":0,"topic":"orders"}]}"#);
}
