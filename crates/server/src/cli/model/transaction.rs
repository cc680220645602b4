//! One transaction: where it stands, what happened to it, and what an operator wants done with it.

use serde::{Deserialize, Serialize};

/// Where a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionState {
    /// Nobody has decided; producers are asked.
    Undecided,
    /// Answered "unknown" too often, or its topic is gone; nobody is asked, it can still be decided.
    SetAside,
    /// Committed: the message is visible, or will be at its time.
    Committed,
    /// Rolled back: the message is never seen.
    RolledBack,
}

impl TransactionState {
    /// As it stands in tables and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            TransactionState::Undecided => "undecided",
            TransactionState::SetAside => "set-aside",
            TransactionState::Committed => "committed",
            TransactionState::RolledBack => "rolled-back",
        }
    }
}

/// One transaction, in a list and by itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactionRow {
    /// The id that the producer knows: the message's UNIQ_KEY.
    pub id: String,
    /// The id of the half: its address and place in the log.
    pub offset_id: String,
    /// Where it stands.
    pub state: TransactionState,
    /// Producer group.
    pub group: String,
    /// Topic it is for.
    pub topic: String,
    /// When the half was stored.
    pub stored_at_ms: i64,
    /// Checks answered "unknown" since it was stored or last resumed.
    pub checks: u32,
    /// When it is asked about next; `None` when nobody is going to be asked.
    pub next_check_at_ms: Option<i64>,
    /// Producers of the group online now.
    pub producers_online: u32,
}

/// What transactions to list.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TransactionQuery {
    /// Only of this producer group.
    pub group: Option<String>,
    /// Only for this topic.
    pub topic: Option<String>,
    /// Only with this transaction id or key of the message.
    pub key: Option<String>,
    /// Only in this state; `None` for all that are not decided.
    pub state: Option<TransactionState>,
    /// Only stored longer ago than so many milliseconds.
    pub older_than_ms: Option<u64>,
    /// Rows wanted; the broker may give fewer.
    pub limit: u32,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<String>,
}

/// One page of a list of transactions, the oldest first.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TransactionPage {
    /// The rows.
    pub rows: Vec<TransactionRow>,
    /// What to ask the next page with; `None` after the last one.
    pub next: Option<String>,
    /// All undecided transactions of the broker, whatever was asked for.
    pub undecided: u64,
    /// All set-aside transactions of the broker, whatever was asked for.
    pub set_aside: u64,
    /// The broker's time.
    pub now_ms: i64,
}

/// One transaction by itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactionDetail {
    /// What a list says about it.
    #[serde(flatten)]
    pub row: TransactionRow,
    /// Queue it is for.
    pub queue: u32,
    /// Tag of the message, empty if none.
    pub tag: String,
    /// Keys of the message. Lists do not have them: the broker does not keep them in memory.
    pub keys: String,
    /// Bytes of the message's record.
    pub size: u32,
    /// Checks answered "unknown" after which it is given up.
    pub check_max: u32,
    /// Checks that nobody answered in time; they do not count.
    pub silent: u32,
    /// The broker's time.
    pub now_ms: i64,
    /// Why it is where it is, and what happens next, in the broker's words.
    pub explanation: String,
    /// What happened to it, the oldest first.
    pub timeline: Vec<Event>,
}

/// One thing that happened to a transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at_ms: i64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened to a transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The half was stored.
    Stored {
        /// Client id of the sender, empty if it never said one.
        client: String,
        /// Place of the half in the log.
        log_offset: u64,
    },
    /// A producer is being asked. Only those who watch are told: in a timeline stands what came of it.
    Asked {
        /// Client id of the producer that is asked.
        client: String,
    },
    /// A producer was asked, and this came of it.
    Checked {
        /// Client id of the producer that was asked.
        client: String,
        /// What came of it.
        answer: CheckAnswer,
    },
    /// It was decided.
    Decided {
        /// What was decided.
        outcome: DecidedOutcome,
        /// In what way.
        by: DecidedBy,
        /// Client id of the producer, or name of the operator.
        who: String,
        /// Reason of the operator, or text of the producer's exception; may be empty.
        why: String,
    },
    /// It was set aside.
    SetAside {
        /// Name of the operator, empty for the broker itself.
        who: String,
        /// Why.
        why: String,
    },
    /// It is asked about again.
    Resumed {
        /// Name of the operator.
        who: String,
        /// Why.
        why: String,
    },
    /// It is committed, and becomes visible later.
    Scheduled {
        /// When.
        deliver_at_ms: i64,
    },
    /// The message became visible.
    Visible {
        /// Topic.
        topic: String,
        /// Queue.
        queue: u32,
        /// Offset in the queue.
        offset: u64,
        /// Place in the log at which it became visible.
        log_offset: u64,
    },
}

/// What happened since the last time one looked.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Watched {
    /// In the order in which it happened.
    pub events: Vec<WatchedEvent>,
    /// What to go on with.
    pub next: u64,
    /// Events that came and went in between, at least.
    pub missed: u64,
}

/// One thing that just happened to some transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WatchedEvent {
    /// The id that the producer knows; empty, as are group and topic, when the broker did not have it at hand.
    pub id: String,
    /// The id of the half.
    pub offset_id: String,
    /// Producer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// When and what.
    #[serde(flatten)]
    pub event: Event,
}

/// What came of one check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckAnswer {
    /// The producer does not know: this counts as an attempt.
    Unknown,
    /// The producer did not answer in time: this does not count.
    Silent,
}

/// What a transaction came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedOutcome {
    /// The message is delivered.
    Commit,
    /// The message is never seen.
    Rollback,
}

/// In what way a transaction was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// By the producer after its local transaction.
    Producer,
    /// By a producer's answer to a check.
    CheckAnswer,
    /// By hand.
    Operator,
    /// By `transactions.when_exhausted = "rollback"`.
    Exhausted,
}

/// What an operator wants done with a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveAction {
    /// Deliver the message.
    Commit,
    /// Never deliver the message.
    Rollback,
    /// Ask its producers again.
    Resume,
}

impl ResolveAction {
    /// As it stands on the command line.
    pub fn word(self) -> &'static str {
        match self {
            ResolveAction::Commit => "commit",
            ResolveAction::Rollback => "rollback",
            ResolveAction::Resume => "resume",
        }
    }
}

/// The order of an operator about one transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Resolve {
    /// Producer's id of the transaction, see [`TransactionRow::id`].
    pub id: String,
    /// Id of the half, see [`TransactionRow::offset_id`]: it alone is without doubt.
    pub offset_id: String,
    /// Producer group.
    pub group: String,
    /// What to do.
    pub action: ResolveAction,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
}
