//! Operators: they look at transactions and settle them by hand, make and delete topics, and look messages up.

use broker::io::{Lock, Request, Resolution, Resolve, TransactionFilter, TransactionStatus};
use message::entry::{Outcome, TopicConfig};
use message::{CommitLogOffset, Timestamp};

use crate::agenda::Intent;
use crate::clients::OPERATOR;
use crate::world::{What, World};

impl World {
    /// Makes the topics of the plan.
    pub(crate) fn make_topics(&mut self) {
        for (name, queues) in self.plan.topics.clone() {
            if !self.routes.contains_key(&name) {
                let request = Request::PutTopic(TopicConfig::new(name, queues));
                self.ask(OPERATOR, "put topic", Some(What::Other), request);
            }
        }
    }

    pub(crate) fn operate(&mut self) {
        match self.rng.below(10) {
            0..4 => self.list(None),
            4..7 => self.show(),
            7 => {
                let (topic, _) = self.rng.pick(&self.plan.topics);
                let request = Request::PutTopic(TopicConfig::new(topic, 4));
                self.ask(OPERATOR, "put topic", Some(What::Other), request);
            }
            8 => self.reset(),
            _ => {
                let queues = [(self.plan.topics[0].0.clone(), 0)];
                let queues = queues.iter().map(|(topic, queue)| (topic.as_str(), *queue)).collect();
                let lock = Lock { group: "cart-9", client: "operator", queues };
                self.ask(OPERATOR, "lock", Some(What::Other), Request::Lock(lock));
            }
        }
    }

    pub(crate) fn list(&mut self, set_aside: Option<bool>) {
        let filter = TransactionFilter { set_aside, max: 1000, ..TransactionFilter::default() };
        self.ask(OPERATOR, "list transactions", Some(What::List), Request::ListTransactions(filter));
    }

    fn some_half(&mut self) -> Option<CommitLogOffset> {
        let halves = &self.oracle.transactions.halves;
        halves.keys().nth(self.rng.below(halves.len() as u64) as usize).copied()
    }

    fn show(&mut self) {
        let Some(half) = self.some_half() else { return };
        let id = half.to_string();
        self.ask(OPERATOR, "show transaction", Some(What::Show(half)), Request::ShowTransaction { id: &id });
    }

    /// A transaction is shown as it is.
    pub(crate) fn shown(&mut self, half: CommitLogOffset, status: &TransactionStatus) {
        let outcome = match status.state {
            "committed" => Some(Outcome::Commit),
            "rolled-back" => Some(Outcome::Rollback),
            _ => None,
        };
        let Some(fact) = self.oracle.transactions.halves.get(&half) else { return };
        let known = fact.decided.map(|(outcome, _)| outcome);
        match outcome {
            Some(outcome) => {
                let end = self.end();
                self.oracle.decided(half, outcome, end, "shown");
            }
            None if known.is_some() => {
                let text = format!("half {half} is shown as {}, and was {known:?}", status.state);
                self.oracle.fail("a transaction has one decision", text);
            }
            None => {}
        }
    }

    /// Undecided transactions are listed: settles some of them. When the faults have stopped, those set aside are
    /// resumed, so that their producers are asked once more.
    pub(crate) fn listed(&mut self, rows: &[TransactionStatus]) {
        for row in rows {
            let Some(id) = self.oracle.transactions.by_key(&row.unique_key) else {
                let text = format!("{row:?} is listed and nobody sent it");
                return self.oracle.fail("only what was sent is stored", text);
            };
            if let Err((rule, text)) = self.oracle.transactions.learn(row.half.at, row.sequence.signed(), id) {
                return self.oracle.fail(rule, text);
            }
            let fact = &self.oracle.transactions.halves[&row.half.at];
            if fact.decided.is_some() {
                let text = format!("half {} is listed as {}: {fact:?}", row.half.at, row.state);
                return self.oracle.fail("a transaction has one decision", text);
            }
            let set_aside = row.state == "set-aside";
            if self.calm {
                if set_aside {
                    self.agenda.add(self.now, Intent::Resolve(row.half.at, Resolution::Resume, false));
                }
            } else if self.rng.chance(if set_aside { 200 } else { 30 }) {
                let resolution = match self.rng.below(4) {
                    0 => Resolution::Decide(Outcome::Commit),
                    1 => Resolution::Decide(Outcome::Rollback),
                    _ => Resolution::Resume,
                };
                let dry_run = self.rng.chance(100);
                self.agenda.add(self.now, Intent::Resolve(row.half.at, resolution, dry_run));
            }
        }
    }

