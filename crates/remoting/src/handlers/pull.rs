//! Reading a queue: 11 and 361.

use broker::io::{Answer, Pull, PullStatus, Pulled, Refusal, Request};
use protocol::codes::ResponseCode;
use protocol::encode::ResponseHeader;
use protocol::request::heartbeat::EXPRESSION_TYPE_TAG;
use protocol::request::pull::{PULL_CLASS_FILTER, PullAnswer, PullHeader};

use super::mismatch;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// In the reply's token: the pull did not begin at offset 0.
const BEHIND_ZERO: u32 = 1;

pub(crate) fn handle(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = PullHeader::decode(&call.fields)?;
    if header.sys_flag & PULL_CLASS_FILTER != 0 {
        return Err(Refusal::NotSupported("filters by class are not supported; subscribe by tag".into()).into());
    }
    let suspend_ms = u64::try_from(header.suspend_timeout_ms).ok().filter(|ms| *ms > 0);
    let pull = Pull {
        group: header.consumer_group,
        topic: header.topic,
        queue: header.queue_id,
        offset: header.queue_offset,
        max_messages: u32::try_from(header.max_msg_nums).unwrap_or(0),
        max_bytes: header.max_msg_bytes.and_then(|max| u32::try_from(max).ok()),
        commit_offset: Some(header.commit_offset).filter(|_| header.commits_offset()),
        suspend_ms: suspend_ms.filter(|_| header.may_suspend()),
        subscription: header.has_subscription().then_some(header.subscription.unwrap_or("*")),
        sub_version: header.sub_version,
        expression_type: header.expression_type.unwrap_or(EXPRESSION_TYPE_TAG),
    };
    let extra = if header.queue_offset == 0 { 0 } else { BEHIND_ZERO };
    env.ask(call.caller.session, call.reply_with(extra), Request::Pull(pull));
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Pulled(pulled) => write(caller, &pulled, to),
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

/// The four offsets are in every answer, whatever its code: clients use them without looking.
fn write(caller: Caller, pulled: &Pulled, to: &mut Vec<u8>) {
    let (code, remark) = outcome(pulled.status, caller.extra == BEHIND_ZERO);
    let fields = PullAnswer {
        suggest_which_broker_id: 0,
        next_begin_offset: pulled.next.signed(),
        min_offset: pulled.min.signed(),
        max_offset: pulled.max.signed(),
    };
    let header = ResponseHeader { code, opaque: caller.opaque, remark: Some(remark), fields: &fields.fields() };
    header.append(to, if code == ResponseCode::SUCCESS { &pulled.body } else { b"" });
}

/// The code of a status and RocketMQ's name for it. A client that is told 21 gives the queue up for 10 s, so it is said
/// only of offsets that really are outside the queue.
fn outcome(status: PullStatus, behind_zero: bool) -> (ResponseCode, &'static str) {
    match status {
        PullStatus::Found => (ResponseCode::SUCCESS, "FOUND"),
        PullStatus::NoMatch => (ResponseCode::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
        PullStatus::AtEnd => (ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
        PullStatus::Empty if behind_zero => (ResponseCode::PULL_OFFSET_MOVED, "NO_MESSAGE_IN_QUEUE"),
        PullStatus::Empty => (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"),
        PullStatus::TooLarge => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"),
        PullStatus::TooSmall => (ResponseCode::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_offsets_outside_a_queue_are_called_moved() {
        let code = |status, behind_zero| outcome(status, behind_zero).0.0;
        for behind_zero in [false, true] {
            assert_eq!(code(PullStatus::Found, behind_zero), 0);
            assert_eq!(code(PullStatus::AtEnd, behind_zero), 19);
            assert_eq!(code(PullStatus::NoMatch, behind_zero), 20);
            assert_eq!(code(PullStatus::TooSmall, behind_zero), 21);
            assert_eq!(code(PullStatus::TooLarge, behind_zero), 21);
        }
        assert_eq!(code(PullStatus::Empty, false), 19);
        assert_eq!(code(PullStatus::Empty, true), 21);
    }
}
