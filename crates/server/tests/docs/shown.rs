//! Whether a program says what a page shows.

/// Whether a line is as shown: `...` stands for anything, and blanks for as many as there are.
fn line_fits(shown: &str, line: &str) -> bool {
    let (shown, line) = (squeezed(shown), squeezed(line));
    let pieces: Vec<&str> = shown.split("...").collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    if pieces.len() == 1 {
        return shown == line;
    }
    let Some(rest) = line.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    pieces[1..pieces.len() - 1].iter().all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// A text with one blank for many.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether lines are as shown: a line of `...` stands for any number of them.
pub fn lines_fit(shown: &[String], lines: &[&str]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first.trim() == "..." => (0..=lines.len()).any(|skip| lines_fit(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, more)| line_fits(first, line) && lines_fit(rest, more))
        }
    }
}

/// A line without what differs from run to run: each number is `N`, and each size `NB`.
pub fn without_numbers(line: &str) -> String {
    let mut kept = String::new();
    for c in squeezed(line).chars() {
        match c {
            '0'..='9' if kept.ends_with('N') => {}
            '0'..='9' if kept.ends_with("N.") => kept.truncate(kept.len() - 1),
            '0'..='9' => kept.push('N'),
            c => kept.push(c),
        }
    }
    ["KiB", "MiB", "GiB"].iter().fold(kept, |line, unit| line.replace(&format!("N{unit}"), "NB"))
}

/// The lines that are shown and that nothing like is said: numbers may be others.
pub fn unsaid<'a>(shown: &'a [String], said: &str) -> Vec<&'a str> {
    let said: Vec<String> = said.lines().map(without_numbers).collect();
    shown.iter().map(String::as_str).filter(|line| !said.contains(&without_numbers(line))).collect()
}

#[test]
fn what_is_shown_is_compared_line_by_line_with_gaps() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let fits = |shown: &str, said: &str| lines_fit(&lines(shown), &said.lines().collect::<Vec<_>>());
    assert!(fits("a ... c\n...\nz", "a  b   c\nd\ne\nz"));
    assert!(fits("a...\n...", "a"));
    assert!(!fits("a ... c\nz", "a b c\nd\nz"));
    assert!(!fits("a", "a\nb"));
    assert!(!fits("a\nb", "a"));
    assert!(!fits("x...x", "x"));
}

#[test]
fn numbers_and_units_of_sizes_are_all_that_may_differ() {
    assert_eq!(without_numbers("  135031B of log  in 9 ms"), without_numbers(" 1.5KiB of log in 12 ms"));
    assert_ne!(without_numbers("lost 0"), without_numbers("lost none"));
    assert_eq!(unsaid(&["paid 3".into(), "lost 1".into()], "paid 4\nlost one"), ["lost 1"]);
}
