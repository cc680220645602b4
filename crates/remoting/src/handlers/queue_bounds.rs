//! Where a queue begins and ends, and its offset at a time: 29, 30, 31, 32.

use broker::io::{Answer, Request, TimeBound};
use message::Timestamp;
use protocol::codes::RequestCode;
use protocol::request::offsets::{Boundary, OffsetAnswer, QueueHeader, SearchOffset, TimestampAnswer};

use super::mismatch;
use crate::caller::{Call, Caller, Fault, natural};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn bounds(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = QueueHeader::decode(&call.fields)?;
    let request = Request::QueueBounds { topic: header.topic, queue: natural("queueId", header.queue_id)? };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn search(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = SearchOffset::decode(&call.fields)?;
    let request = Request::SearchOffset {
        topic: header.topic,
        queue: natural("queueId", header.queue_id)?,
        time: Timestamp::from_millis(header.timestamp),
        bound: match header.boundary {
            Boundary::Lower => TimeBound::Lower,
            Boundary::Upper => TimeBound::Upper,
        },
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let offset = |offset: i64, to: &mut Vec<u8>| caller.fields(to, &OffsetAnswer { offset }.fields());
    match answer {
        Answer::Offset(found) => offset(found.signed(), to),
        Answer::Bounds(range) if caller.kind().code == RequestCode::GetMaxOffset.code() => {
            offset(range.max.signed(), to)
        }
        Answer::Bounds(range) if caller.kind().code == RequestCode::GetMinOffset.code() => {
            offset(range.min.signed(), to)
        }
        Answer::Bounds(range) => {
            let timestamp = range.first_time.map_or(-1, Timestamp::millis);
            caller.fields(to, &TimestampAnswer { timestamp }.fields());
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}
