//! Transactional producers: a half, a local transaction in their database, a decision, and answers to checks.

use broker::io::{CheckPush, End, EndOutcome, Request, Sent, SessionId};
use message::entry::Outcome;
use message::record::Record;
use message::{CommitLogOffset, properties};

use crate::agenda::Intent;
use crate::clients::Role;
use crate::clients::producer::request;
use crate::coverage::Kind;
use crate::oracle::{Local, Transaction, TransactionId};
use crate::world::{What, World};

impl World {
    pub(crate) fn new_transaction(&mut self, client: usize) {
        let Role::Transactional(group) = &self.clients[client].role else { return };
        let group = group.clone();
        if self.clients[client].session.is_none() {
            return;
        }
        let id = TransactionId(self.oracle.transactions.list.len());
        let message = self.new_message(Some(id), true);
        let immunity_ms = self.rng.chance(self.chances.immunity).then(|| self.rng.pick(&[1_000, 10_000, 40_000]));
        self.oracle.transactions.list.push(Transaction {
            message,
            group,
            unique_key: self.oracle.messages[&message].unique_key(),
            local: Local::Open,
            running: Some(client),
            rogue: false,
            by_hand: false,
            unknowns: 0,
            immunity_ms,
            half_late: false,
            first_sent: self.now,
            halves: Vec::new(),
        });
        self.send_half(client, id);
    }

    pub(crate) fn send_half(&mut self, client: usize, id: TransactionId) {
        let transaction = self.oracle.transactions.get(id).clone();
        if transaction.running != Some(client) || transaction.local != Local::Open {
            return;
        }
        if self.clients[client].session.is_none() || self.node.is_none() {
            return self.half_failed(client, id);
        }
        let now = self.now;
        let message = {
            let message = self.oracle.messages.get_mut(&transaction.message).expect("made with its transaction");
            if message.tries == 0 {
                message.first_try = now;
            }
            message.tries += 1;
            message.clone()
        };
        let name = match (message.tries, message.delay_ms) {
            (2.., _) => "half again",
            (_, Some(_)) => "half delayed",
            _ => "half",
        };
        let mut text = message.properties();
        properties::push(&mut text, properties::TRAN_MSG, "true");
        properties::push(&mut text, properties::PGROUP, &transaction.group);
        if let Some(ms) = transaction.immunity_ms {
            properties::push(&mut text, properties::CHECK_IMMUNITY_TIME_IN_SECONDS, &(ms / 1000).to_string());
        }
        let body = message.body();
        let send = request(&message, &transaction.group, client, self.clock_of(client), &text, &body);
        self.ask(client, name, Some(What::Half(id)), Request::Send(send));
    }

    pub(crate) fn half_failed(&mut self, client: usize, id: TransactionId) {
        if self.oracle.transactions.get(id).running != Some(client) {
            return;
        }
        let tries = self.oracle.messages[&self.oracle.transactions.get(id).message].tries;
        if self.calm || tries > 5 || self.rng.chance(300) {
            self.oracle.transactions.get_mut(id).running = None;
        } else {
            let wait = self.rng.between(50, 5_000) as i64;
            self.agenda.add(self.now.plus_ms(wait), Intent::Half(client, id));
        }
    }

    /// The broker says that a half is stored. Its producer goes on if it hears that.
    pub(crate) fn half_stored(&mut self, client: usize, id: TransactionId, sent: &Sent, heard: bool) {
        let key = self.oracle.transactions.get(id).unique_key.clone();
        if sent.unique_key != key {
            let text = format!("{id:?} is {key:?} and was answered {sent:?}");
            return self.oracle.fail("an answer is about what was asked", text);
        }
        if let Err((rule, text)) = self.oracle.transactions.learn(sent.at, sent.queue_offset.signed(), id) {
            return self.oracle.fail(rule, text);
        }
        let end = self.end();
        let fact = &self.oracle.transactions.halves[&sent.at];
        if fact.answered.is_some() {
            self.oracle.reached.push("half repeated");
        }
        let fact = self.oracle.transactions.halves.get_mut(&sent.at).expect("just learned");
        fact.answered = Some(fact.answered.map_or(end, |known| known.min(end)));
        if heard && self.oracle.transactions.get(id).running == Some(client) {
            let wait = if self.rng.chance(100) { self.rng.below(15_000) } else { self.rng.below(200) };
            self.agenda.add(self.now.plus_ms(wait as i64), Intent::Local(client, id));
        }
    }

