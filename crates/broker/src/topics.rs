//! Topics, groups and configuration keys, as operators and first senders make them.

use message::entry::{Entry, GroupConfig, TopicConfig};
use message::names;

use crate::Broker;
use crate::io::{Outputs, Refusal, Reply};
use crate::pending::Pending;

impl Broker {
    /// Proposes the topics and groups every broker has, as far as they are missing.
    pub fn bootstrap(&mut self, out: &mut Outputs) {
        let auto = TopicConfig {
            perm: TopicConfig::READ | TopicConfig::WRITE | TopicConfig::INHERIT,
            ..TopicConfig::new(names::AUTO_CREATE_TOPIC, self.config.default_queues)
        };
        let reply_topic = format!("{}_REPLY_TOPIC", self.config.cluster_name);
        let (cluster, broker) = (self.config.cluster_name.clone(), self.config.broker_name.clone());
        let readable = |name: &str, queues| TopicConfig { perm: TopicConfig::READ, ..TopicConfig::new(name, queues) };
        let topics = [
            auto,
            TopicConfig::new("SELF_TEST_TOPIC", 1),
            TopicConfig::new("BenchmarkTest", 16),
            TopicConfig::new(names::TRACE_TOPIC, 1),
            TopicConfig::new(reply_topic, 1),
            TopicConfig::new(cluster, 16),
            TopicConfig::new(broker, 1),
            readable(names::HALF_TOPIC, 1),
            readable(names::OP_HALF_TOPIC, 1),
            readable(names::SET_ASIDE_TOPIC, 1),
            readable(names::SCHEDULE_TOPIC, 18),
        ];
        for config in topics {
            if self.topics.get(&config.name).is_none() {
                self.put_topic_unchecked(config, Pending::Nobody, out);
            }
        }
        for group in [names::TOOLS_GROUP, "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY", "CID_ONSAPI_PULL"] {
            if !self.group_view.contains_key(group) {
                let config = GroupConfig::new(group);
                self.group_view.insert(group.into(), config.clone());
                self.propose(out, Pending::Nobody, false, |payload| Entry::Group(config).encode(payload));
            }
        }
    }

    /// Whether a topic is the system's, those named after this cluster and broker included.
    pub fn is_system_topic(&self, topic: &str) -> bool {
        names::is_system_topic(topic)
            || topic == self.config.cluster_name
            || topic == self.config.broker_name
            || topic.ends_with("_REPLY_TOPIC")
    }

    pub(crate) fn put_topic(&mut self, reply: Option<Reply>, config: TopicConfig, out: &mut Outputs) {
        if let Err(refusal) = self.try_put_topic(reply, config, out) {
            self.refuse(reply, refusal, out);
        }
    }

    fn try_put_topic(&mut self, reply: Option<Reply>, config: TopicConfig, out: &mut Outputs) -> Result<(), Refusal> {
        if self.is_system_topic(&config.name) {
            return Err(Refusal::InvalidParameter(format!(
                "topic {:?} is the system's and cannot be changed",
                config.name
            )));
        }
        self.propose_topic(config, Pending::Done(reply), out)
    }

    /// Proposes a topic that a client wants.
    pub(crate) fn propose_topic(
        &mut self,
        config: TopicConfig,
        pending: Pending,
        out: &mut Outputs,
    ) -> Result<(), Refusal> {
        names::validate_topic(&config.name).map_err(|error| Refusal::InvalidParameter(error.to_string()))?;
        let limits = &self.config.limits;
        for queues in [config.read_queues, config.write_queues] {
            if queues == 0 || queues > limits.queues {
                return Err(Refusal::InvalidParameter(format!(
                    "topic {:?} cannot have {queues} queues; limits.queues_per_topic allows 1 to {}",
                    config.name, limits.queues
                )));
            }
        }
        if config.perm > 7 {
            return Err(Refusal::InvalidParameter(format!(
                "{} is not a permission; add up 4 (read), 2 (write) and 1 (inherit)",
                config.perm
            )));
        }
        if self.topics.get(&config.name).is_none() {
            self.accepts_new(1024, out)?;
            if self.topics.len() >= limits.topics {
                let text = format!("there are {} topics already; limits.topics allows no more", limits.topics);
                return Err(Refusal::Busy(text));
            }
        }
        self.put_topic_unchecked(config, pending, out);
        Ok(())
    }

