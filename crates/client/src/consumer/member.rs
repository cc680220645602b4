//! A member of a consumer group.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::MessageQueue;
use protocol::request::heartbeat::{ConsumeFromWhere, ConsumeType, ConsumerData, MessageModel};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::ConsumeFrom;
use super::assigned::AssignedQueue;
use super::subscription::Subscription;
use crate::client::{Client, Role};
use crate::error::Result;
use crate::message_view::MessageView;

/// Messages that are handed on and wait for a handler, beyond those in its hands.
pub(super) const HANDED_MAX: usize = 1024;

/// Time from one look at who reads which queues to the next, without a reason to look.
const REBALANCE_INTERVAL: Duration = Duration::from_secs(20);

/// Time from one renewal of the locks of an orderly consumer to the next.
const LOCK_INTERVAL: Duration = Duration::from_secs(20);

/// A message on its way to its handler.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) queue: Arc<AssignedQueue>,
    pub(super) message: MessageView,
}

/// What is the same for every kind of consumer.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) group: String,
    pub(super) model: MessageModel,
    pub(super) consume_type: ConsumeType,
    pub(super) from: ConsumeFrom,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) orderly: bool,
    /// Says the filter with every pull, for the broker may know no subscription of the group.
    pub(super) filter_inline: bool,
    pub(super) pull_count_max: u32,
    pub(super) queue_count_max: usize,
    pub(super) bytes_max: usize,
    pub(super) commit_interval: Option<Duration>,
}

/// How the messages of a queue reach their handler.
pub(super) type OpenQueue =
    dyn Fn(&Arc<Member>, &Arc<AssignedQueue>) -> (mpsc::Sender<Delivery>, Option<JoinHandle<()>>) + Send + Sync;

pub(super) struct Member {
    pub(super) client: Client,
    pub(super) settings: Settings,
    queues: Mutex<BTreeMap<MessageQueue, Arc<AssignedQueue>>>,
    /// Topics whose queues have been shared out since we began.
    begun: Mutex<HashSet<String>>,
    open_queue: Box<OpenQueue>,
    /// Bytes of all messages that were read and are not done. Signed: they may be freed a moment before they are counted.
    bytes: AtomicI64,
    /// Bytes became free.
    pub(super) room: Notify,
    rebalance: Notify,
    pub(super) stopping: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    pub(super) started_at_ms: i64,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("group", &self.settings.group).field("client", &self.client.id()).finish()
    }
}

