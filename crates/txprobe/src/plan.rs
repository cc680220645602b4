//! Which transaction meets which fault, and when the broker dies: all from one seed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use protocol::request::transaction::Decision;

/// What can go wrong. The names are those of `--faults`, and of the rows of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// The decision is never sent.
    Lost,
    /// The decision is never sent, and the first check is not answered.
    Unanswered,
    /// The decision comes twice.
    Doubled,
    /// The decision is followed by the opposite one.
    Contradicting,
    /// A commit and a rollback are sent at the same moment.
    Racing,
    /// Somebody else decides.
    Forged,
    /// The producer dies between its half and its decision.
    Killed,
    /// The only producer of a group is away for a while.
    Offline,
    /// The half is sent twice, as clients do when an answer is lost.
    Resent,
    /// The local transaction takes longer than the time until the first check.
    Late,
    /// The local transaction never ends.
    Never,
    /// The broker is killed and started again.
    Restart,
}

impl Fault {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Fault; 12] = [
        Fault::Lost,
        Fault::Unanswered,
        Fault::Doubled,
        Fault::Contradicting,
        Fault::Racing,
        Fault::Forged,
        Fault::Killed,
        Fault::Offline,
        Fault::Resent,
        Fault::Late,
        Fault::Never,
        Fault::Restart,
    ];

    /// As it stands on the command line and in the report.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Lost => "lost",
            Fault::Unanswered => "unanswered",
            Fault::Doubled => "doubled",
            Fault::Contradicting => "contradicting",
            Fault::Racing => "racing",
            Fault::Forged => "forged",
            Fault::Killed => "killed",
            Fault::Offline => "offline",
            Fault::Resent => "resent",
            Fault::Late => "late",
            Fault::Never => "never",
            Fault::Restart => "restart",
        }
    }

    /// For people.
    pub fn about(self) -> &'static str {
        match self {
            Fault::Lost => "decision never sent",
            Fault::Unanswered => "and its first check left unanswered",
            Fault::Doubled => "decision, or answer to a check, sent twice",
            Fault::Contradicting => "then the opposite decision",
            Fault::Racing => "commit and rollback at once",
            Fault::Forged => "decided by a stranger, or under a wrong name",
            Fault::Killed => "producer killed before its decision",
            Fault::Offline => "no producer of the group online for a while",
            Fault::Resent => "half sent twice",
            Fault::Late => "decision after the first check",
            Fault::Never => "never decided",
            Fault::Restart => "broker killed and started again",
        }
    }

    /// Of a hundred transactions, how many meet it. [`Fault::Offline`] and [`Fault::Restart`] have times of their own.
    fn percent(self) -> u32 {
        match self {
            Fault::Lost | Fault::Racing => 5,
            Fault::Doubled | Fault::Contradicting => 6,
            Fault::Forged => 8,
            Fault::Unanswered | Fault::Late => 3,
            Fault::Killed | Fault::Resent => 4,
            Fault::Never => 2,
            Fault::Offline | Fault::Restart => 0,
        }
    }
}

/// The faults of `--faults`: names with commas between them, `all` or `none`.
///
/// # Errors
/// For a name that is none, with those there are.
pub fn parse_faults(text: &str) -> Result<BTreeSet<Fault>> {
    let mut faults = BTreeSet::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "all" => faults.extend(Fault::ALL),
            "none" => {}
            word => match Fault::ALL.into_iter().find(|fault| fault.name() == word) {
                Some(fault) => drop(faults.insert(fault)),
                None => {
                    let names: Vec<&str> = Fault::ALL.into_iter().map(Fault::name).collect();
                    bail!("there is no fault {word:?}; there are {}, all and none", names.join(", "))
                }
            },
        }
    }
    Ok(faults)
}

/// On which way a decision reaches the broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The producer says it by itself.
    Decision,
    /// It is the answer to a check.
    Check,
}

/// What is wrong with a forged decision. Everything else in it is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forgery {
    /// The group of somebody else.
    Group,
    /// The id of another transaction.
    Id,
    /// Another position (`tranStateTableOffset`) than the half's.
    Position,
    /// It names the delivered message instead of a half, by the offsets every consumer knows.
    Delivered,
}

/// How one transaction goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is decided at once; one-way as Java clients do it, or as a request that is answered.
    Plain {
        /// As a request.
        asked: bool,
    },
    /// See [`Fault::Lost`].
    Lost,
    /// See [`Fault::Unanswered`].
    Unanswered,
    /// See [`Fault::Doubled`]; the second one comes so much later.
    Doubled(Way, Duration),
    /// See [`Fault::Contradicting`]; the second one comes so much later.
    Contradicting(Way, Duration),
    /// See [`Fault::Racing`].
    Racing,
    /// See [`Fault::Forged`].
    Forged(Forgery),
    /// See [`Fault::Killed`].
    Killed,
    /// See [`Fault::Offline`].
    Offline,
    /// See [`Fault::Resent`].
    Resent,
    /// See [`Fault::Late`].
    Late,
    /// See [`Fault::Never`].
    Never,
}

