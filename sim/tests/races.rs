//! Racing decisions: every transaction has one outcome for everybody who is ever told of it.

use sim::{Bug, race};

/// Decisions raced here; `sim --races 1000000` races more.
const DECISIONS: u64 = 50_000;

#[test]
fn racing_decisions_have_one_outcome() {
    for seed in 0..2 {
        let races = race(seed, DECISIONS, None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(races.contradicted, 0, "seed {seed}: {races}");
        assert!(races.decisions >= DECISIONS && races.restarts > 0, "seed {seed}: {races}");
        assert!(races.committed > 1_000 && races.rolled_back > 1_000 && races.refused > 1_000, "seed {seed}: {races}");
        assert_eq!(races.delivered, races.committed, "seed {seed}: {races}");
    }
}

#[test]
fn a_broker_that_does_not_compare_is_caught_by_the_races() {
    for bug in [Bug::CommitWithoutCompare, Bug::ContradictionAccepted, Bug::CommitDeliveredTwice] {
        let races = race(0, 2_000, Some(bug)).unwrap_or_else(|why| panic!("{bug}: {why}"));
        assert!(races.contradicted > 0, "{bug}: {races}");
    }
}
