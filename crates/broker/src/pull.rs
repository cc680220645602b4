//! Reading queues, at once or when something comes (long polling).

use std::collections::BTreeSet;

use message::{QueueOffset, Timestamp, names};

use crate::Broker;
use crate::held::{HeldId, HeldPull};
use crate::io::{
    Answer, MessageModel, Output, Outputs, Pull, PullRead, PullStatus, Pulled, ReadOutcome, ReadRequest, Refusal,
    Reply, TagFilter,
};
use crate::reads::Purpose;
use crate::state::{Visible, tags_code_of_first};

/// Longest a pull is held, whatever the client asks for.
const HOLD_MS_MAX: u64 = 60_000;

impl Broker {
    pub(crate) fn pull(&mut self, reply: Reply, pull: &Pull<'_>, out: &mut Outputs) {
        if let Err(refusal) = self.try_pull(reply, pull, out) {
            self.refuse(Some(reply), refusal, out);
        }
    }

    fn try_pull(&mut self, reply: Reply, pull: &Pull<'_>, out: &mut Outputs) -> Result<(), Refusal> {
        if names::is_transaction_view(pull.topic) {
            return self.pull_view(reply, pull, out);
        }
        let Some(group) = self.group_config_or_create(pull.group, out)? else {
            return Err(Refusal::GroupNotFound(pull.group.to_owned()));
        };
        if !group.consume_enable {
            return Err(Refusal::NoPermission(format!("consumer group {:?} may not consume", pull.group)));
        }
        let Some(view) = self.topics.get(pull.topic) else {
            return Err(Refusal::TopicNotFound(pull.topic.to_owned()));
        };
        if !view.config.is_readable() {
            return Err(Refusal::NoPermission(format!("topic {:?} has no permission to be read", pull.topic)));
        }
        let queues = view.config.read_queues;
        let queue = u32::try_from(pull.queue).ok().filter(|queue| *queue < queues).ok_or_else(|| {
            Refusal::InvalidParameter(format!(
                "queue {} is out of range: topic {:?} has {queues} queues to read",
                pull.queue, pull.topic
            ))
        })?;
        let topic = view.name.clone();
        let filter = self.filter(pull)?;
        if let Some(offset) = pull.commit_offset.and_then(QueueOffset::from_signed) {
            self.offset_told(pull.group, &topic, queue, offset);
        }
        let limits = &self.config.limits;
        let read = PullRead {
            session: reply.session,
            topic,
            queue,
            from: pull.offset,
            max_messages: (pull.max_messages.max(1) as usize).min(limits.pull_messages),
            max_bytes: pull.max_bytes.map_or(limits.pull_bytes, |max| (max as usize).min(limits.pull_bytes)),
            filter,
        };
        let hold_ms = pull.suspend_ms.map(|ms| ms.min(HOLD_MS_MAX) as i64);
        let held = HeldPull {
            reply,
            read,
            group: pull.group.to_owned(),
            until: hold_ms.map_or(self.now, |ms| self.now.plus_ms(ms)),
        };
        self.read_for(held, hold_ms.is_some(), out);
        Ok(())
    }

    /// What the consumer wants: as it says in the pull, or as its group said in a heartbeat.
    fn filter(&self, pull: &Pull<'_>) -> Result<TagFilter, Refusal> {
        let by_tag = |kind: &str| kind.is_empty() || kind == "TAG";
        let sql = || Refusal::NotSupported("filters of type SQL92 are not supported; subscribe by tag".into());
        if let Some(expression) = pull.subscription {
            return if by_tag(pull.expression_type) { Ok(TagFilter::parse(expression)) } else { Err(sql()) };
        }
        let group = self.consumers.get(pull.group).ok_or_else(|| {
            Refusal::SubscriptionMissing(format!(
                "nothing is known of consumer group {:?}: it has sent no heartbeat yet",
                pull.group
            ))
        })?;
        let config = self.group_config(pull.group);
        if group.model == MessageModel::Broadcasting && config.is_some_and(|config| !config.consume_broadcast_enable) {
            return Err(Refusal::NoPermission(format!("consumer group {:?} may not broadcast", pull.group)));
        }
        let subscription = group.subscriptions.get(pull.topic).ok_or_else(|| {
            Refusal::SubscriptionMissing(format!(
                "consumer group {:?} does not subscribe to topic {:?}",
                pull.group, pull.topic
            ))
        })?;
        if !by_tag(&subscription.expression_type) {
            return Err(sql());
        }
        if subscription.version < pull.sub_version {
            // The client has changed its mind and its heartbeat is late. RocketMQ refuses such pulls for up to 30 s;
            // the old filter might hide what the new one wants. Clients compare tags again, so send everything.
            return Ok(TagFilter::All);
        }
        Ok(TagFilter::parse(&subscription.expression))
    }

    fn read_for(&mut self, pull: HeldPull, hold: bool, out: &mut Outputs) {
        let request = ReadRequest::Pull(pull.read.clone());
        let ticket = self.reads.begin(Purpose::Pull { pull, hold });
        out.list.push(Output::Read(ticket, request));
    }

