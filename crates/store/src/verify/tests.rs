use std::ops::ControlFlow;
use std::sync::Arc;

use message::Timestamp;
use message::batch::Batch;
use message::entry::Entry;

use super::*;
use crate::disk::{FakeDisk, Rng};
use crate::log::{self, Log, LogConfig};

const SMALL: LogConfig = LogConfig { segment_size: 8192, spare_segments: 0, growth: 4096 };

fn at(offset: u64) -> CommitLogOffset {
    CommitLogOffset::new(offset)
}

fn open(disk: &FakeDisk, from: CommitLogOffset) -> Result<Log, OpenError> {
    Log::open(Arc::new(disk.clone()), SMALL, from).map(|(log, _)| log)
}

/// Appends and syncs batches of two entries, and returns where each begins.
fn fill(log: &mut Log, batches: usize) -> Vec<CommitLogOffset> {
    let mut begins = Vec::new();
    for _ in 0..batches {
        let mut batch = Batch::new();
        batch.push(|out| Entry::TopicDeleted { name: &"t".repeat(700) }.encode(out));
        batch.push(|out| Entry::GroupDeleted { name: &"g".repeat(700), offsets: true }.encode(out));
        begins.push(log.append(&mut batch).unwrap());
        log.sync().unwrap();
    }
    begins
}

fn begins(log: &Log) -> Vec<CommitLogOffset> {
    let view = log.view();
    let mut begins = Vec::new();
    view.for_each_batch(view.start(), view.end(), |batch| {
        begins.push(batch.header().offset);
        ControlFlow::Continue(())
    })
    .unwrap();
    begins
}

fn path(log: &Log, of: CommitLogOffset) -> String {
    let segments = log.segments();
    let base = segments.iter().rev().find(|segment| segment.base <= of).unwrap().base;
    format!("log/{:020}.seg", base.get())
}

fn position(log: &Log, of: CommitLogOffset) -> u64 {
    let segments = log.segments();
    let base = segments.iter().rev().find(|segment| segment.base <= of).unwrap().base;
    log::SEGMENT_HEADER_LEN + of.get() - base.get()
}

#[test]
fn an_intact_store_is_clean_and_counted() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let begins = fill(&mut log, 9);
    snapshot::write(&disk, begins[3], Timestamp::ZERO, b"state").unwrap();
    let report = verify(&disk).unwrap();
    assert!(report.is_clean() && report.torn_tail.is_none(), "{report:?}");
    assert_eq!((report.batches, report.entries, report.segments), (9, 18, 5));
    assert_eq!((report.start, report.end, report.bytes), (at(0), log.written(), log.written().get()));
    assert_eq!(report.snapshots, [begins[3]]);
}

#[test]
fn every_damaged_place_is_listed_and_reading_goes_on_behind_it() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let begins = fill(&mut log, 9);
    for index in [1, 4] {
        disk.flip_bit(&path(&log, begins[index]), position(&log, begins[index]) + 100, 3);
    }
    let report = verify(&disk).unwrap();
    assert_eq!(report.faults.iter().map(Fault::offset).collect::<Vec<_>>(), [begins[1], begins[4]]);
    assert_eq!(report.batches, 7);
    let Fault::Batches(damage) = &report.faults[0] else { panic!("{report:?}") };
    assert_eq!((damage.position, damage.next), (position(&log, begins[1]), Some(begins[2])));
    assert!(report.faults[0].to_string().contains("is damaged; readable again from log offset"), "{damage}");
}

#[test]
fn a_torn_tail_is_no_damage() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let begins = fill(&mut log, 4);
    disk.flip_bit(&path(&log, begins[3]), position(&log, begins[3]) + 100, 3);
    let report = verify(&disk).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.end, begins[3]);
    assert_eq!(report.torn_tail.map(|damage| damage.offset), Some(begins[3]));
}

#[test]
fn bytes_that_the_disk_cannot_read_are_damage() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let begins = fill(&mut log, 9);
    let bad = position(&log, begins[3]) + 500;
    disk.fail_reads(&path(&log, begins[3]), bad..bad + 1);
    let report = verify(&disk).unwrap();
    assert!(report.faults[0].to_string().contains("cannot read"), "{}", report.faults[0]);
    let repaired = repair(&disk, &report, RepairChoice::CutLog).unwrap();
    assert_eq!(repaired.unreadable_bytes, 4096);
}

