//! Sends, decisions, pulls, offsets, messages sent back, messages looked up: their answers at the edges.

use message::record::Record;
use message::{properties, tags};
use remoting::client::Received;

use crate::checks::{HALF, offset_of, refused, remark};
use crate::house::{House, pull_fields, send_fields};

#[test]
fn a_send_is_answered_with_everything_a_java_client_dereferences() {
    let mut house = House::new();
    let client = house.open();
    let answer = house.message(client, "orders", "2", "UNIQ_KEY\u{1}U1\u{2}", b"hello");
    assert_eq!((answer.code, answer.field("queueId"), answer.field("queueOffset")), (0, Some("2"), Some("0")));
    assert_eq!((answer.field("transactionId"), answer.field("TRACE_ON")), (Some("U1"), Some("true")));
    assert_eq!(answer.field("msgId").unwrap().len(), 32);
    let found = house.call(client, 33, &[("offset", &offset_of(&answer)), ("topic", "orders")], b"");
    let record = Record::parse(&found.body).unwrap();
    assert_eq!((record.body(), record.born_host().to_string()), (&b"hello"[..], "10.0.0.5:50001".to_owned()));
    assert_eq!(record.store_host().to_string(), crate::house::ADDRESS);
}

#[test]
fn sends_are_refused_with_the_codes_clients_know() {
    let mut house = House::new();
    let client = house.open();
    refused(&house.message(client, "or ders", "0", "", b"x"), 29, "\"or ders\"");
    refused(&house.message(client, "RMQ_SYS_TRANS_HALF_TOPIC", "0", "", b"x"), 16, "forbidden");
    refused(&house.message(client, "orders", "0", "", b""), 13, "empty");
    house.topic("orders", 4);
    refused(&house.message(client, "orders", "9", "", b"x"), 29, "queue 9 is out of range");
    let mut fields = send_fields("new", "0", "").to_vec();
    fields[2] = ("c", "no such model");
    refused(&house.call(client, 310, &fields, b"x"), 17, "does not exist");
    refused(&house.message(client, "%RETRY%nobody", "0", "", b"x"), 26, "nobody");
}

#[test]
fn a_batch_is_told_by_its_field_and_not_by_its_code() {
    let mut house = House::new();
    let client = house.open();
    let mut body = Vec::new();
    for (flag, key) in [(7, "A"), (8, "B")] {
        let properties = format!("UNIQ_KEY\u{1}{key}\u{2}");
        let message = protocol::batch::BatchMessage { flag, body: b"part", properties: &properties };
        protocol::batch::append_message(&mut body, &message);
    }
    let mut fields = send_fields("orders", "1", "UNIQ_KEY\u{1}WHOLE\u{2}").to_vec();
    fields.push(("m", "true"));
    let answer = house.call(client, 310, &fields, &body);
    assert_eq!((answer.code, answer.field("queueOffset")), (0, Some("0")));
    let ids: Vec<_> = answer.field("msgId").unwrap().split(',').collect();
    assert_eq!(ids.len(), 2);
    let visible = house.store.visible("orders");
    for ((bytes, id), flag) in visible.iter().zip(ids).zip([7, 8]) {
        let record = Record::parse(bytes).unwrap();
        let place = protocol::identifiers::OffsetMsgId::decode(id).unwrap().commit_log_offset;
        assert_eq!((record.flag(), record.physical_offset().signed()), (flag, place));
    }
    fields[9] = ("m", "false");
    assert_eq!(house.call(client, 320, &fields, &body).code, 0);
    assert_eq!(house.store.visible("orders").len(), 3, "code 320 without its field is one message");
    fields[9] = ("m", "true");
    refused(&house.call(client, 320, &fields, &body[..30]), 13, "message 0 of the batch");
}

fn end_fields<'a>(half: &'a Received, group: &'a str, decision: &'a str, offset: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("producerGroup", group),
        ("tranStateTableOffset", half.field("queueOffset").unwrap()),
        ("commitLogOffset", offset),
        ("commitOrRollback", decision),
        ("fromTransactionCheck", "false"),
        ("msgId", half.field("transactionId").unwrap()),
    ]
}

