//! Frames on their way out: answers, pushes to clients and, for our own client, requests.
//!
//! Headers are always JSON, with members in the order RocketMQ 5.5.0 writes them, and every value in `extFields` is a
//! text, for C++ clients take nothing else. A frame is appended to the caller's buffer; nothing else is allocated.

use crate::codes::{RequestCode, ResponseCode};
use crate::frame::{HEADER_SIZE_LIMIT, PREFIX_SIZE};
use crate::header::{FLAG_ONEWAY, FLAG_RESPONSE, Language};
use crate::json::{write_inside, write_int, write_string};
use crate::words::Word as _;

/// The version ordinal we say of ourselves: 5.5.0, whose wire behaviour is our yardstick.
///
/// Clients read it from the answer to their heartbeat and refuse SQL92 filters below 232 (4.1.0-S); tools show it.
pub const VERSION: i32 = 513;

/// [`VERSION`] in a header.
const VERSION_DIGITS: &[u8] = b"513";

/// A value in a header, written as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A text.
    Str(&'a str),
    /// A whole number in decimal.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing: the field is left out. Lets optional fields stand in an array of fixed size.
    Absent,
}

/// A name and a value in a header. Most names are the protocol's own; those of an answer that is handed on are the
/// client's that gave it.
pub type Field<'a> = (&'a str, FieldValue<'a>);

impl<'a> From<&'a str> for FieldValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Str(value)
    }
}

impl From<i32> for FieldValue<'_> {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i64> for FieldValue<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for FieldValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<'a, V: Into<FieldValue<'a>>> From<Option<V>> for FieldValue<'a> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHeader<'a> {
    /// How the request went.
    pub code: ResponseCode,
    /// The request's correlation id.
    pub opaque: i32,
    /// Text for a person; clients show it in their exceptions.
    pub remark: Option<&'a str>,
    /// What the request's code says an answer has. Java clients dereference the fields of an answer with code 0 to a
    /// send, and those of every answer to a pull, without looking.
    pub fields: &'a [Field<'a>],
}

impl<'a> ResponseHeader<'a> {
    /// A success with nothing to say.
    pub fn success(opaque: i32) -> Self {
        Self { code: ResponseCode::SUCCESS, opaque, remark: None, fields: &[] }
    }

    /// A refusal and why.
    pub fn error(code: ResponseCode, opaque: i32, remark: &'a str) -> Self {
        Self { code, opaque, remark: Some(remark), fields: &[] }
    }

    /// Appends a whole frame.
    pub fn append(&self, out: &mut Vec<u8>, body: &[u8]) {
        self.append_with(out, |out| out.extend_from_slice(body));
    }

    /// Appends a whole frame whose body is written by `body`, to the end of what it is given.
    pub fn append_with(&self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let start = begin(out);
        self.write(out);
        end(out, start, body);
    }

    /// Appends a frame up to its body; the caller sends `body_size` bytes after it, from wherever they are.
    pub fn append_head(&self, out: &mut Vec<u8>, body_size: usize) {
        let start = begin(out);
        self.write(out);
        end_head(out, start, body_size);
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_header(
            out,
            &Parts {
                code: self.code.0,
                language: Language::Java,
                opaque: self.opaque,
                flag: FLAG_RESPONSE,
                remark: self.remark,
                fields: self.fields,
            },
        );
    }
}

/// A request: of a client to a broker, or pushed by a broker to a client on the client's own connection.
#[derive(Debug, Clone, Copy)]
pub struct RequestHeader<'a> {
    /// What is asked.
    pub code: RequestCode,
    /// What we are written in. A broker says [`Language::Java`], as in answers.
    pub language: Language,
    /// A correlation id from the sender's own counter; the two directions of a connection do not share one.
    pub opaque: i32,
    /// Does the sender not wait for an answer?
    pub oneway: bool,
    /// Text for a person: a local exception in a decision.
    pub remark: Option<&'a str>,
    /// What the code asks for.
    pub fields: &'a [Field<'a>],
}

