//! What every transaction was told, and what its local database says: the truth that deliveries are held against.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::request::transaction::Decision;
use tokio::sync::watch;

use crate::plan::{Fate, Planned};

/// What the local database says of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    /// The broker has not said that it has the half, so the local transaction never ran.
    NotRun,
    /// It runs.
    Running,
    /// It is committed.
    Committed,
    /// It is rolled back.
    RolledBack,
    /// Commit and rollback were both sent, and the answers do not tell which came first: either may be delivered, once.
    Either,
}

/// Who said a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    /// A producer, by itself.
    Producer,
    /// A producer that was asked.
    Check,
    /// Somebody who had no right to.
    Forger,
}

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It was acknowledged: code 0.
    Yes,
    /// It was refused.
    No {
        /// The code of the answer.
        code: i32,
    },
    /// It was sent one-way, and left the machine as far as one can know.
    Told,
    /// No answer came: it may have been heard or not.
    Nothing,
    /// There was no connection to send it on.
    Unsent,
}

/// One decision as it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// Commit, rollback or unknown.
    pub decision: Decision,
    /// Who said it.
    pub by: Speaker,
    /// What came of it.
    pub heard: Heard,
}

/// Where a message lies: two deliveries are two places.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The broker's name.
    pub broker: String,
    /// The queue.
    pub queue: i32,
    /// The offset in it.
    pub offset: i64,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id, the `UNIQ_KEY` of its message.
    pub id: String,
    /// How it was to go.
    pub fate: Fate,
    /// What its local transaction comes to once it has run.
    pub outcome: Decision,
    /// What the database says now.
    pub truth: Truth,
    /// Halves of it that the broker acknowledged.
    pub halves: u32,
    /// What the broker was told about it, in that order.
    pub told: Vec<Told>,
    /// How often it was asked about.
    pub checks: u32,
    /// How often it was asked about although the broker had acknowledged a decision before.
    pub checks_after: u32,
    /// Where it lies for consumers.
    pub places: BTreeSet<Place>,
    /// Where in the log it was last seen, as consumers are told.
    pub log_offset: Option<i64>,
    /// It was there when all queues were read from their beginning in the end.
    pub there_in_the_end: bool,
}

impl Record {
    /// Was this decision acknowledged to somebody with the right to say it?
    pub fn acknowledged(&self, decision: Decision) -> bool {
        self.told_by_owner(decision).any(|told| told.heard == Heard::Yes)
    }

    /// Was this decision sent, and neither refused nor left without the answer that was to come?
    pub fn sent(&self, decision: Decision) -> bool {
        self.told_by_owner(decision).any(|told| matches!(told.heard, Heard::Yes | Heard::Told))
    }

    /// May the broker have taken this decision, for all that one can see from outside?
    pub fn may_be_known(&self, decision: Decision) -> bool {
        self.told_by_owner(decision).any(|told| !matches!(told.heard, Heard::No { .. } | Heard::Unsent))
    }

    fn told_by_owner(&self, decision: Decision) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(move |told| told.decision == decision && told.by != Speaker::Forger)
    }

    /// What a live producer of its group says when it is asked.
    pub fn answer(&self) -> Decision {
        match self.truth {
            Truth::Committed | Truth::Either => Decision::Commit,
            Truth::RolledBack | Truth::NotRun => Decision::Rollback,
            Truth::Running => Decision::Unknown,
        }
    }

    /// Is there something that its group still has to say, or the broker to do?
    pub fn is_open(&self) -> bool {
        match self.truth {
            Truth::Committed => self.places.is_empty(),
            Truth::RolledBack => !self.may_be_known(Decision::Rollback),
            Truth::NotRun | Truth::Running | Truth::Either => false,
        }
    }
}

/// All transactions of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    records: Vec<Record>,
    by_id: HashMap<String, usize>,
    /// Messages in our topic that are not ours.
    strangers: u64,
    /// Checks about transactions that are not ours.
    strange_checks: u64,
}

impl Ledger {
    /// A transaction begins. Ids do not repeat.
    pub fn begin(&mut self, id: String, planned: Planned) {
        let place = self.records.len();
        let before = self.by_id.insert(id.clone(), place);
        assert!(before.is_none(), "two transactions with the id {id}");
        self.records.push(Record {
            id,
            fate: planned.fate,
            outcome: planned.outcome,
            truth: Truth::NotRun,
            halves: 0,
            told: Vec::new(),
            checks: 0,
            checks_after: 0,
            places: BTreeSet::new(),
            log_offset: None,
            there_in_the_end: false,
        });
    }

    /// The broker has its half, once more perhaps.
    pub fn stored(&mut self, id: &str) {
        if let Some(record) = self.get_mut(id) {
            record.halves += 1;
            if record.truth == Truth::NotRun {
                record.truth = Truth::Running;
            }
        }
    }

    /// Its local transaction ends.
    pub fn ended(&mut self, id: &str, truth: Truth) {
        if let Some(record) = self.get_mut(id) {
            record.truth = truth;
        }
    }

