//! A bounded batch of simulated worlds, and the proof that a broken promise would be noticed.

use sim::{BUGS, Options, run};

/// Seeds that are run every time.
const SEEDS: std::ops::Range<u64> = 0..50;
/// Within so many seeds each planted bug must be found.
const BUG_SEEDS: std::ops::Range<u64> = 0..60;

#[test]
fn no_promise_is_broken_in_a_batch_of_worlds() {
    let broken: Vec<String> = SEEDS
        .filter_map(|seed| {
            run(seed, Options::default()).violation.map(|violation| format!("seed {seed}: {violation:?}"))
        })
        .collect();
    assert!(
        broken.is_empty(),
        "replay with `cargo run --release -p tandem-sim -- --seed N --trace`:\n{}",
        broken.join("\n")
    );
}

#[test]
fn one_seed_replays_one_history() {
    for seed in [3, 7] {
        let (first, second) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert!(first.events > 1000, "seed {seed} has a history worth the name");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let missed: Vec<&str> = BUGS
        .into_iter()
        .filter(|bug| {
            let options = Options { bug: Some(*bug), ..Options::default() };
            !BUG_SEEDS.into_iter().any(|seed| run(seed, options).violation.is_some())
        })
        .map(|bug| bug.name())
        .collect();
    assert!(missed.is_empty(), "not found within {BUG_SEEDS:?}: {}", missed.join(", "));
}
