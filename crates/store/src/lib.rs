//! The commit log, and the queue, index and snapshot files beside it: propose, sync, read, recover, retain.
//!
//! The only crate that opens data files, and it reaches them through one small trait, [`disk::Disk`], so that a
//! simulator's disk can stand in their place.

pub mod directory;
pub mod disk;
pub mod index;
pub mod log;
pub mod reader;
pub mod snapshot;
pub mod verify;
