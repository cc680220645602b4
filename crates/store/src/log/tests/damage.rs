//! Torn tails that are cut, and damage that is not.

use super::*;
use crate::disk::DiskFile;
use crate::log::segment::{encode_header, segment_path};

const FIRST: &str = "log/00000000000000000000.seg";
/// Framed length of the batches below.
const LEN: u64 = 1564;

/// A log with eight batches, two in each segment, every one of them synced.
fn eight_batches(disk: &FakeDisk) -> Log {
    let mut log = small(disk);
    for value in 0..8 {
        append(&mut log, 1500, value);
        log.sync().unwrap();
    }
    log
}

fn segment(index: u64) -> String {
    segment_path(CommitLogOffset::new(2 * index * LEN))
}

fn file(disk: &FakeDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.open(path).unwrap()
}

fn contents(disk: &FakeDisk) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let file = file(disk, &format!("log/{name}"));
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        (name, bytes)
    };
    disk.list("log").unwrap().into_iter().map(read).collect()
}

#[test]
fn a_torn_last_batch_is_cut_off_and_what_follows_is_zero() {
    let disk = FakeDisk::new(1);
    let log = eight_batches(&disk);
    let (end, at) = (log.written(), CommitLogOffset::new(7 * LEN));
    disk.flip_bit(&segment(3), SEGMENT_HEADER_LEN + LEN + 300, 0);
    let (mut log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(recovery.end, at);
    let cut = recovery.cut.expect("a report");
    assert_eq!((cut.at, cut.batches, cut.removed.len()), (at, 0, 0));
    assert_eq!(cut.found, format!("the entry at offset {} is damaged", at.plus(56)));
    let mut rest = vec![1; 8192];
    let position = SEGMENT_HEADER_LEN + LEN;
    let read = file(&disk, &segment(3)).read_at(&mut rest, position).unwrap();
    assert!(rest[..read].iter().all(|b| *b == 0));
    assert_eq!(append(&mut log, 1500, 9), at);
    assert_eq!(log.written(), end);
    let (log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!((recovery.end, recovery.cut), (end, None));
    assert_eq!(read_all(&log), [0, 1, 2, 3, 4, 5, 6, 9]);
}

#[test]
fn damage_below_what_was_synced_is_reported_and_nothing_is_changed() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    disk.flip_bit(&segment(1), SEGMENT_HEADER_LEN + 300, 0);
    let before = contents(&disk);
    let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
    let OpenError::Damaged { damage, synced } = &error else { panic!("{error}") };
    assert_eq!((damage.file.as_str(), damage.position), (segment(1).as_str(), SEGMENT_HEADER_LEN));
    assert_eq!((damage.offset.get(), damage.next.map(CommitLogOffset::get)), (2 * LEN, Some(3 * LEN)));
    assert!(synced.get() >= 3 * LEN);
    assert!(error.to_string().contains("tandem store verify"), "{error}");
    assert!(contents(&disk) == before);
}

#[test]
fn a_destroyed_header_or_a_zeroed_sector_in_the_middle_is_damage_and_no_torn_tail() {
    for position in [0, 4, 8, 20, 53, 60, 1000, LEN - 1] {
        let disk = FakeDisk::new(1);
        eight_batches(&disk);
        file(&disk, &segment(2)).write_at(&[0xEE; 8], SEGMENT_HEADER_LEN + position).unwrap();
        let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "position {position}: {error}");
    }
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    file(&disk, &segment(2)).write_at(&[0; 512], SEGMENT_HEADER_LEN).unwrap();
    let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn damage_below_the_snapshot_does_not_keep_the_log_from_opening_and_is_found_by_reading() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    disk.flip_bit(&segment(1), SEGMENT_HEADER_LEN + 300, 0);
    let (log, _) = open(&disk, &SMALL, CommitLogOffset::new(6 * LEN)).unwrap();
    let view = log.view();
    let mut seen = Vec::new();
    let mut visit = |batch: message::batch::Sealed<'_>| {
        seen.push(batch.header().offset.get() / LEN);
        ControlFlow::Continue(())
    };
    let Err(ReadError::Damaged(damage)) = view.for_each_batch(view.start(), view.end(), &mut visit) else {
        panic!("damage is noticed")
    };
    let next = damage.next.expect("batches behind the damage");
    assert_eq!(view.next_batch(damage.offset.plus(1)).unwrap(), Some(next));
    view.for_each_batch(next, view.end(), &mut visit).unwrap();
    assert_eq!(seen, [0, 1, 3, 4, 5, 6, 7]);
}

