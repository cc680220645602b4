//! Locks of queues: an orderly consumer handles a queue only while its broker says that nobody else does.

use std::collections::BTreeMap;

use protocol::MessageQueue;
use protocol::codes::RequestCode;
use protocol::request::lock::{LockAnswer, LockRequest};

use super::member::Member;
use crate::error::{Error, Result};
use crate::frame::{Request, Response};

/// What brokers said when they were asked for locks.
#[derive(Debug, Default)]
pub(super) struct Locked {
    pub(super) granted: Vec<MessageQueue>,
    pub(super) refused: Vec<MessageQueue>,
}

impl Member {
    /// Asks for locks. What is in neither list of the answer could not be asked about.
    pub(super) async fn lock_queues(&self, queues: &[MessageQueue]) -> Locked {
        let mut all = Locked::default();
        for (broker, queues) in by_broker(queues) {
            let locked = async {
                let answer = self.about_locks(RequestCode::LockBatchMq, broker, &queues).await?;
                let answered = LockAnswer::decode(answer.body());
                Ok::<_, Error>(answered.map_err(|error| Error::protocol(answer.address(), error))?.locked)
            };
            match locked.await {
                Ok(locked) => {
                    let (granted, refused): (Vec<_>, Vec<_>) =
                        queues.into_iter().partition(|queue| locked.contains(queue));
                    all.granted.extend(granted);
                    all.refused.extend(refused);
                }
                Err(error) => tracing::debug!(broker, "queues cannot be locked: {error}"),
            }
        }
        all
    }

    /// Gives locks back.
    pub(super) async fn unlock_queues(&self, queues: &[MessageQueue]) {
        for (broker, queues) in by_broker(queues) {
            if let Err(error) = self.about_locks(RequestCode::UnlockBatchMq, broker, &queues).await {
                tracing::debug!(broker, "queues are not unlocked, their locks will expire: {error}");
            }
        }
    }

    /// Renews the locks of all queues. What somebody else has is not handled any more. A broker that cannot be asked has
    /// not given a lock to anybody else either, for a while: the queue believes in its lock for that long.
    pub(super) async fn renew_locks(&self) {
        let queues: Vec<MessageQueue> = self.queues().iter().map(|queue| queue.queue.clone()).collect();
        let locked = self.lock_queues(&queues).await;
        for queue in locked.granted.iter().filter_map(|queue| self.queue(queue)) {
            queue.set_locked(true);
        }
        for queue in locked.refused.iter().filter_map(|queue| self.queue(queue)).filter(|queue| !queue.is_dropped()) {
            tracing::warn!(queue = ?queue.queue, "somebody else has the lock of the queue");
            queue.set_locked(false);
            self.look_again();
        }
    }

    async fn about_locks(&self, code: RequestCode, broker: &str, queues: &[MessageQueue]) -> Result<Response> {
        let request = LockRequest {
            consumer_group: self.settings.group.clone(),
            client_id: self.client.id().to_owned(),
            queues: queues.to_vec(),
            only_this_broker: false,
        };
        let mut body = Vec::new();
        request.write(&mut body);
        let request = Request::new(code, &[]).with_body(&body);
        self.ask(broker, &request, self.client.request_timeout()).await?.ok()
    }
}

fn by_broker(queues: &[MessageQueue]) -> BTreeMap<&str, Vec<MessageQueue>> {
    let mut brokers: BTreeMap<&str, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        brokers.entry(&queue.broker_name).or_default().push(queue.clone());
    }
    brokers
}
