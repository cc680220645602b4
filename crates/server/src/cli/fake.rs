//! A broker for tests: answers from plain lists, and remembers what it was told to do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use remoting::own::Overview;

use super::admin::{Admin, AdminError, Thing};
use super::model::*;
use super::run::Doors;
use crate::config::Loaded;

/// When the fake broker thinks it is: 2023-11-14T22:13:20Z.
pub const NOW: i64 = 1_700_000_000_000;

/// What the fake broker has, and what it was told.
#[derive(Clone, Default)]
pub struct FakeBroker {
    pub topics: Vec<TopicDetail>,
    pub groups: Vec<GroupDetail>,
    pub transactions: Vec<TransactionDetail>,
    pub messages: Vec<MessageDetail>,
    pub refuses: Option<&'static str>,
    /// What those who watch are told, an answer after the other; then nothing.
    pub watched: Vec<Watched>,
    pub overviews: Vec<Overview>,
    pub brokers: Vec<(String, String)>,
    pub told: Rc<RefCell<Vec<String>>>,
}

impl FakeBroker {
    fn tell(&self, what: String) -> Result<(), AdminError> {
        if let Some(reason) = self.refuses {
            return Err(AdminError::Refused { reason: reason.to_owned() });
        }
        self.told.borrow_mut().push(what);
        Ok(())
    }
}

fn missing(kind: Thing, name: &str) -> AdminError {
    AdminError::NotFound { kind, name: name.to_owned() }
}

impl Admin for FakeBroker {
    fn topics(&mut self) -> Result<Vec<TopicRow>, AdminError> {
        Ok(self.topics.iter().map(|topic| topic.row.clone()).collect())
    }

    fn topic(&mut self, name: &str) -> Result<TopicDetail, AdminError> {
        self.topics.iter().find(|topic| topic.row.name == name).cloned().ok_or(missing(Thing::Topic, name))
    }

    fn create_topic(&mut self, name: &str, queues: u32) -> Result<(), AdminError> {
        self.tell(format!("create {name} with {queues}"))
    }

    fn delete_topic(&mut self, name: &str, force: bool) -> Result<TopicDeleted, AdminError> {
        let open = self.topic(name)?.row.open_transactions;
        if open > 0 && !force {
            return Err(AdminError::Refused { reason: format!("{name} has {open} undecided transactions (--force)") });
        }
        self.tell(format!("delete {name}"))?;
        Ok(TopicDeleted { set_aside: open })
    }

    fn groups(&mut self) -> Result<Vec<GroupRow>, AdminError> {
        Ok(self.groups.iter().map(|group| group.row.clone()).collect())
    }

    fn group(&mut self, name: &str) -> Result<GroupDetail, AdminError> {
        self.groups.iter().find(|group| group.row.name == name).cloned().ok_or(missing(Thing::Group, name))
    }

    fn delete_group(&mut self, name: &str) -> Result<(), AdminError> {
        self.group(name)?;
        self.tell(format!("delete group {name}"))
    }

    /// Pages of two rows at most, so that asking for more pages is tested.
    fn transactions(&mut self, query: &TransactionQuery) -> Result<TransactionPage, AdminError> {
        let start: usize = query.after.as_deref().map_or(0, |after| after.parse().expect("our own cursor"));
        let open = |state| self.transactions.iter().filter(|one| one.row.state == state).count() as u64;
        let fits = |one: &&TransactionDetail| {
            let row = &one.row;
            query.group.as_ref().is_none_or(|group| *group == row.group)
                && query.topic.as_ref().is_none_or(|topic| *topic == row.topic)
                && query.state.is_none_or(|state| state == row.state)
                && query.key.as_ref().is_none_or(|key| *key == row.id || one.keys.split(' ').any(|one| one == key))
                && query.older_than_ms.is_none_or(|age| NOW - row.stored_at_ms > age as i64)
        };
        let fitting: Vec<_> = self.transactions.iter().filter(fits).map(|one| one.row.clone()).collect();
        let end = (start + (query.limit as usize).min(2)).min(fitting.len());
        Ok(TransactionPage {
            rows: fitting[start..end].to_vec(),
            next: (end < fitting.len()).then(|| end.to_string()),
            undecided: open(TransactionState::Undecided),
            set_aside: open(TransactionState::SetAside),
            now_ms: NOW,
        })
    }

