//! What the door remembers from one request to the next.

use std::collections::HashMap;
use std::net::SocketAddr;

use broker::BrokerConfig;
use broker::io::SessionId;
use foldhash::fast::RandomState;
use message::CommitLogOffset;
use protocol::MessageQueue;
use protocol::header::Language;
use protocol::identifiers::{OffsetMsgId, OffsetMsgIdDigits};

use crate::notes::Notes;
use crate::rates::Rates;
use crate::relays::Relays;

/// What the door counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Requests, whatever became of them.
    pub requests: u64,
    /// Requests with a code nobody serves.
    pub unknown: u64,
    /// Requests whose fields or body are not what their code asks for.
    pub malformed: u64,
    /// Requests that failed at the door while nobody waited for an answer: dropped.
    pub oneway_dropped: u64,
    /// Answers of clients to a question that nobody asked, or no longer.
    pub answers_unmatched: u64,
}

/// Everything of the door but its scratch for headers.
#[derive(Debug)]
pub(crate) struct Desk {
    pub broker_name: String,
    pub cluster_name: String,
    pub store_host: SocketAddr,
    pub peers: HashMap<SessionId, Peer, RandomState>,
    pub notes: Notes,
    pub relays: Relays,
    pub rates: Rates,
    pub counters: Counters,
    /// Frames for other connections than the one that is being served.
    pub mail: Vec<(SessionId, Vec<u8>)>,
    last_opaque: i32,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    /// As its last heartbeat said.
    pub language: Language,
}

impl Desk {
    pub fn new(config: &BrokerConfig) -> Self {
        Desk {
            broker_name: config.broker_name.clone(),
            cluster_name: config.cluster_name.clone(),
            store_host: config.store_host,
            peers: HashMap::default(),
            notes: Notes::default(),
            relays: Relays::default(),
            rates: Rates::default(),
            counters: Counters::default(),
            mail: Vec::new(),
            last_opaque: 0,
        }
    }

    /// The other end of a connection that is being served.
    pub fn peer(&self, session: SessionId) -> &Peer {
        self.peers.get(&session).expect("a connection is opened before it is served")
    }

    /// A correlation id for something we ask a client. Its own requests have ids of their own.
    pub fn next_opaque(&mut self) -> i32 {
        self.last_opaque = self.last_opaque.wrapping_add(1);
        self.last_opaque
    }

    /// The id of the message, or the half, that lies there.
    pub fn offset_id(&self, at: CommitLogOffset) -> OffsetMsgIdDigits {
        OffsetMsgId { address: self.store_host, commit_log_offset: at.signed() }.encode()
    }

    /// A queue of this broker.
    pub fn queue(&self, topic: &str, queue: u32) -> MessageQueue {
        MessageQueue {
            topic: topic.to_owned(),
            broker_name: self.broker_name.clone(),
            queue_id: i32::try_from(queue).unwrap_or(i32::MAX),
        }
    }

    /// Writes a frame for another connection.
    pub fn post(&mut self, session: SessionId, write: impl FnOnce(&mut Vec<u8>)) {
        let mut frame = Vec::new();
        write(&mut frame);
        self.mail.push((session, frame));
    }
}
