//! Where a group is in its queues: asked when a queue is taken over, told while it is read.

use std::time::Duration;

use message::names::group_of_retry_topic;
use protocol::MessageQueue;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::heartbeat::MessageModel;
use protocol::request::offsets::{
    Boundary, OffsetAnswer, QueryConsumerOffset, QueueHeader, SearchOffset, UpdateConsumerOffset,
};
use tokio::time::sleep;

use super::ConsumeFrom;
use super::assigned::AssignedQueue;
use super::member::Member;
use crate::backoff::Backoff;
use crate::error::Result;
use crate::frame::Request;

/// Attempts at telling an offset when a consumer stops.
const LAST_COMMIT_ATTEMPTS_MAX: u32 = 4;
/// First and longest wait between them.
const LAST_COMMIT_RETRY_FIRST: Duration = Duration::from_millis(100);
const LAST_COMMIT_RETRY_MAX: Duration = Duration::from_secs(1);

impl Member {
    /// The offset the group has told for a queue, `None` if it has none.
    pub(super) async fn committed_offset(&self, queue: &MessageQueue) -> Result<Option<i64>> {
        let header = QueryConsumerOffset {
            consumer_group: &self.settings.group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            set_zero_if_not_found: Some(false),
        };
        let fields = header.fields();
        let request = Request::new(RequestCode::QueryConsumerOffset, &fields);
        let response = self.ask(&queue.broker_name, &request, self.client.request_timeout()).await?;
        if response.code() == ResponseCode::QUERY_NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(response.ok()?.decode(OffsetAnswer::decode)?.offset))
    }

    /// The first offset of a queue.
    pub(super) async fn min_offset(&self, queue: &MessageQueue) -> Result<i64> {
        self.end_of(queue, RequestCode::GetMinOffset).await
    }

    /// The offset the next message of a queue will have.
    pub(super) async fn max_offset(&self, queue: &MessageQueue) -> Result<i64> {
        self.end_of(queue, RequestCode::GetMaxOffset).await
    }

    async fn end_of(&self, queue: &MessageQueue, code: RequestCode) -> Result<i64> {
        let header = QueueHeader { topic: &queue.topic, queue_id: queue.queue_id };
        let fields = header.fields();
        let request = Request::new(code, &fields);
        let response = self.ask(&queue.broker_name, &request, self.client.request_timeout()).await?;
        Ok(response.ok()?.decode(OffsetAnswer::decode)?.offset)
    }

    /// The offset of the first message stored at this moment or later.
    pub(super) async fn offset_at(&self, queue: &MessageQueue, timestamp: i64) -> Result<i64> {
        let (topic, queue_id, boundary) = (queue.topic.as_str(), queue.queue_id, Boundary::Lower);
        let header = SearchOffset { topic, queue_id, timestamp, boundary };
        let fields = header.fields();
        let request = Request::new(RequestCode::SearchOffsetByTimestamp, &fields);
        let response = self.ask(&queue.broker_name, &request, self.client.request_timeout()).await?;
        Ok(response.ok()?.decode(OffsetAnswer::decode)?.offset)
    }

    /// Where to begin in a queue that we take over.
    pub(super) async fn first_offset(&self, queue: &MessageQueue) -> Result<i64> {
        let kept = match self.settings.model {
            MessageModel::Clustering => self.committed_offset(queue).await?,
            MessageModel::Broadcasting => None,
        };
        if let Some(offset) = kept {
            return Ok(offset);
        }
        // Failed messages were all there after the group began, and so was a queue that was not there when it did.
        if group_of_retry_topic(&queue.topic).is_some() || !self.is_beginning(&queue.topic) {
            return self.min_offset(queue).await;
        }
        match self.settings.from {
            ConsumeFrom::First => self.min_offset(queue).await,
            ConsumeFrom::Last => self.max_offset(queue).await,
            ConsumeFrom::Timestamp(moment) => self.offset_at(queue, moment).await,
        }
    }

    /// Tells an offset and waits until the broker has it.
    pub(super) async fn commit(&self, queue: &MessageQueue, offset: i64) -> Result<()> {
        let header = UpdateConsumerOffset {
            consumer_group: &self.settings.group,
            topic: &queue.topic,
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        let fields = header.fields();
        let request = Request::new(RequestCode::UpdateConsumerOffset, &fields);
        let response = self.ask(&queue.broker_name, &request, self.client.request_timeout()).await?;
        response.ok().map(drop)
    }

    /// Are offsets told by us, not by the application or by nobody?
    pub(super) fn keeps_offsets(&self) -> bool {
        self.settings.model == MessageModel::Clustering && self.settings.commit_interval.is_some()
    }

    /// Tells the offsets that changed since they were told last. What fails is told again the next time.
    pub(super) async fn tell_offsets(&self) {
        if !self.keeps_offsets() {
            return;
        }
        for queue in self.queues() {
            let Some(offset) = queue.uncommitted().filter(|_| !queue.is_dropped()) else { continue };
            match self.commit(&queue.queue, offset).await {
                Ok(()) => queue.set_committed(offset),
                Err(error) => tracing::debug!(queue = ?queue.queue, offset, "offset not told: {error}"),
            }
        }
    }

    /// Tells the offset of a queue for the last time, and takes some trouble over it: what is not told is handled again.
    pub(super) async fn tell_last_offset(&self, queue: &AssignedQueue) {
        if !self.keeps_offsets() {
            return;
        }
        let mut backoff = Backoff::new(LAST_COMMIT_RETRY_FIRST, LAST_COMMIT_RETRY_MAX);
        let offset = queue.commit_offset();
        for attempt in 1..=LAST_COMMIT_ATTEMPTS_MAX {
            match self.commit(&queue.queue, offset).await {
                Ok(()) => return queue.set_committed(offset),
                Err(error) if attempt == LAST_COMMIT_ATTEMPTS_MAX || !error.is_retryable() => {
                    tracing::warn!(queue = ?queue.queue, offset, "offset not told, messages will come again: {error}");
                    return;
                }
                Err(error) => sleep(backoff.next(error.retry_after())).await,
            }
        }
    }
}
