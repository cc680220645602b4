//! Reading typed bodies out of JSON, with errors that name the member.

use crate::json::{JsonError, Value, parse};
use crate::words::Word;

/// Why a body is not what its request code asks for. The request can be answered with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, not even fastjson's.
    #[error("body: {0}")]
    Json(#[from] JsonError),
    /// The client left out what its request needs.
    #[error("body member {name:?} is missing; send it")]
    Missing {
        /// Name of the member.
        name: &'static str,
    },
    /// Another kind of value stands there.
    #[error("body member {name:?} is {found}; send {expected}")]
    Kind {
        /// Name of the member; `body` for the whole.
        name: &'static str,
        /// What stands there.
        found: &'static str,
        /// What should.
        expected: &'static str,
    },
    /// A number does not fit, or a word is none of its enumeration.
    #[error("body member {name:?} is {value}; send {expected}")]
    Invalid {
        /// Name of the member.
        name: &'static str,
        /// What stands there, its first 64 characters.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// Registration bodies can be deflated; this broker's name server does not read those.
    #[error("registration body is compressed; set compressedRegister=false in the registering broker")]
    Compressed,
    /// The body is not the one its header was made for.
    #[error("body has crc32 {found}, its header says {expected}; send it again")]
    Crc {
        /// CRC-32 of the body, its top bit cleared.
        found: i32,
        /// What the header says.
        expected: i32,
    },
}

/// Parses a body that has to be an object.
pub(crate) fn parse_object(body: &[u8]) -> Result<Value<'_>, BodyError> {
    let value = parse(body)?;
    match value {
        Value::Object(_) => Ok(value),
        other => Err(BodyError::Kind { name: "body", found: other.kind(), expected: "an object" }),
    }
}

/// Typed members of a [`Value`]. A missing or `null` member is absent; scalars are taken for one another where nothing
/// is lost, as fastjson does.
pub(crate) trait Members<'a> {
    fn opt_text(&self, name: &'static str) -> Result<Option<String>, BodyError>;
    fn opt_int(&self, name: &'static str) -> Result<Option<i64>, BodyError>;
    fn opt_float(&self, name: &'static str) -> Result<Option<f64>, BodyError>;
    fn opt_bool(&self, name: &'static str) -> Result<Option<bool>, BodyError>;
    fn opt_word<W: Word>(&self, name: &'static str, expected: &'static str) -> Result<Option<W>, BodyError>;
    fn items(&self, name: &'static str) -> Result<&[Value<'a>], BodyError>;
    fn entries(&self, name: &'static str) -> Result<&[(Value<'a>, Value<'a>)], BodyError>;

    fn text(&self, name: &'static str) -> Result<String, BodyError> {
        self.opt_text(name)?.ok_or(BodyError::Missing { name })
    }

    fn int(&self, name: &'static str) -> Result<i64, BodyError> {
        self.opt_int(name)?.ok_or(BodyError::Missing { name })
    }

    fn opt_i32(&self, name: &'static str) -> Result<Option<i32>, BodyError> {
        self.opt_int(name)?.map(|value| as_i32(name, value)).transpose()
    }

    fn i32(&self, name: &'static str) -> Result<i32, BodyError> {
        self.opt_i32(name)?.ok_or(BodyError::Missing { name })
    }

    fn texts(&self, name: &'static str) -> Result<Vec<String>, BodyError> {
        self.items(name)?.iter().map(|item| as_text(name, item)).collect()
    }
}

impl<'a> Members<'a> for Value<'a> {
    fn opt_text(&self, name: &'static str) -> Result<Option<String>, BodyError> {
        self.get(name).map(|value| as_text(name, value)).transpose()
    }

    fn opt_int(&self, name: &'static str) -> Result<Option<i64>, BodyError> {
        self.get(name).map(|value| as_int(name, value)).transpose()
    }

    fn opt_float(&self, name: &'static str) -> Result<Option<f64>, BodyError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value {
            Value::Float(number) => Ok(Some(*number)),
            other => Ok(Some(as_int(name, other)? as f64)),
        }
    }

    fn opt_bool(&self, name: &'static str) -> Result<Option<bool>, BodyError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value {
            Value::Bool(truth) => Ok(Some(*truth)),
            Value::Int(number @ (0 | 1)) => Ok(Some(*number == 1)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            other => Err(wrong(name, other, "true or false")),
        }
    }

    fn opt_word<W: Word>(&self, name: &'static str, expected: &'static str) -> Result<Option<W>, BodyError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let word = match value {
            Value::String(text) => W::from_name(text).or_else(|| W::from_ordinal(text.parse().ok()?)),
            Value::Int(ordinal) => W::from_ordinal(*ordinal),
            _ => None,
        };
        word.map(Some).ok_or_else(|| wrong(name, value, expected))
    }

    fn items(&self, name: &'static str) -> Result<&[Value<'a>], BodyError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(wrong(name, other, "an array")),
        }
    }

    fn entries(&self, name: &'static str) -> Result<&[(Value<'a>, Value<'a>)], BodyError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Object(entries)) => Ok(entries),
            Some(other) => Err(wrong(name, other, "an object")),
        }
    }
}

