//! Files that are missing, a directory that cannot be written, one that is not ours, one of a newer version.

use std::path::Path;

use crate::disk_errors::SMALL;
use crate::promises::body_of;
use crate::served::Served;
use crate::small_disk::SmallDisk;
use crate::wire::{Message, Wire};
use crate::worn_store::WornStore;

/// Why a start in this directory is refused.
fn refusal(data: &Path) -> String {
    let served = Served::start(&[], data, &SMALL);
    assert!(served.address.is_none(), "it starts:\n{}", served.log());
    let (status, log) = served.wait();
    assert_eq!(status.code(), Some(1), "{log}");
    log
}

/// Starts in this directory, where nothing may be missing, and gives back what the start said.
fn complete(store: &WornStore, data: &Path) -> String {
    let served = Served::sound(data, &SMALL);
    let mut wire = Wire::connect(served.address.expect("it is ready"));
    let mut promises = store.promises.clone();
    let mut broken = promises.broken(&mut wire);
    broken.extend(promises.settle(&mut wire));
    assert!(broken.is_empty(), "{broken:#?}\n{}", served.log());
    served.log()
}

#[test]
fn files_that_can_be_made_again_are_and_others_are_asked_for() {
    let store = WornStore::new();
    let without = |files: &[String]| {
        let copy = store.copy();
        for file in files {
            std::fs::remove_file(copy.path(file)).expect("the file is there");
        }
        copy
    };
    complete(&store, &without(&["LOCK".to_owned()]).data());
    complete(&store, &without(&store.files_in("index/", "")).data());
    for file in store.files_in("index/", "") {
        complete(&store, &without(&[file]).data());
    }
    let copy = store.copy();
    std::fs::remove_dir_all(copy.path("index")).expect("the directory is there");
    complete(&store, &copy.data());

    let snapshots = store.files_in("snapshots/", ".snap");
    complete(&store, &without(&snapshots[1..]).data());
    complete(&store, &without(&snapshots[..1]).data());
    // The log has everything from its beginning on.
    complete(&store, &without(&snapshots).data());

    let log = refusal(&without(&["TANDEM".to_owned()]).data());
    assert!(log.contains("is no data directory of Tandem"), "{log}");
    let segments = store.files_in("log/", ".seg");
    assert!(segments.len() >= 3, "{segments:?}");
    let log = refusal(&without(&segments[segments.len() - 2..segments.len() - 1]).data());
    assert!(log.contains("the log has no segment for offsets") && log.contains("tandem store verify"), "{log}");
    let log = refusal(&without(&segments).data());
    assert!(log.contains("tandem store verify"), "{log}");
}

#[test]
fn the_oldest_and_the_newest_segment_are_not_missed_and_nothing_wrong_is_delivered_without_them() {
    let store = WornStore::new();
    let segments = store.files_in("log/", ".seg");
    // As if retention had dropped it: readers are told where the queue begins.
    let copy = store.copy();
    std::fs::remove_file(copy.path(&segments[0])).expect("the file is there");
    let served = Served::sound(&copy.data(), &SMALL);
    let mut wire = Wire::connect(served.address.expect("it is ready"));
    assert!(wire.pull("orders-a", 0).next > 0);
    check_bodies(&wire.all("orders-a"));
    drop(served);
    // As if the log had ended where the one before it ends.
    let copy = store.copy();
    std::fs::remove_file(copy.path(&segments[segments.len() - 1])).expect("the file is there");
    let served = Served::sound(&copy.data(), &SMALL);
    let mut wire = Wire::connect(served.address.expect("it is ready"));
    let left = wire.all("orders-a");
    check_bodies(&left);
    assert!(left.iter().zip(0..).all(|(message, offset)| message.offset == offset), "what is left has no hole");
}

/// Every message has its own body.
fn check_bodies(messages: &[Message]) {
    for message in messages {
        assert_eq!(message.body, body_of(&message.key, message.body.len()), "{}", message.key);
    }
}

#[test]
fn a_directory_of_a_newer_version_is_left_alone() {
    let store = WornStore::new();
    let copy = store.copy();
    std::fs::write(copy.path("TANDEM"), "Tandem data directory\nformat 2\n").expect("a file can be written");
    let log = refusal(&copy.data());
    assert!(log.contains("has format 2") && log.contains("start the version that wrote it"), "{log}");
    std::fs::copy(store.data().join("TANDEM"), copy.path("TANDEM")).expect("a file can be copied");
    complete(&store, &copy.data());
}

#[test]
fn a_file_system_that_is_read_only_is_refused_with_what_to_look_at() {
    let disk = SmallDisk::new(64);
    disk.broker(&SMALL).connect().send("orders", "K1", b"body");
    disk.read_only(true);
    let (status, log) = Served::start(&disk.prefix(), &disk.data(), &SMALL).wait();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("check the disk, its free space and its permissions"), "{log}");
    assert!(log.contains("Read-only file system"), "{log}");
    disk.read_only(false);
    let served = Served::start(&disk.prefix(), &disk.data(), &SMALL);
    assert_eq!(Wire::connect(served.address.expect("it is ready")).keys("orders"), ["K1"]);
}
