use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use message::Timestamp;
use message::entry::TopicConfig;

use crate::key_values::{KeyValues, ORDER_TOPIC_CONFIG};
use crate::outside::{Outside, TableVersion};
use crate::route::{BrokerAddresses, Route, RouteQueues};

/// The broker the name server lives with.
#[derive(Debug, Clone)]
pub struct OwnBroker {
    /// Name of its cluster.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub address: SocketAddr,
}

/// Bounds of what other brokers may make it remember.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Addresses of other brokers, replicas included.
    pub brokers: usize,
    /// Topics of one other broker.
    pub topics_per_broker: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { brokers: 64, topics_per_broker: 50_000 }
    }
}

/// The route table.
#[derive(Debug)]
pub struct NameServer {
    pub(crate) own: OwnBroker,
    pub(crate) own_topics: BTreeMap<String, TopicConfig>,
    own_version: TableVersion,
    /// Whether routes say that the own broker may be written.
    own_writing: bool,
    pub(crate) outside: Outside,
    pub(crate) key_values: KeyValues,
}

impl NameServer {
    /// A name server that knows its own broker, and no topic yet.
    pub fn new(own: OwnBroker, limits: Limits, now: Timestamp) -> Self {
        NameServer {
            own,
            own_topics: BTreeMap::new(),
            own_version: TableVersion { counter: 0, state_version: 0, timestamp: now.millis() },
            own_writing: true,
            outside: Outside::new(limits),
            key_values: KeyValues::default(),
        }
    }

    /// A topic of the own broker was created or changed.
    pub fn put_own(&mut self, topic: TopicConfig, now: Timestamp) {
        self.own_topics.insert(topic.name.clone(), topic);
        self.own_changed(now);
    }

    /// A topic of the own broker is gone.
    pub fn remove_own(&mut self, name: &str, now: Timestamp) {
        if self.own_topics.remove(name).is_some() {
            self.own_changed(now);
        }
    }

    fn own_changed(&mut self, now: Timestamp) {
        self.own_version.counter += 1;
        self.own_version.timestamp = now.millis();
    }

    /// How often, and when last, topics of the own broker changed since the start.
    pub fn own_version(&self) -> TableVersion {
        self.own_version
    }

    /// Where a topic is; `None` when nobody has it.
    pub fn route(&self, topic: &str) -> Option<Route> {
        let mut route = Route::default();
        if let Some(config) = self.own_topics.get(topic) {
            route.brokers.push(self.own_addresses());
            route.queues.push(RouteQueues::of(&self.own.name, config, self.own_writing));
        }
        for broker in self.outside.iter() {
            if let Some(queues) = broker.queues(topic) {
                route.brokers.push(broker.addresses());
                route.queues.push(queues);
            }
        }
        if route.queues.is_empty() {
            return None;
        }
        route.order_conf = self.key_values.get(ORDER_TOPIC_CONFIG, topic).map(str::to_owned);
        Some(route)
    }

    fn own_addresses(&self) -> BrokerAddresses {
        BrokerAddresses {
            cluster: self.own.cluster.clone(),
            name: self.own.name.clone(),
            addresses: vec![(0, self.own.address.to_string())],
        }
    }

    /// All brokers, the own one first.
    pub fn brokers(&self) -> Vec<BrokerAddresses> {
        let outside = self.outside.iter().map(|broker| broker.addresses());
        std::iter::once(self.own_addresses()).chain(outside).collect()
    }

    /// The broker with this name.
    pub fn broker(&self, name: &str) -> Option<BrokerAddresses> {
        if name == self.own.name {
            return Some(self.own_addresses());
        }
        self.outside.get(name).map(|broker| broker.addresses())
    }

    /// Each cluster and the names of its brokers.
    pub fn clusters(&self) -> Vec<(String, Vec<String>)> {
        let mut clusters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for broker in self.brokers() {
            clusters.entry(broker.cluster).or_default().insert(broker.name);
        }
        clusters.into_iter().map(|(cluster, brokers)| (cluster, brokers.into_iter().collect())).collect()
    }

    /// Takes the permission to write from all routes of a broker, or gives it back. Returns how many topics that
    /// changes, 0 for a broker nobody knows.
    ///
    /// It lasts until it is given back, the broker is forgotten, or this process ends.
    pub fn allow_writing(&mut self, broker: &str, writing: bool) -> usize {
        if broker == self.own.name {
            self.own_writing = writing;
            return self.own_topics.len();
        }
        self.outside.allow_writing(broker, writing)
    }

    /// Forgets a topic of other brokers, of one cluster or of all. Topics of the own broker are in the routes for as
    /// long as the broker has them.
    pub fn forget_topic(&mut self, topic: &str, cluster: Option<&str>) {
        self.outside.forget_topic(topic, cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn names() -> NameServer {
        let own = OwnBroker {
            cluster: "DefaultCluster".into(),
            name: "tandem".into(),
            address: "127.0.0.1:10911".parse().unwrap(),
        };
        NameServer::new(own, Limits::default(), NOW)
    }

    #[test]
    fn a_topic_is_routed_from_when_it_is_put_until_it_is_removed() {
        let mut names = names();
        assert_eq!(names.route("orders"), None);
        names.put_own(TopicConfig::new("orders", 8), NOW);
        let route = names.route("orders").unwrap();
        assert_eq!(route.brokers[0].addresses, [(0, "127.0.0.1:10911".to_owned())]);
        assert_eq!((route.queues[0].read_queues, route.queues[0].perm), (8, 6));
        assert_eq!(route.order_conf, None);
        names.remove_own("orders", NOW);
        assert_eq!(names.route("orders"), None);
        assert_eq!(names.own_version().counter, 2);
    }

    #[test]
    fn a_broker_that_may_not_be_written_keeps_its_routes_for_readers() {
        let mut names = names();
        names.put_own(TopicConfig::new("orders", 8), NOW);
        assert_eq!(names.allow_writing("tandem", false), 1);
        assert_eq!(names.route("orders").unwrap().queues[0].perm, 4);
        assert_eq!(names.allow_writing("tandem", true), 1);
        assert_eq!(names.route("orders").unwrap().queues[0].perm, 6);
        assert_eq!(names.allow_writing("nobody", false), 0);
    }

    #[test]
    fn the_order_configuration_of_a_topic_comes_with_its_route() {
        let mut names = names();
        names.put_own(TopicConfig::new("orders", 8), NOW);
        names.put_key_value(ORDER_TOPIC_CONFIG, "orders", Some("tandem:8"));
        assert_eq!(names.route("orders").unwrap().order_conf.as_deref(), Some("tandem:8"));
        assert_eq!(names.namespace(ORDER_TOPIC_CONFIG).unwrap().collect::<Vec<_>>(), [("orders", "tandem:8")]);
        names.put_key_value(ORDER_TOPIC_CONFIG, "orders", None);
        assert_eq!(names.route("orders").unwrap().order_conf, None);
        assert!(names.namespace(ORDER_TOPIC_CONFIG).is_none());
    }

    #[test]
    fn the_own_broker_is_in_its_cluster_before_it_has_a_topic() {
        let names = names();
        assert_eq!(names.clusters(), [("DefaultCluster".to_owned(), vec!["tandem".to_owned()])]);
        assert_eq!(names.broker("tandem").unwrap().addresses.len(), 1);
        assert_eq!(names.broker("other"), None);
    }
}