impl Fate {
    /// The fault it stands for, if it stands for one.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Fate::Plain { .. } => None,
            Fate::Lost => Some(Fault::Lost),
            Fate::Unanswered => Some(Fault::Unanswered),
            Fate::Doubled(..) => Some(Fault::Doubled),
            Fate::Contradicting(..) => Some(Fault::Contradicting),
            Fate::Racing => Some(Fault::Racing),
            Fate::Forged(_) => Some(Fault::Forged),
            Fate::Killed => Some(Fault::Killed),
            Fate::Offline => Some(Fault::Offline),
            Fate::Resent => Some(Fault::Resent),
            Fate::Late => Some(Fault::Late),
            Fate::Never => Some(Fault::Never),
        }
    }
}

/// One transaction as it is planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its course.
    pub fate: Fate,
    /// What its local transaction comes to: [`Decision::Unknown`] where it never ends, or where a race decides.
    pub outcome: Decision,
}

/// The seeded course of one run.
#[derive(Debug)]
pub struct Plan {
    rng: fastrand::Rng,
    /// For what has times of its own: it must not depend on how many transactions began before.
    asides: fastrand::Rng,
    faults: BTreeSet<Fault>,
    /// No transaction goes without a fault.
    every: bool,
}

/// Of a hundred local transactions, how many fail.
const ROLLBACK_PERCENT: u32 = 30;
/// The longest time from a decision to the one that follows it.
const SECOND_AFTER_MS_MAX: u64 = 2000;
/// Seconds between two deaths of the broker, roughly.
const RESTART_EVERY_S: f64 = 10.0;
/// Transactions of a group that goes offline.
pub const OFFLINE_COUNT: usize = 10;

impl Plan {
    /// The course that this seed gives.
    pub fn new(seed: u64, faults: BTreeSet<Fault>) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Plan { asides: rng.fork(), rng, faults, every: false }
    }

    /// The same with a fault for every transaction: those that are asked for share them all.
    pub fn every(self, every: bool) -> Self {
        Plan { every, ..self }
    }

    /// The next transaction.
    pub fn next_transaction(&mut self) -> Planned {
        let shared: u32 = self.faults.iter().map(|fault| fault.percent()).sum();
        let among = if self.every && shared > 0 { shared } else { 100 };
        let mut lot = self.rng.u32(..among);
        let drawn = Fault::ALL.into_iter().filter(|fault| among == 100 || self.faults.contains(fault)).find(|fault| {
            let hit = lot < fault.percent();
            lot = lot.saturating_sub(fault.percent());
            hit
        });
        // All draws are made whatever comes of them: the seed gives the same transactions with fewer faults, too.
        let (way, first, forgery) = (self.rng.bool(), outcome(&mut self.rng), self.rng.u8(..4));
        let after = self.after();
        let way = if way { Way::Decision } else { Way::Check };
        let plain = Fate::Plain { asked: way == Way::Decision };
        let fate = match drawn.filter(|fault| self.faults.contains(fault)) {
            None | Some(Fault::Offline | Fault::Restart) => plain,
            Some(Fault::Lost) => Fate::Lost,
            Some(Fault::Unanswered) => Fate::Unanswered,
            Some(Fault::Doubled) => Fate::Doubled(way, after),
            Some(Fault::Contradicting) => Fate::Contradicting(way, after),
            Some(Fault::Racing) => Fate::Racing,
            Some(Fault::Forged) => Fate::Forged(match forgery {
                0 => Forgery::Group,
                1 => Forgery::Id,
                2 => Forgery::Position,
                _ => Forgery::Delivered,
            }),
            Some(Fault::Killed) => Fate::Killed,
            Some(Fault::Resent) => Fate::Resent,
            Some(Fault::Late) => Fate::Late,
            Some(Fault::Never) => Fate::Never,
        };
        let outcome = match fate {
            Fate::Never | Fate::Racing => Decision::Unknown,
            Fate::Forged(Forgery::Delivered) => Decision::Commit,
            _ => first,
        };
        Planned { fate, outcome }
    }

    /// The transactions of a group that goes offline; none when that is not asked for.
    pub fn offline(&mut self) -> Vec<Planned> {
        let count = if self.faults.contains(&Fault::Offline) { OFFLINE_COUNT } else { 0 };
        (0..count).map(|_| Planned { fate: Fate::Offline, outcome: outcome(&mut self.asides) }).collect()
    }

    /// When the broker dies in a run of this length: once at least, if it does at all.
    pub fn restarts(&mut self, length: Duration) -> Vec<Duration> {
        if !self.faults.contains(&Fault::Restart) {
            return Vec::new();
        }
        let length_s = length.as_secs_f64();
        let count = (length_s / RESTART_EVERY_S).floor().max(1.0) as u32;
        let stretch = length_s / f64::from(count);
        // One in each stretch, somewhere in its middle half.
        let times = (0..count).map(|n| stretch * (f64::from(n) + 0.25 + self.asides.f64() / 2.0));
        times.map(Duration::from_secs_f64).collect()
    }

    /// At once in half of the cases.
    fn after(&mut self) -> Duration {
        let later = Duration::from_millis(self.rng.u64(..SECOND_AFTER_MS_MAX));
        if self.rng.bool() { later } else { Duration::ZERO }
    }
}

