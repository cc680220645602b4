//! Members of consumer groups, and the auditor, who reads everything.

use broker::io::{Pull, PullStatus, Pulled, Request, SendBack, SessionId};
use message::record::Record;
use message::{CommitLogOffset, QueueOffset, names};

use crate::agenda::Intent;
use crate::clients::{Lane, Role};
use crate::oracle::MessageId;
use crate::world::{Asked, What, World};

/// Whether a message with this tag is wanted.
fn wants(tags: Option<&str>, tag: &str) -> bool {
    tags.is_none_or(|tags| tags.split("||").any(|wanted| wanted.trim() == tag))
}

impl World {
    /// Shares the queues of a group among its members that are connected, as clients do by themselves.
    pub(crate) fn balance(&mut self, client: usize, session: SessionId) {
        if self.clients[client].session != Some(session) {
            return;
        }
        let Role::Consumer(me) = &self.clients[client].role else { return };
        let members: Vec<usize> = self
            .clients
            .iter()
            .filter(|client| client.session.is_some())
            .filter_map(|client| match &client.role {
                Role::Consumer(other) if other.group == me.group => Some(other.member),
                _ => None,
            })
            .collect();
        let position = members.iter().position(|member| *member == me.member).unwrap_or(0);
        let retry = names::retry_topic(&me.group);
        let consumed = |topic: &str| match &me.topics {
            Some(topics) => topic == retry || topics.iter().any(|of| of == topic),
            None => !is_system(topic),
        };
        let queues = self
            .routes
            .values()
            .filter(|topic| consumed(&topic.name))
            .flat_map(|topic| (0..topic.read_queues).map(move |queue| (topic.name.clone(), queue)));
        let mine: Vec<(String, u32)> = queues
            .enumerate()
            .filter(|(number, _)| number % members.len() == position)
            .map(|(_, queue)| queue)
            .collect();
        let (auditor, group) = (me.topics.is_none(), me.group.clone());
        let Some(me) = self.clients[client].consumer() else { return };
        me.lanes.retain(|queue, _| mine.contains(queue));
        let new: Vec<(String, u32)> = mine
            .iter()
            .filter_map(|queue| {
                let lane = Lane { next: auditor.then_some(0), busy: !auditor, ..Lane::default() };
                let new = !me.lanes.contains_key(queue);
                me.lanes.entry(queue.clone()).or_insert(lane);
                new.then(|| queue.clone())
            })
            .collect();
        for (topic, queue) in new.iter().filter(|_| !auditor) {
            self.query_offset(client, &group, topic, *queue);
        }
        for (topic, queue) in mine {
            self.pull_in(client, session, &topic, queue, 1);
        }
        self.agenda.add(self.now.plus_ms(3_000), Intent::Balance(client, session));
    }

    /// Has a consumer read a queue in a while, unless it is about to.
    fn pull_in(&mut self, client: usize, session: SessionId, topic: &str, queue: u32, ms: u64) {
        let Some(me) = self.clients[client].consumer() else { return };
        let Some(lane) = me.lanes.get_mut(&(topic.to_owned(), queue)) else { return };
        if !lane.planned {
            lane.planned = true;
            let intent = Intent::Pull(client, session, topic.to_owned(), queue);
            self.agenda.add(self.now.plus_ms(ms as i64), intent);
        }
    }

    pub(crate) fn pull(&mut self, client: usize, session: SessionId, topic: &str, queue: u32) {
        if self.clients[client].session != Some(session) {
            return;
        }
        let gone = self.oracle.queues.gone(topic);
        let Some(me) = self.clients[client].consumer() else { return };
        let (group, tags, auditor) = (me.group.clone(), me.tags, me.topics.is_none());
        let again = names::group_of_retry_topic(topic).is_some();
        let tags = if again { None } else { tags };
        let Some(lane) = me.lanes.get_mut(&(topic.to_owned(), queue)) else { return };
        lane.planned = false;
        let Some(next) = lane.next.filter(|_| !lane.busy) else { return };
        lane.busy = true;
        let untold = lane.untold && self.rng.chance(300);
        let suspend_ms = (!auditor && self.rng.chance(600)).then(|| self.rng.pick(&[500, 5_000, 15_000]));
        let expression = tags.unwrap_or("*");
        let heartbeat = !auditor && !again && self.rng.chance(300);
        let pull = Pull {
            group: &group,
            topic,
            queue: queue as i32,
            offset: next as i64,
            max_messages: if auditor { 32 } else { self.rng.pick(&[1, 8, 32]) },
            max_bytes: None,
            commit_offset: untold.then_some(next as i64),
            suspend_ms,
            subscription: (!heartbeat).then_some(expression),
            sub_version: 0,
            expression_type: "TAG",
        };
        let long = suspend_ms.is_some();
        let what = What::Pull { topic: topic.to_owned(), queue, from: next as i64, tags, gone };
        let name = match (untold, long) {
            (true, _) => "offset with a pull",
            (_, true) => "long pull",
            _ => "pull",
        };
        if self.ask(client, name, Some(what), Request::Pull(pull)) && untold {
            let token = self.last_token();
            self.oracle.offsets.told(&group, topic, queue, next, Some(token));
        }
    }

