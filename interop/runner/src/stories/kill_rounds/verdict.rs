//! What was promised, held against what everybody wrote down.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::cast::Role;
use super::deck::Fault;
use super::ledger::{Delivered, Ledger, Place, Transaction};

/// The tables of all producer groups: `commit` or `rollback`, by transaction. The row is the decision: whoever inserts it
/// first, the local transaction or a check-back, has decided.
pub type Rows = HashMap<String, String>;

/// A fault that was brought about, from its beginning to its end, ms since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// What it was.
    pub fault: Fault,
    /// When the signal was sent.
    pub from_ms: i64,
    /// When the victim, or its successor, was at work again.
    pub to_ms: i64,
}

/// What became of one producer's transactions.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Produced {
    /// Begun.
    pub begun: u64,
    /// Their half was acknowledged.
    pub acknowledged: u64,
    /// The client gave the half up: no answer, or none in time.
    pub given_up: u64,
    /// Not acknowledged and stored nevertheless: a check-back decided.
    pub decided_unacknowledged: u64,
    /// Committed in the producer's table.
    pub committed: u64,
    /// Rolled back there.
    pub rolled_back: u64,
    /// Acknowledged and meant to commit, and a check-back found no row and rolled it back.
    pub aborted: u64,
    /// The local transaction said UNKNOWN, and a check-back decided.
    pub unknown_first: u64,
    /// The local transaction said commit or rollback, or was killed before, and a check-back was asked.
    pub decision_missing: u64,
    /// A check-back about it ran in another process than its own.
    pub asked_elsewhere: u64,
    /// The half was sent more than once.
    pub sent_again: u64,
    /// Delivered at two offsets, after its half was sent again.
    pub stored_twice: u64,
    /// Delivered at two offsets although its half was sent once.
    pub doubled: u64,
    /// Its half was acknowledged and it has no row.
    pub undecided: u64,
    /// The broker refused the client's decision.
    pub contradicted: u64,
}

/// What one consumer group got.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Consumed {
    /// All deliveries.
    pub deliveries: u64,
    /// Different messages.
    pub messages: u64,
    /// Committed, and never delivered.
    pub lost: u64,
    /// Offsets below the highest one that were never delivered.
    pub holes: u64,
    /// Delivered although rolled back, or not decided.
    pub leaked: u64,
    /// Delivered again after the broker was killed, after it was stopped, after the consumer was killed, or stopped.
    pub redelivered: [u64; 4],
    /// Delivered again although nothing had happened.
    pub repeated: u64,
}

/// Everything counted.
#[derive(Debug, Default)]
pub struct Verdict {
    /// By producer.
    pub produced: BTreeMap<Role, Produced>,
    /// By consumer.
    pub consumed: BTreeMap<Role, Consumed>,
    /// What must not be, in words.
    pub broken: Vec<String>,
}

/// Counts everything and finds what is broken.
pub fn judge(ledger: &Ledger, rows: &Rows, happened: &[Happened]) -> Verdict {
    let mut verdict = Verdict { broken: ledger.nonsense.clone(), ..Verdict::default() };
    let mut places: HashMap<&str, HashSet<Place>> = HashMap::new();
    let mut transactions_at: HashMap<Place, &str> = HashMap::new();
    for messages in ledger.deliveries.values() {
        for (place, delivered) in messages {
            places.entry(&delivered.transaction).or_default().insert(*place);
            let first = transactions_at.entry(*place).or_insert(&delivered.transaction);
            if *first != delivered.transaction {
                let other = &delivered.transaction;
                verdict.broken.push(format!("{place:?} is {first} for one group and {other} for another"));
            }
        }
    }
    for role in Role::PRODUCERS {
        verdict.produced.insert(role, Produced::default());
    }
    for (id, transaction) in &ledger.transactions {
        let places = places.get(id.as_str()).map_or(0, HashSet::len);
        verdict.count_transaction(id, transaction, rows.get(id), places);
    }
    for role in Role::CONSUMERS {
        let none = HashMap::new();
        verdict.count_deliveries(role, ledger.deliveries.get(&role).unwrap_or(&none), ledger, rows, happened);
    }
    verdict
}

impl Verdict {
    /// Nothing is missing that may still come.
    pub fn is_settled(&self) -> bool {
        let complete = |consumed: &Consumed| consumed.lost == 0 && consumed.holes == 0;
        self.produced.values().all(|produced| produced.undecided == 0) && self.consumed.values().all(complete)
    }