impl<'a> RequestHeader<'a> {
    /// What a broker pushes to a client without waiting: 39, 40, 220.
    pub fn push(code: RequestCode, opaque: i32, fields: &'a [Field<'a>]) -> Self {
        Self { code, language: Language::Java, opaque, oneway: true, remark: None, fields }
    }

    /// Appends a whole frame.
    pub fn append(&self, out: &mut Vec<u8>, body: &[u8]) {
        self.append_with(out, |out| out.extend_from_slice(body));
    }

    /// Appends a whole frame whose body is written by `body`, to the end of what it is given.
    pub fn append_with(&self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        let start = begin(out);
        self.write(out);
        end(out, start, body);
    }

    /// Appends a frame up to its body; the caller sends `body_size` bytes after it, from wherever they are.
    pub fn append_head(&self, out: &mut Vec<u8>, body_size: usize) {
        let start = begin(out);
        self.write(out);
        end_head(out, start, body_size);
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_header(
            out,
            &Parts {
                code: self.code.code(),
                language: self.language,
                opaque: self.opaque,
                flag: if self.oneway { FLAG_ONEWAY } else { 0 },
                remark: self.remark,
                fields: self.fields,
            },
        );
    }
}

struct Parts<'a> {
    code: i32,
    language: Language,
    opaque: i32,
    flag: i32,
    remark: Option<&'a str>,
    fields: &'a [Field<'a>],
}

/// Leaves room for the prefix; returns where the frame begins.
fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_SIZE]);
    start
}

/// Writes the body and fills in the prefix, now that both sizes are known.
fn end(out: &mut Vec<u8>, start: usize, body: impl FnOnce(&mut Vec<u8>)) {
    let body_start = out.len();
    body(out);
    let body_size = out.len().checked_sub(body_start).expect("a body writer only appends");
    write_prefix(out, start, body_start, body_size);
}

fn end_head(out: &mut [u8], start: usize, body_size: usize) {
    write_prefix(out, start, out.len(), body_size);
}

fn write_prefix(out: &mut [u8], start: usize, header_end: usize, body_size: usize) {
    let header_size = header_end - start - PREFIX_SIZE;
    // Not input: whoever quotes a request stays below, since decoded headers are at most HEADER_SIZE_MAX.
    assert!(header_size <= HEADER_SIZE_LIMIT, "header of {header_size} bytes does not fit 24 bits");
    let total = u32::try_from(4 + header_size + body_size).expect("a frame is smaller than 4 GiB");
    out[start..start + 4].copy_from_slice(&total.to_be_bytes());
    // The serialize type, JSON, is the zero in the top byte.
    out[start + 4..start + 8].copy_from_slice(&(header_size as u32).to_be_bytes());
}

/// Room asked for at once in front of fields: most headers need no more.
const USUAL_SIZE: usize = 512;

fn write_header(out: &mut Vec<u8>, parts: &Parts<'_>) {
    out.reserve(USUAL_SIZE);
    out.extend_from_slice(b"{\"code\":");
    write_int(out, parts.code.into());
    write_fields(out, parts.fields);
    out.extend_from_slice(b",\"flag\":");
    write_int(out, parts.flag.into());
    match parts.language {
        Language::Java => out.extend_from_slice(b",\"language\":\"JAVA\",\"opaque\":"),
        other => {
            out.extend_from_slice(b",\"language\":\"");
            out.extend_from_slice(other.name().as_bytes());
            out.extend_from_slice(b"\",\"opaque\":");
        }
    }
    write_int(out, parts.opaque.into());
    if let Some(remark) = parts.remark {
        out.extend_from_slice(b",\"remark\":");
        write_string(out, remark);
    }
    out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.extend_from_slice(VERSION_DIGITS);
    out.push(b'}');
}

