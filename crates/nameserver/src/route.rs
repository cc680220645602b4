use message::entry::TopicConfig;

/// A broker and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddresses {
    /// Its cluster.
    pub cluster: String,
    /// Its name, the same for its replicas.
    pub name: String,
    /// Id and `ip:port` of each, lowest id first. 0 is the master, without which nobody sends here.
    pub addresses: Vec<(i64, String)>,
}

/// The queues of a topic on one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQueues {
    /// Name of the broker.
    pub broker: String,
    /// Queues to read.
    pub read_queues: u32,
    /// Queues to write.
    pub write_queues: u32,
    /// Permission bits: 4 read, 2 write, 1 inherit.
    pub perm: u8,
    /// Flags of unit topics.
    pub sys_flag: i32,
}

impl RouteQueues {
    /// The queues of a topic; without the permission to write if its broker takes no more messages.
    pub(crate) fn of(broker: &str, topic: &TopicConfig, writing: bool) -> Self {
        RouteQueues {
            broker: broker.to_owned(),
            read_queues: topic.read_queues,
            write_queues: topic.write_queues,
            perm: if writing { topic.perm } else { topic.perm & !TopicConfig::WRITE },
            sys_flag: topic.sys_flag,
        }
    }
}

/// Where a topic is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// The brokers that have it.
    pub brokers: Vec<BrokerAddresses>,
    /// Its queues, one entry per broker, in the same order.
    pub queues: Vec<RouteQueues>,
    /// `brokerA:4;brokerB:4` for topics whose queues must never move.
    pub order_conf: Option<String>,
}
