//! Runs seeds of the simulator and says which of them broke a promise.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use sim::{BUGS, Bug, Coverage, Options, Plan, Races, first_to_find, race, run, shrink};

const USAGE: &str = "\
usage: sim --seed N | --seeds A..B [--steps N] [--bug NAME] [--without PART]... [--trace] [--shrink]
       sim --bugs [--seeds A..B]
       sim --races N [--seed S]
  --seed N       one history; the same number gives the same history, bit for bit
  --seeds A..B   many, and what they reached and never reached
  --bug NAME     with a defect planted around the production code
  --without PART without a kind of fault, work or client; may be repeated
  --trace        prints everything that happens
  --shrink       makes the history of a failing seed smaller
  --races N      at least N racing decisions about the same transactions; how many had two outcomes
  --bugs         a table of all planted defects: which seed finds each, by which promise, after how many";

/// Seeds among which each planted defect is looked for unless told otherwise.
const BUG_SEEDS: Range<u64> = 0..300;

struct Arguments {
    seeds: Option<Range<u64>>,
    options: Options,
    shrink: bool,
    bugs: bool,
    races: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if !arguments.options.trace {
        // A panic is part of the verdict, which names the seed.
        std::panic::set_hook(Box::new(|_| {}));
    }
    if let Some(decisions) = arguments.races {
        let first = arguments.seeds.map_or(0, |seeds| seeds.start);
        return run_races(first, decisions, &arguments.options);
    }
    let Some(seeds) = arguments.seeds else { return table_of_bugs(BUG_SEEDS, &arguments.options) };
    if arguments.bugs {
        return table_of_bugs(seeds, &arguments.options);
    }
    run_seeds(seeds, &arguments.options, arguments.shrink)
}

fn run_seeds(seeds: Range<u64>, options: &Options, shrinks: bool) -> ExitCode {
    let started = Instant::now();
    let (mut coverage, mut failed, mut events, count) = (Coverage::default(), 0, 0, seeds.end - seeds.start);
    for seed in seeds {
        let verdict = run(seed, options);
        coverage.merge(&verdict.coverage);
        events += verdict.events;
        if let Some(violation) = &verdict.violation {
            failed += 1;
            println!("seed {seed}: {violation}\n  replay: {}", options.command(seed));
            if shrinks && let Some(smaller) = shrink(seed, options) {
                let command = Options { steps: smaller.steps, without: smaller.without, ..options.clone() };
                let events = smaller.verdict.events;
                println!("  smaller, {events} events rather than {}, after {} runs:", verdict.events, smaller.runs);
                smaller.verdict.violation.iter().for_each(|violation| println!("    {violation}"));
                println!("    {}", command.command(seed));
            }
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

/// Decisions of one broker, before the next seed begins with an empty disk.
const RACES_PER_SEED: u64 = 50_000;

fn run_races(first: u64, decisions: u64, options: &Options) -> ExitCode {
    let started = Instant::now();
    let (mut all, mut seed) = (Races::default(), first);
    while all.decisions < decisions {
        match race(seed, RACES_PER_SEED.min(decisions), options.bug) {
            Ok(races) => {
                if races.contradicted > 0 {
                    println!("seed {seed}: {races}");
                }
                all.merge(&races);
            }
            Err(why) => {
                println!("seed {seed}: {why}");
                return ExitCode::FAILURE;
            }
        }
        seed += 1;
    }
    println!("seeds {first}..{seed}: {all}; {:.1} s", started.elapsed().as_secs_f64());
    if all.contradicted > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn table_of_bugs(seeds: Range<u64>, options: &Options) -> ExitCode {
    let mut missed = 0;
    println!("{:<28} {:>6} {:>6}  broken promise", "planted defect", "seed", "seeds");
    for bug in BUGS {
        match first_to_find(bug, seeds.clone(), options) {
            Some(verdict) => {
                let rule = verdict.violation.map_or("", |violation| violation.rule);
                println!("{:<28} {:>6} {:>6}  {rule}", bug.name(), verdict.seed, verdict.seed - seeds.start + 1);
            }
            None => {
                missed += 1;
                println!("{:<28} {:>6} {:>6}  not found", bug.name(), "-", seeds.end - seeds.start);
            }
        }
    }
    if missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut found = Arguments { seeds: None, options: Options::default(), shrink: false, bugs: false, races: None };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => found.seeds = Some(range(&value()?)?),
            "--seed" => {
                let seed = number(&value()?)?;
                found.seeds = Some(seed..seed + 1);
            }
            "--steps" => found.options.steps = number(&value()?)?,
            "--bug" => found.options.bug = Some(value()?.parse::<Bug>()?),
            "--without" => {
                let part = value()?;
                Plan::of(0, 1).take_away(&part)?;
                found.options.without.push(part);
            }
            "--trace" => found.options.trace = true,
            "--shrink" => found.shrink = true,
            "--bugs" => found.bugs = true,
            "--races" => found.races = Some(number(&value()?)?),
            other => return Err(format!("{other:?} is not known")),
        }
    }
    if found.seeds.is_none() && !found.bugs && found.races.is_none() {
        return Err("which seeds?".to_owned());
    }
    Ok(found)
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range such as 1..100"))?;
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err(format!("{text:?} holds no seed")) }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}
