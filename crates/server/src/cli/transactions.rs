//! `tandem transactions`.

use std::ffi::OsStr;

use serde_json::json;

use super::admin::Admin;
use super::args::{ActionArgs, ResolveArgs, TransactionsArgs, TransactionsCommand, TransactionsList};
use super::exit::Exit;
use super::model::{Resolve, ResolveAction, TransactionDetail, TransactionQuery, TransactionRow, TransactionState};
use super::run::{Failure, Screen, Variables};
use super::table::{Cell, Table, Tone, clean, number_of, span, time, write_fields};
use super::{json, story};

/// Rows asked for at a time.
const PAGE_ROWS: u32 = 1000;

/// Carries out `tandem transactions`.
pub fn run(
    args: TransactionsArgs,
    variables: &Variables,
    admin: &mut dyn Admin,
    screen: &mut Screen<'_>,
) -> Result<Exit, Failure> {
    match args.command.unwrap_or(TransactionsCommand::List(TransactionsList::default())) {
        TransactionsCommand::List(how) => list(&how, admin, screen)?,
        TransactionsCommand::Show { id } => show(&admin.transaction(&id)?, screen)?,
        TransactionsCommand::Resolve(args) => resolve(&args, variables, admin, screen)?,
    }
    Ok(Exit::Ok)
}

fn list(how: &TransactionsList, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut rows: Vec<TransactionRow> = Vec::new();
    let mut query = TransactionQuery {
        group: how.group.clone(),
        topic: how.topic.clone(),
        state: how.state.map(Into::into),
        older_than_ms: how.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        limit: how.limit.min(PAGE_ROWS),
        after: None,
    };
    let last = loop {
        let page = admin.transactions(&query)?;
        rows.extend(page.rows.iter().take(how.limit as usize - rows.len()).cloned());
        if page.next.is_none() || rows.len() >= how.limit as usize {
            break page;
        }
        query.limit = (how.limit - rows.len() as u32).min(PAGE_ROWS);
        query.after.clone_from(&page.next);
    };
    let more = last.next.is_some();
    if screen.json {
        let answer = json!({
            "transactions": rows.iter().map(json::of).collect::<Vec<_>>(),
            "more": more,
            "undecided": last.undecided,
            "set_aside": last.set_aside,
            "now_ms": last.now_ms,
        });
        return Ok(json::write(screen.out, &answer)?);
    }
    if !rows.is_empty() {
        table_of(&rows, last.now_ms).write(screen.out, 0, screen.colours)?;
    }
    let shown = match (rows.len(), more) {
        (0, _) => "none shown: no transaction fits what was asked for".to_owned(),
        (count, true) => format!("the oldest {count} that fit are shown (list --limit)"),
        (count, false) => format!("{count} shown"),
    };
    // The totals stand here whatever the filters: an empty answer must not look like an idle broker.
    writeln!(screen.out, "{shown}; the broker has {} undecided, {} set aside", last.undecided, last.set_aside)?;
    Ok(())
}

fn table_of(rows: &[TransactionRow], now_ms: i64) -> Table {
    let mut table = Table::new(&["TRANSACTION", "STATE", "#AGE", "GROUP", "TOPIC", "#UNKNOWN", "NEXT CHECK"]);
    for row in rows {
        let (next, tone) = next_check(row, now_ms);
        table.row(vec![
            (&row.id).into(),
            Cell::toned(row.state.word(), state_tone(row.state)),
            span(now_ms.saturating_sub(row.stored_at_ms)).into(),
            (&row.group).into(),
            (&row.topic).into(),
            row.checks.into(),
            Cell::toned(next, tone),
        ]);
    }
    table
}

fn next_check(row: &TransactionRow, now_ms: i64) -> (String, Tone) {
    if row.state != TransactionState::Undecided {
        return ("-".to_owned(), Tone::Dim);
    }
    match row.next_check_at_ms {
        _ if row.producers_online == 0 => ("no producer online".to_owned(), Tone::Bad),
        Some(at_ms) if at_ms > now_ms => (format!("in {}", span(at_ms - now_ms)), Tone::Plain),
        Some(_) => ("due".to_owned(), Tone::Plain),
        None => ("waits for an answer".to_owned(), Tone::Plain),
    }
}

fn state_tone(state: TransactionState) -> Tone {
    match state {
        TransactionState::Undecided => Tone::Warn,
        TransactionState::SetAside => Tone::Bad,
        TransactionState::Committed | TransactionState::RolledBack => Tone::Good,
    }
}

fn show(detail: &TransactionDetail, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let explanation = story::explanation(detail);
    if screen.json {
        let mut answer = json::of(detail);
        answer["explanation"] = json!(explanation);
        return Ok(json::write(screen.out, &answer)?);
    }
    let row = &detail.row;
    let state = super::table::paint(row.state.word(), state_tone(row.state), screen.colours);
    writeln!(screen.out, "transaction {}  {state}", clean(&row.id))?;
    write_fields(
        screen.out,
        &[
            ("offset id", row.offset_id.clone()),
            ("group", format!("{}, {} online", row.group, number_of(row.producers_online.into(), "producer"))),
            ("topic", format!("{}, queue {}", row.topic, detail.queue)),
            ("tag", detail.tag.clone()),
            ("keys", row.keys.clone()),
            ("size", number_of(detail.size.into(), "byte")),
            ("stored", time(row.stored_at_ms)),
            ("checks", checks(detail)),
        ],
    )?;
    writeln!(screen.out)?;
    let mut table = Table::new(&["#AFTER", "WHAT", ""]);
    for line in story::timeline(detail) {
        let after = format!("+{}", span(line.after_ms));
        table.row(vec![after.into(), Cell::toned(line.word, line.tone), line.particulars.into()]);
    }
    table.write(screen.out, 2, screen.colours)?;
    writeln!(screen.out, "\n{}", clean(&explanation))?;
    Ok(())
}

/// Empty while nobody has been asked.
fn checks(detail: &TransactionDetail) -> String {
    let silent = match detail.silent {
        0 => String::new(),
        count => format!(", {count} not answered in time"),
    };
    match (detail.row.checks, detail.silent) {
        (0, 0) => String::new(),
        (unknown, _) => format!("{unknown} of {} answered UNKNOWN{silent}", detail.check_max),
    }
}

fn resolve(
    args: &ResolveArgs,
    variables: &Variables,
    admin: &mut dyn Admin,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let action = action_of(&args.action);
    let by = match &args.by {
        Some(name) => name.clone(),
        None => user_name(variables).ok_or_else(|| {
            Failure::Usage("who decides is not known, and it is recorded; say it with --by NAME".to_owned())
        })?,
    };
    let detail = admin.transaction(&args.id)?;
    let before = detail.row.state;
    let needed = is_needed(&detail, action)?;
    if needed && !args.dry_run {
        admin.resolve(&Resolve {
            id: detail.row.id.clone(),
            offset_id: detail.row.offset_id.clone(),
            group: detail.row.group.clone(),
            action,
            by: by.clone(),
            reason: args.reason.clone(),
        })?;
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
            let done = match action {
                ResolveAction::Commit => "committed",
                ResolveAction::Rollback => "rolled back",
                ResolveAction::Resume => "resumed",
            };
            writeln!(screen.out, "{id} is {done} by {}; `tandem transactions show {id}` tells the rest", clean(&by))?;
        }
    }
    Ok(())
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
