//! Sentences about the whole machine: inputs in, outputs out.

mod checking;
mod consuming;
mod deciding;
mod losing;
mod sending;
mod standing_still;

use message::entry::Outcome;

use crate::bench::Bench;
use crate::io::{Answer, EndOutcome, Push, Refusal, Settled};

const COMMIT: EndOutcome = EndOutcome::Decided(Outcome::Commit);
const ROLLBACK: EndOutcome = EndOutcome::Decided(Outcome::Rollback);

fn settled(answer: Option<Answer>) -> Settled {
    match answer {
        Some(Answer::Settled(settled)) => settled,
        other => panic!("settled, not {other:?}"),
    }
}

fn refused(answer: Option<Answer>) -> Refusal {
    match answer {
        Some(Answer::Refused(refusal)) => refusal,
        other => panic!("refused, not {other:?}"),
    }
}

fn checks(bench: &mut Bench) -> Vec<u64> {
    let pushes = std::mem::take(&mut bench.pushes);
    let asked = pushes.into_iter().filter(|(_, push)| matches!(push, Push::Check(_)));
    asked.map(|(session, _)| session.0).collect()
}
