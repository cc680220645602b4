use message::entry::Outcome;
use message::{CommitLogOffset, QueueOffset, Timestamp};

use crate::held::HeldPull;
use crate::io::{End, Reply, SessionId, Ticket, TransactionFilter};

/// What a read is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// A pull; it is held for the rest of its time when there is nothing to read.
    Pull { pull: HeldPull, hold: bool },
    /// Bounds of one queue.
    QueueBounds(Reply),
    /// An offset.
    Offset(Reply),
    /// Records for a client.
    Records(Reply),
    /// Bounds of the queues of a topic, in order.
    TopicStats(Reply),
    /// Bounds of the queues a group consumes.
    ConsumeStats { reply: Reply, group: String, queues: Vec<(std::sync::Arc<str>, u32)> },
    /// Bounds of a queue, to see where a new group begins.
    QueryOffset(Reply),
    /// Offsets at a time.
    Reset(Box<ResetWork>),
    /// A message to be delivered again.
    SendBack(Box<SendBackWork>),
    /// A decision that names no pending half.
    Settle(Box<SettleWork>),
    /// A decision whose record must be carried.
    Decide(Box<DecideWork>),
    /// A scheduled message whose record, of so many bytes, must be carried.
    Deliver(CommitLogOffset, u32),
    /// The record of a half that is to be asked about.
    Check { half: CommitLogOffset, session: SessionId },
    /// Records of halves, as a topic of the system shows them.
    HalfView(Box<HalfViewWork>),
    /// A record, of so many bytes, that is stored again.
    Carry(CommitLogOffset, u32),
    /// The halves with a key: for an operator.
    ListByKey(Box<ListWork>),
    /// An entry at an offset, which may be that of a half: for an operator.
    ShowByOffset { reply: Reply, key: String },
    /// A half and what became of it: for an operator.
    Show(Reply),
}

#[derive(Debug)]
pub(crate) struct ResetWork {
    pub reply: Option<Reply>,
    pub group: String,
    pub topic: std::sync::Arc<str>,
    pub time: Timestamp,
    pub force: bool,
    pub queues: Vec<u32>,
}

#[derive(Debug)]
pub(crate) struct SendBackWork {
    pub reply: Option<Reply>,
    pub group: String,
    pub delay_level: i32,
    pub origin_id: String,
    pub max_reconsume_times: Option<i32>,
}

#[derive(Debug)]
pub(crate) struct SettleWork {
    pub reply: Option<Reply>,
    pub group: String,
    pub half: CommitLogOffset,
    pub sequence: QueueOffset,
    pub unique_key: String,
    pub outcome: Outcome,
}

impl SettleWork {
    pub fn new(
        reply: Option<Reply>,
        end: &End<'_>,
        half: CommitLogOffset,
        sequence: QueueOffset,
        outcome: Outcome,
    ) -> Self {
        SettleWork {
            reply,
            group: end.group.to_owned(),
            half,
            sequence,
            unique_key: end.unique_key.to_owned(),
            outcome,
        }
    }
}

#[derive(Debug)]
pub(crate) struct DecideWork {
    pub half: CommitLogOffset,
    pub by: message::entry::DecidedBy,
    pub who: String,
    pub why: String,
}

#[derive(Debug)]
pub(crate) struct HalfViewWork {
    pub pull: HeldPull,
    /// Topic under which they are shown.
    pub topic: &'static str,
    /// The half of each record and its position.
    pub halves: Vec<(CommitLogOffset, QueueOffset, Timestamp)>,
    pub min: QueueOffset,
    pub max: QueueOffset,
}

/// Which transactions to list, see [`TransactionFilter`].
#[derive(Debug)]
pub(crate) struct ListWork {
    pub reply: Reply,
    pub key: String,
    pub group: Option<String>,
    pub topic: Option<String>,
    pub set_aside: Option<bool>,
    pub min_age_ms: u64,
    pub after: Option<CommitLogOffset>,
    pub max: usize,
}

impl ListWork {
    pub fn filter(&self) -> TransactionFilter<'_> {
        TransactionFilter {
            group: self.group.as_deref(),
            topic: self.topic.as_deref(),
            key: Some(&self.key),
            set_aside: self.set_aside,
            min_age_ms: self.min_age_ms,
            after: self.after,
            max: self.max,
        }
    }
}

/// Reads that are under way, by ticket.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    slots: Vec<Option<Purpose>>,
    free: Vec<u32>,
}

impl Reads {
    /// Remembers what a read is for.
    pub fn begin(&mut self, purpose: Purpose) -> Ticket {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(purpose);
                Ticket(slot)
            }
            None => {
                self.slots.push(Some(purpose));
                Ticket(u32::try_from(self.slots.len() - 1).expect("reads under way are limited by connections"))
            }
        }
    }

    /// Where the answer goes that a read leads to, if it is one for a client.
    pub fn reader(&self, ticket: Ticket) -> Option<Reply> {
        match self.slots.get(ticket.0 as usize)?.as_ref()? {
            Purpose::Pull { pull, .. } => Some(pull.reply),
            Purpose::HalfView(work) => Some(work.pull.reply),
            Purpose::ListByKey(work) => Some(work.reply),
            Purpose::QueueBounds(reply)
            | Purpose::Offset(reply)
            | Purpose::Records(reply)
            | Purpose::TopicStats(reply)
            | Purpose::ConsumeStats { reply, .. }
            | Purpose::QueryOffset(reply)
            | Purpose::ShowByOffset { reply, .. }
            | Purpose::Show(reply) => Some(*reply),
            // These change something: they go on whoever is there to hear of it.
            Purpose::Reset(_)
            | Purpose::SendBack(_)
            | Purpose::Settle(_)
            | Purpose::Decide(_)
            | Purpose::Deliver(..)
            | Purpose::Check { .. }
            | Purpose::Carry(..) => None,
        }
    }

    /// What a read was for.
    pub fn end(&mut self, ticket: Ticket) -> Option<Purpose> {
        let purpose = self.slots.get_mut(ticket.0 as usize)?.take()?;
        self.free.push(ticket.0);
        Some(purpose)
    }
}
