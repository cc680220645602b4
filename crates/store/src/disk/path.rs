//! Which paths a disk takes: relative ones that stay inside of the data directory.

use std::io;

/// Refuses a path that could name something outside of the data directory, or one thing in two ways.
///
/// # Errors
/// `InvalidInput` for an empty path or part, `.`, `..`, a leading or doubled `/`, a backslash or a NUL.
pub(super) fn check_file(path: &str) -> io::Result<()> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\0', '\\']);
    if path.split('/').all(plain) {
        return Ok(());
    }
    let text = format!("{path:?} is not a path inside of the data directory; use relative names joined by `/`");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// As [`check_file`], for a directory: the empty path is the data directory itself.
///
/// # Errors
/// As [`check_file`].
pub(super) fn check_dir(path: &str) -> io::Result<()> {
    if path.is_empty() { Ok(()) } else { check_file(path) }
}

/// The directory a file lies in, "" for the data directory itself.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_data_directory_is_refused() {
        for path in ["", "/etc/passwd", "../x", "log/../../x", "log//x", "log/", "./x", "a\0b", "log\\x"] {
            assert!(check_file(path).is_err(), "{path:?}");
        }
        for path in ["TANDEM", "log/00000000000000000000.seg", "a/b/c", "..x"] {
            assert!(check_file(path).is_ok(), "{path:?}");
        }
        assert!(check_dir("").is_ok());
    }

    #[test]
    fn the_parent_of_a_file_is_its_directory() {
        assert_eq!((parent("log/x.seg"), parent("TANDEM"), parent("a/b/c")), ("log", "", "a/b"));
    }
}
