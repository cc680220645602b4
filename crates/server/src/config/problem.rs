//! What is wrong with a configuration: where, with the line and a caret, and what to do.

use std::fmt;
use std::ops::Range;

/// Why a configuration cannot be used: all its problems at once, so that it is mended in one go.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nr, problem) in self.problems.iter().enumerate() {
            if nr > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// Where; `None` when it was not written anywhere.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, or what was expected: stands behind the caret.
    pub advice: String,
}

/// A piece of one line of a file, of an environment variable or of an argument.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The file, `environment variable NAME`, or the flag.
    pub source: String,
    /// Line of the file, from 1; `None` outside files.
    pub line_nr: Option<usize>,
    /// Column of the first character, from 1.
    pub column: usize,
    /// Characters pointed at, at least 1.
    pub len: usize,
    /// Text of the line.
    pub line: String,
}

impl Place {
    /// The place of the bytes `span` in a file called `source`.
    pub fn in_file(source: &str, text: &str, span: Range<usize>) -> Place {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor(text, span.end).clamp(start, line_end);
        Place {
            source: source.to_owned(),
            line_nr: Some(text[..start].matches('\n').count() + 1),
            column: text[line_start..start].chars().count() + 1,
            len: text[start..end].chars().count().max(1),
            line: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        }
    }

    /// The place of the bytes `span` in an argument or variable that was read from `source`.
    pub fn in_argument(source: &str, text: &str, span: Range<usize>) -> Place {
        let place = Place::in_file(source, text, span);
        Place { line_nr: None, ..place }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line_nr {
            Some(line_nr) => write!(f, "{}:{line_nr}:{}", self.source, self.column),
            None => f.write_str(&self.source),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            write!(f, "{}", self.message)?;
            return if self.advice.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.advice) };
        };
        let line_nr = place.line_nr.map(|line_nr| line_nr.to_string()).unwrap_or_default();
        let margin = " ".repeat(line_nr.len());
        // A tab counts as one character here and in the line shown, so that the caret stays below its word.
        let line: String = place.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let indent = " ".repeat(place.column - 1);
        let caret = "^".repeat(place.len);
        writeln!(f, "{place}: {}", self.message)?;
        writeln!(f, " {margin} |")?;
        writeln!(f, " {line_nr} | {line}")?;
        write!(f, " {margin} | {indent}{caret} {}", self.advice)
    }
}

/// The start of the character that holds byte `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