/// Writes the member `extFields`, unless there are none.
fn write_fields(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    let mut before: &[u8] = b",\"extFields\":{\"";
    for (name, value) in fields {
        if *value == FieldValue::Absent {
            continue;
        }
        out.extend_from_slice(before);
        before = b",\"";
        write_inside(out, name);
        match *value {
            FieldValue::Str(text) => {
                out.extend_from_slice(b"\":\"");
                write_inside(out, text);
                out.push(b'"');
            }
            FieldValue::Int(number) => {
                out.extend_from_slice(b"\":\"");
                write_int(out, number);
                out.push(b'"');
            }
            FieldValue::Bool(true) => out.extend_from_slice(b"\":\"true\""),
            FieldValue::Bool(false) => out.extend_from_slice(b"\":\"false\""),
            FieldValue::Absent => {}
        }
    }
    if before == b",\"" {
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FRAME_SIZE_MAX, scan};
    use crate::header::HeaderBuffer;

    #[test]
    fn the_digits_of_the_version_are_those_of_the_version() {
        assert_eq!(VERSION_DIGITS, VERSION.to_string().as_bytes());
    }

    #[test]
    fn an_answer_says_what_it_was_given_and_nothing_else() {
        let mut out = b"before".to_vec();
        let fields = [("msgId", "A1".into()), ("queueOffset", 7_i64.into()), ("x", FieldValue::Absent)];
        ResponseHeader { code: ResponseCode::SUCCESS, opaque: -3, remark: None, fields: &fields }
            .append(&mut out, b"B");
        let header = r#"{"code":0,"extFields":{"msgId":"A1","queueOffset":"7"},"flag":1,"language":"JAVA","opaque":-3,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        let frame = scan(&out[6..], FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!(std::str::from_utf8(frame.header), Ok(header));
        assert_eq!((frame.body, frame.consumed), (&b"B"[..], out.len() - 6));
    }

    #[test]
    fn without_fields_there_is_no_ext_fields_member() {
        let mut out = Vec::new();
        let fields = [("transactionId", FieldValue::Absent)];
        ResponseHeader { code: ResponseCode::SYSTEM_ERROR, opaque: 1, remark: Some("a \"b\"\n"), fields: &fields }
            .append(&mut out, b"");
        let header = r#"{"code":1,"flag":1,"language":"JAVA","opaque":1,"remark":"a \"b\"\n","serializeTypeCurrentRPC":"JSON","version":513}"#;
        assert_eq!(std::str::from_utf8(&out[8..]), Ok(header));
    }

    #[test]
    fn a_name_that_a_client_chose_stays_a_name() {
        let name = "a\":\"b\",\"\u{1}c\\";
        let mut out = Vec::new();
        let fields = [(name, "x".into()), ("y", "z".into())];
        ResponseHeader { fields: &fields, ..ResponseHeader::success(1) }.append(&mut out, b"");
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&scan(&out, FRAME_SIZE_MAX).unwrap().unwrap()).unwrap();
        assert_eq!(header.fields.iter().collect::<Vec<_>>(), [(name, "x"), ("y", "z")]);
    }

    #[test]
    fn a_head_alone_announces_the_body_that_follows() {
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        let response = ResponseHeader::success(9);
        response.append(&mut whole, b"12345");
        response.append_head(&mut head, 5);
        head.extend_from_slice(b"12345");
        assert_eq!(whole, head);
        let request = RequestHeader::push(RequestCode::CheckTransactionState, 4, &[]);
        whole.clear();
        head.clear();
        request.append(&mut whole, b"record");
        request.append_head(&mut head, 6);
        head.extend_from_slice(b"record");
        assert_eq!(whole, head);
    }

    #[test]
    fn what_is_written_is_read_back_control_characters_included() {
        let mut out = Vec::new();
        let properties = "KEYS\u{1}k\u{2}TAGS\u{1}grüße\u{2}";
        let fields = [("i", properties.into()), ("m", true.into()), ("e", (-1_i32).into())];
        let request = RequestHeader {
            code: RequestCode::SendMessageV2,
            language: Language::Rust,
            opaque: i32::MIN,
            oneway: false,
            remark: Some("r"),
            fields: &fields,
        };
        request.append_with(&mut out, |body| body.extend_from_slice(b"hello"));
        let frame = scan(&out, FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!(frame.body, b"hello");
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).unwrap();
        assert_eq!((header.code, header.opaque, header.flag, header.version), (310, i32::MIN, 0, VERSION));
        assert_eq!((header.language, header.remark), (Language::Rust, Some("r")));
        assert_eq!(header.fields.str("i"), Ok(properties));
        assert_eq!((header.fields.bool("m"), header.fields.i32("e")), (Ok(true), Ok(-1)));
    }
}
