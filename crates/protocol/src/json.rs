//! JSON as RocketMQ's fastjson writes it: a lenient reader, a strict writer.
//!
//! Bodies on this wire are not always JSON: map keys may be unquoted numbers (`{0:"10.0.0.1:10911"}`) or objects
//! (`{{"brokerName":"b","queueId":0,"topic":"t"}:7}`), which is why this crate has its own reader.

mod reader;
mod stops;
mod string;
mod writer;

pub use reader::{DEPTH_MAX, RawJson, VALUES_MAX, Value, parse};
pub(crate) use writer::write_inside;
pub use writer::{Array, Object, write_bool, write_float, write_int, write_string};

pub(crate) use stops::Stops;
pub(crate) use string::{Scanned, scan_string, unescape_string};

/// Where and why a text is not JSON, not even fastjson's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {problem}")]
pub struct JsonError {
    /// Where, in bytes from the start of the text.
    pub at: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

impl JsonError {
    pub(crate) fn new(at: usize, problem: JsonProblem) -> Self {
        Self { at, problem }
    }
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// Bytes that are not UTF-8.
    #[error("not utf-8")]
    NotUtf8,
    /// Something else has to stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A string that has no end.
    #[error("string without an end")]
    OpenString,
    /// A backslash in front of something that cannot be escaped.
    #[error("unknown escape")]
    BadEscape,
    /// Digits that make no number.
    #[error("not a number")]
    BadNumber,
    /// Arrays, objects and object keys inside each other.
    #[error("nested too deeply")]
    TooDeep,
    /// More values than a body of this kind can have.
    #[error("too many values")]
    TooMany,
    /// The text goes on after its value.
    #[error("text after the end of the value")]
    Trailing,
}
