//! `tandem top`: what a broker does right now.

use std::collections::HashMap;
use std::io::Write;
use std::thread::sleep;
use std::time::Instant;

use remoting::own::{LISTED_MAX, Overview};
use serde_json::{Value as Json, json};

use super::admin::Admin;
use super::args::TopArgs;
use super::exit::Exit;
use super::run::{Failure, Screen};
use super::table::{Cell, Table, Tone, clean, number_of, span};

/// Moves the cursor to the first line; what follows overwrites what is there.
const HOME: &str = "\x1b[H";
/// Clears to the end of the line, and of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";
/// A transaction that is undecided for longer is worth a look: its first check should have settled it.
const OLD_MS: i64 = 60_000;

/// Carries out `tandem top`.
pub fn run(args: &TopArgs, addr: &str, admin: &mut dyn Admin, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let until = args.time.map(|time| Instant::now() + time);
    let mut before = admin.overview()?;
    loop {
        sleep(args.interval);
        let now = admin.overview()?;
        let rates = Rates::between(&before, &now);
        if screen.json {
            writeln!(screen.out, "{}", json_of(&now, &rates))?;
        } else {
            let mut page = Vec::new();
            draw(&mut page, addr, &now, &rates, args.rows, screen.colours)?;
            let redraw = screen.terminal && !args.once;
            write_page(screen.out, &page, redraw)?;
            if !redraw && !args.once {
                writeln!(screen.out)?;
            }
        }
        screen.out.flush()?;
        if args.once || until.is_some_and(|until| Instant::now() >= until) {
            return Ok(Exit::Ok);
        }
        before = now;
    }
}

/// Writes a page over the one before, without a moment in which there is none.
fn write_page(out: &mut dyn Write, page: &[u8], redraw: bool) -> Result<(), Failure> {
    if !redraw {
        return Ok(out.write_all(page)?);
    }
    out.write_all(HOME.as_bytes())?;
    for line in page.split_inclusive(|byte| *byte == b'\n') {
        let (text, end) = line.strip_suffix(b"\n").map_or((line, ""), |text| (text, "\n"));
        out.write_all(text)?;
        write!(out, "{REST_OF_LINE}{end}")?;
    }
    Ok(write!(out, "{REST_OF_SCREEN}")?)
}

/// Numbers per second.
struct Rates {
    seconds: f64,
    sent: f64,
    delivered: f64,
    begun: f64,
    committed: f64,
    rolled_back: f64,
    checks: f64,
    topics: Vec<TopicRates>,
    groups: HashMap<String, f64>,
}

struct TopicRates {
    name: String,
    stored: f64,
    delivered: f64,
    open: u64,
}

impl Rates {
    /// Counters begin anew when the broker does; then there is nothing to compare with, and the rate is 0.
    fn between(before: &Overview, now: &Overview) -> Self {
        let seconds = (now.now.since_ms(before.now).max(1)) as f64 / 1000.0;
        let rate = |was: u64, is: u64| is.saturating_sub(was) as f64 / seconds;
        let topics_before: HashMap<&str, _> = before.topics.iter().map(|topic| (topic.name.as_str(), topic)).collect();
        let groups_before: HashMap<&str, _> = before.groups.iter().map(|group| (group.name.as_str(), group)).collect();
        let topics = now.topics.iter().map(|topic| {
            let was = topics_before.get(topic.name.as_str());
            TopicRates {
                name: topic.name.clone(),
                stored: rate(was.map_or(0, |was| was.stored), topic.stored),
                delivered: rate(was.map_or(0, |was| was.delivered), topic.delivered),
                open: topic.open,
            }
        });
        let groups = now.groups.iter().map(|group| {
            let was = groups_before.get(group.name.as_str()).map_or(0, |was| was.delivered);
            (group.name.clone(), rate(was, group.delivered))
        });
        Rates {
            seconds,
            sent: rate(before.stored, now.stored),
            delivered: rate(before.delivered, now.delivered),
            begun: rate(before.halves, now.halves),
            committed: rate(before.committed, now.committed),
            rolled_back: rate(before.rolled_back, now.rolled_back),
            checks: rate(before.checks, now.checks),
            topics: topics.collect(),
            groups: groups.collect(),
        }
    }
}

