//! Answering brokers that ask what became of a transaction.

use std::sync::Arc;

use message::properties;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::transaction::{CheckTransactionState, Decision, EndTransactionHeader};
use tokio::sync::{Semaphore, mpsc};

use super::listener::DynListener;
use crate::connection::Push;
use crate::frame::Request;
use crate::message_view::MessageView;

/// Most checks that run at a time. Each is usually one query of a database.
pub const CHECKS_CONCURRENT_MAX: usize = 64;

/// What the broker says of the half, to be quoted back to it.
struct Asked {
    topic: String,
    broker: String,
    state_offset: i64,
    commit_log_offset: i64,
    msg_id: String,
    transaction_id: String,
}

/// Answers until the client is gone.
pub(super) async fn answer_checks(group: String, listener: Arc<dyn DynListener>, mut pushes: mpsc::Receiver<Push>) {
    let turns = Arc::new(Semaphore::new(CHECKS_CONCURRENT_MAX));
    while let Some(push) = pushes.recv().await {
        if push.code != RequestCode::CheckTransactionState.code() {
            let code = ResponseCode::REQUEST_CODE_NOT_SUPPORTED;
            if let Err(error) = push.answer(code, Some("a producer does not serve it"), &[]).await {
                tracing::debug!(address = push.address(), "a request of the broker is not answered: {error}");
            }
            continue;
        }
        let turn = turns.clone().acquire_owned().await.expect("it is never closed");
        let (group, listener) = (group.clone(), listener.clone());
        tokio::spawn(async move {
            answer_check(&group, listener, &push).await;
            drop(turn);
        });
    }
}

async fn answer_check(group: &str, listener: Arc<dyn DynListener>, push: &Push) {
    let address = push.address();
    let read = push.header.read(|fields| {
        CheckTransactionState::decode(fields).map(|asked| Asked {
            topic: asked.topic.to_owned(),
            broker: asked.broker_name.to_owned(),
            state_offset: asked.tran_state_table_offset,
            commit_log_offset: asked.commit_log_offset,
            msg_id: asked.msg_id.to_owned(),
            transaction_id: asked.transaction_id.to_owned(),
        })
    });
    let asked = match read {
        Ok(asked) => asked,
        Err(error) => return tracing::warn!(address, "a check that cannot be read is left unanswered: {error}"),
    };
    let message = match MessageView::decode(push.body.clone(), asked.broker.as_str().into()) {
        Ok(message) => message,
        Err(error) => return tracing::warn!(address, "the half of a check cannot be read: {error}"),
    };
    // Another group's transaction is another service's: a wrong answer would be worse than none.
    if message.property(properties::PGROUP) != Some(group) {
        return tracing::warn!(address, id = %message.id(), "a check for another group is left unanswered");
    }
    let id = message.id().into_owned();
    // A task of its own, so that a check that panics leaves the others alone.
    let checked = tokio::spawn(async move { listener.check_dyn(&message).await }).await;
    let decision = checked.unwrap_or_else(|error| {
        tracing::error!(id, "the check failed, its answer is unknown: {error}");
        Decision::Unknown
    });
    tracing::debug!(address, id, ?decision, "check answered");
    let header = EndTransactionHeader {
        producer_group: group,
        tran_state_table_offset: asked.state_offset,
        commit_log_offset: asked.commit_log_offset,
        decision,
        from_transaction_check: true,
        msg_id: if asked.msg_id.is_empty() { &id } else { &asked.msg_id },
        transaction_id: Some(asked.transaction_id.as_str()).filter(|id| !id.is_empty()),
        topic: Some(asked.topic.as_str()).filter(|topic| !topic.is_empty()),
        broker_name: Some(asked.broker.as_str()).filter(|name| !name.is_empty()),
    };
    if let Err(error) = push.tell(&Request::new(RequestCode::EndTransaction, &header.fields())).await {
        tracing::warn!(address, id, "the answer to a check is lost, the broker will ask again: {error}");
    }
}
