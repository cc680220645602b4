//! The inside of a quoted string: where it ends, and what it says if it has escapes.

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
/// Control characters that should have been escaped are taken as they are. `quote` is `"` or `'`.
#[inline]
pub(crate) fn scan_string(
    text: &str,
    start: usize,
    quote: u8,
    scratch: &mut String,
) -> Result<(Scanned, usize), JsonError> {
    let stop = find(text, start, start, quote)?;
    if text.as_bytes()[stop] == quote {
        return Ok((Scanned::Plain { start, end: stop }, stop + 1));
    }
    Ok((Scanned::Unescaped, unescape_string(text, start, stop, quote, scratch)?))
}

/// Appends the string that begins at `start` and has its first backslash at `stop`; returns the position after its
/// closing quote.
#[inline(never)]
fn unescape_string(
    text: &str,
    start: usize,
    mut stop: usize,
    quote: u8,
    scratch: &mut String,
) -> Result<usize, JsonError> {
    let mut copied = start;
    while text.as_bytes()[stop] != quote {
        scratch.push_str(&text[copied..stop]);
        copied = unescape(text, stop, scratch)?;
        stop = find(text, start, copied, quote)?;
    }
    scratch.push_str(&text[copied..stop]);
    Ok(stop + 1)
}

/// Appends what the escape at `at` (its backslash) stands for; returns the position after it.
fn unescape(text: &str, at: usize, scratch: &mut String) -> Result<usize, JsonError> {
    let bad = || JsonError::new(at, JsonProblem::BadEscape);
    let plain = match text.as_bytes().get(at + 1).ok_or_else(bad)? {
        b'u' => return unescape_unicode(text, at, scratch),
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'v' => '\u{b}',
        _ => return Err(bad()),
    };
    scratch.push(plain);
    Ok(at + 2)
}

fn unescape_unicode(text: &str, at: usize, scratch: &mut String) -> Result<usize, JsonError> {
    let bytes = text.as_bytes();
    // The separators of properties: of a send, nearly all escapes.
    if let Some([b'\\', b'u', b'0', b'0', b'0', digit @ (b'1' | b'2')]) = bytes.get(at..at + 6) {
        scratch.push(char::from(digit - b'0'));
        return Ok(at + 6);
    }
    let first = code_unit(bytes, at).ok_or(JsonError::new(at, JsonProblem::BadEscape))?;
    let after = at + 6;
    if let Some(plain) = char::from_u32(first) {
        scratch.push(plain);
        return Ok(after);
    }
    // Java strings are UTF-16: a character outside the basic plane is two escapes. Half of one is no character at all.
    if let Some(second @ 0xDC00..=0xDFFF) = code_unit(bytes, after)
        && first < 0xDC00
        && let Some(combined) = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    {
        scratch.push(combined);
        return Ok(after + 6);
    }
    scratch.push(char::REPLACEMENT_CHARACTER);
    Ok(after)
}

/// The four hex digits of the `\u` escape that begins at `at`, if there is one.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Position of the first quote or backslash at or after `from` in the string that begins at `start`.
#[inline]
fn find(text: &str, start: usize, from: usize, quote: u8) -> Result<usize, JsonError> {
    find_stop(text.as_bytes(), from, quote).ok_or(JsonError::new(start.saturating_sub(1), JsonProblem::OpenString))
}

/// Position of the first quote or backslash at or after `from`, eight bytes at a time as long as there are eight.
#[inline]
pub(crate) fn find_stop(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        let stops = zeros(word ^ repeated(quote)) | zeros(word ^ repeated(b'\\'));
        if stops != 0 {
            return Some(at + (stops.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|&byte| byte == quote || byte == b'\\').map(|distance| at + distance)
}

const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The top bit of each byte that is zero is set; above the first of them, of others perhaps too.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(repeated(1)) & !word & repeated(0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(quoted: &str) -> Result<String, JsonError> {
        let mut scratch = String::new();
        let (scanned, after) = scan_string(quoted, 1, b'"', &mut scratch)?;
        assert_eq!(after, quoted.len());
        Ok(match scanned {
            Scanned::Plain { start, end } => quoted[start..end].to_owned(),
            Scanned::Unescaped => scratch,
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
    fn the_first_stop_is_found_among_bytes_that_look_alike() {
        let mut state = 1_u32;
        for _ in 0..50_000 {
            let mut bytes = [0; 20];
            for byte in &mut bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte =
                    [b'"', b'\\', b'#', b'!', b']', b'[', 0xA2, 0xDC, b'a', 0, 0x80, 0xFF][(state >> 24) as usize % 12];
            }
            for from in 0..21 {
                let expected = (from..20).find(|&at| matches!(bytes[at], b'"' | b'\\'));
                assert_eq!(find_stop(&bytes, from, b'"'), expected, "{bytes:?} from {from}");
            }
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
