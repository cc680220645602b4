//! Sending messages.

mod builder;
mod health;
mod receipt;

use std::borrow::Borrow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use message::names::AUTO_CREATE_TOPIC;
use message::{properties, sys_flag, tags};
use protocol::MessageQueue;
use protocol::batch::{BatchMessage, append_message};
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::send::{SendAnswer, SendHeader};
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::frame::{Request, Response};
use crate::message::{BODY_SIZE_MAX, Message};
use crate::route::Route;
use crate::unique_id::now_ms;

pub use builder::ProducerBuilder;
pub use receipt::{SendReceipt, SendStatus};

use health::Health;

/// First and longest wait between two attempts at one broker.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// How long a shutdown waits for goodbyes.
pub(crate) const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);

/// Sends messages. Clones share everything, and all methods may be called from many tasks at once.
///
/// Messages go round robin over the queues of their topic, those with an
/// [ordering key](crate::MessageBuilder::ordering_key) to the queue of their key. A send that fails is tried again, on
/// another queue where the order allows it; brokers that failed a moment ago are avoided.
///
/// ```no_run
/// # async fn example() -> tandem_client::Result<()> {
/// use tandem_client::{Message, Producer};
///
/// let producer = Producer::builder(["127.0.0.1:9876"]).group("orders").build().await?;
/// let message = Message::builder("orders").tag("paid").key("4711").body("{}").build()?;
/// let receipt = producer.send(&message).await?;
/// println!("{} is in {:?} at {}", receipt.message_id, receipt.queue, receipt.queue_offset);
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    group: String,
    send_timeout: Duration,
    attempts_max: u32,
    queues_if_new: u32,
    next_queue: AtomicUsize,
    health: Health,
}

/// Which queue a message may go to.
#[derive(Debug, Clone, Copy)]
enum Target<'a> {
    Any,
    Keyed(&'a str),
    Queue(&'a MessageQueue),
}

/// What goes over the wire.
struct Payload<'a> {
    topic: &'a str,
    flag: i32,
    sys_flag: i32,
    properties: &'a str,
    body: &'a [u8],
    batch: bool,
}

impl<'a> Payload<'a> {
    fn of(message: &'a Message) -> Self {
        Payload {
            topic: message.topic(),
            flag: message.flag(),
            sys_flag: 0,
            properties: message.property_string(),
            body: message.body(),
            batch: false,
        }
    }

    fn is_half(&self) -> bool {
        self.sys_flag & sys_flag::TRANSACTION_PREPARED != 0
    }
}

impl Producer {
    /// Begins a producer for the cluster that these name servers know.
    pub fn builder<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> ProducerBuilder {
        ProducerBuilder::new(nameservers)
    }

    /// Sends a message, and returns once the broker has stored it.
    ///
    /// When an answer gets lost the message is sent again, with the same id, and may be stored twice.
    ///
    /// # Errors
    /// When the last attempt failed. [`Error::is_retryable`] says whether to try again later,
    /// [`Error::outcome_is_unknown`] whether the message may be stored nevertheless.
    pub async fn send(&self, message: impl Borrow<Message>) -> Result<SendReceipt> {
        let message = message.borrow();
        let (receipt, _) = self.send_payload(&Payload::of(message), Target::of(message)).await?;
        Ok(SendReceipt { message_id: message.id().to_owned(), ..receipt })
    }

