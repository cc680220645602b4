//! One bit is flipped in every kind of file: it is found, or it does not matter; nothing wrong is ever delivered.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::disk_errors::SMALL;
use crate::promises::body_of;
use crate::served::Served;
use crate::wire::Wire;
use crate::worn_store::{WornStore, read};

/// Bytes at the end of the log that may belong to its last batch.
const LAST_BATCH: u64 = 40 << 10;

fn flip(file: &Path, at: u64, bit: u8) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(file).expect("the file is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the file is as long");
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).expect("a file can be written");
}

/// Where the bytes end that are not zero.
fn used(file: &Path) -> u64 {
    let bytes = std::fs::read(file).expect("the file is there");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// What came of one flipped bit.
#[derive(PartialEq, Debug)]
enum Found {
    /// The broker does not start.
    Refused,
    /// It starts, and says of some message that it is damaged.
    Reported,
    /// Everything is as promised.
    Harmless,
}

fn outcome(store: &WornStore, file: &str, at: u64, bit: u8) -> Found {
    let case = format!("{file}, byte {at}, bit {bit}");
    let copy = store.copy();
    flip(&copy.path(file), at, bit);
    let clean = copy.is_clean();
    let served = Served::start(&[], &copy.data(), &SMALL);
    let log = served.log();
    assert!(!log.contains("panicked"), "{case}: {log}");
    let Some(address) = served.address else {
        let (status, log) = served.wait();
        assert_eq!(status.code(), Some(1), "{case}: {log}");
        let told = ["damaged", "tandem store verify", "does not say which format", "start the version that wrote it"];
        assert!(told.iter().any(|words| log.contains(words)), "{case}: it does not say why: {log}");
        assert!(
            !clean || file == "TANDEM",
            "{case}: `store verify` finds nothing, and the broker does not start: {log}"
        );
        return Found::Refused;
    };
    let mut wire = Wire::connect(address);
    let (messages, mut error) = read(&mut wire, "orders-a");
    for message in &messages {
        assert_eq!(message.body, body_of(&message.key, message.body.len()), "{case}: a wrong body is delivered");
    }
    let mut promises = store.promises.clone();
    if error.is_none() {
        let mut broken = promises.broken(&mut wire);
        broken.extend(promises.settle(&mut wire));
        // What is damaged may be refused, in words that say so.
        let silent: Vec<&String> = broken.iter().filter(|line| !line.contains("is damaged")).collect();
        assert!(silent.is_empty(), "{case}: {silent:#?}\n{}", served.log());
        error = broken.pop();
    }
    if let Some(error) = error {
        assert!(error.contains("damaged"), "{case}: {error}");
        let is_cache = file.starts_with("index/");
        assert!(!clean || is_cache, "{case}: `store verify` finds nothing, but {error}");
        if is_cache {
            drop(served);
            let served = Served::sound(&copy.data(), &SMALL);
            let broken = promises.broken(&mut Wire::connect(served.address.expect("it is ready")));
            assert!(broken.is_empty(), "{case}: built anew: {broken:#?}");
        }
        return Found::Reported;
    }
    Found::Harmless
}

#[test]
fn a_flipped_bit_in_any_file_is_found_or_does_not_matter() {
    let store = WornStore::new();
    let last = store.files_in("log/", ".seg").pop().expect("a log has segments");
    let (mut refused, mut reported, mut harmless) = (0, 0, 0);
    for file in store.files() {
        let path = store.data().join(&file);
        let used = used(&path);
        let end = if file == last { used - LAST_BATCH } else { used };
        // The beginning of each file, its middle, its end, and bytes of which nobody knows what they are.
        let len = std::fs::metadata(&path).expect("the file is there").len();
        let mut places: Vec<u64> = [0, 9, 21, end / 7, end / 3, end / 2, end * 5 / 6, end.saturating_sub(1)].into();
        if file.starts_with("log/") && file != last {
            places.push(len - 1);
        }
        places.retain(|at| *at < len.min(end.max(1)) || *at == len - 1);
        places.dedup();
        for (bit, at) in (0..8).cycle().zip(places) {
            if len == 0 {
                continue;
            }
            match outcome(&store, &file, at, bit) {
                Found::Refused => refused += 1,
                Found::Reported => reported += 1,
                Found::Harmless => harmless += 1,
            }
        }
    }
    eprintln!("flipped bits: {refused} starts refused, {reported} reported to readers, {harmless} without effect");
    assert!(refused > 0 && reported > 0 && harmless > 0);
}

#[test]
fn a_flipped_bit_in_the_last_batch_passes_for_a_torn_write_and_costs_that_batch_alone() {
    let store = WornStore::new();
    let last = store.files_in("log/", ".seg").pop().expect("a log has segments");
    let copy = store.copy();
    flip(&copy.path(&last), used(&copy.path(&last)) - 100, 3);
    let served = Served::sound(&copy.data(), &SMALL);
    assert!(served.log().contains("a torn tail was cut off"), "{}", served.log());
    let broken = store.promises.broken(&mut Wire::connect(served.address.expect("it is ready")));
    assert_eq!(broken.len(), 1, "only the last thing that was written is missing: {broken:#?}");
}

#[test]
fn with_one_snapshot_damaged_nothing_is_missing_and_with_both_the_broker_does_not_start() {
    let store = WornStore::new();
    let snapshots = store.files_in("snapshots/", ".snap");
    assert_eq!(snapshots.len(), 2);
    let copy = store.copy();
    flip(&copy.path(&snapshots[1]), 60, 1);
    let served = Served::sound(&copy.data(), &SMALL);
    assert!(served.log().contains("a damaged snapshot was passed over"), "{}", served.log());
    let broken = store.promises.broken(&mut Wire::connect(served.address.expect("it is ready")));
    assert!(broken.is_empty(), "{broken:#?}");
    drop(served);
    let copy = store.copy();
    flip(&copy.path(&snapshots[0]), 60, 1);
    flip(&copy.path(&snapshots[1]), 60, 1);
    let (status, log) = Served::start(&[], &copy.data(), &SMALL).wait();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("no snapshot is readable") && log.contains("tandem store repair"), "{log}");
}
