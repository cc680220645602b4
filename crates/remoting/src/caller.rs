//! Who asks, and the ways to answer.

use broker::io::{Refusal, Reply, SessionId};
use protocol::BodyError;
use protocol::codes::ResponseCode;
use protocol::encode::{Field, ResponseHeader};
use protocol::frame::FRAME_SIZE_MAX;
use protocol::header::{FieldError, Fields, Language};

use crate::notes::Slot;
use crate::refusals::code_of;
use crate::requests::{REQUESTS, RequestKind};

/// Longest text of a refusal, in bytes: a header has no room for a name of a megabyte, escaped and quoted twice.
const REMARK_LEN_MAX: usize = 4096;

/// The way back to whoever asked: enough to write an answer, in 64 bits beside the session.
///
/// ```text
/// bits 0..32 opaque, 32..40 place in the request table, 40..64 what the request's kind needs of it for its answer
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    pub session: SessionId,
    pub opaque: i32,
    /// Place in the request table.
    pub kind: u8,
    /// What the answer needs of the request: the slot of a note, or a flag. 24 bits.
    pub extra: u32,
}

impl Caller {
    pub fn reply(self) -> Reply {
        debug_assert!(self.extra < 1 << 24, "{} does not fit a token", self.extra);
        let token = u64::from(self.opaque as u32) | u64::from(self.kind) << 32 | u64::from(self.extra) << 40;
        Reply { session: self.session, token }
    }

    /// The caller in a reply that a door made.
    pub fn of(reply: Reply) -> Self {
        Caller {
            session: reply.session,
            opaque: reply.token as u32 as i32,
            kind: (reply.token >> 32) as u8,
            extra: (reply.token >> 40) as u32,
        }
    }

    pub fn with(self, extra: u32) -> Self {
        Caller { extra, ..self }
    }

    /// The caller whose answer needs what was noted there.
    pub fn noted(self, slot: Slot) -> Self {
        self.with(slot.0)
    }

    /// Where the note of the request is.
    pub fn slot(self) -> Slot {
        Slot(self.extra)
    }

    /// What was asked.
    pub fn kind(self) -> &'static RequestKind {
        &REQUESTS[usize::from(self.kind)]
    }

    /// A success with nothing to say.
    pub fn done(self, to: &mut Vec<u8>) {
        ResponseHeader::success(self.opaque).append(to, b"");
    }

    /// A success with header fields and no body.
    pub fn fields(self, to: &mut Vec<u8>, fields: &[Field<'_>]) {
        ResponseHeader { fields, ..ResponseHeader::success(self.opaque) }.append(to, b"");
    }

    /// A success with a body.
    pub fn body(self, to: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        self.fields_and_body(to, &[], body);
    }

    /// A success with header fields and a body. A body no client would take becomes a refusal.
    pub fn fields_and_body(self, to: &mut Vec<u8>, fields: &[Field<'_>], body: impl FnOnce(&mut Vec<u8>)) {
        let start = to.len();
        ResponseHeader { fields, ..ResponseHeader::success(self.opaque) }.append_with(to, body);
        let size = to.len() - start;
        if size > FRAME_SIZE_MAX {
            to.truncate(start);
            to.shrink_to(start + FRAME_SIZE_MAX);
            let text = format!("the answer has {size} bytes, more than the {FRAME_SIZE_MAX} of a frame; ask for less");
            self.error(to, ResponseCode::SYSTEM_ERROR, &text);
        }
    }

    /// A refusal and why. What quotes a long request is cut.
    pub fn error(self, to: &mut Vec<u8>, code: ResponseCode, text: &str) {
        let mut end = text.len().min(REMARK_LEN_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        ResponseHeader::error(code, self.opaque, &text[..end]).append(to, b"");
    }

    /// A refusal of the broker.
    pub fn refused(self, to: &mut Vec<u8>, refusal: &Refusal) {
        self.error(to, code_of(refusal, self.kind().code), &refusal.to_string());
    }
}

/// A request, its header decoded.
pub(crate) struct Call<'a> {
    pub caller: Caller,
    /// Nobody waits for an answer, not even for an error.
    pub oneway: bool,
    /// The client's version, 0 when not told.
    pub version: i32,
    pub language: Language,
    pub remark: Option<&'a str>,
    pub fields: Fields<'a>,
    pub body: &'a [u8],
}

impl Call<'_> {
    /// Where the broker's answer goes; `None` when nobody wants it.
    pub fn reply(&self) -> Option<Reply> {
        self.reply_with(0)
    }

    /// As [`Call::reply`], with something that the answer needs of the request.
    pub fn reply_with(&self, extra: u32) -> Option<Reply> {
        (!self.oneway).then(|| self.caller.with(extra).reply())
    }

    /// Lets `answer` write, unless nobody wants an answer.
    pub fn answer(&self, to: &mut Vec<u8>, answer: impl FnOnce(Caller, &mut Vec<u8>)) {
        if !self.oneway {
            answer(self.caller, to);
        }
    }
}

/// Why a request goes no further than the door.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A header field is missing or wrong.
    Field(FieldError),
    /// The body is not what the request needs.
    Body(BodyError),
    /// A rule of the broker's that can be seen from here.
    Refused(Refusal),
    /// Anything else, with the code clients go by.
    Code(ResponseCode, String),
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        Fault::Field(error)
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        Fault::Body(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl Fault {
    pub fn write(&self, caller: Caller, to: &mut Vec<u8>) {
        match self {
            Fault::Field(error) => caller.error(to, ResponseCode::SYSTEM_ERROR, &error.to_string()),
            Fault::Body(error) => caller.error(to, ResponseCode::SYSTEM_ERROR, &error.to_string()),
            Fault::Refused(refusal) => caller.refused(to, refusal),
            Fault::Code(code, text) => caller.error(to, *code, text),
        }
    }
}

/// A queue number or a count from a header that cannot be negative.
pub(crate) fn natural(name: &str, value: i32) -> Result<u32, Fault> {
    u32::try_from(value).map_err(|_| Refusal::InvalidParameter(format!("{name} {value} is negative")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_the_whole_caller() {
        for caller in [
            Caller { session: SessionId(7), opaque: -1, kind: 0, extra: 0 },
            Caller { session: SessionId(u64::MAX), opaque: i32::MIN, kind: 255, extra: (1 << 24) - 1 },
            Caller { session: SessionId(0), opaque: i32::MAX, kind: 17, extra: 1 },
        ] {
            assert_eq!(Caller::of(caller.reply()), caller);
        }
    }

    #[test]
    fn a_refusal_that_quotes_a_megabyte_is_cut_between_two_characters() {
        let caller = Caller { session: SessionId(7), opaque: 1, kind: 0, extra: 0 };
        let mut to = Vec::new();
        caller.error(&mut to, ResponseCode::SYSTEM_ERROR, &"\u{1}ä".repeat(500_000));
        assert!((4096..5 * 4096).contains(&to.len()), "{} bytes", to.len());
        assert!(String::from_utf8(to[8..].to_vec()).is_ok());
    }
}
