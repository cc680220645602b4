//! Where one frame ends and the next begins, in a buffer of received bytes.
//!
//! ```text
//! u32  total      4 + header size + body size; does not count itself
//! u32  head word  serialize type in the top 8 bits, header size in the lower 24
//! u8[] header
//! u8[] body       whatever is left of total; may be empty
//! ```
//!
//! Numbers are big-endian. Nothing is copied: a [`Frame`] borrows from the buffer it was found in.

/// Largest frame accepted by default, in bytes, its 4-byte length prefix included.
///
/// 16 MiB is what Java peers accept (`com.rocketmq.remoting.frameMaxLength`); they count the prefix too.
pub const FRAME_SIZE_MAX: usize = 16 * 1024 * 1024;

/// Bytes in front of the header: the length prefix and the head word.
pub(crate) const PREFIX_SIZE: usize = 8;

/// Largest header size the 24 bits of the head word can tell.
pub(crate) const HEADER_SIZE_LIMIT: usize = 0x00FF_FFFF;

/// How a header is written, the top byte of the head word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerializeType {
    /// Type 0, the default of every client. All answers are written this way, whatever the request used:
    /// the C++ client does not mask the type out of the head word, and RocketMQ 5.5.0 answers so too.
    Json,
    /// Type 1, RocketMQ's own binary form (`-Drocketmq.serialize.type=ROCKETMQ`).
    Binary,
}

/// One complete frame, borrowed from the buffer it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// How `header` is to be read.
    pub serialize_type: SerializeType,
    /// Header bytes, not yet looked at.
    pub header: &'a [u8],
    /// Body bytes; what they mean depends on the request code.
    pub body: &'a [u8],
    /// Bytes of the buffer this frame takes: the next frame begins there.
    pub consumed: usize,
}

/// Why a stream of bytes is not a stream of frames.
///
/// There is no way to find the next frame after any of these: close the connection, without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A peer that sends more than agreed, or one that does not speak this protocol at all.
    #[error("frame of {size} bytes is larger than the {limit} accepted; close the connection")]
    TooLarge {
        /// Announced size with its length prefix, in bytes.
        size: u64,
        /// Largest size accepted, in bytes.
        limit: usize,
    },
    /// There is no room for the head word.
    #[error("frame announces {total} bytes, fewer than the 4 of its head word; close the connection")]
    TooShort {
        /// Announced size without its length prefix, in bytes.
        total: u32,
    },
    /// The header would reach into the next frame.
    #[error("header of {header} bytes does not fit a frame of {total}; close the connection")]
    HeaderTooLong {
        /// Header size in the head word, in bytes.
        header: u32,
        /// Announced size without its length prefix, in bytes.
        total: u32,
    },
    /// Neither JSON (0) nor binary (1).
    #[error("serialize type {0} is neither 0 (json) nor 1 (rocketmq); close the connection")]
    UnknownSerializeType(u8),
}

/// Finds the frame at the start of `buffer`, or `None` while some of its bytes have not arrived.
///
/// Lies are refused as soon as they can be seen, so a peer cannot make us wait for, or make room for, a frame that
/// would be refused in the end. `frame_size_max` counts the length prefix.
pub fn scan(buffer: &[u8], frame_size_max: usize) -> Result<Option<Frame<'_>>, FrameError> {
    let Some((prefix, rest)) = buffer.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let total = u32::from_be_bytes(*prefix);
    let size = u64::from(total) + 4;
    if size > frame_size_max as u64 {
        return Err(FrameError::TooLarge { size, limit: frame_size_max });
    }
    if total < 4 {
        return Err(FrameError::TooShort { total });
    }
    let Some((head_word, rest)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let head_word = u32::from_be_bytes(*head_word);
    let serialize_type = match head_word >> 24 {
        0 => SerializeType::Json,
        1 => SerializeType::Binary,
        other => return Err(FrameError::UnknownSerializeType(other as u8)),
    };
    let header_size = head_word & HEADER_SIZE_LIMIT as u32;
    let payload_size = total - 4;
    if header_size > payload_size {
        return Err(FrameError::HeaderTooLong { header: header_size, total });
    }
    let Some(payload) = rest.get(..payload_size as usize) else {
        return Ok(None);
    };
    let (header, body) = payload.split_at(header_size as usize);
    Ok(Some(Frame { serialize_type, header, body, consumed: PREFIX_SIZE + payload.len() }))
}

/// Size of the frame at the start of `buffer` as its length prefix tells it, prefix included, in bytes.
///
/// What a receive buffer should make room for when [`scan`] has said `None`. Only [`scan`] checks it against a limit:
/// ask it first.
pub fn announced_size(buffer: &[u8]) -> Option<usize> {
    let prefix = buffer.first_chunk::<4>()?;
    usize::try_from(u64::from(u32::from_be_bytes(*prefix)) + 4).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(total: u32, head_word: u32, payload: &[u8]) -> Vec<u8> {
        [&total.to_be_bytes()[..], &head_word.to_be_bytes(), payload].concat()
    }

    #[test]
    fn a_frame_is_split_into_header_and_body_and_says_where_the_next_begins() {
        let mut bytes = frame(4 + 7, 4, b"headbod");
        let size = bytes.len();
        bytes.extend_from_slice(b"next");
        let found = scan(&bytes, FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!(found, Frame { serialize_type: SerializeType::Json, header: b"head", body: b"bod", consumed: size });
    }

    #[test]
    fn a_frame_that_has_not_arrived_whole_is_waited_for_at_every_length() {
        let bytes = frame(4 + 7, 0x0100_0004, b"headbod");
        for arrived in 0..bytes.len() {
            assert_eq!(scan(&bytes[..arrived], FRAME_SIZE_MAX), Ok(None), "{arrived} bytes");
        }
        assert_eq!(scan(&bytes, FRAME_SIZE_MAX).unwrap().unwrap().serialize_type, SerializeType::Binary);
        assert_eq!(announced_size(&bytes[..4]), Some(bytes.len()));
        assert_eq!(announced_size(&bytes[..3]), None);
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let bytes = frame(4 + 8, 0, b"12345678");
        assert!(scan(&bytes, 16).unwrap().is_some());
        assert_eq!(scan(&bytes, 15), Err(FrameError::TooLarge { size: 16, limit: 15 }));
    }

    #[test]
    fn lies_are_refused_before_the_frame_has_arrived() {
        assert_eq!(
            scan(&u32::MAX.to_be_bytes(), FRAME_SIZE_MAX),
            Err(FrameError::TooLarge { size: u64::from(u32::MAX) + 4, limit: FRAME_SIZE_MAX })
        );
        assert_eq!(scan(&3_u32.to_be_bytes(), FRAME_SIZE_MAX), Err(FrameError::TooShort { total: 3 }));
        assert_eq!(
            scan(&frame(100, 97, b""), FRAME_SIZE_MAX),
            Err(FrameError::HeaderTooLong { header: 97, total: 100 })
        );
        assert_eq!(scan(&frame(100, 0x0200_0001, b""), FRAME_SIZE_MAX), Err(FrameError::UnknownSerializeType(2)));
        let http = b"GET / HTTP/1.1\r\n";
        assert!(matches!(scan(http, FRAME_SIZE_MAX), Err(FrameError::TooLarge { .. })));
    }

    #[test]
    fn a_frame_may_have_neither_header_nor_body() {
        let bytes = frame(4, 0, b"");
        let found = scan(&bytes, FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!((found.header, found.body, found.consumed), (&b""[..], &b""[..], 8));
    }
}
