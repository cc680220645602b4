//! The inside of a quoted string: where it ends, and what it says if it has escapes.

use super::stops::Stops;
use super::{JsonError, JsonProblem};

/// Where a string was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// Without an escape: these bytes of the text are what it says.
    Plain { start: usize, end: usize },
    /// With escapes: what it says was appended to the scratch.
    Unescaped,
}

/// Reads the string whose opening quote is just before `start`; returns it and the position after its closing quote.
///
/// Control characters that should have been escaped are taken as they are. The quote is that of `stops`, which are those
/// of `text`. What is appended to `scratch` is UTF-8: pieces of a text cut in front of and behind ASCII, and characters.
#[inline]
pub(crate) fn scan_string(
    text: &str,
    start: usize,
    stops: &mut Stops<'_>,
    scratch: &mut Vec<u8>,
) -> Result<(Scanned, usize), JsonError> {
    let stop = stops.next(start).ok_or(open(start))?;
    if text.as_bytes()[stop] != b'\\' {
        return Ok((Scanned::Plain { start, end: stop }, stop + 1));
    }
    Ok((Scanned::Unescaped, unescape_string(text, start, stop, stops, scratch)?))
}

/// Appends the string that begins at `start` and has its first backslash at `stop`; returns the position after its
/// closing quote.
#[inline(never)]
pub(crate) fn unescape_string(
    text: &str,
    start: usize,
    mut stop: usize,
    stops: &mut Stops<'_>,
    scratch: &mut Vec<u8>,
) -> Result<usize, JsonError> {
    let bytes = text.as_bytes();
    let mut copied = start;
    while bytes[stop] == b'\\' {
        append(scratch, bytes, copied, stop);
        // The separators of properties: of a send, nearly all escapes.
        copied = match bytes.get(stop..stop + 6) {
            Some([b'\\', b'u', b'0', b'0', b'0', digit @ (b'1' | b'2')]) => {
                scratch.push(digit - b'0');
                stop + 6
            }
            _ => unescape(text, stop, scratch)?,
        };
        stop = stops.next(copied).ok_or(open(start))?;
    }
    append(scratch, bytes, copied, stop);
    Ok(stop + 1)
}

/// Appends these bytes. Between two escapes there are few: copying a fixed number and dropping what is too much needs
/// no call.
#[inline]
fn append(scratch: &mut Vec<u8>, bytes: &[u8], from: usize, to: usize) {
    const SHORT: usize = 32;
    match bytes[from..].first_chunk::<SHORT>() {
        Some(short) if to - from <= SHORT => {
            let len = scratch.len() + to - from;
            scratch.extend_from_slice(short);
            scratch.truncate(len);
        }
        _ => scratch.extend_from_slice(&bytes[from..to]),
    }
}

/// Appends what the escape at `at` (its backslash) stands for; returns the position after it.
fn unescape(text: &str, at: usize, scratch: &mut Vec<u8>) -> Result<usize, JsonError> {
    let bad = || JsonError::new(at, JsonProblem::BadEscape);
    let plain = match text.as_bytes().get(at + 1).ok_or_else(bad)? {
        b'u' => return unescape_unicode(text, at, scratch),
        b'"' => b'"',
        b'\'' => b'\'',
        b'\\' => b'\\',
        b'/' => b'/',
        b'b' => 0x8,
        b'f' => 0xC,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0xB,
        _ => return Err(bad()),
    };
    scratch.push(plain);
    Ok(at + 2)
}

fn unescape_unicode(text: &str, at: usize, scratch: &mut Vec<u8>) -> Result<usize, JsonError> {
    let bytes = text.as_bytes();
    let first = code_unit(bytes, at).ok_or(JsonError::new(at, JsonProblem::BadEscape))?;
    let after = at + 6;
    let (character, after) = if let Some(plain) = char::from_u32(first) {
        (plain, after)
    // Java strings are UTF-16: a character outside the basic plane is two escapes. Half of one is no character at all.
    } else if let Some(second @ 0xDC00..=0xDFFF) = code_unit(bytes, after)
        && first < 0xDC00
        && let Some(combined) = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    {
        (combined, after + 6)
    } else {
        (char::REPLACEMENT_CHARACTER, after)
    };
    scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(after)
}

/// The four hex digits of the `\u` escape that begins at `at`, if there is one.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

fn open(start: usize) -> JsonError {
    JsonError::new(start.saturating_sub(1), JsonProblem::OpenString)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(quoted: &str) -> Result<String, JsonError> {
        let mut scratch = Vec::new();
        let (scanned, after) = scan_string(quoted, 1, &mut Stops::new(quoted.as_bytes(), b'\"'), &mut scratch)?;
        assert_eq!(after, quoted.len());
        Ok(match scanned {
            Scanned::Plain { start, end } => quoted[start..end].to_owned(),
            Scanned::Unescaped => String::from_utf8(scratch).unwrap(),
        })
    }

    #[test]
    fn a_quote_is_found_at_every_distance() {
        for length in 0..40 {
            let inside = "é".repeat(length);
            assert_eq!(read(&format!("\"{inside}\"")).unwrap(), inside);
        }
    }

    #[test]
    fn escapes_are_undone_wherever_they_stand() {
        assert_eq!(read(r#""\u0001""#).unwrap(), "\u{1}");
        assert_eq!(read(r#""KEYS\u0001k\u0002TAGS\u0001t""#).unwrap(), "KEYS\u{1}k\u{2}TAGS\u{1}t");
        assert_eq!(read(r#""\"\\\/\b\f\n\r\t\v\'""#).unwrap(), "\"\\/\u{8}\u{c}\n\r\t\u{b}'");
        assert_eq!(read(r#""\u20AC \ud83d\ude00""#).unwrap(), "€ 😀");
    }

    #[test]
    fn half_a_surrogate_pair_becomes_the_replacement_character() {
        assert_eq!(read(r#""\ud83d""#).unwrap(), "\u{FFFD}");
        assert_eq!(read(r#""\ud83dx""#).unwrap(), "\u{FFFD}x");
        assert_eq!(read(r#""\ude00\ud83d\u0041""#).unwrap(), "\u{FFFD}\u{FFFD}A");
    }

    #[test]
    fn strings_that_do_not_end_are_refused() {
        for open in [r#"""#, r#""abc"#, r#""abc\""#, r#""abcdefgh"#] {
            assert_eq!(read(open), Err(JsonError::new(0, JsonProblem::OpenString)), "{open}");
        }
        for bad in [r#""\"#, r#""\u00"#, r#""\u00zz""#, r#""\u+123""#, r#""\x41""#] {
            assert_eq!(read(bad), Err(JsonError::new(1, JsonProblem::BadEscape)), "{bad}");
        }
    }
}
