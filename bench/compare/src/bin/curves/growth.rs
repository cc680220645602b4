//! Rates, while there is more and more of one thing.

use std::time::Duration;

use bench::{Options, Producing, Report};
use comparing::systems::Running;

use crate::{Arguments, beside, line, load};

/// One thing that grows.
pub struct Curve {
    /// What there is more of.
    pub name: &'static str,
    /// What is counted.
    what: &'static str,
    points: &'static [u64],
    options: fn(u64) -> Options,
    rate: fn(&Report) -> f64,
    /// The bare durable server is asked for the same, on a new file.
    beside_ceiling: bool,
}

/// Messages that are read in all, by however many groups.
const READS: u64 = 4_000_000;

/// What grows.
pub const CURVES: &[Curve] = &[
    Curve {
        name: "topics",
        what: "sends, 64 in flight, to 8 queues of each in turn",
        points: &[1, 100, 10_000, 100_000],
        options: |topics| Options { topics: topics as u32, ..Options::new("") },
        rate: Report::rate,
        beside_ceiling: false,
    },
    Curve {
        name: "open halves",
        what: "transactions with both phases answered, 64 in flight",
        points: &[0, 10_000, 100_000, 1_000_000],
        options: |halves| Options { halves, producing: Some(Producing::Transaction), ..Options::new("") },
        rate: Report::rate,
        beside_ceiling: false,
    },
    Curve {
        name: "connections",
        what: "sends, 64 in flight; where there are more connections they take turns",
        points: &[1, 8, 64, 500, 5_000],
        options: |connections| Options { connections: connections as usize, ..Options::new("") },
        rate: Report::rate,
        beside_ceiling: true,
    },
    Curve {
        name: "busy connections",
        what: "sends, 5,000 in flight over all of them",
        points: &[1, 10, 100, 1_000, 5_000],
        options: |connections| Options { in_flight: 5_000, connections: connections as usize, ..Options::new("") },
        rate: Report::rate,
        beside_ceiling: true,
    },
    Curve {
        name: "reading groups",
        what: "messages read by all of them together, catching up, pulls of 32",
        points: &[1, 10, 50, 200],
        options: |groups| Options {
            producing: None,
            groups: groups as u32,
            backlog: READS / groups,
            ..Options::new("")
        },
        rate: Report::read_rate,
        beside_ceiling: false,
    },
];

/// Measures all points of a curve, and shows them.
pub fn draw(arguments: &Arguments, curve: &Curve) -> anyhow::Result<()> {
    let mut measured = Vec::new();
    for &point in curve.points {
        let options = || Options { time: arguments.time(), warm_up: Duration::from_secs(2), ..(curve.options)(point) };
        let directory = arguments.directory()?;
        let report = load(&Running::tandem(&arguments.tandem()?, directory.path(), &[])?, options())?;
        let ceiling = match curve.beside_ceiling {
            true => {
                let directory = arguments.directory()?;
                let running = Running::ceiling(&beside("ceiling")?, directory.path(), &["--new"])?;
                Some((curve.rate)(&load(&running, Options { direct: true, ..options() })?))
            }
            false => None,
        };
        eprintln!("{} {}: {:.0} a second", point, curve.name, (curve.rate)(&report));
        measured.push((point, report, ceiling));
    }
    let most = measured.iter().map(|(_, report, _)| (curve.rate)(report)).fold(0.0, f64::max);
    let (ceilings, column) = if curve.beside_ceiling { (" of the bare ceiling |", "--:|") } else { ("", "") };
    println!(
        "| {} | a second | of the best | p99, ms | CPU of the server for each, us | resident, MB |{ceilings}",
        curve.name
    );
    println!("|--:|--:|--:|--:|--:|--:|{column}");
    for (point, report, ceiling) in &measured {
        let rate = (curve.rate)(report);
        let p99 = report.latency.map_or_else(|| "–".to_owned(), |latency| format!("{:.2}", latency.p99 / 1e3));
        let (cpu, resident) = report.broker.map_or((0.0, 0), |cost| (cost.cpu.as_secs_f64(), cost.resident));
        let of_ceiling = ceiling.map_or(String::new(), |most| format!(" {:.2} of {:.1} k |", rate / most, most / 1e3));
        println!(
            "| {} | {:.1} k | {:.2} | {p99} | {:.1} | {:.0} |{of_ceiling}",
            line::thousands(*point),
            rate / 1e3,
            rate / most,
            report.per_operation(cpu * 1e6),
            resident as f64 / 1e6,
        );
    }
    println!("\n{}: {}.\n", curve.name, curve.what);
    if let Some(out) = &arguments.out {
        std::fs::create_dir_all(out)?;
        let points: Vec<_> = measured.iter().map(|(point, report, _)| (*point, (curve.rate)(report))).collect();
        let file = format!("growth-{}.svg", curve.name.replace(' ', "-"));
        std::fs::write(out.join(file), line::chart(curve.name, curve.what, &points))?;
    }
    Ok(())
}
