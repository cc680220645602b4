//! The real binary on disks that fail, lie, fill up and forget. `cargo test -p tandem --features faults --test faults` runs it;
//! `docs/faults.md` has the outcome of each fault.
//!
//! These tests mount file systems of their own, in a mount namespace that ends with them, and let `strace` make system
//! calls fail. They need Linux with `unshare`, `nsenter` and `prlimit` (util-linux), `strace`, and either root or user
//! namespaces; where something is missing they fail and say so.

#[allow(dead_code)]
#[path = "../live/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../live/wire.rs"]
mod wire;

#[allow(dead_code)]
mod promises;
#[allow(dead_code)]
mod served;

mod disk_errors;
mod flipped_bits;
mod full_disk;
mod lost_files;
mod read_errors;
mod short_writes;
mod small_disk;
mod strace;
mod worn_store;
