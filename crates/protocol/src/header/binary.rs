//! The binary form of a header, serialize type 1.
//!
//! ```text
//! i16 code   u8 language   i16 version   i32 opaque   i32 flag
//! i32 size of the remark   u8[] remark
//! i32 size of the fields   then field by field:  i16 size   u8[] key   i32 size   u8[] value
//! ```
//!
//! A Java client writes both its typed header and its field map, so a key may occur twice; the last one counts. Codes
//! above 32,767 do not fit: 200050 arrives as 3442, and RocketMQ does not know it either.
//!
//! Texts are copied to the scratch, for they lie between bytes that are not text.

use super::{Entry, FIELDS_MAX, Head, HeaderError, Language, Span};
use crate::words::Word;

/// Reads a header; all spans are in the scratch.
pub(super) fn decode(bytes: &[u8], entries: &mut Vec<Entry>, scratch: &mut Vec<u8>) -> Result<Head, HeaderError> {
    let mut cursor = Cursor { bytes, at: 0, scratch };
    let code = i16::from_be_bytes(cursor.array("code")?);
    let [language] = cursor.array("language")?;
    let version = i16::from_be_bytes(cursor.array("version")?);
    let opaque = i32::from_be_bytes(cursor.array("opaque")?);
    let flag = i32::from_be_bytes(cursor.array("flag")?);
    let remark_size = i32::from_be_bytes(cursor.array("remark size")?);
    let remark = cursor.text("remark", remark_size)?;
    let fields_size = i32::from_be_bytes(cursor.array("fields size")?);
    let end = usize::try_from(fields_size).ok().and_then(|size| cursor.at.checked_add(size));
    let Some(end) = end.filter(|end| *end <= bytes.len()) else {
        return Err(HeaderError::CutOff { part: "fields", at: cursor.at });
    };
    while cursor.at < end {
        let key_size = i16::from_be_bytes(cursor.array("key size")?);
        let key = cursor.text("key", key_size.into())?;
        let value_size = i32::from_be_bytes(cursor.array("value size")?);
        let value = cursor.text("value", value_size)?;
        // An empty text is how this form says null.
        let (Some(key), Some(value)) = (key, value) else {
            continue;
        };
        if entries.len() == FIELDS_MAX {
            return Err(HeaderError::TooManyFields);
        }
        entries.push(Entry { key, value });
    }
    Ok(Head {
        code: code.into(),
        language: Language::from_ordinal(language.into()).unwrap_or(Language::Other),
        version: version.into(),
        opaque,
        flag,
        remark,
    })
}

struct Cursor<'t, 'b> {
    bytes: &'t [u8],
    at: usize,
    scratch: &'b mut Vec<u8>,
}

impl Cursor<'_, '_> {
    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], HeaderError> {
        let rest = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let found = rest.ok_or(HeaderError::CutOff { part, at: self.at })?;
        self.at += N;
        Ok(*found)
    }

    /// A text of `size` bytes, `None` if it has none.
    fn text(&mut self, part: &'static str, size: i32) -> Result<Option<Span>, HeaderError> {
        let cut_off = HeaderError::CutOff { part, at: self.at };
        let Ok(size) = usize::try_from(size) else {
            return Err(cut_off);
        };
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..size)).ok_or(cut_off)?;
        let text = str::from_utf8(bytes).map_err(|error| HeaderError::NotUtf8 { at: self.at + error.valid_up_to() })?;
        self.at += size;
        let start = self.scratch.len();
        self.scratch.extend_from_slice(text.as_bytes());
        Ok((size > 0).then(|| Span::of_scratch(start, start + size)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HeaderBuffer, Language};
    use super::*;
    use crate::frame::{Frame, SerializeType};

    fn header(remark: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut entries = Vec::new();
        for (key, value) in fields {
            entries.extend_from_slice(&(key.len() as i16).to_be_bytes());
            entries.extend_from_slice(key.as_bytes());
            entries.extend_from_slice(&(value.len() as i32).to_be_bytes());
            entries.extend_from_slice(value.as_bytes());
        }
        let mut bytes = vec![0, 105, 9, 1, 0x3D, 0xFF, 0xFF, 0xFF, 0xFE, 0, 0, 0, 2];
        bytes.extend_from_slice(&(remark.len() as i32).to_be_bytes());
        bytes.extend_from_slice(remark.as_bytes());
        bytes.extend_from_slice(&(entries.len() as i32).to_be_bytes());
        bytes.extend_from_slice(&entries);
        bytes
    }

    fn frame(header: &[u8]) -> Frame<'_> {
        Frame { serialize_type: SerializeType::Binary, header, body: b"", consumed: 0 }
    }

    #[test]
    fn all_members_are_read_and_empty_texts_are_null() {
        let bytes = header("grüße", &[("topic", "T"), ("empty", ""), ("topic", "U"), ("i", "A\u{1}b\u{2}")]);
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame(&bytes)).unwrap();
        assert_eq!((header.code, header.version, header.opaque, header.flag), (105, 317, -2, 2));
        assert_eq!((header.language, header.remark), (Language::Go, Some("grüße")));
        assert_eq!(header.fields.get("topic"), Some("U"));
        assert_eq!(header.fields.get("empty"), None);
        assert_eq!(header.fields.get("i"), Some("A\u{1}b\u{2}"));
    }

    #[test]
    fn a_header_cut_off_anywhere_is_refused() {
        let bytes = header("r", &[("topic", "T"), ("key", "value")]);
        for size in 0..bytes.len() {
            let error = HeaderBuffer::new().decode(&frame(&bytes[..size])).unwrap_err();
            assert!(matches!(error, HeaderError::CutOff { .. }), "{size}: {error}");
        }
    }

    #[test]
    fn sizes_that_lie_and_bytes_that_are_no_text_are_refused() {
        let refusal = |bytes: &[u8]| HeaderBuffer::new().decode(&frame(bytes)).unwrap_err();
        let honest = header("r", &[("topic", "T")]);
        let mut negative = honest.clone();
        negative[13..17].copy_from_slice(&(-1_i32).to_be_bytes());
        assert_eq!(refusal(&negative), HeaderError::CutOff { part: "remark", at: 17 });
        let mut huge = honest.clone();
        huge[18..22].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(refusal(&huge), HeaderError::CutOff { part: "fields", at: 22 });
        let mut not_text = honest;
        not_text[17] = 0xFF;
        assert_eq!(refusal(&not_text), HeaderError::NotUtf8 { at: 17 });
        let many: Vec<_> = std::iter::repeat_n(("a", "b"), FIELDS_MAX + 1).collect();
        assert_eq!(refusal(&header("", &many)), HeaderError::TooManyFields);
    }
}
