//! What has to be done whether or not anybody calls: heartbeats, fresh routes, new connections for those that ended.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Client, HEARTBEAT_INTERVAL, Inner, ROUTE_REFRESH_INTERVAL};
use crate::backoff::Backoff;

/// First and longest wait between attempts to reach a broker again.
const RECONNECT_FIRST: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(3);

/// Runs until the client is shut down or dropped.
pub(super) async fn run(client: Weak<Inner>, lost: Arc<Notify>) {
    let mut next = Instant::now() + HEARTBEAT_INTERVAL.min(ROUTE_REFRESH_INTERVAL);
    let mut backoff = Backoff::new(RECONNECT_FIRST, RECONNECT_MAX);
    let mut all_reached = true;
    loop {
        let retry_at = if all_reached { next } else { next.min(Instant::now() + backoff.next(None)) };
        // Nothing is held while waiting, so that dropping the last client ends this.
        tokio::select! {
            () = sleep_until(retry_at) => {}
            () = lost.notified() => sleep(RECONNECT_FIRST.mul_f64(fastrand::f64())).await,
        }
        let Some(client) = client.upgrade().map(|inner| Client { inner }).filter(|client| !client.is_shut_down())
        else {
            return;
        };
        let is_due = Instant::now() >= next;
        if is_due || !all_reached {
            client.refresh_routes().await;
        }
        all_reached = client.reach_brokers(is_due).await;
        if all_reached {
            backoff.reset();
        }
        if is_due {
            client.drop_links_except(&client.broker_addresses());
            next = Instant::now() + HEARTBEAT_INTERVAL.min(ROUTE_REFRESH_INTERVAL);
        }
    }
}

impl Client {
    async fn refresh_routes(&self) {
        for topic in self.routed_topics() {
            self.refresh_route(&topic).await;
        }
    }

    /// Connects to every broker that routes name and that has to know us; beats to those that know us already if that
    /// is due. Says whether all of them were reached.
    pub(crate) async fn reach_brokers(&self, beat: bool) -> bool {
        if self.heartbeat().is_none() {
            return true;
        }
        let mut all_reached = true;
        for address in self.broker_addresses() {
            let reached = async {
                let connection = self.broker_connection(&address).await?;
                if beat { self.greet(&connection).await } else { Ok(()) }
            };
            if let Err(error) = reached.await {
                tracing::debug!(address, "broker cannot be reached: {error}");
                all_reached = false;
            }
        }
        all_reached
    }
}