pub(crate) fn as_text(name: &'static str, value: &Value<'_>) -> Result<String, BodyError> {
    match value {
        Value::String(text) => Ok(text.clone().into_owned()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        other => Err(wrong(name, other, "a text")),
    }
}

pub(crate) fn as_int(name: &'static str, value: &Value<'_>) -> Result<i64, BodyError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::String(text) => text.parse().map_err(|_| wrong(name, value, "a whole number")),
        other => Err(wrong(name, other, "a whole number")),
    }
}

pub(crate) fn as_i32(name: &'static str, value: i64) -> Result<i32, BodyError> {
    i32::try_from(value).map_err(|_| wrong(name, &Value::Int(value), "a 32-bit number"))
}

fn wrong(name: &'static str, value: &Value<'_>, expected: &'static str) -> BodyError {
    match value {
        Value::String(text) => {
            BodyError::Invalid { name, value: format!("{:?}", text.chars().take(64).collect::<String>()), expected }
        }
        Value::Int(number) => BodyError::Invalid { name, value: number.to_string(), expected },
        other => BodyError::Kind { name, found: other.kind(), expected },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_taken_for_one_another_where_nothing_is_lost() {
        let body = parse_object(br#"{"a":7,"b":"7","c":true,"d":"TRUE","e":1,"f":0.5,"n":null}"#).unwrap();
        assert_eq!((body.text("a"), body.int("b")), (Ok("7".to_owned()), Ok(7)));
        assert_eq!(
            (body.text("c"), body.opt_bool("d"), body.opt_bool("e")),
            (Ok("true".into()), Ok(Some(true)), Ok(Some(true)))
        );
        assert_eq!((body.opt_float("f"), body.opt_float("a")), (Ok(Some(0.5)), Ok(Some(7.0))));
        assert_eq!((body.opt_text("n"), body.opt_int("x"), body.items("n")), (Ok(None), Ok(None), Ok(&[][..])));
    }

    #[test]
    fn errors_name_the_member_and_what_it_says() {
        let body = parse_object(br#"{"a":"x","big":4294967296,"list":{},"f":1.5}"#).unwrap();
        let said = |error: BodyError| error.to_string();
        assert_eq!(said(body.text("t").unwrap_err()), r#"body member "t" is missing; send it"#);
        assert_eq!(said(body.int("a").unwrap_err()), r#"body member "a" is "x"; send a whole number"#);
        assert_eq!(said(body.i32("big").unwrap_err()), r#"body member "big" is 4294967296; send a 32-bit number"#);
        assert_eq!(said(body.items("list").unwrap_err()), r#"body member "list" is an object; send an array"#);
        assert_eq!(said(body.int("f").unwrap_err()), r#"body member "f" is a number; send a whole number"#);
        assert_eq!(said(parse_object(b"[1]").unwrap_err()), r#"body member "body" is an array; send an object"#);
        assert_eq!(said(parse_object(b"{").unwrap_err()), "body: byte 1: expected a key");
    }
}
