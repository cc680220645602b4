//! Which queues are ours: computed by every member of the group for itself.

use std::sync::Arc;
use std::time::Duration;

use message::names::group_of_retry_topic;
use protocol::MessageQueue;
use protocol::codes::RequestCode;
use protocol::request::heartbeat::MessageModel;
use protocol::request::session::{ConsumerGroupHeader, ConsumerIdList};

use super::allocate::share;
use super::member::Member;
use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::frame::Request;
use crate::route::Route;

/// How long a queue that goes to somebody else waits for the handler that runs, at a time.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);

/// Between attempts while something is missing: a route, a broker, a lock that somebody else still holds.
pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(2))
}

impl Member {
    /// Looks at who reads which queues, and takes up and gives up queues accordingly. Says whether everything is as it
    /// should be.
    pub(super) async fn share_out(self: &Arc<Self>) -> bool {
        let mut settled = true;
        let topics: Vec<String> =
            self.settings.subscriptions.iter().map(|subscription| subscription.topic().to_owned()).collect();
        for topic in topics {
            if self.is_stopping() {
                return true;
            }
            match self.share_out_topic(&topic).await {
                Ok(done) => settled &= done,
                // The retry topic appears with the group, on some brokers only with the first failure.
                Err(Error::TopicNotFound { .. }) if group_of_retry_topic(&topic).is_some() => {
                    tracing::debug!(topic, "no retry topic yet");
                    settled = false;
                }
                Err(error) => {
                    tracing::debug!(topic, "queues cannot be shared out: {error}");
                    settled = false;
                }
            }
        }
        settled
    }

    async fn share_out_topic(self: &Arc<Self>, topic: &str) -> Result<bool> {
        let route = self.client.route(topic).await?;
        let ours: Vec<MessageQueue> = match self.settings.model {
            MessageModel::Broadcasting => route.read_queues().to_vec(),
            MessageModel::Clustering => {
                let members = self.members(&route).await?;
                let Some(ours) = share(route.read_queues(), &members, self.client.id()) else {
                    // The broker has not heard of us, or has forgotten us.
                    self.client.reach_brokers(true).await;
                    return Ok(false);
                };
                ours.to_vec()
            }
        };
        let mut settled = true;
        for held in self.queues().into_iter().filter(|held| held.queue.topic == topic) {
            if !ours.contains(&held.queue) || held.is_dropped() {
                settled &= self.give_up_queue(&held.queue).await;
            }
        }
        let wanted: Vec<MessageQueue> = ours.into_iter().filter(|queue| self.queue(queue).is_none()).collect();
        if wanted.is_empty() {
            self.has_begun(topic);
            return Ok(settled);
        }
        let granted = if self.settings.orderly { self.lock_queues(&wanted).await.granted } else { wanted.clone() };
        settled &= granted.len() == wanted.len();
        for queue in granted {
            match self.first_offset(&queue).await {
                Ok(offset) => {
                    self.add_queue(queue, offset, self.settings.orderly);
                }
                Err(error) => {
                    tracing::debug!(?queue, "where to begin cannot be found out: {error}");
                    settled = false;
                }
            }
        }
        if settled {
            self.has_begun(topic);
            // At once, so that whoever takes a queue over, and finds nothing told, does not begin elsewhere.
            self.tell_offsets().await;
        }
        Ok(settled)
    }

    /// Gives a queue up. Says `false` if its handler runs for longer than we wait: it is looked after the next time.
    pub(super) async fn give_up_queue(&self, queue: &MessageQueue) -> bool {
        let Some(held) = self.queue(queue) else { return true };
        held.drop_it();
        if !held.wait_for_worker(HAND_OVER_PATIENCE).await {
            return false;
        }
        self.tell_last_offset(&held).await;
        if self.settings.orderly {
            self.unlock_queues(std::slice::from_ref(queue)).await;
        }
        self.remove_queue(&held);
        true
    }

    /// Ids of all members of the group, as one of the topic's brokers knows them.
    async fn members(&self, route: &Route) -> Result<Vec<String>> {
        let header = ConsumerGroupHeader { consumer_group: &self.settings.group };
        let fields = header.fields();
        let request = Request::new(RequestCode::GetConsumerListByGroup, &fields);
        let mut last = Error::NoQueue { topic: route.topic().to_owned(), purpose: "read from" };
        let brokers = route.brokers();
        let first = fastrand::usize(..brokers.len().max(1));
        for at in 0..brokers.len() {
            let broker = &brokers[(first + at) % brokers.len()];
            match self.ask(&broker.name, &request, self.client.request_timeout()).await.and_then(|answer| answer.ok()) {
                Ok(answer) => {
                    let list = ConsumerIdList::decode(answer.body());
                    return Ok(list.map_err(|error| Error::protocol(answer.address(), error))?.consumer_ids);
                }
                // A broker that was restarted knows no group before our heartbeat.
                Err(error @ Error::Refused { .. }) => {
                    self.client.reach_brokers(true).await;
                    last = error;
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
