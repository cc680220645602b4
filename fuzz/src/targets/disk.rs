use std::hint::black_box;
use std::sync::Arc;

use broker::state::State;
use engine::Engine;
use message::batch::{Batch, Sealed};
use message::{CommitLogOffset, Timestamp};
use store::disk::{Disk, FakeDisk};
use store::verify::{RepairChoice, repair, verify};

use crate::recorded::store::{Shop, config, files, log_of};

/// Bytes of input that say one change.
pub(crate) const CHANGE_LEN: usize = 8;

/// Changes of one input.
const CHANGES_MAX: usize = 24;

/// Reads a state as a snapshot holds it. What was read is the same after it was written.
pub fn state(data: &[u8]) {
    let Ok(read) = State::decode(data) else { return };
    let mut written = Vec::new();
    read.encode(&mut written);
    let again = State::decode(&written).unwrap_or_else(|error| panic!("a state cannot be read again: {error}"));
    let mut twice = Vec::new();
    again.encode(&mut twice);
    assert_eq!(written, twice, "two states that say the same");
}

/// Damages the files of a data directory, one change for each [`CHANGE_LEN`] bytes, and opens it: it opens and serves, or
/// says why it does not. What `verify` finds and `repair` gives up is opened again.
pub fn damaged(data: &[u8]) {
    let mut contents = files();
    for change in data.chunks_exact(CHANGE_LEN).take(CHANGES_MAX) {
        damage(&mut contents, change);
    }
    let disk = FakeDisk::new(1);
    for (path, bytes) in &contents {
        write(&disk, path, bytes);
    }
    let opened = open_and_use(&disk);
    let Ok(report) = verify(&disk) else { return };
    black_box(report.blocking().count());
    if opened && report.is_clean() {
        return;
    }
    for choice in [RepairChoice::SetAsideSnapshots, RepairChoice::CutLog] {
        let disk = disk.crash(1);
        let Ok(report) = verify(&disk) else { continue };
        if repair(&disk, &report, choice).is_ok() {
            open_and_use(&disk);
        }
    }
}

fn damage(contents: &mut Vec<(String, Vec<u8>)>, change: &[u8]) {
    let count = contents.len();
    let Some((_, bytes)) = contents.get_mut(usize::from(change[0]) % count.max(1)) else { return };
    let at = u32::from_le_bytes([change[2], change[3], change[4], 0]) as usize % bytes.len().max(1);
    let number = usize::from(change[5]);
    match change[1] % 8 {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << (number % 8),
        1 if !bytes.is_empty() => bytes[at] = change[5],
        2 => bytes.truncate(at),
        3 => {
            let end = (at + number * 16).min(bytes.len());
            bytes[at..end].fill(0);
        }
        // An old piece of the same file where a new one belongs.
        4 => {
            let from = usize::from(u16::from_le_bytes([change[6], change[7]])) % bytes.len().max(1);
            let piece = bytes[from..(from + number * 4).min(bytes.len())].to_vec();
            let end = (at + piece.len()).min(bytes.len());
            let len = end - at;
            bytes[at..end].copy_from_slice(&piece[..len]);
        }
        5 => bytes.extend_from_slice(&change.repeat(number)),
        6 => bytes.clear(),
        _ => {
            contents.remove(usize::from(change[0]) % count);
        }
    }
}

/// Changes payloads of entries in the log and bytes of the snapshot's state, makes all checksums right again, and opens
/// it: what a newer version, or a bug, might have written. It opens and serves, or says why it does not.
pub fn sealed(data: &[u8]) {
    let disk = FakeDisk::new(1);
    let mut changes: Vec<&[u8]> = data.chunks_exact(CHANGE_LEN).take(CHANGES_MAX).collect();
    let of_snapshot: Vec<&[u8]> = changes.extract_if(.., |change| change[0] % 8 == 7).collect();
    for (path, bytes) in files() {
        // The index says the same as the log; without it, a start reads every entry.
        if !path.starts_with("index/") || data.len().is_multiple_of(2) {
            write(&disk, &path, &bytes);
        }
    }
    let (path, mut log) = log_of();
    let mut number = 0;
    for (at, len) in batches(&log) {
        let bytes = log[at as usize..at as usize + len].to_vec();
        let offset = BATCHES_BEGIN.offset(at);
        let old = Sealed::parse(&bytes, offset).expect("a batch of ours");
        let mut new = Batch::new();
        new.set_time(old.header().time);
        for (_, payload) in old.entries() {
            let mut payload = payload.to_vec();
            for change in changes.iter().filter(|change| usize::from(change[1]) == number % 256) {
                change_in_place(&mut payload, change);
            }
            new.push(|out| out.extend_from_slice(&payload));
            number += 1;
        }
        let sealed = new.seal(offset, old.header().synced, old.header().term);
        log[at as usize..at as usize + len].copy_from_slice(sealed);
    }
    write(&disk, &path, &log);
    if let Ok(Some(snapshot)) = store::snapshot::latest(&disk) {
        let mut state = snapshot.state;
        for change in &of_snapshot {
            change_in_place(&mut state, change);
        }
        if !of_snapshot.is_empty() {
            store::snapshot::write(&disk, snapshot.at, snapshot.time, &state).expect("a disk without faults");
        }
    }
    open_and_use(&disk);
}

fn change_in_place(bytes: &mut [u8], change: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let at = usize::from(u16::from_le_bytes([change[2], change[3]])) % bytes.len();
    match change[4] % 3 {
        0 => bytes[at] ^= 1 << (change[5] % 8),
        1 => bytes[at] = change[5],
        _ => {
            let end = (at + 3).min(bytes.len());
            bytes[at..end].copy_from_slice(&change[5..5 + end - at]);
        }
    }
}

/// The header of a segment: its first batch follows.
struct Begin(u64);

const BATCHES_BEGIN: Begin = Begin(4096);

impl Begin {
    /// The offset of what lies so many bytes into the first segment.
    fn offset(&self, at: u64) -> CommitLogOffset {
        CommitLogOffset::new(at - self.0)
    }
}

/// Place in the first segment, and length, of each batch.
pub(crate) fn batches(log: &[u8]) -> Vec<(u64, usize)> {
    let (mut found, mut at) = (Vec::new(), BATCHES_BEGIN.0);
    while let Ok(sealed) = Sealed::parse(&log[at as usize..], BATCHES_BEGIN.offset(at)) {
        found.push((at, sealed.bytes().len()));
        at += sealed.bytes().len() as u64;
    }
    assert!(found.len() > 5, "{} batches", found.len());
    found
}

fn write(disk: &FakeDisk, path: &str, bytes: &[u8]) {
    if let Some((dir, _)) = path.rsplit_once('/') {
        disk.create_dir(dir).expect("a disk without faults");
        disk.sync_dir("").expect("a disk without faults");
    }
    let file = disk.create(path).expect("a disk without faults");
    file.write_at(bytes, 0).expect("a disk without faults");
    file.sync().expect("a disk without faults");
    disk.sync_dir(path.rsplit_once('/').map_or("", |(dir, _)| dir)).expect("a disk without faults");
}

/// Whether it opens. When it does, it is read, written to and opened again.
fn open_and_use(disk: &FakeDisk) -> bool {
    let now = Timestamp::from_millis(1_795_300_000_000);
    let Ok((engine, _)) = Engine::open(Arc::new(disk.clone()), config(), now) else { return false };
    let mut shop = Shop::of(engine, now);
    shop.read_everything();
    shop.go_on();
    true
}
