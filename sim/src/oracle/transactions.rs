use std::collections::{BTreeMap, BTreeSet};

use message::entry::Outcome;
use message::{CommitLogOffset, Timestamp};

use super::{Message, MessageId, Slot};

/// Names a transaction of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TransactionId(pub usize);

/// What the client's database says of the local transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// It has not happened yet, or never will.
    Open,
    /// Its row is there.
    Committed,
    /// It was rolled back.
    RolledBack,
}

/// A transaction as its clients know it.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its message.
    pub message: MessageId,
    /// Producer group.
    pub group: String,
    /// Unique id of the message.
    pub unique_key: String,
    /// What the database says.
    pub local: Local,
    /// The client that is still about to run it.
    pub running: Option<usize>,
    /// Somebody decides it whatever the database says.
    pub rogue: bool,
    /// An operator has had a hand in it.
    pub by_hand: bool,
    /// Answers "unknown" to checks.
    pub unknowns: u32,
    /// Milliseconds before the first check, when the message says so.
    pub immunity_ms: Option<u64>,
    /// A half of it arrived when its local transaction had ended, perhaps after another one was decided.
    pub half_late: bool,
    /// When its half was sent first.
    pub first_sent: Timestamp,
    /// Its halves, as far as anybody was told: one, unless it was sent again after a decision.
    pub halves: Vec<CommitLogOffset>,
}

/// What is known of one stored half.
#[derive(Clone, Debug)]
pub struct HalfFact {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Position among all halves.
    pub sequence: i64,
    /// Where the log ended when its sender was told that it is stored.
    pub answered: Option<CommitLogOffset>,
    /// What was decided, as far as anybody was told, and where the log ended then.
    pub decided: Option<(Outcome, CommitLogOffset)>,
    /// Somebody was told of the decision.
    pub told: bool,
    /// Commits and rollbacks sent.
    pub sent: [u32; 2],
    /// When the first commit was sent.
    pub first_commit: Timestamp,
    /// It was resumed by hand: asked about at once.
    pub resumed: bool,
    /// Where its message was seen in the log.
    pub copies: BTreeSet<CommitLogOffset>,
}

/// How a decision was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It counts.
    Decided,
    /// So it was before.
    Repeated,
    /// The opposite was before.
    Contradicted,
    /// There is no such transaction.
    NotFound,
}

/// All transactions and halves.
#[derive(Debug, Default)]
pub struct Transactions {
    /// By name.
    pub list: Vec<Transaction>,
    /// Halves by the offset they are known by.
    pub halves: BTreeMap<CommitLogOffset, HalfFact>,
    /// Answers "unknown" after which a half is rolled back, if that is the rule.
    pub rollback_after: Option<u32>,
    /// A group nobody of which comes back.
    pub dead_group: Option<String>,
}

