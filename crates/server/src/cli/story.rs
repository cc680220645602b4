//! The life of a transaction in plain words: what happened, why it is where it is, and what can be done about it.

use super::model::{CheckAnswer, DecidedBy, DecidedOutcome, Event, TransactionDetail, TransactionState, What};
use super::table::{Tone, span, time};

/// One line of the timeline: what happened in one word, how that is, and the particulars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Milliseconds after the half was stored.
    pub after_ms: i64,
    /// `stored`, `asked`, `committed` ...
    pub word: &'static str,
    /// How that is.
    pub tone: Tone,
    /// Who, where, why.
    pub particulars: String,
}

/// The timeline, the oldest line first.
pub fn timeline(detail: &TransactionDetail) -> Vec<Line> {
    let mut unknown = 0;
    detail
        .timeline
        .iter()
        .map(|event| {
            match event.what {
                What::Checked { answer: CheckAnswer::Unknown, .. } => unknown += 1,
                What::Resumed { .. } => unknown = 0,
                _ => {}
            }
            line(detail, event, unknown)
        })
        .collect()
}

fn line(detail: &TransactionDetail, event: &Event, unknown: u32) -> Line {
    let (word, tone, particulars) = words(&event.what, Some((unknown, detail.check_max)));
    Line { after_ms: event.at_ms.saturating_sub(detail.row.stored_at_ms), word, tone, particulars }
}

/// One thing that happened: in a word, how that is, and the particulars. `unknown` is how many answers "unknown" there
/// were with it, and how many there may be, where that is known.
pub fn words(what: &What, unknown: Option<(u32, u32)>) -> (&'static str, Tone, String) {
    match what {
        What::Stored { client, log_offset } => {
            ("stored", Tone::Plain, format!("by {}, at {log_offset} of the log", named(client, "a producer")))
        }
        What::Asked { client } => ("asked", Tone::Plain, named(client, "a producer").to_owned()),
        What::Checked { client, answer } => {
            let client = named(client, "a producer");
            let (word, answer) = match (unknown, answer) {
                (Some((count, max)), CheckAnswer::Unknown) => {
                    ("asked", format!(", which answered UNKNOWN ({count} of {max})"))
                }
                (None, CheckAnswer::Unknown) => ("unknown", ", which answered UNKNOWN".to_owned()),
                (Some(_), CheckAnswer::Silent) => ("asked", ", which did not answer in time".to_owned()),
                (None, CheckAnswer::Silent) => ("silent", ", which did not answer in time".to_owned()),
            };
            (word, Tone::Warn, format!("{client}{answer}"))
        }
        What::Decided { outcome, by, who, why } => {
            let word = match outcome {
                DecidedOutcome::Commit => "committed",
                DecidedOutcome::Rollback => "rolled back",
            };
            (word, Tone::Good, with_reason(decider(*by, who), why))
        }
        What::SetAside { who, why } => ("set aside", Tone::Bad, with_reason(by_whom(who), why)),
        What::Resumed { who, why } => ("resumed", Tone::Plain, with_reason(by_whom(who), why)),
        What::Scheduled { deliver_at_ms } => {
            ("scheduled", Tone::Plain, format!("to become visible at {}", time(*deliver_at_ms)))
        }
        What::Visible { topic, queue, offset, log_offset } => {
            ("visible", Tone::Good, format!("in {topic}, queue {queue}, offset {offset}, at {log_offset} of the log"))
        }
    }
}

fn decider(by: DecidedBy, who: &str) -> String {
    match by {
        DecidedBy::Producer => format!("by {}", named(who, "a producer")),
        DecidedBy::CheckAnswer => format!("by {}, which was asked", named(who, "a producer")),
        DecidedBy::Operator => format!("by hand, by {}", named(who, "somebody")),
        DecidedBy::Exhausted => "by the rule transactions.when_exhausted".to_owned(),
    }
}

fn by_whom(who: &str) -> String {
    if who.is_empty() { "by the broker".to_owned() } else { format!("by {who}") }
}

fn with_reason(text: String, why: &str) -> String {
    if why.is_empty() { text } else { format!("{text}: {why}") }
}

fn named<'a>(client: &'a str, otherwise: &'a str) -> &'a str {
    if client.is_empty() { otherwise } else { client }
}

/// Why the transaction is where it is, and what happens next: the broker's words, and what the timeline adds to them.
pub fn explanation(detail: &TransactionDetail) -> String {
    let why = &detail.explanation;
    let last = |wanted: fn(&What) -> bool| detail.timeline.iter().rev().find(|event| wanted(&event.what));
    match detail.row.state {
        TransactionState::Committed | TransactionState::RolledBack => {
            let Some(event) = last(|what| matches!(what, What::Decided { .. })) else { return why.clone() };
            let (_, _, by) = words(&event.what, None);
            let after = span(event.at_ms.saturating_sub(detail.row.stored_at_ms));
            format!("{why}. It was decided {after} after it was stored, {by}; a decision is final")
        }
        TransactionState::SetAside => match last(|what| matches!(what, What::SetAside { .. })) {
            Some(Event { what: What::SetAside { who, why: reason }, .. }) if !reason.is_empty() => {
                format!("{why}. It was set aside {}: {reason}", by_whom(who))
            }
            _ => why.clone(),
        },
        TransactionState::Undecided if detail.row.producers_online == 0 => {
            format!("{why}. Start a producer of group {}, or decide it by hand", detail.row.group)
        }
        TransactionState::Undecided => why.clone(),
    }
}

/// What the reader can type about it, and what that means. Nothing where it goes on by itself.
pub fn commands(detail: &TransactionDetail) -> Vec<(String, &'static str)> {
    let resolve = |how: &str| format!("tandem transactions resolve {} --{how} --reason TEXT", detail.row.id);
    let mut commands =
        vec![(resolve("commit"), "the database change happened"), (resolve("rollback"), "it did not, and never will")];
    match detail.row.state {
        TransactionState::SetAside => {
            commands.push((resolve("resume"), "its producers know now"));
            commands
        }
        TransactionState::Undecided if detail.row.producers_online == 0 => commands,
        TransactionState::Undecided | TransactionState::Committed | TransactionState::RolledBack => Vec::new(),
    }
}