    /// Sends a message to this queue and no other.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send_to(&self, message: impl Borrow<Message>, queue: &MessageQueue) -> Result<SendReceipt> {
        let message = message.borrow();
        if queue.topic != message.topic() {
            let (of, to) = (message.topic(), &queue.topic);
            return Err(Error::Invalid(format!("a message of topic {of:?} for a queue of topic {to:?}")));
        }
        let (receipt, _) = self.send_payload(&Payload::of(message), Target::Queue(queue)).await?;
        Ok(SendReceipt { message_id: message.id().to_owned(), ..receipt })
    }

    /// Sends a message without hearing whether it was stored: it is lost when the connection, or the broker, fails.
    ///
    /// # Errors
    /// When it cannot even be written.
    pub async fn send_oneway(&self, message: impl Borrow<Message>) -> Result<()> {
        let message = message.borrow();
        let payload = Payload::of(message);
        let route = self.inner.client.route_to_send(payload.topic, self.inner.queues_if_new).await?;
        let queue = self.choose(&route, Target::of(message), None)?;
        let connection = self.connect(&route, &queue).await?;
        let header = self.header(&payload, &queue);
        connection.tell(&Request::new(RequestCode::SendMessageV2, &header.fields()).with_body(payload.body)).await
    }

    /// Sends messages of one topic as one: they are stored together, in one queue, at consecutive offsets, or not at all.
    /// Much cheaper than one by one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when they are of several topics or ordering keys, delayed, or more than 4 MiB together;
    /// otherwise as [`Producer::send`].
    pub async fn send_batch(&self, messages: &[Message]) -> Result<Vec<SendReceipt>> {
        let Some(first) = messages.first() else {
            return Ok(Vec::new());
        };
        let mut body = Vec::new();
        for message in messages {
            if message.topic() != first.topic() || message.ordering_key() != first.ordering_key() {
                return Err(Error::Invalid("a batch is of one topic and one ordering key; send several".into()));
            }
            if message.property(properties::DELAY).is_some() {
                return Err(Error::Invalid("a delayed message cannot be in a batch; send it by itself".into()));
            }
            let (flag, properties) = (message.flag(), message.property_string());
            append_message(&mut body, &BatchMessage { flag, body: message.body(), properties });
        }
        if body.len() > BODY_SIZE_MAX {
            let size = body.len();
            return Err(Error::Invalid(format!("a batch of {size} bytes; at most {BODY_SIZE_MAX} fit, send several")));
        }
        let properties = "WAIT\u{1}true\u{2}";
        let topic = first.topic();
        let payload = Payload { topic, flag: 0, sys_flag: 0, properties, body: &body, batch: true };
        let (receipt, _) = self.send_payload(&payload, Target::of(first)).await?;
        let mut offset_ids = receipt.offset_message_id.split(',');
        let receipts = messages.iter().zip(receipt.queue_offset..).map(|(message, queue_offset)| SendReceipt {
            message_id: message.id().to_owned(),
            offset_message_id: offset_ids.next().unwrap_or("").to_owned(),
            queue_offset,
            ..receipt.clone()
        });
        Ok(receipts.collect())
    }

    /// The queues a topic's messages may be sent to.
    ///
    /// # Errors
    /// When there is no route to it.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>> {
        Ok(self.inner.client.route_to_send(topic, self.inner.queues_if_new).await?.write_queues().to_vec())
    }

    /// The client inside, to ask for other things.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// The producer group.
    pub fn group(&self) -> &str {
        &self.inner.group
    }

    /// Says goodbye to the brokers and closes the connections, for all clones. Sends that are under way fail.
    pub async fn shutdown(&self) {
        self.inner.client.shut_down(GOODBYE_PATIENCE).await;
    }

    /// Sends a half message: nobody sees it before it is decided. Also says where it went.
    pub(crate) async fn send_half(&self, message: &Message) -> Result<(SendReceipt, Response)> {
        let mut text = message.property_string().to_owned();
        properties::push(&mut text, properties::TRAN_MSG, "true");
        properties::push(&mut text, properties::PGROUP, &self.inner.group);
        let payload = Payload { sys_flag: sys_flag::TRANSACTION_PREPARED, properties: &text, ..Payload::of(message) };
        let (receipt, response) = self.send_payload(&payload, Target::of(message)).await?;
        Ok((SendReceipt { message_id: message.id().to_owned(), ..receipt }, response))
    }

    async fn send_payload(&self, payload: &Payload<'_>, target: Target<'_>) -> Result<(SendReceipt, Response)> {
        let inner = &self.inner;
        let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
        // A half whose answer was lost may be stored: only its own broker can tell that the second is the first.
        let mut pinned: Option<MessageQueue> = None;
        let mut failed: Option<MessageQueue> = None;
        let mut attempt = 1;
        loop {
            let route = inner.client.route_to_send(payload.topic, inner.queues_if_new).await;
            let chosen = route.and_then(|route| {
                let target = pinned.as_ref().map_or(target, Target::Queue);
                let queue = self.choose(&route, target, failed.as_ref())?;
                Ok((route, queue))
            });
            let (error, queue) = match chosen {
                Err(error) => (error, None),
                Ok((route, queue)) => match self.attempt(payload, &route, &queue).await {
                    Ok(sent) => {
                        inner.health.succeeded(&queue.broker_name);
                        if route.is_provisional() {
                            // The message created the topic: its own route is there now, or soon.
                            inner.client.forget_route(payload.topic);
                        }
                        return Ok(sent);
                    }
                    Err(error) => (error, Some(queue)),
                },
            };
            if attempt >= inner.attempts_max || !is_worth_another_attempt(&error) {
                return Err(error);
            }
            tracing::debug!(topic = payload.topic, attempt, "send failed, trying again: {error}");
            attempt += 1;
            if let Some(queue) = &queue {
                inner.health.failed(&queue.broker_name);
                if payload.is_half() && error.outcome_is_unknown() {
                    pinned = Some(queue.clone());
                }
            }
            if error.code() == Some(ResponseCode::TOPIC_NOT_EXIST) {
                inner.client.forget_route(payload.topic);
            } else {
                inner.client.refresh_route(payload.topic).await;
            }
            let elsewhere = queue.as_ref().is_some_and(|queue| {
                pinned.is_none() && matches!(target, Target::Any) && inner.health.has_other(&queue.broker_name)
            });
            failed = queue.or(failed);
            if !elsewhere {
                sleep(backoff.next(error.retry_after())).await;
            }
        }
    }

    async fn attempt(
        &self,
        payload: &Payload<'_>,
        route: &Route,
        queue: &MessageQueue,
    ) -> Result<(SendReceipt, Response)> {
        let connection = self.connect(route, queue).await?;
        let header = self.header(payload, queue);
        let code = if payload.batch { RequestCode::SendBatchMessage } else { RequestCode::SendMessageV2 };
        let fields = header.fields();
        let request = Request::new(code, &fields).with_body(payload.body);
        let response = connection.request(&request, self.inner.send_timeout).await?;
        let status = SendStatus::of(response.code()).ok_or_else(|| response.refusal())?;
        let receipt = response.decode(|fields| {
            let answer = SendAnswer::decode(fields)?;
            Ok(SendReceipt {
                message_id: String::new(),
                offset_message_id: answer.msg_id.to_owned(),
                queue: MessageQueue { queue_id: answer.queue_id, ..queue.clone() },
                queue_offset: answer.queue_offset,
                transaction_id: answer.transaction_id.map(str::to_owned),
                status,
            })
        })?;
        Ok((receipt, response))
    }

    async fn connect(&self, route: &Route, queue: &MessageQueue) -> Result<crate::Connection> {
        let master = route.broker(&queue.broker_name).and_then(|broker| broker.master());
        let address = master.ok_or_else(|| Error::BrokerNotFound { broker: queue.broker_name.clone() })?;
        self.inner.client.broker_connection(address).await
    }

    fn header<'a>(&'a self, payload: &Payload<'a>, queue: &'a MessageQueue) -> SendHeader<'a> {
        SendHeader {
            producer_group: &self.inner.group,
            topic: payload.topic,
            default_topic: AUTO_CREATE_TOPIC,
            default_topic_queue_nums: self.inner.queues_if_new as i32,
            queue_id: queue.queue_id,
            sys_flag: payload.sys_flag,
            born_timestamp: now_ms(),
            flag: payload.flag,
            properties: payload.properties,
            reconsume_times: 0,
            unit_mode: false,
            batch: payload.batch,
            max_reconsume_times: None,
            broker_name: Some(&queue.broker_name),
        }
    }

    fn choose(&self, route: &Route, target: Target<'_>, failed: Option<&MessageQueue>) -> Result<MessageQueue> {
        if let Target::Queue(queue) = target {
            return Ok(queue.clone());
        }
        let queues = route.write_queues();
        if queues.is_empty() {
            return Err(Error::NoQueue { topic: route.topic().to_owned(), purpose: "send to" });
        }
        if let Target::Keyed(key) = target {
            return Ok(queues[queue_of_key(key, queues.len())].clone());
        }
        let first = self.inner.next_queue.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..queues.len()).map(|step| &queues[(first + step) % queues.len()]);
        let elsewhere = |queue: &&MessageQueue| failed.is_none_or(|failed| failed.broker_name != queue.broker_name);
        let healthy = |queue: &&MessageQueue| self.inner.health.is_good(&queue.broker_name);
        // From the best to whatever there is: brokers that all failed are still better than none.
        let best = in_turn().filter(elsewhere).find(healthy).or_else(|| in_turn().find(elsewhere));
        Ok(best.unwrap_or(&queues[first % queues.len()]).clone())
    }
}