    fn count_transaction(&mut self, id: &str, transaction: &Transaction, row: Option<&String>, places: usize) {
        let Some(role) = Role::PRODUCERS.into_iter().find(|role| id.starts_with(&format!("{}-", role.name()))) else {
            return self.broken.push(format!("nobody begins transactions with names like {id}"));
        };
        if transaction.intent.is_empty() {
            return self.broken.push(format!("{id} was never begun"));
        }
        let counted = self.produced.entry(role).or_default();
        let mut broken = Vec::new();
        counted.begun += 1;
        counted.acknowledged += u64::from(transaction.acknowledged);
        counted.given_up += u64::from(transaction.failed);
        counted.decided_unacknowledged += u64::from(!transaction.acknowledged && row.is_some());
        counted.sent_again += u64::from(transaction.resends > 0);
        counted.asked_elsewhere += u64::from(transaction.checked_elsewhere);
        if transaction.checked {
            let unknown = transaction.said.as_deref() == Some("unknown");
            counted.unknown_first += u64::from(unknown);
            counted.decision_missing += u64::from(!unknown);
        }
        match row.map(String::as_str) {
            Some("commit") => counted.committed += 1,
            Some(_) => {
                counted.rolled_back += 1;
                counted.aborted += u64::from(transaction.acknowledged && transaction.intent.ends_with("commit"));
            }
            None if transaction.acknowledged => {
                counted.undecided += 1;
                broken.push(format!("{id} was stored and has no row, so it was never decided: {transaction:?}"));
            }
            None => {}
        }
        let said = transaction.said.as_deref().filter(|said| *said != "unknown");
        if said.is_some() && said != row.map(String::as_str) {
            broken.push(format!("{id} said {said:?} and its row says {row:?}"));
        }
        if places > 1 {
            if transaction.resends > 0 {
                counted.stored_twice += 1;
            } else {
                counted.doubled += 1;
                broken.push(format!("{id} was sent once and lies at {places} offsets: {transaction:?}"));
            }
        }
        if transaction.contradicted {
            counted.contradicted += 1;
            broken.push(format!("the broker refused the decision of {id}: {transaction:?}"));
        }
        self.broken.append(&mut broken);
    }

    fn count_deliveries(
        &mut self,
        role: Role,
        messages: &HashMap<Place, Delivered>,
        ledger: &Ledger,
        rows: &Rows,
        happened: &[Happened],
    ) {
        let mut counted = Consumed { messages: messages.len() as u64, ..Consumed::default() };
        let mut delivered = HashSet::new();
        let mut highest: BTreeMap<i64, i64> = BTreeMap::new();
        for (&place, message) in messages {
            let id = &message.transaction;
            delivered.insert(id.as_str());
            let highest = highest.entry(place.0).or_default();
            *highest = place.1.max(*highest);
            counted.deliveries += message.at.len() as u64;
            let begun = ledger.transactions.get(id).is_some_and(|transaction| !transaction.intent.is_empty());
            if !begun || rows.get(id).is_none_or(|row| row != "commit") {
                counted.leaked += 1;
                let row = rows.get(id);
                self.broken.push(format!("{} got {id} at {place:?}, whose row is {row:?}", role.client()));
            }
            for pair in message.at.windows(2) {
                match cause(role, pair[0], pair[1], happened) {
                    Some(cause) => counted.redelivered[cause] += 1,
                    None => {
                        counted.repeated += 1;
                        self.broken.push(format!("{} got {id} at {place:?} again: {:?}", role.client(), message.at));
                    }
                }
            }
        }
        for (queue, highest) in highest {
            let holes = (0..highest).filter(|offset| !messages.contains_key(&(queue, *offset)));
            let holes: Vec<i64> = holes.collect();
            if !holes.is_empty() {
                counted.holes += holes.len() as u64;
                let some = &holes[..holes.len().min(5)];
                self.broken.push(format!("{} never got {} of queue {queue}: {some:?}", role.client(), holes.len()));
            }
        }
        for id in rows.iter().filter(|(_, row)| *row == "commit").map(|(id, _)| id) {
            if !delivered.contains(id.as_str()) {
                counted.lost += 1;
                let transaction = ledger.transactions.get(id);
                self.broken.push(format!("{} never got {id}, which is committed: {transaction:?}", role.client()));
            }
        }
        self.consumed.insert(role, counted);
    }
}

