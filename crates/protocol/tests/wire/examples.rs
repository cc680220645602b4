//! Examples worked out by hand, and that what our client writes our broker reads.

use protocol::MessageQueue;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::encode::{Field, RequestHeader, ResponseHeader};
use protocol::frame::{FRAME_SIZE_MAX, SerializeType, scan};
use protocol::header::{FieldError, Fields, HeaderBuffer, Language};
use protocol::identifiers::OffsetMsgId;
use protocol::request::offsets::{Boundary, QueryConsumerOffset, QueueHeader, SearchOffset, UpdateConsumerOffset};
use protocol::request::pull::PullHeader;
use protocol::request::relay::{ConsumeDirectlyHeader, RunningInfoHeader};
use protocol::request::reset::ResetOffsetHeader;
use protocol::request::route::RouteHeader;
use protocol::request::send::{SendAnswer, SendHeader};
use protocol::request::send_back::SendBackHeader;
use protocol::request::session::UnregisterHeader;
use protocol::request::stats::{TopicOffset, TopicStats};
use protocol::request::transaction::{CheckTransactionState, Decision, EndTransactionHeader};

#[test]
fn a_route_request_of_131_bytes() {
    let json = br#"{"code":105,"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":1,"serializeTypeCurrentRPC":"JSON","version":401}"#;
    let bytes = [&[0, 0, 0, 0x7F, 0, 0, 0, 0x7B], &json[..]].concat();
    assert_eq!(bytes.len(), 131);
    let frame = scan(&bytes, FRAME_SIZE_MAX).unwrap().unwrap();
    assert_eq!((frame.serialize_type, frame.consumed, frame.body), (SerializeType::Json, 131, &b""[..]));
    let mut buffer = HeaderBuffer::new();
    let header = buffer.decode(&frame).unwrap();
    assert_eq!((header.code, header.version, header.opaque, header.language), (105, 401, 1, Language::Java));
    assert_eq!(RouteHeader::decode(&header.fields).unwrap().topic, "T");
}

#[test]
fn a_half_message_is_answered_and_the_answer_is_quoted_in_the_decision() {
    let id = OffsetMsgId { address: "10.0.0.9:10911".parse().unwrap(), commit_log_offset: 4096 };
    let digits = id.encode();
    let answer = SendAnswer { msg_id: digits.as_str(), queue_id: 2, queue_offset: 41, transaction_id: Some("UNIQ") };
    let (fields, mut out) = (answer.fields(), Vec::new());
    ResponseHeader { code: ResponseCode::SUCCESS, opaque: 5, remark: None, fields: &fields }.append(&mut out, b"");
    let mut buffer = HeaderBuffer::new();
    let header = buffer.decode(&scan(&out, FRAME_SIZE_MAX).unwrap().unwrap()).unwrap();
    let read = SendAnswer::decode(&header.fields).unwrap();
    assert_eq!(read.msg_id, "0A00000900002A9F0000000000001000");
    let end = EndTransactionHeader {
        producer_group: "g",
        tran_state_table_offset: read.queue_offset,
        commit_log_offset: OffsetMsgId::decode(read.msg_id).unwrap().commit_log_offset,
        decision: Decision::Commit,
        from_transaction_check: false,
        msg_id: "UNIQ",
        transaction_id: read.transaction_id,
        topic: Some("T"),
        broker_name: Some("broker-a"),
    };
    let mut out = Vec::new();
    let code = RequestCode::EndTransaction;
    let fields = end.fields();
    RequestHeader { code, language: Language::Java, opaque: 6, oneway: true, remark: None, fields: &fields }
        .append(&mut out, b"");
    let expected = r#"{"code":37,"extFields":{"bname":"broker-a","commitLogOffset":"4096","commitOrRollback":"8","fromTransactionCheck":"false","msgId":"UNIQ","producerGroup":"g","topic":"T","tranStateTableOffset":"41","transactionId":"UNIQ"},"flag":2,"language":"JAVA","opaque":6,"serializeTypeCurrentRPC":"JSON","version":513}"#;
    assert_eq!(std::str::from_utf8(&out[8..]), Ok(expected));
}

#[test]
fn a_map_with_a_queue_as_its_key() {
    let queue = MessageQueue { topic: "t".into(), broker_name: "broker-a".into(), queue_id: 0 };
    let offset = TopicOffset { min_offset: 0, max_offset: 5, last_update_timestamp: 0 };
    let mut out = Vec::new();
    TopicStats { offsets: vec![(queue, offset)], topic_put_tps: 0.0 }.write(&mut out);
    let expected = r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"t"}:{"lastUpdateTimestamp":0,"maxOffset":5,"minOffset":0}},"topicPutTps":0.0}"#;
    assert_eq!(std::str::from_utf8(&out), Ok(expected));
}

/// Writes `fields` into a request and hands what is read from it to `check`.
fn send(code: RequestCode, fields: &[Field<'_>], check: impl FnOnce(&Fields<'_>) -> Result<(), FieldError>) {
    let mut out = Vec::new();
    RequestHeader { code, language: Language::Rust, opaque: 1, oneway: false, remark: None, fields }
        .append(&mut out, b"");
    let mut buffer = HeaderBuffer::new();
    let header = buffer.decode(&scan(&out, FRAME_SIZE_MAX).unwrap().unwrap()).unwrap();
    assert_eq!(RequestCode::from_code(header.code), Some(code));
    check(&header.fields).unwrap_or_else(|error| panic!("{code}: {error}"));
}

