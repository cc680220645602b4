//! The JSON form of a header, in one pass.
//!
//! Members come in any order. Go and C++ write `remark:""`, C++ writes numbers and booleans into `extFields`, and some
//! add members of their own: all of that is accepted, and what is unknown is stepped over.

use std::str;

use super::fields::plain_number;
use super::{Entry, FIELDS_MAX, HEADER_DEPTH_MAX, Head, HeaderError, Language, Span};
use crate::json::{JsonError, JsonProblem, Scanned, Stops, scan_string, unescape_string};
use crate::words::Word;

/// Reads a header; spans that are not in the scratch are in the text returned.
pub(super) fn decode<'t>(
    bytes: &'t [u8],
    entries: &mut Vec<Entry>,
    scratch: &mut Vec<u8>,
) -> Result<(&'t str, Head), HeaderError> {
    let text = str::from_utf8(bytes).map_err(|error| JsonError::new(error.valid_up_to(), JsonProblem::NotUtf8))?;
    let mut scanner = Scanner { text, at: 0, stops: Stops::new(bytes, b'\"'), entries, scratch };
    let head = scanner.head()?;
    scanner.skip_space();
    if scanner.at < text.len() {
        return Err(scanner.error(JsonProblem::Trailing).into());
    }
    Ok((text, head))
}

/// The members a header is made of.
enum Member {
    Code,
    Language,
    Version,
    Opaque,
    Flag,
    Remark,
    Fields,
    Unknown,
}

/// A value inside `extFields`.
enum Scalar {
    Text(Span),
    /// `null`, or something that is no field value at all.
    Nothing,
}

/// What comes behind the fields that were plain.
enum Next {
    /// The fields were all.
    End,
    /// A comma, the end, or white space in front of either.
    Separator,
    /// A field of another form.
    Field,
}

struct Scanner<'t, 'b> {
    text: &'t str,
    at: usize,
    stops: Stops<'t>,
    entries: &'b mut Vec<Entry>,
    scratch: &'b mut Vec<u8>,
}

impl Scanner<'_, '_> {
    fn head(&mut self) -> Result<Head, HeaderError> {
        let mut code = None;
        let mut head = Head { code: 0, language: Language::Other, version: 0, opaque: 0, flag: 0, remark: None };
        self.skip_space();
        self.expect(b'{', "'{'")?;
        self.skip_space();
        let mut more = !self.take(b'}');
        while more {
            match self.member()? {
                Member::Code => code = Some(self.number("code")?),
                Member::Language => head.language = self.language()?,
                Member::Version => head.version = self.number("version")?,
                Member::Opaque => head.opaque = self.number("opaque")?,
                Member::Flag => head.flag = self.number("flag")?,
                Member::Remark => head.remark = self.remark()?,
                Member::Fields => self.fields()?,
                Member::Unknown => self.skip_value(1)?,
            }
            if let Some(code) = code
                && let Some(head) = self.plain_end(head.remark)
            {
                return Ok(Head { code, ..head });
            }
            more = self.more(b'}', "',' or '}'")?;
        }
        head.code = code.ok_or(HeaderError::NoCode)?;
        Ok(head)
    }

    /// All that Java writes behind the fields, and our own client, in one step: for five members that is 1,000 instructions
    /// less.
    fn plain_end(&mut self, remark: Option<Span>) -> Option<Head> {
        let rest = self.text.as_bytes()[self.at..].strip_prefix(b",\"flag\":")?;
        let (flag, rest) = plain_i32(rest)?;
        let language = rest.strip_prefix(b",\"language\":\"")?;
        let (language, rest) = language.split_at(language.iter().position(|byte| !byte.is_ascii_uppercase())?);
        let language = *Language::ALL.iter().find(|known| known.name().as_bytes() == language)?;
        let (opaque, rest) = plain_i32(rest.strip_prefix(b"\",\"opaque\":")?)?;
        let (version, rest) = plain_i32(rest.strip_prefix(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":")?)?;
        if rest != b"}" {
            return None;
        }
        self.at = self.text.len();
        Some(Head { code: 0, language, version, opaque, flag, remark })
    }

    fn member(&mut self) -> Result<Member, JsonError> {
        let name = self.key()?;
        Ok(match self.resolve(name) {
            b"code" => Member::Code,
            b"language" => Member::Language,
            b"version" => Member::Version,
            b"opaque" => Member::Opaque,
            b"flag" => Member::Flag,
            b"remark" => Member::Remark,
            b"extFields" => Member::Fields,
            _ => Member::Unknown,
        })
    }

    /// `null` counts as 0, and quotes around the digits are ignored.
    fn number(&mut self, name: &'static str) -> Result<i32, HeaderError> {
        self.skip_space();
        let at = self.at;
        if let Some((number, rest)) = plain_i32(&self.text.as_bytes()[at..])
            && let Some(b',' | b'}') = rest.first()
        {
            self.at = self.text.len() - rest.len();
            return Ok(number);
        }
        match self.scalar(1)? {
            Scalar::Nothing => Ok(0),
            Scalar::Text(digits) => {
                let digits = str::from_utf8(self.resolve(digits)).expect("a text, or pieces of one");
                digits.parse().map_err(|_| HeaderError::NotANumber { name, at })
            }
        }
    }

    fn language(&mut self) -> Result<Language, JsonError> {
        let Scalar::Text(word) = self.scalar(1)? else {
            return Ok(Language::Other);
        };
        let word = str::from_utf8(self.resolve(word)).expect("a text, or pieces of one");
        let by_ordinal = || Language::from_ordinal(word.parse().ok()?);
        Ok(Language::from_name(word).or_else(by_ordinal).unwrap_or(Language::Other))
    }

