//! The verdict over a run: a table for people, an object for programs, and plain words.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use protocol::request::transaction::Decision;
use serde_json::{Value as Json, json};

use crate::ledger::{Heard, Ledger, Record, Speaker, Truth};
use crate::plan::Fault;
use crate::verdict::{Breach, judge};

/// Broken promises that are told as stories, of each kind.
const STORIES_MAX: usize = 2;

/// Transactions that met the same fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// All of them.
    pub transactions: u64,
    /// Those whose local transaction is committed.
    pub committed: u64,
    /// Those that consumers get.
    pub delivered: u64,
    /// Broken promises, in the order of [`Breach::ALL`].
    pub broken: [u64; Breach::ALL.len()],
}

impl Row {
    fn add(&mut self, record: &Record, breaches: &[Breach]) {
        self.transactions += 1;
        self.committed += u64::from(record.truth == Truth::Committed);
        self.delivered += u64::from(!record.places.is_empty());
        for (count, breach) in self.broken.iter_mut().zip(Breach::ALL) {
            *count += u64::from(breaches.contains(&breach));
        }
    }

    /// Promises broken in this way.
    pub fn of(&self, breach: Breach) -> u64 {
        let at = Breach::ALL.iter().position(|known| *known == breach).expect("all are in the list");
        self.broken[at]
    }
}

/// What the run was, for whoever wants to run it again.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The name server.
    pub address: String,
    /// The topic.
    pub topic: String,
    /// What the course was drawn from.
    pub seed: u64,
    /// How long transactions began.
    pub length: Duration,
    /// Transactions a second that were to begin.
    pub rate: f64,
    /// How long the end could take.
    pub wait: Duration,
    /// Whether that was said to be long enough for every check: only then [`Breach::Undecided`] breaks a promise.
    pub wait_given: bool,
    /// How long the end did take.
    pub waited: Duration,
    /// How often the broker was killed.
    pub kills: u64,
    /// Transactions that did not begin since too many were on their way.
    pub held_back: u64,
    /// How often a queue turned out to be shorter than it had been.
    pub shrunk: u64,
}

/// The verdict.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was run.
    pub setting: Setting,
    /// By fault; `None` met none.
    pub rows: BTreeMap<Option<Fault>, Row>,
    /// All together.
    pub total: Row,
    /// Halves that were not acknowledged.
    pub not_stored: u64,
    /// Checks that came.
    pub checks: u64,
    /// Checks about transactions whose decision had been acknowledged.
    pub checks_after: u64,
    /// Forged decisions that were acknowledged, and all of them.
    pub forged: (u64, u64),
    /// Messages and checks that were not ours.
    pub strangers: (u64, u64),
    /// What happened to some whose promises were broken.
    pub stories: Vec<(Breach, String)>,
}

impl Report {
    /// Judges all transactions.
    pub fn new(ledger: &Ledger, setting: Setting) -> Report {
        let mut report = Report {
            rows: BTreeMap::new(),
            total: Row::default(),
            not_stored: 0,
            checks: 0,
            checks_after: 0,
            forged: (0, 0),
            strangers: ledger.strangers(),
            stories: Vec::new(),
            setting,
        };
        for record in ledger.records() {
            let breaches = judge(record, report.setting.wait_given);
            report.rows.entry(record.fate.fault()).or_default().add(record, &breaches);
            report.total.add(record, &breaches);
            report.not_stored += u64::from(record.halves == 0);
            report.checks += u64::from(record.checks);
            report.checks_after += u64::from(record.checks_after);
            for told in record.told.iter().filter(|told| told.by == Speaker::Forger) {
                report.forged.0 += u64::from(told.heard == Heard::Yes);
                report.forged.1 += 1;
            }
            for breach in breaches {
                if report.stories.iter().filter(|(known, _)| *known == breach).count() < STORIES_MAX {
                    report.stories.push((breach, story(record)));
                }
            }
        }
        report.stories.sort_by_key(|(breach, _)| *breach);
        report
    }

    /// Does this break a promise, as the run was set?
    fn counts(&self, breach: Breach) -> bool {
        breach != Breach::Undecided || self.setting.wait_given
    }

    /// Was every promise kept?
    pub fn passed(&self) -> bool {
        Breach::ALL.into_iter().all(|breach| !self.counts(breach) || self.total.of(breach) == 0)
    }

