//! Routes, as far as they are known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use message::names::AUTO_CREATE_TOPIC;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::route::{RouteHeader, TopicRouteData};

use super::{Client, lock};
use crate::error::{Error, Result};
use crate::route::Route;

/// How long the route of a topic that does not exist yet is believed: the first message creates it.
const PROVISIONAL_MAX: Duration = Duration::from_secs(1);

/// Least time between two looks at one route because of errors.
const REFRESH_MIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone)]
pub(super) struct KnownRoute {
    route: Arc<Route>,
    /// When a name server was asked for it last.
    asked_at: Instant,
}

impl Client {
    /// The route of a topic, asked for if it is not known. It is looked at again every 30 s and after errors.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`], [`Error::NameServers`].
    pub async fn route(&self, topic: &str) -> Result<Arc<Route>> {
        if let Some(known) = self.known_route(topic).filter(|route| !route.is_provisional()) {
            return Ok(known);
        }
        let _fetching = self.inner.fetching.lock().await;
        match self.known_route(topic).filter(|route| !route.is_provisional()) {
            Some(known) => Ok(known),
            None => self.fetch_route(topic).await,
        }
    }

    /// The route to send to a topic by, which need not exist yet if brokers create topics.
    pub(crate) async fn route_to_send(&self, topic: &str, queues_if_new: u32) -> Result<Arc<Route>> {
        if let Some(known) = self.known_route(topic) {
            return Ok(known);
        }
        let _fetching = self.inner.fetching.lock().await;
        if let Some(known) = self.known_route(topic) {
            return Ok(known);
        }
        match self.fetch_route(topic).await {
            Err(Error::TopicNotFound { topic }) => {
                let template = match self.fetch_route(AUTO_CREATE_TOPIC).await {
                    // The broker does not create topics by itself: say which one is missing.
                    Err(Error::TopicNotFound { .. }) => return Err(Error::TopicNotFound { topic }),
                    template => template?,
                };
                let borrowed = Arc::new(Route::clone(&template).borrowed(&topic, queues_if_new));
                self.remember(borrowed.clone());
                Ok(borrowed)
            }
            fetched => fetched,
        }
    }

    fn known_route(&self, topic: &str) -> Option<Arc<Route>> {
        let routes = lock(&self.inner.routes);
        let known = routes.get(topic)?;
        let stale = known.route.is_provisional() && known.asked_at.elapsed() > PROVISIONAL_MAX;
        (!stale).then(|| known.route.clone())
    }

    fn remember(&self, route: Arc<Route>) {
        let topic = route.topic().to_owned();
        lock(&self.inner.routes).insert(topic, KnownRoute { route, asked_at: Instant::now() });
    }

    /// Asks a name server.
    async fn fetch_route(&self, topic: &str) -> Result<Arc<Route>> {
        let header = RouteHeader { topic, accept_standard_json_only: true };
        let response = self.ask_nameserver(RequestCode::GetRouteInfoByTopic, &header.fields(), b"").await?;
        if response.code() == ResponseCode::TOPIC_NOT_EXIST {
            return Err(Error::TopicNotFound { topic: topic.to_owned() });
        }
        let response = response.ok()?;
        let data = TopicRouteData::decode(response.body());
        let data = data.map_err(|error| Error::protocol(response.address(), error))?;
        let route = Arc::new(Route::new(topic, data));
        self.remember(route.clone());
        Ok(route)
    }

    /// Looks at a route again because something about it seems wrong, unless that was done a moment ago. What was
    /// known stays known when the name server cannot say better.
    pub(crate) async fn refresh_route(&self, topic: &str) {
        {
            let mut routes = lock(&self.inner.routes);
            if let Some(known) = routes.get_mut(topic) {
                if known.asked_at.elapsed() < REFRESH_MIN {
                    return;
                }
                known.asked_at = Instant::now();
            }
        }
        if let Err(error) = self.fetch_route(topic).await {
            tracing::debug!(topic, "route cannot be looked at again: {error}");
        }
    }

    /// Forgets what is known of a topic that its broker does not know.
    pub(crate) fn forget_route(&self, topic: &str) {
        lock(&self.inner.routes).remove(topic);
    }

    /// Topics whose routes are known.
    pub(super) fn routed_topics(&self) -> Vec<String> {
        lock(&self.inner.routes).keys().cloned().collect()
    }

    /// Addresses of all brokers that routes name: of each its master, or another if there is none.
    pub(crate) fn broker_addresses(&self) -> Vec<String> {
        let routes = lock(&self.inner.routes);
        let brokers = routes.values().flat_map(|known| known.route.brokers());
        let mut addresses: Vec<String> = brokers.filter_map(|broker| broker.any()).map(str::to_owned).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// The address of a broker's master, by its name.
    ///
    /// # Errors
    /// [`Error::BrokerNotFound`] when no known route names it.
    pub fn broker_address(&self, name: &str) -> Result<String> {
        let routes = lock(&self.inner.routes);
        let mut brokers = routes.values().filter_map(|known| known.route.broker(name));
        let address = brokers.find_map(|broker| broker.any().map(str::to_owned));
        address.ok_or_else(|| Error::BrokerNotFound { broker: name.to_owned() })
    }
}
