//! Reading a body into a small tree of values.

use std::borrow::Cow;

use super::{JsonError, JsonProblem, Scanned, Stops, scan_string};

/// Deepest nesting of arrays, objects and object keys in a body; RocketMQ's own go to 6.
pub const DEPTH_MAX: usize = 32;

/// Most values in one body, keys included: a frame of tiny values must not become gigabytes of tree.
///
/// Enough for a broker that registers 50,000 topics.
pub const VALUES_MAX: usize = 1024 * 1024;

/// A JSON value, borrowing its texts from the body where they have no escapes.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without point and exponent that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object or map, in the order it was written, doubles included. Keys are texts, numbers or objects.
    Object(Vec<(Value<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The member called `name`, the last one if there are several; `None` if missing, `null`, or if this is no object.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Self::Object(members) = self else {
            return None;
        };
        let is_named = |key: &Value<'a>| matches!(key, Self::String(text) if text == name);
        let (_, value) = members.iter().rev().find(|(key, _)| is_named(key))?;
        (*value != Self::Null).then_some(value)
    }

    /// What kind of value this is, for error texts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Writes the value as fastjson would, keys in their own form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => super::write_bool(out, *value),
            Self::Int(value) => super::write_int(out, *value),
            Self::Float(value) => super::write_float(out, *value),
            Self::String(value) => super::write_string(out, value),
            Self::Array(items) => {
                let mut array = super::Array::begin(out);
                for item in items {
                    item.write(array.item());
                }
                array.end();
            }
            Self::Object(members) => {
                let mut object = super::Object::begin(out);
                for (key, value) in members {
                    value.write(object.member_with(|out| key.write(out)));
                }
                object.end();
            }
        }
    }
}

/// A value kept as its text: what is handed on without being acted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawJson(String);

impl RawJson {
    /// The text of a value.
    pub fn of(value: &Value<'_>) -> Self {
        let mut out = Vec::new();
        value.write(&mut out);
        Self(String::from_utf8(out).expect("what we write is utf-8"))
    }

    /// Takes a text, for instance one that was kept in a file, if it is a value.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Ok(Self::of(&parse(text.as_bytes())?))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the text.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// Reads one value, with nothing but white space around it.
///
/// Beyond JSON, these are accepted because clients and brokers send them: keys that are unquoted numbers, names or
/// objects, single quotes, unescaped control characters, keys that occur twice.
pub fn parse(body: &[u8]) -> Result<Value<'_>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError::new(error.valid_up_to(), JsonProblem::NotUtf8))?;
    let mut reader = Reader { text, at: 0, values: 0, stops: Stops::new(text.as_bytes(), b'\"') };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error(JsonProblem::Trailing));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    values: usize,
    /// Of strings in double quotes.
    stops: Stops<'a>,
}

impl<'a> Reader<'a> {
    fn error(&self, problem: JsonProblem) -> JsonError {
        JsonError::new(self.at, problem)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes `byte` if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn count(&mut self) -> Result<(), JsonError> {
        self.values += 1;
        if self.values > VALUES_MAX { Err(self.error(JsonProblem::TooMany)) } else { Ok(()) }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.skip_space();
        self.count()?;
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"' | b'\'') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.error(JsonProblem::Expected("a value"))),
        }
    }

