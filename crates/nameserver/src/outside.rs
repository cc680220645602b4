//! Other brokers: they register, say that they live, and are forgotten when they no longer do.

use std::collections::{BTreeMap, HashMap};

use message::Timestamp;
use message::entry::TopicConfig;
use thiserror::Error;

use crate::name_server::{Limits, NameServer};
use crate::route::{BrokerAddresses, RouteQueues};

/// Milliseconds without a sign of life after which a broker is forgotten, unless it names a time of its own.
pub const REGISTRATION_TIMEOUT_MS: i64 = 120_000;

/// Longest time a broker can name, in milliseconds: a day.
const TIMEOUT_MS_MAX: i64 = 86_400_000;
/// Longest name of a broker, cluster or topic, and longest address, in bytes.
const NAME_LEN_MAX: usize = 255;

/// How often, and when last, a table of topics was changed, as its broker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableVersion {
    /// Number of changes.
    pub counter: i64,
    /// Term of the leader that changed it.
    pub state_version: i64,
    /// Time of the last change, in ms since 1970.
    pub timestamp: i64,
}

/// What another broker says of itself.
#[derive(Debug, Clone)]
pub struct Registration<'a> {
    /// Its cluster.
    pub cluster: &'a str,
    /// Its name, the same for its replicas.
    pub name: &'a str,
    /// 0 for the master.
    pub id: i64,
    /// Where clients reach it.
    pub address: &'a str,
    /// Milliseconds without a sign of life after which it is to be forgotten.
    pub timeout_ms: Option<i64>,
    /// Its topics, or those of them that changed: brokers send both kinds of lists and do not say which it is.
    pub topics: Vec<TopicConfig>,
    /// Version of its topics.
    pub version: TableVersion,
}

/// Why a broker is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// Clients would send what is meant for one of them to the other.
    #[error("{0:?} is the name of the broker this name server belongs to; give the other broker another name")]
    OwnName(String),
    /// Too many brokers.
    #[error("{0} addresses of brokers are registered already; limits.brokers allows no more")]
    Brokers(usize),
    /// Too many topics.
    #[error("broker {broker:?} has more than {limit} topics; the name server remembers no more of one broker")]
    Topics {
        /// Name of the broker.
        broker: String,
        /// The limit.
        limit: usize,
    },
    /// A name or address that is empty or too long.
    #[error("{what} is empty or longer than {NAME_LEN_MAX} bytes")]
    Name {
        /// Whose name.
        what: &'static str,
    },
}

/// All other brokers, by their names.
#[derive(Debug)]
pub(crate) struct Outside {
    limits: Limits,
    brokers: BTreeMap<String, Broker>,
}

#[derive(Debug)]
pub(crate) struct Broker {
    cluster: String,
    name: String,
    replicas: BTreeMap<i64, Replica>,
    topics: HashMap<String, TopicConfig>,
    version: TableVersion,
    writing: bool,
}

#[derive(Debug)]
struct Replica {
    address: String,
    seen: Timestamp,
    timeout_ms: i64,
}

impl Replica {
    fn expires(&self) -> Timestamp {
        self.seen.plus_ms(self.timeout_ms)
    }
}

impl Broker {
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    pub fn addresses(&self) -> BrokerAddresses {
        BrokerAddresses {
            cluster: self.cluster.clone(),
            name: self.name.clone(),
            addresses: self.replicas.iter().map(|(id, replica)| (*id, replica.address.clone())).collect(),
        }
    }

    pub fn topics(&self) -> impl Iterator<Item = &TopicConfig> {
        self.topics.values()
    }

    pub fn queues(&self, topic: &str) -> Option<RouteQueues> {
        self.topics.get(topic).map(|topic| RouteQueues::of(&self.name, topic, self.writing))
    }

    fn replica_at(&mut self, address: &str) -> Option<&mut Replica> {
        self.replicas.values_mut().find(|replica| replica.address == address)
    }
}