#[test]
fn a_cut_log_starts_again_and_says_what_is_lost() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let all = fill(&mut log, 9);
    let end = log.written();
    let (bad_path, bad_position) = (path(&log, all[4]), position(&log, all[4]));
    disk.flip_bit(&bad_path, bad_position + 100, 3);
    assert!(matches!(open(&disk, at(0)), Err(OpenError::Damaged { .. })));
    let report = verify(&disk).unwrap();
    assert_eq!(report.blocking().count(), 1);
    let repaired = repair(&disk, &report, RepairChoice::CutLog).unwrap();
    let lost = repaired.lost.expect("something is lost");
    assert_eq!((lost.from, lost.to), (all[4], end));
    assert_eq!(lost.readable, [("topic deleted", 4), ("group deleted", 4)].into());
    assert_eq!(repaired.kept_in.len(), 3, "the rest of one segment and two whole ones: {:?}", repaired.kept_in);
    let mut part = vec![0; 56];
    disk.open(&repaired.kept_in[0]).unwrap().read_at(&mut part, 0).unwrap();
    assert_eq!(message::batch::BatchHeader::parse(&part, all[4]).unwrap().entries, 2, "nothing is destroyed");
    let mut log = open(&disk, at(0)).unwrap();
    assert_eq!(begins(&log), all[..4]);
    let more = fill(&mut log, 3);
    assert_eq!(more[0], all[4]);
    let report = verify(&disk).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let again = repair(&disk, &report, RepairChoice::CutLog).unwrap_err();
    assert!(matches!(again, RepairError::NotNeeded(_)));
}

#[test]
fn damage_before_the_snapshot_is_listed_and_costs_nothing_when_the_log_is_cut() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let all = fill(&mut log, 9);
    snapshot::write(&disk, all[5], Timestamp::ZERO, b"state").unwrap();
    disk.flip_bit(&path(&log, all[2]), position(&log, all[2]) + 100, 3);
    let report = verify(&disk).unwrap();
    assert_eq!((report.faults.len(), report.blocking().count()), (1, 0));
    assert!(matches!(repair(&disk, &report, RepairChoice::CutLog), Err(RepairError::NotNeeded(_))));
    open(&disk, report.reads_from()).unwrap();
    disk.flip_bit(&path(&log, all[7]), position(&log, all[7]) + 100, 3);
    let report = verify(&disk).unwrap();
    assert_eq!(repair(&disk, &report, RepairChoice::CutLog).unwrap().lost.unwrap().from, all[7]);
    assert_eq!(open(&disk, report.reads_from()).unwrap().written(), all[7]);
}

#[test]
fn a_damaged_segment_header_is_written_anew_at_no_price() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let all = fill(&mut log, 9);
    for of in [all[0], all[4], all[8]] {
        disk.flip_bit(&path(&log, of), 9, 0);
    }
    assert!(matches!(open(&disk, at(0)), Err(OpenError::Damaged { .. })));
    let report = verify(&disk).unwrap();
    let headers = |report: &Report| report.faults.iter().filter(|f| matches!(f, Fault::SegmentHeader(_))).count();
    assert_eq!((headers(&report), report.faults.len(), report.batches), (2, 2, 9), "the last is a tail's: {report:?}");
    let repaired = repair(&disk, &report, RepairChoice::CutLog).unwrap();
    assert_eq!((repaired.lost, repaired.headers_rewritten.len(), repaired.kept_in.len()), (None, 3, 3));
    assert_eq!(begins(&open(&disk, at(0)).unwrap()), all);
}

#[test]
fn a_segment_missing_before_the_snapshot_can_be_given_up_with_everything_older() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    // Long ones, one to a segment, so that a missing segment shows.
    let mut long = Batch::new();
    long.push(|out| out.resize(out.len() + 4000, 99));
    let all: Vec<_> = (0..6).map(|_| log.append(&mut long).unwrap()).collect();
    log.sync().unwrap();
    snapshot::write(&disk, all[4], Timestamp::ZERO, b"state").unwrap();
    disk.remove(&path(&log, all[2])).unwrap();
    disk.remove(&path(&log, all[1])).unwrap();
    assert!(matches!(open(&disk, all[4]), Err(OpenError::Missing { .. })));
    let report = verify(&disk).unwrap();
    assert!(matches!(repair(&disk, &report, RepairChoice::CutLog), Err(RepairError::NotNeeded(_))));
    let repaired = repair(&disk, &report, RepairChoice::DropOlder).unwrap();
    let lost = repaired.lost.unwrap();
    assert_eq!((lost.from, lost.to, lost.readable["unknown"]), (all[0], all[3], 1));
    let log = open(&disk, all[4]).unwrap();
    assert_eq!(begins(&log), all[3..]);
}

