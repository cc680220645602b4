//! What is shown to people: aligned columns, lists of fields, ages, and text that cannot harm a terminal.

use std::io::{self, Write};

use message::Timestamp;

/// How a cell is to be read at a glance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Needs somebody.
    Bad,
    /// Beside the point.
    Dim,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Dim => "2",
        }
    }
}

/// Text in its tone, if colours are wanted.
pub fn paint(text: &str, tone: Tone, colours: bool) -> String {
    if !colours || tone == Tone::Plain || text.is_empty() {
        return text.to_owned();
    }
    format!("\x1b[{}m{text}\x1b[0m", tone.code())
}

/// One cell: its text, cleaned, and its tone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell that stands out.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Cell { text: clean(text.as_ref()), tone }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Cell { text: clean(&value.to_string()), tone: Tone::Plain }
    }
}

/// Rows under a line of headings. Columns of numbers are aligned at their right end.
#[derive(Debug)]
pub struct Table {
    headings: Vec<Heading>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Heading {
    text: &'static str,
    right: bool,
}

impl Table {
    /// A table with these columns; a heading that begins with `#` has numbers below it.
    pub fn new(headings: &[&'static str]) -> Self {
        let heading = |text: &&'static str| match text.strip_prefix('#') {
            Some(text) => Heading { text, right: true },
            None => Heading { text, right: false },
        };
        Table { headings: headings.iter().map(heading).collect(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.headings.len(), "a row has another number of cells than there are headings");
        self.rows.push(cells);
    }

    /// Writes it, each line behind `indent` blanks.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(&self, out: &mut dyn Write, indent: usize, colours: bool) -> io::Result<()> {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|at| {
                let cells = self.rows.iter().map(|row| width(&row[at].text));
                cells.chain([width(self.headings[at].text)]).max().unwrap_or(0)
            })
            .collect();
        let headings: Vec<Cell> =
            self.headings.iter().map(|heading| Cell { text: heading.text.to_owned(), tone: Tone::Dim }).collect();
        for row in [&headings].into_iter().chain(&self.rows) {
            let mut line = " ".repeat(indent);
            for (at, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[at] - width(&cell.text));
                let painted = paint(&cell.text, cell.tone, colours);
                let (before, after) = if self.headings[at].right { (pad, String::new()) } else { (String::new(), pad) };
                if at > 0 {
                    line.push_str("  ");
                }
                line.push_str(&before);
                line.push_str(&painted);
                line.push_str(&after);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Writes names and values below each other, the values aligned. Lines with an empty value are left out.
///
/// # Errors
/// The output cannot be written.
pub fn write_fields(out: &mut dyn Write, fields: &[(&str, String)]) -> io::Result<()> {
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    let cleaned: Vec<(String, String)> = fields.map(|(name, value)| (clean(name), clean(value))).collect();
    let longest = cleaned.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    for (name, value) in cleaned {
        writeln!(out, "  {name}{}  {value}", " ".repeat(longest - width(&name)))?;
    }
    Ok(())
}

/// A moment on the broker's clock.
pub fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

/// A time span to the eye: `350ms`, `42s`, `3m`, `2h`, `5d`. Below ten minutes and hours it keeps the smaller unit.
pub fn span(ms: i64) -> String {
    if ms < 0 {
        return format!("-{}", span(ms.saturating_neg()));
    }
    match ms {
        0..1000 => format!("{ms}ms"),
        1000..10_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{}s", ms / 1000),
        60_000..600_000 => format!("{}m{:02}s", ms / 60_000, ms / 1000 % 60),
        600_000..3_600_000 => format!("{}m", ms / 60_000),
        3_600_000..36_000_000 => format!("{}h{:02}m", ms / 3_600_000, ms / 60_000 % 60),
        36_000_000..172_800_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// `1 topic`, `2 topics`.
pub fn number_of(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Text with what could steer a terminal made visible: anybody may write into keys, properties and client ids.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        // The second range turns the direction of writing around, and with it the meaning of a line.
        if c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') {
            cleaned.extend(c.escape_unicode());
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// Columns that text takes on a terminal: two for the characters of East Asian scripts and for emoji.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '\u{0300}'..='\u{036F}' | '\u{200B}'..='\u{200F}' | '\u{FE00}'..='\u{FE0F}' => 0,
            '\u{1100}'..='\u{115F}'
            | '\u{2E80}'..='\u{A4CF}'
            | '\u{AC00}'..='\u{D7A3}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{FE30}'..='\u{FE6F}'
            | '\u{FF00}'..='\u{FF60}'
            | '\u{FFE0}'..='\u{FFE6}'
            | '\u{1F300}'..='\u{1FAFF}'
            | '\u{20000}'..='\u{3FFFD}' => 2,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table, colours: bool) -> String {
        let mut out = Vec::new();
        table.write(&mut out, 0, colours).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let mut table = Table::new(&["NAME", "#MESSAGES", "STATE"]);
        table.row(vec!["a".into(), 5.into(), "ok".into()]);
        table.row(vec!["orders".into(), 12_345.into(), "".into()]);
        assert_eq!(written(&table, false), "NAME    MESSAGES  STATE\na              5  ok\norders     12345\n");
    }

    #[test]
    fn characters_of_two_columns_keep_the_alignment() {
        let mut table = Table::new(&["KEYS", "X"]);
        table.row(vec!["订单".into(), "1".into()]);
        table.row(vec!["abcd".into(), "2".into()]);
        assert_eq!(written(&table, false), "KEYS  X\n订单  1\nabcd  2\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec![Cell::toned("bad", Tone::Bad), "x".into()]);
        assert_eq!(written(&table, false), "A    B\nbad  x\n");
        assert_eq!(written(&table, true), "\x1b[2mA\x1b[0m    \x1b[2mB\x1b[0m\n\x1b[31mbad\x1b[0m  x\n");
    }

    #[test]
    fn text_of_strangers_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\nc\u{202E}d"), "a\\u{1b}[2Jb\\u{a}c\\u{202e}d");
        assert_eq!(Cell::from("\r"), Cell { text: "\\u{d}".to_owned(), tone: Tone::Plain });
    }

    #[test]
    fn a_span_is_shown_to_the_eye() {
        let shown: Vec<_> =
            [0, 999, 1500, 42_000, 90_000, 600_000, 5_400_000, 72_000_000, 432_000_000, -1500].map(span).into();
        assert_eq!(shown, ["0ms", "999ms", "1.5s", "42s", "1m30s", "10m", "1h30m", "20h", "5d", "-1.5s"]);
        assert_eq!(span(i64::MIN).chars().next(), Some('-'));
    }
}