    fn query_offset(&mut self, client: usize, group: &str, topic: &str, queue: u32) {
        let allowed = self.oracle.offsets.answers(group, topic, queue);
        let gone = self.oracle.queues.gone(topic);
        let what = What::QueryOffset { group: group.to_owned(), topic: topic.to_owned(), queue, allowed, gone };
        let zero_if_absent = self.rng.chance(700);
        let request = Request::QueryOffset { group, topic, queue, zero_if_absent };
        self.ask(client, "query offset", Some(what), request);
    }

    pub(crate) fn offset_queried(&mut self, asked: &Asked, offset: Option<u64>) {
        let What::QueryOffset { group, topic, queue, allowed, gone } = &asked.what else { return };
        let (topic, queue) = (topic.as_str(), *queue);
        if self.oracle.queues.gone(topic) != *gone {
            return;
        }
        let right = self.oracle.deleting.contains(topic)
            || allowed.as_ref().is_none_or(|allowed| {
                // A group without an offset is told to begin at 0.
                allowed.contains(&offset) || (offset == Some(0) && allowed.contains(&None))
            });
        let now = self.oracle.offsets.answers(group, topic, queue);
        if !right && now.is_some_and(|now| !now.contains(&offset)) {
            let text = format!("{group} has stored {offset:?} for {topic} queue {queue}, and told {allowed:?}");
            return self.oracle.fail("a stored offset is the one told last", text);
        }
        let end = self.queue_end(topic, queue);
        if end.is_some() && offset > end && self.oracle.queues.gone(topic) == 0 {
            let text = format!("{group} has {offset:?} for {topic} queue {queue}, which ends at {end:?}");
            return self.oracle.fail("nobody is told to begin behind the end of a queue", text);
        }
        let (client, session) = (asked.client, asked.session);
        if self.clients[client].session != Some(session) {
            return;
        }
        let Some(me) = self.clients[client].consumer() else { return };
        if let Some(lane) = me.lanes.get_mut(&(topic.to_owned(), queue)) {
            (lane.next, lane.busy) = (Some(offset.unwrap_or(0)), false);
            self.pull_in(client, session, topic, queue, 1);
        }
    }

    fn queue_end(&self, topic: &str, queue: u32) -> Option<u64> {
        let state = self.node.as_ref()?.engine.broker().state();
        Some(state.topics.get(topic)?.next(queue).get())
    }

    /// A pull is answered.
    pub(crate) fn pulled(&mut self, asked: &Asked, pulled: &Pulled) {
        let What::Pull { topic, queue, from, tags, gone } = &asked.what else { return };
        let (topic, queue, from, tags) = (topic.clone(), *queue, *from, *tags);
        if self.oracle.queues.gone(&topic) != *gone {
            // It was made for a topic of the same name that is gone since.
            return;
        }
        let place = format!("{topic} queue {queue} from {from} on");
        let records = match self.read_pulled(&topic, queue, from, tags, pulled) {
            Ok(records) => records,
            Err((rule, text)) => return self.oracle.fail(rule, format!("{place}: {text}")),
        };
        let (client, session) = (asked.client, asked.session);
        if asked.gone || self.clients[client].session != Some(session) {
            return;
        }
        let auditor = self.clients[client].is_auditor();
        self.plant_offset(session, client, &topic, queue, pulled);
        let Some(me) = self.clients[client].consumer() else { return };
        let Some(lane) = me.lanes.get_mut(&(topic.clone(), queue)) else { return };
        lane.busy = false;
        lane.next = Some(pulled.next.get());
        lane.untold |= !auditor && !records.is_empty();
        let wait = match (records.is_empty(), self.calm) {
            (false, _) => self.rng.between(1, 50),
            (true, false) => self.rng.between(100, 2_000),
            (true, true) => self.rng.between(2_000, 6_000),
        };
        self.pull_in(client, session, &topic, queue, wait);
        if auditor {
            return;
        }
        let now = self.now;
        for (message, at, attempt) in records.iter().copied() {
            if self.rng.chance(self.chances.consume_fails) {
                self.agenda.add(now, Intent::SendBack { client, session, message, at, attempt });
            }
        }
        if !records.is_empty() {
            let two_way = match self.rng.below(10) {
                0..5 => false,
                5..7 => true,
                _ => return,
            };
            let queue = (topic.clone(), self.oracle.queues.gone(&topic), queue);
            let offset = pulled.next.get();
            self.agenda.add(now, Intent::TellOffset { client, session, queue, offset, two_way });
        }
    }

