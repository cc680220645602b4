//! A consumer that calls a handler for each message.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use protocol::MessageQueue;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::builder::PushConsumerBuilder;
use super::member::{Member, Owned};
use super::outcome::Outcome;
use crate::client::Client;
use crate::message_view::MessageView;
use crate::producer::GOODBYE_PATIENCE;

/// A handler whose type is forgotten.
pub(super) type Handler = Arc<dyn Fn(MessageView) -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// Receives messages as a member of a group: every message goes to one member of each group that subscribes to its topic.
///
/// Members share the queues of a topic among themselves, Java clients included. What a handler fails at comes again,
/// later each time; whatever happens, a message is handled at least once, so handlers must bear to see one twice.
///
/// ```no_run
/// # async fn store(_: &[u8]) -> std::io::Result<()> { Ok(()) }
/// # async fn example() -> tandem_client::Result<()> {
/// use tandem_client::{ConsumeFrom, PushConsumer};
///
/// let consumer = PushConsumer::builder(["127.0.0.1:9876"])
///     .group("cart-service")
///     .subscribe("orders", "paid || refused")
///     .consume_from(ConsumeFrom::First)
///     .listen(|message| async move { store(message.body()).await })
///     .start()
///     .await?;
///
/// tokio::signal::ctrl_c().await.expect("signals can be heard");
/// consumer.shutdown().await; // waits for the handlers and loses nothing they did
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PushConsumer {
    pub(super) member: Arc<Member>,
    pub(super) turns: Arc<Semaphore>,
    pub(super) concurrency: u32,
    pub(super) shutdown_patience: Duration,
    pub(super) _owned: Owned,
}

impl PushConsumer {
    /// Begins a consumer for the cluster that these name servers know.
    pub fn builder<A: Into<String>>(nameservers: impl IntoIterator<Item = A>) -> PushConsumerBuilder {
        PushConsumerBuilder::new(nameservers)
    }

    /// The queues it reads at the moment.
    pub fn queues(&self) -> Vec<MessageQueue> {
        self.member.queues().iter().filter(|queue| !queue.is_dropped()).map(|queue| queue.queue.clone()).collect()
    }

    /// Messages that were read and are not done, and their bytes.
    pub fn backlog(&self) -> (usize, usize) {
        let open = self.member.queues().iter().map(|queue| queue.open().0).sum();
        (open, self.member.bytes())
    }

    /// The client inside, to ask for other things.
    pub fn client(&self) -> &Client {
        &self.member.client
    }

    /// Stops: no further message is handed out, the handlers that run are waited for, up to the builder's limit, and the
    /// brokers are told what is done, so that nothing that was handled comes again.
    ///
    /// Dropped without it, a consumer stops like one that is killed: what was handled in the last seconds comes again.
    pub async fn shutdown(self) {
        let member = &self.member;
        member.stop_reading().await;
        let handled = async {
            // All turns are there again once no handler runs.
            let _turns = self.turns.acquire_many(self.concurrency).await.expect("it is never closed");
            for queue in member.queues() {
                queue.wait_for_worker(self.shutdown_patience).await;
            }
        };
        if timeout(self.shutdown_patience, handled).await.is_err() {
            tracing::warn!(group = member.settings.group, "stopped while handlers run; their messages come again");
        }
        let queues = member.queues();
        for queue in &queues {
            member.tell_last_offset(queue).await;
        }
        if member.settings.orderly {
            let queues: Vec<MessageQueue> = queues.iter().map(|queue| queue.queue.clone()).collect();
            member.unlock_queues(&queues).await;
        }
        member.client.shut_down(GOODBYE_PATIENCE).await;
    }
}