/// Requires that a header type reads what it wrote, with everything set and, in a second value, with nothing optional.
macro_rules! reads_what_it_writes {
    ($code:ident, $decode:expr, $($value:expr),+ $(,)?) => {
        $({
            let value = $value;
            send(RequestCode::$code, &value.fields(), |fields| {
                assert_eq!($decode(fields)?, value);
                Ok(())
            });
        })+
    };
}

#[test]
fn our_broker_reads_what_our_client_writes() {
    let send = SendHeader {
        producer_group: "g",
        topic: "t",
        default_topic: "TBW102",
        default_topic_queue_nums: 4,
        queue_id: -1,
        sys_flag: 4,
        born_timestamp: 1_700_000_000_000,
        flag: -7,
        properties: "KEYS\u{1}\"k\"\u{2}TAGS\u{1}\\\u{2}",
        reconsume_times: 3,
        unit_mode: true,
        batch: true,
        max_reconsume_times: Some(16),
        broker_name: Some("b"),
    };
    let plain = SendHeader { properties: "", max_reconsume_times: None, broker_name: None, ..send };
    reads_what_it_writes!(SendMessageV2, |fields| SendHeader::decode(RequestCode::SendMessageV2, fields), send, plain);
    let pull = PullHeader {
        consumer_group: "g",
        topic: "t",
        queue_id: 1,
        queue_offset: 7,
        max_msg_nums: 32,
        sys_flag: 7,
        commit_offset: 6,
        suspend_timeout_ms: 15_000,
        subscription: Some("a || b"),
        sub_version: 9,
        expression_type: Some("TAG"),
        max_msg_bytes: Some(1 << 18),
        broker_name: Some("b"),
    };
    let plain =
        PullHeader { subscription: None, expression_type: None, max_msg_bytes: None, broker_name: None, ..pull };
    reads_what_it_writes!(PullMessage, PullHeader::decode, pull, plain);
    let check = CheckTransactionState {
        topic: "t",
        broker_name: "b",
        tran_state_table_offset: 1,
        commit_log_offset: i64::MAX,
        msg_id: "m",
        transaction_id: "m",
        offset_msg_id: "o",
    };
    reads_what_it_writes!(CheckTransactionState, CheckTransactionState::decode, check);
    let (consumer_group, topic, queue_id) = ("g", "t", 2);
    reads_what_it_writes!(
        QueryConsumerOffset,
        QueryConsumerOffset::decode,
        QueryConsumerOffset { consumer_group, topic, queue_id, set_zero_if_not_found: Some(false) },
        QueryConsumerOffset { consumer_group, topic, queue_id, set_zero_if_not_found: None },
    );
    reads_what_it_writes!(
        UpdateConsumerOffset,
        UpdateConsumerOffset::decode,
        UpdateConsumerOffset { consumer_group, topic, queue_id, commit_offset: -1 },
    );
    reads_what_it_writes!(
        SearchOffsetByTimestamp,
        SearchOffset::decode,
        SearchOffset { topic, queue_id, timestamp: 5, boundary: Boundary::Upper },
        SearchOffset { topic, queue_id, timestamp: 5, boundary: Boundary::Lower },
    );
    reads_what_it_writes!(GetMaxOffset, QueueHeader::decode, QueueHeader { topic, queue_id });
    let back = SendBackHeader {
        offset: 9,
        group: "g",
        delay_level: -1,
        origin_msg_id: Some("m"),
        origin_topic: Some("t"),
        unit_mode: false,
        max_reconsume_times: Some(0),
        broker_name: Some("b"),
    };
    let plain = SendBackHeader {
        origin_msg_id: None,
        origin_topic: None,
        max_reconsume_times: None,
        broker_name: None,
        ..back
    };
    reads_what_it_writes!(ConsumerSendMsgBack, SendBackHeader::decode, back, plain);
    reads_what_it_writes!(
        UnregisterClient,
        UnregisterHeader::decode,
        UnregisterHeader { client_id: "c", producer_group: Some("p"), consumer_group: None },
    );
    reads_what_it_writes!(
        GetRouteInfoByTopic,
        RouteHeader::decode,
        RouteHeader { topic, accept_standard_json_only: true },
        RouteHeader { topic, accept_standard_json_only: false },
    );
    reads_what_it_writes!(
        InvokeBrokerToResetOffset,
        ResetOffsetHeader::decode,
        ResetOffsetHeader { topic, group: "g", timestamp: -1, is_force: true, queue_id: Some(0), offset: Some(4) },
    );
    reads_what_it_writes!(
        GetConsumerRunningInfo,
        RunningInfoHeader::decode,
        RunningInfoHeader { consumer_group, client_id: "c", jstack_enable: true },
    );
    reads_what_it_writes!(
        ConsumeMessageDirectly,
        ConsumeDirectlyHeader::decode,
        ConsumeDirectlyHeader {
            consumer_group,
            client_id: None,
            msg_id: Some("m"),
            broker_name: Some("b"),
            topic: Some("t"),
            topic_sys_flag: Some(0),
            group_sys_flag: None,
        },
    );
}