impl Settings {
    /// What heartbeats say.
    pub(super) fn role(&self) -> Role {
        let consume_from_where = match self.from {
            ConsumeFrom::Last => ConsumeFromWhere::LastOffset,
            ConsumeFrom::First => ConsumeFromWhere::FirstOffset,
            ConsumeFrom::Timestamp(_) => ConsumeFromWhere::Timestamp,
        };
        let consumer = ConsumerData {
            group_name: self.group.clone(),
            consume_type: self.consume_type,
            message_model: self.model,
            consume_from_where,
            unit_mode: false,
            subscriptions: self.subscriptions.iter().map(|subscription| subscription.data().clone()).collect(),
        };
        Role { producer_group: None, consumer: Some(consumer) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    pub(super) fn new(client: Client, settings: Settings, open_queue: Box<OpenQueue>) -> Arc<Self> {
        Arc::new(Member {
            client,
            settings,
            queues: Mutex::default(),
            begun: Mutex::default(),
            open_queue,
            bytes: AtomicI64::new(0),
            room: Notify::new(),
            rebalance: Notify::new(),
            stopping: AtomicBool::new(false),
            tasks: Mutex::default(),
            started_at_ms: crate::unique_id::now_ms(),
        })
    }

    /// Joins the group and begins to read. What is not there yet is tried again for as long as it takes.
    pub(super) async fn start(self: &Arc<Self>) {
        for subscription in &self.settings.subscriptions {
            if let Err(error) = self.client.route(subscription.topic()).await {
                tracing::debug!(topic = subscription.topic(), "no route yet: {error}");
            }
        }
        self.client.reach_brokers(true).await;
        let rebalancing = tokio::spawn(rebalance_for_ever(self.clone()));
        let mut tasks = vec![rebalancing];
        if let Some(interval) = self.settings.commit_interval {
            tasks.push(tokio::spawn(commit_for_ever(self.clone(), interval)));
        }
        if self.settings.orderly {
            tasks.push(tokio::spawn(renew_for_ever(self.clone())));
        }
        lock(&self.tasks).extend(tasks);
    }

    /// A task that ends with this member.
    pub(super) fn adopt(&self, task: JoinHandle<()>) {
        lock(&self.tasks).push(task);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Somebody came or went: who reads what has to be looked at.
    pub(super) fn look_again(&self) {
        self.rebalance.notify_one();
    }

    /// Stops reading. Handlers that run go on.
    pub(super) async fn stop_reading(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        let tasks: Vec<JoinHandle<()>> = lock(&self.tasks).drain(..).collect();
        for task in tasks {
            task.abort();
            // Waited for, so that it does not take a queue up behind our back.
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(group = self.settings.group, "a task of the consumer failed: {error}");
            }
        }
        for queue in self.queues() {
            queue.drop_it();
        }
    }

    pub(super) fn queues(&self) -> Vec<Arc<AssignedQueue>> {
        lock(&self.queues).values().cloned().collect()
    }

    pub(super) fn queue(&self, queue: &MessageQueue) -> Option<Arc<AssignedQueue>> {
        lock(&self.queues).get(queue).cloned()
    }

    /// Begins to read a queue.
    pub(super) fn add_queue(self: &Arc<Self>, queue: MessageQueue, offset: i64, locked: bool) {
        let assigned = Arc::new(AssignedQueue::new(queue.clone(), offset));
        assigned.set_locked(locked);
        let (sink, worker) = (self.open_queue)(self, &assigned);
        let reader = tokio::spawn(super::reading::read_queue(self.clone(), assigned.clone(), sink));
        assigned.run(reader.abort_handle(), worker);
        tracing::info!(group = self.settings.group, ?queue, offset, "reading");
        if let Some(before) = lock(&self.queues).insert(queue, assigned) {
            self.forget(&before);
        }
    }

    /// Forgets a queue whose handlers are done, or not waited for.
    pub(super) fn remove_queue(&self, queue: &AssignedQueue) {
        self.forget(queue);
        lock(&self.queues).remove(&queue.queue);
        tracing::info!(group = self.settings.group, queue = ?queue.queue, "not reading any more");
    }

    fn forget(&self, queue: &AssignedQueue) {
        queue.drop_it();
        self.free(queue.give_up());
    }

    pub(super) fn subscription(&self, topic: &str) -> Option<&Subscription> {
        self.settings.subscriptions.iter().find(|subscription| subscription.topic() == topic)
    }

    /// Is this the first time the queues of this topic are shared out?
    pub(super) fn is_beginning(&self, topic: &str) -> bool {
        !lock(&self.begun).contains(topic)
    }

    pub(super) fn has_begun(&self, topic: &str) {
        lock(&self.begun).insert(topic.to_owned());
    }

    pub(super) fn take(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as i64, Ordering::SeqCst);
    }

    pub(super) fn free(&self, bytes: usize) {
        if bytes > 0 {
            self.bytes.fetch_sub(bytes as i64, Ordering::SeqCst);
            self.room.notify_waiters();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst).max(0) as usize
    }

    /// A message needs no more handling.
    pub(super) fn done(&self, queue: &AssignedQueue, message: &MessageView) {
        self.free(queue.done(message.queue_offset(), crate::unique_id::now_ms()));
    }

    /// Asks a broker by its name.
    pub(super) async fn ask(
        &self,
        broker: &str,
        request: &crate::frame::Request<'_>,
        patience: Duration,
    ) -> Result<crate::frame::Response> {
        let address = self.client.broker_address(broker)?;
        self.client.broker_connection(&address).await?.request(request, patience).await
    }
}

/// Ends everything a member does when its owner is dropped without a shutdown.
#[derive(Debug)]
pub(super) struct Owned(pub(super) Arc<Member>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        for task in lock(&self.0.tasks).drain(..) {
            task.abort();
        }
        for queue in self.0.queues() {
            queue.drop_it();
        }
    }
}

async fn rebalance_for_ever(member: Arc<Member>) {
    let mut backoff = super::rebalance::backoff();
    loop {
        let wait = if member.share_out().await {
            backoff.reset();
            REBALANCE_INTERVAL
        } else {
            backoff.next(None)
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = member.rebalance.notified() => {}
        }
    }
}

async fn commit_for_ever(member: Arc<Member>, interval: Duration) {
    loop {
        sleep(interval).await;
        member.tell_offsets().await;
    }
}

async fn renew_for_ever(member: Arc<Member>) {
    loop {
        sleep(LOCK_INTERVAL).await;
        member.renew_locks().await;
    }
}
