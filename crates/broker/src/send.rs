//! Storing messages: plain, half, delayed, many at once.

use message::entry::{self, Delay, Half, TopicConfig};
use message::names;
use message::properties::{self, PROPERTIES_LEN_MAX};
use message::record::NewRecord;
use message::{QueueOffset, Timestamp, sys_flag};

use crate::Broker;
use crate::io::{Answer, Batch, Output, Outputs, Refusal, Reply, Send, SessionId};
use crate::pending::{Pending, Sender};
use crate::wishes::{NOT_STORED, Wishes};

/// The region name in records; consumers copy it into trace records.
pub(crate) const REGION: &str = "DefaultRegion";

impl Broker {
    pub(crate) fn send(&mut self, session: SessionId, reply: Option<Reply>, send: &Send<'_>, out: &mut Outputs) {
        if let Err(refusal) = self.try_send(session, reply, send, out) {
            self.refuse(reply, refusal, out);
        }
    }

    fn try_send(
        &mut self,
        session: SessionId,
        reply: Option<Reply>,
        send: &Send<'_>,
        out: &mut Outputs,
    ) -> Result<(), Refusal> {
        self.accepts_new(send.body.len() + send.properties.len(), out)?;
        let wishes = Wishes::of(send.properties);
        let delay = wishes.delay();
        // A retry that carries TRAN_MSG from its first life is not a half again.
        let half = wishes.transactional && !(send.reconsume_times > 0 && wishes.delay_level.is_some_and(|l| l > 0));
        if !half && send.sys_flag & sys_flag::TRANSACTION_TYPE == sys_flag::TRANSACTION_PREPARED {
            return Err(Refusal::MessageIllegal(
                "the prepared flag is set but the property TRAN_MSG is not \"true\": send halves with a transactional \
                 producer"
                    .into(),
            ));
        }
        let mut redirected;
        let (send, delay) = match names::group_of_retry_topic(send.topic) {
            Some(group) => match self.dead_letter_instead(group, send, wishes.max_reconsume_times)? {
                Some(topic) => {
                    redirected = (topic, *send);
                    redirected.1.topic = &redirected.0;
                    redirected.1.queue = 0;
                    self.counters.dead_letters += 1;
                    (&redirected.1, Delay::None)
                }
                None => (send, delay),
            },
            None => (send, delay),
        };
        self.check_body(send.body)?;
        let queue = self.target(send, out)?;
        let (stored, unique_key) = self.stored_properties(send.properties, &wishes)?;
        let mut sender = reply.map(|reply| Sender { reply, unique_key });
        if half {
            return self.propose_half(session, sender, send, queue, &wishes, delay, &stored, out);
        }
        match delay.deliver_at(self.now) {
            Some(deliver_at) => self.propose_scheduled(sender, send, queue, deliver_at, &stored, out),
            None => {
                let pending = self.reply_waited_for(&mut sender, send).unwrap_or(Pending::Send(sender));
                self.propose_messages(pending, send, queue, &[(send.flag, &stored, send.body)], out);
                Ok(())
            }
        }
    }

    pub(crate) fn send_batch(&mut self, reply: Option<Reply>, batch: &Batch<'_>, out: &mut Outputs) {
        if let Err(refusal) = self.try_send_batch(reply, batch, out) {
            self.refuse(reply, refusal, out);
        }
    }