type Broken = (&'static str, String);

fn index(outcome: Outcome) -> usize {
    usize::from(outcome == Outcome::Rollback)
}

impl HalfFact {
    /// Whether nobody has sent a decision about it.
    pub fn untouched(&self) -> bool {
        self.sent == [0, 0]
    }
}

impl Transactions {
    /// A transaction by its name.
    pub fn get(&self, id: TransactionId) -> &Transaction {
        &self.list[id.0]
    }

    /// A transaction by its name.
    pub fn get_mut(&mut self, id: TransactionId) -> &mut Transaction {
        &mut self.list[id.0]
    }

    /// The transaction of a unique id.
    pub fn by_key(&self, key: &str) -> Option<TransactionId> {
        self.list.iter().position(|transaction| transaction.unique_key == key).map(TransactionId)
    }

    /// Somebody was told of a half.
    ///
    /// # Errors
    /// When it was another one's before.
    pub fn learn(&mut self, half: CommitLogOffset, sequence: i64, id: TransactionId) -> Result<(), Broken> {
        let rule = "a half keeps one identity for life";
        if let Some(fact) = self.halves.get(&half) {
            if (fact.transaction, fact.sequence) != (id, sequence) {
                return Err((rule, format!("half {half} is {fact:?}, and now {id:?} at position {sequence}")));
            }
            return Ok(());
        }
        let others: Vec<CommitLogOffset> = self.get(id).halves.clone();
        for other in others {
            let fact = &self.halves[&other];
            // Without a decision a half that is sent again is the same one.
            if fact.untouched() && !self.may_be_exhausted(id) && !self.get(id).by_hand {
                let text = format!("{id:?} has half {other}, which nobody decided, and was given half {half} as well");
                return Err(("a half that is sent again is one transaction", text));
            }
        }
        self.get_mut(id).halves.push(half);
        self.halves.insert(
            half,
            HalfFact {
                transaction: id,
                sequence,
                answered: None,
                decided: None,
                told: false,
                sent: [0, 0],
                first_commit: Timestamp::MAX,
                resumed: false,
                copies: BTreeSet::new(),
            },
        );
        Ok(())
    }

    /// Whether the broker may have rolled it back by rule.
    pub fn may_be_exhausted(&self, id: TransactionId) -> bool {
        self.rollback_after.is_some_and(|after| self.get(id).unknowns >= after)
    }

    /// Whether nobody may have decided this half: it must be there, undecided.
    pub fn must_be_undecided(&self, fact: &HalfFact) -> bool {
        fact.answered.is_some()
            && fact.decided.is_none()
            && fact.untouched()
            && !self.get(fact.transaction).by_hand
            && !self.may_be_exhausted(fact.transaction)
    }

    /// Somebody sends a decision.
    pub fn sends(&mut self, half: CommitLogOffset, outcome: Outcome, now: Timestamp) {
        if let Some(fact) = self.halves.get_mut(&half) {
            fact.sent[index(outcome)] += 1;
            if outcome == Outcome::Commit {
                fact.first_commit = fact.first_commit.min(now);
            }
        }
    }

    /// A decision is known.
    ///
    /// # Errors
    /// When another one was known before, or nobody has sent it.
    pub fn decided(
        &mut self,
        half: CommitLogOffset,
        outcome: Outcome,
        end: CommitLogOffset,
        how: &str,
    ) -> Result<(), String> {
        let Some(id) = self.halves.get(&half).map(|fact| fact.transaction) else { return Ok(()) };
        let by_rule = outcome == Outcome::Rollback && self.may_be_exhausted(id);
        let by_hand = self.get(id).by_hand;
        let fact = self.halves.get_mut(&half).expect("looked up above");
        match fact.decided {
            Some((before, _)) if before != outcome => {
                return Err(format!("half {half} is {outcome:?} ({how}), and was {before:?} before: {fact:?}"));
            }
            Some((_, known)) => fact.decided = Some((outcome, known.min(end))),
            None => fact.decided = Some((outcome, end)),
        }
        if fact.sent[index(outcome)] == 0 && !by_rule && !by_hand {
            return Err(format!("half {half} is {outcome:?} ({how}), and nobody said so: {fact:?}"));
        }
        Ok(())
    }

    /// A decision was answered.
    ///
    /// # Errors
    /// When the answer contradicts what was known.
    pub fn ended(
        &mut self,
        half: CommitLogOffset,
        outcome: Outcome,
        answer: Ended,
        end: CommitLogOffset,
        log_start: CommitLogOffset,
    ) -> Result<(), Broken> {
        let rule = "a transaction has one decision";
        let Some(fact) = self.halves.get(&half).cloned() else { return Ok(()) };
        let broken =
            |text: String| Err((rule, format!("half {half}, {outcome:?} answered {answer:?}: {text} {fact:?}")));
        if answer != Ended::NotFound {
            self.halves.get_mut(&half).expect("looked up above").told = true;
        }
        match answer {
            Ended::Decided => {
                if fact.told {
                    return broken("it was decided before:".into());
                }
                self.decided(half, outcome, end, "answered").map_err(|text| (rule, text))
            }
            Ended::Repeated => self.decided(half, outcome, end, "answered as repeated").map_err(|text| (rule, text)),
            Ended::Contradicted => {
                let other = match outcome {
                    Outcome::Commit => Outcome::Rollback,
                    Outcome::Rollback => Outcome::Commit,
                };
                self.decided(half, other, end, "answered as the opposite").map_err(|text| (rule, text))
            }
            Ended::NotFound => {
                let decided = fact.decided.is_some()
                    || fact.sent[0] + fact.sent[1] > 1
                    || self.get(fact.transaction).by_hand
                    || self.may_be_exhausted(fact.transaction);
                if fact.answered.is_some() && !(decided && log_start > half) {
                    let text = format!(
                        "half {half}, which was answered as stored, is unknown in a log from {log_start} on: {fact:?}"
                    );
                    return Err(("a stored half is known until it has expired", text));
                }
                Ok(())
            }
        }
    }

    /// The message of a committed half was seen in a queue.
    pub(super) fn seen(&mut self, id: TransactionId, slot: &Slot) -> Result<(), Broken> {
        let rule = "an undecided, set aside or rolled back half is never delivered";
        let Some(fact) = self.halves.get_mut(&slot.half) else {
            return Err((rule, format!("nobody was ever told of half {}", slot.half)));
        };
        if fact.transaction != id {
            return Err((rule, format!("half {} is of {:?}", slot.half, fact.transaction)));
        }
        if fact.sent[0] == 0 {
            return Err((rule, format!("nobody has committed half {}: {fact:?}", slot.half)));
        }
        fact.copies.insert(slot.at);
        if fact.copies.len() > 1 {
            return Err(("a transaction is visible once", format!("half {}: {fact:?}", slot.half)));
        }
        let transaction = &self.list[id.0];
        let copies: usize = transaction.halves.iter().map(|half| self.halves[half].copies.len()).sum();
        if copies > 1 && !transaction.rogue && !transaction.by_hand && !transaction.half_late {
            return Err(("a transaction is visible once", format!("{transaction:?}")));
        }
        self.decided(slot.half, Outcome::Commit, slot.at, "seen")
            .map_err(|text| ("a transaction has one decision", text))
    }

    pub(super) fn lost_behind(&mut self, synced: CommitLogOffset) {
        self.halves.retain(|half, _| *half < synced);
        for fact in self.halves.values_mut() {
            fact.answered = fact.answered.filter(|end| *end <= synced);
            if fact.decided.is_some_and(|(_, end)| end > synced) {
                (fact.decided, fact.told) = (None, false);
            }
            fact.copies.retain(|at| *at < synced);
        }
        for transaction in &mut self.list {
            transaction.halves.retain(|half| self.halves.contains_key(half));
        }
    }

    pub(super) fn finish(
        &self,
        now: Timestamp,
        messages: &BTreeMap<MessageId, Message>,
        gone: impl Fn(&str) -> bool,
    ) -> Result<(), Broken> {
        for (number, transaction) in self.list.iter().enumerate() {
            let message = &messages[&transaction.message];
            let facts: Vec<&HalfFact> = transaction.halves.iter().map(|half| &self.halves[half]).collect();
            let stored = facts.iter().any(|fact| fact.answered.is_some());
            let excused = transaction.rogue
                || transaction.by_hand
                || self.may_be_exhausted(TransactionId(number))
                || self.dead_group.as_ref() == Some(&transaction.group);
            if excused || !stored {
                continue;
            }
            let undecided = facts.iter().any(|fact| fact.answered.is_some() && fact.decided.is_none());
            let copies: usize = facts.iter().map(|fact| fact.copies.len()).sum();
            if transaction.local == Local::Committed && copies == 0 && !gone(&message.topic) {
                let text = format!("at {now} nobody has seen {transaction:?}, {facts:?}");
                return Err(("what the database committed is delivered", text));
            }
            if transaction.local == Local::Committed && undecided && copies == 0 && !gone(&message.topic) {
                return Err(("every transaction of a live group is decided", format!("{transaction:?}, {facts:?}")));
            }
        }
        Ok(())
    }
}
