//! Runs seeds of the simulator and says which of them broke a promise.
//!
//! `sim --seeds A..B [--steps N] [--bug NAME]` runs many; `sim --seed N [--steps N] [--bug NAME] [--trace]` runs one.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use sim::{Bug, Coverage, Options, run};

const USAGE: &str = "usage: sim --seeds A..B | --seed N  [--steps N] [--bug NAME] [--trace]";

struct Arguments {
    seeds: Range<u64>,
    options: Options,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Arguments { seeds, options } = arguments;
    if !options.trace {
        // A panic is part of the verdict, which names the seed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let started = Instant::now();
    let (mut coverage, mut failed, mut events, count) = (Coverage::default(), 0, 0, seeds.end - seeds.start);
    for seed in seeds {
        let verdict = run(seed, options);
        coverage.merge(&verdict.coverage);
        events += verdict.events;
        if let Some(violation) = &verdict.violation {
            failed += 1;
            println!("seed {seed}: {violation}");
            let bug = options.bug.map(|bug| format!(" --bug {bug}")).unwrap_or_default();
            println!(
                "  replay: cargo run --release -p tandem-sim -- --seed {seed} --steps {}{bug} --trace",
                options.steps
            );
        } else if count == 1 {
            println!("seed {seed}: nothing broken in {} events, history {:016x}", verdict.events, verdict.hash);
        }
    }
    if count > 1 {
        let seconds = started.elapsed().as_secs_f64();
        println!("{coverage}");
        println!(
            "{count} seeds, {events} events, {failed} failed, {seconds:.1} s, {:.1} seeds/s",
            count as f64 / seconds
        );
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut seeds, mut options) = (None, Options::default());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => seeds = Some(range(&value()?)?),
            "--seed" => {
                let seed = number(&value()?)?;
                seeds = Some(seed..seed + 1);
            }
            "--steps" => options.steps = number(&value()?)?,
            "--bug" => options.bug = Some(value()?.parse::<Bug>()?),
            "--trace" => options.trace = true,
            other => return Err(format!("{other:?} is not known")),
        }
    }
    let seeds = seeds.ok_or("which seeds?")?;
    Ok(Arguments { seeds, options })
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range such as 1..100"))?;
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err(format!("{text:?} holds no seed")) }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