    fn try_send_batch(&mut self, reply: Option<Reply>, batch: &Batch<'_>, out: &mut Outputs) -> Result<(), Refusal> {
        let bytes = batch.parts.iter().map(|(_, properties, body)| properties.len() + body.len() + 512).sum();
        self.accepts_new(bytes, out)?;
        if batch.parts.is_empty() {
            return Err(Refusal::MessageIllegal("the batch holds no message".into()));
        }
        if Wishes::of(batch.head.properties).transactional
            || batch.head.sys_flag & sys_flag::TRANSACTION_TYPE == sys_flag::TRANSACTION_PREPARED
        {
            return Err(Refusal::MessageIllegal("a batch cannot be a half message: send its parts one by one".into()));
        }
        if names::group_of_retry_topic(batch.head.topic).is_some() {
            return Err(Refusal::MessageIllegal("a batch cannot go to a retry topic".into()));
        }
        // As stored: a record of its own for each part. One entry holds them all, and must fit into a batch of the log.
        let most = self.config.limits.message_size.min(self.config.limits.batch_bytes);
        if bytes > most {
            return Err(Refusal::MessageIllegal(format!(
                "the batch takes {bytes} bytes as {} messages; limits.message_size allows {most}",
                batch.parts.len()
            )));
        }
        let mut parts = Vec::with_capacity(batch.parts.len());
        let mut first_key = None;
        for (flag, text, body) in &batch.parts {
            let wishes = Wishes::of(text);
            if wishes.transactional {
                return Err(Refusal::MessageIllegal("a batch cannot hold a half message: send it by itself".into()));
            }
            if !matches!(wishes.delay(), Delay::None) {
                return Err(Refusal::MessageIllegal("a batch cannot hold a delayed message: send it by itself".into()));
            }
            self.check_body(body)?;
            let (stored, unique_key) = self.stored_properties(text, &wishes)?;
            first_key.get_or_insert(unique_key);
            parts.push((*flag, stored, *body));
        }
        let queue = self.target(&batch.head, out)?;
        let parts: Vec<(i32, &str, &[u8])> =
            parts.iter().map(|(flag, text, body)| (*flag, text.as_str(), *body)).collect();
        let sender = reply.map(|reply| Sender { reply, unique_key: first_key.unwrap_or_default() });
        let pending = if parts.len() == 1 { Pending::Send(sender) } else { Pending::Batch(sender) };
        self.propose_messages(pending, &batch.head, queue, &parts, out);
        Ok(())
    }

    /// Whether something new may be stored: decisions and acknowledgements do not ask.
    pub(crate) fn accepts_new(&self, bytes: usize, out: &Outputs) -> Result<(), Refusal> {
        if let Some(reason) = &self.unavailable {
            return Err(Refusal::Unavailable(reason.clone()));
        }
        // A door stops reading at half of it, so this is for one that does not.
        if !out.batch.is_empty() && out.batch.framed_len() > self.config.limits.batch_bytes {
            return Err(Refusal::Busy(format!(
                "{} bytes wait for the disk; limits.batch_bytes allows no more: send again in a moment",
                out.batch.framed_len()
            )));
        }
        let needed = (out.batch.framed_len() + bytes) as u64 + self.config.limits.reserve;
        if needed > self.room {
            return Err(Refusal::Unavailable(format!(
                "the disk is full: {} bytes of log are left and kept for decisions; free space, writing resumes by itself",
                self.room
            )));
        }
        Ok(())
    }

    fn check_body(&self, body: &[u8]) -> Result<(), Refusal> {
        if body.is_empty() {
            return Err(Refusal::MessageIllegal("the body is empty".into()));
        }
        if body.len() > self.config.limits.message_size {
            return Err(Refusal::MessageIllegal(format!(
                "the body has {} bytes; limits.message_size allows {}",
                body.len(),
                self.config.limits.message_size
            )));
        }
        Ok(())
    }

    /// Finds the queue a message goes to, and makes its topic when that is allowed.
    fn target(&mut self, send: &Send<'_>, out: &mut Outputs) -> Result<u32, Refusal> {
        // The name of a topic that is there was looked at when it was made.
        let known = self.topics.get(send.topic).is_some();
        if !known {
            names::validate_topic(send.topic).map_err(|error| Refusal::InvalidParameter(error.to_string()))?;
        }
        if names::is_write_forbidden(send.topic) {
            return Err(Refusal::NoPermission(format!(
                "topic {:?} is the system's: sending to it is forbidden",
                send.topic
            )));
        }
        if !known {
            self.auto_create(send, out)?;
        }
        let view = self.topics.get(send.topic).ok_or_else(|| Refusal::TopicNotFound(send.topic.to_owned()))?;
        if !view.config.is_writable() {
            return Err(Refusal::NoPermission(format!("topic {:?} has no permission to be written", send.topic)));
        }
        let queues = view.config.write_queues;
        match u32::try_from(send.queue) {
            Ok(queue) if queue < queues.max(view.config.read_queues) => Ok(queue),
            Ok(queue) => Err(Refusal::InvalidParameter(format!(
                "queue {queue} is out of range: topic {:?} has {queues} queues",
                send.topic
            ))),
            Err(_) => {
                self.any_queue = self.any_queue.wrapping_add(1);
                Ok(self.any_queue % queues.max(1))
            }
        }
    }

