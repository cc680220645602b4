use std::collections::BTreeMap;
use std::fmt;

use crate::stories::TRANSITIONS;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Something that went wrong, by kind.
    Fault,
    /// What clients asked for.
    Request,
    /// What they were told.
    Answer,
    /// Steps in the lives of transactions.
    Transition,
    /// Places of the production code and of the store's life that were reached.
    State,
}

/// How often what happened. Everything that could be counted is known beforehand, so that what never happened is seen.
#[derive(Clone, Debug)]
pub struct Coverage {
    counts: BTreeMap<(Kind, &'static str), u64>,
}

const FAULTS: &[&str] = &[
    "power cut between turns",
    "power cut in the middle of a turn",
    "process killed between turns",
    "process killed in the middle of a turn",
    "process killed in the middle of a job",
    "power cut in the middle of a job",
    "crash while recovering",
    "power cut as a segment begins",
    "process killed as a segment begins",
    "disk full",
    "write failed",
    "sync failed",
    "clock jumped forward",
    "clock went back over a restart",
    "client clock drifts",
    "planned restart",
    "index files lost",
    "connection lost",
    "client crashed",
    "client half-open",
    "broker half-open",
    "request late",
    "request doubled",
    "request overtakes another",
    "request cut with its connection",
    "answer cut with its connection",
    "slow reader",
    "job late",
    "disk copied and recovered",
    "log read back damaged",
    "snapshot read back damaged",
    "index read back damaged",
    "part of a file unreadable",
];

const REQUESTS: &[&str] = &[
    "send",
    "send delayed",
    "send again",
    "batch",
    "half",
    "half delayed",
    "half again",
    "commit",
    "rollback",
    "unknown",
    "check answered commit",
    "check answered rollback",
    "check answered unknown",
    "check not answered",
    "decision lost",
    "decision repeated",
    "decision contradicted",
    "decision forged",
    "pull",
    "long pull",
    "offset one-way",
    "offset two-way",
    "offset with a pull",
    "query offset",
    "reset offset",
    "send back",
    "heartbeat",
    "unregister",
    "illegal message",
    "close topic",
    "open topic",
    "statistics",
    "put topic",
    "delete topic",
    "delete topic by force",
    "list transactions",
    "show transaction",
    "resolve commit",
    "resolve rollback",
    "resolve resume",
    "view message",
    "query message",
    "queue bounds",
    "lock",
];

const ANSWERS: &[&str] = &[
    "done",
    "sent",
    "sent batch",
    "decided",
    "repeated",
    "undecided",
    "pulled found",
    "pulled no match",
    "pulled at end",
    "pulled too small",
    "pulled too large",
    "pulled empty",
    "offset",
    "no offset",
    "bounds",
    "found",
    "transactions",
    "transaction",
    "reset",
    "locked",
    "other",
    "refused: illegal message",
    "refused: invalid parameter",
    "refused: no topic",
    "refused: no group",
    "refused: no permission",
    "refused: subscription",
    "refused: busy",
    "refused: unavailable",
    "refused: not found",
    "refused: conflict",
    "refused: other",
    "check pushed",
    "group change pushed",
    "reset pushed",
];

const STATES: &[&str] = &[
    "entry messages",
    "entry half",
    "entry check unknown",
    "entry check silent",
    "entry set aside",
    "entry resume",
    "entry scheduled",
    "entry deliver link",
    "entry deliver carry",
    "entry offsets",
    "entry topic",
    "entry topic deleted",
    "entry group",
    "entry carried",
    "decision commit link",
    "decision commit carry",
    "decision commit later",
    "decision rollback",
    "decided by producer",
    "decided by check answer",
    "decided by operator",
    "decided by exhaustion",
    "half repeated",
    "segment begun",
    "segments dropped",
    "snapshot made",
    "replayed behind a snapshot",
    "torn tail cut",
    "index rebuilt",
    "damage refused at the start",
    "damage found by a read",
    "damage mended or without harm",
    "damage beside a body delivered",
    "log poisoned",
    "log full",
    "topic made again",
    "queue expired to its end",
    "retry delivered",
    "dead letter delivered",
    "commit delivered after a restart",
    "decision answered from the log",
    "reader parked",
    "replayed from the beginning",
];

fn known() -> impl Iterator<Item = (Kind, &'static str)> {
    let all = [
        (Kind::Fault, FAULTS),
        (Kind::Request, REQUESTS),
        (Kind::Answer, ANSWERS),
        (Kind::Transition, TRANSITIONS),
        (Kind::State, STATES),
    ];
    all.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, *name)))
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage { counts: known().map(|key| (key, 0)).collect() }
    }
}

impl Coverage {
    /// Counts something.
    ///
    /// # Panics
    /// When it is not known: a name that is nowhere in the lists would not be missed when it never happens.
    pub fn hit(&mut self, kind: Kind, name: &'static str) {
        match self.counts.get_mut(&(kind, name)) {
            Some(count) => *count += 1,
            None => panic!("{kind:?} {name:?} is not in the list of what is counted"),
        }
    }

    /// How often it happened.
    pub fn of(&self, kind: Kind, name: &'static str) -> u64 {
        self.counts.get(&(kind, name)).copied().unwrap_or(0)
    }

    /// Adds what happened elsewhere.
    pub fn merge(&mut self, other: &Coverage) {
        for (key, count) in &other.counts {
            *self.counts.entry(*key).or_default() += count;
        }
    }

    /// What never happened.
    pub fn never(&self) -> Vec<(Kind, &'static str)> {
        self.counts.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in [Kind::Fault, Kind::Request, Kind::Answer, Kind::Transition, Kind::State] {
            let title = match kind {
                Kind::Fault => "faults injected",
                Kind::Request => "requests",
                Kind::Answer => "answers and pushes",
                Kind::Transition => "steps of transactions",
                Kind::State => "states reached",
            };
            writeln!(f, "{title}:")?;
            let there = self.counts.iter().filter(|((of, _), count)| *of == kind && **count > 0);
            for ((_, name), count) in there {
                writeln!(f, "  {count:>10}  {name}")?;
            }
        }
        let never = self.never();
        if !never.is_empty() {
            writeln!(f, "never reached:")?;
            never.iter().try_for_each(|(kind, name)| writeln!(f, "              {name} ({kind:?})"))?;
        }
        Ok(())
    }
}
