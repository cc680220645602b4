//! A consumer that is asked for messages.

use std::sync::Arc;
use std::time::Duration;

use protocol::MessageQueue;
use protocol::request::heartbeat::{ConsumeType, MessageModel};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout_at};

use super::ConsumeFrom;
use super::assigned::AssignedQueue;
use super::builder::{BYTES_MAX, PULL_COUNT_MAX, QUEUE_COUNT_MAX, checked_group};
use super::member::{Delivery, HANDED_MAX, Member, OpenQueue, Owned, Settings};
use super::requests::serve;
use super::subscription::Subscription;
use crate::client::{Client, ClientBuilder};
use crate::error::{Error, Result};
use crate::message_view::MessageView;
use crate::producer::GOODBYE_PATIENCE;

/// Makes a [`PullConsumer`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PullConsumerBuilder {
    client: ClientBuilder,
    group: Option<String>,
    subscriptions: Vec<(String, String)>,
    from: ConsumeFrom,
    pull_count_max: u32,
    queue_count_max: usize,
    bytes_max: usize,
}

impl PullConsumerBuilder {
    fn new<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> Self {
        PullConsumerBuilder {
            client: Client::builder(nameservers),
            group: None,
            subscriptions: Vec::new(),
            from: ConsumeFrom::default(),
            pull_count_max: PULL_COUNT_MAX,
            queue_count_max: QUEUE_COUNT_MAX,
            bytes_max: BYTES_MAX,
        }
    }

    /// The consumer group: offsets are kept under its name.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Subscribes to a topic: the members of the group share its queues. `*` for all messages, or tags separated by `||`.
    /// Without a subscription queues are [assigned](PullConsumer::assign) by hand.
    pub fn subscribe(mut self, topic: impl Into<String>, expression: impl Into<String>) -> Self {
        self.subscriptions.push((topic.into(), expression.into()));
        self
    }

    /// Where to begin in queues the group has no offset for; with the messages to come unless said otherwise.
    pub fn consume_from(mut self, from: ConsumeFrom) -> Self {
        self.from = from;
        self
    }

    /// Messages of one pull; 32 unless said otherwise.
    pub fn pull_count_max(mut self, count: u32) -> Self {
        self.pull_count_max = count;
        self
    }

    /// Messages of one queue that are read ahead, at most; 1000 unless said otherwise.
    pub fn queue_count_max(mut self, count: usize) -> Self {
        self.queue_count_max = count;
        self
    }

    /// Bytes of messages that are read ahead, at most; 64 MiB unless said otherwise.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// An id by which operators find this consumer. It must be different for every member of the group.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client.client_id = Some(id.into());
        self
    }

    /// Joins the group, if it subscribes to something, and begins to read ahead.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a group, or with a number that cannot be.
    pub async fn start(self) -> Result<PullConsumer> {
        if self.pull_count_max == 0 || self.queue_count_max == 0 {
            return Err(Error::Invalid("pull_count_max and queue_count_max are at least 1".into()));
        }
        let mut subscriptions = Vec::new();
        for (topic, expression) in &self.subscriptions {
            subscriptions.push(Subscription::new(topic, expression)?);
        }
        let settings = Settings {
            group: checked_group(self.group)?,
            model: MessageModel::Clustering,
            consume_type: ConsumeType::ConsumeActively,
            from: self.from,
            subscriptions,
            orderly: false,
            filter_inline: true,
            pull_count_max: self.pull_count_max,
            queue_count_max: self.queue_count_max,
            bytes_max: self.bytes_max,
            commit_interval: None,
        };
        let (client, pushes) = self.client.start_in_role(settings.role())?;
        let (sink, deliveries) = mpsc::channel(HANDED_MAX);
        let open_queue: Box<OpenQueue> = Box::new(move |_, _| (sink.clone(), None));
        let member = Member::new(client, settings, open_queue);
        member.adopt(tokio::spawn(serve(member.clone(), None, pushes)));
        member.start().await;
        Ok(PullConsumer { _owned: Owned(member.clone()), member, deliveries: Mutex::new(deliveries) })
    }
}

/// The answer to a single pull.
#[derive(Debug, Clone)]
pub struct Pulled {
    /// The messages, perhaps none.
    pub messages: Vec<MessageView>,
    /// Where to pull next.
    pub next_offset: i64,
    /// The first offset of the queue.
    pub min_offset: i64,
    /// The offset the next message of the queue will have.
    pub max_offset: i64,
}

/// Receives messages when it is asked to, at the caller's pace, and keeps offsets when it is told to.
///
/// ```no_run
/// # async fn example() -> tandem_client::Result<()> {
/// use std::time::Duration;
/// use tandem_client::{ConsumeFrom, PullConsumer};
///
/// let consumer = PullConsumer::builder(["127.0.0.1:9876"])
///     .group("report")
///     .subscribe("orders", "*")
///     .consume_from(ConsumeFrom::First)
///     .start()
///     .await?;
/// loop {
///     let messages = consumer.poll(100, Duration::from_secs(1)).await?;
///     for message in &messages {
///         println!("{} {:?}", message.id(), message.body());
///     }
///     consumer.commit().await?;
///     # break Ok(());
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct PullConsumer {
    member: Arc<Member>,
    deliveries: Mutex<mpsc::Receiver<Delivery>>,
    _owned: Owned,
}

impl PullConsumer {
    /// Begins a consumer for the cluster that these name servers know.
    pub fn builder<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> PullConsumerBuilder {
        PullConsumerBuilder::new(nameservers)
    }

