//! What a message is: its names, its two offsets, its properties, and the bytes of a record and of a log entry.
//!
//! Pure words, shared by every other crate: no clock, no file, no socket. In reading order:
//!
//! - [`Timestamp`], [`CommitLogOffset`] and [`QueueOffset`]: the three numbers that must not be mixed up;
//! - [`names`]: topics and groups, which of them belong to the system;
//! - [`properties`] and [`tags`]: the string of key-value pairs that travels with a message;
//! - [`sys_flag`] and [`record`]: the record as RocketMQ clients decode it, which is also what lies on disk;
//! - [`entry`]: every durable fact, one variant each;
//! - [`batch`]: how entries are framed in the log, see `docs/format.md`;
//! - [`QueueItem`]: where a queue's message lies and when it became visible.

mod offset;
mod queue_item;
mod timestamp;

pub mod batch;
pub mod codec;
pub mod entry;
pub mod names;
pub mod properties;
pub mod record;
pub mod sys_flag;
pub mod tags;

pub use offset::{CommitLogOffset, QueueOffset};
pub use queue_item::QueueItem;
pub use timestamp::Timestamp;
