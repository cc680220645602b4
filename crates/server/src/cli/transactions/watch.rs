//! `tandem transactions watch`.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::admin::{Admin, AdminError};
use super::super::args::WatchArgs;
use super::super::json;
use super::super::model::{TransactionQuery, WatchedEvent, What};
use super::super::run::{Failure, Screen};
use super::super::story;
use super::super::table::{clean, paint, span, time};
use super::gather;

/// How long a quiet broker is left alone. An event is shown so much later at most.
const PAUSE: Duration = Duration::from_millis(200);
/// Open transactions whose names are remembered, so that their decisions can be shown with names. For others the broker
/// is asked.
const KNOWN_MAX: usize = 100_000;
/// Of those, so many of the oldest that were open already.
const KNOWN_BEFORE_MAX: u32 = 10_000;

/// How long a broker that is never quiet is listened to when the time is over.
const OVERTIME: Duration = Duration::from_secs(1);

struct Known {
    id: String,
    group: String,
    topic: String,
    stored_at_ms: i64,
}

/// Carries out `tandem transactions watch`.
pub fn run(args: &WatchArgs, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let until = args.time.map(|time| Instant::now() + time);
    // Watching begins before the open ones are listed: what happens in between is told.
    let mut next = admin.watch(None)?.next;
    let (rows, page) = gather(TransactionQuery::default(), KNOWN_BEFORE_MAX, admin)?;
    let mut known: HashMap<String, Known> = rows
        .into_iter()
        .map(|row| {
            let about = Known { id: row.id, group: row.group, topic: row.topic, stored_at_ms: row.stored_at_ms };
            (row.offset_id, about)
        })
        .collect();
    if !screen.json {
        let (undecided, set_aside) = (page.undecided, page.set_aside);
        writeln!(screen.out, "watching; the broker has {undecided} undecided, {set_aside} set aside")?;
    }
    screen.out.flush()?;
    loop {
        let watched = admin.watch(Some(next))?;
        if watched.missed > 0 {
            missed(watched.missed, screen)?;
        }
        next = watched.next;
        let quiet = watched.events.is_empty();
        for mut event in watched.events {
            let stored_at_ms = name(&mut event, &mut known, admin)?;
            let wanted = |filter: &Option<String>, value: &str| filter.as_deref().is_none_or(|filter| filter == value);
            if wanted(&args.group, &event.group) && wanted(&args.topic, &event.topic) && wanted(&args.id, &event.id) {
                show(&event, stored_at_ms, screen)?;
            }
        }
        screen.out.flush()?;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match (quiet, left) {
            (true, Some(Duration::ZERO)) => return Ok(()),
            (true, left) => sleep(left.map_or(PAUSE, |left| left.min(PAUSE))),
            // What happened before the time was over is told, unless there is no end to it.
            (false, _) if until.is_some_and(|until| Instant::now() > until + OVERTIME) => return Ok(()),
            (false, _) => {}
        }
    }
}

/// Gives an event its names, where the broker had them not at hand, and tells when its half was stored.
fn name(
    event: &mut WatchedEvent,
    known: &mut HashMap<String, Known>,
    admin: &mut dyn Admin,
) -> Result<Option<i64>, Failure> {
    if let What::Stored { .. } = event.event.what {
        let (id, group, topic) = (event.id.clone(), event.group.clone(), event.topic.clone());
        if known.len() < KNOWN_MAX {
            known.insert(event.offset_id.clone(), Known { id, group, topic, stored_at_ms: event.event.at_ms });
        }
        return Ok(Some(event.event.at_ms));
    }
    let decided = matches!(event.event.what, What::Decided { .. });
    let about = if decided { known.remove(&event.offset_id) } else { None };
    let about = match (about, known.get(&event.offset_id)) {
        (None, Some(about)) => return named(event, &about.id, &about.group, &about.topic, about.stored_at_ms),
        (Some(about), _) => about,
        (None, None) => match admin.transaction(&event.offset_id) {
            Ok(detail) => {
                let row = detail.row;
                Known { id: row.id, group: row.group, topic: row.topic, stored_at_ms: row.stored_at_ms }
            }
            // It has expired in the meantime: the event is told with the one name it has.
            Err(AdminError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
    };
    named(event, &about.id, &about.group, &about.topic, about.stored_at_ms)
}

fn named(
    event: &mut WatchedEvent,
    id: &str,
    group: &str,
    topic: &str,
    stored_at_ms: i64,
) -> Result<Option<i64>, Failure> {
    id.clone_into(&mut event.id);
    group.clone_into(&mut event.group);
    topic.clone_into(&mut event.topic);
    Ok(Some(stored_at_ms))
}

fn show(event: &WatchedEvent, stored_at_ms: Option<i64>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        let mut line = json::of(event);
        line["stored_at_ms"] = json!(stored_at_ms);
        writeln!(screen.out, "{line}")?;
        return Ok(());
    }
    let (word, tone, particulars) = story::words(&event.event.what, None);
    let after = stored_at_ms.map(|stored| format!("+{}", span(event.event.at_ms.saturating_sub(stored))));
    let id = if event.id.is_empty() { &event.offset_id } else { &event.id };
    writeln!(
        screen.out,
        "{}  {}  {:>7}  {}  {} -> {}  {}",
        time(event.event.at_ms),
        paint(&format!("{word:<11}"), tone, screen.colours),
        after.unwrap_or_default(),
        clean(id),
        unless_empty(&event.group),
        unless_empty(&event.topic),
        clean(&particulars),
    )?;
    Ok(())
}

fn unless_empty(name: &str) -> String {
    if name.is_empty() { "?".to_owned() } else { clean(name) }
}

fn missed(count: u64, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        writeln!(screen.out, "{}", json!({ "event": "missed", "count": count }))?;
    } else {
        writeln!(screen.out, "... {count} events or more came and went unseen")?;
    }
    Ok(())
}
