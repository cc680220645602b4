//! Producers of plain messages, delayed ones and batches.

use broker::io::{Batch, Request, Send};
use message::Timestamp;

use crate::agenda::Intent;
use crate::clients::connections::peer;
use crate::oracle::{Message, MessageId, TransactionId};
use crate::world::{What, World};

const TAGS: [&str; 3] = ["red", "blue", "green"];

/// A message as a request carries it.
pub(crate) fn request<'a>(
    message: &'a Message,
    group: &'a str,
    client: usize,
    born_timestamp: Timestamp,
    properties: &'a str,
    body: &'a [u8],
) -> Send<'a> {
    Send {
        group,
        topic: &message.topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue: message.queue,
        sys_flag: 0,
        born_timestamp,
        born_host: peer(client),
        flag: message.flag(),
        properties,
        reconsume_times: 0,
        max_reconsume_times: None,
        body,
    }
}

impl World {
    pub(crate) fn new_message(&mut self, transaction: Option<TransactionId>, may_delay: bool) -> MessageId {
        self.next_message += 1;
        let id = MessageId(self.next_message);
        let (topic, queues) = self.rng.pick(&self.plan.topics);
        let queue = if self.rng.chance(200) { -1 } else { self.rng.below(u64::from(queues)) as i32 };
        let delay_ms =
            (may_delay && self.rng.chance(self.chances.delayed)).then(|| self.rng.between(200, self.plan.delay_max_ms));
        let message = Message {
            id,
            topic,
            queue,
            tag: self.rng.pick(&TAGS),
            body_len: self.rng.between(12, self.plan.body_max) as usize,
            transaction,
            delay_ms,
            tries: 0,
            first_try: self.now,
            promise: None,
            copies: Default::default(),
        };
        self.oracle.messages.insert(id, message);
        id
    }

    /// What the clock of a client shows.
    pub(crate) fn clock_of(&self, client: usize) -> Timestamp {
        self.now.plus_ms(self.clients[client].ahead_ms)
    }

    fn tries(&mut self, id: MessageId) {
        let now = self.now;
        let message = self.oracle.messages.get_mut(&id).expect("made before it is sent");
        if message.tries == 0 {
            message.first_try = now;
        }
        message.tries += 1;
    }

    pub(crate) fn send(&mut self, client: usize, id: MessageId) {
        if self.clients[client].session.is_none() || self.node.is_none() {
            return;
        }
        self.tries(id);
        let message = self.oracle.messages[&id].clone();
        let name = match (message.tries, message.delay_ms) {
            (2.., _) => "send again",
            (_, Some(_)) => "send delayed",
            _ => "send",
        };
        let (properties, body) = (message.properties(), message.body());
        let send = request(&message, "plain", client, self.clock_of(client), &properties, &body);
        self.ask(client, name, Some(What::Send(id)), Request::Send(send));
    }

    /// A message that is longer than any may be.
    pub(crate) fn send_illegal(&mut self, client: usize) {
        let id = self.new_message(None, false);
        let message = self.oracle.messages.remove(&id).expect("just made");
        let body = vec![b'x'; self.plan.engine.broker.limits.message_size + 1];
        let send = request(&message, "plain", client, self.clock_of(client), "", &body);
        self.ask(client, "illegal message", Some(What::Illegal), Request::Send(send));
    }

    pub(crate) fn new_batch(&mut self, client: usize) {
        let first = self.new_message(None, false);
        let mut ids = vec![first];
        let body_max = self.plan.body_max.min(600);
        let body_len = self.rng.between(12, body_max) as usize;
        let (topic, queue) = {
            let message = self.oracle.messages.get_mut(&first).expect("just made");
            message.body_len = body_len;
            (message.topic.clone(), message.queue)
        };
        for _ in 0..self.rng.between(1, 5) {
            let id = self.new_message(None, false);
            let body_len = self.rng.between(12, body_max) as usize;
            let message = self.oracle.messages.get_mut(&id).expect("just made");
            (message.topic, message.queue, message.body_len) = (topic.clone(), queue, body_len);
            ids.push(id);
        }
        self.send_batch(client, ids);
    }

    pub(crate) fn send_batch(&mut self, client: usize, ids: Vec<MessageId>) {
        if self.clients[client].session.is_none() || self.node.is_none() {
            return;
        }
        ids.iter().for_each(|id| self.tries(*id));
        let messages: Vec<Message> = ids.iter().map(|id| self.oracle.messages[id].clone()).collect();
        let parts: Vec<(i32, String, Vec<u8>)> =
            messages.iter().map(|message| (message.flag(), message.properties(), message.body())).collect();
        let head = request(&messages[0], "plain", client, self.clock_of(client), "", b"");
        let parts = parts.iter().map(|(flag, text, body)| (*flag, text.as_str(), body.as_slice())).collect();
        self.ask(client, "batch", Some(What::Batch(ids)), Request::SendBatch(Batch { head, parts }));
    }

    /// A send was not answered, or refused for a reason that passes: the client tries again, or gives up.
    pub(crate) fn send_failed(&mut self, client: usize, ids: &[MessageId]) {
        if self.calm || !self.rng.chance(600) {
            return;
        }
        let wait = self.now.plus_ms(self.rng.between(100, 4_000) as i64);
        match ids {
            [id] => self.agenda.add(wait, Intent::Send(client, *id)),
            ids => self.agenda.add(wait, Intent::Batch(client, ids.to_vec())),
        }
    }
}
