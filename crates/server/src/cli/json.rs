//! What is shown to programs: one JSON object per command.

use std::io::{self, Write};

use serde_json::Value;

/// Writes one object and a line feed, indented, its fields in the order of their names.
///
/// # Errors
/// The output cannot be written.
pub fn write(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

/// A row as JSON.
pub fn of<T: serde::Serialize>(row: &T) -> Value {
    // Only maps whose keys are no strings, and hand-written implementations, fail here; the model has neither.
    serde_json::to_value(row).expect("the model is plain data")
}
