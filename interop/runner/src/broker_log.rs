//! What the broker's log must not hold.

/// Lines of level WARN or ERROR, and panics, that none of `expected` is a part of.
pub fn complaints<'a>(log: &'a str, expected: &[&str]) -> Vec<&'a str> {
    log.lines().filter(|line| is_complaint(line) && !expected.iter().any(|part| line.contains(part))).collect()
}

/// The level stands within the first words of a line, behind the time; later the word may be part of a sentence.
fn is_complaint(line: &str) -> bool {
    let plain = without_colours(line);
    let level = |word: &str| matches!(word.trim_matches(|c: char| !c.is_ascii_alphabetic()), "WARN" | "ERROR");
    plain.split_whitespace().take(4).any(level) || plain.contains("panicked at")
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(escape) = rest.find("\u{1b}[") {
        plain.push_str(&rest[..escape]);
        let sequence = &rest[escape + 2..];
        rest = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or("", |end| &sequence[end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn warnings_and_errors_are_found_by_their_level_and_not_by_the_word() {
        let log = "2026-11-21T08:00:00Z  INFO broker: an ERROR in a sentence is none\n\
                   2026-11-21T08:00:00Z  WARN store: disk is slow\n\
                   \u{1b}[2m08:00\u{1b}[0m \u{1b}[31mERROR\u{1b}[0m store: poisoned\n\
                   thread 'main' panicked at src/main.rs:1:1:";
        assert_eq!(complaints(log, &[]).len(), 3);
    }

    #[test]
    fn an_expected_warning_is_no_complaint() {
        let log = "08:00 WARN transaction 7 set aside after 3 checks\n08:00 WARN something else";
        assert_eq!(complaints(log, &["set aside"]), ["08:00 WARN something else"]);
    }
}
