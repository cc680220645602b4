//! A bounded batch of simulated worlds: the same ones every time, those that ever failed, and fresh ones.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sim::{Options, run};

/// Seeds that ever failed.
const FAILED: &str = include_str!("../seeds.txt");
/// Seeds that are run every time.
const SEEDS: std::ops::Range<u64> = 0..50;
/// How many seconds fresh seeds are run unless `SIM_FRESH_SECONDS` says otherwise: with the rest, a test that one can
/// wait for.
const FRESH_SECONDS: u64 = 20;

/// Runs these seeds, with their steps, and says how each that fails is replayed.
fn broken(seeds: impl Iterator<Item = (u64, u64)>) -> Vec<String> {
    let verdicts = seeds.map(|(seed, steps)| {
        let options = Options { steps, ..Options::default() };
        (run(seed, &options), options)
    });
    let failed = verdicts.filter_map(|(verdict, options)| Some((verdict.seed, verdict.violation?, options)));
    failed.map(|(seed, why, options)| format!("seed {seed}: {why}\n  {}", options.command(seed))).collect()
}

fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn no_promise_is_broken_in_a_batch_of_worlds() {
    assert_none(&broken(SEEDS.map(|seed| (seed, Options::default().steps))));
}

#[test]
fn what_failed_once_fails_no_more() {
    let lines = FAILED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).expect("seed, steps, story");
    let seeds = lines.map(|line| {
        let mut words = line.split(' ');
        (number(words.next()), number(words.next()))
    });
    assert_none(&broken(seeds));
}

/// A number from the environment.
fn asked_for(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, and should be a number")))
}

/// The first seed comes from the clock, or from `SIM_FRESH_SEED`. It is printed, and a seed that fails is printed with the
/// command that replays it.
#[test]
fn no_promise_is_broken_in_fresh_worlds() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    let first = asked_for("SIM_FRESH_SEED").unwrap_or(since.as_millis() as u64);
    let time = Duration::from_secs(asked_for("SIM_FRESH_SECONDS").unwrap_or(FRESH_SECONDS));
    println!("fresh seeds from {first} on");
    let started = Instant::now();
    let fresh = (first..).take_while(|_| started.elapsed() < time);
    assert_none(&broken(fresh.map(|seed| (seed, Options::default().steps))));
}

#[test]
fn one_seed_replays_one_history() {
    for seed in [3, 7] {
        let (first, second) = (run(seed, &Options::default()), run(seed, &Options::default()));
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert!(first.events > 1000, "seed {seed} has a history worth the name");
    }
}
