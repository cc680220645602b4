//! What all processes wrote down, read while they write: transactions and deliveries.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::cast::Role;
use crate::event::Event;
use crate::failure::{Failure, Outcome, ensure};

/// One transaction, as its processes tell it.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// What it was begun for: `commit`, `late-rollback` and so on.
    pub intent: String,
    /// How often the client sent the half again.
    pub resends: u32,
    /// The half was acknowledged: the local transaction began.
    pub acknowledged: bool,
    /// The client gave the half up.
    pub failed: bool,
    /// What the local transaction said in the end: `commit`, `rollback` or `unknown`.
    pub said: Option<String>,
    /// Its check-back ran.
    pub checked: bool,
    /// Its check-back ran in another process than the one that began it.
    pub checked_elsewhere: bool,
    /// The broker refused what the client decided.
    pub contradicted: bool,
}

/// Where a message lies: its queue and its offset there.
pub type Place = (i64, i64);

/// All deliveries of one message to one group.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The transaction it is of.
    pub transaction: String,
    /// Its message id.
    pub id: String,
    /// When it came, ms since 1970, in order.
    pub at: Vec<i64>,
}

/// Everything that was written so far.
#[derive(Debug, Default)]
pub struct Ledger {
    journals: Vec<Journal>,
    /// By id.
    pub transactions: HashMap<String, Transaction>,
    /// By consumer.
    pub deliveries: BTreeMap<Role, HashMap<Place, Delivered>>,
    /// Halves acknowledged to producers, and deliveries to consumers, over all their processes.
    pub progress: BTreeMap<Role, u64>,
    /// What cannot be, whoever wrote it.
    pub nonsense: Vec<String>,
}

#[derive(Debug)]
struct Journal {
    role: Role,
    instance: String,
    path: PathBuf,
    read: u64,
}

impl Ledger {
    /// Reads this process's journal from now on.
    pub fn watch(&mut self, role: Role, process: u32, path: PathBuf) {
        self.journals.push(Journal { role, instance: format!("{}-{process}-", role.name()), path, read: 0 });
    }

    /// Takes in the lines that were written since the last time. A line without its end is left for later; of a process
    /// that was killed it is never complete, and says nothing.
    pub fn read(&mut self) -> Outcome {
        let mut journals = std::mem::take(&mut self.journals);
        let outcome = journals.iter_mut().try_for_each(|journal| {
            let lines = journal.lines()?;
            lines.lines().try_for_each(|line| self.take(journal, line))
        });
        self.journals = journals;
        outcome
    }

    fn take(&mut self, journal: &Journal, line: &str) -> Outcome {
        let event = Event::parse(line)
            .ok_or_else(|| Failure::new(format!("no event in {}: {line:?}", journal.path.display())))?;
        let id = event.text("tx").to_owned();
        if event.name() == "delivered" {
            self.deliver(journal.role, id, &event);
            return Ok(());
        }
        let transaction = self.transactions.entry(id.clone()).or_default();
        match event.name() {
            "begun" => transaction.intent = event.text("intent").to_owned(),
            "again" => transaction.resends += 1,
            "stored" => {
                transaction.acknowledged = true;
                *self.progress.entry(journal.role).or_default() += 1;
            }
            "said" => transaction.said = Some(event.text("answer").to_owned()),
            "checked" => {
                transaction.checked = true;
                transaction.checked_elsewhere |= !id.starts_with(&journal.instance);
            }
            "failed" => transaction.failed = true,
            "contradicted" => transaction.contradicted = true,
            other => return Err(Failure::new(format!("unknown event {other:?} in {}", journal.path.display()))),
        }
        Ok(())
    }

    fn deliver(&mut self, role: Role, transaction: String, event: &Event) {
        let intent = event.text("intent");
        if event.text("body") != format!("{transaction} {intent}") || event.number("attempt") != 1 {
            self.nonsense.push(format!("delivered changed, or as a retry that nobody asked for: {event}"));
        }
        let place = (event.number("queue"), event.number("offset"));
        let id = event.text("id");
        let first = || Delivered { transaction: transaction.clone(), id: id.to_owned(), at: Vec::new() };
        let delivered = self.deliveries.entry(role).or_default().entry(place).or_insert_with(first);
        if delivered.transaction != transaction || delivered.id != id {
            let was = &delivered.transaction;
            self.nonsense.push(format!("queue {} offset {} was {was} and became {transaction}", place.0, place.1));
        }
        delivered.at.push(event.at());
        *self.progress.entry(role).or_default() += 1;
    }
}

impl Journal {
    /// The complete lines after those that were read.
    fn lines(&mut self) -> Outcome<String> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            // It has not come so far.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error.into()),
            Ok(mut file) => {
                file.seek(SeekFrom::Start(self.read))?;
                file.read_to_end(&mut bytes)?;
            }
        }
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        self.read += bytes.len() as u64;
        let lines = String::from_utf8(bytes);
        ensure!(lines.is_ok(), "{} is not text", self.path.display());
        Ok(lines.expect("it was just looked at"))
    }
}

#[cfg(test)]
impl Ledger {
    /// Takes in a line as if this process had written it.
    pub fn tell(&mut self, role: Role, process: u32, line: &str) {
        let instance = format!("{}-{process}-", role.name());
        let journal = Journal { role, instance, path: PathBuf::from("a test's"), read: 0 };
        self.take(&journal, line).expect("a line");
    }
}
