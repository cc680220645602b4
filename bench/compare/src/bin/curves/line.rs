//! A rate over something that grows by powers of ten, drawn without anything.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 690.0;
const BOTTOM: f64 = 220.0;

/// A number as people read it.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A line through these points, from zero up; the points stand at equal distances.
pub fn chart(name: &str, what: &str, points: &[(u64, f64)]) -> String {
    let most = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let steps = points.len().saturating_sub(1).max(1) as f64;
    let place =
        |nr: usize, rate: f64| (LEFT + nr as f64 / steps * (RIGHT - LEFT), BOTTOM - rate / most * (BOTTOM - TOP));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"20\" font-weight=\"bold\" fill=\"#1f2933\">{name}: {what}, a second</text>\n\
         <line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{BOTTOM}\" y2=\"{BOTTOM}\" stroke=\"#adb5bd\"/>\n",
    );
    let line: Vec<String> = points
        .iter()
        .enumerate()
        .map(|(nr, (_, rate))| place(nr, *rate))
        .map(|(x, y)| format!("{x:.0},{y:.0}"))
        .collect();
    writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#0b7285\" stroke-width=\"2\"/>", line.join(" "))
        .expect("a text takes everything");
    for (nr, (point, rate)) in points.iter().enumerate() {
        let (x, y) = place(nr, *rate);
        writeln!(
            svg,
            "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"4\" fill=\"#0b7285\"/>\n\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#1f2933\">{:.1} k</text>\n\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#1f2933\">{}</text>",
            y - 10.0,
            rate / 1e3,
            BOTTOM + 18.0,
            thousands(*point),
        )
        .expect("a text takes everything");
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
