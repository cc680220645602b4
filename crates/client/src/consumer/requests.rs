//! What brokers, and operators through them, ask of a consumer.

use std::sync::Arc;
use std::time::Instant;

use message::record::Record;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::header::Fields;
use protocol::json::Object;
use protocol::request::relay::{ConsumeDirectlyHeader, RunningInfoHeader};
use protocol::request::reset::{ResetOffsetHeader, ResetOffsets};
use protocol::request::session::ConsumerGroupHeader;
use tokio::sync::mpsc;

use super::concurrent::run;
use super::member::Member;
use super::outcome::Outcome;
use super::push::Handler;
use super::running_info::{write_running_info, write_status};
use crate::connection::Push;
use crate::message_view::MessageView;

/// Serves until the client is gone.
pub(super) async fn serve(member: Arc<Member>, handler: Option<Handler>, mut pushes: mpsc::Receiver<Push>) {
    while let Some(push) = pushes.recv().await {
        match RequestCode::from_code(push.code) {
            Some(RequestCode::NotifyConsumerIdsChanged) => {
                if group_of(&push, |fields| {
                    ConsumerGroupHeader::decode(fields).map(|h| h.consumer_group.to_owned()).ok()
                })
                .is_none_or(|group| group == member.settings.group)
                {
                    member.look_again();
                }
            }
            // The others may take their time; what is asked next does not wait for them.
            Some(RequestCode::ConsumeMessageDirectly) => {
                let (member, handler) = (member.clone(), handler.clone());
                tokio::spawn(async move { consume_directly(&member, handler, &push).await });
            }
            Some(RequestCode::ResetConsumerClientOffset) => {
                let member = member.clone();
                tokio::spawn(async move { reset(&member, &push).await });
            }
            Some(RequestCode::GetConsumerRunningInfo) => {
                let asked =
                    |fields: &Fields<'_>| RunningInfoHeader::decode(fields).map(|h| h.consumer_group.to_owned()).ok();
                let group = group_of(&push, asked);
                tell(&member, &push, group.as_deref(), |body| write_running_info(&member, body)).await;
            }
            Some(RequestCode::GetConsumerStatusFromClient) => {
                let group = group_of(&push, |fields| fields.opt_str("group").map(str::to_owned));
                let topic = group_of(&push, |fields| fields.opt_str("topic").map(str::to_owned)).unwrap_or_default();
                tell(&member, &push, group.as_deref(), |body| write_status(&member, &topic, body)).await;
            }
            _ => refuse(&push, ResponseCode::REQUEST_CODE_NOT_SUPPORTED, "this consumer does not serve it").await,
        }
    }
}

fn group_of(push: &Push, read: impl FnOnce(&Fields<'_>) -> Option<String>) -> Option<String> {
    push.header.read(read)
}

async fn tell(member: &Member, push: &Push, group: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) {
    if group != Some(member.settings.group.as_str()) {
        return refuse(push, ResponseCode::SYSTEM_ERROR, "no consumer of this group is here").await;
    }
    let mut body = Vec::new();
    write(&mut body);
    if let Err(error) = push.answer(ResponseCode::SUCCESS, None, &body).await {
        tracing::debug!(address = push.address(), code = push.code, "an answer is lost: {error}");
    }
}

async fn refuse(push: &Push, code: ResponseCode, remark: &str) {
    if let Err(error) = push.answer(code, Some(remark), &[]).await {
        tracing::debug!(address = push.address(), code = push.code, "a refusal is lost: {error}");
    }
}

/// Goes on reading where an operator wants.
async fn reset(member: &Arc<Member>, push: &Push) {
    let asked = push.header.read(|fields| {
        ResetOffsetHeader::decode(fields).map(|header| (header.group.to_owned(), header.topic.to_owned()))
    });
    let (group, topic) = match asked {
        Ok(asked) => asked,
        Err(error) => return tracing::warn!(address = push.address(), "a reset that cannot be read: {error}"),
    };
    let offsets = match ResetOffsets::decode(&push.body) {
        Ok(offsets) => offsets.offsets,
        Err(error) => return tracing::warn!(address = push.address(), "a reset that cannot be read: {error}"),
    };
    if group != member.settings.group {
        return tracing::debug!(group, "a reset for another group");
    }
    for (queue, offset) in offsets.into_iter().filter(|(queue, _)| queue.topic == topic) {
        // Given up and taken up again, so that nothing read before the reset is told after it.
        if member.queue(&queue).is_none() || !member.give_up_queue(&queue).await {
            tracing::warn!(?queue, offset, "queue not reset: it is not ours, or its handler still runs");
            continue;
        }
        match member.commit(&queue, offset).await {
            Ok(()) => tracing::info!(?queue, offset, "reset"),
            Err(error) => tracing::warn!(?queue, offset, "queue not reset: {error}"),
        }
    }
    member.look_again();
}

/// Handles one message because an operator wants to see what happens.
async fn consume_directly(member: &Member, handler: Option<Handler>, push: &Push) {
    let asked = push.header.read(|fields| {
        ConsumeDirectlyHeader::decode(fields)
            .map(|header| (header.consumer_group.to_owned(), header.broker_name.unwrap_or("").to_owned()))
    });
    let (group, broker) = match asked {
        Ok(asked) => asked,
        Err(error) => return refuse(push, ResponseCode::SYSTEM_ERROR, &error.to_string()).await,
    };
    let Some(handler) = handler.filter(|_| group == member.settings.group) else {
        return refuse(push, ResponseCode::SYSTEM_ERROR, "no push consumer of this group is here").await;
    };
    let decoded = Record::parse(&push.body).map(|record| push.body.slice_ref(record.bytes()));
    let message = match decoded.and_then(|record| MessageView::decode(record, broker.as_str().into())) {
        Ok(message) => message,
        Err(error) => return refuse(push, ResponseCode::SYSTEM_ERROR, &error.to_string()).await,
    };
    let began = Instant::now();
    let outcome = run(&handler, &message).await;
    let mut body = Vec::new();
    let mut object = Object::begin(&mut body);
    object.bool("autoCommit", true);
    object.string("consumeResult", if outcome == Outcome::Done { "CR_SUCCESS" } else { "CR_LATER" });
    object.bool("order", member.settings.orderly);
    object.int("spentTimeMills", began.elapsed().as_millis() as i64);
    object.end();
    if let Err(error) = push.answer(ResponseCode::SUCCESS, None, &body).await {
        tracing::debug!(address = push.address(), "an answer is lost: {error}");
    }
}
