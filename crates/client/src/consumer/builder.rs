use std::sync::Arc;
use std::time::Duration;

use message::names;
use protocol::request::heartbeat::{ConsumeType, MessageModel};
use tokio::sync::{Semaphore, mpsc};

use super::ConsumeFrom;
use super::concurrent::{Workshop, dispatch};
use super::member::{HANDED_MAX, Member, OpenQueue, Owned, Settings};
use super::orderly::{Patience, work};
use super::outcome::IntoOutcome;
use super::push::{Handler, PushConsumer};
use super::requests::serve;
use super::subscription::Subscription;
use crate::client::{Client, ClientBuilder};
use crate::error::{Error, Result};
use crate::message_view::MessageView;

/// Handlers that run at a time unless the builder says otherwise.
pub const CONCURRENCY: u32 = 20;
/// Messages of one pull unless the builder says otherwise.
pub const PULL_COUNT_MAX: u32 = 32;
/// Messages of one queue that are read and not done, at most, unless the builder says otherwise.
pub const QUEUE_COUNT_MAX: usize = 1000;
/// Bytes of messages that are read and not done, at most, unless the builder says otherwise. Each queue may exceed it by
/// one pull.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time from one telling of the offsets to the next.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// Attempts after the first one before a message is a dead letter, unless the builder says otherwise. An orderly consumer
/// tries for ever.
pub const RECONSUME_TIMES_MAX: u32 = 16;
/// Wait before an orderly consumer handles a message again, unless the builder says otherwise.
pub const ORDERLY_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a shutdown waits for handlers unless the builder says otherwise.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(30);

/// Makes a [`PushConsumer`].
#[must_use]
pub struct PushConsumerBuilder {
    client: ClientBuilder,
    group: Option<String>,
    subscriptions: Vec<(String, String)>,
    from: ConsumeFrom,
    model: MessageModel,
    handler: Option<Handler>,
    orderly: bool,
    concurrency: u32,
    pull_count_max: u32,
    queue_count_max: usize,
    bytes_max: usize,
    commit_interval: Duration,
    max_reconsume_times: Option<u32>,
    orderly_retry_after: Duration,
    shutdown_patience: Duration,
}

impl PushConsumerBuilder {
    pub(super) fn new<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> Self {
        PushConsumerBuilder {
            client: Client::builder(nameservers),
            group: None,
            subscriptions: Vec::new(),
            from: ConsumeFrom::default(),
            model: MessageModel::Clustering,
            handler: None,
            orderly: false,
            concurrency: CONCURRENCY,
            pull_count_max: PULL_COUNT_MAX,
            queue_count_max: QUEUE_COUNT_MAX,
            bytes_max: BYTES_MAX,
            commit_interval: COMMIT_INTERVAL,
            max_reconsume_times: None,
            orderly_retry_after: ORDERLY_RETRY_AFTER,
            shutdown_patience: SHUTDOWN_PATIENCE,
        }
    }

    /// The consumer group. All its members must subscribe to the same.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Subscribes to a topic: `*` for all of its messages, or tags separated by `||`. May be called for several topics.
    pub fn subscribe(mut self, topic: impl Into<String>, expression: impl Into<String>) -> Self {
        self.subscriptions.push((topic.into(), expression.into()));
        self
    }

    /// Where to begin in queues the group has no offset for; with the messages to come unless said otherwise.
    pub fn consume_from(mut self, from: ConsumeFrom) -> Self {
        self.from = from;
        self
    }

