//! What a person sees: a live table on a terminal, plain lines in a pipe, or JSON.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::database::Tally;

/// How the demo is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The last row is written anew as time goes on.
    Live {
        /// With colours.
        colours: bool,
    },
    /// A row now and then.
    Plain,
    /// An object a line.
    Json,
}

/// The table and what is said between its rows.
pub struct Board<'a> {
    out: &'a mut dyn Write,
    look: Look,
    /// The row that is written anew stands on the screen.
    row_open: bool,
    /// What the last row said, without its time: a pipe does not hear the same again and again.
    said: Vec<String>,
}

/// The columns: their heads, and their widths.
const COLUMNS: [(&str, usize); 10] = [
    ("time", 6),
    ("orders", 7),
    ("paid", 6),
    ("refused", 8),
    ("open", 5),
    ("checks", 7),
    ("carts cleared", 14),
    ("duplicates absorbed", 20),
    ("lost", 5),
    ("phantom", 8),
];

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Since the shop opened.
    pub at: Duration,
    /// What the databases say.
    pub tally: Tally,
    /// Undecided transactions, if the broker says so.
    pub open: Option<u64>,
    /// Questions the order services were asked about transactions.
    pub checks: u64,
}

impl<'a> Board<'a> {
    /// An empty one.
    pub fn new(out: &'a mut dyn Write, look: Look) -> Self {
        Board { out, look, row_open: false, said: Vec::new() }
    }

    /// Says something before the table begins, or after it has ended.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        if self.look != Look::Json {
            self.end_row()?;
            writeln!(self.out, "{text}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// For programs: one object.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn json(&mut self, object: &Json) -> io::Result<()> {
        if self.look == Look::Json {
            writeln!(self.out, "{object}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// The heads of the columns.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn head(&mut self) -> io::Result<()> {
        let line: String = COLUMNS.iter().map(|(head, width)| format!("{head:>width$}")).collect();
        self.say(&self.dim(&line))
    }

    /// Something happened.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn event(&mut self, at: Duration, bad: bool, text: &str) -> io::Result<()> {
        self.json(&json!({ "at_ms": at.as_millis() as u64, "event": text }))?;
        let sign = if bad { self.paint("31", "✗") } else { self.paint("32", "✓") };
        self.say(&format!("{:>6}  {sign} {text}", clock(at)))
    }

    /// How things stand.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn row(&mut self, row: &Row, last_of_its_second: bool) -> io::Result<()> {
        let Tally { orders, paid, refused, cleared, duplicates, lost, phantom, .. } = row.tally;
        let open = row.open.map_or("-".to_owned(), |open| open.to_string());
        let cells = [
            clock(row.at),
            orders.to_string(),
            paid.to_string(),
            refused.to_string(),
            open,
            row.checks.to_string(),
            cleared.to_string(),
            duplicates.to_string(),
            lost.to_string(),
            phantom.to_string(),
        ];
        let bad = |column: usize| column >= 8 && cells[column] != "0";
        let line: String = cells
            .iter()
            .zip(COLUMNS)
            .enumerate()
            .map(|(column, (cell, (_, width)))| {
                let text = format!("{cell:>width$}");
                if bad(column) { self.paint("31;1", &text) } else { text }
            })
            .collect();
        match self.look {
            Look::Live { .. } => {
                write!(self.out, "\r\x1b[K{line}")?;
                self.row_open = true;
                if last_of_its_second {
                    self.end_row()?;
                }
                self.out.flush()
            }
            Look::Plain if last_of_its_second && self.said[..] != cells[1..] => {
                self.said = cells[1..].to_vec();
                self.say(&line)
            }
            Look::Plain => Ok(()),
            Look::Json if last_of_its_second => self.json(&json!({
                "at_ms": row.at.as_millis() as u64, "orders": orders, "paid": paid, "refused": refused, "open": row.open,
                "checks": row.checks, "carts_cleared": cleared, "duplicates_absorbed": duplicates, "lost": lost,
                "phantom": phantom,
            })),
            Look::Json => Ok(()),
        }
    }

    fn end_row(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.row_open) {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// A word in a colour, where there are colours.
    pub fn paint(&self, colour: &str, text: &str) -> String {
        match self.look {
            Look::Live { colours: true } => format!("\x1b[{colour}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }
}

fn clock(at: Duration) -> String {
    format!("{:02}:{:02}", at.as_secs() / 60, at.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(look: Look) -> String {
        let mut out = Vec::new();
        let mut board = Board::new(&mut out, look);
        let tally = Tally { orders: 12, paid: 10, refused: 2, cleared: 9, lost: 1, ..Tally::default() };
        board.head().expect("room");
        let mut row = Row { at: Duration::from_millis(4_900), tally, open: Some(3), checks: 4 };
        board.row(&row, false).expect("room");
        row.at = Duration::from_secs(5);
        board.row(&row, true).expect("room");
        row.at = Duration::from_secs(6);
        board.row(&row, true).expect("room");
        board.event(Duration::from_secs(65), true, "broker killed").expect("room");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_pipe_gets_plain_lines_and_one_row_a_second_that_says_something_new() {
        let lines: Vec<String> =
            shown(Look::Plain).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[1..], ["00:05 12 10 2 3 4 9 0 1 0", "01:05 ✗ broker killed"]);
        assert!(lines[0].ends_with("duplicates absorbed lost phantom"));
    }

    #[test]
    fn a_terminal_gets_a_row_that_is_written_anew() {
        let text = shown(Look::Live { colours: true });
        assert_eq!(text.matches("\r\x1b[K").count(), 3);
        assert!(text.contains("\x1b[31;1m    1\x1b[0m"), "what is lost stands out: {text:?}");
        assert!(!shown(Look::Live { colours: false }).contains("\x1b[3"));
    }

    #[test]
    fn programs_get_an_object_a_line() {
        let objects: Vec<Json> =
            shown(Look::Json).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((objects.len(), &objects[0]["lost"], &objects[2]["event"]), (3, &json!(1), &json!("broker killed")));
    }
}
