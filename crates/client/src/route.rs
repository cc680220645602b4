//! Where the queues of a topic are.

use std::collections::BTreeMap;

use protocol::MessageQueue;
use protocol::request::route::TopicRouteData;

/// Permission bit: the topic may be read.
const PERM_READ: i32 = 4;
/// Permission bit: the topic may be written.
const PERM_WRITE: i32 = 2;

/// Most queues of one topic on one broker that are believed.
const QUEUES_MAX: i32 = 65_536;

/// The queues of a topic, and the brokers they are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    topic: String,
    brokers: Vec<Broker>,
    write_queues: Vec<MessageQueue>,
    read_queues: Vec<MessageQueue>,
    provisional: bool,
}

/// A broker and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its name; a master and its copies share one.
    pub name: String,
    /// The cluster it belongs to.
    pub cluster: String,
    /// Addresses by broker id; 0 is the master.
    pub addresses: BTreeMap<i64, String>,
}

impl Broker {
    /// The address of the master.
    pub fn master(&self) -> Option<&str> {
        self.addresses.get(&0).map(String::as_str)
    }

    /// An address to read from: the master's if there is one.
    pub fn any(&self) -> Option<&str> {
        self.addresses.values().next().map(String::as_str)
    }
}

impl Route {
    /// Makes sense of what a name server says.
    pub(crate) fn new(topic: &str, data: TopicRouteData) -> Self {
        let brokers: Vec<Broker> = data
            .brokers
            .into_iter()
            .map(|broker| Broker {
                name: broker.broker_name,
                cluster: broker.cluster,
                addresses: broker.addresses.into_iter().collect(),
            })
            .collect();
        let (mut write_queues, mut read_queues) = (Vec::new(), Vec::new());
        for queues in data.queues {
            let Some(broker) = brokers.iter().find(|broker| broker.name == queues.broker_name) else {
                continue;
            };
            let numbered = |count: i32| {
                let (topic, broker_name) = (topic.to_owned(), broker.name.clone());
                (0..count.clamp(0, QUEUES_MAX)).map(move |queue_id| MessageQueue {
                    topic: topic.clone(),
                    broker_name: broker_name.clone(),
                    queue_id,
                })
            };
            if queues.perm & PERM_WRITE != 0 && broker.master().is_some() {
                write_queues.extend(numbered(queues.write_queue_nums));
            }
            if queues.perm & PERM_READ != 0 && broker.any().is_some() {
                read_queues.extend(numbered(queues.read_queue_nums));
            }
        }
        // All members of a group, and all producers that order by key, must see the queues in one order.
        write_queues.sort();
        read_queues.sort();
        Route { topic: topic.to_owned(), brokers, write_queues, read_queues, provisional: false }
    }

    /// The queues that a topic which does not exist yet will have once it is sent to: those of the topic that new ones are
    /// made after, at most `queues_max` on each broker.
    pub(crate) fn borrowed(self, topic: &str, queues_max: u32) -> Self {
        let few = |queue: &MessageQueue| u32::try_from(queue.queue_id).is_ok_and(|id| id < queues_max);
        let rename = |queue: MessageQueue| MessageQueue { topic: topic.to_owned(), ..queue };
        Route {
            topic: topic.to_owned(),
            brokers: self.brokers,
            write_queues: self.write_queues.into_iter().filter(few).map(rename).collect(),
            read_queues: Vec::new(),
            provisional: true,
        }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The brokers that have it.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// Queues that can be sent to, by broker name and number.
    pub fn write_queues(&self) -> &[MessageQueue] {
        &self.write_queues
    }

    /// Queues that can be read, by broker name and number.
    pub fn read_queues(&self) -> &[MessageQueue] {
        &self.read_queues
    }

    /// Does the topic not exist yet?
    pub(crate) fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// The broker called so.
    pub fn broker(&self, name: &str) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.name == name)
    }
}

#[cfg(test)]
mod tests {
    use protocol::request::route::{BrokerData, QueueData};

    use super::*;

    fn broker(name: &str, ids: &[i64]) -> BrokerData {
        let addresses = ids.iter().map(|id| (*id, format!("{name}:{id}"))).collect();
        BrokerData { cluster: "c".into(), broker_name: name.into(), addresses }
    }

    fn queues(broker_name: &str, perm: i32, count: i32) -> QueueData {
        let broker_name = broker_name.to_owned();
        QueueData { broker_name, read_queue_nums: count, write_queue_nums: count, perm, topic_sys_flag: 0 }
    }

    fn listed(queues: &[MessageQueue]) -> Vec<String> {
        queues.iter().map(|queue| format!("{}/{}/{}", queue.topic, queue.broker_name, queue.queue_id)).collect()
    }

    #[test]
    fn queues_are_in_one_order_whatever_the_name_server_says_first() {
        let brokers = vec![broker("b", &[0]), broker("a", &[0, 1])];
        let data =
            TopicRouteData { brokers, queues: vec![queues("b", 6, 1), queues("a", 6, 2)], order_topic_conf: None };
        let route = Route::new("T", data);
        assert_eq!(listed(route.write_queues()), ["T/a/0", "T/a/1", "T/b/0"]);
        assert_eq!(route.write_queues(), route.read_queues());
        assert_eq!(route.broker("a").and_then(Broker::master), Some("a:0"));
        let borrowed = route.borrowed("new", 1);
        assert_eq!(listed(borrowed.write_queues()), ["new/a/0", "new/b/0"]);
        assert!(borrowed.is_provisional() && borrowed.read_queues().is_empty());
    }

    #[test]
    fn only_a_master_is_written_to_and_permissions_are_heeded() {
        let data = TopicRouteData {
            brokers: vec![broker("a", &[1]), broker("b", &[0])],
            queues: vec![queues("a", 6, 1), queues("b", 4, 1), queues("gone", 6, 4)],
            order_topic_conf: None,
        };
        let route = Route::new("T", data);
        assert_eq!(listed(route.write_queues()), Vec::<String>::new());
        assert_eq!(listed(route.read_queues()), ["T/a/0", "T/b/0"]);
        assert_eq!(route.broker("a").and_then(Broker::any), Some("a:1"));
    }

    #[test]
    fn absurd_numbers_of_queues_are_cut() {
        let queues = vec![queues("a", 6, i32::MAX), queues("a", 6, -3)];
        let data = TopicRouteData { brokers: vec![broker("a", &[0])], queues, order_topic_conf: None };
        assert_eq!(Route::new("T", data).write_queues().len(), QUEUES_MAX as usize);
    }
}
