//! The real binary on disks that are full. `cargo test -p tandem --features faults --test faults` runs it.
//!
//! These tests mount file systems of their own, in a mount namespace that ends with them. They need Linux with `unshare`
//! and `nsenter` (util-linux), and either root or user namespaces; where that is missing they fail and say so.

#[allow(dead_code)]
#[path = "../live/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../live/wire.rs"]
mod wire;

mod full_disk;
mod small_disk;
