//! Lists of topic names, as tools ask for them.

use std::collections::BTreeSet;

use message::entry::TopicConfig;

use crate::NameServer;

/// Flag of a topic that belongs to a unit (a data centre of its own).
const UNIT: i32 = 1;
/// Flag of a topic that units subscribe to.
const UNIT_SUB: i32 = 2;

/// Which topics of units are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitTopics {
    /// Those that belong to a unit.
    OfUnits,
    /// Those that units subscribe to.
    Subscribed,
    /// Those that units subscribe to although they belong to none.
    SubscribedOnly,
}

impl NameServer {
    /// All topics anybody has, in order of their names.
    pub fn topics(&self) -> Vec<String> {
        self.names_of(|_, _| true)
    }

    /// Topics of the brokers of a cluster, in order of their names.
    pub fn topics_of_cluster(&self, cluster: &str) -> Vec<String> {
        self.names_of(|in_cluster, _| in_cluster == cluster)
    }

    /// Topics of units, in order of their names.
    pub fn unit_topics(&self, which: UnitTopics) -> Vec<String> {
        self.names_of(|_, topic| match which {
            UnitTopics::OfUnits => topic.sys_flag & UNIT != 0,
            UnitTopics::Subscribed => topic.sys_flag & UNIT_SUB != 0,
            UnitTopics::SubscribedOnly => topic.sys_flag & (UNIT | UNIT_SUB) == UNIT_SUB,
        })
    }

    /// Names of clusters and brokers, which are names of topics too.
    pub fn system_topics(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for (cluster, brokers) in self.clusters() {
            names.insert(cluster);
            names.extend(brokers);
        }
        names.into_iter().collect()
    }

    fn names_of(&self, wanted: impl Fn(&str, &TopicConfig) -> bool) -> Vec<String> {
        let own = self.own_topics.values().filter(|topic| wanted(&self.own.cluster, topic));
        let mut names: BTreeSet<&String> = own.map(|topic| &topic.name).collect();
        for broker in self.outside.iter() {
            names.extend(broker.topics().filter(|topic| wanted(broker.cluster(), topic)).map(|topic| &topic.name));
        }
        names.into_iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, OwnBroker};
    use message::Timestamp;

    #[test]
    fn topics_are_listed_in_order_and_by_what_they_are() {
        let own = OwnBroker { cluster: "c".into(), name: "b".into(), address: "127.0.0.1:1".parse().unwrap() };
        let mut names = NameServer::new(own, Limits::default(), Timestamp::ZERO);
        for (name, sys_flag) in [("plain", 0), ("unit", UNIT), ("both", UNIT | UNIT_SUB), ("sub", UNIT_SUB)] {
            names.put_own(TopicConfig { sys_flag, ..TopicConfig::new(name, 1) }, Timestamp::ZERO);
        }
        assert_eq!(names.topics(), ["both", "plain", "sub", "unit"]);
        assert_eq!(names.topics_of_cluster("c").len(), 4);
        assert!(names.topics_of_cluster("d").is_empty());
        assert_eq!(names.unit_topics(UnitTopics::OfUnits), ["both", "unit"]);
        assert_eq!(names.unit_topics(UnitTopics::Subscribed), ["both", "sub"]);
        assert_eq!(names.unit_topics(UnitTopics::SubscribedOnly), ["sub"]);
        assert_eq!(names.system_topics(), ["b", "c"]);
    }
}
