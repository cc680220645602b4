//! A bounded batch of simulated worlds, and the proof that a broken promise would be noticed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sim::{BUGS, Options, first_to_find, run};

/// Seeds that ever failed.
const FAILED: &str = include_str!("../seeds.txt");
/// Seeds that are run every time.
const SEEDS: std::ops::Range<u64> = 0..50;
/// How long fresh seeds are run: with the rest, a test that one can wait for.
const FRESH: Duration = Duration::from_secs(40);
/// Within so many seeds each planted bug must be found.
const BUG_SEEDS: std::ops::Range<u64> = 0..60;

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

#[test]
fn no_promise_is_broken_in_fresh_worlds() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    // The number is printed, so that what was run can be run again.
    let first = u64::from(since.subsec_nanos()) << 8;
    let started = Instant::now();
    let mut count = 0;
    let fresh = (first..).take_while(|_| {
        count += 1;
        started.elapsed() < FRESH
    });
    let broken = broken(fresh.map(|seed| (seed, Options::default().steps)));
    println!("fresh seeds {first}..{}", first + count - 1);
    assert_none(&broken);
}

#[test]
fn one_seed_replays_one_history() {
    for seed in [3, 7] {
        let (first, second) = (run(seed, &Options::default()), run(seed, &Options::default()));
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert!(first.events > 1000, "seed {seed} has a history worth the name");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let missed: Vec<&str> = BUGS
        .into_iter()
        .filter(|bug| first_to_find(*bug, BUG_SEEDS, &Options::default()).is_none())
        .map(|bug| bug.name())
        .collect();
    assert!(missed.is_empty(), "not found within {BUG_SEEDS:?}: {}", missed.join(", "));
}