    pub(crate) fn put_topic_unchecked(&mut self, config: TopicConfig, pending: Pending, out: &mut Outputs) {
        self.topics.put(config.clone());
        self.propose(out, pending, true, |payload| Entry::Topic(config).encode(payload));
    }

    pub(crate) fn delete_topic(
        &mut self,
        reply: Option<Reply>,
        topic: &str,
        force: bool,
        who: &str,
        out: &mut Outputs,
    ) {
        if topic.trim().is_empty() || self.is_system_topic(topic) {
            let text = format!("topic {topic:?} is the system's and cannot be deleted");
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        }
        let under_way = |pending: &Pending| matches!(pending, Pending::Half { topic: of, .. } if &**of == topic);
        if self.pending.iter().any(under_way) {
            let text =
                format!("halves for topic {topic:?} are being stored at this moment; stop its producers and try again");
            return self.refuse(reply, Refusal::Busy(text), out);
        }
        let undecided = self.state.ledger.counts_of_topic(topic).undecided();
        if undecided > 0 && !force {
            let text = format!(
                "topic {topic:?} has {undecided} undecided transactions; decide them (`tandem transactions list --topic \
                 {topic}`), or delete it with --force, which sets them aside"
            );
            return self.refuse(reply, Refusal::Conflict(text), out);
        }
        let pending: Vec<_> = match undecided {
            0 => Vec::new(),
            _ => self.state.ledger.iter().filter(|half| half.topic() == topic).map(|half| half.at()).collect(),
        };
        for half in pending {
            self.propose_set_aside(half, who, &format!("topic {topic} was deleted"), out);
        }
        let waiting = self.topics.remove(topic);
        self.release_held(waiting, out);
        self.offsets_forget_topic(topic);
        self.propose(out, Pending::Done(reply), true, |payload| Entry::TopicDeleted { name: topic }.encode(payload));
    }

    pub(crate) fn put_group(&mut self, reply: Option<Reply>, config: GroupConfig, out: &mut Outputs) {
        if let Err(error) = names::validate_group(&config.name) {
            return self.refuse(reply, Refusal::InvalidParameter(error.to_string()), out);
        }
        let retry = names::retry_topic(&config.name);
        let queues = config.retry_queues;
        if queues > self.config.limits.queues {
            let text = format!(
                "{queues} retry queues are too many; limits.queues_per_topic allows {}",
                self.config.limits.queues
            );
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        }
        let topic = match self.topics.get(&retry) {
            None if queues > 0 => self.propose_topic(TopicConfig::new(retry, queues), Pending::Nobody, out),
            _ => Ok(()),
        };
        if let Err(refusal) = topic.and_then(|()| self.propose_group(config, Pending::Done(reply), out)) {
            self.refuse(reply, refusal, out);
        }
    }

    pub(crate) fn delete_group(&mut self, reply: Option<Reply>, group: &str, offsets: bool, out: &mut Outputs) {
        if names::is_system_group(group) {
            let text = format!("consumer group {group:?} is the system's and cannot be deleted");
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        }
        self.group_view.remove(group);
        if offsets {
            self.offsets_forget_group(group);
        }
        self.propose(out, Pending::Done(reply), true, |payload| {
            Entry::GroupDeleted { name: group, offsets }.encode(payload);
        });
    }

    pub(crate) fn put_key_value(
        &mut self,
        reply: Option<Reply>,
        namespace: &str,
        key: &str,
        value: Option<&str>,
        out: &mut Outputs,
    ) {
        let limit = self.config.limits.key_values;
        if self.state.key_values.len() >= limit && value.is_some() {
            let text = format!("there are {limit} configuration keys already; limits.kv_entries allows no more");
            return self.refuse(reply, Refusal::Busy(text), out);
        }
        self.propose(out, Pending::Done(reply), true, |payload| {
            Entry::KeyValue { namespace, key, value }.encode(payload);
        });
    }
}