    pub(crate) fn resolve(&mut self, half: CommitLogOffset, resolution: Resolution, dry_run: bool) {
        let id = half.to_string();
        let resolve = Resolve { id: &id, resolution, who: "ann", why: "she knows", dry_run };
        let (name, outcome) = match resolution {
            Resolution::Decide(Outcome::Commit) => ("resolve commit", Some(Outcome::Commit)),
            Resolution::Decide(Outcome::Rollback) => ("resolve rollback", Some(Outcome::Rollback)),
            Resolution::Resume => ("resolve resume", None),
        };
        if self.ask(OPERATOR, name, Some(What::Resolve { half, outcome, dry_run }), Request::Resolve(resolve))
            && !dry_run
        {
            let now = self.now;
            if let Some(outcome) = outcome {
                self.oracle.transactions.sends(half, outcome, now);
            }
            if let Some(fact) = self.oracle.transactions.halves.get_mut(&half) {
                fact.resumed |= outcome.is_none();
                let transaction = fact.transaction;
                self.oracle.transactions.get_mut(transaction).by_hand |= outcome.is_some();
            }
        }
    }

    pub(crate) fn delete_topic(&mut self) {
        let (topic, _) = self.rng.pick(&self.plan.topics);
        let force = self.rng.chance(500);
        let name = if force { "delete topic by force" } else { "delete topic" };
        let request = Request::DeleteTopic { topic: &topic, force, who: "ann" };
        if self.ask(OPERATOR, name, Some(What::DeleteTopic(topic.clone())), request) {
            self.oracle.deleting.insert(topic);
            // Halves that are set aside make room for other checks.
            self.unanswered.clear();
        }
    }

    fn reset(&mut self) {
        let (group, _, topics) = self.rng.pick(&self.plan.consumer_groups);
        let Some(topic) = topics.first().cloned() else { return };
        let time = if self.rng.chance(300) { Timestamp::from_millis(-1) } else { self.now.plus_ms(-60_000) };
        let request =
            Request::ResetOffset { group: &group, topic: &topic, time, force: true, queue: None, offset: None };
        let what = What::ResetOffset { group: group.clone(), topic: topic.clone() };
        if self.ask(OPERATOR, "reset offset", Some(what), request) {
            let queues = self.routes.get(&topic).map_or(8, |topic| topic.read_queues);
            self.oracle.offsets.reset(&group, &topic, queues);
        }
    }

    /// Looks up something that was delivered, or something that must not be found.
    pub(crate) fn ask_about(&mut self) {
        match self.rng.below(4) {
            0 => {
                if let Some(half) = self.some_half() {
                    let request = Request::ViewMessage { at: half };
                    self.ask(OPERATOR, "view message", Some(What::ViewHidden(half)), request);
                }
            }
            1 => {
                let (topic, _) = self.rng.pick(&self.plan.topics);
                let key = format!("key-{}", self.rng.below(50));
                let request = Request::QueryMessage {
                    topic: &topic,
                    key: &key,
                    max: 32,
                    from: Timestamp::ZERO,
                    to: Timestamp::MAX,
                    unique: false,
                };
                self.ask(
                    OPERATOR,
                    "query message",
                    Some(What::Query { topic: topic.clone(), key: key.clone() }),
                    request,
                );
            }
            2 => {
                let (topic, _) = self.rng.pick(&self.plan.topics);
                let request = Request::QueueBounds { topic: &topic, queue: 0 };
                self.ask(OPERATOR, "queue bounds", Some(What::Other), request);
            }
            _ => {
                let count = self.oracle.queues.all_slots().count() as u64;
                let number = self.rng.below(count) as usize;
                let found = self.oracle.queues.all_slots().nth(number);
                let found = found.map(|(topic, queue, offset, slot)| (topic.to_owned(), queue, offset, slot.at));
                if let Some((topic, queue, offset, at)) = found {
                    let what = What::View { topic, queue, offset };
                    self.ask(OPERATOR, "view message", Some(what), Request::ViewMessage { at });
                }
            }
        }
    }
}
