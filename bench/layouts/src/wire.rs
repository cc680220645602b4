//! Frames as RocketMQ remoting shapes them: length, header length, a JSON header, a body.
//!
//! The header is scanned for the two numbers a server needs, not parsed: every layout pays the same for it.

use std::io::{Error, ErrorKind, Result};

/// Request code of a durable send.
pub const SEND: u32 = 310;
/// Request code of a request that needs no disk, such as a heartbeat.
pub const PING: u32 = 34;
/// Largest frame taken from a socket, in bytes.
const FRAME_SIZE_MAX: usize = 64 * 1024;

/// What a frame says, borrowed from the socket's buffer.
pub struct Frame<'a> {
    /// [`SEND`], [`PING`], or 0 in a reply.
    pub code: u32,
    /// The number that joins a reply to its request.
    pub opaque: u32,
    /// The bytes behind the header.
    pub body: &'a [u8],
}

/// Appends a request with a header of the size the Java client sends (about 330 bytes).
pub fn put_request(out: &mut Vec<u8>, code: u32, opaque: u32, body: &[u8]) {
    let header = format!(
        "{{\"code\":{code},\"extFields\":{{\"a\":\"testProducerGroup\",\"b\":\"PayOrderSuccessTopic\",\"c\":\"TBW102\",\
         \"d\":\"4\",\"e\":\"2\",\"f\":\"0\",\"g\":\"1700000000000\",\"h\":\"0\",\"i\":\"KEYS_TestKey_UNIQ_KEY_7F0000011234\
         18B4AAC200000000_WAIT_true_TAGS_TestTag\",\"j\":\"0\",\"k\":\"false\",\"m\":\"false\"}},\"flag\":0,\
         \"language\":\"JAVA\",\"opaque\":{opaque},\"serializeTypeCurrentRPC\":\"JSON\",\"version\":401}}"
    );
    put_frame(out, header.as_bytes(), body);
}

/// Appends the reply to request `opaque`.
pub fn put_reply(out: &mut Vec<u8>, opaque: u32) {
    let header = format!(
        "{{\"code\":0,\"extFields\":{{\"msgId\":\"7F00000100002A9F0000000000000000\",\"queueId\":\"2\",\
         \"queueOffset\":\"0\"}},\"flag\":1,\"language\":\"RUST\",\"opaque\":{opaque},\"version\":401}}"
    );
    put_frame(out, header.as_bytes(), &[]);
}

fn put_frame(out: &mut Vec<u8>, header: &[u8], body: &[u8]) {
    out.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    out.extend_from_slice(&(header.len() as u32).to_be_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
}

/// The first frame of `bytes` and its size, or `None` while it is not complete.
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let Some(length) = big_endian(bytes, 0) else { return Ok(None) };
    if !(4..=FRAME_SIZE_MAX).contains(&length) {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a frame of {length} bytes, outside 4..={FRAME_SIZE_MAX}"),
        ));
    }
    let Some(frame) = bytes.get(4..4 + length) else { return Ok(None) };
    let header_length = big_endian(frame, 0).unwrap_or(0);
    let Some(header) = frame.get(4..4 + header_length) else {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a header of {header_length} bytes in a frame of {length}"),
        ));
    };
    let body = &frame[4 + header_length..];
    Ok(Some((Frame { code: number(header, b"\"code\":")?, opaque: number(header, b"\"opaque\":")?, body }, 4 + length)))
}

fn big_endian(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at + 4)?;
    Some(word.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
}

fn number(header: &[u8], name: &[u8]) -> Result<u32> {
    let missing = || Error::new(ErrorKind::InvalidData, format!("no {} in a header", String::from_utf8_lossy(name)));
    let at = header.windows(name.len()).position(|window| window == name).ok_or_else(missing)? + name.len();
    let mut digits = header[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits
        .try_fold(0u32, |value, &digit| value.checked_mul(10)?.checked_add(u32::from(digit - b'0')))
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_once_it_is_complete() {
        let mut bytes = Vec::new();
        put_request(&mut bytes, SEND, 77, b"body");
        assert!(next_frame(&bytes[..bytes.len() - 1]).unwrap().is_none());
        let (frame, size) = next_frame(&bytes).unwrap().unwrap();
        assert_eq!((frame.code, frame.opaque, frame.body, size), (SEND, 77, &b"body"[..], bytes.len()));
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error() {
        assert!(next_frame(&[0, 0, 0, 1, 0]).is_err());
        assert!(next_frame(&[0, 0, 0, 4, 0, 0, 0, 9]).is_err());
        assert!(next_frame(&[0, 0, 0, 6, 0, 0, 0, 2, b'{', b'}']).is_err());
    }
}