#[test]
fn a_missing_segment_is_named_by_its_offsets() {
    for index in 0..3 {
        let disk = FakeDisk::new(1);
        // Full segments, as they are but for the last batch that does not fit.
        let mut log = small(&disk);
        for value in 0..5 {
            append(&mut log, 4096 - 64, value);
        }
        let synced = log.sync().unwrap();
        append(&mut log, 10, 5);
        disk.remove(&segment_path(CommitLogOffset::new(index * 4096))).unwrap();
        for from in [CommitLogOffset::ZERO, synced] {
            let opened = open(&disk, &SMALL, from).map(|_| ());
            match opened {
                Err(OpenError::Missing { from, to }) => {
                    assert_eq!((from.get(), to.get()), (index * 4096, (index + 1) * 4096));
                }
                Ok(()) => assert!(index == 0 && from == synced, "the oldest segment may be gone, as after retention"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_log_that_is_gone_is_not_begun_anew_under_a_snapshot() {
    let disk = FakeDisk::new(1);
    let opened = open(&disk, &SMALL, CommitLogOffset::new(500)).map(|_| ());
    assert!(matches!(opened, Err(OpenError::Missing { .. })));
    assert_eq!(disk.list("log").unwrap(), Vec::<String>::new());
}

#[test]
fn a_segment_shorter_than_its_header_is_damage_when_it_held_something() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    file(&disk, &segment(1)).set_len(100).unwrap();
    for from in [0, 6 * LEN] {
        let error = open(&disk, &SMALL, CommitLogOffset::new(from)).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("100 bytes long"), "{error}");
        assert!(matches!(error, OpenError::Damaged { .. }));
    }
}

#[test]
fn a_foreign_file_in_the_log_is_named() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    disk.create("log/notes.txt").unwrap();
    let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
    assert!(error.to_string().starts_with("log/notes.txt is not a file of the log"), "{error}");
}

#[test]
fn a_segment_of_a_newer_version_is_not_taken_for_damage() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    let mut header = encode_header(CommitLogOffset::new(6 * LEN), 8192);
    header[4] = 9;
    let crc = crc32fast::hash(&header[..28]);
    header[28..32].copy_from_slice(&crc.to_le_bytes());
    file(&disk, &segment(3)).write_at(&header, 0).unwrap();
    let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::NewerVersion { version: 9, .. }), "{error}");
}

#[test]
fn a_disk_that_cannot_be_read_is_not_taken_for_a_torn_tail() {
    let disk = FakeDisk::new(1);
    eight_batches(&disk);
    disk.fail_reads(&segment(3), SEGMENT_HEADER_LEN + LEN + 100..SEGMENT_HEADER_LEN + LEN + 101);
    let error = open(&disk, &SMALL, CommitLogOffset::ZERO).map(|_| ()).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
}

