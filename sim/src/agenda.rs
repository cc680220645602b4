use std::collections::BTreeMap;

use broker::io::{Resolution, SessionId};
use message::entry::Outcome;
use message::{CommitLogOffset, Timestamp};

use crate::oracle::{MessageId, TransactionId};

/// Something a client will do.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Connect and say who it is.
    Connect(usize),
    /// Say that it is still there.
    Heartbeat(usize, SessionId),
    /// The broker learns that a connection is gone.
    End(SessionId),
    /// Send a plain message.
    Send(usize, MessageId),
    /// Send several messages of one queue.
    Batch(usize, Vec<MessageId>),
    /// Send a half.
    Half(usize, TransactionId),
    /// Run the local transaction.
    Local(usize, TransactionId),
    /// Say what became of a local transaction.
    Decide {
        /// Who says so.
        client: usize,
        /// Of which half.
        half: CommitLogOffset,
        /// What; `None` for "unknown".
        outcome: Option<Outcome>,
        /// Whether an answer is wanted.
        two_way: bool,
    },
    /// Answer a check.
    AnswerCheck {
        /// Who was asked.
        client: usize,
        /// By which connection.
        session: SessionId,
        /// About which half.
        half: CommitLogOffset,
        /// Its position among all halves.
        sequence: i64,
        /// Its unique id.
        key: String,
    },
    /// Share the group's queues anew.
    Balance(usize, SessionId),
    /// Read a queue.
    Pull(usize, SessionId, String, u32),
    /// Tell how far a queue is consumed.
    TellOffset {
        /// Who has consumed.
        client: usize,
        /// By which connection.
        session: SessionId,
        /// Topic, how often it had gone then, and queue.
        queue: (String, u64, u32),
        /// Next offset to consume.
        offset: u64,
        /// Whether an answer is wanted.
        two_way: bool,
    },
    /// Send a message back that could not be consumed.
    SendBack {
        /// Who could not.
        client: usize,
        /// By which connection.
        session: SessionId,
        /// The message.
        message: MessageId,
        /// Where it became visible.
        at: CommitLogOffset,
        /// Attempts before.
        attempt: i32,
    },
    /// Settle a transaction by hand.
    Resolve(CommitLogOffset, Resolution, bool),
    /// Let a topic be written to again.
    OpenTopic(String),
    /// Start the broker.
    Start,
    /// The disk has room again.
    Room,
}

/// What will be done, in order of time.
#[derive(Debug, Default)]
pub struct Agenda {
    next: u64,
    items: BTreeMap<(Timestamp, u64), Intent>,
}

impl Agenda {
    /// Adds something.
    pub fn add(&mut self, at: Timestamp, intent: Intent) {
        self.next += 1;
        self.items.insert((at, self.next), intent);
    }

    /// Takes the next thing that is due.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Intent> {
        let first = self.items.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.items.first_key_value().map(|((at, _), _)| *at)
    }

    /// Forgets some of it.
    pub fn retain(&mut self, keep: impl Fn(&Intent) -> bool) {
        self.items.retain(|_, intent| keep(intent));
    }
}
