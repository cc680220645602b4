//! The decision about a half message: 37.

use broker::io::{Answer, End, EndOutcome, Request};
use message::entry::Outcome;
use protocol::request::transaction::{Decision, EndTransactionHeader};

use super::mismatch;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// Neither topic nor broker name is compared: some clients leave them out, some echo what a check said.
pub(crate) fn handle(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = EndTransactionHeader::decode(&call.fields)?;
    let end = End {
        group: header.producer_group,
        half: header.commit_log_offset,
        sequence: header.tran_state_table_offset,
        unique_key: header.msg_id,
        outcome: match header.decision {
            Decision::Commit => EndOutcome::Decided(Outcome::Commit),
            Decision::Rollback => EndOutcome::Decided(Outcome::Rollback),
            Decision::Unknown => EndOutcome::Unknown,
        },
        from_check: header.from_transaction_check,
        remark: call.remark.unwrap_or_default(),
    };
    env.ask(call.caller.session, call.reply(), Request::End(end));
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Settled(_) => caller.done(to),
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}