    fn transaction(&mut self, id: &str) -> Result<TransactionDetail, AdminError> {
        let known = self.transactions.iter().find(|one| one.row.id == id || one.row.offset_id == id);
        known.cloned().ok_or(missing(Thing::Transaction, id))
    }

    fn resolve(&mut self, order: &Resolve) -> Result<(), AdminError> {
        self.tell(format!("{} {} by {}: {}", order.action.word(), order.offset_id, order.by, order.reason))
    }

    fn watch(&mut self, from: Option<u64>) -> Result<Watched, AdminError> {
        match from {
            Some(from) if (from as usize) < self.watched.len() => Ok(self.watched[from as usize].clone()),
            from => Ok(Watched { next: from.unwrap_or(0), ..Watched::default() }),
        }
    }

    fn overview(&mut self) -> Result<Overview, AdminError> {
        match self.overviews.len() {
            0 => Ok(Overview::default()),
            1 => Ok(self.overviews[0].clone()),
            _ => Ok(self.overviews.remove(0)),
        }
    }

    fn brokers(&mut self) -> Result<Vec<(String, String)>, AdminError> {
        Ok(self.brokers.clone())
    }

    fn message(&mut self, id: &str, topic: Option<&str>) -> Result<MessageDetail, AdminError> {
        let fits = |message: &&MessageDetail| {
            message.offset_id == id || (message.id == id && topic == Some(message.topic.as_str()))
        };
        self.messages.iter().find(fits).cloned().ok_or(missing(Thing::Message, id))
    }
}

/// A whole surrounding of the commands.
#[derive(Default)]
pub struct FakeDoors {
    pub broker: Option<FakeBroker>,
    pub store: StoreReport,
    pub served: Option<Loaded>,
    pub opened: Vec<PathBuf>,
    pub serve_fails: Option<&'static str>,
}

impl Doors for FakeDoors {
    fn serve(&mut self, loaded: Loaded) -> anyhow::Result<()> {
        self.served = Some(loaded);
        match self.serve_fails {
            Some(reason) => anyhow::bail!(reason),
            None => Ok(()),
        }
    }

    fn connect(&mut self, addr: &str) -> Result<Box<dyn Admin>, AdminError> {
        match &self.broker {
            Some(broker) => Ok(Box::new(broker.clone())),
            None => Err(AdminError::Unreachable { addr: addr.to_owned(), reason: "connection refused".to_owned() }),
        }
    }

    fn verify_store(&mut self, data: &Path) -> anyhow::Result<StoreReport> {
        self.opened.push(data.to_owned());
        Ok(StoreReport { data: data.display().to_string(), ..self.store.clone() })
    }

    fn repair_store(&mut self, data: &Path, dry_run: bool) -> anyhow::Result<StoreReport> {
        let mut report = self.verify_store(data)?;
        report.repairs.push(format!("cut log/0000 at 4096 ({})", if dry_run { "dry" } else { "wet" }));
        Ok(report)
    }
}

/// A topic with one queue of five messages.
pub fn topic(name: &str, kind: TopicKind, open: u64) -> TopicDetail {
    TopicDetail {
        row: TopicRow {
            name: name.to_owned(),
            kind,
            read_queues: 1,
            write_queues: 1,
            readable: true,
            writable: true,
            messages: 5,
            open_transactions: open,
            last_message_at_ms: Some(NOW),
        },
        attributes: BTreeMap::from([("message.type".to_owned(), "TRANSACTION".to_owned())]),
        queues: vec![QueueRow { queue: 0, first_offset: 7, next_offset: 12, last_message_at_ms: Some(NOW) }],
        groups: vec![TopicGroupRow { group: "cart".to_owned(), members: 0, lag: 2 }],
    }
}

