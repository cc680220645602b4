//! Durations such as `1h30m` and sizes such as `64MiB`, as text and back.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads `500ms`, `3s`, `1h30m`: whole numbers, each with its unit (ms, s, m, h, d).
///
/// # Errors
/// What is wrong with the text, for the end of a sentence: a duration without unit is refused, because the reader
/// cannot know which was meant.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    let mut ms: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_len = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err("has no unit".to_owned());
        }
        let Some((_, unit_ms)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("has the unknown unit {unit:?}"));
        };
        let part = number.checked_mul(*unit_ms).ok_or("is too long")?;
        ms = ms.checked_add(part).ok_or("is too long")?;
        rest = next;
    }
    Ok(Duration::from_millis(ms))
}

/// Writes a duration as the largest units that keep it exact: `72h`, `500ms`, `1m30s`. Whole days only from ten days
/// on, because "72h" is what people write for three days.
pub fn format_duration(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, unit_ms) in DURATION_UNITS {
        if unit == "d" && (ms < 10 * unit_ms || !ms.is_multiple_of(unit_ms)) {
            continue;
        }
        let number = ms / unit_ms;
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
            ms %= unit_ms;
        }
    }
    text
}

/// Reads `64MiB`, `1GiB`, `4096`: a whole number of B, KiB, MiB, GiB or TiB; without a unit it counts bytes.
///
/// # Errors
/// What is wrong with the text, for the end of a sentence. `MB` is refused: half the world means 1,000,000 by it.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    let (number, unit) = split_number(text)?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Ok(number);
    }
    match SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
        Some((_, bytes)) => number.checked_mul(*bytes).ok_or_else(|| "is too large".to_owned()),
        None => match SIZE_UNITS
            .iter()
            .find(|(name, _)| name.chars().next() == unit.chars().next().map(|c| c.to_ascii_uppercase()))
        {
            Some((name, _)) => Err(format!("has the unknown unit {unit:?}; did you mean {number}{name}?")),
            None => Err(format!("has the unknown unit {unit:?}")),
        },
    }
}

/// Writes a size in the largest unit that divides it: `64MiB`, `1000B`.
pub fn format_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let (name, unit) = SIZE_UNITS.into_iter().find(|(_, unit)| bytes.is_multiple_of(*unit)).unwrap_or(("B", 1));
    format!("{}{name}", bytes / unit)
}

fn split_number(text: &str) -> Result<(u64, &str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    if number.is_empty() {
        return Err(if text.starts_with('-') {
            "is negative".to_owned()
        } else {
            "does not begin with a number".to_owned()
        });
    }
    if rest.starts_with('.') {
        return Err("has a fraction; use a smaller unit".to_owned());
    }
    let number = number.parse().map_err(|_| format!("has the number {number}, which is too large"))?;
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_with_its_units_and_only_with_them() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("30").unwrap_err(), "has no unit");
        assert_eq!(parse_duration("").unwrap_err(), "is empty");
        assert_eq!(parse_duration("-3s").unwrap_err(), "is negative");
        assert_eq!(parse_duration("3 s").unwrap_err(), "has no unit");
        assert_eq!(parse_duration("1.5s").unwrap_err(), "has a fraction; use a smaller unit");
        assert_eq!(parse_duration("3sec").unwrap_err(), "has the unknown unit \"sec\"");
        assert_eq!(
            parse_duration("99999999999999999999s").unwrap_err(),
            "has the number 99999999999999999999, which is too large"
        );
        assert_eq!(parse_duration("9999999999999999999d").unwrap_err(), "is too long");
    }

    #[test]
    fn a_size_is_read_in_powers_of_two_and_bytes() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1 gib"), Ok(1 << 30));
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("0"), Ok(0));
        assert_eq!(parse_size("64MB").unwrap_err(), "has the unknown unit \"MB\"; did you mean 64MiB?");
        assert_eq!(parse_size("64µ").unwrap_err(), "has the unknown unit \"µ\"");
        assert_eq!(parse_size("99999999TiB").unwrap_err(), "is too large");
        assert_eq!(parse_size("MiB").unwrap_err(), "does not begin with a number");
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same() {
        for ms in
            [0, 1, 500, 999, 1000, 1500, 3000, 60_000, 90_000, 120_000, 5_400_000, 259_200_000, 864_000_000, 86_399_999]
        {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration), "{ms} ms");
        }
        for bytes in [0, 1, 1000, 1024, 1536, 64 << 20, (1 << 30) + 1, 3 << 40] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes), "{bytes} bytes");
        }
    }

    #[test]
    fn the_written_form_is_the_one_people_use() {
        let shown = |ms| format_duration(Duration::from_millis(ms));
        assert_eq!(shown(259_200_000), "72h");
        assert_eq!(shown(120_000), "2m");
        assert_eq!(shown(90_000), "1m30s");
        assert_eq!(shown(500), "500ms");
        assert_eq!(shown(864_000_000), "10d");
        assert_eq!(format_size(64 << 20), "64MiB");
        assert_eq!(format_size(1536), "1536B");
    }
}