    /// Compares what a pull brought with what is known of the queue.
    #[allow(clippy::type_complexity)]
    fn read_pulled(
        &mut self,
        topic: &str,
        queue: u32,
        from: i64,
        tags: Option<&str>,
        pulled: &Pulled,
    ) -> Result<Vec<(MessageId, CommitLogOffset, i32)>, (&'static str, String)> {
        let rule = "a pull brings all there is, in order";
        let shown = format!("{:?}, next {}, {}..{}", pulled.status, pulled.next, pulled.min, pulled.max);
        let from = from.max(0) as u64;
        let (next, min, max) = (pulled.next.get(), pulled.min.get(), pulled.max.get());
        if min > max || next > max {
            return Err((rule, shown));
        }
        self.expired(topic, queue, min)?;
        let mut records = Vec::new();
        let mut expected = from;
        let mut rest = &pulled.body[..];
        while !rest.is_empty() {
            let record = Record::parse(rest).map_err(|error| (rule, format!("{shown}: {error}")))?;
            let offset = record.queue_offset().get();
            if offset < expected || offset >= next || (tags.is_none() && offset != expected) {
                return Err((rule, format!("{shown}: offset {offset} where {expected} should be")));
            }
            let tag = record.property(message::properties::TAGS).unwrap_or_default();
            if !wants(tags, tag) {
                return Err(("a pull brings what its filter lets through", format!("{shown}: {tag} at {offset}")));
            }
            self.passed_over(topic, queue, expected, offset, tags)?;
            self.oracle.seen(topic, queue, &record);
            if let Some(id) = self.oracle.queues.slot(topic, queue, offset).and_then(|slot| slot.message) {
                records.push((id, record.physical_offset(), record.reconsume_times()));
            }
            expected = offset + 1;
            rest = &rest[record.bytes().len()..];
        }
        if records.len() != pulled.count as usize && !self.broken() {
            return Err((rule, format!("{shown}: {} of {} records", records.len(), pulled.count)));
        }
        let right = match pulled.status {
            PullStatus::Found => !records.is_empty() && (tags.is_some() || next == expected),
            PullStatus::NoMatch => records.is_empty() && tags.is_some() && next > from,
            // A pull that waits goes on behind what its filter holds back.
            PullStatus::AtEnd => records.is_empty() && (from == max || tags.is_some()) && next == max,
            PullStatus::Empty => records.is_empty() && max == 0,
            PullStatus::TooSmall => records.is_empty() && from < min && next == min,
            // An end that goes back has lost what was in front of it.
            PullStatus::TooLarge => self.plan.is_lossy(),
        };
        if !right {
            return Err((rule, shown));
        }
        if matches!(pulled.status, PullStatus::Found | PullStatus::NoMatch | PullStatus::AtEnd) {
            self.passed_over(topic, queue, expected, next, tags)?;
        }
        if let Some((later, slot)) = self.oracle.queues.slots(topic, queue, max, u64::MAX).next() {
            return Err(("what was delivered is not lost", format!("{shown}: {slot:?} was seen at {later}")));
        }
        Ok(records)
    }

    /// A consumer was told to go on behind these messages without having been given them.
    fn passed_over(
        &mut self,
        topic: &str,
        queue: u32,
        from: u64,
        to: u64,
        tags: Option<&str>,
    ) -> Result<(), (&'static str, String)> {
        let wanted = self.oracle.queues.slots(topic, queue, from, to).find(|(_, slot)| wants(tags, &slot.tag));
        match wanted {
            Some((offset, slot)) => {
                Err(("a pull brings all there is, in order", format!("{slot:?} at {offset} is left out")))
            }
            None => Ok(()),
        }
    }

