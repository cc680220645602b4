//! Transactions as operators see and settle them: 323, and our own 7001, 7002, 7003, 7005.

use broker::io::{Answer, Request, Resolution, Resolve, TransactionFilter, TransactionStatus};
use message::CommitLogOffset;
use message::entry::Outcome;
use protocol::request::transaction::ResumeCheckHeader;

use super::mismatch;
use super::topics::who;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::own::{Action, ListTransactions, ResolveTransaction, Transaction, TransactionPage, Watched};

/// Most transactions one answer lists.
const LIST_MAX: usize = 1000;

/// 323: a tool's way to have a half asked about again that was set aside.
pub(crate) fn resume(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ResumeCheckHeader::decode(&call.fields)?;
    let who = who(desk, call);
    let resolve = Resolve {
        id: header.msg_id,
        resolution: Resolution::Resume,
        who: &who,
        why: "asked for by RESUME_CHECK_HALF_MESSAGE (323)",
        dry_run: false,
    };
    env.ask(call.caller.session, call.reply(), Request::Resolve(resolve));
    Ok(())
}

/// 7001.
pub(crate) fn list(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let wanted = ListTransactions::decode(call.body)?;
    let filter = TransactionFilter {
        group: wanted.group.as_deref(),
        topic: wanted.topic.as_deref(),
        key: wanted.key.as_deref(),
        set_aside: wanted.set_aside,
        min_age_ms: u64::try_from(wanted.min_age_ms).unwrap_or(0),
        after: wanted.after.and_then(CommitLogOffset::from_signed),
        max: usize::try_from(wanted.max).ok().filter(|max| *max > 0).unwrap_or(LIST_MAX).min(LIST_MAX),
    };
    env.ask(call.caller.session, call.reply(), Request::ListTransactions(filter));
    Ok(())
}

/// 7005.
pub(crate) fn watch(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let from = call.fields.opt_i64("from")?.and_then(|from| u64::try_from(from).ok());
    env.ask(call.caller.session, call.reply(), Request::WatchTransactions { from });
    Ok(())
}

/// 7002.
pub(crate) fn show(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let id = call.fields.str("id")?;
    env.ask(call.caller.session, call.reply(), Request::ShowTransaction { id });
    Ok(())
}

/// 7003.
pub(crate) fn resolve(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let wanted = ResolveTransaction::decode(call.body)?;
    let resolve = Resolve {
        id: &wanted.id,
        resolution: match wanted.action {
            Action::Commit => Resolution::Decide(Outcome::Commit),
            Action::Rollback => Resolution::Decide(Outcome::Rollback),
            Action::Resume => Resolution::Resume,
        },
        who: &wanted.who,
        why: &wanted.why,
        dry_run: wanted.dry_run,
    };
    env.ask(call.caller.session, call.reply(), Request::Resolve(resolve));
    Ok(())
}

pub(crate) fn answer(desk: &mut Desk, env: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Done | Answer::Settled(_) => caller.done(to),
        Answer::Watched { events, next, missed } => {
            let events = events.into_iter().map(|event| (desk.offset_id(event.half).as_str().to_owned(), event));
            let watched = Watched { events: events.collect(), next, missed };
            caller.body(to, |to| watched.write(to));
        }
        Answer::Transactions { rows, total, set_aside, next } => {
            let transactions = rows.into_iter().map(|row| shown(desk, env, row)).collect();
            let page = TransactionPage { transactions, total, set_aside, next, now: env.now };
            caller.body(to, |to| page.write(to));
        }
        Answer::Transaction(status) => {
            let transaction = shown(desk, env, *status);
            caller.body(to, |to| transaction.write(to));
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

fn shown(desk: &Desk, env: &Env<'_>, status: TransactionStatus) -> Transaction {
    Transaction {
        offset_id: desk.offset_id(status.half.at).as_str().to_owned(),
        status,
        check_max: env.broker.config().checks.check_max,
        now: env.now,
    }
}