impl<'a> Target<'a> {
    fn of(message: &'a Message) -> Self {
        message.ordering_key().map_or(Target::Any, Target::Keyed)
    }
}

/// The queue of a key, as Java's `SelectMessageQueueByHash` finds it.
fn queue_of_key(key: &str, queues: usize) -> usize {
    i64::from(tags::tags_code(key)).unsigned_abs() as usize % queues
}

/// Can another attempt, perhaps at another broker, succeed where this one failed?
fn is_worth_another_attempt(error: &Error) -> bool {
    // A broker that does not permit writing may be one of several, and be on its way out.
    error.is_retryable() || error.code() == Some(ResponseCode::NO_PERMISSION)
}

#[cfg(test)]
mod tests {
    use protocol::request::route::{BrokerData, QueueData, TopicRouteData};

    use super::*;

    fn two_brokers() -> Route {
        let broker = |name: &str| BrokerData {
            cluster: "c".into(),
            broker_name: name.into(),
            addresses: vec![(0, format!("{name}:1"))],
        };
        let queues = |name: &str| QueueData {
            broker_name: name.into(),
            read_queue_nums: 2,
            write_queue_nums: 2,
            perm: 6,
            topic_sys_flag: 0,
        };
        let data = TopicRouteData {
            brokers: vec![broker("a"), broker("b")],
            queues: vec![queues("a"), queues("b")],
            order_topic_conf: None,
        };
        Route::new("T", data)
    }

