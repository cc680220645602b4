/// What is set for a topic (remoting protocol 3.f, TopicConfig).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// Its name.
    pub name: String,
    /// Queues consumers read, 1 to 65,536.
    pub read_queues: u32,
    /// Queues producers write, 1 to 65,536.
    pub write_queues: u32,
    /// Permission bits: 4 read, 2 write, 1 inherit.
    pub perm: u8,
    /// RocketMQ's flags for unit topics; kept, not interpreted.
    pub sys_flag: i32,
    /// Whether it was created as an ordered topic; kept, not interpreted.
    pub order: bool,
    /// Whether messages carry several tags (`MULTI_TAG`); kept, not interpreted.
    pub multi_tag: bool,
    /// Attributes such as `message.type`, in order of their keys.
    pub attributes: Vec<(String, String)>,
}

impl TopicConfig {
    /// Consumers may read.
    pub const READ: u8 = 4;
    /// Producers may write.
    pub const WRITE: u8 = 2;
    /// New topics may be made after its likeness (only `TBW102` has this).
    pub const INHERIT: u8 = 1;
    /// Most queues a topic can have.
    pub const QUEUES_MAX: u32 = 65_536;

    /// A readable and writable topic with as many queues for reading as for writing.
    pub fn new(name: impl Into<String>, queues: u32) -> Self {
        TopicConfig {
            name: name.into(),
            read_queues: queues,
            write_queues: queues,
            perm: Self::READ | Self::WRITE,
            sys_flag: 0,
            order: false,
            multi_tag: false,
            attributes: Vec::new(),
        }
    }

    /// Whether consumers may read.
    pub fn is_readable(&self) -> bool {
        self.perm & Self::READ != 0
    }

    /// Whether producers may write.
    pub fn is_writable(&self) -> bool {
        self.perm & Self::WRITE != 0
    }
}

/// What is set for a consumer group (remoting protocol 3.g, SubscriptionGroupConfig).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// Its name.
    pub name: String,
    /// Whether it may consume at all.
    pub consume_enable: bool,
    /// Whether it may consume from the first offset; kept, not interpreted.
    pub consume_from_min_enable: bool,
    /// Whether it may consume as a broadcast.
    pub consume_broadcast_enable: bool,
    /// Whether it is consumed in order; a client's own resend then goes to the dead letters at once.
    pub consume_message_orderly: bool,
    /// Queues of its retry topic; 0 means that a message sent back is dropped.
    pub retry_queues: u32,
    /// Attempts before a message becomes a dead letter, when the client names no number: 16 unless set.
    pub retry_max: i32,
    /// Broker id; kept, not interpreted.
    pub broker_id: i64,
    /// Broker suggested to slow consumers; kept, not interpreted.
    pub which_broker_when_slow: i64,
    /// Whether members are told when the group changes.
    pub notify_ids_changed: bool,
    /// Flags; kept, not interpreted.
    pub sys_flag: i32,
    /// Minutes a client may take for one message; kept, not interpreted.
    pub consume_timeout_min: i32,
}

impl GroupConfig {
    /// A group as it is made when its first consumer arrives.
    pub fn new(name: impl Into<String>) -> Self {
        GroupConfig {
            name: name.into(),
            consume_enable: true,
            consume_from_min_enable: true,
            consume_broadcast_enable: true,
            consume_message_orderly: false,
            retry_queues: 1,
            retry_max: 16,
            broker_id: 0,
            which_broker_when_slow: 1,
            notify_ids_changed: true,
            sys_flag: 0,
            consume_timeout_min: 15,
        }
    }
}
