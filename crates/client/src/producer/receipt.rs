use protocol::MessageQueue;
use protocol::codes::ResponseCode;

/// What is known of a message that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReceipt {
    /// The id the message was given when it was built; consumers see it.
    pub message_id: String,
    /// The id that says where it lies: the broker's address and the offset in its log.
    pub offset_message_id: String,
    /// The queue it is in.
    pub queue: MessageQueue,
    /// Its position there. Of a half, its position among the halves.
    pub queue_offset: i64,
    /// The id of its transaction, if the broker told one.
    pub transaction_id: Option<String>,
    /// How safely it is stored.
    pub status: SendStatus,
}

/// How safely a message is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendStatus {
    /// As safely as the broker is configured to store.
    Stored,
    /// Stored, but the disk did not confirm in time.
    FlushDiskTimeout,
    /// Stored, but no copy confirmed in time.
    FlushReplicaTimeout,
    /// Stored, but there is no copy.
    ReplicaNotAvailable,
}

impl SendStatus {
    /// What the code of an answer says; `None` if the message was not stored.
    pub(crate) fn of(code: ResponseCode) -> Option<Self> {
        match code {
            ResponseCode::SUCCESS => Some(Self::Stored),
            ResponseCode::FLUSH_DISK_TIMEOUT => Some(Self::FlushDiskTimeout),
            ResponseCode::FLUSH_SLAVE_TIMEOUT => Some(Self::FlushReplicaTimeout),
            ResponseCode::SLAVE_NOT_AVAILABLE => Some(Self::ReplicaNotAvailable),
            _ => None,
        }
    }
}