    #[tokio::test]
    async fn queues_take_turns_and_brokers_that_failed_are_passed_over_unless_all_did() {
        let (producer, _, _) = Producer::builder(["127.0.0.1:1"]).start().unwrap();
        let route = two_brokers();
        let chosen = |target, failed: Option<&MessageQueue>| producer.choose(&route, target, failed).unwrap();
        let mut turns: Vec<MessageQueue> = (0..4).map(|_| chosen(Target::Any, None)).collect();
        turns.sort();
        assert_eq!(turns, route.write_queues());

        producer.inner.health.failed("a");
        for _ in 0..8 {
            assert_eq!(chosen(Target::Any, None).broker_name, "b");
        }
        producer.inner.health.failed("b");
        let failed = route.write_queues()[3].clone();
        for _ in 0..8 {
            assert_eq!(chosen(Target::Any, Some(&failed)).broker_name, "a");
        }
        assert_eq!(chosen(Target::Keyed("k"), Some(&failed)), chosen(Target::Keyed("k"), None));
        assert_eq!(chosen(Target::Queue(&failed), Some(&failed)), failed);
    }

    #[test]
    fn a_key_finds_the_queue_that_java_finds_for_it() {
        // "polygenelubricants".hashCode() is Integer.MIN_VALUE, whose absolute value overflows in Java.
        assert_eq!(queue_of_key("polygenelubricants", 3), 2_147_483_648 % 3);
        assert_eq!(queue_of_key("a", 4), 97 % 4);
        assert_eq!(queue_of_key("customer-7", 1), 0);
    }
}
