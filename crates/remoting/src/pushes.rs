//! What the broker tells clients unasked: 39, 40, 220, 326.

use broker::io::{CheckPush, Push, SessionId};
use message::record::Record;
use message::{QueueOffset, names};
use protocol::codes::RequestCode;
use protocol::encode::RequestHeader;
use protocol::header::Language;
use protocol::request::reset::{ResetOffsetHeader, ResetOffsets};
use protocol::request::send::{PushReplyHeader, SendHeader};
use protocol::request::session::ConsumerGroupHeader;
use protocol::request::transaction::CheckTransactionState;

use crate::desk::Desk;

/// Writes a push to the connection it is for.
pub(crate) fn write(desk: &mut Desk, session: SessionId, push: &Push, to: &mut Vec<u8>) {
    let opaque = desk.next_opaque();
    match push {
        Push::Check(check) => check_transaction(desk, opaque, check, to),
        Push::GroupChanged { group } => {
            let fields = ConsumerGroupHeader { consumer_group: group }.fields();
            RequestHeader::push(RequestCode::NotifyConsumerIdsChanged, opaque, &fields).append(to, b"");
        }
        Push::Reply { record, group } => reply(opaque, record, group, to),
        Push::ResetOffset { group, topic, time, offsets } => {
            // A client that left in the meantime has no language; what is written to it does not matter.
            let language = desk.peers.get(&session).map_or(Language::Java, |peer| peer.language);
            reset_offset(desk, opaque, language, (group, topic, *time), offsets, to);
        }
    }
}

/// 39, with RocketMQ's words: the topic is that of the halves, both ids of the transaction are the unique id.
fn check_transaction(desk: &Desk, opaque: i32, check: &CheckPush, to: &mut Vec<u8>) {
    let id = desk.offset_id(check.half);
    let header = CheckTransactionState {
        topic: names::HALF_TOPIC,
        broker_name: &desk.broker_name,
        tran_state_table_offset: check.sequence.signed(),
        commit_log_offset: check.half.signed(),
        msg_id: &check.unique_key,
        transaction_id: &check.unique_key,
        offset_msg_id: id.as_str(),
    };
    RequestHeader::push(RequestCode::CheckTransactionState, opaque, &header.fields()).append(to, &check.record);
}

/// 326: not one-way, for the client answers it; nobody waits for that answer.
fn reply(opaque: i32, record: &[u8], group: &str, to: &mut Vec<u8>) {
    let record = Record::parse(record).expect("the broker made this record");
    let (born_host, store_host) = (record.born_host().to_string(), record.store_host().to_string());
    let header = PushReplyHeader {
        send: SendHeader {
            producer_group: group,
            topic: record.topic(),
            default_topic: names::AUTO_CREATE_TOPIC,
            default_topic_queue_nums: 4,
            queue_id: record.queue_id() as i32,
            sys_flag: record.sys_flag(),
            born_timestamp: record.born_timestamp().millis(),
            flag: record.flag(),
            properties: record.properties(),
            reconsume_times: record.reconsume_times(),
            unit_mode: false,
            batch: false,
            max_reconsume_times: None,
            broker_name: None,
        },
        born_host: &born_host,
        store_host: &store_host,
        store_timestamp: record.store_timestamp().millis(),
    };
    let code = RequestCode::PushReplyMessageToClient;
    let fields = header.fields();
    let header = RequestHeader { oneway: false, ..RequestHeader::push(code, opaque, &fields) };
    header.append(to, record.body());
}

fn reset_offset(
    desk: &Desk,
    opaque: i32,
    language: Language,
    (group, topic, time): (&str, &str, i64),
    offsets: &[(u32, QueueOffset)],
    to: &mut Vec<u8>,
) {
    // The broker has decided what the offsets are: the client is to take them, backward or forward.
    let header = ResetOffsetHeader { topic, group, timestamp: time, is_force: true, queue_id: None, offset: None };
    let offsets = offsets.iter().map(|(queue, offset)| (desk.queue(topic, *queue), offset.signed())).collect();
    let body = ResetOffsets { offsets };
    let fields = header.fields();
    RequestHeader::push(RequestCode::ResetConsumerClientOffset, opaque, &fields).append_with(to, |to| match language {
        Language::Cpp => body.write_for_cpp(to),
        _ => body.write(to),
    });
}
