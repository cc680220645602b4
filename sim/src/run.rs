use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bugs::Bug;
use crate::coverage::Coverage;
use crate::oracle::Violation;
use crate::plan::Plan;
use crate::world::World;

/// How one seed is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Steps before the faults stop.
    pub steps: u64,
    /// A defect planted around the production code.
    pub bug: Option<Bug>,
    /// Parts of the plan that are taken away, see [`Plan::take_away`].
    pub without: Vec<String>,
    /// Whether everything is printed as it happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { steps: 1_500, bug: None, without: Vec::new(), trace: false }
    }
}

impl Options {
    /// The plan of a seed, run like this. Parts that there are not are passed over: the command line has checked them.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::of(seed, self.steps);
        for part in &self.without {
            let _ = plan.take_away(part);
        }
        plan
    }

    /// The command that replays a seed as it was run.
    pub fn command(&self, seed: u64) -> String {
        let mut text = format!("cargo run --release -p tandem-sim -- --seed {seed} --steps {}", self.steps);
        self.bug.iter().for_each(|bug| text += &format!(" --bug {bug}"));
        self.without.iter().for_each(|part| text += &format!(" --without {part}"));
        text + " --trace"
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
    /// Steps until then.
    pub steps: u64,
    /// What was reached.
    pub coverage: Coverage,
}

/// Runs one seed to its end, or to the first promise that is broken. A panic is a broken promise as well.
pub fn run(seed: u64, options: &Options) -> Verdict {
    run_plan(&options.plan(seed), options)
}

pub(crate) fn run_plan(plan: &Plan, options: &Options) -> Verdict {
    let seed = plan.seed;
    let mut world = World::new(plan.clone(), options.bug, options.trace);
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
        steps: world.steps_done,
        coverage: std::mem::take(&mut world.coverage),
    }
}
