//! Those who talk to the broker.

mod answers;
mod connections;
mod consumer;
mod operator;
mod producer;
mod transactional;

use std::collections::BTreeMap;

use broker::io::SessionId;

use crate::plan::Plan;

/// One client: a process with at most one connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub name: String,
    pub role: Role,
    /// Whether the process runs.
    pub alive: bool,
    pub session: Option<SessionId>,
    /// Never comes back once the faults have stopped.
    pub doomed: bool,
    /// How far its clock is ahead of the broker's, in milliseconds.
    pub ahead_ms: i64,
    /// How long its second lasts, in milliseconds of the broker's clock.
    pub second_ms: i64,
}

#[derive(Debug)]
pub(crate) enum Role {
    /// Sends plain messages.
    Plain,
    /// Sends halves for this group, decides them and answers checks.
    Transactional(String),
    Consumer(Consumer),
    /// Lists, shows and settles transactions, makes and deletes topics.
    Operator,
}

/// A member of a consumer group.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub group: String,
    /// Position in its group: shares queues by it.
    pub member: usize,
    /// Topics it consumes; `None` for all there are.
    pub topics: Option<Vec<String>>,
    /// The tags it wants, `None` for all messages.
    pub tags: Option<&'static str>,
    pub lanes: BTreeMap<(String, u32), Lane>,
}

/// A queue that a consumer reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Where it goes on, once it knows.
    pub next: Option<u64>,
    /// Whether a pull or a question is under way.
    pub busy: bool,
    /// What it has consumed and not told yet.
    pub untold: bool,
    /// Whether it is about to be read.
    pub planned: bool,
}

impl Client {
    fn new(name: String, role: Role) -> Self {
        Client { name, role, alive: true, session: None, doomed: false, ahead_ms: 0, second_ms: 1_000 }
    }

    pub fn forget_topic(&mut self, topic: &str) {
        if let Role::Consumer(consumer) = &mut self.role {
            consumer.lanes.retain(|(of, _), _| of != topic);
        }
    }

    pub fn consumer(&mut self) -> Option<&mut Consumer> {
        match &mut self.role {
            Role::Consumer(consumer) => Some(consumer),
            _ => None,
        }
    }

    /// Reads everything and keeps its place whatever happens: the oracle's own eyes.
    pub fn is_auditor(&self) -> bool {
        matches!(&self.role, Role::Consumer(consumer) if consumer.topics.is_none())
    }
}

/// The clients of a plan.
pub(crate) fn clients_of(plan: &Plan) -> Vec<Client> {
    let mut clients = vec![Client::new("operator".into(), Role::Operator)];
    let auditor = Consumer { group: "auditor".into(), member: 0, topics: None, tags: None, lanes: BTreeMap::new() };
    clients.push(Client::new("auditor".into(), Role::Consumer(auditor)));
    clients.extend((0..plan.plain_producers).map(|i| Client::new(format!("plain-{i}"), Role::Plain)));
    for (group, instances) in &plan.producer_groups {
        clients.extend((0..*instances).map(|i| {
            let client = Client::new(format!("{group}@{i}"), Role::Transactional(group.clone()));
            Client { doomed: plan.dead_group.as_ref() == Some(group), ..client }
        }));
    }
    for (number, (group, members, topics)) in plan.consumer_groups.iter().enumerate() {
        clients.extend((0..*members).map(|member| {
            let consumer = Consumer {
                group: group.clone(),
                member,
                topics: Some(topics.clone()),
                tags: (number == 1).then_some("red || blue"),
                lanes: BTreeMap::new(),
            };
            Client::new(format!("{group}@{member}"), Role::Consumer(consumer))
        }));
    }
    clients
}

/// The operator among the clients.
pub(crate) const OPERATOR: usize = 0;
