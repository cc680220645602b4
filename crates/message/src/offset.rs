use std::fmt;

/// A position in the commit log, in bytes from the log's beginning: the sum of the framed lengths before it.
///
/// It is logical, so it is the same on every replica and never changes when segments are recycled. Clients quote it:
/// it is the offset inside an `offsetMsgId`, the `commitLogOffset` of END_TRANSACTION, the `offset` of
/// CONSUMER_SEND_MSG_BACK.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct CommitLogOffset(u64);

/// A position in one queue of one topic: 0 for its first message, one more for each further one, never reused.
///
/// Half messages have a queue of their own; `tranStateTableOffset` of END_TRANSACTION is a position in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct QueueOffset(u64);

macro_rules! offset {
    ($name:ident) => {
        impl $name {
            /// The first position there is.
            pub const ZERO: $name = $name(0);

            /// The position with this number.
            pub const fn new(value: u64) -> Self {
                $name(value)
            }

            /// The number of this position.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The position as the signed 64-bit number that the protocol carries.
            ///
            /// Positions beyond `i64::MAX` (8 EiB of log) do not occur.
            pub const fn signed(self) -> i64 {
                self.0 as i64
            }

            /// The position a client quoted, `None` for a negative number.
            pub fn from_signed(value: i64) -> Option<Self> {
                u64::try_from(value).ok().map($name)
            }

            /// The position `count` further on.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                $name(self.0 + count)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

offset!(CommitLogOffset);
offset!(QueueOffset);