/// A header that reached the disk, in front of entries that did not: what stands there are the entries of a batch of the
/// same shape that was cut off before, at the same offsets, with checksums that are right for them.
#[test]
fn entries_of_a_tail_that_was_cut_do_not_join_the_header_of_a_new_batch() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    append(&mut log, 1500, 1);
    log.sync().unwrap();
    let at = append(&mut log, 1500, 2);
    let position = SEGMENT_HEADER_LEN + at.get();
    // The header of the second batch is lost, its entry is not.
    file(&disk, FIRST).write_at(&[0; 56], position).unwrap();
    let (mut log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(recovery.end, at);
    // Of the new batch only the header arrives, in front of whatever recovery left.
    let after = disk.crash(0);
    let mut batch = one_entry(&[3; 1500]);
    log.append(&mut batch).unwrap();
    file(&after, FIRST).write_at(&batch.bytes()[..56], position).unwrap();
    let (log, _) = open(&after, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(read_all(&log), [1]);
}

#[test]
fn batches_behind_a_cut_are_not_read_again_when_new_ones_end_where_they_began() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    append(&mut log, 100, 1);
    log.sync().unwrap();
    let at = append(&mut log, 100, 2);
    append(&mut log, 100, 3);
    append(&mut log, 100, 4);
    // The second batch is torn; the third and fourth are whole, and nobody was told that any of them is durable.
    file(&disk, FIRST).write_at(&[9], SEGMENT_HEADER_LEN + at.get() + 100).unwrap();
    let (mut log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!((recovery.end, recovery.cut.expect("a cut").batches), (at, 2));
    assert_eq!(append(&mut log, 100, 5), at);
    let (log, _) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(read_all(&log), [1, 5]);
}

#[test]
fn segments_behind_a_torn_tail_are_removed() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    append(&mut log, 1500, 1);
    log.sync().unwrap();
    let at = append(&mut log, 1500, 2);
    append(&mut log, 1500, 3);
    append(&mut log, 1500, 4);
    append(&mut log, 1500, 5);
    assert_eq!(log.segments().len(), 3);
    disk.flip_bit(FIRST, SEGMENT_HEADER_LEN + at.get() + 30, 1);
    let (mut log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
    let cut = recovery.cut.expect("a cut");
    assert_eq!((cut.at, cut.batches, cut.removed), (at, 3, vec![segment(1), segment(2)]));
    append(&mut log, 1500, 6);
    append(&mut log, 1500, 7);
    log.sync().unwrap();
    let (log, _) = open(&disk.crash(5), &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(read_all(&log), [1, 6, 7]);
}

#[test]
fn a_damaged_header_of_the_last_segment_is_no_torn_tail_when_the_snapshot_stands_in_it() {
    for from in [7 * LEN, 8 * LEN] {
        let disk = FakeDisk::new(1);
        eight_batches(&disk);
        disk.flip_bit(&segment(3), 9, 0);
        let error = open(&disk, &SMALL, CommitLogOffset::new(from)).map(|_| ()).unwrap_err();
        assert!(matches!(&error, OpenError::Damaged { damage, .. } if damage.position == 0), "{error}");
        assert!(disk.open(&segment(3)).is_ok());
    }
}

/// After a failed sync the kernel says that zeros are on the disk when they are not.
#[test]
fn a_tail_that_could_not_be_overwritten_durably_is_overwritten_again() {
    let torn = FakeDisk::new(1);
    eight_batches(&torn);
    torn.flip_bit(&segment(3), SEGMENT_HEADER_LEN + LEN + 300, 0);
    let mut failures = 0;
    for nth in 1..12 {
        let disk = torn.crash(0);
        disk.fail_sync(nth);
        if open(&disk, &SMALL, CommitLogOffset::ZERO).is_ok() {
            continue;
        }
        failures += 1;
        let (log, _) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
        let position = SEGMENT_HEADER_LEN + log.written().get() - 6 * LEN;
        for seed in 0..30 {
            let mut rest = vec![1; 8192];
            let read = file(&disk.crash(seed), &segment(3)).read_at(&mut rest, position).unwrap();
            assert!(rest[..read].iter().all(|b| *b == 0), "sync {nth}, seed {seed}");
        }
    }
    assert!(failures > 4, "{failures}");
}
