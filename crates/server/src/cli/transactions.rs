//! `tandem transactions`: [`resolve`](mod@resolve) and [`watch`](mod@watch) have files of their own.

mod resolve;
mod watch;

use serde_json::json;

use super::admin::Admin;
use super::args::{TransactionsArgs, TransactionsCommand, TransactionsList};
use super::exit::Exit;
use super::model::{TransactionDetail, TransactionPage, TransactionQuery, TransactionRow, TransactionState};
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
        TransactionsCommand::Resolve(args) => return resolve::run(&args, variables, admin, screen),
        TransactionsCommand::Watch(args) => watch::run(&args, admin, screen)?,
    }
    Ok(Exit::Ok)
}

/// As many rows as wanted, page after page, and what the last page said. A page may be empty although others follow:
/// the broker looks at a bounded number of transactions for one answer.
fn gather(
    mut query: TransactionQuery,
    limit: u32,
    admin: &mut dyn Admin,
) -> Result<(Vec<TransactionRow>, TransactionPage), Failure> {
    let mut rows: Vec<TransactionRow> = Vec::new();
    loop {
        query.limit = (limit - rows.len() as u32).min(PAGE_ROWS);
        let mut page = admin.transactions(&query)?;
        rows.append(&mut page.rows);
        if page.next.is_none() || rows.len() >= limit as usize {
            return Ok((rows, page));
        }
        query.after.clone_from(&page.next);
    }
}

fn list(how: &TransactionsList, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let query = TransactionQuery { after: how.after.clone(), ..how.filter.query() };
    let (rows, last) = gather(query, how.limit, admin)?;
    if screen.json {
        let answer = json!({
            "transactions": rows.iter().map(json::of).collect::<Vec<_>>(),
            "more": last.next.is_some(),
            "next": last.next,
            "undecided": last.undecided,
            "set_aside": last.set_aside,
            "now_ms": last.now_ms,
        });
        return Ok(json::write(screen.out, &answer)?);
    }
    if !rows.is_empty() {
        table_of(&rows, last.now_ms).write(screen.out, 0, screen.colours)?;
    }
    let shown = match (rows.len(), &last.next) {
        (0, _) => "none shown: no transaction fits what was asked for".to_owned(),
        (count, Some(next)) => format!("the oldest {count} that fit are shown (list --limit N, or --after {next})"),
        (count, None) => format!("{count} shown"),
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
        answer["commands"] = story::commands(detail).into_iter().map(|(command, _)| json!(command)).collect();
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
            ("keys", detail.keys.clone()),
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
    for (command, meaning) in story::commands(detail) {
        writeln!(screen.out, "  {}    {meaning}", clean(&command))?;
    }
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
