//! Queues locked for one client of a group, for orderly consumption: 41 and 42.

use broker::io::{Answer, Lock, Request};
use protocol::request::lock::{LockAnswer, LockRequest};

use super::mismatch;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn lock(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let request = LockRequest::decode(call.body)?;
    env.ask(call.caller.session, call.reply(), Request::Lock(ours(desk, &request)));
    Ok(())
}

pub(crate) fn unlock(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let request = LockRequest::decode(call.body)?;
    env.ask(call.caller.session, call.reply(), Request::Unlock(ours(desk, &request)));
    Ok(())
}

/// The queues of this broker: those of others are not ours to lock.
fn ours<'a>(desk: &Desk, request: &'a LockRequest) -> Lock<'a> {
    let queues = request.queues.iter().filter(|queue| queue.broker_name == desk.broker_name);
    Lock {
        group: &request.consumer_group,
        client: &request.client_id,
        queues: queues.filter_map(|queue| Some((queue.topic.as_str(), u32::try_from(queue.queue_id).ok()?))).collect(),
    }
}

pub(crate) fn answer(desk: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Done => caller.done(to),
        Answer::Locked(queues) => {
            let locked = queues.iter().map(|(topic, queue)| desk.queue(topic, *queue)).collect();
            caller.body(to, |to| LockAnswer { locked }.write(to));
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}
