use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bugs::Bug;
use crate::coverage::Coverage;
use crate::oracle::Violation;
use crate::plan::Plan;
use crate::world::World;

/// How one seed is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps before the faults stop.
    pub steps: u64,
    /// A defect planted around the production code.
    pub bug: Option<Bug>,
    /// Whether everything is printed as it happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { steps: 1_500, bug: None, trace: false }
    }
}

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The seed.
    pub seed: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// The whole history as one number.
    pub hash: u64,
    /// How much happened.
    pub events: u64,
    /// What was reached.
    pub coverage: Coverage,
}

/// Runs one seed to its end, or to the first promise that is broken. A panic is a broken promise as well.
pub fn run(seed: u64, options: Options) -> Verdict {
    let mut world = World::new(Plan::of(seed, options.steps), options.bug, options.trace);
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    if let Err(panic) = ended {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        world.oracle.fail("nothing panics", text.unwrap_or_default());
    }
    Verdict {
        seed,
        violation: world.oracle.violation.take(),
        hash: world.history.hash(),
        events: world.history.events(),
        coverage: std::mem::take(&mut world.coverage),
    }
}
