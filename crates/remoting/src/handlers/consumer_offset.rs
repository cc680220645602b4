//! Offsets of groups: 14, 15, all of them for replicas (43), and those of another group taken over (314).

use std::sync::Arc;

use broker::io::{Answer, Refusal, Request};
use message::QueueOffset;
use protocol::DataVersion;
use protocol::codes::ResponseCode;
use protocol::json::{Object, write_int};
use protocol::request::offsets::{OffsetAnswer, QueryConsumerOffset, UpdateConsumerOffset};

use super::mismatch;
use crate::caller::{Call, Caller, Fault, natural};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn query(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = QueryConsumerOffset::decode(&call.fields)?;
    let request = Request::QueryOffset {
        group: header.consumer_group,
        topic: header.topic,
        queue: natural("queueId", header.queue_id)?,
        zero_if_absent: header.set_zero_if_not_found.unwrap_or(true),
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn update(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = UpdateConsumerOffset::decode(&call.fields)?;
    let request = Request::UpdateOffset {
        group: header.consumer_group,
        topic: header.topic,
        queue: natural("queueId", header.queue_id)?,
        offset: header.commit_offset,
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Done => caller.done(to),
        Answer::Offset(offset) => caller.fields(to, &OffsetAnswer { offset: offset.signed() }.fields()),
        // With any other code a client would not consume the queue at all.
        Answer::NoOffset => {
            caller.error(
                to,
                ResponseCode::QUERY_NOT_FOUND,
                "the group has no offset there; begin as consumeFromWhere says",
            );
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

pub(crate) fn all(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let state = env.broker.state();
    let version = DataVersion { counter: 0, state_version: 0, timestamp: state.time.millis() };
    call.answer(to, |caller, to| {
        caller.body(to, |to| {
            let mut body = Object::begin(to);
            version.write(body.member("dataVersion"));
            let mut table = Object::begin(body.member("offsetTable"));
            for (group, topic, queues) in env.broker.all_offsets() {
                let mut offsets = Object::begin(table.member(&format!("{topic}@{group}")));
                for (queue, offset) in queues {
                    write_int(offsets.unquoted_member(i64::from(*queue)), offset.signed());
                }
                offsets.end();
            }
            table.end();
            body.end();
        });
    });
    Ok(())
}

/// 314: `destGroup` goes on where `srcGroup` is, in one topic or in all.
pub(crate) fn clone(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (source, target) = (call.fields.str("srcGroup")?, call.fields.str("destGroup")?);
    let topic = call.fields.opt_str("topic");
    if !env.broker.state().groups.contains_key(target) {
        return Err(Refusal::GroupNotFound(target.to_owned()).into());
    }
    let topics = &env.broker.state().topics;
    let mut offsets: Vec<(Arc<str>, u32, QueueOffset)> = Vec::new();
    for (_, name, queues) in env.broker.all_offsets().filter(|(group, ..)| &***group == source) {
        let wanted = topic.is_none_or(|topic| topic == &**name);
        // Offsets of a topic that is gone, or of queues it has no longer, are of no use to anybody.
        let Some(config) = topics.get(name).map(|topic| &topic.config).filter(|_| wanted) else { continue };
        let there = config.read_queues.max(config.write_queues);
        offsets
            .extend(queues.iter().filter(|(queue, _)| **queue < there).map(|(queue, at)| (name.clone(), *queue, *at)));
    }
    let Some(last) = offsets.len().checked_sub(1) else {
        call.answer(to, Caller::done);
        return Ok(());
    };
    for (index, (topic, queue, offset)) in offsets.iter().enumerate() {
        // The answer to the last one comes when all of them are durable.
        let reply = call.reply().filter(|_| index == last);
        let request = Request::UpdateOffset { group: target, topic, queue: *queue, offset: offset.signed() };
        env.ask(call.caller.session, reply, request);
    }
    Ok(())
}