#[test]
fn a_log_that_is_gone_can_go_on_where_the_snapshot_stands() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let all = fill(&mut log, 4);
    snapshot::write(&disk, all[3], Timestamp::ZERO, b"state").unwrap();
    for name in disk.list("log").unwrap() {
        disk.remove(&format!("log/{name}")).unwrap();
    }
    assert!(matches!(open(&disk, all[3]), Err(OpenError::Missing { .. })));
    let report = verify(&disk).unwrap();
    repair(&disk, &report, RepairChoice::DropOlder).unwrap();
    let mut log = open(&disk, all[3]).unwrap();
    assert_eq!(fill(&mut log, 5)[0], all[3]);
}

#[test]
fn damaged_snapshots_are_set_aside_when_the_log_tells_everything() {
    let disk = FakeDisk::new(1);
    let mut log = open(&disk, at(0)).unwrap();
    let all = fill(&mut log, 9);
    snapshot::write(&disk, all[5], Timestamp::ZERO, b"state").unwrap();
    disk.flip_bit(&snapshot::path(all[5]), 46, 0);
    let report = verify(&disk).unwrap();
    assert_eq!((report.faults.len(), report.damaged_snapshots.len()), (0, 1));
    assert!(snapshot::latest(&disk).is_err());
    let repaired = repair(&disk, &report, RepairChoice::SetAsideSnapshots).unwrap();
    assert_eq!(repaired.kept_in, [format!("damaged/{:020}.snap", all[5].get())]);
    assert_eq!(snapshot::latest(&disk).unwrap(), None);
    log.drop_before(all[5]);
    while let Some(chore) = log.chore() {
        log.finish_chore(chore.run()).unwrap();
    }
    let report = Report { damaged_snapshots: report.damaged_snapshots, ..verify(&disk).unwrap() };
    let refused = repair(&disk, &report, RepairChoice::SetAsideSnapshots).unwrap_err();
    assert!(matches!(refused, RepairError::NothingToStartFrom { .. }), "the log does not tell everything any more");
}

/// Whatever is damaged: a log opens exactly when the report names nothing that blocks, and a repair makes it open with
/// everything before the cut.
#[test]
fn the_report_agrees_with_opening_and_a_repair_makes_the_log_open() {
    let (mut blocked, mut open_anyway) = (0, 0);
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let disk = FakeDisk::new(seed);
        let mut log = open(&disk, at(0)).unwrap();
        let all = fill(&mut log, 4 + rng.below(8) as usize);
        let from = if rng.chance(50) {
            let at = all[rng.below(all.len() as u64) as usize];
            snapshot::write(&disk, at, Timestamp::ZERO, b"state").unwrap();
            at
        } else {
            at(0)
        };
        for _ in 0..rng.below(3) {
            let names = disk.list("log").unwrap();
            let path = format!("log/{}", names[rng.below(names.len() as u64) as usize]);
            let file = disk.open(&path).unwrap();
            let position = rng.below(file.len().unwrap());
            match rng.below(4) {
                0 => disk.flip_bit(&path, position, 1),
                1 => file.write_at(&[0; 512], position / 512 * 512).unwrap(),
                2 => file.set_len(position).unwrap(),
                _ if names.len() > 1 => disk.remove(&path).unwrap(),
                _ => {}
            }
        }
        let left = disk.list("log").unwrap();
        let report = verify(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let copy = copy(&disk);
        let blocking = report.blocking().count() > 0 || report.start > from;
        match open(&copy, from) {
            Ok(_) => {
                open_anyway += 1;
                assert!(!blocking, "seed {seed}: opens in spite of {:?} ({left:?})", report.blocking().next());
            }
            Err(error) => {
                blocked += 1;
                assert!(blocking, "seed {seed}: {error}, but the report is {report:?}");
                for choice in [RepairChoice::DropOlder, RepairChoice::CutLog] {
                    match repair(&disk, &report, choice) {
                        Ok(_) | Err(RepairError::NotNeeded(_) | RepairError::NothingToStartFrom { .. }) => {}
                        Err(error) => panic!("seed {seed}: {error}"),
                    }
                }
                if report.start > from {
                    continue;
                }
                let log = open(&disk, from).unwrap_or_else(|error| panic!("seed {seed}: {error} after {report:?}"));
                assert!(log.written() >= from, "seed {seed}");
            }
        }
    }
    assert!(blocked > 50 && open_anyway > 50, "{blocked} {open_anyway}");
}

/// The same files on another disk.
fn copy(disk: &FakeDisk) -> FakeDisk {
    let other = FakeDisk::new(0);
    other.create_dir("log").unwrap();
    for name in disk.list("log").unwrap() {
        let path = format!("log/{name}");
        let file = disk.open(&path).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        other.create(&path).unwrap().write_at(&bytes, 0).unwrap();
    }
    other
}
