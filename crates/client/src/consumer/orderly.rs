//! Handling the messages of a queue one by one, in order.

use std::sync::Arc;
use std::time::Duration;

use protocol::request::heartbeat::MessageModel;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::assigned::AssignedQueue;
use super::concurrent::run;
use super::member::{Delivery, Member};
use super::outcome::Outcome;
use super::push::Handler;
use super::send_back::LEVEL_DEAD;

/// How often a queue whose lock was lost is looked at.
const LOCK_LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How an orderly consumer handles failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Wait before a message that failed is handled again.
    pub(super) retry_after: Duration,
    /// Attempts after the first one before it is a dead letter.
    pub(super) max_reconsume_times: u32,
}

/// Handles the messages of one queue until it is not ours any more.
pub(super) async fn work(
    member: Arc<Member>,
    queue: Arc<AssignedQueue>,
    handler: Handler,
    patience: Patience,
    mut deliveries: mpsc::Receiver<Delivery>,
) {
    loop {
        let delivery = tokio::select! {
            delivery = deliveries.recv() => delivery,
            () = dropped(&queue) => return,
        };
        let Some(Delivery { mut message, .. }) = delivery else { return };
        loop {
            while !queue.is_locked() && !queue.is_dropped() {
                sleep(LOCK_LOOK_INTERVAL).await;
            }
            if queue.is_dropped() {
                return;
            }
            let is_last = message.reconsume_times() >= patience.max_reconsume_times;
            match run(&handler, &message).await {
                Outcome::Done => break,
                _ if member.settings.model == MessageModel::Broadcasting => {
                    tracing::warn!(id = %message.id(), "a broadcast message that failed is not tried again");
                    break;
                }
                Outcome::Retry | Outcome::RetryAtLevel(_) if !is_last => {}
                Outcome::Retry | Outcome::RetryAtLevel(_) | Outcome::DeadLetter => {
                    match member.send_back(&message, LEVEL_DEAD, patience.max_reconsume_times).await {
                        Ok(()) => break,
                        Err(error) => {
                            tracing::warn!(id = %message.id(), "dead letter not sent back, tried again: {error}");
                        }
                    }
                }
            }
            message.count_attempt();
            tokio::select! {
                () = sleep(patience.retry_after) => {}
                () = dropped(&queue) => return,
            }
        }
        member.done(&queue, &message);
    }
}

async fn dropped(queue: &AssignedQueue) {
    loop {
        let changed = queue.changed.notified();
        if queue.is_dropped() {
            return;
        }
        changed.await;
    }
}
