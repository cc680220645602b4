//! The JSON form of a header, in one pass.
//!
//! Members come in any order. Go and C++ write `remark:""`, C++ writes numbers and booleans into `extFields`, and some
//! add members of their own: all of that is accepted, and what is unknown is stepped over.

use std::str;

use super::{Entry, FIELDS_MAX, HEADER_DEPTH_MAX, Head, HeaderError, Language, Span};
use crate::json::{JsonError, JsonProblem, Scanned, find_stop, scan_string};
use crate::words::Word;

/// Reads a header; spans that are not in the scratch are in the text returned.
pub(super) fn decode<'t>(
    bytes: &'t [u8],
    entries: &mut Vec<Entry>,
    scratch: &mut String,
) -> Result<(&'t str, Head), HeaderError> {
    let text = str::from_utf8(bytes).map_err(|error| JsonError::new(error.valid_up_to(), JsonProblem::NotUtf8))?;
    let mut scanner = Scanner { text, at: 0, entries, scratch };
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

struct Scanner<'t, 'b> {
    text: &'t str,
    at: usize,
    entries: &'b mut Vec<Entry>,
    scratch: &'b mut String,
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
            more = self.more(b'}', "',' or '}'")?;
        }
        head.code = code.ok_or(HeaderError::NoCode)?;
        Ok(head)
    }

    fn member(&mut self) -> Result<Member, JsonError> {
        let name = self.key()?;
        Ok(match self.resolve(name) {
            "code" => Member::Code,
            "language" => Member::Language,
            "version" => Member::Version,
            "opaque" => Member::Opaque,
            "flag" => Member::Flag,
            "remark" => Member::Remark,
            "extFields" => Member::Fields,
            _ => Member::Unknown,
        })
    }

    /// `null` counts as 0, and quotes around the digits are ignored.
    fn number(&mut self, name: &'static str) -> Result<i32, HeaderError> {
        self.skip_space();
        let at = self.at;
        if let Some(number) = self.plain_number() {
            return Ok(number);
        }
        match self.scalar(1)? {
            Scalar::Nothing => Ok(0),
            Scalar::Text(digits) => self.resolve(digits).parse().map_err(|_| HeaderError::NotANumber { name, at }),
        }
    }

    /// A number as nearly all are written: one to nine digits. Of anything else nothing is read.
    fn plain_number(&mut self) -> Option<i32> {
        const DIGITS_MAX: usize = 9;
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take(DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > DIGITS_MAX || !matches!(rest.get(digits), Some(b',' | b'}')) {
            return None;
        }
        self.at += digits;
        Some(rest[..digits].iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0')))
    }

    fn language(&mut self) -> Result<Language, JsonError> {
        let Scalar::Text(word) = self.scalar(1)? else {
            return Ok(Language::Other);
        };
        let word = self.resolve(word);
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
            let plain = self.plain_field();
            let (key, value) = match plain {
                Some(field) => field,
                None => (self.key()?, self.scalar(2)?),
            };
            if let Scalar::Text(value) = value {
                if self.entries.len() == FIELDS_MAX {
                    return Err(HeaderError::TooManyFields);
                }
                self.entries.push(Entry { key, value });
            }
            more = self.more(b'}', "',' or '}'")?;
        }
        Ok(())
    }

    /// A field as nearly all are written: two quoted texts without white space and without escapes. Of anything else
    /// nothing is read. Spares a send half of what decoding its header costs.
    #[inline]
    fn plain_field(&mut self) -> Option<(Span, Scalar)> {
        let bytes = self.text.as_bytes();
        let span = |start: usize, end: usize| Span { start: start as u32, end: end as u32, in_scratch: false };
        let key_start = self.at + 1;
        if bytes.get(self.at) != Some(&b'"') {
            return None;
        }
        let key_end = find_stop(bytes, key_start, b'"')?;
        if !matches!(bytes.get(key_end..key_end + 3), Some([b'"', b':', b'"'])) {
            return None;
        }
        let value_start = key_end + 3;
        let value_end = find_stop(bytes, value_start, b'"')?;
        if bytes[value_end] != b'"' {
            return None;
        }
        self.at = value_end + 1;
        Some((span(key_start, key_end), Scalar::Text(span(value_start, value_end))))
    }

    fn key(&mut self) -> Result<Span, JsonError> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        // As nearly all are written: without an escape, and the colon at once.
        if bytes.get(self.at) == Some(&b'"')
            && let Some(end) = find_stop(bytes, self.at + 1, b'"')
            && matches!(bytes.get(end..end + 2), Some([b'"', b':']))
        {
            let start = std::mem::replace(&mut self.at, end + 2) + 1;
            return Ok(Span { start: start as u32, end: end as u32, in_scratch: false });
        }
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
                Ok(Scalar::Text(Span { start: start as u32, end: self.at as u32, in_scratch: false }))
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
        let (scanned, after) = scan_string(self.text, self.at + 1, b'"', self.scratch)?;
        self.at = after;
        Ok(match scanned {
            Scanned::Plain { start, end } => Span { start: start as u32, end: end as u32, in_scratch: false },
            Scanned::Unescaped => {
                Span { start: unescaped_from as u32, end: self.scratch.len() as u32, in_scratch: true }
            }
        })
    }

    fn resolve(&self, span: Span) -> &str {
        let whole = if span.in_scratch { self.scratch.as_str() } else { self.text };
        &whole[span.start as usize..span.end as usize]
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

#[cfg(test)]
mod tests {
    use super::super::{FieldError, Header, HeaderBuffer};
    use super::*;
    use crate::frame::{Frame, SerializeType};

    fn decode(buffer: &mut HeaderBuffer, json: &str, check: impl FnOnce(Header<'_>)) {
        let frame = Frame { serialize_type: SerializeType::Json, header: json.as_bytes(), body: b"", consumed: 0 };
        check(buffer.decode(&frame).unwrap_or_else(|error| panic!("{json}: {error}")));
    }

    fn refusal(json: &str) -> HeaderError {
        let frame = Frame { serialize_type: SerializeType::Json, header: json.as_bytes(), body: b"", consumed: 0 };
        HeaderBuffer::new().decode(&frame).expect_err(json)
    }

    #[test]
    fn members_come_in_any_order_with_any_white_space() {
        let json = "\n{ \"opaque\" : -7 ,\"remark\":\"no\\n\", \"extFields\" : { \"a\" : \"b\" } ,\t\"flag\":3,\
                    \"language\":\"GO\",\"version\":317,\"serializeTypeCurrentRPC\":\"JSON\",\"code\":10}\r\n ";
        decode(&mut HeaderBuffer::new(), json, |header| {
            assert_eq!((header.code, header.opaque, header.flag, header.version), (10, -7, 3, 317));
            assert_eq!((header.language, header.remark), (Language::Go, Some("no\n")));
            assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("a", "b")]);
            assert!(header.is_response() && header.is_oneway());
        });
    }

    #[test]
    fn a_code_is_enough_and_empty_or_null_members_count_as_missing() {
        for json in [
            r#"{"code":105}"#,
            r#"{"code":105,"remark":"","extFields":{}}"#,
            r#"{"code":105,"remark":null,"extFields":null,"language":null,"version":null,"opaque":null,"flag":null}"#,
            r#"{"code":"105","language":"7"}"#,
        ] {
            decode(&mut HeaderBuffer::new(), json, |header| {
                assert_eq!((header.code, header.opaque, header.flag, header.version), (105, 0, 0, 0));
                assert_eq!((header.language, header.remark), (Language::Other, None));
                assert!(header.fields.is_empty());
                assert!(!header.is_response() && !header.is_oneway());
            });
        }
    }

    #[test]
    fn what_cpp_does_not_quote_is_read_as_its_text() {
        let json = r#"{"code":310,"extFields":{"e":3,"g":-1700000000000,"k":false,"m":true,"n":null,"x":{"y":[1]}}}"#;
        decode(&mut HeaderBuffer::new(), json, |header| {
            let fields = header.fields;
            assert_eq!((fields.i32("e"), fields.i64("g")), (Ok(3), Ok(-1_700_000_000_000)));
            assert_eq!((fields.bool("k"), fields.bool("m")), (Ok(false), Ok(true)));
            assert_eq!((fields.get("n"), fields.get("x"), fields.len()), (None, None, 4));
        });
    }

    #[test]
    fn of_doubled_keys_the_last_counts_and_escapes_are_undone_in_keys_and_values() {
        let json =
            r#"{"code":1,"code":2,"extFields":{"i":"A\u0001b\u0002","t":"x","\u0074":"y"},"extFields":{"z":""}}"#;
        decode(&mut HeaderBuffer::new(), json, |header| {
            assert_eq!(header.code, 2);
            assert_eq!(header.fields.get("i"), Some("A\u{1}b\u{2}"));
            assert_eq!(header.fields.get("t"), Some("y"));
            assert_eq!((header.fields.get("z"), header.fields.opt_str("z")), (Some(""), None));
        });
    }

    #[test]
    fn a_buffer_is_reused_without_remembering_the_header_before() {
        let mut buffer = HeaderBuffer::new();
        decode(&mut buffer, r#"{"code":1,"remark":"a\u0001","extFields":{"a":"\u0001","b":"2"}}"#, |_| {});
        decode(&mut buffer, r#"{"code":2,"extFields":{"c":"\u0003"}}"#, |header| {
            assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("c", "\u{3}")]);
        });
    }

    #[test]
    fn typed_fields_name_themselves_and_their_value_when_they_are_wrong() {
        let json =
            r#"{"code":1,"extFields":{"queueId":"seven","offset":"9223372036854775808","order":"maybe","e":""}}"#;
        decode(&mut HeaderBuffer::new(), json, |header| {
            let fields = header.fields;
            let said = |error: FieldError| error.to_string();
            assert_eq!(
                said(fields.i32("queueId").unwrap_err()),
                r#"header field "queueId" is "seven"; send a 32-bit number"#
            );
            assert_eq!(
                said(fields.opt_i64("offset").unwrap_err()),
                r#"header field "offset" is "9223372036854775808"; send a 64-bit number"#
            );
            assert_eq!(
                said(fields.bool("order").unwrap_err()),
                r#"header field "order" is "maybe"; send true or false"#
            );
            assert_eq!(said(fields.str("topic").unwrap_err()), r#"header field "topic" is missing; send it"#);
            assert_eq!((fields.opt_i32("e"), fields.str("e")), (Ok(None), Ok("")));
            assert_eq!(fields.i32("e"), Err(FieldError::Missing { name: "e" }));
        });
    }

    #[test]
    fn headers_that_are_not_headers_are_refused_with_their_place() {
        let json = |at, problem| HeaderError::Json(JsonError::new(at, problem));
        assert_eq!(refusal(""), json(0, JsonProblem::Expected("'{'")));
        assert_eq!(refusal("[]"), json(0, JsonProblem::Expected("'{'")));
        assert_eq!(refusal("{}"), HeaderError::NoCode);
        assert_eq!(refusal(r#"{"code":1"#), json(9, JsonProblem::Expected("',' or '}'")));
        assert_eq!(refusal(r#"{"code":}"#), json(8, JsonProblem::Expected("a value")));
        assert_eq!(refusal(r#"{"code":1}x"#), json(10, JsonProblem::Trailing));
        assert_eq!(refusal(r#"{"code":1,"extFields":{"a":nul}}"#), json(27, JsonProblem::Expected("a value")));
        assert_eq!(refusal(r#"{"code":1.5}"#), HeaderError::NotANumber { name: "code", at: 8 });
        assert_eq!(refusal(r#"{"code":1,"opaque":2147483648}"#), HeaderError::NotANumber { name: "opaque", at: 19 });
        assert_eq!(refusal(r#"{"code":1,"flag":true}"#), HeaderError::NotANumber { name: "flag", at: 17 });
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_place() {
        let header = b"{\"code\":1,\"remark\":\"\xC3\x28\"}";
        let frame = Frame { serialize_type: SerializeType::Json, header, body: b"", consumed: 0 };
        let error = HeaderBuffer::new().decode(&frame).unwrap_err();
        assert_eq!(error, HeaderError::Json(JsonError::new(20, JsonProblem::NotUtf8)));
    }

    #[test]
    fn size_depth_and_number_of_fields_are_bounded() {
        let nested = |depth: usize| format!(r#"{{"code":1,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        decode(&mut HeaderBuffer::new(), &nested(HEADER_DEPTH_MAX - 1), |_| {});
        assert!(matches!(
            refusal(&nested(HEADER_DEPTH_MAX)),
            HeaderError::Json(JsonError { problem: JsonProblem::TooDeep, .. })
        ));
        assert!(matches!(refusal(&nested(200_000)), HeaderError::Json(_)));
        let fields =
            |count: usize| format!(r#"{{"code":1,"extFields":{{"a":"b"{}}}}}"#, r#","a":"b""#.repeat(count - 1));
        decode(&mut HeaderBuffer::new(), &fields(FIELDS_MAX), |header| assert_eq!(header.fields.len(), FIELDS_MAX));
        assert_eq!(refusal(&fields(FIELDS_MAX + 1)), HeaderError::TooManyFields);
        let long = format!(r#"{{"code":1,"remark":"{}"}}"#, "x".repeat(super::super::HEADER_SIZE_MAX));
        assert_eq!(refusal(&long), HeaderError::TooLarge { size: long.len() });
    }
}