    /// Handles messages many at a time, in no order. What the handler returns says whether the message is done: see
    /// [`IntoOutcome`].
    pub fn listen<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(MessageView) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.handle(handler, false)
    }

    /// Handles the messages of each queue one by one, in order; a message that fails holds up those behind it. Messages
    /// with one [ordering key](crate::MessageBuilder::ordering_key) are in one queue.
    pub fn listen_orderly<F, Fut>(self, handler: F) -> Self
    where
        F: Fn(MessageView) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.handle(handler, true)
    }

    fn handle<F, Fut>(mut self, handler: F, orderly: bool) -> Self
    where
        F: Fn(MessageView) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.handler = Some(Arc::new(move |message| {
            let handled = handler(message);
            Box::pin(async move { handled.await.into_outcome() })
        }));
        self.orderly = orderly;
        self
    }

    /// Gets every message, whoever else is in the group. Begins anew where [`consume_from`](Self::consume_from) says
    /// each time it starts, and does not get again what its handler failed at.
    pub fn broadcasting(mut self) -> Self {
        self.model = MessageModel::Broadcasting;
        self
    }

    /// Handlers that run at a time; 20 unless said otherwise. An orderly consumer has one for each queue.
    pub fn concurrency(mut self, handlers: u32) -> Self {
        self.concurrency = handlers;
        self
    }

    /// Messages of one pull; 32 unless said otherwise.
    pub fn pull_count_max(mut self, count: u32) -> Self {
        self.pull_count_max = count;
        self
    }

    /// Messages of one queue that are read and not done, at most; 1000 unless said otherwise.
    pub fn queue_count_max(mut self, count: usize) -> Self {
        self.queue_count_max = count;
        self
    }

    /// Bytes of messages that are read and not done, at most; 64 MiB unless said otherwise.
    pub fn bytes_max(mut self, bytes: usize) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Time from one telling of the offsets to the next; 5 s unless said otherwise. What was done since comes again after a
    /// crash.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// Attempts after the first one before a message is a dead letter; 16 unless said otherwise, without end for an orderly
    /// consumer.
    pub fn max_reconsume_times(mut self, times: u32) -> Self {
        self.max_reconsume_times = Some(times);
        self
    }

    /// Wait before an orderly consumer handles a message again; 1 s unless said otherwise.
    pub fn orderly_retry_after(mut self, wait: Duration) -> Self {
        self.orderly_retry_after = wait;
        self
    }

    /// How long [`PushConsumer::shutdown`] waits for handlers; 30 s unless said otherwise.
    pub fn shutdown_patience(mut self, patience: Duration) -> Self {
        self.shutdown_patience = patience;
        self
    }

    /// An id by which operators find this consumer. It must be different for every member of the group.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client.client_id = Some(id.into());
        self
    }

    /// Joins the group and begins to read. Brokers and topics that are not there yet are waited for in the background.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a group, a subscription or a handler, or with a number that cannot be.
    pub async fn start(self) -> Result<PushConsumer> {
        let invalid = |problem: &str| Err(Error::Invalid(problem.to_owned()));
        let Some(handler) = self.handler else {
            return invalid("a push consumer needs a handler; give one with listen or listen_orderly");
        };
        if self.concurrency == 0
            || self.pull_count_max == 0
            || self.queue_count_max == 0
            || self.commit_interval.is_zero()
        {
            return invalid("concurrency, pull_count_max, queue_count_max and commit_interval are at least 1");
        }
        let group = checked_group(self.group)?;
        if self.subscriptions.is_empty() {
            return invalid("a push consumer needs a topic; give one with subscribe");
        }
        let mut subscriptions = Vec::new();
        for (topic, expression) in &self.subscriptions {
            subscriptions.push(Subscription::new(topic, expression)?);
        }
        if self.model == MessageModel::Clustering {
            subscriptions.push(Subscription::new(&names::retry_topic(&group), "*")?);
        }
        let settings = Settings {
            group,
            model: self.model,
            consume_type: ConsumeType::ConsumePassively,
            from: self.from,
            subscriptions,
            orderly: self.orderly && self.model == MessageModel::Clustering,
            filter_inline: false,
            pull_count_max: self.pull_count_max,
            queue_count_max: self.queue_count_max,
            bytes_max: self.bytes_max,
            commit_interval: Some(self.commit_interval),
        };
        let (client, pushes) = self.client.start_in_role(settings.role())?;
        let turns = Arc::new(Semaphore::new(self.concurrency as usize));
        let max_reconsume_times =
            self.max_reconsume_times.unwrap_or(if self.orderly { u32::MAX } else { RECONSUME_TIMES_MAX });
        let (sink, deliveries) = mpsc::channel(HANDED_MAX);
        let open_queue: Box<OpenQueue> = if self.orderly {
            let patience = Patience { retry_after: self.orderly_retry_after, max_reconsume_times };
            let handler = handler.clone();
            let locks = settings.orderly;
            Box::new(move |member, queue| {
                // Broadcast messages have no other reader, and so no lock.
                queue.set_unshared(!locks);
                let (sink, deliveries) = mpsc::channel(HANDED_MAX);
                let worker = tokio::spawn(work(member.clone(), queue.clone(), handler.clone(), patience, deliveries));
                (sink, Some(worker))
            })
        } else {
            let sink = sink.clone();
            Box::new(move |_, _| (sink.clone(), None))
        };
        let member = Member::new(client, settings, open_queue);
        let workshop =
            Workshop { member: member.clone(), handler: handler.clone(), turns, max_reconsume_times, again: sink };
        let turns = workshop.turns.clone();
        member.adopt(tokio::spawn(dispatch(Arc::new(workshop), deliveries)));
        member.adopt(tokio::spawn(serve(member.clone(), Some(handler), pushes)));
        member.start().await;
        Ok(PushConsumer {
            _owned: Owned(member.clone()),
            member,
            turns,
            concurrency: self.concurrency,
            shutdown_patience: self.shutdown_patience,
        })
    }
}

impl std::fmt::Debug for PushConsumerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushConsumerBuilder")
            .field("group", &self.group)
            .field("subscriptions", &self.subscriptions)
            .finish_non_exhaustive()
    }
}

/// A group that applications may consume with.
pub(super) fn checked_group(group: Option<String>) -> Result<String> {
    let group = group.ok_or_else(|| Error::Invalid("a consumer needs a group; give one with group".into()))?;
    names::validate_group(&group).map_err(|error| Error::Invalid(error.to_string()))?;
    if names::is_system_group(&group) && group != names::TOOLS_GROUP {
        return Err(Error::Invalid(format!("group {group:?} belongs to the system; choose another name")));
    }
    Ok(group)
}