    fn auto_create(&mut self, send: &Send<'_>, out: &mut Outputs) -> Result<(), Refusal> {
        if let Some(group) = names::group_of_retry_topic(send.topic).or(names::group_of_dead_letter_topic(send.topic)) {
            let group = group.to_owned();
            if self.group_config(&group).is_none() {
                return Err(Refusal::GroupNotFound(group));
            }
            let queues = self.group_config(&group).map_or(1, |config| config.retry_queues.max(1));
            let queues = if names::group_of_retry_topic(send.topic).is_some() { queues } else { 1 };
            return self.propose_topic(TopicConfig::new(send.topic, queues), Pending::Nobody, out);
        }
        let missing = || Refusal::TopicNotFound(send.topic.to_owned());
        if !self.config.auto_create_topics {
            return Err(missing());
        }
        if self.topics.get(send.default_topic).is_none() {
            // A disk that was full when the broker started has taken none of the topics that every broker has.
            self.bootstrap(out);
        }
        let model = self.topics.get(send.default_topic).ok_or_else(missing)?;
        if model.config.perm & TopicConfig::INHERIT == 0 {
            return Err(missing());
        }
        let queues = send.default_queues.min(model.config.write_queues).max(1);
        let perm = model.config.perm & !TopicConfig::INHERIT;
        let config = TopicConfig { perm, ..TopicConfig::new(send.topic, queues) };
        self.propose_topic(config, Pending::Nobody, out)
    }

    /// The properties as they are stored, wishes taken out, what consumers expect put in; and the id of the message.
    fn stored_properties(&mut self, text: &str, wishes: &Wishes<'_>) -> Result<(String, String), Refusal> {
        let mut stored = String::with_capacity(text.len() + 128);
        if wishes.dropped {
            properties::copy_without(text, &NOT_STORED, &mut stored);
        } else {
            stored.push_str(text);
        }
        if !wishes.has_region {
            properties::push(&mut stored, properties::MSG_REGION, REGION);
        }
        if !wishes.has_trace {
            properties::push(&mut stored, properties::TRACE_ON, "true");
        }
        if !wishes.has_cluster {
            properties::push(&mut stored, properties::CLUSTER, &self.config.cluster_name);
        }
        let unique_key = wishes.unique_key.map_or_else(
            || {
                let key = self.unique_keys.next(self.now);
                properties::push(&mut stored, properties::UNIQ_KEY, &key);
                key
            },
            str::to_owned,
        );
        if stored.len() > PROPERTIES_LEN_MAX {
            return Err(Refusal::MessageIllegal(format!(
                "the properties have {} bytes; at most {PROPERTIES_LEN_MAX} are allowed",
                stored.len()
            )));
        }
        Ok((stored, unique_key))
    }

