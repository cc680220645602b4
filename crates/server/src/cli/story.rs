//! The life of a transaction in plain words: what happened, why it is where it is, and what can be done about it.

use super::model::{CheckAnswer, DecidedBy, DecidedOutcome, Event, TransactionDetail, TransactionState, What};
use super::table::{Tone, time};

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
    let (word, tone, particulars) = match &event.what {
        What::Stored { client, log_offset } => {
            ("stored", Tone::Plain, format!("by {}, at {log_offset} of the log", named(client, "a producer")))
        }
        What::Checked { client, answer: CheckAnswer::Unknown } => (
            "asked",
            Tone::Warn,
            format!("{}, which answered UNKNOWN ({unknown} of {})", named(client, "a producer"), detail.check_max),
        ),
        What::Checked { client, answer: CheckAnswer::Silent } => {
            ("asked", Tone::Warn, format!("{}, which did not answer in time", named(client, "a producer")))
        }
        What::Decided { outcome, by, who, why } => {
            let (word, tone) = match outcome {
                DecidedOutcome::Commit => ("committed", Tone::Good),
                DecidedOutcome::Rollback => ("rolled back", Tone::Good),
            };
            (word, tone, with_reason(decider(*by, who), why))
        }
        What::SetAside { who, why } => ("set aside", Tone::Bad, with_reason(by_whom(who), why)),
        What::Resumed { who, why } => ("resumed", Tone::Plain, with_reason(by_whom(who), why)),
        What::Scheduled { deliver_at_ms } => {
            ("scheduled", Tone::Plain, format!("to become visible at {}", time(*deliver_at_ms)))
        }
        What::Visible { topic, queue, offset, log_offset } => {
            ("visible", Tone::Good, format!("in {topic}, queue {queue}, offset {offset}, at {log_offset} of the log"))
        }
    };
    Line { after_ms: event.at_ms.saturating_sub(detail.row.stored_at_ms), word, tone, particulars }
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

/// Why the transaction is where it is, and what happens next: the broker's words, and what the reader can type.
pub fn explanation(detail: &TransactionDetail) -> String {
    let why = &detail.explanation;
    match detail.row.state {
        TransactionState::SetAside => {
            let id = &detail.row.id;
            format!("{why}. By hand: tandem transactions resolve {id} --commit, --rollback or --resume")
        }
        TransactionState::Undecided | TransactionState::Committed | TransactionState::RolledBack => why.clone(),
    }
}
