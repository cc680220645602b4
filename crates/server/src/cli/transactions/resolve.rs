//! `tandem transactions resolve`: one transaction, or all that pass a filter.

use std::ffi::OsStr;

use serde_json::json;

use super::super::admin::Admin;
use super::super::args::{ActionArgs, ResolveArgs};
use super::super::exit::Exit;
use super::super::json;
use super::super::model::{Resolve, ResolveAction, TransactionDetail, TransactionRow, TransactionState};
use super::super::run::{Failure, Screen, Variables};
use super::super::table::{clean, number_of};
use super::{gather, table_of};

/// Most transactions resolved at once: more are a matter for a second look.
const BULK_MAX: u32 = 10_000;
/// Failures of a bulk that are told one by one.
const FAILURES_TOLD: usize = 10;

/// Carries out `tandem transactions resolve`.
pub fn run(
    args: &ResolveArgs,
    variables: &Variables,
    admin: &mut dyn Admin,
    screen: &mut Screen<'_>,
) -> Result<Exit, Failure> {
    let by = match &args.by {
        Some(name) => name.clone(),
        None => user_name(variables).ok_or_else(|| {
            Failure::Usage("who decides is not known, and it is recorded; say it with --by NAME".to_owned())
        })?,
    };
    match (&args.id, args.filter.is_empty()) {
        (Some(id), true) => one(id, args, by, admin, screen).map(|()| Exit::Ok),
        (None, false) => several(args, &by, admin, screen),
        (Some(_), false) => {
            Err(Failure::Usage("a transaction is named and filters are given; it takes one of the two".to_owned()))
        }
        (None, true) => Err(Failure::Usage(
            "which transactions? Name one, or say which with --group, --topic, --key, --state or --older-than"
                .to_owned(),
        )),
    }
}

fn one(
    id: &str,
    args: &ResolveArgs,
    by: String,
    admin: &mut dyn Admin,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let action = action_of(&args.action);
    let detail = admin.transaction(id)?;
    let before = detail.row.state;
    let needed = is_needed(&detail, action)?;
    if needed && !args.dry_run {
        admin.resolve(&order(&detail.row, action, &by, &args.reason))?;
    }
    let done = needed && !args.dry_run;
    if screen.json {
        let answer = json!({
            "transaction": detail.row.id,
            "offset_id": detail.row.offset_id,
            "action": action,
            "before": before,
            "needed": needed,
            "done": done,
            "dry_run": args.dry_run,
            "by": by,
            "reason": args.reason,
        });
        return Ok(json::write(screen.out, &answer)?);
    }
    let id = clean(&detail.row.id);
    let what = match action {
        ResolveAction::Commit => format!("deliver its message to {}", clean(&detail.row.topic)),
        ResolveAction::Rollback => "never deliver its message".to_owned(),
        ResolveAction::Resume => format!("have the producers of {} asked again", clean(&detail.row.group)),
    };
    match (needed, args.dry_run) {
        (false, _) => writeln!(screen.out, "{id} is {} already; nothing to do", before.word())?,
        (true, true) => writeln!(screen.out, "{id} is {}; --{} would {what}", before.word(), action.word())?,
        (true, false) => {
            let done = past(action);
            writeln!(screen.out, "{id} is {done} by {}; `tandem transactions show {id}` tells the rest", clean(&by))?;
        }
    }
    Ok(())
}

