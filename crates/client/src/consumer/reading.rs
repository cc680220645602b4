//! Reading ahead of the handlers: one long-polling task for each queue.

use std::sync::Arc;
use std::time::Duration;

use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::pull::{PULL_COMMIT_OFFSET, PULL_LITE, PULL_SUBSCRIPTION, PULL_SUSPEND, PullAnswer, PullHeader};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::assigned::AssignedQueue;
use super::member::{Delivery, Member};
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::frame::Request;
use crate::message_view::MessageView;
use crate::unique_id::now_ms;

/// How long a broker may hold a pull until a message comes.
pub(super) const SUSPEND: Duration = Duration::from_secs(15);
/// How long an answer to a pull may take, beside the time the broker may hold it.
pub(super) const PULL_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of records asked for at a time. One message is answered even if it is larger.
pub(super) const PULL_BYTES_MAX: i32 = 256 * 1024;

/// An answer without a message that comes sooner was not waited for by the broker.
const IDLE_ANSWER_MIN: Duration = Duration::from_millis(100);

/// First and longest wait after a pull that failed.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(3);

/// The answer to a pull.
pub(super) struct Answer {
    pub(super) messages: Vec<MessageView>,
    pub(super) next: i64,
    pub(super) min: i64,
    pub(super) max: i64,
    /// The offset asked for is outside of the queue.
    pub(super) moved: bool,
}

/// Reads a queue until it is not ours any more, when the task is ended from outside.
pub(super) async fn read_queue(member: Arc<Member>, queue: Arc<AssignedQueue>, sink: mpsc::Sender<Delivery>) {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        wait_for_room(&member, &queue).await;
        let (asked, asked_at) = (queue.next(), Instant::now());
        match member.pull(&queue, asked, member.settings.pull_count_max, Some(SUSPEND)).await {
            Ok(answer) => {
                if answer.moved {
                    tracing::warn!(
                        queue = ?queue.queue, from = asked, to = answer.next, min = answer.min, max = answer.max,
                        "the offset is not in the queue any more; reading on elsewhere"
                    );
                }
                // A broker that answers at once, again and again, without a step forward, must not be asked at once.
                let idle = answer.next <= asked && asked_at.elapsed() < IDLE_ANSWER_MIN;
                hand_on(&member, &queue, &sink, answer).await;
                if idle {
                    sleep(backoff.next(None)).await;
                } else {
                    backoff.reset();
                }
            }
            Err(error) => {
                if error.is_retryable() {
                    tracing::debug!(queue = ?queue.queue, "pull failed: {error}");
                } else {
                    tracing::warn!(queue = ?queue.queue, from = asked, "pull failed, nothing is read: {error}");
                }
                heal(&member, &queue, &error).await;
                sleep(backoff.next(error.retry_after())).await;
            }
        }
    }
}

async fn wait_for_room(member: &Member, queue: &AssignedQueue) {
    let settings = &member.settings;
    loop {
        let (changed, room) = (queue.changed.notified(), member.room.notified());
        let (count, _) = queue.open();
        // A queue without a message in hand may read on whatever the others hold: it must not starve because of them.
        if count == 0 || (count < settings.queue_count_max && member.bytes() < settings.bytes_max) {
            return;
        }
        tokio::select! {
            () = changed => {}
            () = room => {}
        }
    }
}

async fn hand_on(member: &Member, queue: &Arc<AssignedQueue>, sink: &mpsc::Sender<Delivery>, answer: Answer) {
    let wanted = member.subscription(&queue.queue.topic);
    let mut messages = answer.messages;
    messages.retain(|message| wanted.is_none_or(|subscription| subscription.wants(message)));
    member.take(queue.read(&messages, answer.next, now_ms()));
    for message in messages {
        if sink.send(Delivery { queue: queue.clone(), message }).await.is_err() {
            // Nobody handles messages any more: we are being shut down.
            return;
        }
    }
}

/// Mends what the error points at, as far as that can be done from here.
async fn heal(member: &Member, queue: &AssignedQueue, error: &Error) {
    match error.code() {
        // A broker that was restarted has not heard who we are.
        Some(
            ResponseCode::SUBSCRIPTION_NOT_EXIST
            | ResponseCode::SUBSCRIPTION_NOT_LATEST
            | ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
        ) => {
            member.client.reach_brokers(true).await;
        }
        _ => member.client.refresh_route(&queue.queue.topic).await,
    }
    if error.code().is_some() {
        member.look_again();
    }
}

impl Member {
    /// Reads a queue once. With `suspend` the broker waits for a message if there is none.
    pub(super) async fn pull(
        &self,
        queue: &AssignedQueue,
        offset: i64,
        count_max: u32,
        suspend: Option<Duration>,
    ) -> Result<Answer> {
        let data = self.subscription(&queue.queue.topic).map(super::subscription::Subscription::data);
        let inline = self.settings.filter_inline;
        let (expression, version) = data.map_or(("*", 0), |data| (data.sub_string.as_str(), data.sub_version));
        // What is done so far goes along, so that after a crash little comes again; it is told for good all the same, for
        // the answer promises nothing about it.
        let done = queue.uncommitted().filter(|_| self.keeps_offsets() && !queue.is_dropped());
        let flags = [
            (done.is_some(), PULL_COMMIT_OFFSET),
            (suspend.is_some(), PULL_SUSPEND),
            (inline, PULL_SUBSCRIPTION | PULL_LITE),
        ];
        let header = PullHeader {
            consumer_group: &self.settings.group,
            topic: &queue.queue.topic,
            queue_id: queue.queue.queue_id,
            queue_offset: offset,
            max_msg_nums: i32::try_from(count_max).unwrap_or(i32::MAX),
            sys_flag: flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag),
            commit_offset: done.unwrap_or(0),
            suspend_timeout_ms: suspend.map_or(0, |suspend| suspend.as_millis() as i64),
            subscription: inline.then_some(expression),
            sub_version: version,
            expression_type: data.map(|data| data.expression_type.as_str()).or(inline.then_some("TAG")),
            max_msg_bytes: Some(PULL_BYTES_MAX),
            broker_name: Some(&queue.broker),
        };
        let fields = header.fields();
        let request = Request::new(RequestCode::PullMessage, &fields);
        let response = self.ask(&queue.broker, &request, PULL_TIMEOUT + suspend.unwrap_or_default()).await?;
        let (found, moved) = match response.code() {
            ResponseCode::SUCCESS => (true, false),
            ResponseCode::PULL_NOT_FOUND | ResponseCode::PULL_RETRY_IMMEDIATELY => (false, false),
            ResponseCode::PULL_OFFSET_MOVED => (false, true),
            _ => return Err(response.refusal()),
        };
        let answer = response.decode(PullAnswer::decode)?;
        let messages = if found {
            let decoded = MessageView::decode_all(response.body().clone(), &queue.broker);
            decoded.map_err(|error| Error::protocol(response.address(), error))?
        } else {
            Vec::new()
        };
        let (min, max) = (answer.min_offset, answer.max_offset);
        Ok(Answer { messages, next: answer.next_begin_offset, min, max, moved })
    }
}