    /// For people.
    ///
    /// # Errors
    /// When the output is gone.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let heads = ["fault", "transactions", "committed", "delivered"];
        write!(out, "{:<14}", heads[0])?;
        for head in &heads[1..] {
            write!(out, "{head:>13}")?;
        }
        for breach in Breach::ALL {
            write!(out, "{:>14}", breach.name())?;
        }
        writeln!(out)?;
        for (fault, row) in &self.rows {
            write_row(out, fault.map_or("none", Fault::name), row)?;
        }
        write_row(out, "all", &self.total)?;
        let Setting { kills, waited, length, seed, topic, wait, .. } = &self.setting;
        writeln!(out)?;
        writeln!(
            out,
            "broker killed {kills} times · {} checks, {} of them after a decision that was acknowledged · {} halves not \
             acknowledged · {} of {} forged decisions acknowledged",
            self.checks, self.checks_after, self.not_stored, self.forged.0, self.forged.1
        )?;
        if self.setting.held_back > 0 {
            writeln!(out, "{} transactions did not begin: too many were on their way", self.setting.held_back)?;
        }
        if self.setting.shrunk > 0 {
            writeln!(out, "{} times a queue was shorter than it had been", self.setting.shrunk)?;
        }
        writeln!(
            out,
            "seed {seed} · topic {topic} · {} s of load · {} s of waiting for the end",
            length.as_secs_f64().round(),
            waited.as_secs_f64().round()
        )?;
        writeln!(out)?;
        for breach in Breach::ALL.into_iter().filter(|breach| self.total.of(*breach) > 0) {
            let count = self.total.of(breach);
            let kinds: Vec<String> = self
                .rows
                .iter()
                .filter(|(_, row)| row.of(breach) > 0)
                .map(|(fault, row)| format!("{} {}", fault.map_or("none", Fault::name), row.of(breach)))
                .collect();
            writeln!(out, "{} {count}: {} ({})", breach.name(), breach.about(), kinds.join(", "))?;
            if !self.counts(breach) {
                let text = "not counted: the broker may ask later than that; say how long it has with --wait";
                writeln!(out, "  within {} s; {text}", wait.as_secs())?;
            }
            for (_, story) in self.stories.iter().filter(|(known, _)| *known == breach) {
                writeln!(out, "  {story}")?;
            }
        }
        writeln!(out, "verdict  {}", self.words())
    }

    /// The verdict in one sentence.
    fn words(&self) -> String {
        let broken: Vec<String> = Breach::ALL
            .into_iter()
            .filter(|breach| self.counts(*breach) && self.total.of(*breach) > 0)
            .map(|breach| format!("{} {}", breach.name(), self.total.of(breach)))
            .collect();
        if self.passed() {
            let Row { transactions, committed, .. } = self.total;
            format!(
                "PASS  {transactions} transactions: every committed one is delivered once ({committed}), none that was rolled back or left open is"
            )
        } else {
            format!("FAIL  {} of {} transactions", broken.join(" · "), self.total.transactions)
        }
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let row = |row: &Row| {
            let mut object = json!({
                "transactions": row.transactions, "committed": row.committed, "delivered": row.delivered,
            });
            for breach in Breach::ALL {
                object[breach.name()] = row.of(breach).into();
            }
            object
        };
        let setting = &self.setting;
        let stories = self.stories.iter().map(|(breach, story)| json!({ "broken": breach.name(), "story": story }));
        let rows = self.rows.iter().map(|(fault, counts)| {
            let mut object = row(counts);
            object["fault"] = fault.map_or("none", Fault::name).into();
            object
        });
        json!({
            "verdict": if self.passed() { "pass" } else { "fail" },
            "total": row(&self.total),
            "by_fault": rows.collect::<Vec<_>>(),
            "undecided_counts": setting.wait_given,
            "checks": self.checks,
            "checks_after_decision": self.checks_after,
            "halves_not_acknowledged": self.not_stored,
            "forged_sent": self.forged.1,
            "forged_acknowledged": self.forged.0,
            "broker_killed": setting.kills,
            "queues_shrunk": setting.shrunk,
            "held_back": setting.held_back,
            "strange_messages": self.strangers.0,
            "strange_checks": self.strangers.1,
            "nameserver": setting.address,
            "topic": setting.topic,
            "seed": setting.seed,
            "rate": setting.rate,
            "load_ms": setting.length.as_millis() as u64,
            "wait_ms": setting.wait.as_millis() as u64,
            "waited_ms": setting.waited.as_millis() as u64,
            "stories": stories.collect::<Vec<_>>(),
        })
    }
}

fn write_row(out: &mut dyn Write, name: &str, row: &Row) -> io::Result<()> {
    write!(out, "{name:<14}{:>13}{:>13}{:>13}", row.transactions, row.committed, row.delivered)?;
    for count in row.broken {
        write!(out, "{count:>14}")?;
    }
    writeln!(out)
}