    pub(crate) fn record<'a>(
        &self,
        send: &Send<'a>,
        queue: u32,
        flag: i32,
        properties: &'a str,
        body: &'a [u8],
    ) -> NewRecord<'a> {
        NewRecord {
            topic: send.topic,
            queue_id: queue,
            queue_offset: QueueOffset::ZERO,
            flag,
            sys_flag: send.sys_flag & sys_flag::CLIENT_BITS,
            born_timestamp: send.born_timestamp,
            born_host: send.born_host,
            store_timestamp: self.now,
            store_host: self.config.store_host,
            reconsume_times: send.reconsume_times.max(0),
            body,
            properties,
        }
    }

    fn propose_messages(
        &mut self,
        pending: Pending,
        send: &Send<'_>,
        queue: u32,
        parts: &[(i32, &str, &[u8])],
        out: &mut Outputs,
    ) {
        let view = self.topics.get_mut(send.topic).expect("the target was looked up");
        let first = view.take(queue, parts.len() as u64);
        let record = self.record(send, queue, send.flag, "", b"");
        self.propose(out, pending, true, |payload| {
            entry::messages_head(payload);
            for (index, (flag, properties, body)) in parts.iter().enumerate() {
                let queue_offset = first.plus(index as u64);
                NewRecord { queue_offset, flag: *flag, properties, body, ..record }.encode(payload);
            }
        });
    }

    fn propose_scheduled(
        &mut self,
        sender: Option<Sender>,
        send: &Send<'_>,
        queue: u32,
        deliver_at: Timestamp,
        properties: &str,
        out: &mut Outputs,
    ) -> Result<(), Refusal> {
        self.accepts_delay(deliver_at)?;
        let sequence = self.next_scheduled;
        self.next_scheduled = sequence.plus(1);
        let record = self.record(send, queue, send.flag, properties, send.body);
        self.propose(out, Pending::Send(sender), true, |payload| {
            entry::Scheduled::head(deliver_at, sequence, payload);
            record.encode(payload);
        });
        Ok(())
    }

    fn accepts_delay(&self, deliver_at: Timestamp) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if deliver_at.since_ms(self.now) > limits.delay_max_ms {
            return Err(Refusal::MessageIllegal(format!(
                "the delay of {} s is too long; at most {} s are allowed",
                deliver_at.since_ms(self.now) / 1000,
                limits.delay_max_ms / 1000
            )));
        }
        if self.state.scheduled.len() >= limits.scheduled_messages {
            return Err(Refusal::Busy(format!(
                "{} messages wait for their time already; limits.scheduled_messages allows no more",
                limits.scheduled_messages
            )));
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn propose_half(
        &mut self,
        session: SessionId,
        sender: Option<Sender>,
        send: &Send<'_>,
        queue: u32,
        wishes: &Wishes<'_>,
        delay: Delay,
        properties: &str,
        out: &mut Outputs,
    ) -> Result<(), Refusal> {
        // The property is what producers go by when they are asked; the header's group may be another one.
        let group = wishes.group.unwrap_or_default();
        names::validate_group(group).map_err(|error| {
            Refusal::MessageIllegal(format!("a half needs a producer group that can be asked about it: {error}"))
        })?;
        if let Some(at) = delay.deliver_at(self.now) {
            self.accepts_delay(at)?;
        }
        if self.state.ledger.len() >= self.config.limits.open_transactions {
            return Err(Refusal::Busy(format!(
                "{} transactions are undecided already; limits.open_transactions allows no more",
                self.config.limits.open_transactions
            )));
        }
        self.producer_seen(session, group, out);
        let client = self.sessions.get(session).map(|session| session.client.clone());
        let sequence = self.next_half;
        self.next_half = sequence.plus(1);
        let record = self.record(send, queue, send.flag, properties, send.body);
        let half = Half {
            sequence,
            immunity_ms: wishes.immunity_ms(),
            delay,
            group,
            client: client.as_deref().unwrap_or_default(),
            record: &[],
        };
        let topic = self.topics.get(send.topic).map(|view| view.name.clone()).unwrap_or_default();
        let pending = Pending::Half { sender, session, topic };
        self.propose(out, pending, true, |payload| half.encode_with(&record, payload));
        Ok(())
    }

    /// A client that could not send a message back by request sends it to the retry topic by itself: after too many
    /// attempts, or when its group consumes in order, it belongs among the dead letters.
    fn dead_letter_instead(
        &self,
        group: &str,
        send: &Send<'_>,
        max_in_properties: Option<&str>,
    ) -> Result<Option<String>, Refusal> {
        let Some(config) = self.group_config(group) else {
            return Err(Refusal::GroupNotFound(group.to_owned()));
        };
        let max = send
            .max_reconsume_times
            .or_else(|| max_in_properties.and_then(|text| text.trim().parse().ok()))
            .unwrap_or(config.retry_max);
        let orderly = config.consume_message_orderly || self.locks.any(group, self.now);
        let dead = send.reconsume_times > max || (orderly && send.reconsume_times > 0);
        Ok(dead.then(|| names::dead_letter_topic(group)))
    }

    pub(crate) fn refuse(&mut self, reply: Option<Reply>, refusal: Refusal, out: &mut Outputs) {
        if let Some(reply) = reply {
            out.list.push(Output::Answer(reply, Answer::Refused(refusal)));
        }
    }
}
