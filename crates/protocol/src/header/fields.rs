//! The `extFields` of a header, and how a typed request reads them.

use std::fmt;

/// A piece of the header's text or, unescaped, of the scratch. Headers are at most 1 MiB, so 32 bits do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) in_scratch: bool,
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
        let whole = if span.in_scratch { self.scratch } else { self.text };
        &whole[span.start as usize..span.end as usize]
    }

    fn is(&self, span: Span, key: &str) -> bool {
        // Most names have another length.
        if (span.end - span.start) as usize != key.len() {
            return false;
        }
        let whole = if span.in_scratch { self.scratch } else { self.text };
        whole.as_bytes()[span.start as usize..span.end as usize] == *key.as_bytes()
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
        self.get(name).ok_or(FieldError::Missing { name })
    }

    /// A text that may be missing. Empty counts as missing: C++ and Go send empty texts for what they do not set.
    pub fn opt_str(&self, name: &'static str) -> Option<&'a str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// A 32-bit number that has to be there.
    pub fn i32(&self, name: &'static str) -> Result<i32, FieldError> {
        self.opt_i32(name)?.ok_or(FieldError::Missing { name })
    }

    /// A 32-bit number that may be missing or empty.
    pub fn opt_i32(&self, name: &'static str) -> Result<Option<i32>, FieldError> {
        self.opt_str(name).map(|value| parse_i32(name, value)).transpose()
    }

    /// A 64-bit number that has to be there.
    pub fn i64(&self, name: &'static str) -> Result<i64, FieldError> {
        self.opt_i64(name)?.ok_or(FieldError::Missing { name })
    }

    /// A 64-bit number that may be missing or empty.
    pub fn opt_i64(&self, name: &'static str) -> Result<Option<i64>, FieldError> {
        self.opt_str(name).map(|value| parse_i64(name, value)).transpose()
    }

    /// A boolean that has to be there.
    pub fn bool(&self, name: &'static str) -> Result<bool, FieldError> {
        self.opt_bool(name)?.ok_or(FieldError::Missing { name })
    }

    /// A boolean that may be missing or empty.
    pub fn opt_bool(&self, name: &'static str) -> Result<Option<bool>, FieldError> {
        self.opt_str(name).map(|value| parse_bool(name, value)).transpose()
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

pub(crate) fn parse_i32(name: &'static str, value: &str) -> Result<i32, FieldError> {
    value.parse().map_err(|_| FieldError::invalid(name, value, "a 32-bit number"))
}

pub(crate) fn parse_i64(name: &'static str, value: &str) -> Result<i64, FieldError> {
    value.parse().map_err(|_| FieldError::invalid(name, value, "a 64-bit number"))
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
