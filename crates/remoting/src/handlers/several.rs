//! Requests that are several orders to the broker: answered when all are, with the first refusal if there is one.

use broker::io::{Answer, Refusal, Request};

use super::Note;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// Orders on their way.
#[derive(Debug)]
pub(crate) struct Several {
    left: usize,
    refusal: Option<Refusal>,
}

/// Hands all of them to the broker.
pub(crate) fn ask<'r>(
    desk: &mut Desk,
    env: &mut Env<'_>,
    call: &Call<'_>,
    requests: Vec<Request<'r>>,
    to: &mut Vec<u8>,
) -> Result<(), Fault> {
    if requests.is_empty() {
        call.answer(to, Caller::done);
        return Ok(());
    }
    let note = Note::Several(Several { left: requests.len(), refusal: None });
    let reply = desk.notes.keep(call, note)?.map(Caller::reply);
    for request in requests {
        env.ask(call.caller.session, reply, request);
    }
    Ok(())
}

pub(crate) fn answer(desk: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::Several(several)) = desk.notes.get_mut(caller) else { return };
    several.left -= 1;
    if let Answer::Refused(refusal) = answer {
        several.refusal.get_or_insert(refusal);
    }
    if several.left > 0 {
        return;
    }
    let Some(Note::Several(several)) = desk.notes.take(caller) else { return };
    match several.refusal {
        None => caller.done(to),
        Some(refusal) => caller.refused(to, &refusal),
    }
}
