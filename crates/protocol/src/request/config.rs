//! Settings as properties text: bodies of 25 and 318, and of the answers to 26 and 319.
//!
//! The answer to 26 also has a field `version`, the text of a [`crate::DataVersion`].

use crate::encode::Field;

/// The settings in a properties text, in order: lines `key=value`, without empty lines and comments.
///
/// A line without `=` is a key without a value. Java's escapes are left as they are: no setting needs them.
pub fn settings(body: &str) -> impl Iterator<Item = (&str, &str)> {
    body.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
        .map(|line| line.split_once('=').map_or((line, ""), |(key, value)| (key.trim(), value.trim())))
}

/// Appends a properties text.
pub fn write_settings<'a>(out: &mut Vec<u8>, settings: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (key, value) in settings {
        out.extend_from_slice(key.as_bytes());
        out.push(b'=');
        // A value on two lines would be two settings.
        out.extend(value.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        out.push(b'\n');
    }
}

/// Field of the answer to 26.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigAnswer<'a> {
    /// A [`crate::DataVersion`] as JSON.
    pub version: &'a str,
}

impl<'a> ConfigAnswer<'a> {
    /// The field.
    pub fn fields(&self) -> [Field<'a>; 1] {
        [("version", self.version.into())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_being_written_and_read() {
        let written = [("transactionCheckMax", "15"), ("empty", ""), ("path", "a=b")];
        let mut body = Vec::new();
        write_settings(&mut body, written);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(body, "transactionCheckMax=15\nempty=\npath=a=b\n");
        assert!(settings(&body).eq(written));
        assert!(settings("# no\n\n ! no\r\n a = b \r\nc").eq([("a", "b"), ("c", "")]));
    }
}
