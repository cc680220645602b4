//! Sends: 10, 310, 320, and replies to request messages: 324, 325.

use broker::io::{Answer, Batch, Refusal, Request, Send, Sent};
use message::{CommitLogOffset, Timestamp};
use protocol::batch;
use protocol::codes::RequestCode;
use protocol::request::send::{SendAnswer, SendHeader};

use super::mismatch;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// The first client that means what it says about the attempts allowed (3.4.9).
pub(super) const SAYS_MAX_RECONSUME_TIMES: i32 = 121;

pub(crate) fn handle(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let code = RequestCode::from_code(call.caller.kind().code).expect("a send has a code of RocketMQ's");
    let header = SendHeader::decode(code, &call.fields)?;
    let head = Send {
        group: header.producer_group,
        topic: header.topic,
        default_topic: header.default_topic,
        default_queues: u32::try_from(header.default_topic_queue_nums).unwrap_or(0),
        queue: header.queue_id,
        sys_flag: header.sys_flag,
        born_timestamp: Timestamp::from_millis(header.born_timestamp),
        // What the client says of its address may be that of another network: the connection's counts.
        born_host: desk.peer(call.caller.session).address,
        flag: header.flag,
        properties: header.properties,
        reconsume_times: header.reconsume_times,
        max_reconsume_times: header.max_reconsume_times.filter(|_| call.version >= SAYS_MAX_RECONSUME_TIMES),
        body: call.body,
    };
    let request = if header.batch {
        let parts = batch::messages(call.body).map(|part| part.map(|part| (part.flag, part.properties, part.body)));
        let parts = parts.collect::<Result<_, _>>().map_err(|error| Refusal::MessageIllegal(error.to_string()))?;
        Request::SendBatch(Batch { head, parts })
    } else {
        Request::Send(head)
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn answer(desk: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Sent(sent) => write(caller, &sent, desk.offset_id(sent.at).as_str(), to),
        Answer::SentBatch { first, records } => write(caller, &first, &joined_ids(desk, &records), to),
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

fn write(caller: Caller, sent: &Sent, id: &str, to: &mut Vec<u8>) {
    let code = caller.kind().code;
    let is_reply = code == RequestCode::SendReplyMessage.code() || code == RequestCode::SendReplyMessageV2.code();
    let answer = SendAnswer {
        msg_id: id,
        queue_id: sent.queue as i32,
        queue_offset: sent.queue_offset.signed(),
        transaction_id: Some(sent.unique_key.as_str()).filter(|_| !is_reply),
    };
    caller.fields(to, &answer.fields());
}

fn joined_ids(desk: &Desk, records: &[CommitLogOffset]) -> String {
    let mut ids = String::with_capacity(records.len() * 33);
    for (index, at) in records.iter().enumerate() {
        if index > 0 {
            ids.push(',');
        }
        ids.push_str(desk.offset_id(*at).as_str());
    }
    ids
}
