//! Which promises were broken to one transaction, from what it was told and where it lies.

use protocol::request::transaction::Decision;

use crate::ledger::{Heard, Record, Speaker, Truth};
use crate::plan::{Fate, Forgery};

/// A broken promise. The names are those of the columns of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Breach {
    /// Its local transaction is committed, the broker knew, and no consumer gets it.
    ///
    /// The broker knew: a commit of its producer, or the answer to a check, was acknowledged; or one was sent one-way and
    /// the run waited as long as it was told to. It is also lost when consumers could read it and can no more, and when a
    /// forged rollback of it was acknowledged.
    Lost,
    /// Consumers get it although its local transaction is rolled back, never ran, or has not ended.
    Leaked,
    /// It lies at more than one queue offset.
    Doubled,
    /// Its local transaction has ended, a producer was there to say so, and the broker was not told in the time it had:
    /// what was sent was lost, and no check came. A rollback whose answer was lost may have been heard: it does not count.
    Undecided,
    /// What a stranger said, or what was said under a wrong name, took effect.
    Forged,
    /// Both a commit and a rollback of it were acknowledged to its producer: one of the two answers is false.
    Contradicted,
}

impl Breach {
    /// All of them, in the order of the columns.
    pub const ALL: [Breach; 6] =
        [Breach::Lost, Breach::Leaked, Breach::Doubled, Breach::Undecided, Breach::Forged, Breach::Contradicted];

    /// The head of the column.
    pub fn name(self) -> &'static str {
        match self {
            Breach::Lost => "lost",
            Breach::Leaked => "leaked",
            Breach::Doubled => "doubled",
            Breach::Undecided => "undecided",
            Breach::Forged => "forged",
            Breach::Contradicted => "contradicted",
        }
    }

    /// For people.
    pub fn about(self) -> &'static str {
        match self {
            Breach::Lost => "committed, and the broker knew, but no consumer gets it",
            Breach::Leaked => "delivered although it was rolled back or never decided",
            Breach::Doubled => "one transaction at two or more queue offsets",
            Breach::Undecided => "the broker did not ask about it in the time it had",
            Breach::Forged => "a decision by somebody else, or under a wrong name, took effect",
            Breach::Contradicted => "both its commit and its rollback were acknowledged",
        }
    }
}

/// The promises that were broken to it. [`Breach::Undecided`] depends on how long the broker had: whoever counts it
/// says whether that was long enough. `waited` says the same of commits that were sent one-way.
pub fn judge(record: &Record, waited: bool) -> Vec<Breach> {
    let delivered = !record.places.is_empty();
    let committed = record.truth == Truth::Committed;
    let lost = committed
        && !record.there_in_the_end
        && (delivered
            || record.acknowledged(Decision::Commit)
            || (waited && record.sent(Decision::Commit))
            || forger_heard_yes(record, Decision::Rollback));
    let undecided = match record.truth {
        Truth::Committed => !delivered && !lost,
        Truth::RolledBack => !delivered && !record.may_be_known(Decision::Rollback),
        Truth::NotRun | Truth::Running | Truth::Either => false,
    };
    let is = |breach| match breach {
        Breach::Lost => lost,
        Breach::Leaked => delivered && matches!(record.truth, Truth::RolledBack | Truth::NotRun | Truth::Running),
        Breach::Doubled => record.places.len() > 1,
        Breach::Undecided => undecided,
        Breach::Forged => forgery_took_effect(record),
        Breach::Contradicted => record.acknowledged(Decision::Commit) && record.acknowledged(Decision::Rollback),
    };
    Breach::ALL.into_iter().filter(|breach| is(*breach)).collect()
}

fn forger_heard_yes(record: &Record, decision: Decision) -> bool {
    let mut forged = record.told.iter().filter(|told| told.by == Speaker::Forger && told.decision == decision);
    forged.any(|told| told.heard == Heard::Yes)
}