    /// Runs the local transaction, and says what became of it, or not.
    pub(crate) fn run_local(&mut self, client: usize, id: TransactionId) {
        let transaction = self.oracle.transactions.get(id);
        if transaction.running != Some(client) || !self.clients[client].alive || transaction.local != Local::Open {
            return;
        }
        let Some(half) = transaction.halves.last().copied() else { return };
        let (local, outcome) = match self.rng.chance(self.chances.rollback) {
            true => (Local::RolledBack, Outcome::Rollback),
            false => (Local::Committed, Outcome::Commit),
        };
        let rogue = self.rng.chance(self.chances.rogue);
        let transaction = self.oracle.transactions.get_mut(id);
        (transaction.local, transaction.running, transaction.rogue) = (local, None, rogue);
        self.history.note(self.now, format_args!("{} runs {id:?}: {local:?}", self.clients[client].name));
        if self.rng.chance(self.chances.decision_lost) {
            self.coverage.hit(Kind::Request, "decision lost");
            return;
        }
        if self.rng.chance(self.chances.end_unknown) {
            return self.decide(client, half, None, self.rng.clone().chance(500));
        }
        let soon = |world: &mut World, client: usize, outcome: Outcome, within_ms: u64| {
            let at = world.now.plus_ms(world.rng.below(within_ms) as i64);
            let two_way = world.rng.chance(600);
            world.agenda.add(at, Intent::Decide { client, half, outcome: Some(outcome), two_way });
        };
        soon(self, client, outcome, 20);
        if rogue {
            self.coverage.hit(Kind::Request, "decision contradicted");
            let opposite = if outcome == Outcome::Commit { Outcome::Rollback } else { Outcome::Commit };
            let other = self.other_instance(client);
            let within_ms = self.rng.pick(&[1, 30, 20_000]);
            soon(self, other, opposite, within_ms);
        }
        if self.rng.chance(self.chances.decision_repeated) {
            self.coverage.hit(Kind::Request, "decision repeated");
            let other = self.other_instance(client);
            let within_ms = self.rng.pick(&[1, 100, 60_000]);
            soon(self, other, outcome, within_ms);
        }
    }

    /// Some instance of the same group.
    fn other_instance(&mut self, client: usize) -> usize {
        let Role::Transactional(group) = &self.clients[client].role else { return client };
        let same: Vec<usize> = (0..self.clients.len())
            .filter(|other| matches!(&self.clients[*other].role, Role::Transactional(of) if of == group))
            .collect();
        self.rng.pick(&same)
    }

    /// Sends a decision that nobody asked for.
    pub(crate) fn decide(&mut self, client: usize, half: CommitLogOffset, outcome: Option<Outcome>, two_way: bool) {
        let Some(fact) = self.oracle.transactions.halves.get(&half) else { return };
        let (id, sequence) = (fact.transaction, fact.sequence);
        let name = match outcome {
            Some(Outcome::Commit) => "commit",
            Some(Outcome::Rollback) => "rollback",
            None => "unknown",
        };
        self.send_end(client, id, half, sequence, outcome, false, two_way, name);
    }

    #[allow(clippy::too_many_arguments)]
    fn send_end(
        &mut self,
        client: usize,
        id: TransactionId,
        half: CommitLogOffset,
        sequence: i64,
        outcome: Option<Outcome>,
        from_check: bool,
        two_way: bool,
        name: &'static str,
    ) {
        if self.clients[client].session.is_none() || self.node.is_none() {
            return;
        }
        let transaction = self.oracle.transactions.get(id);
        let (group, key) = (transaction.group.clone(), transaction.unique_key.clone());
        if let Some(outcome) = outcome {
            self.oracle.transactions.sends(half, outcome, self.now);
        }
        let end = End {
            group: &group,
            half: half.signed(),
            sequence,
            unique_key: &key,
            outcome: outcome.map_or(EndOutcome::Unknown, EndOutcome::Decided),
            from_check,
            remark: "",
        };
        self.history.note(self.now, format_args!("{} ends half {half}: {outcome:?}", self.clients[client].name));
        self.ask(client, name, two_way.then_some(What::End { half, outcome }), Request::End(end));
    }

    /// A decision that names another transaction than it means, or none.
    pub(crate) fn forge(&mut self, client: usize) {
        let halves = &self.oracle.transactions.halves;
        let Some((half, fact)) = halves.iter().nth(self.rng.below(halves.len() as u64) as usize) else { return };
        let (half, mut sequence, id) = (*half, fact.sequence, fact.transaction);
        let (mut group, mut key) = {
            let transaction = self.oracle.transactions.get(id);
            (transaction.group.clone(), transaction.unique_key.clone())
        };
        let mut at = half.signed();
        match self.rng.below(5) {
            0 => sequence += 1,
            1 => group = "strangers".into(),
            2 => key = "7F000001000000000000000099999999".into(),
            3 => at += 8,
            _ => (at, sequence) = (-1, -1),
        }
        let outcome = if self.rng.chance(500) { Outcome::Commit } else { Outcome::Rollback };
        let end = End {
            group: &group,
            half: at,
            sequence,
            unique_key: &key,
            outcome: EndOutcome::Decided(outcome),
            from_check: self.rng.chance(300),
            remark: "forged",
        };
        self.ask(client, "decision forged", Some(What::Forged), Request::End(end));
    }

