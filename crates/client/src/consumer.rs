//! Receiving messages as a member of a consumer group.
//!
//! [`member`] is what push and pull consumers share: which queues are ours ([`rebalance`]), reading ahead of them
//! ([`reading`]), what of them is done ([`assigned`]), and telling the broker so ([`offsets`]).

mod allocate;
mod assigned;
mod builder;
mod concurrent;
mod locks;
mod member;
mod offsets;
mod orderly;
mod outcome;
mod pull;
mod push;
mod reading;
mod rebalance;
mod requests;
mod running_info;
mod send_back;
mod subscription;

pub use builder::PushConsumerBuilder;
pub use outcome::{IntoOutcome, Outcome};
pub use pull::{PullConsumer, PullConsumerBuilder, Pulled};
pub use push::PushConsumer;

/// Where a group begins in a queue that it has no offset for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumeFrom {
    /// With the messages that come from now on. A queue that is added to the topic later is read from its beginning.
    #[default]
    Last,
    /// With the oldest message there is.
    First,
    /// With the first message stored at this moment or later, in milliseconds since 1970.
    Timestamp(i64),
}
