//! What a request or response says about itself: code, flags, correlation id and its fields, decoded without copying.
//!
//! Every request of every client passes here, so decoding is one pass over the bytes that allocates nothing once its
//! [`HeaderBuffer`] has grown: fields are kept as positions, and only a value with an escape in it (message properties
//! are separated by `\u0001` and `\u0002`) is written out, into the buffer's scratch.

mod binary;
pub(crate) mod fields;
mod json;
mod language;

use crate::frame::{Frame, SerializeType};
use crate::json::JsonError;

pub use fields::{FieldError, Fields};
pub(crate) use fields::{parse_i32, parse_i64};
pub use language::Language;

use fields::{Entry, Span};

/// Largest header decoded, in bytes.
///
/// The largest honest header is a send whose 32,767 bytes of properties are all escaped (six bytes each). The limit
/// also guarantees that an answer that quotes fields of a request fits the 24 bits of its own header size.
pub const HEADER_SIZE_MAX: usize = 1024 * 1024;

/// Most fields in one header; clients send fewer than 30.
pub const FIELDS_MAX: usize = 256;

/// Deepest nesting of JSON in a header, the header's own object included; clients use 2.
pub const HEADER_DEPTH_MAX: usize = 16;

/// Scratch kept from one header to the next, in bytes: one unusual header must not hold its memory for ever.
const SCRATCH_KEPT_MAX: usize = 64 * 1024;

/// Flag bit: this is a response; its code is a response code.
pub const FLAG_RESPONSE: i32 = 1;

/// Flag bit: nobody waits for an answer, not even for an error.
pub const FLAG_ONEWAY: i32 = 2;

/// A decoded header, borrowed from the frame and from the [`HeaderBuffer`].
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// A request code, or a response code if [`Header::is_response`]; see [`crate::codes`].
    pub code: i32,
    /// What the peer is written in.
    pub language: Language,
    /// RocketMQ version ordinal of the peer, 0 when not told: 513 is 5.5.0, 409 is 4.9.8, Go says 317.
    pub version: i32,
    /// Correlation id. Signed, wraps, and belongs to one direction of one connection.
    pub opaque: i32,
    /// [`FLAG_RESPONSE`] and [`FLAG_ONEWAY`]; other bits have no meaning.
    pub flag: i32,
    /// Text for a person: an error of a response, a local exception in a decision. Empty counts as absent.
    pub remark: Option<&'a str>,
    /// `extFields`: everything that depends on the code.
    pub fields: Fields<'a>,
}

impl Header<'_> {
    /// Is it an answer to something we asked?
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// Must it not be answered? Decided by this flag alone, not by the code: Go sends END_TRANSACTION (37) and
    /// UPDATE_CONSUMER_OFFSET (15) as requests that want an answer.
    pub fn is_oneway(&self) -> bool {
        self.flag & FLAG_ONEWAY != 0
    }
}

/// Why a header could not be read. The correlation id is unknown then: close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than any honest header.
    #[error("header of {size} bytes is larger than the {HEADER_SIZE_MAX} accepted; close the connection")]
    TooLarge {
        /// Header size, in bytes.
        size: usize,
    },
    /// The text of a JSON header cannot be read.
    #[error("header: {0}; close the connection")]
    Json(#[from] JsonError),
    /// A JSON header's member that has to be a 32-bit number is something else.
    #[error("header member {name} is not a 32-bit number (byte {at}); close the connection")]
    NotANumber {
        /// Name of the member.
        name: &'static str,
        /// Where its value begins, in bytes from the start of the header.
        at: usize,
    },
    /// A JSON header without a code asks for nothing.
    #[error("header has no code; close the connection")]
    NoCode,
    /// More fields than any honest header has.
    #[error("header has more than {FIELDS_MAX} fields; close the connection")]
    TooManyFields,
    /// A binary header ends in the middle of a part, or a part's size is negative.
    #[error("binary header is cut off at byte {at}, in its {part}; close the connection")]
    CutOff {
        /// What was being read.
        part: &'static str,
        /// Where it began, in bytes from the start of the header.
        at: usize,
    },
    /// A string of a binary header is not UTF-8.
    #[error("binary header has bytes that are not utf-8 at byte {at}; close the connection")]
    NotUtf8 {
        /// Where, in bytes from the start of the header.
        at: usize,
    },
}

/// Reusable room to decode headers into; one per thread or connection.
#[derive(Debug, Default)]
pub struct HeaderBuffer {
    entries: Vec<Entry>,
    /// Texts, and nothing else.
    scratch: Vec<u8>,
}

impl HeaderBuffer {
    /// Empty; grows with the first headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the header of `frame`.
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Header<'a>, HeaderError> {
        let size = frame.header.len();
        if size > HEADER_SIZE_MAX {
            return Err(HeaderError::TooLarge { size });
        }
        self.entries.clear();
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_KEPT_MAX);
        let (text, head) = match frame.serialize_type {
            SerializeType::Json => json::decode(frame.header, &mut self.entries, &mut self.scratch)?,
            SerializeType::Binary => ("", binary::decode(frame.header, &mut self.entries, &mut self.scratch)?),
        };
        let scratch = str::from_utf8(&self.scratch).expect("only texts and pieces of texts were appended");
        let fields = Fields::new(text, scratch, &self.entries);
        Ok(Header {
            code: head.code,
            language: head.language,
            version: head.version,
            opaque: head.opaque,
            flag: head.flag,
            remark: head.remark.map(|span| fields.resolve(span)).filter(|remark| !remark.is_empty()),
            fields,
        })
    }
}

/// A header's fixed members; texts as positions.
struct Head {
    code: i32,
    language: Language,
    version: i32,
    opaque: i32,
    flag: i32,
    remark: Option<Span>,
}
