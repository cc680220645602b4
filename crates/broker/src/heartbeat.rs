//! Who is there: heartbeats, farewells, connections that end, members of groups.

use std::sync::Arc;

use message::entry::{Entry, GroupConfig, TopicConfig};
use message::{Timestamp, names};

use crate::Broker;
use crate::io::{Answer, Heartbeat, Lock, Output, Outputs, Push, Refusal, Reply, SessionId};
use crate::pending::Pending;

impl Broker {
    pub(crate) fn heartbeat(
        &mut self,
        session: SessionId,
        reply: Option<Reply>,
        beat: &Heartbeat<'_>,
        out: &mut Outputs,
    ) {
        let now = self.now;
        let named =
            beat.producers.len() + beat.consumers.iter().map(|data| 1 + data.subscriptions.len()).sum::<usize>();
        if named > HEARTBEAT_NAMES_MAX {
            let text =
                format!("the heartbeat names {named} groups and topics; at most {HEARTBEAT_NAMES_MAX} are allowed");
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        }
        self.leave_old_name(session, beat.client, out);
        let client: Arc<str> = Arc::from(beat.client);
        if !self.sessions.named(session, &client, beat.language, beat.version, now) {
            return;
        }
        for group in &beat.producers {
            if names::validate_group(group).is_ok() {
                self.producer_seen(session, group, out);
            }
        }
        for data in &beat.consumers {
            match self.group_config_or_create(&data.group, out) {
                Ok(Some(_)) => {}
                Ok(None) => return self.refuse(reply, Refusal::GroupNotFound(data.group.clone()), out),
                Err(refusal) => return self.refuse(reply, refusal, out),
            }
            let limit = self.config.limits.group_members;
            if self.consumers.is_full(&data.group, &client, limit) {
                let text = format!(
                    "consumer group {:?} has {limit} members already; limits.group_members allows no more",
                    data.group
                );
                return self.refuse(reply, Refusal::Busy(text), out);
            }
            let changed = self.consumers.heartbeat(&client, session, data, now);
            let name: Arc<str> = Arc::from(data.group.as_str());
            if let Some(known) = self.sessions.get_mut(session) {
                known.consumer_groups.insert(name);
            }
            if changed {
                self.tell_group(&data.group, out);
            }
        }
        self.done(reply, out);
    }

    /// A connection that goes by another client id now leaves the groups it joined under the old one.
    fn leave_old_name(&mut self, session: SessionId, client: &str, out: &mut Outputs) {
        let Some(known) = self.sessions.get_mut(session).filter(|known| &*known.client != client) else { return };
        let old = known.client.clone();
        for group in std::mem::take(&mut known.consumer_groups) {
            if self.consumers.leave(&group, &old, session) {
                self.tell_group(&group, out);
            }
        }
    }

    /// A connection speaks for a producer group: it can be asked about halves, at once if some wait for it.
    pub(crate) fn producer_seen(&mut self, session: SessionId, group: &str, out: &mut Outputs) {
        let known = self.sessions.get(session);
        if known.is_some_and(|known| {
            known.producer_groups.len() >= SESSION_GROUPS_MAX && !known.producer_groups.contains_key(group)
        }) {
            return;
        }
        if self.sessions.produces(session, group, self.now) {
            self.producer_joined(session, group, out);
        }
    }

    pub(crate) fn unregister(
        &mut self,
        session: SessionId,
        reply: Option<Reply>,
        client: &str,
        producer_group: Option<&str>,
        consumer_group: Option<&str>,
        out: &mut Outputs,
    ) {
        if let Some(group) = producer_group {
            self.producer_leaves(session, group, out);
        }
        if let Some(group) = consumer_group {
            if let Some(known) = self.sessions.get_mut(session) {
                known.consumer_groups.remove(group);
            }
            if self.consumers.leave(group, client, session) {
                self.tell_group(group, out);
            }
        }
        self.done(reply, out);
    }

    fn producer_leaves(&mut self, session: SessionId, group: &str, out: &mut Outputs) {
        if self.sessions.stops_producing(session, group) {
            self.producer_left(session, group, out);
        }
    }

    /// A connection ended: whoever it was is gone from every group.
    pub(crate) fn gone(&mut self, session: SessionId, out: &mut Outputs) {
        for (id, pull) in self.held.drop_session(session) {
            self.forget_held(id, &pull);
        }
        let Some(closed) = self.sessions.close(session) else { return };
        if !closed.producer_groups.is_empty() {
            let session = crate::checks::name(session);
            self.check_step(transaction::Event::SessionLeft { session }, out);
        }
        for group in &closed.consumer_groups {
            if self.consumers.leave(group, &closed.client, session) {
                self.tell_group(group, out);
            }
        }
    }

    /// Much time has passed since the last input: the clock was set forward, or the process, or its disk, stood still.
    /// Nobody could be heard in that time, so nobody was silent in it.
    pub(crate) fn nobody_was_heard_for(&mut self, gap_ms: i64) {
        self.sessions.prolong(gap_ms);
        self.consumers.prolong(gap_ms);
        self.locks.prolong(gap_ms);
    }