/// All that pass the filters, one order each: what was decided meanwhile fails by itself, and is told.
fn several(args: &ResolveArgs, by: &str, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    if !args.dry_run && !args.yes {
        return Err(Failure::Usage(
            "this is about all transactions that pass the filters: see which with --dry-run, then do it with --yes"
                .to_owned(),
        ));
    }
    let action = action_of(&args.action);
    let (rows, last) = gather(args.filter.query(), BULK_MAX, admin)?;
    // Those that are asked about need no second start.
    let needed: Vec<TransactionRow> = rows
        .into_iter()
        .filter(|row| action != ResolveAction::Resume || row.state == TransactionState::SetAside)
        .collect();
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    if !args.dry_run {
        for row in &needed {
            match admin.resolve(&order(row, action, by, &args.reason)) {
                Ok(()) => done.push(row.id.clone()),
                Err(error) => failed.push((row.id.clone(), error.to_string())),
            }
        }
    }
    let exit = if failed.is_empty() { Exit::Ok } else { Exit::Failed };
    if screen.json {
        let ids: Vec<&str> = needed.iter().map(|row| row.id.as_str()).collect();
        let failed: Vec<_> = failed.iter().map(|(id, error)| json!({ "id": id, "message": error })).collect();
        let answer = json!({
            "transactions": ids,
            "action": action,
            "done": done,
            "failed": failed,
            "more": last.next.is_some(),
            "dry_run": args.dry_run,
            "by": by,
            "reason": args.reason,
        });
        json::write(screen.out, &answer)?;
        return Ok(exit);
    }
    let count = number_of(needed.len() as u64, "transaction");
    if args.dry_run {
        if !needed.is_empty() {
            table_of(&needed, last.now_ms).write(screen.out, 0, screen.colours)?;
        }
        writeln!(screen.out, "--{} would be done to {count}; do it with --yes", action.word())?;
    } else {
        writeln!(screen.out, "{} of {count} {} by {}", done.len(), past(action), clean(by))?;
        for (id, error) in failed.iter().take(FAILURES_TOLD) {
            writeln!(screen.err, "error: {}: {}", clean(id), clean(error))?;
        }
        if failed.len() > FAILURES_TOLD {
            writeln!(screen.err, "error: and {} others", failed.len() - FAILURES_TOLD)?;
        }
    }
    if last.next.is_some() {
        writeln!(screen.out, "more fit: at most {BULK_MAX} are resolved at once")?;
    }
    Ok(exit)
}

fn order(row: &TransactionRow, action: ResolveAction, by: &str, reason: &str) -> Resolve {
    Resolve {
        id: row.id.clone(),
        offset_id: row.offset_id.clone(),
        group: row.group.clone(),
        action,
        by: by.to_owned(),
        reason: reason.to_owned(),
    }
}

fn past(action: ResolveAction) -> &'static str {
    match action {
        ResolveAction::Commit => "committed",
        ResolveAction::Rollback => "rolled back",
        ResolveAction::Resume => "resumed",
    }
}

/// Whether the transaction has to be touched for this; an error when a decision stands against it.
fn is_needed(detail: &TransactionDetail, action: ResolveAction) -> Result<bool, Failure> {
    use ResolveAction::{Commit, Resume, Rollback};
    use TransactionState::{Committed, RolledBack, SetAside, Undecided};
    match (detail.row.state, action) {
        (Undecided | SetAside, Commit | Rollback) | (SetAside, Resume) => Ok(true),
        (Committed, Commit) | (RolledBack, Rollback) | (Undecided, Resume) => Ok(false),
        (state @ (Committed | RolledBack), action) => Err(Failure::Verdict(format!(
            "{} is {} and a decision is final: it cannot {}; `tandem transactions show {}` tells who decided",
            clean(&detail.row.id),
            state.word(),
            match action {
                Commit => "be committed",
                Rollback => "be rolled back",
                Resume => "be resumed",
            },
            clean(&detail.row.id),
        ))),
    }
}

fn action_of(args: &ActionArgs) -> ResolveAction {
    match (args.commit, args.rollback) {
        (true, _) => ResolveAction::Commit,
        (_, true) => ResolveAction::Rollback,
        // The parser lets exactly one of the three through.
        _ => ResolveAction::Resume,
    }
}

fn user_name(variables: &Variables) -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|wanted| {
        let (_, value) = variables.iter().find(|(name, _)| name == OsStr::new(wanted))?;
        value.to_str().filter(|name| !name.trim().is_empty()).map(str::to_owned)
    })
}
