//! Members of a body, with errors that name them.

use message::Timestamp;
use protocol::BodyError;
use protocol::json::Value;

pub(super) fn opt_text(value: &Value<'_>, name: &'static str) -> Result<Option<String>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_owned())),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "a text" }),
    }
}

pub(super) fn text(value: &Value<'_>, name: &'static str) -> Result<String, BodyError> {
    opt_text(value, name)?.ok_or(BodyError::Missing { name })
}

pub(super) fn opt_int(value: &Value<'_>, name: &'static str) -> Result<Option<i64>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::Int(number)) => Ok(Some(*number)),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "a whole number" }),
    }
}

pub(super) fn int(value: &Value<'_>, name: &'static str) -> Result<i64, BodyError> {
    opt_int(value, name)?.ok_or(BodyError::Missing { name })
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: &Value<'_>, name: &'static str) -> Result<u64, BodyError> {
    let number = int(value, name)?;
    u64::try_from(number).map_err(|_| negative(name, number))
}

pub(super) fn negative(name: &'static str, number: i64) -> BodyError {
    BodyError::Invalid { name, value: number.to_string(), expected: "a number that is not negative" }
}

pub(super) fn time(value: &Value<'_>, name: &'static str) -> Result<Timestamp, BodyError> {
    Ok(Timestamp::from_millis(int(value, name)?))
}

pub(super) fn opt_bool(value: &Value<'_>, name: &'static str) -> Result<Option<bool>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "true or false" }),
    }
}

pub(super) fn items<'v, 'a>(value: &'v Value<'a>, name: &'static str) -> Result<&'v [Value<'a>], BodyError> {
    match value.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "an array" }),
    }
}