/// A group without members that lags behind.
pub fn group(name: &str) -> GroupDetail {
    GroupDetail {
        row: GroupRow { name: name.to_owned(), members: 1, topics: 1, lag: 2, dead_letters: 1 },
        retry_max: 16,
        online: vec![MemberRow {
            client: "10.0.0.5@4711".to_owned(),
            address: "10.0.0.5:51234".to_owned(),
            language: "JAVA".to_owned(),
            version: "5.3.0".to_owned(),
        }],
        offsets: vec![OffsetRow { topic: "orders".to_owned(), queue: 0, offset: 10, next_offset: 12, lag: 2 }],
    }
}

/// A transaction that was stored 42 s ago and has been asked about twice.
pub fn transaction(id: &str, state: TransactionState) -> TransactionDetail {
    let stored_at_ms = NOW - 42_000;
    let client = || "10.0.0.5@4711".to_owned();
    let event = |after_ms: i64, what: What| Event { at_ms: stored_at_ms + after_ms, what };
    let mut timeline = vec![
        event(0, What::Stored { client: client(), log_offset: 4096 }),
        event(11_000, What::Checked { client: client(), answer: CheckAnswer::Silent }),
        event(36_000, What::Checked { client: client(), answer: CheckAnswer::Unknown }),
    ];
    let decided = |outcome, by| What::Decided { outcome, by, who: client(), why: String::new() };
    match state {
        TransactionState::Undecided => {}
        TransactionState::SetAside => timeline
            .push(event(36_001, What::SetAside { who: String::new(), why: "answered UNKNOWN 15 times".to_owned() })),
        TransactionState::Committed => {
            timeline.push(event(40_000, decided(DecidedOutcome::Commit, DecidedBy::CheckAnswer)));
            let topic = "orders".to_owned();
            timeline.push(event(40_000, What::Visible { topic, queue: 3, offset: 17, log_offset: 8192 }));
        }
        TransactionState::RolledBack => {
            timeline.push(event(40_000, decided(DecidedOutcome::Rollback, DecidedBy::Producer)));
        }
    }
    TransactionDetail {
        row: TransactionRow {
            id: id.to_owned(),
            offset_id: format!("OFFSET{id}"),
            state,
            group: "payers".to_owned(),
            topic: "orders".to_owned(),
            stored_at_ms,
            checks: 1,
            next_check_at_ms: (state == TransactionState::Undecided).then_some(NOW + 24_000),
            producers_online: 2,
        },
        queue: 3,
        tag: "paid".to_owned(),
        keys: "O-1".to_owned(),
        size: 312,
        check_max: 15,
        silent: 1,
        now_ms: NOW,
        explanation: format!("it is {} because it is", state.word()),
        timeline,
    }
}

/// A message with a body of text.
pub fn message(id: &str) -> MessageDetail {
    MessageDetail {
        id: id.to_owned(),
        offset_id: format!("OFFSET{id}"),
        topic: "orders".to_owned(),
        queue: 3,
        offset: Some(17),
        log_offset: 8192,
        tag: "paid".to_owned(),
        keys: "O-1".to_owned(),
        properties: BTreeMap::from([("KEYS".to_owned(), "O-1".to_owned()), ("TAGS".to_owned(), "paid".to_owned())]),
        flag: 0,
        sys_flag: 8,
        born_at_ms: NOW - 42_100,
        born_host: "10.0.0.5:51234".to_owned(),
        stored_at_ms: NOW - 2000,
        retries: 0,
        transaction: Some("T1".to_owned()),
        body: b"{\"order\":1}".to_vec(),
    }
}
