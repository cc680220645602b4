//! One line of a client program: a JSON object with an `event` and the wall-clock time `at` in ms.

use std::collections::BTreeSet;

use serde_json::Value;

/// A line a client program printed.
#[derive(Clone)]
pub struct Event(Value);

impl Event {
    /// `None` when the line is not a JSON object with an `event`.
    pub fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        value.get("event")?.as_str()?;
        Some(Event(value))
    }

    /// What happened.
    pub fn name(&self) -> &str {
        self.text("event")
    }

    /// A field as it is; the programs are ours, so a missing one is a mistake of the suite.
    pub fn field(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("an event lacks {name:?}: {}", self.0))
    }

    /// A field that is text.
    pub fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_else(|| panic!("{name:?} is not text in {}", self.0))
    }

    /// A field that is a number, or text that says one.
    pub fn number(&self, name: &str) -> i64 {
        let field = self.field(name);
        let parsed = field.as_i64().or_else(|| field.as_str().and_then(|text| text.parse().ok()));
        parsed.unwrap_or_else(|| panic!("{name:?} is not a number in {}", self.0))
    }

    /// When it happened, wall clock, ms since 1970.
    pub fn at(&self) -> i64 {
        self.number("at")
    }

    /// The number of the message this is about; `FIRST` and on in a program that sends.
    pub fn index(&self) -> i64 {
        match self.0.get("index") {
            Some(_) => self.number("index"),
            None => {
                let content = self.field("content");
                let text = content.get("index").and_then(Value::as_str);
                text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no index in {}", self.0))
            }
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// As it was printed: lists of events stand in the reasons of failures.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// The different values of a text field, sorted.
pub fn distinct(events: &[Event], field: &str) -> BTreeSet<String> {
    events.iter().map(|event| event.text(field).to_owned()).collect()
}

/// The different message numbers, sorted.
pub fn indexes(events: &[Event]) -> BTreeSet<i64> {
    events.iter().map(Event::index).collect()
}
