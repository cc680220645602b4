//! The `extFields` of a header, and how a typed request reads them.

use std::fmt;
use std::ops::Range;

use super::HEADER_SIZE_MAX;

/// A piece of the header's text or, unescaped, of the scratch. Headers are at most 1 MiB, and what an escape stands for is
/// shorter than the escape: a bit of the start is free to say which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

const IN_SCRATCH: u32 = 1 << 31;
const _: () = assert!(HEADER_SIZE_MAX < IN_SCRATCH as usize);

impl Span {
    pub(super) fn of_text(start: usize, end: usize) -> Self {
        Span { start: start as u32, end: end as u32 }
    }

    pub(super) fn of_scratch(start: usize, end: usize) -> Self {
        Span { start: start as u32 | IN_SCRATCH, end: end as u32 }
    }

    pub(super) fn in_scratch(self) -> bool {
        self.start & IN_SCRATCH != 0
    }

    pub(super) fn range(self) -> Range<usize> {
        (self.start & !IN_SCRATCH) as usize..self.end as usize
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: Span,
    pub(super) value: Span,
}

/// Named values of a header, all of them texts.
///
/// Numbers and booleans that a client did not quote (C++) are here as their text; `null` is not here at all.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    scratch: &'a str,
    entries: &'a [Entry],
}

impl<'a> Fields<'a> {
    pub(super) fn new(text: &'a str, scratch: &'a str, entries: &'a [Entry]) -> Self {
        Self { text, scratch, entries }
    }

