//! Which fault comes when: drawn from a seed, the same for the same seed.

use std::time::Duration;

use super::cast::Role;

/// What a round does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// SIGKILL of the broker, and a start on the same folder.
    KillBroker,
    /// SIGSTOP of the broker, and SIGCONT.
    StopBroker,
    /// SIGKILL of a client, and a new process in its place.
    Kill(Role),
    /// SIGSTOP of a client, and SIGCONT.
    Stop(Role),
}

/// One round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Round {
    /// What it does.
    pub fault: Fault,
    /// How long it waits before.
    pub after: Duration,
    /// How long the victim is gone, or stands still.
    pub length: Duration,
    /// It does not wait until the load has recovered from the round before.
    pub hasty: bool,
}

/// So many of each kind among the rounds of one deck, after one of each.
const MORE_BROKER_KILLS: usize = 4;
const MORE_BROKER_STOPS: usize = 2;
const STOP_MS: (u64, u64) = (200, 8000);
/// Most stops are shorter than this: then the clients' timeouts of 3 s do not run out.
const STOP_SHORT_MS: u64 = 1500;
const GONE_MS: (u64, u64) = (0, 1500);
const AFTER_MS: (u64, u64) = (100, 2500);
const AFTER_HASTY_MS: (u64, u64) = (20, 700);

/// So many rounds. Every 12 of them hold one of each kind, in a random order, and then more of the broker's.
pub fn rounds(seed: u64, count: u32) -> Vec<Round> {
    let mut random = Random(seed);
    let mut rounds = Vec::new();
    while rounds.len() < count as usize {
        let mut kinds = vec![
            Fault::KillBroker,
            Fault::StopBroker,
            Fault::Kill(*random.one_of(&Role::PRODUCERS)),
            Fault::Stop(*random.one_of(&Role::PRODUCERS)),
            Fault::Kill(*random.one_of(&Role::CONSUMERS)),
            Fault::Stop(*random.one_of(&Role::CONSUMERS)),
        ];
        random.shuffle(&mut kinds);
        let mut more = vec![Fault::KillBroker; MORE_BROKER_KILLS];
        more.extend([Fault::StopBroker; MORE_BROKER_STOPS]);
        random.shuffle(&mut more);
        kinds.append(&mut more);
        rounds.extend(kinds.into_iter().map(|fault| random.round(fault)));
    }
    rounds.truncate(count as usize);
    rounds
}

/// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }

    fn ms(&mut self, (from, to): (u64, u64)) -> Duration {
        Duration::from_millis(from + self.next() % (to - from + 1))
    }

    fn round(&mut self, fault: Fault) -> Round {
        let hasty = self.below(4) == 0;
        let after = self.ms(if hasty { AFTER_HASTY_MS } else { AFTER_MS });
        let length = match fault {
            Fault::KillBroker | Fault::Kill(_) => self.ms(GONE_MS),
            Fault::StopBroker | Fault::Stop(_) if self.below(10) < 7 => self.ms((STOP_MS.0, STOP_SHORT_MS)),
            Fault::StopBroker | Fault::Stop(_) => self.ms((STOP_SHORT_MS, STOP_MS.1)),
        };
        Round { fault, after, length, hasty }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, rounds};

    #[test]
    fn six_rounds_hold_every_kind_of_fault() {
        for seed in 0..50 {
            let faults: Vec<Fault> = rounds(seed, 6).iter().map(|round| round.fault).collect();
            let has = |kind: fn(&Fault) -> bool| faults.iter().any(kind);
            assert!(has(|fault| *fault == Fault::KillBroker), "seed {seed}: {faults:?}");
            assert!(has(|fault| *fault == Fault::StopBroker), "seed {seed}: {faults:?}");
            assert!(has(|fault| matches!(fault, Fault::Kill(role) if role.is_producer())), "seed {seed}: {faults:?}");
            assert!(has(|fault| matches!(fault, Fault::Stop(role) if role.is_producer())), "seed {seed}: {faults:?}");
            assert!(has(|fault| matches!(fault, Fault::Kill(role) if !role.is_producer())), "seed {seed}: {faults:?}");
            assert!(has(|fault| matches!(fault, Fault::Stop(role) if !role.is_producer())), "seed {seed}: {faults:?}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_rounds_and_another_seed_others() {
        assert_eq!(rounds(7, 200), rounds(7, 200));
        assert_ne!(rounds(7, 200), rounds(8, 200));
        assert_eq!(rounds(7, 200).len(), 200);
        assert_eq!(rounds(7, 200)[..40], rounds(7, 40)[..]);
    }
}
