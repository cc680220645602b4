//! The strict reading of `tandem.toml`: every unknown section, unknown key and bad value is a problem with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, SECTIONS};
use super::kind::Raw;
use super::problem::{Place, Problem};
use super::suggest;
use super::value::Value;

/// One key that a file sets.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Its name, section included.
    pub name: &'static str,
    /// What it is set to.
    pub value: Value,
    /// Where the value stands.
    pub place: Place,
}

/// Reads the text of a file called `source`: what it sets, and everything that is wrong with it.
pub fn read(source: &str, text: &str) -> (Vec<Setting>, Vec<Problem>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the recovery made of the rest is a guess: problems found in it would be noise.
        return (Vec::new(), errors.iter().map(|error| syntax_problem(source, text, error)).collect());
    }
    let mut reader = Reader { source, text, settings: Vec::new(), problems: Vec::new() };
    for (section, value) in in_order(document.get_ref()) {
        reader.section(section, value);
    }
    (reader.settings, reader.problems)
}

fn syntax_problem(source: &str, text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map(|span| Place::in_file(source, text, span));
    // The parser's second line says what it expected; one line is what stands behind a caret.
    let (message, advice) = match error.message().split_once('\n') {
        Some((message, advice)) => (message.to_owned(), advice.trim().replace('\n', ", ")),
        None if error.message() == "duplicate key" => {
            (error.message().to_owned(), "set above already; keep one of them".to_owned())
        }
        None => (error.message().to_owned(), "not TOML; strings need quotes, as in key = \"text\"".to_owned()),
    };
    Problem { place, message, advice }
}

struct Reader<'t> {
    source: &'t str,
    text: &'t str,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, section: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let name: &str = section.get_ref();
        if !SECTIONS.iter().any(|(known, _)| *known == name) {
            let advice = match unknown_at_top(name) {
                Some(advice) => advice,
                None => format!("the sections are {}", section_names()),
            };
            let what = if matches!(value.get_ref(), DeValue::Table(_)) { "section" } else { "key" };
            return self.problem(section.span(), format!("unknown {what} `{name}`"), advice);
        }
        let DeValue::Table(table) = value.get_ref() else {
            let advice = format!("expected a section: [{name}] on a line of its own, and its keys below");
            return self.problem(section.span(), format!("`{name}` is a section, not a key"), advice);
        };
        for (key, value) in in_order(table) {
            self.key(name, key, value);
        }
    }

    fn key(&mut self, section: &str, short: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        let name = format!("{section}.{}", short.get_ref());
        let Some(key) = Key::find(&name) else {
            return self.problem(short.span(), format!("unknown key `{name}`"), advice_for_unknown(&name));
        };
        match key.kind.parse(raw(value.get_ref())) {
            Ok(parsed) => {
                let place = Place::in_file(self.source, self.text, value.span());
                self.settings.push(Setting { name: key.name, value: parsed, place });
            }
            Err(wrong) => {
                let message = format!("bad value: `{name}` {wrong}");
                self.problem(value.span(), message, format!("expected {}", key.kind.expects()));
            }
        }
    }

    fn problem(&mut self, span: Range<usize>, message: String, advice: String) {
        self.problems.push(Problem { place: Some(Place::in_file(self.source, self.text, span)), message, advice });
    }
}

/// What to write instead of a full name that is no key.
pub fn advice_for_unknown(name: &str) -> String {
    let (section, short) = name.split_once('.').unwrap_or(("", name));
    // The same section first: a slip in the key is likelier than one in both.
    let siblings = KEYS.iter().filter(|key| key.section() == section).map(Key::short_name);
    if let Some(near) = suggest::nearest(short, siblings) {
        return format!("did you mean `{near}`?");
    }
    if let Some(key) = KEYS.iter().find(|key| key.short_name() == short) {
        return format!("did you mean `{}`, in section [{}]?", key.name, key.section());
    }
    if let Some(near) = suggest::nearest(name, KEYS.iter().map(|key| key.name)) {
        return format!("did you mean `{near}`?");
    }
    let known: Vec<_> = KEYS.iter().filter(|key| key.section() == section).map(Key::short_name).collect();
    if known.is_empty() {
        return format!("the sections are {}", section_names());
    }
    format!("the keys of [{section}] are {}", known.join(", "))
}

fn unknown_at_top(name: &str) -> Option<String> {
    if let Some(key) = KEYS.iter().find(|key| key.short_name() == name) {
        return Some(format!("did you mean `{}`, in section [{}]?", key.name, key.section()));
    }
    suggest::nearest(name, SECTIONS.iter().map(|(section, _)| *section)).map(|near| format!("did you mean `[{near}]`?"))
}

fn section_names() -> String {
    SECTIONS.iter().map(|(section, _)| *section).collect::<Vec<_>>().join(", ")
}

fn raw<'v>(value: &'v DeValue<'_>) -> Raw<'v> {
    match value {
        DeValue::String(text) => Raw::Quoted(text),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other("a number too large for any key"),
        },
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(_) => Raw::Other("a list"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

type Entry<'e, 'i> = (&'e Spanned<std::borrow::Cow<'i, str>>, &'e Spanned<DeValue<'i>>);

/// The entries of a table in the order of the file, so that problems are told from top to bottom.
fn in_order<'e, 'i>(table: &'e DeTable<'i>) -> Vec<Entry<'e, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}
