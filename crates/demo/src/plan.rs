//! Which order meets which fault, and when processes die: all from one seed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// What can go wrong. The names are those of `--faults`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The order service is killed after its database commit and before its message commit.
    OrderCrash,
    /// The decision of a transaction is never sent.
    LostDecision,
    /// The local transaction takes longer than the time until the first check.
    SlowTransaction,
    /// The cart service is killed after its database commit and before it acknowledges.
    CartCrash,
    /// The broker is killed.
    BrokerCrash,
    /// The business refuses the order.
    Refused,
}

impl Fault {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Fault; 6] = [
        Fault::OrderCrash,
        Fault::LostDecision,
        Fault::SlowTransaction,
        Fault::CartCrash,
        Fault::BrokerCrash,
        Fault::Refused,
    ];

    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::OrderCrash => "order-crash",
            Fault::LostDecision => "lost-decision",
            Fault::SlowTransaction => "slow-transaction",
            Fault::CartCrash => "cart-crash",
            Fault::BrokerCrash => "broker-crash",
            Fault::Refused => "refused",
        }
    }

    /// For people.
    pub fn about(self) -> &'static str {
        match self {
            Fault::OrderCrash => "order service killed between its two commits",
            Fault::LostDecision => "decision lost",
            Fault::SlowTransaction => "slow local transaction",
            Fault::CartCrash => "cart service killed before its acknowledgement",
            Fault::BrokerCrash => "broker killed",
            Fault::Refused => "order refused",
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

/// What an order service is to do with an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Take it.
    Pay,
    /// Refuse it.
    Refuse,
    /// Take it, and die between the two commits.
    Crash,
    /// Take it, and never say so to the broker.
    LoseDecision,
    /// Take it after a while.
    Slow,
}

/// The seeded course of one run.
#[derive(Debug)]
pub struct Plan {
    rng: fastrand::Rng,
    faults: BTreeSet<Fault>,
    rate: f64,
}

/// Seconds between two deaths of an order service, on average, and of a cart service, roughly.
const CRASH_EVERY_S: f64 = 2.0;
/// Seconds between two deaths of the broker, roughly.
const BROKER_CRASH_EVERY_S: f64 = 5.0;

impl Plan {
    /// The course that this seed gives, at so many orders a second.
    pub fn new(seed: u64, faults: BTreeSet<Fault>, rate: f64) -> Self {
        Plan { rng: fastrand::Rng::with_seed(seed), faults, rate }
    }

    /// What the next order meets.
    pub fn next_order(&mut self) -> Fate {
        let shares = [
            (Fault::OrderCrash, Fate::Crash, 1.0 / (self.rate * CRASH_EVERY_S).max(1.0)),
            (Fault::LostDecision, Fate::LoseDecision, 0.04),
            (Fault::SlowTransaction, Fate::Slow, 0.02),
            (Fault::Refused, Fate::Refuse, 0.06),
        ];
        let mut lot = self.rng.f64();
        for (fault, fate, share) in shares {
            if lot < share {
                return if self.faults.contains(&fault) { fate } else { Fate::Pay };
            }
            lot -= share;
        }
        Fate::Pay
    }

    /// Which of so many services gets the next order.
    pub fn pick(&mut self, of: usize) -> usize {
        self.rng.usize(..of)
    }

    /// When cart services die in a run of this length.
    pub fn cart_crashes(&mut self, length: Duration) -> Vec<Duration> {
        self.times(Fault::CartCrash, length, CRASH_EVERY_S)
    }

    /// When the broker dies in a run of this length: once at least.
    pub fn broker_crashes(&mut self, length: Duration) -> Vec<Duration> {
        self.times(Fault::BrokerCrash, length, BROKER_CRASH_EVERY_S)
    }

    fn times(&mut self, fault: Fault, length: Duration, every_s: f64) -> Vec<Duration> {
        if !self.faults.contains(&fault) {
            return Vec::new();
        }
        let length_s = length.as_secs_f64();
        let count = (length_s / every_s).round().max(1.0) as u32;
        // One in each stretch, somewhere in its middle half.
        let stretch = length_s / f64::from(count);
        let times = (0..count).map(|n| stretch * (f64::from(n) + 0.25 + self.rng.f64() / 2.0));
        times.map(Duration::from_secs_f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_course() {
        let course = |seed| {
            let mut plan = Plan::new(seed, Fault::ALL.into(), 80.0);
            let fates: Vec<Fate> = (0..1000).map(|_| plan.next_order()).collect();
            (fates, plan.broker_crashes(Duration::from_secs(8)))
        };
        assert_eq!(course(7), course(7));
        assert_ne!(course(7), course(8));
        for fate in [Fate::Pay, Fate::Refuse, Fate::Crash, Fate::LoseDecision, Fate::Slow] {
            assert!(course(7).0.contains(&fate), "{fate:?}");
        }
    }

    #[test]
    fn what_is_not_asked_for_does_not_happen() {
        let faults = parse_faults("refused, broker-crash").expect("two faults");
        let mut plan = Plan::new(1, faults, 80.0);
        for _ in 0..1000 {
            assert!(matches!(plan.next_order(), Fate::Pay | Fate::Refuse));
        }
        assert!(plan.cart_crashes(Duration::from_secs(10)).is_empty());
        assert_eq!(plan.broker_crashes(Duration::from_secs(10)).len(), 2);
        assert_eq!(parse_faults("none").expect("no fault"), BTreeSet::new());
        let text = parse_faults("fire").expect_err("there is no such fault").to_string();
        assert!(text.contains("\"fire\"") && text.contains("lost-decision"), "{text}");
    }
}