    fn remark(&mut self) -> Result<Option<Span>, JsonError> {
        Ok(match self.scalar(1)? {
            Scalar::Text(remark) => Some(remark),
            Scalar::Nothing => None,
        })
    }

    fn fields(&mut self) -> Result<(), HeaderError> {
        self.skip_space();
        if self.peek() != Some(b'{') {
            return Ok(self.skip_value(1)?);
        }
        self.at += 1;
        self.skip_space();
        let mut more = !self.take(b'}');
        while more {
            match self.plain_fields()? {
                Next::End => return Ok(()),
                Next::Separator => {}
                Next::Field => {
                    let key = self.key()?;
                    if let Scalar::Text(value) = self.scalar(2)? {
                        self.push(key, value)?;
                    }
                }
            }
            more = self.more(b'}', "',' or '}'")?;
        }
        Ok(())
    }

    /// Reads fields as nearly all are written, two quoted texts without white space around them, up to the first that is
    /// not, and says what comes next. In one loop: 450 instructions less for a send.
    #[inline(never)]
    fn plain_fields(&mut self) -> Result<Next, HeaderError> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at;
            if bytes.get(start) != Some(&b'"') {
                return Ok(Next::Field);
            }
            let Some(key_end) = self.stops.next(start + 1) else { return Ok(Next::Field) };
            if !bytes[key_end..].starts_with(b"\":\"") {
                return Ok(Next::Field);
            }
            let value_start = key_end + 3;
            let Some(value_end) = self.stops.next(value_start) else { return Ok(Next::Field) };
            let (value, after) = if bytes[value_end] == b'"' {
                (Span::of_text(value_start, value_end), value_end + 1)
            } else {
                let from = self.scratch.len();
                let after = unescape_string(self.text, value_start, value_end, &mut self.stops, self.scratch)?;
                (Span::of_scratch(from, self.scratch.len()), after)
            };
            self.push(Span::of_text(start + 1, key_end), value)?;
            match bytes.get(after) {
                Some(b',') => self.at = after + 1,
                Some(b'}') => {
                    self.at = after + 1;
                    return Ok(Next::End);
                }
                _ => {
                    self.at = after;
                    return Ok(Next::Separator);
                }
            }
        }
    }

    fn push(&mut self, key: Span, value: Span) -> Result<(), HeaderError> {
        if self.entries.len() == FIELDS_MAX {
            return Err(HeaderError::TooManyFields);
        }
        self.entries.push(Entry { key, value });
        Ok(())
    }

    #[inline]
    fn key(&mut self) -> Result<Span, JsonError> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        // As nearly all are written: without an escape, and the colon at once.
        if bytes.get(self.at) == Some(&b'"')
            && let Some(end) = self.stops.next(self.at + 1)
            && bytes.get(end..end + 2) == Some(b"\":")
        {
            let start = std::mem::replace(&mut self.at, end + 2) + 1;
            return Ok(Span::of_text(start, end));
        }
        self.odd_key()
    }

    #[inline(never)]
    fn odd_key(&mut self) -> Result<Span, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error(JsonProblem::Expected("a quoted key")));
        }
        let key = self.string()?;
        self.skip_space();
        self.expect(b':', "':'")?;
        Ok(key)
    }

    fn scalar(&mut self, depth: usize) -> Result<Scalar, JsonError> {
        self.skip_space();
        let start = self.at;
        match self.peek() {
            Some(b'"') => return Ok(Scalar::Text(self.string()?)),
            Some(b'{' | b'[') => {
                self.skip_value(depth)?;
                return Ok(Scalar::Nothing);
            }
            _ => {}
        }
        let rest = &self.text.as_bytes()[start..];
        let size = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        match &rest[..size] {
            b"null" => {
                self.at += size;
                Ok(Scalar::Nothing)
            }
            b"true" | b"false" | [b'-' | b'0'..=b'9', ..] => {
                self.at += size;
                Ok(Scalar::Text(Span::of_text(start, self.at)))
            }
            _ => Err(self.error(JsonProblem::Expected("a value"))),
        }
    }

    /// Steps over a value that lies inside `depth` others.
    fn skip_value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_space();
        let close = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => {
                self.scalar(depth)?;
                return Ok(());
            }
        };
        if depth == HEADER_DEPTH_MAX {
            return Err(self.error(JsonProblem::TooDeep));
        }
        self.at += 1;
        self.skip_space();
        let mut more = !self.take(close);
        while more {
            if close == b'}' {
                self.key()?;
            }
            self.skip_value(depth + 1)?;
            more = self.more(close, "',' or the end")?;
        }
        Ok(())
    }

    /// After a member or item: does another follow, or does it close?
    #[inline]
    fn more(&mut self, close: u8, expected: &'static str) -> Result<bool, JsonError> {
        self.skip_space();
        if self.take(b',') {
            return Ok(true);
        }
        self.expect(close, expected)?;
        Ok(false)
    }

    fn string(&mut self) -> Result<Span, JsonError> {
        let unescaped_from = self.scratch.len();
        let (scanned, after) = scan_string(self.text, self.at + 1, &mut self.stops, self.scratch)?;
        self.at = after;
        Ok(match scanned {
            Scanned::Plain { start, end } => Span::of_text(start, end),
            Scanned::Unescaped => Span::of_scratch(unescaped_from, self.scratch.len()),
        })
    }

    fn resolve(&self, span: Span) -> &[u8] {
        let whole = if span.in_scratch() { self.scratch.as_slice() } else { self.text.as_bytes() };
        &whole[span.range()]
    }

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

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(JsonProblem::Expected(expected))) }
    }
}

/// A number that fits and is written as nearly all are, and what is behind it.
#[inline]
fn plain_i32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (number, rest) = plain_number(bytes)?;
    Some((i32::try_from(number).ok()?, rest))
}

#[cfg(test)]
mod tests;
