//! The body of a batch send (320, or 310 with `m` true): several messages for one topic and queue.
//!
//! ```text
//! u32 size   u32 magic   u32 crc   u32 flag   u32 body size   u8[] body   u16 properties size   u8[] properties
//! ```
//!
//! `size` covers the whole message; magic and crc are 0 and mean nothing.

/// Bytes of a batched message besides its body and properties.
pub const BATCH_MESSAGE_OVERHEAD: usize = 22;

/// One message of a batch. Its topic, queue and system flags are those of the send's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMessage<'a> {
    /// The user's flag.
    pub flag: i32,
    /// Its body.
    pub body: &'a [u8],
    /// Its properties, with a `UNIQ_KEY` of its own.
    pub properties: &'a str,
}

/// Why a body is not a batch. Nothing of it should be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A size says more than there is, or less than its parts need.
    #[error("message {index} of the batch has a {part} of {size} bytes that does not fit; send a whole batch body")]
    Size {
        /// Which message, from 0.
        index: usize,
        /// Whose size.
        part: &'static str,
        /// What it says.
        size: u32,
    },
    /// The batch ends inside a message's fixed parts.
    #[error("the batch ends inside message {index}; send a whole batch body")]
    CutOff {
        /// Which message, from 0.
        index: usize,
    },
    /// Properties that are not UTF-8.
    #[error("message {index} of the batch has properties that are not utf-8; encode them so")]
    NotUtf8 {
        /// Which message, from 0.
        index: usize,
    },
}

/// The messages of a batch body, in order. After an error there are no more.
#[derive(Debug, Clone)]
pub struct BatchMessages<'a> {
    rest: &'a [u8],
    index: usize,
}

/// Reads a batch body.
pub fn messages(body: &[u8]) -> BatchMessages<'_> {
    BatchMessages { rest: body, index: 0 }
}

/// Appends one message to a batch body.
///
/// # Panics
///
/// If the properties are longer than 32,767 bytes or the body than 1 GiB: no broker takes them.
pub fn append_message(out: &mut Vec<u8>, message: &BatchMessage<'_>) {
    let properties_size = i16::try_from(message.properties.len()).expect("properties are at most 32,767 bytes");
    assert!(message.body.len() <= 1 << 30, "a body is at most 1 GiB");
    let size = (BATCH_MESSAGE_OVERHEAD + message.body.len() + message.properties.len()) as u32;
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&message.flag.to_be_bytes());
    out.extend_from_slice(&(message.body.len() as u32).to_be_bytes());
    out.extend_from_slice(message.body);
    out.extend_from_slice(&properties_size.to_be_bytes());
    out.extend_from_slice(message.properties.as_bytes());
}

impl<'a> Iterator for BatchMessages<'a> {
    type Item = Result<BatchMessage<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.message();
        if message.is_err() {
            self.rest = &[];
        }
        self.index += 1;
        Some(message)
    }
}

impl<'a> BatchMessages<'a> {
    fn message(&mut self) -> Result<BatchMessage<'a>, BatchError> {
        let index = self.index;
        let wrong = |part, size| BatchError::Size { index, part, size };
        let (size, _) = self.rest.split_first_chunk::<4>().ok_or(BatchError::CutOff { index })?;
        let size = u32::from_be_bytes(*size);
        if size as usize > self.rest.len() || (size as usize) < BATCH_MESSAGE_OVERHEAD {
            return Err(wrong("record", size));
        }
        let (record, rest) = self.rest.split_at(size as usize);
        self.rest = rest;
        let (fixed, after) = record.split_first_chunk::<20>().ok_or(BatchError::CutOff { index })?;
        let [_, _, _, flag, body_size] = words(fixed);
        let body = after.get(..body_size as usize).ok_or(wrong("body", body_size))?;
        let after = &after[body.len()..];
        let (properties_size, properties) = after.split_first_chunk::<2>().ok_or(wrong("body", body_size))?;
        let properties_size = u16::from_be_bytes(*properties_size);
        // Equal, not at most: bytes left over would be a message lost in silence.
        if usize::from(properties_size) != properties.len() {
            return Err(wrong("properties text", properties_size.into()));
        }
        let properties = std::str::from_utf8(properties).map_err(|_| BatchError::NotUtf8 { index })?;
        Ok(BatchMessage { flag: flag as i32, body, properties })
    }
}

fn words(bytes: &[u8; 20]) -> [u32; 5] {
    let (chunks, _) = bytes.as_chunks::<4>();
    [chunks[0], chunks[1], chunks[2], chunks[3], chunks[4]].map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: BatchMessage<'_> = BatchMessage { flag: -5, body: b"hello", properties: "UNIQ_KEY\u{1}A\u{2}" };
    const SECOND: BatchMessage<'_> = BatchMessage { flag: 0, body: b"", properties: "" };

    fn batch() -> Vec<u8> {
        let mut body = Vec::new();
        append_message(&mut body, &FIRST);
        append_message(&mut body, &SECOND);
        body
    }

    #[test]
    fn messages_come_back_in_order() {
        let body = batch();
        let read: Result<Vec<_>, _> = messages(&body).collect();
        assert_eq!(read.unwrap(), [FIRST, SECOND]);
        assert_eq!(messages(b"").next(), None);
    }

    #[test]
    fn a_batch_cut_off_anywhere_but_between_messages_is_refused() {
        let body = batch();
        for size in 0..body.len() {
            let read: Result<Vec<_>, _> = messages(&body[..size]).collect();
            let between = size == 0 || size == BATCH_MESSAGE_OVERHEAD + 16;
            assert_eq!(read.is_ok(), between, "{size}: {read:?}");
        }
    }

    #[test]
    fn sizes_that_lie_are_refused_and_end_the_batch() {
        for (at, value, part) in [
            (0, 21_u32, "record"),
            (0, u32::MAX, "record"),
            (16, 17, "body"),
            (16, u32::MAX, "body"),
            (16, 4, "properties text"),
            (16, 6, "properties text"),
        ] {
            let mut body = batch();
            body[at..at + 4].copy_from_slice(&value.to_be_bytes());
            let mut read = messages(&body);
            let error = read.next().unwrap().unwrap_err();
            assert!(matches!(error, BatchError::Size { index: 0, part: found, .. } if found == part), "{error}");
            assert_eq!(read.next(), None);
        }
        let mut body = batch();
        *body.last_chunk_mut::<2>().unwrap() = [0, 1];
        assert!(matches!(messages(&body).nth(1), Some(Err(BatchError::Size { index: 1, .. }))));
    }

    #[test]
    fn properties_that_are_not_utf8_are_refused() {
        let mut body = batch();
        body[30] = 0xFF;
        assert_eq!(messages(&body).next(), Some(Err(BatchError::NotUtf8 { index: 0 })));
    }
}