/// What happened to one transaction, in one line.
fn story(record: &Record) -> String {
    let truth = match record.truth {
        Truth::NotRun => "its half was never acknowledged",
        Truth::Running => "its local transaction did not end",
        Truth::Committed => "its local transaction is committed",
        Truth::RolledBack => "its local transaction is rolled back",
        Truth::Either => "commit and rollback were sent at once",
    };
    let mut parts = vec![format!("{} ({}): {truth}", record.id, record.fate.fault().map_or("none", Fault::name))];
    parts.push(format!("asked about {} times", record.checks));
    for told in &record.told {
        let decision = match told.decision {
            Decision::Commit => "commit",
            Decision::Rollback => "rollback",
            Decision::Unknown => "unknown",
        };
        let by = match told.by {
            Speaker::Producer => "",
            Speaker::Check => " in answer to a check",
            Speaker::Forger => " by a forger",
        };
        let heard = match told.heard {
            Heard::Yes => "acknowledged".to_owned(),
            Heard::No { code } => format!("refused with {code}"),
            Heard::Told => "sent one-way".to_owned(),
            Heard::Nothing => "without an answer".to_owned(),
            Heard::Unsent => "not sent, for nobody was there".to_owned(),
        };
        parts.push(format!("{decision}{by} {heard}"));
    }
    let places: Vec<String> =
        record.places.iter().map(|place| format!("{}/{}:{}", place.broker, place.queue, place.offset)).collect();
    parts.push(match places.is_empty() {
        true => "delivered nowhere".to_owned(),
        false => format!("delivered at {}", places.join(" and ")),
    });
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Place;
    use crate::plan::{Fate, Planned};

    /// One that went well, one that was rolled back and delivered, one that the broker did not ask about.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let fates =
            [Fate::Plain { asked: true }, Fate::Contradicting(crate::plan::Way::Decision, Duration::ZERO), Fate::Lost];
        for (id, fate) in ["a", "b", "c"].into_iter().zip(fates) {
            ledger.begin(id.to_owned(), Planned { fate, outcome: Decision::Commit });
            ledger.stored(id);
        }
        let tell = |ledger: &mut Ledger, id, decision| {
            let number = ledger.telling(id, decision, Speaker::Producer);
            ledger.heard(id, number, Heard::Yes);
        };
        let place = |offset| Place { broker: "broker".to_owned(), queue: 2, offset };
        ledger.ended("a", Truth::Committed);
        tell(&mut ledger, "a", Decision::Commit);
        ledger.delivered("a", place(4), 1, true);
        ledger.ended("b", Truth::RolledBack);
        tell(&mut ledger, "b", Decision::Rollback);
        tell(&mut ledger, "b", Decision::Commit);
        ledger.delivered("b", place(5), 2, true);
        ledger.ended("c", Truth::Committed);
        ledger
    }

    fn shown(report: &Report) -> String {
        let mut out = Vec::new();
        report.write(&mut out).expect("room");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_broken_promise_is_counted_in_its_row_told_in_words_and_fails_the_run() {
        let report = Report::new(&ledger(), Setting::default());
        assert!(!report.passed());
        let text = shown(&report);
        let cells = |name: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
            line.split_whitespace().skip(1).map(str::to_owned).collect()
        };
        assert_eq!(cells("none "), ["1", "1", "1", "0", "0", "0", "0", "0", "0"]);
        assert_eq!(cells("contradicting "), ["1", "0", "1", "0", "1", "0", "0", "0", "1"]);
        assert_eq!(cells("all "), ["3", "2", "2", "0", "1", "0", "1", "0", "1"]);
        assert!(text.contains("b (contradicting): its local transaction is rolled back; asked about 0 times; rollback acknowledged; commit acknowledged; delivered at broker/2:5"), "{text}");
        assert!(text.ends_with("verdict  FAIL  leaked 1 · contradicted 1 of 3 transactions\n"), "{text}");
    }

    #[test]
    fn what_the_broker_did_not_ask_about_counts_only_if_the_wait_was_said_to_be_long_enough() {
        let mut ledger = Ledger::default();
        ledger.begin("c".to_owned(), Planned { fate: Fate::Lost, outcome: Decision::Commit });
        ledger.stored("c");
        ledger.ended("c", Truth::Committed);
        let lenient = Report::new(&ledger, Setting::default());
        assert!(lenient.passed() && shown(&lenient).contains("not counted"), "{}", shown(&lenient));
        let strict = Report::new(&ledger, Setting { wait_given: true, ..Setting::default() });
        assert!(!strict.passed() && shown(&strict).contains("FAIL  undecided 1"), "{}", shown(&strict));
    }

    #[test]
    fn programs_get_the_same_figures() {
        let report = Report::new(&ledger(), Setting { seed: 7, ..Setting::default() }).json();
        assert_eq!((&report["verdict"], &report["seed"]), (&json!("fail"), &json!(7)));
        assert_eq!((&report["total"]["leaked"], &report["total"]["undecided"]), (&json!(1), &json!(1)));
        let row = report["by_fault"].as_array().expect("rows").iter().find(|row| row["fault"] == "contradicting");
        assert_eq!(row.expect("a row")["contradicted"], 1);
        assert_eq!(report["undecided_counts"], false);
    }
}
