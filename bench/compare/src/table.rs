//! The figures, as people and programs read them.

use std::fmt::Write as _;

use bench::Report;

use crate::Figure;
use crate::rows::{ROWS, Row, SYSTEMS, Scale};
use comparing::systems::{HEAP, System};

/// Above this share of the machine, others disturb.
const QUIET: f64 = 0.03;

/// The middle one, the least and the greatest.
#[derive(Clone, Copy)]
pub struct Median {
    pub middle: f64,
    pub least: f64,
    pub greatest: f64,
}

/// Of one quantity of one row of one system, over the rounds.
pub fn median(figures: &[Figure], row: usize, system: System, of: impl Fn(&Report) -> Option<f64>) -> Option<Median> {
    let ours = figures.iter().filter(|figure| figure.row == row && figure.system == system);
    let mut values: Vec<f64> = ours.filter_map(|figure| of(&figure.report)).collect();
    values.sort_by(f64::total_cmp);
    let (least, greatest) = (*values.first()?, *values.last()?);
    // Of an even number, what lies between the two in the middle.
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some(Median { middle: f64::midpoint(low, high), least, greatest })
}

/// What a row compares.
pub fn rate(row: usize) -> impl Fn(&Report) -> Option<f64> {
    move |report| Some(if ROWS[row].reads { report.read_rate() } else { report.rate() })
}

pub fn markdown(figures: &[Figure], rounds: usize, scale: &Scale) -> String {
    let mut text = String::new();
    let rows = || ROWS.iter().enumerate().filter(|(_, row)| scale.wants(row));
    let mut line = |words: String| {
        writeln!(text, "{words}").expect("a text takes everything");
    };
    line(format!(
        "{rounds} rounds, each system started anew in each; {} s measured after {} s; bodies of 1 KiB, 8 queues; RocketMQ \
         with a heap of {HEAP} and otherwise as it comes, after 10 s to compile. Median (least to greatest).\n",
        scale.time.as_secs(),
        scale.warm_up.as_secs()
    ));
    line(format!("| a second | {} |", SYSTEMS.map(System::name).join(" | ")));
    line(format!("|---|{}", "--:|".repeat(SYSTEMS.len())));
    for (row, what) in rows() {
        let cells = SYSTEMS.map(|system| cell(median(figures, row, system, rate(row)), thousands));
        line(format!("| {} | {} |", what.name, cells.join(" | ")));
    }
    line(
        "\n| Tandem is | of RocketMQ SYNC_FLUSH | of RocketMQ ASYNC_FLUSH | of the ceiling | of the ceiling, new file |\n\
         |---|--:|--:|--:|--:|"
            .into(),
    );
    // Of a given rate there is nothing to compare but latencies.
    let own_rate = |row: &(usize, &Row)| (row.1.options)(scale).rate.is_none();
    for (row, what) in rows().filter(own_rate) {
        let of = |system| {
            let own = median(figures, row, System::Tandem, rate(row))?;
            Some(own.middle / median(figures, row, system, rate(row))?.middle)
        };
        let cells = SYSTEMS[1..].iter().map(|system| of(*system).map_or("–".into(), |ratio| format!("{ratio:.2}")));
        line(format!("| {} | {} |", what.name, cells.collect::<Vec<_>>().join(" | ")));
    }
    type Quantity = (&'static str, fn(&Report) -> Option<f64>, fn(f64) -> String);
    let quantities: [Quantity; 4] = [
        ("p99, in ms", |report| Some(report.latency?.p99 / 1e3), |value| format!("{value:.2}")),
        (
            "CPU of the server for each, in us",
            |report| Some(report.per_operation(report.broker?.cpu.as_secs_f64() * 1e6)),
            |value| format!("{value:.1}"),
        ),
        (
            "bytes the device took for each",
            |report| Some(report.per_operation(report.broker?.device_bytes? as f64)),
            |value| format!("{value:.0}"),
        ),
        ("resident, in MB", |report| Some(report.broker?.resident as f64 / 1e6), |value| format!("{value:.0}")),
    ];
    for (name, of, show) in quantities {
        line(format!("\n| {name} | {} |", SYSTEMS.map(System::name).join(" | ")));
        line(format!("|---|{}", "--:|".repeat(SYSTEMS.len())));
        for (row, what) in rows() {
            let cells = SYSTEMS.map(|system| cell(median(figures, row, system, of), show));
            line(format!("| {} | {} |", what.name, cells.join(" | ")));
        }
    }
    let others = figures.iter().filter_map(|figure| figure.report.others);
    let disturbed = others.clone().filter(|share| *share > QUIET).count();
    let most = others.fold(0.0, f64::max);
    line(format!(
        "\nOthers used more than {:.0} % of the machine in {disturbed} of {} measurements, {:.0} % at most.",
        QUIET * 100.0,
        figures.len(),
        most * 100.0
    ));
    text
}

fn cell(median: Option<Median>, show: impl Fn(f64) -> String) -> String {
    match median {
        // One round has no spread.
        Some(Median { middle, least, greatest }) if least == greatest => show(middle),
        Some(Median { middle, least, greatest }) => {
            format!("{} ({} to {})", show(middle), show(least), show(greatest))
        }
        None => "–".to_owned(),
    }
}

fn thousands(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.0}") } else { format!("{:.1} k", value / 1e3) }
}

/// All figures.
pub fn json(figures: &[Figure]) -> String {
    let all: Vec<_> = figures
        .iter()
        .map(|figure| {
            serde_json::json!({
                "row": ROWS[figure.row].name,
                "system": figure.system.name(),
                "report": figure.report.json(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&all).expect("figures are JSON") + "\n"
}