#[test]
fn a_decision_is_answered_as_it_went() {
    let mut house = House::new();
    let client = house.client("p1", Some("payers"), None);
    let half = house.message(client, "orders", "3", HALF, b"paid");
    assert_eq!((half.field("queueId"), half.field("queueOffset")), (Some("3"), Some("0")));
    assert!(house.store.visible("orders").is_empty());
    let offset = offset_of(&half);
    let mut end = |decision, group, offset| house.call(client, 37, &end_fields(&half, group, decision, offset), b"");
    assert_eq!(end("0", "payers", &offset).code, 0);
    refused(&end("8", "others", &offset), 1, "");
    refused(&end("8", "payers", "1"), 1, "");
    assert_eq!(end("8", "payers", &offset).code, 0);
    assert_eq!(end("8", "payers", &offset).code, 0, "a repeated decision is no error");
    refused(&end("12", "payers", &offset), 604, "");
    let visible = house.store.visible("orders");
    assert_eq!(visible.len(), 1);
    assert_eq!(Record::parse(&visible[0]).unwrap().queue_id(), 3);
}

#[test]
fn a_pull_says_all_four_offsets_whatever_it_finds() {
    let mut house = House::new();
    house.group("cart");
    house.topic("orders", 1);
    let client = house.open();
    let mut pull = |offset: &str| {
        let answer = house.call(client, 11, &pull_fields("cart", "orders", "0", offset), b"");
        let field = |name| answer.field(name).unwrap().parse::<i64>().unwrap();
        assert_eq!((field("suggestWhichBrokerId"), field("minOffset")), (0, 0));
        (answer.code, field("nextBeginOffset"), field("maxOffset"), answer.body.len())
    };
    assert_eq!(pull("0"), (19, 0, 0, 0));
    assert_eq!(pull("5"), (21, 0, 0, 0), "an offset in an empty queue");
    let sender = house.open();
    for tag in ["a", "b", "a"] {
        house.message(sender, "orders", "0", &format!("TAGS\u{1}{tag}\u{2}"), b"x");
    }
    let mut pull = |offset: &str, tags: &str| {
        let mut fields = pull_fields("cart", "orders", "0", offset).to_vec();
        fields[8] = ("subscription", tags);
        let answer = house.call(client, 361, &fields, b"");
        (
            answer.code,
            answer.field("nextBeginOffset").unwrap().to_owned(),
            answer.body.is_empty(),
            remark(&answer).to_owned(),
        )
    };
    assert_eq!(pull("0", "b"), (0, "2".to_owned(), false, "FOUND".to_owned()));
    assert_eq!(pull("0", "c"), (20, "3".to_owned(), true, "NO_MATCHED_MESSAGE".to_owned()));
    assert_eq!(pull("3", "*"), (19, "3".to_owned(), true, "OFFSET_OVERFLOW_ONE".to_owned()));
    assert_eq!(pull("9", "*"), (21, "3".to_owned(), true, "OFFSET_OVERFLOW_BADLY".to_owned()));
    assert_eq!(pull("-1", "*").0, 21);
    assert_eq!(pull("0", "a || b").0, 0);
}

#[test]
fn a_pull_that_may_wait_does_so_and_stores_the_offset_it_brings() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.client("c1", None, Some(("cart", &["orders"])));
    let mut fields = pull_fields("cart", "orders", "0", "0").to_vec();
    fields[5] = ("sysFlag", "3");
    fields[6] = ("commitOffset", "4");
    house.pushes(client);
    let opaque = house.ask(client, 11, 0, &fields, b"");
    assert_eq!(house.take(client), []);
    let sender = house.open();
    house.message(sender, "orders", "0", "", b"at last");
    let answered = house.take(client);
    assert_eq!((answered.len(), answered[0].1.code, answered[0].1.opaque), (1, 0, opaque));
    let query = [("consumerGroup", "cart"), ("topic", "orders"), ("queueId", "0")];
    assert_eq!(house.call(client, 14, &query, b"").field("offset"), Some("4"));
    fields[3] = ("queueOffset", "1");
    let opaque = house.ask(client, 11, 0, &fields, b"");
    house.run_ms(14_999);
    assert_eq!(house.take(client), []);
    house.run_ms(1);
    let answered = house.take(client);
    assert_eq!((answered[0].1.code, answered[0].1.opaque), (19, opaque));
}