    /// The broker is told something; nothing is heard yet, and perhaps never. The number of it.
    pub fn telling(&mut self, id: &str, decision: Decision, by: Speaker) -> usize {
        let Some(record) = self.get_mut(id) else { return 0 };
        record.told.push(Told { decision, by, heard: Heard::Nothing });
        record.told.len() - 1
    }

    /// What came back of something it was told.
    pub fn heard(&mut self, id: &str, number: usize, heard: Heard) {
        if let Some(told) = self.get_mut(id).and_then(|record| record.told.get_mut(number)) {
            told.heard = heard;
        }
    }

    /// The broker asks. The record as it is then, `None` for one that is not ours.
    pub fn asked(&mut self, id: &str) -> Option<&Record> {
        let Some(&place) = self.by_id.get(id) else {
            self.strange_checks += 1;
            return None;
        };
        let record = &mut self.records[place];
        record.checks += 1;
        if record.acknowledged(Decision::Commit) || record.acknowledged(Decision::Rollback) {
            record.checks_after += 1;
        }
        Some(record)
    }

    /// A consumer has it.
    pub fn delivered(&mut self, id: &str, place: Place, log_offset: i64, in_the_end: bool) {
        match self.get_mut(id) {
            Some(record) => {
                record.places.insert(place);
                record.log_offset = Some(log_offset);
                record.there_in_the_end |= in_the_end;
            }
            None => self.strangers += 1,
        }
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Record> {
        self.by_id.get(id).map(|&place| &self.records[place])
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Record> {
        self.by_id.get(id).map(|&place| &mut self.records[place])
    }

    /// All of them, in the order in which they began.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Messages in our topic that are not ours, and checks about transactions that are not.
    pub fn strangers(&self) -> (u64, u64) {
        (self.strangers, self.strange_checks)
    }
}

/// The ledger as everybody has it, and a bell that rings with every change.
#[derive(Clone, Debug)]
pub struct Shared {
    ledger: Arc<Mutex<Ledger>>,
    bell: watch::Sender<()>,
}

impl Default for Shared {
    fn default() -> Self {
        Shared { ledger: Arc::default(), bell: watch::Sender::new(()) }
    }
}

impl Shared {
    /// Looks at it.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.lock())
    }

    /// Changes it.
    pub fn write<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let done = change(&mut self.lock());
        self.bell.send_replace(());
        done
    }

    /// Waits until one of its records is as wanted.
    pub async fn until(&self, id: &str, wanted: impl Fn(&Record) -> bool) {
        let mut bell = self.bell.subscribe();
        while !self.read(|ledger| ledger.get(id).is_none_or(&wanted)) {
            bell.changed().await.expect("we have the bell");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Changes are single steps: a panic elsewhere left nothing half done.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(outcome: Decision) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.begin("a".to_owned(), Planned { fate: Fate::Lost, outcome });
        ledger
    }

    fn answer(ledger: &mut Ledger) -> Decision {
        ledger.asked("a").expect("it is ours").answer()
    }

    #[test]
    fn a_check_is_answered_by_what_the_database_says() {
        let mut ledger = ledger(Decision::Commit);
        assert_eq!(answer(&mut ledger), Decision::Rollback, "the half was not acknowledged, nothing ran");
        ledger.stored("a");
        assert_eq!(answer(&mut ledger), Decision::Unknown);
        ledger.ended("a", Truth::Committed);
        assert_eq!(answer(&mut ledger), Decision::Commit);
        ledger.stored("a");
        assert_eq!(answer(&mut ledger), Decision::Commit, "a second half is no new local transaction");
        assert!(ledger.asked("b").is_none());
        assert_eq!((ledger.records()[0].checks, ledger.strangers()), (4, (0, 1)));
    }

    #[test]
    fn what_a_forger_says_is_not_what_its_producer_said() {
        let mut ledger = ledger(Decision::Rollback);
        let tell = |ledger: &mut Ledger, by, heard| {
            let number = ledger.telling("a", Decision::Commit, by);
            ledger.heard("a", number, heard);
        };
        tell(&mut ledger, Speaker::Forger, Heard::Yes);
        assert!(!ledger.records()[0].acknowledged(Decision::Commit));
        tell(&mut ledger, Speaker::Producer, Heard::Told);
        assert!(!ledger.records()[0].acknowledged(Decision::Commit) && ledger.records()[0].sent(Decision::Commit));
        assert_eq!(ledger.asked("a").expect("ours").checks_after, 0);
        tell(&mut ledger, Speaker::Check, Heard::Yes);
        assert!(ledger.records()[0].acknowledged(Decision::Commit));
        assert_eq!(ledger.asked("a").expect("ours").checks_after, 1);
    }

    #[test]
    fn a_place_that_is_read_twice_is_one_place() {
        let mut ledger = ledger(Decision::Commit);
        let place = |offset| Place { broker: "b".to_owned(), queue: 1, offset };
        ledger.delivered("a", place(7), 1, false);
        ledger.delivered("a", place(7), 1, true);
        assert_eq!((ledger.records()[0].places.len(), ledger.records()[0].there_in_the_end), (1, true));
        ledger.delivered("a", place(9), 2, true);
        assert_eq!(ledger.records()[0].places.len(), 2);
    }
}
