//! A group that shall go on elsewhere: 222. Its members are told by 220.

use broker::io::{Answer, Request};
use message::{QueueOffset, Timestamp};
use protocol::request::reset::{ResetOffsetHeader, ResetOffsets};

use super::{Note, mismatch};
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn handle(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ResetOffsetHeader::decode(&call.fields)?;
    let reply = desk.notes.keep(call, Note::Topic(header.topic.to_owned()))?.map(Caller::reply);
    let request = Request::ResetOffset {
        group: header.group,
        topic: header.topic,
        time: Timestamp::from_millis(header.timestamp),
        force: header.is_force,
        queue: header.queue_id.and_then(|queue| u32::try_from(queue).ok()),
        offset: header.offset.and_then(QueueOffset::from_signed),
    };
    env.ask(call.caller.session, reply, request);
    Ok(())
}

pub(crate) fn answer(desk: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::Topic(topic)) = desk.notes.take(caller) else { return };
    match answer {
        Answer::Reset(resets) => {
            let offsets = resets.iter().map(|reset| (desk.queue(&topic, reset.queue), reset.offset.signed()));
            let body = ResetOffsets { offsets: offsets.collect() };
            caller.body(to, |to| body.write(to));
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}
