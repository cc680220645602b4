//! What is prepared ahead, and what happens when the disk is full.

use super::*;

fn used(disk: &FakeDisk) -> u64 {
    let space = disk.space().unwrap();
    space.total - space.free
}

#[test]
fn prepared_segments_are_written_to_when_the_disk_is_full() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    assert_eq!(settle(&mut log), [ChoreOutcome::Prepared; 2]);
    disk.set_capacity(used(&disk));
    append(&mut log, 3000, 0);
    assert_eq!(log.room(500), 1032 - 499 + 4096 - 499, "of what is left of one segment, and of a spare one");
    let mut taken = 0;
    let refused = loop {
        let sure = log.room(464) >= 464;
        match log.append(&mut one_entry(&[1; 400])) {
            Ok(_) => taken += 1,
            Err(refused) => {
                assert!(!sure, "room() promises what append does not keep");
                break refused;
            }
        }
    };
    assert!(matches!(refused, AppendError::Full { needed: 464 }), "{refused}");
    assert_eq!(taken, 1032 / 464 + 4096 / 464);
    assert!(log.poisoned().is_none() && log.disk_full());
    let (written, names) = (log.written(), disk.list("log").unwrap());
    assert!(matches!(log.append(&mut one_entry(&[1; 400])), Err(AppendError::Full { .. })));
    assert_eq!((log.written(), disk.list("log").unwrap()), (written, names), "nothing has happened");
    assert_eq!(log.sync().unwrap(), written, "what was taken becomes durable");
    assert_eq!(settle(&mut log), [ChoreOutcome::NoRoom]);
}

#[test]
fn a_log_goes_on_by_itself_when_there_is_room_again() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    disk.set_capacity(used(&disk));
    while log.append(&mut one_entry(&[1; 1000])).is_ok() {}
    assert!(log.disk_full() && log.poisoned().is_none());
    disk.set_capacity(1 << 30);
    assert_eq!(settle(&mut log), [ChoreOutcome::Prepared; 2]);
    assert!(!log.disk_full());
    append(&mut log, 1000, 2);
    log.sync().unwrap();
    let (log, _) = open(&disk.crash(1), &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(read_all(&log).last(), Some(&2));
}

#[test]
fn recycled_segments_give_a_full_disk_room_again() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    settle(&mut log);
    disk.set_capacity(used(&disk));
    while log.append(&mut one_entry(&[1; 1000])).is_ok() {}
    settle(&mut log);
    assert!(log.disk_full());
    log.sync().unwrap();
    log.drop_before(log.synced());
    assert!(settle(&mut log).iter().any(|outcome| matches!(outcome, ChoreOutcome::Recycled(_))));
    assert!(log.room(1064) >= 1064);
    append(&mut log, 1000, 2);
}

#[test]
fn a_log_without_prepared_segments_grows_by_itself() {
    let disk = FakeDisk::new(1);
    let config = LogConfig { segment_size: 64 << 10, spare_segments: 0, growth: 8192 };
    let (mut log, _) = open(&disk, &config, CommitLogOffset::ZERO).unwrap();
    for value in 0..100 {
        append(&mut log, 1000, value);
        if value % 10 == 0 {
            log.sync().unwrap();
        }
    }
    let synced = log.sync().unwrap();
    let (log, recovery) = open(&disk.crash(9), &config, CommitLogOffset::ZERO).unwrap();
    assert_eq!(recovery.end, synced);
    assert_eq!(read_all(&log), (0..100).collect::<Vec<u8>>());
}

#[test]
fn a_growing_segment_makes_way_for_a_prepared_one() {
    let disk = FakeDisk::new(1);
    let config = LogConfig { segment_size: 64 << 10, spare_segments: 1, growth: 8192 };
    let (mut log, _) = open(&disk, &config, CommitLogOffset::ZERO).unwrap();
    append(&mut log, 1000, 1);
    settle(&mut log);
    for value in 0..10 {
        append(&mut log, 1000, value);
    }
    assert_eq!(log.segments().len(), 2);
    append(&mut log, 1000, 10);
    assert_eq!(read_all(&log), [1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(disk.open("log/00000000000000000000.seg").unwrap().len().unwrap(), 8192, "it has not grown");
}

#[test]
fn an_empty_segment_that_cannot_grow_is_replaced_by_a_prepared_one() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    settle(&mut log);
    disk.set_capacity(used(&disk));
    assert_eq!(append(&mut log, 4000, 1), CommitLogOffset::ZERO);
    assert_eq!(log.segments().len(), 1);
    append(&mut log, 4000, 2);
    log.sync().unwrap();
    let (log, _) = open(&disk.crash(1), &SMALL, CommitLogOffset::ZERO).unwrap();
    assert_eq!(read_all(&log), [1, 2]);
}

#[test]
fn a_segment_that_cannot_be_recycled_is_reported_and_younger_ones_stay_too() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    for value in 0..8 {
        append(&mut log, 1500, value);
    }
    log.sync().unwrap();
    log.drop_before(log.synced());
    disk.fail_sync(1);
    let chore = log.chore().unwrap();
    let failed = log.finish_chore(chore.run()).unwrap_err();
    assert!(failed.to_string().starts_with("cannot recycle log/00000000000000000000.seg"), "{failed}");
    assert!(settle(&mut log).iter().all(|outcome| *outcome == ChoreOutcome::Prepared));
    append(&mut log, 10, 8);
    log.sync().unwrap();
    for seed in 0..50 {
        open(&disk.crash(seed), &SMALL, CommitLogOffset::new(6 * 1564)).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_spare_that_cannot_be_filled_is_reported_and_the_log_goes_on() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    disk.fail_write(1);
    let chore = log.chore().unwrap();
    let failed = log.finish_chore(chore.run()).unwrap_err();
    assert!(failed.to_string().contains("spare-0.tmp"), "{failed}");
    append(&mut log, 1000, 1);
    log.sync().unwrap();
    assert_eq!(settle(&mut log), [ChoreOutcome::Prepared; 2]);
}

/// A spare that was written to and lost its new name in a crash holds batches of offsets that come again.
#[test]
fn a_spare_that_was_in_use_before_a_crash_passes_no_old_batch_for_a_new_one() {
    for seed in 0..3000 {
        let disk = FakeDisk::new(seed);
        let mut log = small(&disk);
        settle(&mut log);
        append(&mut log, 4000, 1);
        let synced = log.sync().unwrap();
        // The next segment is not synced, nor is its name.
        append(&mut log, 600, 2);
        append(&mut log, 600, 3);
        let disk = disk.crash(seed);
        let (mut log, recovery) = open(&disk, &SMALL, CommitLogOffset::ZERO).unwrap();
        let kept = read_all(&log);
        assert!(recovery.end >= synced && [1, 2, 3].starts_with(&kept), "seed {seed}: {kept:?}");
        append(&mut log, 600, 4);
        append(&mut log, 600, 5);
        let (log, _) = open(&disk.crash(seed + 1), &SMALL, CommitLogOffset::ZERO).unwrap();
        let expected = [&kept[..], &[4, 5]].concat();
        let found = read_all(&log);
        assert!(found.len() >= kept.len() && expected.starts_with(&found), "seed {seed}: {found:?} of {expected:?}");
    }
}