fn forgery_took_effect(record: &Record) -> bool {
    let Fate::Forged(forgery) = record.fate else { return false };
    match (forgery, record.truth) {
        (Forgery::Delivered, _) => record.places.len() > 1 && forger_heard_yes(record, Decision::Commit),
        (_, Truth::RolledBack) => !record.places.is_empty() && forger_heard_yes(record, Decision::Commit),
        (_, Truth::Committed) => record.places.is_empty() && forger_heard_yes(record, Decision::Rollback),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Ledger, Place, Told};
    use crate::plan::Planned;

    /// A transaction of this fate whose half is stored and whose local transaction came to this.
    fn record(fate: Fate, truth: Truth) -> Record {
        let mut ledger = Ledger::default();
        ledger.begin("a".to_owned(), Planned { fate, outcome: Decision::Unknown });
        ledger.stored("a");
        ledger.ended("a", truth);
        ledger.records()[0].clone()
    }

    fn told(mut record: Record, by: Speaker, decision: Decision, heard: Heard) -> Record {
        record.told.push(Told { decision, by, heard });
        record
    }

    fn at(mut record: Record, offsets: &[i64]) -> Record {
        let places = offsets.iter().map(|&offset| Place { broker: "b".to_owned(), queue: 0, offset });
        record.places.extend(places);
        record.there_in_the_end = true;
        record
    }

    fn committed(heard: Heard) -> Record {
        told(record(Fate::Lost, Truth::Committed), Speaker::Producer, Decision::Commit, heard)
    }

    #[test]
    fn what_goes_as_it_should_breaks_nothing() {
        assert_eq!(judge(&at(committed(Heard::Yes), &[1]), true), []);
        let rolled_back = record(Fate::Lost, Truth::RolledBack);
        assert_eq!(judge(&told(rolled_back, Speaker::Check, Decision::Rollback, Heard::Yes), true), []);
        assert_eq!(judge(&record(Fate::Never, Truth::Running), true), []);
        assert_eq!(judge(&record(Fate::Lost, Truth::NotRun), true), []);
    }

    #[test]
    fn a_commit_that_was_acknowledged_and_is_nowhere_is_lost_at_once_and_one_sent_one_way_after_the_wait() {
        assert_eq!(judge(&committed(Heard::Yes), false), [Breach::Lost]);
        assert_eq!(judge(&committed(Heard::Told), true), [Breach::Lost]);
        assert_eq!(judge(&committed(Heard::Told), false), [Breach::Undecided]);
        assert_eq!(judge(&committed(Heard::Nothing), true), [Breach::Undecided]);
        assert_eq!(judge(&record(Fate::Lost, Truth::Committed), true), [Breach::Undecided]);
        let rolled_back = record(Fate::Lost, Truth::RolledBack);
        assert_eq!(judge(&rolled_back, true), [Breach::Undecided]);
        let unheard = told(rolled_back, Speaker::Producer, Decision::Rollback, Heard::Nothing);
        assert_eq!(judge(&unheard, true), [], "it may have been heard");
    }

    #[test]
    fn what_consumers_could_read_and_can_no_more_is_lost() {
        let mut gone = at(committed(Heard::Nothing), &[1]);
        gone.there_in_the_end = false;
        assert_eq!(judge(&gone, false), [Breach::Lost]);
    }

    #[test]
    fn whatever_was_not_committed_and_is_delivered_is_leaked() {
        for truth in [Truth::RolledBack, Truth::Running, Truth::NotRun] {
            assert_eq!(judge(&at(record(Fate::Lost, truth), &[1]), true), [Breach::Leaked], "{truth:?}");
        }
        assert_eq!(judge(&at(record(Fate::Racing, Truth::Either), &[1]), true), []);
    }

    #[test]
    fn two_offsets_are_two_deliveries() {
        assert_eq!(judge(&at(committed(Heard::Yes), &[1, 5]), true), [Breach::Doubled]);
        assert_eq!(judge(&at(record(Fate::Racing, Truth::Either), &[1, 5]), true), [Breach::Doubled]);
    }

    #[test]
    fn two_answers_that_exclude_each_other_are_a_contradiction_whichever_took_effect() {
        let both = told(committed(Heard::Yes), Speaker::Check, Decision::Rollback, Heard::Yes);
        assert_eq!(judge(&at(both, &[1]), true), [Breach::Contradicted]);
        let refused = told(committed(Heard::Yes), Speaker::Producer, Decision::Rollback, Heard::No { code: 604 });
        assert_eq!(judge(&at(refused, &[1]), true), []);
    }

    #[test]
    fn a_forgery_counts_when_the_outcome_is_what_the_forger_said() {
        let forged = |truth, decision, heard| {
            told(record(Fate::Forged(Forgery::Group), truth), Speaker::Forger, decision, heard)
        };
        let delivered = at(forged(Truth::RolledBack, Decision::Commit, Heard::Yes), &[1]);
        assert_eq!(judge(&delivered, true), [Breach::Leaked, Breach::Forged]);
        let suppressed = forged(Truth::Committed, Decision::Rollback, Heard::Yes);
        assert_eq!(judge(&suppressed, true), [Breach::Lost, Breach::Forged]);
        let in_vain = forged(Truth::Committed, Decision::Rollback, Heard::No { code: 1 });
        assert_eq!(judge(&at(in_vain, &[1]), true), []);
        let again = at(record(Fate::Forged(Forgery::Delivered), Truth::Committed), &[1, 2]);
        assert_eq!(judge(&again, true), [Breach::Doubled], "for another reason");
        let again = told(again, Speaker::Forger, Decision::Commit, Heard::Yes);
        assert_eq!(judge(&again, true), [Breach::Doubled, Breach::Forged]);
    }
}
