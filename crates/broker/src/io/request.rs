use std::net::SocketAddr;

use message::entry::{GroupConfig, Outcome, TopicConfig};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use super::TimeBound;

/// What a client may ask for.
#[derive(Debug)]
pub enum Request<'a> {
    /// Store a message, plain, half or delayed.
    Send(Send<'a>),
    /// Store several messages of one queue: all of them or none.
    SendBatch(Batch<'a>),
    /// Decide a transaction.
    End(End<'a>),
    /// Read messages of a queue, waiting for them if the client wishes.
    Pull(Pull<'a>),
    /// A message could not be consumed: deliver it again later.
    SendBack(SendBack<'a>),
    /// A client says who it is and what it produces and consumes.
    Heartbeat(Heartbeat<'a>),
    /// A client takes leave.
    Unregister {
        /// Client id.
        client: &'a str,
        /// Producer group it leaves.
        producer_group: Option<&'a str>,
        /// Consumer group it leaves.
        consumer_group: Option<&'a str>,
    },
    /// Client ids of the members of a consumer group.
    ConsumerList {
        /// Consumer group.
        group: &'a str,
    },
    /// Take queues for exclusive, ordered consumption.
    Lock(Lock<'a>),
    /// Give queues back.
    Unlock(Lock<'a>),
    /// The offset a group has stored for a queue.
    QueryOffset {
        /// Consumer group.
        group: &'a str,
        /// Topic.
        topic: &'a str,
        /// Queue.
        queue: u32,
        /// What to say when there is none: 0 unless the client said "false".
        zero_if_absent: bool,
    },
    /// Store the offset a group has consumed up to.
    UpdateOffset {
        /// Consumer group.
        group: &'a str,
        /// Topic.
        topic: &'a str,
        /// Queue.
        queue: u32,
        /// Next offset to consume; negative means that nothing was consumed yet.
        offset: i64,
    },
    /// The first offset still there, the next one to be given, and the time of the first message.
    QueueBounds {
        /// Topic.
        topic: &'a str,
        /// Queue.
        queue: u32,
    },
    /// The offset of a queue at a time.
    SearchOffset {
        /// Topic.
        topic: &'a str,
        /// Queue.
        queue: u32,
        /// The time.
        time: Timestamp,
        /// Which of the messages around it.
        bound: TimeBound,
    },
    /// A message by the offset inside its offset id.
    ViewMessage {
        /// Where it became visible.
        at: CommitLogOffset,
    },
    /// Messages by key.
    QueryMessage {
        /// Topic.
        topic: &'a str,
        /// Key, or unique id.
        key: &'a str,
        /// At most so many.
        max: usize,
        /// Not older.
        from: Timestamp,
        /// Not younger.
        to: Timestamp,
        /// Whether the key is a unique id.
        unique: bool,
    },
    /// Bounds of every queue of a topic.
    TopicStats {
        /// Topic.
        topic: &'a str,
    },
    /// Where a group stands in every queue it consumes.
    ConsumeStats {
        /// Consumer group.
        group: &'a str,
        /// Only this topic.
        topic: Option<&'a str>,
    },
    /// Move a group's offsets to a time.
    ResetOffset {
        /// Consumer group.
        group: &'a str,
        /// Topic.
        topic: &'a str,
        /// The time; -1 ms means the end of each queue.
        time: Timestamp,
        /// Whether offsets may move forward as well.
        force: bool,
        /// Only this queue.
        queue: Option<u32>,
        /// To this offset rather than to a time.
        offset: Option<QueueOffset>,
    },
    /// Create a topic or change it.
    PutTopic(TopicConfig),
    /// Delete a topic with its consumers' offsets.
    DeleteTopic {
        /// Topic.
        topic: &'a str,
        /// Set undecided halves aside rather than refuse.
        force: bool,
        /// Who asks, for the record.
        who: &'a str,
    },
    /// Create a consumer group or change it.
    PutGroup(GroupConfig),
    /// Delete a consumer group.
    DeleteGroup {
        /// Consumer group.
        group: &'a str,
        /// Whether its offsets go as well.
        offsets: bool,
    },
    /// Set or remove a key of the name server's configuration.
    PutKeyValue {
        /// Namespace.
        namespace: &'a str,
        /// Key.
        key: &'a str,
        /// Value; `None` removes the key.
        value: Option<&'a str>,
    },
    /// Undecided transactions.
    ListTransactions(TransactionFilter<'a>),
    /// What happens to transactions, from this number on; without one, where watching begins.
    WatchTransactions {
        /// The `next` of the answer before.
        from: Option<u64>,
    },
    /// One transaction's whole life.
    ShowTransaction {
        /// Offset id, position of the half, unique id, or one of its keys.
        id: &'a str,
    },
    /// Settle a transaction by hand.
    Resolve(Resolve<'a>),
}

/// A message to store.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// Producer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// The topic whose likeness a new topic takes (`TBW102`).
    pub default_topic: &'a str,
    /// Queues of a new topic.
    pub default_queues: u32,
    /// Queue; negative means any.
    pub queue: i32,
    /// See `message::sys_flag`.
    pub sys_flag: i32,
    /// The client's clock.
    pub born_timestamp: Timestamp,
    /// The client's address as the door sees it.
    pub born_host: SocketAddr,
    /// The application's flag.
    pub flag: i32,
    /// Property string.
    pub properties: &'a str,
    /// Attempts so far, when a client sends a message back by an ordinary send.
    pub reconsume_times: i32,
    /// Attempts allowed in that case, if the client said so.
    pub max_reconsume_times: Option<i32>,
    /// Body.
    pub body: &'a [u8],
}

/// Several messages of one queue; topic, queue and flags are those of `head`, body and properties those of the parts.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    /// What they share.
    pub head: Send<'a>,
    /// Flag, property string and body of each.
    pub parts: Vec<(i32, &'a str, &'a [u8])>,
}

/// What a producer says of its local transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndOutcome {
    /// It is decided.
    Decided(Outcome),
    /// It does not know (yet).
    Unknown,
}

/// A decision about a half, or the word that there is none.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Producer group.
    pub group: &'a str,
    /// Position of the half in the log, as the answer to the half said.
    pub half: i64,
    /// Position among all halves, as the answer to the half said.
    pub sequence: i64,
    /// The message's unique id.
    pub unique_key: &'a str,
    /// What it came to.
    pub outcome: EndOutcome,
    /// Whether this answers a check.
    pub from_check: bool,
    /// Exception text of the local transaction.
    pub remark: &'a str,
}

/// Which tags a consumer wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TagFilter {
    /// Every message.
    All,
    /// Messages whose tag has one of these hashes, sorted.
    Codes(Vec<i32>),
}

impl TagFilter {
    /// The filter of a tag expression: `*`, nothing, or tags separated by `||`.
    pub fn parse(expression: &str) -> Self {
        let expression = expression.trim();
        if expression.is_empty() || expression == "*" {
            return TagFilter::All;
        }
        let mut codes: Vec<i32> =
            expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(message::tags::tags_code).collect();
        if codes.is_empty() {
            return TagFilter::All;
        }
        codes.sort_unstable();
        codes.dedup();
        TagFilter::Codes(codes)
    }

    /// Whether a message with this tag hash may be wanted.
    pub fn matches(&self, tags_code: i32) -> bool {
        match self {
            TagFilter::All => true,
            TagFilter::Codes(codes) => codes.binary_search(&tags_code).is_ok(),
        }
    }
}

/// A read of a queue.
#[derive(Clone, Debug)]
pub struct Pull<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue.
    pub queue: i32,
    /// First offset wanted.
    pub offset: i64,
    /// At most so many messages.
    pub max_messages: u32,
    /// At most so many bytes, if the client says so.
    pub max_bytes: Option<u32>,
    /// Offset to store for the group.
    pub commit_offset: Option<i64>,
    /// How long to wait for messages; `None` answers at once.
    pub suspend_ms: Option<u64>,
    /// The tag expression, when it travels with the request.
    pub subscription: Option<&'a str>,
    /// Version of the subscription the client has in mind.
    pub sub_version: i64,
    /// "TAG" unless the client says otherwise.
    pub expression_type: &'a str,
}

/// A message to be delivered again.
#[derive(Clone, Copy, Debug)]
pub struct SendBack<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Physical offset of the delivered message.
    pub offset: i64,
    /// Delay level; 0 leaves it to the broker, negative means dead letter.
    pub delay_level: i32,
    /// Offset id of the message.
    pub origin_id: &'a str,
    /// Attempts allowed, if the client says so.
    pub max_reconsume_times: Option<i32>,
}

/// Who a client is, and what it does.
#[derive(Clone, Debug)]
pub struct Heartbeat<'a> {
    /// Client id.
    pub client: &'a str,
    /// Name of the client's language, for display.
    pub language: &'a str,
    /// Protocol version of the client.
    pub version: i32,
    /// Producer groups.
    pub producers: Vec<&'a str>,
    /// Consumer groups.
    pub consumers: Vec<ConsumerData>,
}

/// How a client consumes for one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerData {
    /// Consumer group.
    pub group: String,
    /// `CONSUME_PASSIVELY` (push), `CONSUME_ACTIVELY` (pull), `CONSUME_POP`: shown as it came.
    pub consume_type: &'static str,
    /// Clustering or broadcasting.
    pub model: MessageModel,
    /// Where a new group begins.
    pub from: ConsumeFrom,
    /// What it subscribes to.
    pub subscriptions: Vec<Subscription>,
}