    pub(super) fn resolve(&self, span: Span) -> &'a str {
        let whole = if span.in_scratch() { self.scratch } else { self.text };
        &whole[span.range()]
    }

    fn is(&self, span: Span, key: &str) -> bool {
        // Most names have another length.
        if span.range().len() != key.len() {
            return false;
        }
        let whole = if span.in_scratch() { self.scratch } else { self.text };
        whole.as_bytes()[span.range()] == *key.as_bytes()
    }

    /// The value as it was sent, which may be empty. Of a key sent twice the last one counts.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.iter().rev().find(|entry| self.is(entry.key, key)).map(|entry| self.resolve(entry.value))
    }

    /// All of them, in the order they were sent, doubles included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let fields = *self;
        fields.entries.iter().map(move |entry| (fields.resolve(entry.key), fields.resolve(entry.value)))
    }

    /// The values of the fields called `a`, `b` and so on, up to the `N`th letter. Of a key sent twice the last one counts.
    pub(crate) fn letters<const N: usize>(&self) -> [Option<&'a str>; N] {
        let mut values = [None; N];
        for entry in self.entries {
            let range = entry.key.range();
            if range.len() != 1 {
                continue;
            }
            let whole = if entry.key.in_scratch() { self.scratch } else { self.text };
            let place = usize::from(whole.as_bytes()[range.start].wrapping_sub(b'a'));
            if let Some(value) = values.get_mut(place) {
                *value = Some(self.resolve(entry.value));
            }
        }
        values
    }

    /// The values of these fields, in one pass. Of a key sent twice the last one counts.
    ///
    /// Clients write fields in the order of their names: given in that order, each is found at once.
    pub(crate) fn pick<const N: usize>(&self, names: [&str; N]) -> [Option<&'a str>; N] {
        let mut values = [None; N];
        let mut expected = 0;
        for entry in self.entries {
            let place = match names.get(expected) {
                Some(name) if self.is(entry.key, name) => Some(expected),
                _ => names.iter().position(|name| self.is(entry.key, name)),
            };
            if let Some(place) = place {
                values[place] = Some(self.resolve(entry.value));
                expected = place + 1;
            }
        }
        values
    }

    /// How many were sent, doubles included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Were none sent?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A text that has to be there; it may be empty.
    pub fn str(&self, name: &'static str) -> Result<&'a str, FieldError> {
        required(name, self.get(name))
    }

    /// A text that may be missing. Empty counts as missing: C++ and Go send empty texts for what they do not set.
    pub fn opt_str(&self, name: &'static str) -> Option<&'a str> {
        given(self.get(name))
    }

    /// A 32-bit number that has to be there.
    pub fn i32(&self, name: &'static str) -> Result<i32, FieldError> {
        self.opt_i32(name)?.ok_or(FieldError::Missing { name })
    }

    /// A 32-bit number that may be missing or empty.
    pub fn opt_i32(&self, name: &'static str) -> Result<Option<i32>, FieldError> {
        opt_i32(name, self.get(name))
    }

    /// A 64-bit number that has to be there.
    pub fn i64(&self, name: &'static str) -> Result<i64, FieldError> {
        i64(name, self.get(name))
    }

    /// A 64-bit number that may be missing or empty.
    pub fn opt_i64(&self, name: &'static str) -> Result<Option<i64>, FieldError> {
        opt_i64(name, self.get(name))
    }

    /// A boolean that has to be there.
    pub fn bool(&self, name: &'static str) -> Result<bool, FieldError> {
        self.opt_bool(name)?.ok_or(FieldError::Missing { name })
    }

    /// A boolean that may be missing or empty.
    pub fn opt_bool(&self, name: &'static str) -> Result<Option<bool>, FieldError> {
        opt_bool(name, self.get(name))
    }
}

/// A text that has to be there; it may be empty. This and what follows are for values that were picked: see
/// [`Fields::pick`].
pub(crate) fn required<'a>(name: &'static str, value: Option<&'a str>) -> Result<&'a str, FieldError> {
    value.ok_or(FieldError::Missing { name })
}

/// A text that may be missing or, which is the same, empty.
pub(crate) fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

pub(crate) fn i32(name: &'static str, value: Option<&str>) -> Result<i32, FieldError> {
    opt_i32(name, value)?.ok_or(FieldError::Missing { name })
}

pub(crate) fn i64(name: &'static str, value: Option<&str>) -> Result<i64, FieldError> {
    opt_i64(name, value)?.ok_or(FieldError::Missing { name })
}

pub(crate) fn opt_i32(name: &'static str, value: Option<&str>) -> Result<Option<i32>, FieldError> {
    given(value).map(|value| parse_i32(name, value)).transpose()
}

pub(crate) fn opt_i64(name: &'static str, value: Option<&str>) -> Result<Option<i64>, FieldError> {
    given(value).map(|value| parse_i64(name, value)).transpose()
}

pub(crate) fn opt_bool(name: &'static str, value: Option<&str>) -> Result<Option<bool>, FieldError> {
    given(value).map(|value| parse_bool(name, value)).transpose()
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

pub(crate) fn parse_i32(name: &'static str, value: &str) -> Result<i32, FieldError> {
    let plain = whole(value).and_then(|number| i32::try_from(number).ok());
    plain.or_else(|| value.parse().ok()).ok_or_else(|| FieldError::invalid(name, value, "a 32-bit number"))
}

pub(crate) fn parse_i64(name: &'static str, value: &str) -> Result<i64, FieldError> {
    let plain = whole(value);
    plain.or_else(|| value.parse().ok()).ok_or_else(|| FieldError::invalid(name, value, "a 64-bit number"))
}

fn whole(value: &str) -> Option<i64> {
    plain_number(value.as_bytes()).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

/// A number as nearly all are written, digits alone and so few that it cannot be too large, and what is behind it.
#[inline]
pub(super) fn plain_number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    const DIGITS_MAX: usize = 18;
    let (mut number, mut digits) = (0, 0);
    while let Some(digit @ b'0'..=b'9') = bytes.get(digits) {
        if digits == DIGITS_MAX {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
        digits += 1;
    }
    (digits > 0).then(|| (number, &bytes[digits..]))
}

/// `1` and `0` too: some C++ code prints its booleans so.
pub(crate) fn parse_bool(name: &'static str, value: &str) -> Result<bool, FieldError> {
    match value {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(FieldError::invalid(name, value, "true or false")),
    }
}

/// Why the fields of a request are not what its code asks for. The request can be answered with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The client left out what its request needs.
    #[error("header field {name:?} is missing; send it")]
    Missing {
        /// Name of the field.
        name: &'static str,
    },
    /// The client sent something that cannot be meant.
    #[error("header field {name:?} is {value:?}; send {expected}")]
    Invalid {
        /// Name of the field.
        name: &'static str,
        /// What was sent, its first 64 characters.
        value: String,
        /// What could have been sent.
        expected: &'static str,
    },
}

impl FieldError {
    pub(crate) fn invalid(name: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Invalid { name, value: value.chars().take(64).collect(), expected }
    }
}
