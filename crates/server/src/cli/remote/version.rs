//! The version of a client library, which clients send as a number.

/// Number of 4.0.0-SNAPSHOT. Below it the numbers follow no rule.
const FIRST: i32 = 212;

/// What a version number stands for: since 4.0.0 each version has two, the first of them for its snapshots, and each
/// part of it runs from 0 to 9.
pub fn name(number: i32) -> String {
    let Some(since) = number.checked_sub(FIRST).filter(|since| *since >= 0) else {
        return if number > 0 { format!("older than 4.0.0 (number {number})") } else { String::new() };
    };
    let version = since / 2;
    let snapshot = if since % 2 == 0 { "-SNAPSHOT" } else { "" };
    format!("{}.{}.{}{snapshot}", 4 + version / 100, version / 10 % 10, version % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_number_is_shown_as_the_version_people_know() {
        for (number, version) in [
            (513, "5.5.0"),
            (409, "4.9.8"),
            (317, "4.5.2"),
            (232, "4.1.0-SNAPSHOT"),
            (213, "4.0.0"),
            (121, "older than 4.0.0 (number 121)"),
            (0, ""),
            (-1, ""),
        ] {
            assert_eq!(name(number), version, "{number}");
        }
    }
}