    fn literal(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error(JsonProblem::Expected("a value")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        if depth > DEPTH_MAX {
            return Err(self.error(JsonProblem::TooDeep));
        }
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.error(JsonProblem::Expected("',' or ']'")));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        if depth > DEPTH_MAX {
            return Err(self.error(JsonProblem::TooDeep));
        }
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let key = self.key(depth)?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.error(JsonProblem::Expected("':'")));
            }
            members.push((key, self.value(depth)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.error(JsonProblem::Expected("',' or '}'")));
            }
        }
    }

    fn key(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'"' | b'\'' | b'-' | b'0'..=b'9' | b'{') => self.value(depth),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => {
                self.count()?;
                let rest = &self.text[self.at..];
                let size = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(byte)).count();
                self.at += size;
                Ok(Value::String(Cow::Borrowed(&rest[..size])))
            }
            _ => Err(self.error(JsonProblem::Expected("a key"))),
        }
    }

    fn string(&mut self) -> Result<Value<'a>, JsonError> {
        let quote = self.text.as_bytes()[self.at];
        let mut unescaped = Vec::new();
        let (text, start) = (self.text, self.at + 1);
        let (scanned, after) = match quote {
            b'"' => scan_string(text, start, &mut self.stops, &mut unescaped),
            _ => scan_string(text, start, &mut Stops::new(text.as_bytes(), quote), &mut unescaped),
        }?;
        self.at = after;
        Ok(Value::String(match scanned {
            Scanned::Plain { start, end } => Cow::Borrowed(&self.text[start..end]),
            Scanned::Unescaped => Cow::Owned(String::from_utf8(unescaped).expect("pieces of a text")),
        }))
    }

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let rest = &self.text[self.at..];
        let size =
            rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let digits = &rest[..size];
        let value = if let Ok(whole) = digits.parse::<i64>() {
            Value::Int(whole)
        } else {
            let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
            Value::Float(number.ok_or_else(|| self.error(JsonProblem::BadNumber))?)
        };
        self.at += size;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value<'_> {
        Value::String(Cow::Borrowed(value))
    }

    fn rewritten(body: &str) -> String {
        let mut out = Vec::new();
        parse(body.as_bytes()).unwrap().write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn problem(body: &str) -> JsonProblem {
        parse(body.as_bytes()).unwrap_err().problem
    }

    #[test]
    fn the_dialect_survives_reading_and_writing() {
        for body in [
            r#"{"brokerAddrs":{0:"10.0.0.1:10911",-1:"x"}}"#,
            r#"{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"t"}:{"maxOffset":5}},"topicPutTps":0.0}"#,
            r#"[true,false,null,-7,1.5,"\u0001\"",[],{}]"#,
        ] {
            assert_eq!(rewritten(body), body);
        }
    }

    #[test]
    fn white_space_names_and_single_quotes_are_accepted() {
        assert_eq!(rewritten(" {\n a_1 : 'x\"' , \t\"b\" :\r[ 1 , 2 ] } "), r#"{"a_1":"x\"","b":[1,2]}"#);
    }

    #[test]
    fn the_last_of_two_members_with_one_name_counts_and_null_is_absence() {
        let body = parse(br#"{"a":1,"a":2,"n":null}"#).unwrap();
        assert_eq!(body.get("a"), Some(&Value::Int(2)));
        assert_eq!(body.get("n"), None);
        assert_eq!(body.get("x"), None);
        assert_eq!(text("a").get("a"), None);
    }

    #[test]
    fn numbers_are_whole_when_they_can_be() {
        assert_eq!(parse(b"9223372036854775807"), Ok(Value::Int(i64::MAX)));
        assert_eq!(parse(b"9223372036854775808"), Ok(Value::Float(9_223_372_036_854_775_808.0)));
        assert_eq!(parse(b"1e3"), Ok(Value::Float(1000.0)));
        for bad in ["-", "1-2", "1e999", "--1", "."] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        assert_eq!(problem(""), JsonProblem::Expected("a value"));
        assert_eq!(problem("{\"a\" 1}"), JsonProblem::Expected("':'"));
        assert_eq!(problem("{,}"), JsonProblem::Expected("a key"));
        assert_eq!(problem("[1 2]"), JsonProblem::Expected("',' or ']'"));
        assert_eq!(problem("{\"a\":tru}"), JsonProblem::Expected("a value"));
        assert_eq!(problem("{\"a\":1"), JsonProblem::Expected("',' or '}'"));
        assert_eq!(problem("{} x"), JsonProblem::Trailing);
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err(JsonError::new(6, JsonProblem::NotUtf8)));
        assert_eq!(parse(b"[1,x]").unwrap_err().to_string(), "byte 3: expected a value");
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(problem(&nested(DEPTH_MAX + 1)), JsonProblem::TooDeep);
        assert_eq!(problem(&"{".repeat(1_000_000)), JsonProblem::TooDeep);
        assert_eq!(problem(&format!("[{}0]", "0,".repeat(VALUES_MAX))), JsonProblem::TooMany);
    }
}
