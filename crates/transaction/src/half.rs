use std::fmt;

use message::entry::{CheckOutcome, Delay};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use crate::names::Names;
use crate::unique_key::UniqueKey;

/// Where an undecided half stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Its producers are asked until one of them decides.
    Pending,
    /// It was asked about too often, or an operator said so: nobody is asked, it can still be decided or resumed.
    SetAside,
}

/// What the ledger keeps of one half. About 140 bytes: there may be a million of them.
#[derive(Debug)]
pub(crate) struct Stored {
    pub at: CommitLogOffset,
    pub sequence: QueueOffset,
    pub stored_at: Timestamp,
    pub record_at: CommitLogOffset,
    pub last_entry: CommitLogOffset,
    pub last_check_at: Timestamp,
    pub delay: Delay,
    pub unique_key: UniqueKey,
    pub record_len: u32,
    pub tags_code: i32,
    pub queue_id: u32,
    pub body_crc: u32,
    /// `u32::MAX` when the message did not say.
    pub immunity_ms: u32,
    pub topic: u32,
    pub group: u32,
    pub client: u32,
    pub last_check_client: u32,
    pub attempts: u32,
    pub silent: u32,
    pub last_check: Option<CheckOutcome>,
    pub state: State,
    pub carried: bool,
}

/// The names that the numbers in [`Stored`] stand for.
#[derive(Debug, Default)]
pub(crate) struct NameTables {
    pub groups: Names,
    pub topics: Names,
    pub clients: Names,
}

/// The last check of a half that came to something but a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastCheck<'a> {
    /// When the answer came, or was given up.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// Client id of the producer that was asked.
    pub client: &'a str,
}

/// One undecided half, to look at.
#[derive(Clone, Copy)]
pub struct HalfView<'a> {
    half: &'a Stored,
    names: &'a NameTables,
}

impl<'a> HalfView<'a> {
    pub(crate) fn new(half: &'a Stored, names: &'a NameTables) -> Self {
        HalfView { half, names }
    }

    /// The offset of the half's entry: its name for life, quoted by clients as `commitLogOffset`.
    pub fn at(self) -> CommitLogOffset {
        self.half.at
    }

    /// Its position among all halves, quoted by clients as `tranStateTableOffset`.
    pub fn sequence(self) -> QueueOffset {
        self.half.sequence
    }

    /// When it was stored, on the broker's clock: its age counts from here.
    pub fn stored_at(self) -> Timestamp {
        self.half.stored_at
    }

    /// First byte of its record in the log.
    pub fn record_at(self) -> CommitLogOffset {
        self.half.record_at
    }

    /// The last entry about it, or its own: where the next one links to, so that its story can be walked backwards.
    pub fn last_entry(self) -> CommitLogOffset {
        self.half.last_entry
    }

    /// Length of its record in bytes.
    pub fn record_len(self) -> u32 {
        self.half.record_len
    }

    /// Whether the record was stored again, away from the half's entry.
    pub fn is_carried(self) -> bool {
        self.half.carried
    }

    /// Topic the message is for.
    pub fn topic(self) -> &'a str {
        self.names.topics.get(self.half.topic)
    }

    /// Queue of the topic.
    pub fn queue_id(self) -> u32 {
        self.half.queue_id
    }

    /// Hash of its tag, 0 without one.
    pub fn tags_code(self) -> i32 {
        self.half.tags_code
    }

    /// Producer group: its members may decide, and are asked.
    pub fn group(self) -> &'a str {
        self.names.groups.get(self.half.group)
    }

    /// Client id of the sender, empty if it never said one.
    pub fn client(self) -> &'a str {
        self.names.clients.get(self.half.client)
    }

    /// The id its sender, or the broker in its stead, gave to the message.
    pub fn unique_key(self) -> &'a str {
        self.half.unique_key.as_str()
    }

    /// Checksum of the body.
    pub fn body_crc(self) -> u32 {
        self.half.body_crc
    }

    /// Milliseconds before the first check, when the message itself says so.
    pub fn immunity_ms(self) -> Option<u32> {
        Some(self.half.immunity_ms).filter(|ms| *ms != u32::MAX)
    }

    /// When it is delivered once it is committed.
    pub fn delay(self) -> Delay {
        self.half.delay
    }

    /// Checks answered "unknown" since it was stored or resumed.
    pub fn attempts(self) -> u32 {
        self.half.attempts
    }

    /// Checks in a row that nobody answered.
    pub fn silent(self) -> u32 {
        self.half.silent
    }

    /// Whether it is pending or set aside.
    pub fn state(self) -> State {
        self.half.state
    }

    /// The last check that came to something but a decision.
    pub fn last_check(self) -> Option<LastCheck<'a>> {
        self.half.last_check.map(|outcome| LastCheck {
            at: self.half.last_check_at,
            outcome,
            client: self.names.clients.get(self.half.last_check_client),
        })
    }
}

impl fmt::Debug for HalfView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HalfView")
            .field("group", &self.group())
            .field("topic", &self.topic())
            .field("half", self.half)
            .finish()
    }
}