#[test]
fn filters_that_are_not_supported_are_refused_before_anybody_relies_on_them() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.client("c1", None, Some(("cart", &["orders"])));
    let config = |kind: &str| {
        format!(
            r#"{{"clientId":"c","group":"g","subscriptionData":{{"topic":"t","subString":"a > 1","expressionType":{kind:?}}}}}"#
        )
    };
    refused(&house.call(client, 46, &[], config("SQL92").as_bytes()), 1, "SQL92");
    assert_eq!(house.call(client, 46, &[], config("TAG").as_bytes()).code, 0);
    let mut fields = pull_fields("cart", "orders", "0", "0").to_vec();
    fields.push(("expressionType", "SQL92"));
    refused(&house.call(client, 11, &fields, b""), 1, "SQL92");
    fields[5] = ("sysFlag", "8");
    refused(&house.call(client, 11, &fields, b""), 1, "class");
}

#[test]
fn offsets_are_stored_asked_for_and_taken_over() {
    let mut house = House::new();
    house.topic("orders", 2);
    house.group("cart");
    house.group("other");
    let client = house.open();
    let at = |group, queue, offset| {
        [("consumerGroup", group), ("topic", "orders"), ("queueId", queue), ("commitOffset", offset)]
    };
    let query = |house: &mut House, group: &str, zero: &str| {
        let fields = [("consumerGroup", group), ("topic", "orders"), ("queueId", "1"), ("setZeroIfNotFound", zero)];
        let answer = house.call(client, 14, &fields, b"");
        (answer.code, answer.field("offset").map(str::to_owned))
    };
    assert_eq!(query(&mut house, "cart", "false"), (22, None));
    assert_eq!(query(&mut house, "cart", "true"), (0, Some("0".to_owned())));
    assert_eq!(house.call(client, 15, &at("cart", "1", "-1"), b"").code, 0);
    assert_eq!(query(&mut house, "cart", "false"), (22, None), "-1 is not stored");
    assert_eq!(house.call(client, 15, &at("cart", "1", "7"), b"").code, 0);
    assert_eq!(query(&mut house, "cart", "true"), (0, Some("7".to_owned())));
    refused(&house.call(client, 15, &at("nobody", "1", "7"), b""), 26, "nobody");
    refused(&house.call(client, 15, &at("cart", "9", "7"), b""), 29, "queue 9");
    refused(&house.call(client, 15, &at("cart", "-1", "7"), b""), 29, "queueId -1 is negative");

    let clone = [("srcGroup", "cart"), ("destGroup", "other"), ("topic", "orders")];
    assert_eq!(house.call(client, 314, &clone, b"").code, 0);
    assert_eq!(query(&mut house, "other", "false"), (0, Some("7".to_owned())));
    refused(&house.call(client, 314, &[("srcGroup", "cart"), ("destGroup", "nobody")], b""), 26, "nobody");
    let all = house.call(client, 43, &[], b"");
    let body = String::from_utf8(all.body).unwrap();
    assert!(body.contains(r#""orders@cart":{1:7}"#), "{body}");
}

#[test]
fn bounds_and_times_of_a_queue() {
    let mut house = House::new();
    house.topic("orders", 2);
    let client = house.open();
    house.message(client, "orders", "0", "", b"one");
    let first = house.now;
    house.run_ms(1000);
    house.message(client, "orders", "0", "", b"two");
    let queue = |queue: &'static str| [("topic", "orders"), ("queueId", queue)];
    let offset = |answer: Received| (answer.code, answer.field("offset").map(|offset| offset.parse::<i64>().unwrap()));
    assert_eq!(offset(house.call(client, 30, &queue("0"), b"")), (0, Some(2)));
    assert_eq!(offset(house.call(client, 31, &queue("0"), b"")), (0, Some(0)));
    let time = house.call(client, 32, &queue("0"), b"");
    assert_eq!(time.field("timestamp"), Some(first.millis().to_string().as_str()));
    assert_eq!(house.call(client, 32, &queue("1"), b"").field("timestamp"), Some("-1"));
    let after = (first.millis() + 1).to_string();
    let search =
        |bound| [("topic", "orders"), ("queueId", "0"), ("timestamp", after.as_str()), ("boundaryType", bound)];
    assert_eq!(offset(house.call(client, 29, &search("LOWER"), b"")), (0, Some(1)));
    assert_eq!(offset(house.call(client, 29, &search("UPPER"), b"")), (0, Some(0)));
    refused(&house.call(client, 30, &[("topic", "none"), ("queueId", "0")], b""), 17, "none");
}

#[test]
fn a_message_that_is_sent_back_comes_again_and_then_among_the_dead_letters() {
    let mut house = House::new();
    house.topic("orders", 1);
    house.group("cart");
    let client = house.open();
    let sent = house.message(client, "orders", "0", "UNIQ_KEY\u{1}U1\u{2}", b"x");
    let offset = offset_of(&sent);
    let back = |group, level, offset| {
        [("offset", offset), ("group", group), ("delayLevel", level), ("maxReconsumeTimes", "16")]
    };
    assert_eq!(house.call(client, 36, &back("cart", "1", &offset), b"").code, 0);
    house.run_ms(2000);
    let again = house.store.visible("%RETRY%cart");
    let record = Record::parse(&again[0]).unwrap();
    assert_eq!((record.reconsume_times(), record.property(properties::RETRY_TOPIC)), (1, Some("orders")));
    assert_eq!(
        record.property(properties::ORIGIN_MESSAGE_ID),
        sent.field("msgId"),
        "its offset id, without one of its own"
    );
    assert_eq!(house.call(client, 36, &back("cart", "-1", &offset), b"").code, 0);
    assert_eq!(house.store.visible("%DLQ%cart").len(), 1);
    refused(&house.call(client, 36, &back("nobody", "0", &offset), b""), 26, "nobody");
    refused(&house.call(client, 36, &back("cart", "0", "99999999"), b""), 1, "");
}

#[test]
fn messages_are_found_by_key_by_unique_id_and_by_place() {
    let mut house = House::new();
    house.topic("orders", 1);
    let client = house.open();
    house.message(client, "orders", "0", "UNIQ_KEY\u{1}U1\u{2}KEYS\u{1}k1 k2\u{2}TAGS\u{1}a\u{2}", b"x");
    let by = |key| {
        let max = "9223372036854775807";
        [("topic", "orders"), ("key", key), ("maxNum", "32"), ("beginTimestamp", "0"), ("endTimestamp", max)]
    };
    for key in ["k1", "k2", "U1"] {
        let found = house.call(client, 12, &by(key), b"");
        assert_eq!((found.code, Record::parse(&found.body).unwrap().body()), (0, &b"x"[..]), "{key}");
        assert!(found.field("indexLastUpdateTimestamp").is_some() && found.field("indexLastUpdatePhyoffset").is_some());
    }
    refused(&house.call(client, 12, &by("none"), b""), 22, "no visible message");
    refused(&house.call(client, 33, &[("offset", "4")], b""), 1, "no visible message");
    refused(&house.call(client, 33, &[("offset", "-4")], b""), 1, "-4");

    let entries = [("topic", "orders"), ("queueId", "0"), ("index", "0"), ("count", "10"), ("consumerGroup", "cart")];
    let body = String::from_utf8(house.call(client, 321, &entries, b"").body).unwrap();
    assert!(
        body.contains(&format!(r#""tagsCode":{}"#, tags::tags_code("a"))) && body.contains(r#""eval":false"#),
        "{body}"
    );
    house.client("c1", None, Some(("cart", &["orders"])));
    let body = String::from_utf8(house.call(client, 321, &entries, b"").body).unwrap();
    assert!(body.contains(r#""eval":true"#) && body.contains("subscriptionData"), "{body}");
    refused(
        &house.call(client, 321, &[("topic", "none"), ("queueId", "0"), ("index", "0"), ("count", "1")], b""),
        17,
        "none",
    );
}
