use std::fmt;

use message::Timestamp;
use message::entry::CheckOutcome;

use crate::checker::{CheckerView, Stage};
use crate::config::{CheckConfig, WhenExhausted};
use crate::half::{HalfView, State};

/// Why an undecided half is where it is, and what happens next, for a person to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Why it is where it is.
    pub why: String,
    /// What happens next, and what the reader can do about it.
    pub next: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.next)
    }
}

/// Puts what ledger and checker know about an undecided half into words.
///
/// `checks` is [`crate::Checker::view`] of the half, `None` where nobody is asked about it.
pub fn explain(half: HalfView<'_>, checks: Option<&CheckerView>, config: &CheckConfig, now: Timestamp) -> Explanation {
    if half.state() == State::SetAside {
        return set_aside(half);
    }
    let Some(CheckerView { sessions, stage }) = checks else {
        return Explanation {
            why: format!("undecided since {}", half.stored_at()),
            next: "this broker asks nobody about it; it waits for a decision".to_owned(),
        };
    };
    match stage {
        Stage::Resting { due } => resting(half, *due, config, now),
        Stage::Waiting { due } if *sessions == 0 => nobody_there(half, *due),
        Stage::Waiting { due } if *due > now => nobody_answered(half, *due),
        Stage::Waiting { .. } => no_room(half, *sessions, config),
        Stage::Asked { client, session, sent_at, silent } => {
            let client = if client.is_empty() { format!("session {session}") } else { client.to_string() };
            let before = match silent {
                0 => String::new(),
                n => format!(", after {} did not answer", count(*n as u64, "other")),
            };
            Explanation {
                why: format!("asked {client} {} ago, no answer yet{before}", age(now, *sent_at)),
                next: format!(
                    "if no answer comes within {}, another producer of group {:?} is asked, and nothing is counted",
                    span(i64::from(config.answer_timeout_ms)),
                    half.group()
                ),
            }
        }
        Stage::Exhausted => Explanation {
            why: answered_unknown(config.check_max),
            next: match config.when_exhausted {
                WhenExhausted::SetAside => "it is being set aside".to_owned(),
                WhenExhausted::Rollback => "it is being rolled back".to_owned(),
            },
        },
    }
}

fn set_aside(half: HalfView<'_>) -> Explanation {
    let why = match half.attempts() {
        0 => "set aside".to_owned(),
        attempts => format!("set aside after {}", count(u64::from(attempts), "answer")) + " \"unknown\"",
    };
    let next = "nobody is asked any more and it is not delivered; commit it, roll it back or resume it by hand, or let \
                its producer decide";
    Explanation { why, next: next.to_owned() }
}

fn resting(half: HalfView<'_>, due: Timestamp, config: &CheckConfig, now: Timestamp) -> Explanation {
    match half.last_check() {
        Some(check) if check.outcome == CheckOutcome::Unknown && half.attempts() > 0 => Explanation {
            why: format!(
                "{} answered \"unknown\" {} ago, answer {} of {}",
                client(check.client),
                age(now, check.at),
                half.attempts(),
                config.check_max
            ),
            next: format!("a producer of group {:?} is asked again at {due}", half.group()),
        },
        _ => Explanation {
            why: format!("waiting for its first check at {due}, stored {} ago", age(now, half.stored_at())),
            next: format!("if it is undecided then, a producer of group {:?} is asked", half.group()),
        },
    }
}

fn nobody_there(half: HalfView<'_>, due: Timestamp) -> Explanation {
    Explanation {
        why: format!("nobody of group {:?} is connected, a check is due since {due}", half.group()),
        next: "the first producer that connects is asked at once; until then nothing is counted".to_owned(),
    }
}

fn nobody_answered(half: HalfView<'_>, due: Timestamp) -> Explanation {
    let last = half.last_check().map(|check| format!(", last {} at {}", client(check.client), check.at));
    Explanation {
        why: format!(
            "no connected producer of group {:?} answers, {} in a row unanswered{}",
            half.group(),
            count(u64::from(half.silent()), "check"),
            last.unwrap_or_default()
        ),
        next: format!("they are asked again at {due}, and a producer that connects before that is asked at once"),
    }
}

fn no_room(half: HalfView<'_>, sessions: usize, config: &CheckConfig) -> Explanation {
    Explanation {
        why: format!(
            "a check is due, but {} of group {:?} cannot take one now: at most {} may be unanswered",
            count(sessions as u64, "connected producer"),
            half.group(),
            count(config.unanswered_max as u64, "check")
        ),
        next: "it is asked about as soon as one of them answers, or another one connects".to_owned(),
    }
}

fn answered_unknown(times: u32) -> String {
    format!("its producers answered \"unknown\" {}", count(u64::from(times), "time"))
}

fn client(name: &str) -> &str {
    if name.is_empty() { "a producer without a client id" } else { name }
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn age(now: Timestamp, since: Timestamp) -> String {
    span(now.since_ms(since).max(0))
}

/// A length of time with one unit, or two where the first is a small number.
fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
