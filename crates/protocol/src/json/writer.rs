//! Writing JSON to the end of a byte buffer, without an intermediate tree.
//!
//! Members are written in the order they are given; RocketMQ orders them by name, and so do our bodies.

/// Writes a JSON object member by member.
///
/// ```
/// let mut out = Vec::new();
/// let mut object = protocol::json::Object::begin(&mut out);
/// object.string("clientId", "10.0.0.5@1");
/// object.int("version", 513);
/// object.end();
/// assert_eq!(out, br#"{"clientId":"10.0.0.5@1","version":513}"#);
/// ```
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens the object.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a key; the caller writes the value to what is returned.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Writes a number as a key, without quotes: not JSON, but what fastjson does with a `Map<Long, V>`.
    pub fn unquoted_member(&mut self, key: i64) -> &mut Vec<u8> {
        self.separate();
        write_int(self.out, key);
        self.out.push(b':');
        self.out
    }

    /// Lets `key` write a key of its own form: not JSON, but what fastjson does with a `Map<Object, V>`.
    pub fn member_with(&mut self, key: impl FnOnce(&mut Vec<u8>)) -> &mut Vec<u8> {
        self.separate();
        key(self.out);
        self.out.push(b':');
        self.out
    }

    /// Writes a text.
    pub fn string(&mut self, name: &str, value: &str) {
        write_string(self.member(name), value);
    }

    /// Writes a text if there is one: null members are left out.
    pub fn opt_string(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(name, value);
        }
    }

    /// Writes a whole number.
    pub fn int(&mut self, name: &str, value: impl Into<i64>) {
        write_int(self.member(name), value.into());
    }

    /// Writes a fraction.
    pub fn float(&mut self, name: &str, value: f64) {
        write_float(self.member(name), value);
    }

    /// Writes a boolean.
    pub fn bool(&mut self, name: &str, value: bool) {
        write_bool(self.member(name), value);
    }

    /// Writes an array of texts.
    pub fn strings<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        let mut array = Array::begin(self.member(name));
        for value in values {
            write_string(array.item(), value.as_ref());
        }
        array.end();
    }

    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }
}

/// Writes a JSON array item by item.
#[derive(Debug)]
pub struct Array<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Array<'o> {
    /// Opens the array.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, empty: true }
    }

    /// Closes the array.
    pub fn end(self) {
        self.out.push(b']');
    }

    /// The caller writes the next item to what is returned.
    pub fn item(&mut self) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out
    }
}

/// Appends a quoted string, escaped as fastjson escapes it.
pub fn write_string(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    write_inside(out, value);
    out.push(b'"');
}

/// Appends what stands between the quotes of a string: for who writes the quotes together with what is around them.
#[inline]
pub(crate) fn write_inside(out: &mut Vec<u8>, value: &str) {
    let bytes = value.as_bytes();
    if needs_escape(bytes) {
        write_escaped(out, bytes);
    } else {
        out.extend_from_slice(bytes);
    }
}

/// Whether anything in there cannot stand in a string as it is: hardly ever.
#[inline]
fn needs_escape(bytes: &[u8]) -> bool {
    let (eights, rest) = bytes.as_chunks::<8>();
    // What is left over is short, or the end of what is long enough to be looked at once more.
    let tail = match bytes.last_chunk::<8>() {
        Some(last) => any_escape(*last),
        None => rest.iter().any(|byte| matches!(byte, ..0x20 | b'"' | b'\\')),
    };
    eights.iter().fold(tail, |any, eight| any | any_escape(*eight))
}

/// Eight bytes in one number: what is subtracted borrows into the top bit of a byte that is too small, or was made zero.
/// Bytes above it may be taken for one too, which changes nothing.
fn any_escape(eight: [u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let word = u64::from_le_bytes(eight);
    let control = word.wrapping_sub(each(0x20)) & !word;
    let (quote, backslash) = (word ^ each(b'"'), word ^ each(b'\\'));
    let quote = quote.wrapping_sub(each(1)) & !quote;
    let backslash = backslash.wrapping_sub(each(1)) & !backslash;
    (control | quote | backslash) & each(0x80) != 0
}

#[inline(never)]
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            0..0x20 => b'u',
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        copied = at + 1;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Appends a whole number; never as `1.0`, which Go refuses. Without `fmt`, for every field of every answer is one.
pub fn write_int(out: &mut Vec<u8>, value: i64) {
    if let Ok(digit @ 0..10) = u8::try_from(value) {
        return out.push(b'0' + digit);
    }
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a fraction, always with a point or an exponent. What is not finite, and JSON therefore cannot say, is 0.0.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    use std::io::Write as _;
    let value = if value.is_finite() { value } else { 0.0 };
    write!(out, "{value:?}").expect("writing to a Vec cannot fail");
}

/// Appends `true` or `false`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whole_numbers_are_written_to_their_last_digit() {
        for value in [0, 7, -1, 10, 513, i64::MAX, i64::MIN] {
            assert_eq!(written(|out| write_int(out, value)), value.to_string());
        }
    }

    #[test]
    fn fractions_always_look_like_fractions_and_are_always_finite() {
        for (value, text) in [(0.0, "0.0"), (0.05, "0.05"), (3.0, "3.0"), (f64::NAN, "0.0"), (f64::INFINITY, "0.0")] {
            assert_eq!(written(|out| write_float(out, value)), text);
        }
    }

    #[test]
    fn control_characters_quotes_and_backslashes_are_escaped_and_nothing_else() {
        assert_eq!(written(|out| write_string(out, "a\u{1}b\u{2}\u{1f}")), r#""a\u0001b\u0002\u001F""#);
        assert_eq!(written(|out| write_string(out, "\"\\\n\r\t\u{8}\u{c}")), r#""\"\\\n\r\t\b\f""#);
        assert_eq!(written(|out| write_string(out, "%RETRY%grüße/😀")), "\"%RETRY%grüße/😀\"");
    }

    #[test]
    fn a_text_of_any_length_is_escaped_wherever_it_has_to_be() {
        for length in 0..40 {
            let plain = "aé~ !#[]\u{7f}".chars().cycle().take(length).collect::<String>();
            assert_eq!(written(|out| write_string(out, &plain)), format!("\"{plain}\""));
            for at in (0..=plain.len()).filter(|at| plain.is_char_boundary(*at)) {
                for (special, escaped) in [("\"", "\\\""), ("\\", "\\\\"), ("\0", "\\u0000"), ("\u{1f}", "\\u001F")] {
                    let (before, after) = plain.split_at(at);
                    let text = format!("{before}{special}{after}");
                    assert_eq!(written(|out| write_string(out, &text)), format!("\"{before}{escaped}{after}\""));
                }
            }
        }
    }

    #[test]
    fn objects_and_arrays_are_separated_by_commas_and_null_members_are_left_out() {
        let text = written(|out| {
            let mut object = Object::begin(out);
            object.opt_string("a", None);
            object.strings("b", ["x", "y"]);
            write_string(object.unquoted_member(0), "z");
            write_int(object.member_with(|key| Object::begin(key).end()), 1);
            object.bool("c", true);
            object.float("d", 0.5);
            Array::begin(object.member("e")).end();
            object.end();
        });
        assert_eq!(text, r#"{"b":["x","y"],0:"z",{}:1,"c":true,"d":0.5,"e":[]}"#);
    }
}