/// Whether members of a group share messages or get each of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageModel {
    /// Every member gets every message.
    Broadcasting,
    /// Each message goes to one member.
    Clustering,
}

/// Where a new group begins: the client decides by it, the broker shows it. The wire name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConsumeFrom(pub &'static str);

/// One topic a group subscribes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// Topic.
    pub topic: String,
    /// The expression as the client wrote it.
    pub expression: String,
    /// "TAG" or "SQL92".
    pub expression_type: String,
    /// Grows when the client changes it.
    pub version: i64,
}

/// Queues of one topic or several to lock or unlock.
#[derive(Clone, Debug)]
pub struct Lock<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Client id.
    pub client: &'a str,
    /// Topic and queue.
    pub queues: Vec<(&'a str, u32)>,
}

/// Which transactions to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter<'a> {
    /// Producer group.
    pub group: Option<&'a str>,
    /// Topic of the message.
    pub topic: Option<&'a str>,
    /// Unique id, or one of the message's keys.
    pub key: Option<&'a str>,
    /// Only those set aside (true), or only those that are asked about (false).
    pub set_aside: Option<bool>,
    /// Only those at least so old.
    pub min_age_ms: u64,
    /// Only those behind this half: the next page.
    pub after: Option<CommitLogOffset>,
    /// At most so many, and never more than 1,000.
    pub max: usize,
}

/// What a person wants of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// Decide it.
    Decide(Outcome),
    /// Ask about it again.
    Resume,
}

/// A transaction is settled by hand.
#[derive(Clone, Copy, Debug)]
pub struct Resolve<'a> {
    /// Offset id, position of the half, or unique id.
    pub id: &'a str,
    /// What is wanted.
    pub resolution: Resolution,
    /// Who wants it.
    pub who: &'a str,
    /// Why.
    pub why: &'a str,
    /// Only say what would be done.
    pub dry_run: bool,
}
