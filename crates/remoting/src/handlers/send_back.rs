//! A message that could not be consumed: 36.

use broker::io::{Answer, Request, SendBack};
use message::CommitLogOffset;
use protocol::request::send_back::SendBackHeader;

use super::done_or_refused;
use super::send::SAYS_MAX_RECONSUME_TIMES;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn handle(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = SendBackHeader::decode(&call.fields)?;
    let offset_id = desk.offset_id(CommitLogOffset::from_signed(header.offset).unwrap_or_default());
    let back = SendBack {
        group: header.group,
        offset: header.offset,
        delay_level: header.delay_level,
        origin_id: header.origin_msg_id.unwrap_or(offset_id.as_str()),
        max_reconsume_times: header.max_reconsume_times.filter(|_| call.version >= SAYS_MAX_RECONSUME_TIMES),
    };
    env.ask(call.caller.session, call.reply(), Request::SendBack(back));
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    done_or_refused(caller, &answer, to);
}
