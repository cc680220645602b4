//! One broker and its log, joined: what the broker proposes becomes durable, is indexed, and is applied.
//!
//! Sockets and clocks stay outside: the server drives an [`Engine`] with real ones, a simulator with others, and both
//! run this code unchanged. Work that takes long leaves as a [`Job`], which the owner runs where it likes and hands back.
//! In reading order:
//!
//! - [`Engine`]: a turn: inputs, reads, one batch, one sync, answers;
//! - [`open`](Engine::open): recovery from the last snapshot and the log;
//! - [`Job`]: syncs on another thread, snapshots, preparing segments;
//! - retention: which segments may go.

mod background;
mod commit;
mod engine;
mod jobs;
mod open;
mod parts;
mod reads;
mod retention;

#[cfg(test)]
mod tests;

pub use engine::{Behind, Durability, Engine, EngineConfig, Fatal, Sink, Syncing};
pub use jobs::{Done, Job, JobError, SnapshotJob, SnapshotMade};
pub use open::{OpenError, Opened};
pub use retention::Retention;
