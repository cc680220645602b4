//! What happens to transactions, for those who watch.

use broker::io::TransactionEvent;
use message::CommitLogOffset;
use protocol::BodyError;
use protocol::json::{Array, Object, Value, parse};

use super::happening;
use super::read::{items, signed, text, unsigned};

/// What happened since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// In the order in which it happened, each with the offset id of its half.
    pub events: Vec<(String, TransactionEvent)>,
    /// What to ask with next. Smaller than what was asked with: the broker was started anew.
    pub next: u64,
    /// Events that came and went in between, at least.
    pub missed: u64,
}

impl Watched {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut list = Array::begin(object.member("events"));
        for (offset_id, event) in &self.events {
            let mut one = Object::begin(list.item());
            one.int("happenedAt", event.at.millis());
            one.string("group", &event.group);
            one.string("id", &event.id);
            one.int("half", event.half.signed());
            one.int("number", signed(event.number));
            one.string("offsetId", offset_id);
            happening::write(one.member("what"), event.at, &event.what);
            one.string("topic", &event.topic);
            one.end();
        }
        list.end();
        object.int("missed", signed(self.missed));
        object.int("next", signed(self.next));
        object.end();
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a member is missing or not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse(body)?;
        Ok(Self {
            events: items(&body, "events")?.iter().map(event).collect::<Result<_, _>>()?,
            next: unsigned(&body, "next")?,
            missed: unsigned(&body, "missed")?,
        })
    }
}

fn event(value: &Value<'_>) -> Result<(String, TransactionEvent), BodyError> {
    let what = value.get("what").ok_or(BodyError::Missing { name: "what" })?;
    let (at, what) = happening::read(what)?;
    let event = TransactionEvent {
        number: unsigned(value, "number")?,
        at,
        half: CommitLogOffset::new(unsigned(value, "half")?),
        id: text(value, "id")?,
        group: text(value, "group")?,
        topic: text(value, "topic")?,
        what,
    };
    Ok((text(value, "offsetId")?, event))
}

#[cfg(test)]
mod tests {
    use broker::io::Happening;
    use message::Timestamp;

    use super::*;

    #[test]
    fn events_come_back_as_they_were_written() {
        let event = TransactionEvent {
            number: 7,
            at: Timestamp::from_millis(1_700_000_000_000),
            half: CommitLogOffset::new(4096),
            id: "K1".into(),
            group: "payers".into(),
            topic: "orders".into(),
            what: Happening::Asked { client: "10.0.0.5@1".into() },
        };
        let watched = Watched { events: vec![("0A".into(), event)], next: 8, missed: 3 };
        let mut body = Vec::new();
        watched.write(&mut body);
        assert_eq!(Watched::decode(&body), Ok(watched));
        let error = Watched::decode(br#"{"events":[{"id":"K"}],"next":1,"missed":0}"#).unwrap_err().to_string();
        assert_eq!(error, r#"body member "what" is missing; send it"#);
    }
}
