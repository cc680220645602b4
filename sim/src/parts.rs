//! What can be taken away from a plan, by name: a smaller plan makes a smaller history.

use crate::plan::{Chances, Plan};

/// What a part's name takes away.
type Without = fn(&mut Plan);

fn chance(plan: &mut Plan, of: fn(&mut Chances) -> &mut u64) {
    *of(&mut plan.chances) = 0;
}

/// Everything that can be taken away, the largest first.
pub(crate) const PARTS: &[(&str, Without)] = &[
    ("power-cuts", |plan| chance(plan, |of| &mut of.power_cut)),
    ("kills", |plan| chance(plan, |of| &mut of.kill)),
    ("restarts", |plan| chance(plan, |of| &mut of.restart)),
    ("full-disk", |plan| chance(plan, |of| &mut of.full)),
    ("write-errors", |plan| chance(plan, |of| &mut of.write_error)),
    ("sync-errors", |plan| chance(plan, |of| &mut of.sync_error)),
    ("clock-jumps", |plan| chance(plan, |of| &mut of.clock_jump)),
    ("clock-drift", |plan| chance(plan, |of| &mut of.clock_drift)),
    ("disk-copies", |plan| chance(plan, |of| &mut of.disk_copy)),
    ("damage", |plan| chance(plan, |of| &mut of.damage)),
    ("segment-cuts", |plan| chance(plan, |of| &mut of.segment_cut)),
    ("lost-connections", |plan| chance(plan, |of| &mut of.connection_lost)),
    ("client-crashes", |plan| chance(plan, |of| &mut of.client_crash)),
    ("slow-readers", |plan| chance(plan, |of| &mut of.slow_reader)),
    ("half-open", |plan| chance(plan, |of| &mut of.half_open)),
    ("late-requests", |plan| chance(plan, |of| &mut of.request_late)),
    ("doubled-requests", |plan| chance(plan, |of| &mut of.request_doubled)),
    ("lost-answers", |plan| chance(plan, |of| &mut of.answer_lost)),
    ("lost-index", |plan| chance(plan, |of| &mut of.index_lost)),
    ("clock-back", |plan| chance(plan, |of| &mut of.clock_back)),
    ("crashes-while-recovering", |plan| chance(plan, |of| &mut of.crash_while_recovering)),
    ("late-jobs", |plan| (plan.chances.job_runs, plan.chances.job_returns) = (1000, 1000)),
    ("sends", |plan| chance(plan, |of| &mut of.send)),
    ("batches", |plan| chance(plan, |of| &mut of.batch)),
    ("transactions", |plan| chance(plan, |of| &mut of.transaction)),
    ("delays", |plan| chance(plan, |of| &mut of.delayed)),
    ("rollbacks", |plan| chance(plan, |of| &mut of.rollback)),
    ("lost-decisions", |plan| chance(plan, |of| &mut of.decision_lost)),
    ("repeated-decisions", |plan| chance(plan, |of| &mut of.decision_repeated)),
    ("rogues", |plan| chance(plan, |of| &mut of.rogue)),
    ("unknown-ends", |plan| chance(plan, |of| &mut of.end_unknown)),
    ("immunity", |plan| chance(plan, |of| &mut of.immunity)),
    ("unknown-answers", |plan| chance(plan, |of| &mut of.check_unknown)),
    ("silent-checks", |plan| chance(plan, |of| &mut of.check_silent)),
    ("slow-checks", |plan| chance(plan, |of| &mut of.check_slow)),
    ("failed-consumption", |plan| chance(plan, |of| &mut of.consume_fails)),
    ("operators", |plan| chance(plan, |of| &mut of.operate)),
    ("deletions", |plan| chance(plan, |of| &mut of.delete_topic)),
    ("lookups", |plan| chance(plan, |of| &mut of.ask_about)),
    ("forgeries", |plan| chance(plan, |of| &mut of.forge)),
    ("consumers", |plan| plan.consumer_groups.truncate(1)),
    ("members", |plan| plan.consumer_groups.iter_mut().for_each(|(_, members, _)| *members = 1)),
    ("producer-groups", |plan| plan.producer_groups.truncate(1)),
    ("producer-instances", |plan| plan.producer_groups.iter_mut().for_each(|(_, instances)| *instances = 1)),
    ("queues", |plan| plan.topics.iter_mut().for_each(|(_, queues)| *queues = 1)),
];

impl Plan {
    /// Takes a part away.
    ///
    /// # Errors
    /// When there is no part of that name: says which there are.
    pub fn take_away(&mut self, part: &str) -> Result<(), String> {
        let Some((_, without)) = PARTS.iter().find(|(name, _)| *name == part) else {
            let names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no part {part:?}; choose of {}", names.join(", ")));
        };
        without(self);
        Ok(())
    }
}
