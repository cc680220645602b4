//! Handling messages many at a time, in no order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocol::request::heartbeat::MessageModel;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::member::{Delivery, Member};
use super::outcome::Outcome;
use super::push::Handler;
use super::send_back::{LEVEL_BY_ATTEMPTS, LEVEL_DEAD};

/// When a message that could not be sent back is handled here once more.
const AGAIN_HERE_AFTER: Duration = Duration::from_secs(5);

/// What handling needs.
pub(super) struct Workshop {
    pub(super) member: Arc<Member>,
    pub(super) handler: Handler,
    /// One for each handler that may run.
    pub(super) turns: Arc<Semaphore>,
    pub(super) max_reconsume_times: u32,
    pub(super) again: mpsc::Sender<Delivery>,
}

/// Hands messages to their handlers until the consumer stops.
pub(super) async fn dispatch(shop: Arc<Workshop>, mut deliveries: mpsc::Receiver<Delivery>) {
    while let Some(delivery) = deliveries.recv().await {
        let turn = shop.turns.clone().acquire_owned().await.expect("it is never closed");
        // Whoever has the queue now reads the message again.
        if delivery.queue.is_dropped() {
            continue;
        }
        let shop = shop.clone();
        tokio::spawn(async move {
            handle(&shop, delivery).await;
            drop(turn);
        });
    }
}

async fn handle(shop: &Arc<Workshop>, delivery: Delivery) {
    let Delivery { queue, message } = delivery;
    let member = &shop.member;
    let level = match run(&shop.handler, &message).await {
        Outcome::Done => return member.done(&queue, &message),
        Outcome::Retry => LEVEL_BY_ATTEMPTS,
        Outcome::RetryAtLevel(level) => level.into(),
        Outcome::DeadLetter => LEVEL_DEAD,
    };
    if member.settings.model == MessageModel::Broadcasting {
        tracing::warn!(id = %message.id(), "a broadcast message that failed is not tried again");
        return member.done(&queue, &message);
    }
    match member.send_back(&message, level, shop.max_reconsume_times).await {
        Ok(()) => member.done(&queue, &message),
        Err(error) => {
            tracing::warn!(id = %message.id(), "message not sent back, it is handled here again: {error}");
            let (again, member) = (shop.again.clone(), member.clone());
            // It stays open, so its offset is not told, and it is not lost whatever happens.
            tokio::spawn(async move {
                sleep(AGAIN_HERE_AFTER).await;
                if !member.stopping.load(Ordering::SeqCst) && again.send(Delivery { queue, message }).await.is_err() {
                    tracing::debug!("stopped before a message was handled again");
                }
            });
        }
    }
}

/// Runs the handler in a task of its own, so that its panic is its own.
pub(super) async fn run(handler: &Handler, message: &crate::message_view::MessageView) -> Outcome {
    if let Some(error) = message.body_error() {
        tracing::error!(id = %message.id(), "the handler does not get a message it could not read: {error}");
        return Outcome::Retry;
    }
    match tokio::spawn(handler(message.clone())).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(id = %message.id(), "the handler failed, the message will come again: {error}");
            Outcome::Retry
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::IntoOutcome as _;
    use crate::message_view::{
        MessageView,
        tests::{stored, view},
    };

    fn handler<F, Fut>(handler: F) -> Handler
    where
        F: Fn(MessageView) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        Arc::new(move |message| Box::pin(handler(message)))
    }

    #[tokio::test]
    async fn a_handler_that_panics_gets_the_message_again() {
        let panics = handler(|_| async { panic!("the handler panics, as this test wants") });
        assert_eq!(run(&panics, &view(0, "")).await, Outcome::Retry);
        let does_not = handler(|_| async { ().into_outcome() });
        assert_eq!(run(&does_not, &view(0, "")).await, Outcome::Done);
    }

    #[tokio::test]
    async fn a_message_whose_body_cannot_be_read_does_not_reach_the_handler() {
        let does_not = handler(|_| async { Outcome::Done });
        let damaged = MessageView::decode(stored(0, b"junk", 1, "").into(), "b".into()).unwrap();
        assert_eq!(run(&does_not, &damaged).await, Outcome::Retry);
    }
}