fn outcome(rng: &mut fastrand::Rng) -> Decision {
    if rng.u32(..100) < ROLLBACK_PERCENT { Decision::Rollback } else { Decision::Commit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(seed: u64, faults: BTreeSet<Fault>) -> Vec<Planned> {
        let mut plan = Plan::new(seed, faults);
        (0..2000).map(|_| plan.next_transaction()).collect()
    }

    #[test]
    fn a_seed_gives_one_course_in_which_everything_happens() {
        let all = course(7, Fault::ALL.into());
        assert_eq!(all, course(7, Fault::ALL.into()));
        assert_ne!(all, course(8, Fault::ALL.into()));
        for fault in Fault::ALL.into_iter().filter(|fault| fault.percent() > 0) {
            assert!(all.iter().any(|planned| planned.fate.fault() == Some(fault)), "{fault:?}");
        }
        for forgery in [Forgery::Group, Forgery::Id, Forgery::Position, Forgery::Delivered] {
            assert!(all.iter().any(|planned| planned.fate == Fate::Forged(forgery)), "{forgery:?}");
        }
        let mut plan = Plan::new(7, Fault::ALL.into());
        let with_asides: Vec<Planned> = (0..2000)
            .map(|_| {
                plan.offline();
                plan.next_transaction()
            })
            .collect();
        assert_eq!(with_asides, all, "groups that go offline change nothing else");
        let plain = all.iter().filter(|planned| planned.fate.fault().is_none()).count();
        assert!((800..1400).contains(&plain), "{plain} of 2000 go without a fault");
    }

    #[test]
    fn where_every_transaction_meets_a_fault_none_goes_without() {
        let mut plan = Plan::new(7, parse_faults("racing, doubled, restart").expect("three faults")).every(true);
        let fates: Vec<_> = (0..2000).map(|_| plan.next_transaction().fate.fault()).collect();
        let racing = fates.iter().filter(|fault| **fault == Some(Fault::Racing)).count();
        let doubled = fates.iter().filter(|fault| **fault == Some(Fault::Doubled)).count();
        assert_eq!(racing + doubled, 2000);
        assert!((700..1100).contains(&racing), "{racing} of 2000 race");
    }

    #[test]
    fn what_is_not_asked_for_does_not_happen_and_changes_nothing_else() {
        let some = course(7, parse_faults("lost, never").expect("two faults"));
        let all = course(7, Fault::ALL.into());
        for (some, all) in some.iter().zip(&all) {
            match some.fate.fault() {
                None => assert!(!matches!(all.fate.fault(), Some(Fault::Lost | Fault::Never))),
                Some(fault) => assert_eq!((Some(fault), some.outcome), (all.fate.fault(), all.outcome)),
            }
        }
        let mut plan = Plan::new(7, parse_faults("none").expect("none is a word"));
        assert!(plan.offline().is_empty() && plan.restarts(Duration::from_secs(60)).is_empty());
    }

    #[test]
    fn the_broker_dies_once_in_a_short_run_and_every_ten_seconds_in_a_long_one() {
        for (length_s, count) in [(3, 1), (20, 2), (65, 6)] {
            let times = Plan::new(1, Fault::ALL.into()).restarts(Duration::from_secs(length_s));
            assert_eq!(times.len(), count);
            assert!(times.is_sorted() && times.iter().all(|time| time.as_secs() < length_s), "{times:?}");
        }
    }

    #[test]
    fn a_fault_that_does_not_exist_is_told_with_those_that_do() {
        let text = parse_faults("lost,fire").expect_err("there is no such fault").to_string();
        assert!(text.contains("\"fire\"") && text.contains("contradicting") && text.contains("all and none"), "{text}");
        assert_eq!(parse_faults(" all ").expect("a word").len(), Fault::ALL.len());
    }
}