/// Which of the four causes the second delivery has: what forgets most of all faults of the broker or of this consumer that
/// there were from the first delivery to it. A consumer that was killed had no time to say what it had done.
fn cause(role: Role, first_ms: i64, second_ms: i64, happened: &[Happened]) -> Option<usize> {
    let between =
        |fault: Fault| happened.iter().any(|h| h.fault == fault && h.from_ms <= second_ms && h.to_ms >= first_ms);
    let by_weight = [(Fault::Kill(role), 2), (Fault::KillBroker, 0), (Fault::Stop(role), 3), (Fault::StopBroker, 1)];
    by_weight.into_iter().find(|(fault, _)| between(*fault)).map(|(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use super::{Happened, Rows, Verdict, judge};
    use crate::stories::kill_rounds::cast::Role;
    use crate::stories::kill_rounds::deck::Fault;
    use crate::stories::kill_rounds::ledger::Ledger;

    const PRODUCER: Role = Role::RustProducer;
    const ID: &str = "producer-rust-1-0";

    /// A transaction that was begun and whose half was acknowledged.
    fn ledger(intent: &str) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.tell(PRODUCER, 1, &format!(r#"{{"event":"begun","tx":"{ID}","intent":"{intent}"}}"#));
        ledger.tell(PRODUCER, 1, &format!(r#"{{"event":"stored","tx":"{ID}"}}"#));
        ledger
    }

    fn deliver(ledger: &mut Ledger, role: Role, at: i64, offset: i64, intent: &str) {
        let line = format!(
            r#"{{"event":"delivered","at":{at},"tx":"{ID}","body":"{ID} {intent}","intent":"{intent}","id":"A","queue":0,
            "offset":{offset},"attempt":1}}"#
        );
        ledger.tell(role, 1, &line);
    }

    fn deliver_to_both(ledger: &mut Ledger, at: i64, offset: i64) {
        for role in Role::CONSUMERS {
            deliver(ledger, role, at, offset, "commit");
        }
    }

    fn rows(outcome: &str) -> Rows {
        Rows::from([(ID.to_owned(), outcome.to_owned())])
    }

    fn total(verdict: &Verdict, count: fn(&super::Consumed) -> u64) -> u64 {
        verdict.consumed.values().map(count).sum()
    }

    #[test]
    fn a_commit_that_both_groups_got_once_is_as_it_should_be() {
        let mut ledger = ledger("commit");
        deliver_to_both(&mut ledger, 5, 0);
        let verdict = judge(&ledger, &rows("commit"), &[]);
        assert_eq!(verdict.broken, [""; 0]);
        assert_eq!((verdict.produced[&PRODUCER].committed, total(&verdict, |c| c.messages)), (1, 2));
    }

    #[test]
    fn a_commit_that_one_group_did_not_get_is_lost() {
        let mut ledger = ledger("commit");
        deliver(&mut ledger, Role::RustConsumer, 5, 0, "commit");
        let verdict = judge(&ledger, &rows("commit"), &[]);
        assert_eq!((total(&verdict, |c| c.lost), verdict.broken.len()), (1, 1));
    }

    #[test]
    fn a_delivery_of_what_was_rolled_back_or_never_decided_is_a_leak() {
        let mut ledger = ledger("commit");
        deliver_to_both(&mut ledger, 5, 0);
        assert_eq!(total(&judge(&ledger, &rows("rollback"), &[]), |c| c.leaked), 2);
        let verdict = judge(&ledger, &Rows::new(), &[]);
        assert_eq!((total(&verdict, |c| c.leaked), verdict.produced[&PRODUCER].undecided), (2, 1));
    }

    #[test]
    fn two_offsets_are_allowed_to_a_half_that_was_sent_again_and_to_no_other() {
        let mut ledger = ledger("commit");
        deliver_to_both(&mut ledger, 5, 0);
        deliver_to_both(&mut ledger, 6, 1);
        let verdict = judge(&ledger, &rows("commit"), &[]);
        assert_eq!((verdict.produced[&PRODUCER].doubled, verdict.broken.len()), (1, 1));
        ledger.tell(PRODUCER, 1, &format!(r#"{{"event":"again","tx":"{ID}"}}"#));
        let verdict = judge(&ledger, &rows("commit"), &[]);
        assert_eq!((verdict.produced[&PRODUCER].stored_twice, verdict.broken.len()), (1, 0));
    }

    #[test]
    fn a_second_delivery_needs_a_fault_of_the_broker_or_of_that_consumer_between() {
        let mut ledger = ledger("commit");
        deliver_to_both(&mut ledger, 1000, 0);
        deliver(&mut ledger, Role::RustConsumer, 5000, 0, "commit");
        let after = |fault| {
            let happened = [Happened { fault, from_ms: 2000, to_ms: 3000 }];
            let verdict = judge(&ledger, &rows("commit"), &happened);
            let counted = &verdict.consumed[&Role::RustConsumer];
            (counted.redelivered, counted.repeated, verdict.broken.len())
        };
        assert_eq!(after(Fault::KillBroker), ([1, 0, 0, 0], 0, 0));
        assert_eq!(after(Fault::Kill(Role::RustConsumer)), ([0, 0, 1, 0], 0, 0));
        assert_eq!(after(Fault::Kill(Role::JavaConsumer)), ([0; 4], 1, 1));
        assert_eq!(after(Fault::Stop(PRODUCER)), ([0; 4], 1, 1));
    }

    #[test]
    fn an_offset_that_was_passed_over_or_became_another_message_is_found() {
        let mut ledger = ledger("commit");
        deliver_to_both(&mut ledger, 5, 1);
        let verdict = judge(&ledger, &rows("commit"), &[]);
        assert_eq!((total(&verdict, |c| c.holes), verdict.broken.len()), (2, 2));
        let other = r#"{"event":"delivered","at":9,"tx":"x","body":"x commit","intent":"commit","id":"B","queue":0,
            "offset":1,"attempt":1}"#;
        ledger.tell(Role::RustConsumer, 1, other);
        assert!(judge(&ledger, &rows("commit"), &[]).broken[0].contains("became x"));
    }
}