    pub(crate) fn check_arrives(&mut self, session: SessionId, check: &CheckPush) {
        if let Err((rule, text)) = self.check_is_right(session, check) {
            return self.oracle.fail(rule, text);
        }
        let Some(client) = self.clients.iter().position(|client| client.session == Some(session)) else { return };
        if self.rng.chance(self.chances.check_silent) {
            self.coverage.hit(Kind::Request, "check not answered");
            return;
        }
        let slow = self.rng.chance(self.chances.check_slow);
        let wait = if slow { self.rng.between(2_000, 9_000) } else { self.rng.below(300) };
        let intent = Intent::AnswerCheck {
            client,
            session,
            half: check.half,
            sequence: check.sequence.signed(),
            key: check.unique_key.clone(),
        };
        self.agenda.add(self.now.plus_ms(wait as i64), intent);
    }

    fn check_is_right(&mut self, session: SessionId, check: &CheckPush) -> Result<(), (&'static str, String)> {
        let shown = format!("session {} is asked about half {} ({})", session.0, check.half, check.unique_key);
        let Some(id) = self.oracle.transactions.by_key(&check.unique_key) else {
            return Err(("only halves are asked about", shown));
        };
        let transaction = self.oracle.transactions.get(id).clone();
        let asked = self.session_clients.get(&session).map(|client| &self.clients[*client].role);
        if !matches!(asked, Some(Role::Transactional(group)) if *group == transaction.group) {
            return Err(("a foreign group is never asked", format!("{shown}, of {}", transaction.group)));
        }
        self.oracle.transactions.learn(check.half, check.sequence.signed(), id)?;
        let fact = self.oracle.transactions.halves[&check.half].clone();
        if fact.decided.is_some() {
            return Err(("nobody is asked about what is decided", format!("{shown}: {fact:?}")));
        }
        let config = &self.plan.engine.broker.checks;
        let immunity = transaction.immunity_ms.unwrap_or(0).max(u64::from(config.first_check_after_ms));
        if !fact.resumed && self.latest < transaction.first_sent.plus_ms(immunity as i64) {
            return Err(("nobody is asked before the time", format!("{shown}: {transaction:?}")));
        }
        let message = &self.oracle.messages[&transaction.message];
        let record = Record::parse(&check.record).map_err(|error| ("a check holds the half", error.to_string()))?;
        message.compare(&record).map_err(|why| ("a check holds the half", format!("{shown}: {why}")))?;
        if record.property(properties::TRAN_MSG) != Some("true") || record.property(properties::PGROUP).is_none() {
            return Err(("a check holds the half", format!("{shown}: {}", record.properties())));
        }
        let since = self.now.plus_ms(-i64::from(config.answer_timeout_ms));
        let unanswered_max = config.unanswered_max;
        let halves = &self.oracle.transactions.halves;
        let outstanding = self.unanswered.entry(session).or_default();
        outstanding.retain(|half, at| *at > since && halves.get(half).is_some_and(|fact| fact.untouched()));
        // A late answer to the check before counts as the answer to the one that crosses it.
        if self.answered_late.get(&(session, check.half)) != Some(&self.now) {
            outstanding.insert(check.half, self.now);
        }
        if outstanding.len() > unanswered_max && self.latest >= self.jumped_until && self.now != self.deleted_at {
            return Err(("one session is not flooded with checks", format!("{shown}, {} at once", outstanding.len())));
        }
        Ok(())
    }

    pub(crate) fn answer_check(
        &mut self,
        client: usize,
        session: SessionId,
        half: CommitLogOffset,
        sequence: i64,
        key: &str,
    ) {
        if self.clients[client].session != Some(session) || self.node.is_none() {
            return;
        }
        let Some(id) = self.oracle.transactions.by_key(key) else { return };
        let transaction = self.oracle.transactions.get(id);
        let mut outcome = match (transaction.local, transaction.running) {
            (Local::Committed, _) => Some(Outcome::Commit),
            (Local::RolledBack, _) => Some(Outcome::Rollback),
            (Local::Open, Some(_)) => None,
            (Local::Open, None) => {
                // Whoever says that there is no row sees to it that there never will be one.
                self.oracle.transactions.get_mut(id).local = Local::RolledBack;
                Some(Outcome::Rollback)
            }
        };
        if self.rng.chance(self.chances.check_unknown) {
            outcome = None;
        }
        if self.oracle.transactions.get(id).rogue && self.rng.chance(200) && !self.calm {
            outcome = Some(self.rng.pick(&[Outcome::Commit, Outcome::Rollback]));
        }
        let name = match outcome {
            Some(Outcome::Commit) => "check answered commit",
            Some(Outcome::Rollback) => "check answered rollback",
            None => "check answered unknown",
        };
        let two_way = self.rng.chance(300);
        self.send_end(client, id, half, sequence, outcome, true, two_way, name);
    }

    /// The broker hears that a client does not know what became of a half it was asked about.
    pub(crate) fn unknown_arrives(&mut self, session: SessionId, half: i64, key: &str) {
        let Some(id) = self.oracle.transactions.by_key(key) else { return };
        let half = CommitLogOffset::new(half.max(0) as u64);
        self.oracle.transactions.get_mut(id).unknowns += 1;
        self.unanswered.entry(session).or_default().remove(&half);
        self.answered_late.insert((session, half), self.now);
    }
}