fn draw(
    out: &mut dyn Write,
    addr: &str,
    now: &Overview,
    rates: &Rates,
    rows: usize,
    colours: bool,
) -> Result<(), Failure> {
    let up = span(now.now.since_ms(now.started));
    let connections = number_of(now.connections, "connection");
    writeln!(out, "tandem {} at {addr}, up {up}, {connections}", clean(&now.version))?;
    writeln!(out, "messages      {} sent/s, {} delivered/s", per_second(rates.sent), per_second(rates.delivered))?;
    writeln!(
        out,
        "transactions  {} begun/s, {} committed/s, {} rolled back/s, {} checks/s",
        per_second(rates.begun),
        per_second(rates.committed),
        per_second(rates.rolled_back),
        per_second(rates.checks)
    )?;
    let age_ms = now.oldest_pending.map(|oldest| now.now.since_ms(oldest).max(0));
    let oldest = age_ms.map_or(String::new(), |ms| format!(", the oldest for {}", span(ms)));
    let tone = match (now.set_aside, age_ms) {
        (1.., _) => Tone::Bad,
        (0, Some(OLD_MS..)) => Tone::Warn,
        _ => Tone::Plain,
    };
    let open = format!("open          {} undecided{oldest}; {} set aside", now.pending, now.set_aside);
    writeln!(out, "{}\n", super::table::paint(&open, tone, colours))?;

    let mut topics: Vec<&TopicRates> = rates.topics.iter().collect();
    topics.sort_by(|a, b| (b.stored + b.delivered).total_cmp(&(a.stored + a.delivered)).then(a.name.cmp(&b.name)));
    let mut table = Table::new(&["TOPIC", "#IN/S", "#OUT/S", "#OPEN"]);
    for topic in topics.iter().take(rows) {
        let open = Cell::toned(topic.open.to_string(), if topic.open > 0 { Tone::Warn } else { Tone::Plain });
        table.row(vec![
            (&topic.name).into(),
            per_second(topic.stored).into(),
            per_second(topic.delivered).into(),
            open,
        ]);
    }
    table.write(out, 0, colours)?;
    if topics.is_empty() {
        writeln!(out, "no topic was used since the broker started")?;
    }
    others(out, topics.len(), rows, "topic")?;
    writeln!(out)?;

    let mut groups: Vec<_> = now.groups.iter().collect();
    groups.sort_by(|a, b| b.lag.cmp(&a.lag).then(a.name.cmp(&b.name)));
    let mut table = Table::new(&["GROUP", "#MEMBERS", "#OUT/S", "#LAG"]);
    for group in groups.iter().take(rows) {
        let out_rate = rates.groups.get(&group.name).copied().unwrap_or(0.0);
        let members = Cell::toned(
            group.members.to_string(),
            if group.members == 0 && group.lag > 0 { Tone::Bad } else { Tone::Plain },
        );
        table.row(vec![(&group.name).into(), members, per_second(out_rate).into(), group.lag.into()]);
    }
    table.write(out, 0, colours)?;
    if groups.is_empty() {
        writeln!(out, "no consumer groups yet")?;
    }
    others(out, groups.len(), rows, "group")
}

fn others(out: &mut dyn Write, count: usize, rows: usize, what: &str) -> Result<(), Failure> {
    if count > rows {
        writeln!(out, "and {} (--rows)", number_of((count - rows) as u64, &format!("other {what}")))?;
    }
    if count >= LISTED_MAX {
        writeln!(out, "the broker tells of the first {LISTED_MAX} {what}s by name, there may be more")?;
    }
    Ok(())
}

/// A rate to the eye: one decimal below 100.
fn per_second(rate: f64) -> String {
    if rate < 99.95 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn json_of(now: &Overview, rates: &Rates) -> Json {
    let round = |rate: f64| (rate * 10.0).round() / 10.0;
    let topics = rates.topics.iter().map(|topic| {
        json!({
            "name": topic.name,
            "in_per_second": round(topic.stored),
            "out_per_second": round(topic.delivered),
            "open_transactions": topic.open,
        })
    });
    let groups = now.groups.iter().map(|group| {
        json!({
            "name": group.name,
            "members": group.members,
            "out_per_second": round(rates.groups.get(&group.name).copied().unwrap_or(0.0)),
            "lag": group.lag,
        })
    });
    json!({
        "now_ms": now.now.millis(),
        "uptime_ms": now.now.since_ms(now.started),
        "version": now.version,
        "connections": now.connections,
        "seconds": rates.seconds,
        "sent_per_second": round(rates.sent),
        "delivered_per_second": round(rates.delivered),
        "begun_per_second": round(rates.begun),
        "committed_per_second": round(rates.committed),
        "rolled_back_per_second": round(rates.rolled_back),
        "checks_per_second": round(rates.checks),
        "undecided": now.pending,
        "set_aside": now.set_aside,
        "oldest_ms": now.oldest_pending.map(|oldest| now.now.since_ms(oldest).max(0)),
        "topic_count": now.topic_count,
        "group_count": now.group_count,
        "topics": topics.collect::<Vec<_>>(),
        "groups": groups.collect::<Vec<_>>(),
    })
}
