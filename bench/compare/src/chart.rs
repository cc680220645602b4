//! Bars, one chart for each row, drawn without anything.

use std::fmt::Write as _;

use crate::Figure;
use crate::rows::{ROWS, SYSTEMS, Scale};
use crate::table::{median, rate};
use comparing::systems::System;

const WIDTH: f64 = 720.0;
const LABELS: f64 = 190.0;
const BAR: f64 = 20.0;
const GAP: f64 = 8.0;
const TITLE: f64 = 30.0;

/// File names and pictures.
pub fn all(figures: &[Figure], scale: &Scale) -> Vec<(String, String)> {
    let mut charts = Vec::new();
    for (row, what) in ROWS.iter().enumerate() {
        if (what.options)(scale).rate.is_some() {
            continue;
        }
        let bars: Vec<_> =
            SYSTEMS.iter().filter_map(|system| Some((*system, median(figures, row, *system, rate(row))?))).collect();
        let most = bars.iter().map(|(_, median)| median.greatest).fold(0.0, f64::max);
        if most <= 0.0 {
            continue;
        }
        let height = TITLE + bars.len() as f64 * (BAR + GAP) + GAP;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"12\" y=\"20\" font-weight=\"bold\" fill=\"#1f2933\">{}: {} a second</text>\n",
            what.name,
            if what.reads { "messages read" } else { "operations" },
        );
        for (nr, (system, median)) in bars.iter().enumerate() {
            let y = TITLE + nr as f64 * (BAR + GAP);
            let x = |value: f64| LABELS + value / most * (WIDTH - LABELS - 90.0);
            let middle = y + BAR / 2.0;
            let colour = if *system == System::Tandem { "#0b7285" } else { "#adb5bd" };
            // The whisker is the spread of the rounds.
            writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#1f2933\">{}</text>\n\
                 <rect x=\"{LABELS}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
                 <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.0}\" y2=\"{middle:.0}\" stroke=\"#1f2933\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.0}\" fill=\"#1f2933\">{:.1} k</text>",
                LABELS - 8.0,
                middle + 4.0,
                system.name(),
                x(median.middle) - LABELS,
                x(median.least),
                x(median.greatest),
                x(median.greatest) + 8.0,
                middle + 4.0,
                median.middle / 1e3,
            )
            .expect("a text takes everything");
        }
        svg.push_str("</svg>\n");
        let words = what.name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        charts.push((format!("{}.svg", words.collect::<Vec<_>>().join("-")), svg));
    }
    charts
}
