//! Requests on their way out and answers on their way in.
//!
//! `protocol` encodes the requests it has names for; a client must be able to ask anything, by number.

use bytes::Bytes;
use protocol::codes::ResponseCode;
use protocol::encode::{Field, FieldValue, VERSION};
use protocol::frame::{FRAME_SIZE_MAX, Frame, SerializeType};
use protocol::header::{FLAG_ONEWAY, FLAG_RESPONSE, FieldError, Fields, HeaderBuffer, Language};
use protocol::json::{Object, write_bool, write_int};

use protocol::Word as _;

use crate::error::{Error, Result};

/// What is asked of a broker or name server.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The request code, see [`protocol::codes::RequestCode`].
    pub code: i32,
    /// Fields of the header.
    pub fields: &'a [Field<'a>],
    /// The body, in two pieces, so that nobody has to put them together; mostly one is empty.
    pub body: [&'a [u8]; 2],
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(code: impl Into<i32>, fields: &'a [Field<'a>]) -> Self {
        Request { code: code.into(), fields, body: [&[], &[]] }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(self, body: &'a [u8]) -> Self {
        Request { body: [body, &[]], ..self }
    }

    /// Appends it as a frame.
    ///
    /// # Errors
    /// When it is larger than a peer accepts.
    pub(crate) fn append(&self, out: &mut Vec<u8>, opaque: i32, oneway: bool) -> Result<()> {
        let flag = if oneway { FLAG_ONEWAY } else { 0 };
        append(out, &Head { code: self.code, flag, opaque, remark: None, fields: self.fields }, self.body)
    }
}

/// Appends an answer to a request of the other side.
pub(crate) fn append_answer(
    out: &mut Vec<u8>,
    opaque: i32,
    code: i32,
    remark: Option<&str>,
    body: &[u8],
) -> Result<()> {
    append(out, &Head { code, flag: FLAG_RESPONSE, opaque, remark, fields: &[] }, [body, &[]])
}

struct Head<'a> {
    code: i32,
    flag: i32,
    opaque: i32,
    remark: Option<&'a str>,
    fields: &'a [Field<'a>],
}

fn append(out: &mut Vec<u8>, head: &Head<'_>, body: [&[u8]; 2]) -> Result<()> {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut header = Object::begin(out);
    write_int(header.member("code"), head.code.into());
    let mut fields = Object::begin(header.member("extFields"));
    for (name, value) in head.fields {
        match value {
            FieldValue::Str(text) => fields.string(name, text),
            FieldValue::Int(number) => quoted(fields.member(name), |out| write_int(out, *number)),
            FieldValue::Bool(truth) => quoted(fields.member(name), |out| write_bool(out, *truth)),
            FieldValue::Absent => {}
        }
    }
    fields.end();
    header.int("flag", head.flag);
    header.string("language", Language::Rust.name());
    header.int("opaque", head.opaque);
    header.opt_string("remark", head.remark);
    header.string("serializeTypeCurrentRPC", "JSON");
    header.int("version", VERSION);
    header.end();
    let header_size = out.len() - start - 8;
    for part in body {
        out.extend_from_slice(part);
    }
    let size = out.len() - start;
    if size > FRAME_SIZE_MAX || header_size >= 1 << 24 {
        out.truncate(start);
        return Err(Error::Invalid(format!("a request of {size} bytes; brokers accept {FRAME_SIZE_MAX}")));
    }
    out[start..start + 4].copy_from_slice(&(size as u32 - 4).to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&(header_size as u32).to_be_bytes());
    Ok(())
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// A header kept as its bytes: whoever waits for it reads it, not the task that reads the socket for everyone.
#[derive(Debug, Clone)]
pub(crate) struct RawHeader {
    pub(crate) serialize_type: SerializeType,
    pub(crate) bytes: Bytes,
}

impl RawHeader {
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Fields<'_>) -> T) -> T {
        let frame = Frame { serialize_type: self.serialize_type, header: &self.bytes, body: &[], consumed: 0 };
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).expect("it was decoded when it was received");
        read(&header.fields)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub(crate) address: std::sync::Arc<str>,
    pub(crate) request: i32,
    pub(crate) code: ResponseCode,
    pub(crate) version: i32,
    pub(crate) remark: Option<Box<str>>,
    pub(crate) header: RawHeader,
    pub(crate) body: Bytes,
}

impl Response {
    /// How it went.
    pub fn code(&self) -> ResponseCode {
        self.code
    }

    /// Text for a person.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// Version ordinal of the one who answered: 513 is RocketMQ 5.5.0.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Who answered.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A field of the header.
    pub fn field(&self, name: &str) -> Option<String> {
        self.header.read(|fields| fields.get(name).map(str::to_owned))
    }

    /// All fields of the header.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.header.read(|fields| fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Reads fields with a decoder of [`protocol::request`].
    ///
    /// # Errors
    /// When they are not what the decoder expects.
    pub fn decode<T>(&self, decode: impl FnOnce(&Fields<'_>) -> Result<T, FieldError>) -> Result<T> {
        self.header.read(decode).map_err(|error| Error::protocol(&self.address, error))
    }

    /// Itself if it says success, an error with its code and remark otherwise.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn ok(self) -> Result<Self> {
        if self.code == ResponseCode::SUCCESS { Ok(self) } else { Err(self.refusal()) }
    }

    /// The error that it says.
    pub fn refusal(&self) -> Error {
        Error::Refused {
            address: self.address.to_string(),
            request: self.request,
            code: self.code,
            remark: self.remark.as_deref().unwrap_or("").to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::frame::scan;

    use super::*;

    #[test]
    fn a_request_is_read_back_as_it_was_meant() {
        let fields = [("a", "x\u{1}y".into()), ("n", 7.into()), ("t", true.into()), ("z", FieldValue::Absent)];
        let request = Request { code: 200_050, fields: &fields, body: [b"one", b"two"] };
        let mut out = b"before".to_vec();
        request.append(&mut out, -5, true).unwrap();
        let frame = scan(&out[6..], FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!((frame.body, frame.consumed), (&b"onetwo"[..], out.len() - 6));
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).unwrap();
        assert_eq!((header.code, header.opaque, header.flag), (200_050, -5, FLAG_ONEWAY));
        assert_eq!(header.fields.iter().collect::<Vec<_>>(), [("a", "x\u{1}y"), ("n", "7"), ("t", "true")]);
    }

    #[test]
    fn a_request_larger_than_a_frame_is_refused_and_leaves_nothing_behind() {
        let body = vec![0; FRAME_SIZE_MAX];
        let mut out = b"before".to_vec();
        assert!(Request::new(310, &[]).with_body(&body).append(&mut out, 1, false).is_err());
        assert_eq!(out, b"before");
    }
}