impl Outside {
    pub fn new(limits: Limits) -> Self {
        Outside { limits, brokers: BTreeMap::new() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Broker> {
        self.brokers.values()
    }

    pub fn get(&self, name: &str) -> Option<&Broker> {
        self.brokers.get(name)
    }

    pub fn allow_writing(&mut self, broker: &str, writing: bool) -> usize {
        let Some(broker) = self.brokers.get_mut(broker) else { return 0 };
        broker.writing = writing;
        broker.topics.len()
    }

    pub fn forget_topic(&mut self, topic: &str, cluster: Option<&str>) {
        for broker in self.brokers.values_mut() {
            if cluster.is_none_or(|cluster| cluster == broker.cluster) {
                broker.topics.remove(topic);
            }
        }
    }

    fn addresses(&self) -> usize {
        self.brokers.values().map(|broker| broker.replicas.len()).sum()
    }

    fn put_topics(&mut self, name: &str, topics: Vec<TopicConfig>) -> Result<(), RegisterError> {
        let limit = self.limits.topics_per_broker;
        let Some(broker) = self.brokers.get_mut(name) else { return Ok(()) };
        let new = topics.iter().filter(|topic| !broker.topics.contains_key(&topic.name)).count();
        if broker.topics.len() + new > limit {
            return Err(RegisterError::Topics { broker: name.to_owned(), limit });
        }
        broker.topics.extend(topics.into_iter().map(|topic| (topic.name.clone(), topic)));
        Ok(())
    }
}

fn named(what: &'static str, name: &str) -> Result<(), RegisterError> {
    if name.is_empty() || name.len() > NAME_LEN_MAX { Err(RegisterError::Name { what }) } else { Ok(()) }
}

fn timeout(ms: Option<i64>) -> i64 {
    ms.filter(|ms| *ms > 0).unwrap_or(REGISTRATION_TIMEOUT_MS).min(TIMEOUT_MS_MAX)
}

impl NameServer {
    /// Another broker registers, as it does every 30 s. Returns the address of its master, which replicas want to know.
    ///
    /// # Errors
    /// Says what the broker's operator can do about it.
    pub fn register(&mut self, new: Registration<'_>, now: Timestamp) -> Result<Option<String>, RegisterError> {
        if new.name == self.own.name {
            return Err(RegisterError::OwnName(new.name.to_owned()));
        }
        named("the broker's name", new.name)?;
        named("the broker's cluster", new.cluster)?;
        named("the broker's address", new.address)?;
        new.topics.iter().try_for_each(|topic| named("the name of a topic", &topic.name))?;
        let outside = &mut self.outside;
        let known = outside.get(new.name).is_some_and(|broker| broker.replicas.contains_key(&new.id));
        if !known && outside.addresses() >= outside.limits.brokers {
            return Err(RegisterError::Brokers(outside.limits.brokers));
        }
        if new.topics.len() > outside.limits.topics_per_broker {
            let limit = outside.limits.topics_per_broker;
            return Err(RegisterError::Topics { broker: new.name.to_owned(), limit });
        }
        let broker = outside.brokers.entry(new.name.to_owned()).or_insert_with(|| Broker {
            cluster: String::new(),
            name: new.name.to_owned(),
            replicas: BTreeMap::new(),
            topics: HashMap::new(),
            version: TableVersion::default(),
            writing: true,
        });
        broker.cluster = new.cluster.to_owned();
        // An address has one id: a replica that became the master is not both.
        broker.replicas.retain(|id, replica| *id == new.id || replica.address != new.address);
        let replica = Replica { address: new.address.to_owned(), seen: now, timeout_ms: timeout(new.timeout_ms) };
        broker.replicas.insert(new.id, replica);
        // Only the master is asked what topics there are: a replica may be behind.
        if new.id == 0 {
            broker.version = new.version;
            outside.put_topics(new.name, new.topics)?;
        }
        Ok(self.outside.get(new.name).and_then(|broker| Some(broker.replicas.get(&0)?.address.clone())))
    }

    /// Another broker says that it lives. False when it is not registered, and has to do that first.
    pub fn heartbeat(&mut self, name: &str, address: &str, timeout_ms: Option<i64>, now: Timestamp) -> bool {
        let Some(replica) = self.outside.brokers.get_mut(name).and_then(|broker| broker.replica_at(address)) else {
            return false;
        };
        replica.seen = now;
        if timeout_ms.is_some() {
            replica.timeout_ms = timeout(timeout_ms);
        }
        true
    }

    /// Another broker goes.
    pub fn unregister(&mut self, name: &str, id: i64, address: &str) {
        let Some(broker) = self.outside.brokers.get_mut(name) else { return };
        broker.replicas.retain(|known, replica| *known != id || replica.address != address);
        if broker.replicas.is_empty() {
            self.outside.brokers.remove(name);
        }
    }

    /// The version of another broker's topics as it registered them last. To ask is a sign of life.
    pub fn table_version(&mut self, name: &str, address: &str, now: Timestamp) -> Option<TableVersion> {
        let broker = self.outside.brokers.get_mut(name)?;
        let version = broker.version;
        broker.replica_at(address)?.seen = now;
        Some(version)
    }

    /// Sets queues of a topic on another broker by hand. False when nobody knows the broker, or it is the own one,
    /// whose routes follow its topics.
    ///
    /// # Errors
    /// When the broker has too many topics, or the topic a name that cannot be.
    pub fn add_queues(&mut self, broker: &str, topic: TopicConfig) -> Result<bool, RegisterError> {
        named("the name of a topic", &topic.name)?;
        if self.outside.get(broker).is_none() {
            return Ok(false);
        }
        self.outside.put_topics(broker, vec![topic])?;
        Ok(true)
    }

    /// Forgets brokers that have given no sign of life for their time. Returns their addresses.
    pub fn expire(&mut self, now: Timestamp) -> Vec<String> {
        let mut gone = Vec::new();
        self.outside.brokers.retain(|_, broker| {
            broker.replicas.retain(|_, replica| {
                let lives = replica.expires() > now;
                if !lives {
                    gone.push(replica.address.clone());
                }
                lives
            });
            !broker.replicas.is_empty()
        });
        gone
    }

    /// When [`NameServer::expire`] is wanted next; `None` while there are no other brokers.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.outside.iter().flat_map(|broker| broker.replicas.values()).map(Replica::expires).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnBroker;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn names(limits: Limits) -> NameServer {
        let own = OwnBroker { cluster: "c".into(), name: "own".into(), address: "127.0.0.1:1".parse().unwrap() };
        NameServer::new(own, limits, at(0))
    }

    fn broker<'a>(name: &'a str, id: i64, address: &'a str, topics: &[&str]) -> Registration<'a> {
        Registration {
            cluster: "c",
            name,
            id,
            address,
            timeout_ms: None,
            topics: topics.iter().map(|topic| TopicConfig::new(*topic, 4)).collect(),
            version: TableVersion { counter: 1, state_version: 0, timestamp: 7 },
        }
    }

    #[test]
    fn a_broker_that_registers_is_routed_to_until_it_is_silent_for_two_minutes() {
        let mut names = names(Limits::default());
        assert_eq!(names.register(broker("b", 0, "10.0.0.1:1", &["t"]), at(0)), Ok(Some("10.0.0.1:1".into())));
        assert_eq!(names.route("t").unwrap().brokers[0].name, "b");
        assert!(names.heartbeat("b", "10.0.0.1:1", None, at(60)));
        assert!(!names.heartbeat("b", "10.0.0.2:1", None, at(60)));
        assert_eq!(names.next_deadline(), Some(at(180)));
        assert!(names.expire(at(179)).is_empty());
        assert_eq!(names.expire(at(180)), ["10.0.0.1:1"]);
        assert_eq!(names.route("t"), None);
        assert_eq!(names.next_deadline(), None);
    }

    #[test]
    fn a_broker_may_name_its_own_time() {
        let mut names = names(Limits::default());
        let registration = Registration { timeout_ms: Some(5_000), ..broker("b", 0, "10.0.0.1:1", &["t"]) };
        names.register(registration, at(0)).unwrap();
        assert_eq!(names.next_deadline(), Some(at(5)));
        assert!(names.heartbeat("b", "10.0.0.1:1", Some(10_000), at(1)));
        assert_eq!(names.next_deadline(), Some(at(11)));
    }

    #[test]
    fn a_topic_on_two_brokers_has_both_in_its_route_and_replicas_their_master() {
        let mut names = names(Limits::default());
        names.put_own(TopicConfig::new("t", 8), at(0));
        names.register(broker("b", 0, "10.0.0.1:1", &["t", "u"]), at(0)).unwrap();
        let master = names.register(broker("b", 1, "10.0.0.2:1", &["not the master's"]), at(0)).unwrap();
        assert_eq!(master.as_deref(), Some("10.0.0.1:1"));
        let route = names.route("t").unwrap();
        assert_eq!(route.queues.iter().map(|queues| queues.broker.as_str()).collect::<Vec<_>>(), ["own", "b"]);
        assert_eq!(route.brokers[1].addresses.len(), 2);
        assert_eq!(names.route("not the master's"), None);
        assert_eq!(names.topics(), ["t", "u"]);
        names.forget_topic("u", Some("other cluster"));
        assert!(names.route("u").is_some());
        names.forget_topic("u", None);
        assert_eq!(names.route("u"), None);
        assert!(names.route("t").is_some());
    }

    #[test]
    fn a_replica_that_becomes_the_master_is_not_both() {
        let mut names = names(Limits::default());
        names.register(broker("b", 1, "10.0.0.2:1", &[]), at(0)).unwrap();
        names.register(broker("b", 0, "10.0.0.2:1", &["t"]), at(0)).unwrap();
        assert_eq!(names.broker("b").unwrap().addresses, [(0, "10.0.0.2:1".to_owned())]);
    }

    #[test]
    fn a_list_of_changes_does_not_forget_the_other_topics() {
        let mut names = names(Limits::default());
        names.register(broker("b", 0, "10.0.0.1:1", &["t", "u"]), at(0)).unwrap();
        names.register(broker("b", 0, "10.0.0.1:1", &["v"]), at(1)).unwrap();
        assert_eq!(names.topics(), ["t", "u", "v"]);
    }

    #[test]
    fn nobody_takes_the_own_brokers_name_and_limits_hold() {
        let mut names = names(Limits { brokers: 1, topics_per_broker: 2 });
        let refused = |names: &mut NameServer, registration| names.register(registration, at(0)).unwrap_err();
        assert_eq!(refused(&mut names, broker("own", 0, "10.0.0.1:1", &[])), RegisterError::OwnName("own".into()));
        assert_eq!(
            refused(&mut names, broker("", 0, "10.0.0.1:1", &[])),
            RegisterError::Name { what: "the broker's name" }
        );
        let topics = RegisterError::Topics { broker: "b".into(), limit: 2 };
        assert_eq!(refused(&mut names, broker("b", 0, "10.0.0.1:1", &["t", "u", "v"])), topics);
        names.register(broker("b", 0, "10.0.0.1:1", &["t", "u"]), at(0)).unwrap();
        assert_eq!(refused(&mut names, broker("b", 0, "10.0.0.1:1", &["v"])), topics);
        assert_eq!(refused(&mut names, broker("d", 0, "10.0.0.3:1", &[])), RegisterError::Brokers(1));
        names.register(broker("b", 0, "10.0.0.9:1", &["t"]), at(0)).unwrap();
    }

    #[test]
    fn a_broker_that_leaves_is_forgotten_at_once() {
        let mut names = names(Limits::default());
        names.register(broker("b", 0, "10.0.0.1:1", &["t"]), at(0)).unwrap();
        names.unregister("b", 0, "10.0.0.9:1");
        assert!(names.route("t").is_some());
        names.unregister("b", 0, "10.0.0.1:1");
        assert_eq!(names.route("t"), None);
    }

    #[test]
    fn a_broker_asks_whether_it_has_to_register_again() {
        let mut names = names(Limits::default());
        assert_eq!(names.table_version("b", "10.0.0.1:1", at(0)), None);
        names.register(broker("b", 0, "10.0.0.1:1", &["t"]), at(0)).unwrap();
        assert_eq!(names.table_version("b", "10.0.0.1:1", at(60)).unwrap().counter, 1);
        assert_eq!(names.next_deadline(), Some(at(180)));
    }

    #[test]
    fn a_route_set_by_hand_is_for_brokers_that_are_known() {
        let mut names = names(Limits::default());
        assert_eq!(names.add_queues("b", TopicConfig::new("t", 2)), Ok(false));
        assert_eq!(names.add_queues("own", TopicConfig::new("t", 2)), Ok(false));
        names.register(broker("b", 0, "10.0.0.1:1", &[]), at(0)).unwrap();
        assert_eq!(names.add_queues("b", TopicConfig::new("t", 2)), Ok(true));
        assert_eq!(names.route("t").unwrap().queues[0].write_queues, 2);
        assert_eq!(names.allow_writing("b", false), 1);
        assert_eq!(names.route("t").unwrap().queues[0].perm, 4);
    }
}