    /// A queue begins at `min`: what was before has expired, if it may.
    fn expired(&mut self, topic: &str, queue: u32, min: u64) -> Result<(), (&'static str, String)> {
        let rule = "nothing expires before its time";
        if min == 0 {
            return Ok(());
        }
        self.oracle.may_begin_at(topic, queue, min)?;
        if self.queue_end(topic, queue) == Some(min) {
            self.oracle.reached.push("queue expired to its end");
        }
        let retention = self.plan.engine.retention;
        let youngest = min.checked_sub(1).and_then(|last| self.oracle.queues.slot(topic, queue, last));
        if let Some(slot) = youngest.filter(|_| retention.size.is_none()) {
            let age_ms = self.now.since_ms(slot.time);
            if age_ms < retention.age_ms {
                return Err((rule, format!("it begins at {min}, and {slot:?} is {age_ms} ms old")));
            }
        }
        self.oracle.queues.expired_below(topic, queue, min);
        Ok(())
    }

    pub(crate) fn tell_offset(
        &mut self,
        client: usize,
        session: SessionId,
        queue: (String, u64, u32),
        offset: u64,
        two_way: bool,
    ) {
        let (topic, gone, queue) = queue;
        if self.clients[client].session != Some(session) || self.oracle.queues.gone(&topic) != gone {
            return;
        }
        let Some(me) = self.clients[client].consumer() else { return };
        let (group, topic) = (&me.group.clone(), topic.as_str());
        if self.bug == Some(crate::bugs::Bug::OffsetAnsweredUnstored) && two_way && self.rng.chance(300) {
            let token = Some(u64::MAX);
            self.oracle.offsets.told(group, topic, queue, offset, token);
            return self.oracle.offsets.stored(group, topic, queue, u64::MAX);
        }
        let what = two_way.then(|| What::TellOffset { group: group.to_owned(), topic: topic.to_owned(), queue });
        let request = Request::UpdateOffset { group, topic, queue, offset: offset as i64 };
        let name = if two_way { "offset two-way" } else { "offset one-way" };
        if self.ask(client, name, what, request) {
            // What a connection that is half-open tells reaches nobody.
            let sure = !two_way && !self.network.is_half_open(session);
            let token = (!sure).then(|| self.last_token());
            self.oracle.offsets.told(group, topic, queue, offset, token);
            if let Some(me) = self.clients[client].consumer()
                && let Some(lane) = me.lanes.get_mut(&(topic.to_owned(), queue))
            {
                lane.untold = false;
            }
        }
    }

    pub(crate) fn send_back(
        &mut self,
        client: usize,
        session: SessionId,
        message: MessageId,
        at: CommitLogOffset,
        attempt: i32,
    ) {
        if self.clients[client].session != Some(session) {
            return;
        }
        let Some(me) = self.clients[client].consumer() else { return };
        let (group, at) = (me.group.clone(), at.signed());
        let attempt = attempt + 1;
        let what = What::SendBack { group: group.clone(), message, attempt };
        let delay_level = self.rng.pick(&[0, 0, 1, 2, -1]);
        let back = SendBack { group: &group, offset: at, delay_level, origin_id: "ORIGIN", max_reconsume_times: None };
        if self.ask(client, "send back", Some(what), Request::SendBack(back)) {
            self.oracle.sent_back.entry((group, message, attempt)).or_default().tries += 1;
        }
    }

    pub(crate) fn reset_arrives(&mut self, session: SessionId, topic: &str, offsets: &[(u32, QueueOffset)]) {
        let Some(client) = self.clients.iter().position(|client| client.session == Some(session)) else { return };
        if let Some(me) = self.clients[client].consumer() {
            me.lanes.retain(|(of, queue), _| of != topic || !offsets.iter().any(|(reset, _)| reset == queue));
        }
        self.agenda.add(self.now.plus_ms(5), Intent::Balance(client, session));
    }
}

/// Topics nobody but the system uses.
pub(crate) fn is_system(topic: &str) -> bool {
    names::is_system_topic(topic) || topic.ends_with("_REPLY_TOPIC") || ["DefaultCluster", "tandem"].contains(&topic)
}
