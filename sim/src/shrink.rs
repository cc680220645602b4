//! A smaller history that breaks the same promise: fewer steps, fewer clients, fewer kinds of faults.

use crate::parts::PARTS;
use crate::run::{Options, Verdict, run_plan};

/// Most runs spent on one seed.
const RUNS_MAX: usize = 400;

/// What became of a failing seed.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What was taken away, in order: the command line takes the same words.
    pub without: Vec<String>,
    /// Steps that are left.
    pub steps: u64,
    /// What the smaller history breaks.
    pub verdict: Verdict,
    /// Histories that were tried.
    pub runs: usize,
}

/// Takes away from the history of a seed what it does not need to break the same promise. `None` if it breaks none.
pub fn shrink(seed: u64, options: &Options) -> Option<Shrunk> {
    let first = run_plan(&options.plan(seed), options);
    let rule = first.violation.as_ref()?.rule;
    let mut best = Shrunk { without: options.without.clone(), steps: options.steps, verdict: first, runs: 1 };
    // Nothing that happens behind the broken promise matters.
    best.steps = best.steps.min(best.verdict.steps + 1);
    loop {
        let before = (best.steps, best.without.len());
        fewer_steps(seed, options, rule, &mut best);
        for word in PARTS.iter().map(|(word, _)| word).filter(|word| !options.without.iter().any(|gone| gone == *word))
        {
            if !best.without.iter().any(|gone| gone == word) {
                let without = best.without.iter().cloned().chain([(*word).to_owned()]).collect();
                attempt(seed, options, rule, &mut best, without, None);
            }
        }
        if before == (best.steps, best.without.len()) || best.runs >= RUNS_MAX {
            return Some(best);
        }
    }
}

fn fewer_steps(seed: u64, options: &Options, rule: &str, best: &mut Shrunk) {
    let mut cut = best.steps / 2;
    while cut > 0 && best.runs < RUNS_MAX {
        let (without, steps) = (best.without.clone(), best.steps.saturating_sub(cut));
        if steps == 0 || !attempt(seed, options, rule, best, without, Some(steps)) {
            cut /= 2;
        }
    }
}

/// Tries a smaller history. True if it breaks the same promise, and is the best one now.
fn attempt(
    seed: u64,
    options: &Options,
    rule: &str,
    best: &mut Shrunk,
    without: Vec<String>,
    steps: Option<u64>,
) -> bool {
    if best.runs >= RUNS_MAX {
        return false;
    }
    best.runs += 1;
    let options = Options { without, steps: steps.unwrap_or(best.steps), trace: false, ..options.clone() };
    let verdict = run_plan(&options.plan(seed), &options);
    let same = verdict.violation.as_ref().is_some_and(|violation| violation.rule == rule);
    if same {
        best.steps = options.steps.min(verdict.steps + 1);
        (best.without, best.verdict) = (options.without, verdict);
    }
    same
}
