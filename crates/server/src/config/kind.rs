//! What a value may look like: one kind per sort of key, with its range.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::suggest;
use super::units::{format_duration, format_size, parse_duration, parse_size};
use super::value::Value;

/// The sort of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// true or false.
    Bool,
    /// A whole number, both ends of the range included.
    Count {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// Bytes, both ends of the range included.
    Size {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A time span, both ends of the range included.
    Duration {
        /// Shortest, in milliseconds.
        min_ms: u64,
        /// Longest, in milliseconds.
        max_ms: u64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A name that clients see: 1 to 100 letters, digits, '-', '_' and '.'.
    Name,
    /// A directory.
    Path,
    /// An IP address and a port.
    Address,
    /// A log level, or levels by module.
    LogFilter,
    /// Another kind, or this word when there is none.
    Optional(&'static str, &'static Kind),
}

/// A value as it was written.
#[derive(Clone, Copy, Debug)]
pub enum Raw<'a> {
    /// A string of a TOML file.
    Quoted(&'a str),
    /// An integer of a TOML file.
    Integer(i64),
    /// A boolean of a TOML file.
    Bool(bool),
    /// Anything else in a TOML file: what it is.
    Other(&'static str),
    /// Text of the environment or of the command line, which knows no types.
    Bare(&'a str),
}

impl Kind {
    /// Reads and checks a value.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the value or the key.
    pub fn parse(&self, raw: Raw<'_>) -> Result<Value, String> {
        if let Raw::Other(what) = raw {
            return Err(format!("is {what}"));
        }
        match *self {
            Kind::Bool => match raw {
                Raw::Bool(value) => Ok(Value::Bool(value)),
                Raw::Bare("true") => Ok(Value::Bool(true)),
                Raw::Bare("false") => Ok(Value::Bool(false)),
                _ => Err("is neither true nor false".to_owned()),
            },
            Kind::Count { min, max } => {
                let number = match raw {
                    Raw::Integer(number) => number,
                    Raw::Bare(text) => text.parse().map_err(|_| "is not a whole number".to_owned())?,
                    _ => return Err("is not a whole number".to_owned()),
                };
                match u32::try_from(number) {
                    Ok(count) if (min..=max).contains(&count) => Ok(Value::Count(count)),
                    _ => Err("is out of range".to_owned()),
                }
            }
            Kind::Size { min, max } => {
                let size = match raw {
                    Raw::Integer(number) => u64::try_from(number).map_err(|_| "is out of range".to_owned())?,
                    Raw::Quoted(text) | Raw::Bare(text) => parse_size(text)?,
                    _ => return Err("is not a size".to_owned()),
                };
                if (min..=max).contains(&size) { Ok(Value::Size(size)) } else { Err("is out of range".to_owned()) }
            }
            Kind::Duration { min_ms, max_ms } => {
                let duration = match raw {
                    Raw::Quoted(text) | Raw::Bare(text) => parse_duration(text)?,
                    Raw::Integer(_) => return Err("has no unit".to_owned()),
                    _ => return Err("is not a duration".to_owned()),
                };
                let range = Duration::from_millis(min_ms)..=Duration::from_millis(max_ms);
                if range.contains(&duration) {
                    Ok(Value::Duration(duration))
                } else {
                    Err("is out of range".to_owned())
                }
            }
            Kind::Choice(words) => {
                let text = text_of(raw)?;
                if words.contains(&text) {
                    return Ok(Value::Text(text.to_owned()));
                }
                Err(match suggest::nearest(text, words.iter().copied()) {
                    Some(word) => format!("is not one of its words; did you mean \"{word}\"?"),
                    None => "is not one of its words".to_owned(),
                })
            }
            Kind::Name => {
                let text = text_of(raw)?;
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                match text.chars().find(|c| !allowed(*c)) {
                    Some(found) => Err(format!("contains {found:?}")),
                    None if text.is_empty() => Err("is empty".to_owned()),
                    None if text.len() > 100 => Err("is too long".to_owned()),
                    None => Ok(Value::Text(text.to_owned())),
                }
            }
            Kind::Path => {
                let text = text_of(raw)?;
                if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Value::Path(PathBuf::from(text))) }
            }
            Kind::Address => {
                let text = text_of(raw)?;
                text.parse::<SocketAddr>().map(Value::Address).map_err(|_| match text.rsplit_once(':') {
                    None => "has no port".to_owned(),
                    Some((_, port)) if port.parse::<u16>().is_err() => "has no port between 0 and 65535".to_owned(),
                    Some(_) => "has no IP address before its port (names are not looked up)".to_owned(),
                })
            }
            Kind::LogFilter => {
                let text = text_of(raw)?;
                match text.parse::<tracing_subscriber::filter::Targets>() {
                    _ if text.trim().is_empty() => Err("is empty".to_owned()),
                    Ok(_) if names_a_level(text) => Ok(Value::Text(text.to_owned())),
                    Ok(_) => Err("names no known level".to_owned()),
                    Err(error) => Err(format!("cannot be read ({error})")),
                }
            }
            Kind::Optional(word, kind) => match raw {
                Raw::Quoted(text) | Raw::Bare(text) if text == word => Ok(Value::Absent),
                present => kind.parse(present),
            },
        }
    }

    /// What a value must be, with its range and an example: the end of "expected ...".
    pub fn expects(&self) -> String {
        match *self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Size { min, max } => {
                format!("a size from {} to {}, such as \"64MiB\"", format_size(min), format_size(max))
            }
            Kind::Duration { min_ms, max_ms } => format!(
                "a duration from {} to {}, such as \"30s\" (ms, s, m, h, d)",
                format_duration(Duration::from_millis(min_ms)),
                format_duration(Duration::from_millis(max_ms))
            ),
            Kind::Choice(words) => words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
            Kind::Name => "a name of 1 to 100 letters, digits, '-', '_' and '.'".to_owned(),
            Kind::Path => "a directory; a relative one is seen from where the server is started".to_owned(),
            Kind::Address => "an IP address and a port, such as \"127.0.0.1:10911\" or \"[::1]:10911\"".to_owned(),
            Kind::LogFilter => {
                "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\", or levels by module such as \
                 \"info,tandem=debug\""
                    .to_owned()
            }
            Kind::Optional(word, kind) => format!("\"{word}\", or {}", kind.expects()),
        }
    }

    /// A value of this kind as it stands in a TOML file.
    pub fn show(&self, value: &Value) -> String {
        match value {
            Value::Bool(value) => value.to_string(),
            Value::Count(count) => count.to_string(),
            Value::Size(bytes) => format!("\"{}\"", format_size(*bytes)),
            Value::Duration(duration) => format!("\"{}\"", format_duration(*duration)),
            Value::Text(text) => toml_string(text),
            Value::Path(path) => toml_string(&path.display().to_string()),
            Value::Address(address) => format!("\"{address}\""),
            Value::Absent => match self {
                Kind::Optional(word, _) => format!("\"{word}\""),
                _ => "\"\"".to_owned(),
            },
        }
    }
}

fn text_of(raw: Raw<'_>) -> Result<&str, String> {
    match raw {
        Raw::Quoted(text) | Raw::Bare(text) => Ok(text),
        Raw::Integer(_) => Err("is a number, not a string in quotes".to_owned()),
        Raw::Bool(_) => Err("is a boolean, not a string in quotes".to_owned()),
        Raw::Other(what) => Err(format!("is {what}")),
    }
}

/// Whether every part of a log filter ends in a level: a lone word that is none would otherwise be taken for a module,
/// and `level = "verbose"` would switch logging off.
fn names_a_level(filter: &str) -> bool {
    filter.split(',').filter(|part| !part.trim().is_empty()).all(|part| {
        let level = part.rsplit('=').next().unwrap_or(part).trim();
        ["off", "error", "warn", "info", "debug", "trace"].iter().any(|word| level.eq_ignore_ascii_case(word))
    })
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
