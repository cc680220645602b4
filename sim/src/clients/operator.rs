//! Operators: they look at transactions and settle them by hand, make and delete topics, and look messages up.

use broker::io::{Lock, Request, Resolution, Resolve, TransactionFilter, TransactionStatus};
use message::entry::{Outcome, TopicConfig};
use message::{CommitLogOffset, Timestamp};

use crate::agenda::Intent;
use crate::clients::OPERATOR;
use crate::oracle::TransactionId;
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
        match self.rng.below(12) {
            0..4 => self.list(None),
            4..7 => self.show(),
            7 => {
                let (topic, _) = self.rng.pick(&self.plan.topics);
                let request = Request::PutTopic(TopicConfig::new(topic, 4));
                self.ask(OPERATOR, "put topic", Some(What::Other), request);
            }
            8 => self.reset(),
            9 => self.permit(),
            10 => self.statistics(),
            _ => {
                let queues = [(self.plan.topics[0].0.clone(), 0)];
                let queues = queues.iter().map(|(topic, queue)| (topic.as_str(), *queue)).collect();
                let lock = Lock { group: "cart-9", client: "operator", queues };
                self.ask(OPERATOR, "lock", Some(What::Other), Request::Lock(lock));
            }
        }
    }

    /// Closes a topic to writers for a while: what is under way to it is delivered all the same.
    fn permit(&mut self) {
        let (topic, _) = self.rng.pick(&self.plan.topics);
        let Some(config) = self.routes.get(&topic).cloned() else { return };
        let closed = TopicConfig { perm: TopicConfig::READ, ..config };
        if self.ask(OPERATOR, "close topic", Some(What::Other), Request::PutTopic(closed)) {
            self.closed_topics += 1;
            let wait = self.rng.between(10, 3_000) as i64;
            self.agenda.add(self.now.plus_ms(wait), Intent::OpenTopic(topic));
        }
    }

    /// Opens a topic to writers again, however long it takes until the broker is there to hear it.
    pub(crate) fn open_topic(&mut self, topic: String) {
        // A topic that is gone is made anew with its first message, and is open then.
        let Some(config) = self.routes.get(&topic).cloned() else { return };
        let open = TopicConfig { perm: TopicConfig::READ | TopicConfig::WRITE, ..config };
        if !self.ask(OPERATOR, "open topic", Some(What::Permit(topic.clone())), Request::PutTopic(open)) {
            self.agenda.add(self.now.plus_ms(500), Intent::OpenTopic(topic));
        }
    }

    fn statistics(&mut self) {
        let (topic, _) = self.rng.pick(&self.plan.topics);
        let (group, ..) = self.rng.pick(&self.plan.consumer_groups);
        let request = match self.rng.below(3) {
            0 => Request::TopicStats { topic: &topic },
            1 => Request::ConsumeStats { group: &group, topic: None },
            _ => Request::ConsumerList { group: &group },
        };
        self.ask(OPERATOR, "statistics", Some(What::Other), request);
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
            if let Err((rule, text)) = self.attempts_are_answers(id, row) {
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

    /// Only a check that was answered with "unknown" counts, and only so many of them, or the end of its topic, set a
    /// transaction aside.
    fn attempts_are_answers(&self, id: TransactionId, row: &TransactionStatus) -> Result<(), (&'static str, String)> {
        let transaction = self.oracle.transactions.get(id);
        let shown = || format!("{transaction:?} is listed as {}, {} attempts", row.state, row.attempts);
        if row.attempts > transaction.unknowns {
            return Err(("only an answer counts as a check", shown()));
        }
        let topic = &self.oracle.messages[&transaction.message].topic;
        let deleted = self.oracle.queues.gone(topic) > 0 || self.oracle.deleting.contains(topic);
        if row.state == "set-aside" && transaction.unknowns < self.plan.engine.broker.checks.check_max && !deleted {
            return Err(("nothing is set aside before it was asked about often enough", shown()));
        }
        Ok(())
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
            self.deleted_at = self.now;
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
                    let what = What::View { gone: self.oracle.queues.gone(&topic), topic, queue, offset };
                    self.ask(OPERATOR, "view message", Some(what), Request::ViewMessage { at });
                }
            }
        }
    }
}