    pub(crate) fn pulled(&mut self, pull: HeldPull, hold: bool, outcome: ReadOutcome, out: &mut Outputs) {
        let mut pulled = match outcome {
            ReadOutcome::Pulled(pulled) => pulled,
            ReadOutcome::Failed(text) => return self.refuse(Some(pull.reply), Refusal::Failed(text), out),
            other => unreachable!("a pull is answered by a pull, not by {other:?}"),
        };
        // The index may know less of a queue than the state: a queue whose messages have all expired.
        if let Some(topic) = self.state.topics.get(&pull.read.topic) {
            let next = topic.next(pull.read.queue);
            if pulled.max < next {
                self.expired_queue(&pull, next, &mut pulled);
            }
        }
        let wait = hold
            && self.now < pull.until
            && self.held.len() < self.config.limits.held_pulls
            && self.sessions.get(pull.reply.session).is_some();
        match pulled.status {
            PullStatus::Found => {
                let flow = (u64::from(pulled.count), pulled.body.len() as u64);
                self.counters.delivered.add(flow.0, flow.1);
                let key = (pull.read.topic.clone(), pull.group);
                self.counters.by_group.entry(key).or_default().add(flow.0, flow.1);
                out.list.push(Output::Answer(pull.reply, Answer::Pulled(pulled)));
            }
            PullStatus::AtEnd | PullStatus::Empty if wait && pull.read.from == pulled.max.signed() => self.hold(pull),
            PullStatus::NoMatch if wait && pulled.next == pulled.max => {
                // Nothing for this consumer up to the end: go on waiting there rather than let it ask again.
                let read = PullRead { from: pulled.next.signed(), ..pull.read };
                self.hold(HeldPull { read, ..pull });
            }
            _ => out.list.push(Output::Answer(pull.reply, Answer::Pulled(pulled))),
        }
    }

    fn expired_queue(&self, pull: &HeldPull, next: QueueOffset, pulled: &mut Pulled) {
        (pulled.min, pulled.max, pulled.next) = (next, next, next);
        pulled.status = match pull.read.from.cmp(&next.signed()) {
            std::cmp::Ordering::Less => PullStatus::TooSmall,
            std::cmp::Ordering::Equal => PullStatus::AtEnd,
            std::cmp::Ordering::Greater => PullStatus::TooLarge,
        };
    }

    fn hold(&mut self, pull: HeldPull) {
        let (topic, queue) = (pull.read.topic.clone(), pull.read.queue);
        let id = self.held.hold(pull);
        // A topic deleted while the read was under way: answered when its time is over, as if nothing came.
        if let Some(view) = self.topics.get_mut(&topic) {
            view.lane(queue).held.insert(id);
        }
    }

    /// Reads again for those who wait for this queue and may want what became visible.
    pub(crate) fn wake(&mut self, visible: &Visible, payload: &[u8], out: &mut Outputs) {
        let Some(view) = self.topics.get_mut(&visible.topic) else { return };
        let lane = view.lane(visible.queue);
        if lane.held.is_empty() {
            return;
        }
        let waiting = std::mem::take(&mut lane.held);
        let tags_code = visible.tags_code.unwrap_or_else(|| tags_code_of_first(payload));
        let mut still = BTreeSet::new();
        for id in waiting {
            match self.held.get(id) {
                // The hash stands for the first message only: after a batch everybody looks.
                Some(pull) if visible.count > 1 || pull.read.filter.matches(tags_code) => {
                    if let Some(pull) = self.held.take(id) {
                        self.read_for(pull, true, out);
                    }
                }
                Some(_) => {
                    still.insert(id);
                }
                None => {}
            }
        }
        if let Some(view) = self.topics.get_mut(&visible.topic) {
            view.lane(visible.queue).held.append(&mut still);
        }
    }

    /// Answers pulls whose time is over: they read once more, so that a filtered queue moves on.
    pub(crate) fn answer_due_pulls(&mut self, out: &mut Outputs) {
        for id in self.held.due(self.now) {
            if let Some(pull) = self.held.take(id) {
                self.forget_held(id, &pull);
                self.read_for(pull, false, out);
            }
        }
    }

    /// Answers pulls at once, as those on a topic that is being deleted.
    pub(crate) fn release_held(&mut self, ids: Vec<HeldId>, out: &mut Outputs) {
        for id in ids {
            if let Some(pull) = self.held.take(id) {
                self.refuse(Some(pull.reply), Refusal::TopicNotFound(pull.read.topic.to_string()), out);
            }
        }
    }

    pub(crate) fn forget_held(&mut self, id: HeldId, pull: &HeldPull) {
        if let Some(view) = self.topics.get_mut(&pull.read.topic) {
            view.lane(pull.read.queue).held.remove(&id);
        }
    }

    /// When the next pull must be answered.
    pub(crate) fn pull_deadline(&self) -> Option<Timestamp> {
        self.held.next_deadline()
    }
}
