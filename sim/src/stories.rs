//! How transactions go from state to state, as the entries of the log tell it: for the coverage report.

use std::collections::BTreeMap;

use message::CommitLogOffset;
use message::entry::{CheckOutcome, DecidedBy, Entry, Outcome, Place};

/// Where each transaction stands. Decided ones are remembered as long as they wait for their time.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    at: BTreeMap<CommitLogOffset, Stand>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stand {
    New,
    Silent,
    Unknown,
    SetAside,
    Resumed,
    Later,
}

/// All transitions there are: what is never reached is reported.
pub(crate) const TRANSITIONS: &[&str] = &[
    "stored to committed",
    "stored to rolled back",
    "stored to asked, silent",
    "stored to asked, unknown",
    "stored to set aside",
    "asked to committed",
    "asked to rolled back",
    "asked to asked, silent",
    "asked to asked, unknown",
    "asked to set aside",
    "asked to rolled back by rule",
    "set aside to committed",
    "set aside to rolled back",
    "set aside to resumed",
    "resumed to committed",
    "resumed to rolled back",
    "resumed to asked, silent",
    "resumed to asked, unknown",
    "resumed to set aside",
    "committed for later to delivered",
    "undecided to carried",
    "committed for later to carried",
];

impl Stories {
    /// The next entry of the log: the transition it is, if it is one.
    pub fn step(&mut self, at: CommitLogOffset, entry: &Entry<'_>) -> Option<&'static str> {
        match entry {
            Entry::Half(_) => {
                // A half sent again is an entry too; what becomes of it belongs to the first.
                self.at.insert(at, Stand::New);
                None
            }
            Entry::Check(check) => {
                let stand = self.at.get_mut(&check.half)?;
                let unknown = check.outcome == CheckOutcome::Unknown;
                let before = std::mem::replace(stand, if unknown { Stand::Unknown } else { Stand::Silent });
                Some(match (before, unknown) {
                    (Stand::New, true) => "stored to asked, unknown",
                    (Stand::New, false) => "stored to asked, silent",
                    (Stand::Resumed, true) => "resumed to asked, unknown",
                    (Stand::Resumed, false) => "resumed to asked, silent",
                    (_, true) => "asked to asked, unknown",
                    (_, false) => "asked to asked, silent",
                })
            }
            Entry::SetAside(note) => {
                let stand = self.at.get_mut(&note.half)?;
                Some(match std::mem::replace(stand, Stand::SetAside) {
                    Stand::New => "stored to set aside",
                    Stand::Resumed => "resumed to set aside",
                    _ => "asked to set aside",
                })
            }
            Entry::Resume(note) => {
                self.at.insert(note.half, Stand::Resumed);
                Some("set aside to resumed")
            }
            Entry::Decision(decision) => {
                let before = self.at.remove(&decision.half)?;
                if matches!(decision.place, Place::Later { .. }) {
                    self.at.insert(decision.half, Stand::Later);
                }
                Some(match (before, decision.outcome) {
                    (_, Outcome::Rollback) if decision.by == DecidedBy::Exhausted => "asked to rolled back by rule",
                    (Stand::New, Outcome::Commit) => "stored to committed",
                    (Stand::New, Outcome::Rollback) => "stored to rolled back",
                    (Stand::SetAside, Outcome::Commit) => "set aside to committed",
                    (Stand::SetAside, Outcome::Rollback) => "set aside to rolled back",
                    (Stand::Resumed, Outcome::Commit) => "resumed to committed",
                    (Stand::Resumed, Outcome::Rollback) => "resumed to rolled back",
                    (_, Outcome::Commit) => "asked to committed",
                    (_, Outcome::Rollback) => "asked to rolled back",
                })
            }
            Entry::Deliver(deliver) if deliver.half => {
                self.at.remove(&deliver.source);
                Some("committed for later to delivered")
            }
            Entry::Carried(carried) => match self.at.get(&carried.source)? {
                Stand::Later => Some("committed for later to carried"),
                _ => Some("undecided to carried"),
            },
            _ => None,
        }
    }
}