    /// Forgets clients that have said nothing for two minutes although their connection stands.
    pub(crate) fn expire_sessions(&mut self, out: &mut Outputs) {
        if self.now < self.next_expiry {
            return;
        }
        self.next_expiry = self.now.plus_ms(EXPIRY_ROUND_MS);
        let limit_ms = self.config.limits.session_timeout_ms;
        for (session, group) in self.sessions.silent_producers(self.now, limit_ms) {
            self.producer_leaves(session, &group, out);
        }
        for (group, client, session) in self.consumers.silent(self.now, limit_ms) {
            if let Some(known) = self.sessions.get_mut(session) {
                known.consumer_groups.remove(&group);
            }
            if self.consumers.leave(&group, &client, session) {
                self.tell_group(&group, out);
            }
        }
        self.locks.expire(self.now);
    }

    pub(crate) fn expiry_deadline(&self) -> Option<Timestamp> {
        (self.sessions.len() > 0).then_some(self.next_expiry)
    }

    /// Tells all members that the group changed, so that they share its queues anew.
    fn tell_group(&mut self, group: &str, out: &mut Outputs) {
        if self.group_config(group).is_some_and(|config| !config.notify_ids_changed) {
            return;
        }
        let Some(members) = self.consumers.get(group).map(|found| found.members.values().copied().collect::<Vec<_>>())
        else {
            return;
        };
        for member in members {
            let push = self.next_push();
            out.list.push(Output::Push(push, member.session, Push::GroupChanged { group: group.to_owned() }));
        }
    }

    pub(crate) fn consumer_list(&mut self, reply: Reply, group: &str, out: &mut Outputs) {
        let answer = match self.consumers.get(group) {
            Some(found) => Answer::Clients(found.members.keys().cloned().collect()),
            None => Answer::Refused(Refusal::Failed(format!("no member of consumer group {group:?} is connected"))),
        };
        out.list.push(Output::Answer(reply, answer));
    }

    pub(crate) fn lock(&mut self, reply: Option<Reply>, lock: &Lock<'_>, out: &mut Outputs) {
        let lock_ms = self.config.limits.lock_ms;
        // What does not exist is not locked: so there are never more locks than groups have queues to consume.
        let exists = |(topic, queue): &(&str, u32)| {
            self.topics.get(topic).is_some_and(|view| *queue < view.config.read_queues.max(view.config.write_queues))
        };
        let queues: Vec<_> = lock.queues.iter().copied().filter(exists).collect();
        let locked = match self.group_view.contains_key(lock.group) {
            true => self.locks.lock(lock.group, lock.client, &queues, self.now, lock_ms),
            false => Vec::new(),
        };
        if let Some(reply) = reply {
            out.list.push(Output::Answer(reply, Answer::Locked(locked)));
        }
    }

    pub(crate) fn unlock(&mut self, reply: Option<Reply>, lock: &Lock<'_>, out: &mut Outputs) {
        self.locks.unlock(lock.group, lock.client, &lock.queues);
        self.done(reply, out);
    }

    /// What is set for a consumer group, including what is on its way to the log.
    pub(crate) fn group_config(&self, group: &str) -> Option<&GroupConfig> {
        self.group_view.get(group)
    }

    /// What is set for a group; it is made, with its retry topic, when that is allowed. `None` when it is not.
    pub(crate) fn group_config_or_create(
        &mut self,
        group: &str,
        out: &mut Outputs,
    ) -> Result<Option<GroupConfig>, Refusal> {
        let retry = names::retry_topic(group);
        if let Some(config) = self.group_view.get(group).cloned() {
            if self.topics.get(&retry).is_none() && !names::is_system_group(group) {
                self.propose_topic(TopicConfig::new(retry, config.retry_queues.max(1)), Pending::Nobody, out)?;
            }
            return Ok(Some(config));
        }
        if !self.config.auto_create_groups && !names::is_system_group(group) {
            return Ok(None);
        }
        names::validate_group(group).map_err(|error| Refusal::InvalidParameter(error.to_string()))?;
        self.accepts_new(512, out)?;
        let config = GroupConfig { retry_max: self.config.retry_max, ..GroupConfig::new(group) };
        self.propose_group(config.clone(), Pending::Nobody, out)?;
        if self.topics.get(&retry).is_none() {
            self.propose_topic(TopicConfig::new(retry, config.retry_queues), Pending::Nobody, out)?;
        }
        Ok(Some(config))
    }

    pub(crate) fn propose_group(
        &mut self,
        config: GroupConfig,
        pending: Pending,
        out: &mut Outputs,
    ) -> Result<(), Refusal> {
        let limit = self.config.limits.groups;
        if !self.group_view.contains_key(config.name.as_str()) && self.group_view.len() >= limit {
            return Err(Refusal::Busy(format!(
                "there are {limit} consumer groups already; limits.groups allows no more"
            )));
        }
        self.group_view.insert(Arc::from(config.name.as_str()), config.clone());
        self.propose(out, pending, true, |payload| Entry::Group(config).encode(payload));
        Ok(())
    }

    pub(crate) fn done(&mut self, reply: Option<Reply>, out: &mut Outputs) {
        if let Some(reply) = reply {
            out.list.push(Output::Answer(reply, Answer::Done));
        }
    }
}

/// Groups and topics one heartbeat may name: far more than any client has, and few enough to compare each with each.
const HEARTBEAT_NAMES_MAX: usize = 2000;
/// Producer groups one connection may speak for.
const SESSION_GROUPS_MAX: usize = 1000;

/// Milliseconds between two looks for clients that went silent.
pub(crate) const EXPIRY_ROUND_MS: i64 = 10_000;

/// While anybody is connected there is an input at least every [`EXPIRY_ROUND_MS`]: this many milliseconds without one
/// are no silence of theirs.
pub(crate) const UNHEARD_MS: i64 = 2 * EXPIRY_ROUND_MS;
