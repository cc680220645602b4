//! What happened to a transaction, as JSON: one object each, told apart by its member `event`.

use broker::io::Happening;
use message::entry::{CheckOutcome, DecidedBy, Outcome};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use protocol::BodyError;
use protocol::json::{Object, Value};

use super::read::{int, text};

const CHECK_OUTCOMES: [(CheckOutcome, &str); 2] =
    [(CheckOutcome::Unknown, "unknown"), (CheckOutcome::Silent, "silent")];
const OUTCOMES: [(Outcome, &str); 2] = [(Outcome::Commit, "commit"), (Outcome::Rollback, "rollback")];
const DECIDERS: [(DecidedBy, &str); 4] = [
    (DecidedBy::Producer, "producer"),
    (DecidedBy::CheckAnswer, "check-answer"),
    (DecidedBy::Operator, "operator"),
    (DecidedBy::Exhausted, "exhausted"),
];

/// Appends one event.
pub(super) fn write(out: &mut Vec<u8>, at: Timestamp, happening: &Happening) {
    let mut event = Object::begin(out);
    event.int("at", at.millis());
    members(&mut event, happening);
    event.end();
}

/// What happened, into an object that says more than that.
pub(super) fn members(event: &mut Object<'_>, happening: &Happening) {
    match happening {
        Happening::Stored { client, at } => {
            event.string("client", client);
            event.string("event", "stored");
            event.int("logOffset", at.signed());
        }
        Happening::Asked { client } => {
            event.string("client", client);
            event.string("event", "asked");
        }
        Happening::Checked { client, outcome } => {
            event.string("answer", word(&CHECK_OUTCOMES, *outcome));
            event.string("client", client);
            event.string("event", "checked");
        }
        Happening::Decided { outcome, by, who, why } => {
            event.string("by", word(&DECIDERS, *by));
            event.string("event", "decided");
            event.string("outcome", word(&OUTCOMES, *outcome));
            event.string("who", who);
            event.string("why", why);
        }
        Happening::SetAside { who, why } => {
            event.string("event", "set-aside");
            event.string("who", who);
            event.string("why", why);
        }
        Happening::Resumed { who, why } => {
            event.string("event", "resumed");
            event.string("who", who);
            event.string("why", why);
        }
        Happening::Scheduled { deliver_at } => {
            event.int("deliverAt", deliver_at.millis());
            event.string("event", "scheduled");
        }
        Happening::Visible { topic, queue, offset, at } => {
            event.string("event", "visible");
            event.int("logOffset", at.signed());
            event.int("offset", offset.signed());
            event.int("queue", *queue);
            event.string("topic", topic);
        }
    }
}

/// Reads one event.
pub(super) fn read(value: &Value<'_>) -> Result<(Timestamp, Happening), BodyError> {
    let happening = match &*text(value, "event")? {
        "stored" => Happening::Stored { client: text(value, "client")?, at: log_offset(value)? },
        "asked" => Happening::Asked { client: text(value, "client")? },
        "checked" => {
            Happening::Checked { client: text(value, "client")?, outcome: meaning(value, "answer", &CHECK_OUTCOMES)? }
        }
        "decided" => Happening::Decided {
            outcome: meaning(value, "outcome", &OUTCOMES)?,
            by: meaning(value, "by", &DECIDERS)?,
            who: text(value, "who")?,
            why: text(value, "why")?,
        },
        "set-aside" => Happening::SetAside { who: text(value, "who")?, why: text(value, "why")? },
        "resumed" => Happening::Resumed { who: text(value, "who")?, why: text(value, "why")? },
        "scheduled" => Happening::Scheduled { deliver_at: Timestamp::from_millis(int(value, "deliverAt")?) },
        "visible" => Happening::Visible {
            topic: text(value, "topic")?,
            queue: u32::try_from(int(value, "queue")?).map_err(|_| wrong("queue", "a negative number"))?,
            offset: QueueOffset::from_signed(int(value, "offset")?).ok_or_else(|| wrong("offset", "negative"))?,
            at: log_offset(value)?,
        },
        other => return Err(wrong("event", other)),
    };
    Ok((Timestamp::from_millis(int(value, "at")?), happening))
}

fn log_offset(value: &Value<'_>) -> Result<CommitLogOffset, BodyError> {
    CommitLogOffset::from_signed(int(value, "logOffset")?).ok_or_else(|| wrong("logOffset", "negative"))
}

fn word<T: PartialEq>(words: &[(T, &'static str)], meaning: T) -> &'static str {
    words.iter().find(|(known, _)| *known == meaning).map(|(_, word)| *word).expect("every one has a word")
}

fn meaning<T: Copy>(value: &Value<'_>, name: &'static str, words: &[(T, &'static str)]) -> Result<T, BodyError> {
    let found = text(value, name)?;
    let known = words.iter().find(|(_, word)| *word == found);
    known.map(|(meaning, _)| *meaning).ok_or_else(|| wrong(name, &found))
}

fn wrong(name: &'static str, found: &str) -> BodyError {
    let value = format!("{:?}", found.chars().take(64).collect::<String>());
    BodyError::Invalid { name, value, expected: "what a broker of this version says" }
}

#[cfg(test)]
mod tests {
    use protocol::json::parse;

    use super::*;

    #[test]
    fn everything_that_can_happen_comes_back_as_it_was_written() {
        let (who, why) = ("ann".to_owned(), "the order was \"paid\"".to_owned());
        let at = CommitLogOffset::new(4096);
        let mut all = vec![
            Happening::Stored { client: "10.0.0.5@1".to_owned(), at },
            Happening::Asked { client: "10.0.0.5@1".to_owned() },
            Happening::SetAside { who: String::new(), why: why.clone() },
            Happening::Resumed { who: who.clone(), why: why.clone() },
            Happening::Scheduled { deliver_at: Timestamp::from_millis(9) },
            Happening::Visible { topic: "orders".to_owned(), queue: 3, offset: QueueOffset::new(17), at },
        ];
        all.extend(CHECK_OUTCOMES.map(|(outcome, _)| Happening::Checked { client: String::new(), outcome }));
        for (outcome, _) in OUTCOMES {
            for (by, _) in DECIDERS {
                all.push(Happening::Decided { outcome, by, who: who.clone(), why: why.clone() });
            }
        }
        for happening in all {
            let mut out = Vec::new();
            write(&mut out, Timestamp::from_millis(5), &happening);
            assert_eq!(read(&parse(&out).unwrap()), Ok((Timestamp::from_millis(5), happening)));
        }
    }

    #[test]
    fn an_event_that_is_not_known_is_named() {
        let error = read(&parse(br#"{"at":1,"event":"exploded"}"#).unwrap()).unwrap_err().to_string();
        assert!(error.contains("exploded"), "{error}");
    }
}
