//! Little-endian numbers and length-prefixed strings, as entries and snapshots are written.

use thiserror::Error;

/// Why bytes that should be an entry or a snapshot could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end before the field does.
    #[error("{field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Bytes the field needs.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// A string is not UTF-8.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// What was being read.
        field: &'static str,
    },
    /// A tag names no known variant: written by a newer version, or damaged.
    #[error("{field} has the unknown value {value}")]
    Unknown {
        /// What was being read.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// There are bytes behind the last field.
    #[error("{count} bytes follow the last field")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// Appends fields to a byte vector.
pub trait Put {
    /// Appends one byte.
    fn put_u8(&mut self, value: u8);
    /// Appends 2 bytes, little-endian.
    fn put_u16(&mut self, value: u16);
    /// Appends 4 bytes, little-endian.
    fn put_u32(&mut self, value: u32);
    /// Appends 4 bytes, little-endian two's complement.
    fn put_i32(&mut self, value: i32);
    /// Appends 8 bytes, little-endian.
    fn put_u64(&mut self, value: u64);
    /// Appends 8 bytes, little-endian two's complement.
    fn put_i64(&mut self, value: i64);
    /// Appends a string of at most 65,535 bytes behind its u16 length; a longer one is cut at a character boundary.
    fn put_str(&mut self, value: &str);
    /// Appends bytes behind their u32 length.
    fn put_bytes(&mut self, value: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_i32(&mut self, value: i32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_str(&mut self, value: &str) {
        let mut end = value.len().min(usize::from(u16::MAX));
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.put_u16(end as u16);
        self.extend_from_slice(&value.as_bytes()[..end]);
    }

    fn put_bytes(&mut self, value: &[u8]) {
        let length = u32::try_from(value.len()).expect("no field is 4 GiB long: bodies are limited to 16 MiB");
        self.put_u32(length);
        self.extend_from_slice(value);
    }
}

/// Reads fields in the order in which they were put, checking every bound.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the first of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    pub fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], CodecError> {
        match self.bytes.split_at_checked(count) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(CodecError::Truncated { field, needed: count, left: self.bytes.len() }),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        let taken = self.take(field, N)?;
        Ok(taken.try_into().expect("take returns as many bytes as were asked for"))
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        Ok(self.array::<1>(field)?[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, CodecError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Four bytes, little-endian two's complement.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, CodecError> {
        Ok(i32::from_le_bytes(self.array(field)?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// Eight bytes, little-endian two's complement.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, CodecError> {
        Ok(i64::from_le_bytes(self.array(field)?))
    }

    /// A string behind its u16 length.
    pub fn str(&mut self, field: &'static str) -> Result<&'a str, CodecError> {
        let length = self.u16(field)?;
        let bytes = self.take(field, usize::from(length))?;
        std::str::from_utf8(bytes).map_err(|_| CodecError::NotUtf8 { field })
    }

    /// Bytes behind their u32 length.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], CodecError> {
        let length = self.u32(field)?;
        self.take(field, length as usize)
    }

    /// Succeeds when everything was read.
    pub fn finish(self) -> Result<(), CodecError> {
        match self.bytes.len() {
            0 => Ok(()),
            count => Err(CodecError::Trailing { count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_back_and_nothing_is_left() {
        let mut bytes = Vec::new();
        bytes.put_u8(1);
        bytes.put_u16(2);
        bytes.put_u32(3);
        bytes.put_i32(-4);
        bytes.put_u64(5);
        bytes.put_i64(-6);
        bytes.put_str("sieben");
        bytes.put_bytes(b"eight");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(2));
        assert_eq!(reader.u32("c"), Ok(3));
        assert_eq!(reader.i32("d"), Ok(-4));
        assert_eq!(reader.u64("e"), Ok(5));
        assert_eq!(reader.i64("f"), Ok(-6));
        assert_eq!(reader.str("g"), Ok("sieben"));
        assert_eq!(reader.bytes("h"), Ok(&b"eight"[..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn bytes_that_end_too_early_name_the_field_they_end_in() {
        let mut reader = Reader::new(&[5, 0, b'a']);
        assert_eq!(reader.str("topic"), Err(CodecError::Truncated { field: "topic", needed: 5, left: 1 }));
    }

    #[test]
    fn a_string_too_long_for_its_length_field_is_cut_between_characters() {
        let mut bytes = Vec::new();
        bytes.put_str(&"é".repeat(40_000));
        assert_eq!(Reader::new(&bytes).str("long").map(str::len), Ok(65_534));
    }
}
