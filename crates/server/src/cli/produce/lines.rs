//! Where messages come from, and what they are made of.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use anyhow::Context;
use client::Message;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::super::args::ProduceArgs;
use super::super::run::Failure;

/// Largest line or file, in bytes: the largest body that brokers take.
const BODY_SIZE_MAX: usize = 4 * 1024 * 1024;
/// Lines that are read ahead.
const LINES_MAX: usize = 8;

/// Where messages come from.
pub enum Source {
    /// Standard input, one each line; empty lines are none.
    Input,
    /// The command line.
    Bodies(Vec<String>),
    /// A whole file.
    File(Vec<u8>),
}

/// A message to be.
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    pub body: Vec<u8>,
}

/// What is read.
pub enum Item {
    Line(Line),
    /// One that is not even held in memory.
    Bad {
        number: u64,
        problem: String,
    },
    /// There is no more.
    Failed(io::Error),
}

impl Source {
    /// The source that the arguments name.
    ///
    /// # Errors
    /// The file cannot be read, or is too large.
    pub fn new(args: &ProduceArgs) -> Result<Self, Failure> {
        match &args.file {
            Some(path) => Ok(Source::File(read_file(path)?)),
            None if !args.body.is_empty() => Ok(Source::Bodies(args.body.clone())),
            None => Ok(Source::Input),
        }
    }

    /// What its numbers count.
    pub fn what(&self) -> &'static str {
        match self {
            Source::Input => "line",
            Source::Bodies(_) => "body",
            Source::File(_) => "file",
        }
    }

    /// Reads it in a thread of its own, which check-backs need not wait for.
    pub fn read(self) -> mpsc::Receiver<Item> {
        let (sink, items) = mpsc::channel(LINES_MAX);
        std::thread::spawn(move || match self {
            Source::Input => read_lines(io::stdin().lock(), |item| sink.blocking_send(item).is_ok()),
            Source::Bodies(bodies) => {
                for (number, body) in (1..).zip(bodies) {
                    if sink.blocking_send(Item::Line(Line { number, body: body.into() })).is_err() {
                        return;
                    }
                }
            }
            Source::File(body) => {
                // Nobody takes it any more when we were interrupted.
                let _ = sink.blocking_send(Item::Line(Line { number: 1, body }));
            }
        });
        items
    }
}

fn read_file(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.take(BODY_SIZE_MAX as u64 + 1)
        .read_to_end(&mut body)
        .with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(body.len() <= BODY_SIZE_MAX, "{} is larger than {BODY_SIZE_MAX} bytes", path.display());
    Ok(body)
}

/// Reads until `hand_on` says that nobody wants more.
fn read_lines(mut input: impl BufRead, mut hand_on: impl FnMut(Item) -> bool) {
    for number in 1.. {
        let mut body = Vec::new();
        let read = input.by_ref().take(BODY_SIZE_MAX as u64 + 1).read_until(b'\n', &mut body);
        let item = match read {
            Ok(0) => return,
            Err(error) => Item::Failed(error),
            Ok(_) if body.last() == Some(&b'\n') => {
                body.pop();
                Item::Line(Line { number, body })
            }
            Ok(_) if body.len() > BODY_SIZE_MAX => match input.skip_until(b'\n') {
                Ok(_) => Item::Bad { number, problem: format!("it is longer than {BODY_SIZE_MAX} bytes") },
                Err(error) => Item::Failed(error),
            },
            Ok(_) => Item::Line(Line { number, body }),
        };
        let last = matches!(item, Item::Failed(_));
        let empty = matches!(&item, Item::Line(line) if line.body.is_empty());
        if (!empty && !hand_on(item)) || last {
            return;
        }
    }
}

/// The message that the arguments make of a body.
///
/// # Errors
/// Why there is none.
pub fn message(args: &ProduceArgs, body: &[u8]) -> Result<Message, String> {
    let mut message = Message::builder(&args.topic).body(body.to_vec());
    let fields = [&args.key_field, &args.tag_field, &args.ordering_field];
    let json: Option<Json> = if fields.iter().any(|field| field.is_some()) {
        Some(serde_json::from_slice(body).map_err(|error| format!("it is no JSON: {error}"))?)
    } else {
        None
    };
    let value = |name: &Option<String>| match (&json, name) {
        (Some(json), Some(name)) => field(json, name).map(Some),
        _ => Ok(None),
    };
    if let Some(key) = value(&args.key_field)?.or(args.key.clone()) {
        message = message.key(key);
    }
    if let Some(tag) = value(&args.tag_field)?.or(args.tag.clone()) {
        message = message.tag(tag);
    }
    if let Some(ordering) = value(&args.ordering_field)? {
        message = message.ordering_key(ordering);
    }
    if let Some(level) = args.delay {
        message = message.delay_level(level);
    }
    for (name, value) in &args.property {
        message = message.property(name, value);
    }
    message.build().map_err(|error| error.to_string())
}

/// The text of a field; dots lead into objects, unless the name with its dots is there.
fn field(json: &Json, name: &str) -> Result<String, String> {
    let found = json.get(name).or_else(|| name.split('.').try_fold(json, |json, part| json.get(part)));
    match found {
        None => Err(format!("it has no field {name:?}")),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(Json::Bool(truth)) => Ok(truth.to_string()),
        Some(Json::Number(number)) if !number.is_f64() => Ok(number.to_string()),
        // 1.10 and 1.1 are one number and two texts.
        Some(other) => Err(format!("its field {name:?} is {other}, neither text nor whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_as_editors_do_and_long_ones_are_not_held() {
        let long = "x".repeat(BODY_SIZE_MAX);
        let input = format!("one\n\n{long}\n{long}y\nlast");
        let mut read = Vec::new();
        read_lines(input.as_bytes(), |item| {
            read.push(match item {
                Item::Line(Line { number, body }) => (number, body.len()),
                Item::Bad { number, .. } => (number, 0),
                Item::Failed(error) => panic!("{error}"),
            });
            true
        });
        assert_eq!(read, [(1, 3), (3, BODY_SIZE_MAX), (4, 0), (5, 4)]);
    }

    #[test]
    fn a_field_is_text_or_a_whole_number() {
        let json = serde_json::json!({ "id": 7, "a": { "b": "c" }, "d.e": "f", "price": 1.5, "none": null });
        for (name, text) in [("id", "7"), ("a.b", "c"), ("d.e", "f")] {
            assert_eq!(field(&json, name).as_deref(), Ok(text));
        }
        for name in ["x", "a", "a.x", "price", "none"] {
            assert!(field(&json, name).is_err(), "{name}");
        }
    }
}
