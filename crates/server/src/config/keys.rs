//! The one table of all keys: name, kind with range, what it is, when one would change it, and its field.

use super::Config;
use super::kind::Kind;
use super::value::{Field, Value};
use super::{Durability, LogFormat, WhenExhausted};

/// What is known about one key. Its default is [`Config::default`]'s.
#[derive(Debug)]
pub struct Key {
    /// Section and key: `transactions.check_interval`.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What it is.
    pub about: &'static str,
    /// Why one would change it.
    pub change: &'static str,
    /// Reads its field.
    pub get: fn(&Config) -> Value,
    /// Sets its field; false, and nothing set, when the value is not of its kind.
    pub set: fn(&mut Config, Value) -> bool,
}

impl Key {
    /// The key called `name`, section included.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// The part in front of the dot.
    pub fn section(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// The part behind the dot.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Its environment variable: `TANDEM_TRANSACTIONS_CHECK_INTERVAL`.
    pub fn variable(&self) -> String {
        format!("TANDEM_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// Its value in `config`, as it stands in a TOML file.
    pub fn shown(&self, config: &Config) -> String {
        self.kind.show(&(self.get)(config))
    }
}

/// The sections in the order of the reference file, and what each is about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("server", "Where the server listens and keeps its data."),
    ("transactions", "How undecided transactions are pursued."),
    ("store", "The log on disk."),
    ("retention", "How long messages are kept. Undecided halves and scheduled messages outlive both bounds."),
    ("topics", "How topics come to be."),
    ("groups", "How consumer groups come to be."),
    (
        "limits",
        "The bound of everything that could grow. A request beyond one is answered with the protocol's own refusal;\n\
         decisions about transactions and acknowledgements of consumers are never refused for a limit.",
    ),
    ("log", "The server's own log, written to standard error."),
];

macro_rules! key {
    ($section:ident . $field:ident, $kind:expr, $about:expr, $change:expr) => {
        Key {
            name: concat!(stringify!($section), ".", stringify!($field)),
            kind: $kind,
            about: $about,
            change: $change,
            get: |config| config.$section.$field.to_value(),
            set: |config, value| match Field::from_value(value) {
                Some(field) => {
                    config.$section.$field = field;
                    true
                }
                None => false,
            },
        }
    };
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const fn count(min: u32, max: u32) -> Kind {
    Kind::Count { min, max }
}

const fn size(min: u64, max: u64) -> Kind {
    Kind::Size { min, max }
}

const fn span(min_ms: u64, max_ms: u64) -> Kind {
    Kind::Duration { min_ms, max_ms }
}

/// Every key, section by section in the order of [`SECTIONS`].
pub const KEYS: &[Key] = &[
    key!(
        server.data,
        Kind::Path,
        "The data directory. It is created when it does not exist; one server at a time may use it.",
        "To keep the data on a disk of its own."
    ),
    key!(
        server.nameserver_listen,
        Kind::Address,
        "Address on which the name server listens: what clients are configured with.",
        "To be reached from other machines (needs server.insecure), or when the port is taken. Port 0 lets the system \
         choose."
    ),
    key!(
        server.broker_listen,
        Kind::Address,
        "Address on which the broker listens. It also listens two ports below, for clients with vipChannelEnabled.",
        "To be reached from other machines (needs server.insecure), or when the port is taken. Port 0 lets the system \
         choose."
    ),
    key!(
        server.advertise,
        Kind::Optional("auto", &Kind::Address),
        "Address of the broker that clients are told to connect to. \"auto\" stands for server.broker_listen.",
        "Behind a port mapping or a container's network, and whenever the broker listens on 0.0.0.0."
    ),
    key!(
        server.insecure,
        Kind::Bool,
        "Whether the server may listen on an address that other machines reach. There is no authentication: whoever \
         reaches it may read, send and delete everything.",
        "When a network that you trust is all that reaches it."
    ),
    key!(
        server.broker_name,
        Kind::Name,
        "Name of the broker in routes.",
        "When several brokers serve the same clients."
    ),
    key!(
        server.cluster_name,
        Kind::Name,
        "Name of the cluster in routes.",
        "When tools or clients of yours expect another name than RocketMQ's default."
    ),
    key!(
        server.drain_timeout,
        span(0, MINUTE),
        "How long open requests may take to finish after SIGTERM.",
        "Raise it for slow disks; whoever sends SIGTERM must wait longer than this before SIGKILL."
    ),
    key!(
        transactions.first_check_after,
        span(1, DAY),
        "Age of an undecided half at its first check. The message's CHECK_IMMUNITY_TIME_IN_SECONDS makes it later, never earlier.",
        "Raise it when local transactions commonly take longer; a check before that is answered UNKNOWN, and counts."
    ),
    key!(
        transactions.check_interval,
        span(10, DAY),
        "Time from one check of an undecided half to the next.",
        "Lower it when a lost decision must be mended sooner; each check costs the producer one query."
    ),
    key!(
        transactions.check_max,
        count(1, 1_000_000),
        "Checks answered UNKNOWN before a half is given up. Silence and absent producers do not count.",
        "Raise it, or the interval, when a local transaction may rightly stay open for longer than both multiplied."
    ),
    key!(
        transactions.when_exhausted,
        Kind::Choice(WhenExhausted::WORDS),
        "What giving up means. \"set-aside\": it is kept, not delivered, not asked about, and can be decided later by its \
         producer or by hand. \"rollback\": it is rolled back.",
        "Choose \"rollback\" only when a transaction that stays unknown for so long cannot have happened."
    ),
    key!(
        transactions.answer_timeout,
        span(10, 10 * MINUTE),
        "Silence of a producer after which another one of its group is asked.",
        "Raise it when answering a check takes a slow query."
    ),
    key!(
        transactions.unanswered_max,
        count(1, 100_000),
        "Checks one connection may have unanswered; further ones wait.",
        "Lower it when a producer that comes back after a long absence is flooded."
    ),
    key!(
        store.durability,
        Kind::Choice(Durability::WORDS),
        "When a write is acknowledged. \"disk\": once it is on the disk, so that it survives a power cut. \"memory\": once \
         the operating system has it; it survives the death of the process, but a crash of the machine loses what was \
         acknowledged within the last store.memory_sync_every.",
        "Choose \"memory\" when losing the last half second in a power cut is acceptable, and the disk is slow."
    ),
    key!(
        store.direct_io,
        Kind::Bool,
        "Whether the log is written past the page cache, in sectors, where the file system allows it: fewer bytes to the\n\
         device, less CPU, no stalls when the system writes pages back. What was written last is read from memory of the\n\
         broker's own, up to 32 MiB; what is older is read from the device. With durability \"memory\" the page cache is\n\
         used all the same.",
        "Set it to true when consumers keep up, and bytes written to the device or waits for it are what counts."
    ),
    key!(
        store.segment_size,
        size(MIB, GIB),
        "Size of one segment file of the log. Whole segments are deleted and recycled.",
        "Lower it on a small disk; it must hold two batches (limits.batch_bytes)."
    ),
    key!(
        store.spare_segments,
        count(1, 64),
        "Segments prepared ahead of need. They are also the reserve from which decisions and acknowledgements are \
         written while the disk is full.",
        "Raise it when writes come in bursts of more than so many segments."
    ),
    key!(
        store.snapshot_every,
        size(MIB, TIB),
        "Bytes of log after which a snapshot of the state is written; after four times as many as the last one had, if that \
         is more, and at most a quarter of retention.size then. A restart reads the log from the last one on.",
        "Raise it when millions of transactions are open and writing snapshots shows; lower it to restart faster."
    ),
    key!(
        store.memory_sync_every,
        span(1, MINUTE),
        "With durability \"memory\": the longest time between a write and its sync.",
        "It is the time that a crash of the machine may cost."
    ),
    key!(
        retention.age,
        span(SECOND, 3650 * DAY),
        "How long a message can be read at least, from when it became visible. After the clock has jumped, or the broker\n\
         was down for more than ten minutes, nothing is dropped for its age for an hour.",
        "Raise it when consumers may be away for longer; the disk must hold that much."
    ),
    key!(
        retention.size,
        Kind::Optional("none", &Kind::Size { min: MIB, max: 1024 * TIB }),
        "Size of the log beyond which the oldest messages are deleted before their time, read or not. Undecided halves and\n\
         scheduled messages come on top, with up to three times their own size: they are moved when enough lies between.",
        "To keep the disk from filling up when losing the oldest messages is better than refusing new ones."
    ),
    key!(
        topics.auto_create,
        Kind::Bool,
        "Whether the first message to an unknown topic creates it.",
        "Switch it off in production, so that a mistyped topic is an error: tandem topics create NAME."
    ),
    key!(
        topics.default_queues,
        count(1, 65_536),
        "Most queues of a topic that its first message creates. Stock clients ask for 4.",
        "Raise it when more consumers of one group than queues must share a topic; the client has to ask for more too."
    ),
    key!(
        groups.auto_create,
        Kind::Bool,
        "Whether the first consumer of an unknown group creates it.",
        "Switch it off so that a mistyped group is an error."
    ),
    key!(
        groups.retry_max,
        count(0, 1_000_000),
        "How often a message that a consumer failed on is delivered again before it moves to the group's dead letters, \
         when the client names no number.",
        "Lower it when failing messages should surface sooner: sixteen retries take almost five hours."
    ),
    key!(
        limits.connections,
        count(1, 1_000_000),
        "Connections of clients, on all listening addresses together.",
        "Raise it together with the process's limit of open files."
    ),
    key!(
        limits.connections_per_address,
        Kind::Optional("none", &Kind::Count { min: 1, max: 1_000_000 }),
        "Connections of one address (of IPv6, of one network of 64 bits), so that nobody alone can take them all. Further\n\
         ones are closed as soon as they are accepted, and the log says so.",
        "Raise it, or set it to \"none\", when more clients than that come through one gateway or proxy."
    ),
    key!(
        limits.idle_timeout,
        span(SECOND, DAY),
        "Silence after which a connection is closed. Clients send a heartbeat every 30 seconds.",
        "Raise it for clients with longer heartbeat intervals."
    ),
    key!(
        limits.frame_timeout,
        span(SECOND, DAY),
        "Time from the first byte of a request to its last; whoever takes longer is closed. Stock clients give up a send\n\
         after 3 seconds, and time in which the broker did not read for their unread answers does not count.",
        "Raise it for large messages over very slow lines: 4 MiB in 60 seconds are 70 KiB a second."
    ),
    key!(
        limits.frame_size,
        size(64 * KIB, GIB),
        "Size of one request, headers included. A larger one closes its connection.",
        "Raise it together with limits.message_size."
    ),
    key!(
        limits.message_size,
        size(KIB, 256 * MIB),
        "Size of one message: body, topic and properties.",
        "Raise it for larger bodies; stock producers refuse bodies over 4 MiB themselves unless their maxMessageSize is \
         raised too."
    ),
    key!(
        limits.batch_bytes,
        size(64 * KIB, 256 * MIB),
        "Bytes written to the log in one go, before one sync. A request that does not fit waits for the next.",
        "Raise it together with limits.message_size; larger batches cost latency."
    ),
    key!(
        limits.in_flight_bytes,
        size(MIB, TIB),
        "Bytes of requests that have not arrived whole, of all connections together. Whoever sends more is closed.",
        "Lower it when memory is scarce; raise it for many producers of large messages."
    ),
    key!(
        limits.receive_buffer,
        size(4 * KIB, GIB),
        "Bytes read from one connection before the others have their turn; as many of all busy ones together before the\n\
         log is written, while clients that send little are active. A single larger request is still received.",
        "Lower it when very many connections send at once and memory is scarce."
    ),
    key!(
        limits.send_buffer,
        size(64 * KIB, GIB),
        "Bytes of answers waiting for one connection to read them. Its further requests wait until it has.",
        "Raise it for clients far away that pull many messages at once."
    ),
    key!(
        limits.unread_bytes,
        size(MIB, TIB),
        "Bytes of answers that clients leave unread, of all connections together. Beyond it, whoever has read nothing for\n\
         longest is closed.",
        "Lower it when memory is scarce; raise it for very many consumers that read slowly."
    ),
    key!(
        limits.held_pulls,
        count(1, 10_000_000),
        "Pull requests waiting for a message. Further ones are answered at once, so that the client asks again.",
        "Raise it above the number of queues times consumers."
    ),
    key!(
        limits.pull_messages,
        count(1, 1024),
        "Messages in the answer to one pull request, whatever the client asks for.",
        "Raise it, and the clients' pullBatchSize, to catch up faster with small messages."
    ),
    key!(
        limits.pull_bytes,
        size(4 * KIB, 256 * MIB),
        "Bytes of messages in the answer to one pull request. A single larger message is still delivered.",
        "Raise it to catch up faster with large messages."
    ),
    key!(
        limits.open_transactions,
        count(1, 100_000_000),
        "Undecided transactions, those set aside included. Further halves are refused.",
        "Each takes less than 400 bytes of memory."
    ),
    key!(
        limits.scheduled_messages,
        count(1, 100_000_000),
        "Messages waiting for a later time: delayed, timed, to be retried. Further ones are refused.",
        "Raise it for long delays of many messages; each takes memory."
    ),
    key!(
        limits.topics,
        count(1, 10_000_000),
        "Topics, retry and dead letter topics included.",
        "Lower it when clients with auto_create might create them without end."
    ),
    key!(
        limits.queues_per_topic,
        count(1, 65_536),
        "Queues of one topic.",
        "Raise it for topics with very many consumers."
    ),
    key!(
        limits.groups,
        count(1, 10_000_000),
        "Consumer groups.",
        "Lower it when clients might create them without end."
    ),
    key!(
        limits.group_members,
        count(1, 1_000_000),
        "Clients online in one group.",
        "Raise it for groups of more processes: each change of membership tells all of them."
    ),
    key!(
        limits.brokers,
        count(1, 100_000),
        "Other brokers registered with the name server.",
        "Lower it when nobody else should register."
    ),
    key!(
        limits.kv_entries,
        count(1, 10_000_000),
        "Keys in the name server's key-value configuration.",
        "Raise it for very many ordered topics."
    ),
    key!(
        limits.query_rows,
        count(1, 100_000),
        "Rows in one answer to an operator's query; tools ask again for the rest.",
        "Lower it when listings disturb the clients."
    ),
    key!(
        log.level,
        Kind::LogFilter,
        "What is logged: a level, or levels by module.",
        "\"debug\" tells each connection and each check; \"trace\" each request."
    ),
    key!(
        log.format,
        Kind::Choice(LogFormat::WORDS),
        "How a log line looks. \"text\": for people. \"json\": one object a line.",
        "Choose \"json\" when a collector reads the log."
    ),
];