    /// Up to `count_max` messages that come within `patience`: as many as are there, at least one unless the time runs
    /// out. They count as done with the next [`commit`](PullConsumer::commit).
    ///
    /// # Errors
    /// [`Error::ShutDown`].
    pub async fn poll(&self, count_max: usize, patience: Duration) -> Result<Vec<MessageView>> {
        let deadline = Instant::now() + patience;
        let mut deliveries = self.deliveries.lock().await;
        let mut messages = Vec::new();
        while messages.len() < count_max {
            let next = if messages.is_empty() {
                match timeout_at(deadline, deliveries.recv()).await {
                    Ok(next) => next.ok_or(Error::ShutDown)?,
                    Err(_) => break,
                }
            } else {
                match deliveries.try_recv() {
                    Ok(next) => next,
                    Err(_) => break,
                }
            };
            // What was read before a seek, or of a queue that somebody else has now, is nobody's.
            if !next.queue.is_dropped() {
                self.member.done(&next.queue, &next.message);
                messages.push(next.message);
            }
        }
        Ok(messages)
    }

    /// Tells the brokers that everything polled so far is done.
    ///
    /// # Errors
    /// When one of them does not take it; it can be told again.
    pub async fn commit(&self) -> Result<()> {
        for queue in self.member.queues() {
            let Some(offset) = queue.uncommitted().filter(|_| !queue.is_dropped()) else { continue };
            self.member.commit(&queue.queue, offset).await?;
            queue.set_committed(offset);
        }
        Ok(())
    }

    /// Tells the broker of a queue that everything before this offset is done.
    ///
    /// # Errors
    /// When it does not take it.
    pub async fn commit_offset(&self, queue: &MessageQueue, offset: i64) -> Result<()> {
        self.route(queue).await?;
        self.member.commit(queue, offset).await
    }

    /// The queues it reads at the moment.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.member.queues().iter().filter(|queue| !queue.is_dropped()).map(|queue| queue.queue.clone()).collect()
    }

    /// All queues of a topic.
    ///
    /// # Errors
    /// When there is no route to it.
    pub async fn queues_of(&self, topic: &str) -> Result<Vec<MessageQueue>> {
        Ok(self.member.client.route(topic).await?.read_queues().to_vec())
    }

    /// Reads these queues, and no others, whatever other members of the group read: each where the group is in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it subscribes to topics; when a broker cannot be asked where to begin.
    pub async fn assign(&self, queues: &[MessageQueue]) -> Result<()> {
        self.by_hand()?;
        for held in self.member.queues().iter().filter(|held| !queues.contains(&held.queue)) {
            self.member.remove_queue(held);
        }
        for queue in queues.iter().filter(|queue| self.member.queue(queue).is_none()) {
            self.route(queue).await?;
            let offset = self.member.first_offset(queue).await?;
            self.member.add_queue(queue.clone(), offset, false);
        }
        Ok(())
    }

    fn by_hand(&self) -> Result<()> {
        if self.member.settings.subscriptions.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid("queues are shared with the group; assign them without a subscription".into()))
    }

    /// Goes on reading a queue at this offset. Messages of it that were read ahead are dropped.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it does not read the queue.
    pub async fn seek(&self, queue: &MessageQueue, offset: i64) -> Result<()> {
        if self.member.queue(queue).is_none() {
            return Err(Error::Invalid(format!("{queue:?} is not read by this consumer; assign it first")));
        }
        self.member.add_queue(queue.clone(), offset, false);
        Ok(())
    }

    /// Reads a queue once, beside what is read ahead, and keeps no offset. With `suspend` the broker waits for a message
    /// if there is none.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        offset: i64,
        count_max: u32,
        suspend: Option<Duration>,
    ) -> Result<Pulled> {
        self.route(queue).await?;
        let passing = AssignedQueue::new(queue.clone(), offset);
        let mut answer = self.member.pull(&passing, offset, count_max, suspend).await?;
        if let Some(subscription) = self.member.subscription(&queue.topic) {
            answer.messages.retain(|message| subscription.wants(message));
        }
        Ok(Pulled {
            messages: answer.messages,
            next_offset: answer.next,
            min_offset: answer.min,
            max_offset: answer.max,
        })
    }

    /// The offset the group has told for a queue, `None` if it has none.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn committed_offset(&self, queue: &MessageQueue) -> Result<Option<i64>> {
        self.route(queue).await?;
        self.member.committed_offset(queue).await
    }

    /// The first offset of a queue.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64> {
        self.route(queue).await?;
        self.member.min_offset(queue).await
    }

    /// The offset the next message of a queue will have.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64> {
        self.route(queue).await?;
        self.member.max_offset(queue).await
    }

    /// The offset of the first message stored at this moment, in milliseconds since 1970, or later.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub async fn offset_at(&self, queue: &MessageQueue, timestamp_ms: i64) -> Result<i64> {
        self.route(queue).await?;
        self.member.offset_at(queue, timestamp_ms).await
    }

    /// Makes sure that the broker of a queue is known.
    async fn route(&self, queue: &MessageQueue) -> Result<()> {
        self.member.client.route(&queue.topic).await.map(drop)
    }

    /// The client inside, to ask for other things.
    pub fn client(&self) -> &Client {
        &self.member.client
    }

    /// Leaves the group and closes the connections. Commits nothing: what was polled and not committed comes again.
    pub async fn shutdown(self) {
        self.member.stop_reading().await;
        self.member.client.shut_down(GOODBYE_PATIENCE).await;
    }
}
