//! What is wrong with a configuration: where, with the line and a caret, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Problems that are told; of further ones only how many there are.
const TOLD: usize = 50;

/// Characters of a long line that are shown in front of the piece that is wrong, and from its beginning on.
const SHOWN: (usize, usize) = (60, 100);

/// Characters of a message or an advice that are told: names in a file may be of any length.
const WORDS: usize = 800;

/// Why a configuration cannot be used: all its problems at once, so that it is mended in one go.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nr, problem) in self.problems.iter().take(TOLD).enumerate() {
            if nr > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.problems.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more problems: mend these first"),
        }
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
    /// Text of the line; of a long one, what stands around the piece.
    pub line: String,
    /// Characters of `line` in front of the piece.
    pub indent: usize,
    /// Characters of `line` pointed at, at least 1.
    pub len: usize,
}

impl Place {
    /// The place of the bytes `span` in a file called `source`.
    pub fn in_file(source: &str, text: &str, span: Range<usize>) -> Place {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = floor(text, span.end).clamp(start, line_end);
        let (before, after) = (&text[line_start..start], text[start..line_end].trim_end_matches('\r'));
        let column = before.chars().count() + 1;
        let cut_before = column - 1 > SHOWN.0;
        let from = before.char_indices().rev().nth(SHOWN.0 - 1).filter(|_| cut_before).map_or(0, |(at, _)| at);
        let to = after.char_indices().nth(SHOWN.1).map_or(after.len(), |(at, _)| at);
        let dots = |cut: bool| if cut { "…" } else { "" };
        let line = [dots(cut_before), &before[from..], &after[..to], dots(to < after.len())].concat();
        Place {
            source: source.to_owned(),
            line_nr: Some(text[..start].matches('\n').count() + 1),
            column,
            indent: before[from..].chars().count() + usize::from(cut_before),
            len: text[start..end.min(start + to).max(start)].chars().count().max(1),
            line,
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
        let (message, advice) = (shortened(&self.message), shortened(&self.advice));
        let Some(place) = &self.place else {
            write!(f, "{message}")?;
            return if advice.is_empty() { Ok(()) } else { write!(f, "\n  {advice}") };
        };
        let line_nr = place.line_nr.map(|line_nr| line_nr.to_string()).unwrap_or_default();
        let margin = " ".repeat(line_nr.len());
        // A tab counts as one character here and in the line shown, so that the caret stays below its word.
        let line: String = place.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let indent = " ".repeat(place.indent);
        let caret = "^".repeat(place.len);
        writeln!(f, "{place}: {message}")?;
        writeln!(f, " {margin} |")?;
        writeln!(f, " {line_nr} | {line}")?;
        write!(f, " {margin} | {indent}{caret} {advice}")
    }
}

/// A text as long as a person reads it.
fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(WORDS) {
        Some((at, _)) => format!("{}…", &text[..at]).into(),
        None => text.into(),
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
