use std::ops::ControlFlow;

use super::*;
use crate::disk::{Disk, FakeDisk, RealDisk};

mod damage;
mod histories;
mod space;

const SMALL: LogConfig = LogConfig { segment_size: 8192, spare_segments: 2, growth: 4096 };

fn open(disk: &FakeDisk, config: &LogConfig, from: CommitLogOffset) -> Result<(Log, Recovery), OpenError> {
    Log::open(Arc::new(disk.clone()), config.clone(), from)
}

fn small(disk: &FakeDisk) -> Log {
    open(disk, &SMALL, CommitLogOffset::ZERO).expect("a log").0
}

fn one_entry(payload: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.push(|out| out.extend_from_slice(payload));
    batch
}

/// Appends one entry of this many bytes that are all `value`, and returns where its batch begins.
fn append(log: &mut Log, len: usize, value: u8) -> CommitLogOffset {
    log.append(&mut one_entry(&vec![value; len])).expect("room")
}

/// Runs chores until there is nothing to do.
fn settle(log: &mut Log) -> Vec<ChoreOutcome> {
    let mut outcomes = Vec::new();
    while let Some(chore) = log.chore() {
        let outcome = log.finish_chore(chore.run()).expect("a chore that succeeds");
        outcomes.push(outcome);
        if outcome == ChoreOutcome::NoRoom {
            break;
        }
    }
    outcomes
}

/// The first byte of each entry from the log's start on.
fn read_all(log: &Log) -> Vec<u8> {
    let mut values = Vec::new();
    let view = log.view();
    view.for_each_batch(view.start(), view.end(), |batch| {
        values.extend(batch.entries().map(|(_, payload)| payload[0]));
        ControlFlow::Continue(())
    })
    .expect("an intact log");
    values
}

#[test]
fn an_entry_is_read_back_from_where_its_batch_was_appended() {
    let mut log = small(&FakeDisk::new(1));
    let mut batch = Batch::new();
    let first = batch.push(|out| out.extend_from_slice(b"one"));
    let second = batch.push(|out| out.extend_from_slice(b"two"));
    let at = log.append(&mut batch).unwrap();
    assert_eq!(log.read_entry(at.plus(first as u64)).unwrap(), b"one");
    assert_eq!(log.read_entry(at.plus(second as u64)).unwrap(), b"two");
    let mut raw = b"before".to_vec();
    log.read(at, batch.framed_len(), &mut raw).unwrap();
    assert_eq!(&raw[6..], batch.bytes());
    assert_eq!((log.synced().get(), log.written().get()), (0, batch.framed_len() as u64));
}

#[test]
fn a_read_that_finds_nothing_says_why() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    let at = append(&mut log, 100, 7);
    let frame = at.plus(56);
    let end = log.written();
    assert!(matches!(log.read_entry(end), Err(ReadError::BeyondEnd { .. })));
    assert!(matches!(log.read(at, 1000, &mut Vec::new()), Err(ReadError::BeyondEnd { .. })));
    assert!(matches!(log.view().find_entry(at, 1000), Err(ReadError::NoEntry { .. })));
    assert!(matches!(log.view().find_entry(frame.plus(20), 1 << 30), Err(ReadError::NoEntry { .. })));
    assert!(matches!(log.view().find_entry(frame, 99), Err(ReadError::NoEntry { .. })), "longer than is allowed");
    assert_eq!(log.view().find_entry(frame, 100).unwrap(), [7; 100]);
    let path = "log/00000000000000000000.seg";
    disk.flip_bit(path, SEGMENT_HEADER_LEN + frame.get() + 50, 3);
    match log.read_entry(frame) {
        Err(ReadError::Damaged(damage)) => assert_eq!((damage.file.as_str(), damage.offset), (path, frame)),
        other => panic!("{other:?}"),
    }
    disk.fail_reads(path, 4096..4097 + frame.get());
    assert!(matches!(log.read_entry(frame), Err(ReadError::Io { .. })));
    append(&mut log, 4000, 1);
    log.sync().unwrap();
    let start = log.drop_before(log.synced());
    assert!(start > frame);
    assert!(matches!(log.read_entry(frame), Err(ReadError::BelowStart { .. })));
}

#[test]
fn a_batch_does_not_span_segments_and_offsets_go_on_without_a_hole() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    let mut expected = CommitLogOffset::ZERO;
    for value in 0..20 {
        let at = append(&mut log, 1500, value);
        assert_eq!(at, expected);
        expected = at.plus(56 + 8 + 1500);
    }
    let bases: Vec<u64> = log.segments().iter().map(|segment| segment.base.get()).collect();
    assert_eq!(bases[..3], [0, 2 * 1564, 4 * 1564], "two batches fit behind a header of 4096 bytes in 8192");
    assert_eq!(read_all(&log), (0..20).collect::<Vec<u8>>());
    let mut raw = Vec::new();
    let across = CommitLogOffset::new(2 * 1564 - 10);
    assert!(matches!(log.read(across, 20, &mut raw), Err(ReadError::NoEntry { .. })));
    assert!(raw.is_empty());
}

#[test]
fn the_longest_batch_fits_and_a_longer_one_is_refused() {
    let mut log = small(&FakeDisk::new(1));
    let max = log.batch_len_max();
    assert_eq!(max, 4096);
    append(&mut log, 4096 - 64, 1);
    append(&mut log, 4096 - 64, 2);
    let refused = log.append(&mut one_entry(&[3; 4096 - 63])).unwrap_err();
    assert!(matches!(refused, AppendError::TooLong { len: 4097, max: 4096 }), "{refused}");
    append(&mut log, 1, 4);
    assert_eq!(read_all(&log), [1, 2, 4]);
}

#[test]
fn a_batch_names_what_was_synced_when_it_was_written() {
    let mut log = small(&FakeDisk::new(1));
    append(&mut log, 10, 1);
    let synced = log.sync().unwrap();
    append(&mut log, 10, 2);
    append(&mut log, 10, 3);
    let mut named = Vec::new();
    let view = log.view();
    view.for_each_batch(view.start(), view.end(), |batch| {
        named.push(batch.header().synced);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(named, [CommitLogOffset::ZERO, synced, synced]);
}

#[test]
fn a_sync_on_another_thread_covers_what_was_written_when_it_began() {
    let mut log = small(&FakeDisk::new(1));
    append(&mut log, 10, 1);
    let written = log.written();
    let job = log.begin_sync().expect("something to sync");
    assert!(log.begin_sync().is_none(), "one at a time");
    append(&mut log, 10, 2);
    let done = std::thread::spawn(move || job.run()).join().expect("the thread ends");
    assert_eq!(log.finish_sync(done).unwrap(), written);
    assert_eq!(log.sync().unwrap(), log.written());
    assert!(log.begin_sync().is_none(), "nothing to sync");
}

#[test]
fn a_failed_sync_poisons_the_log_and_is_not_tried_again() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    append(&mut log, 10, 1);
    let durable = log.sync().unwrap();
    append(&mut log, 10, 2);
    disk.fail_sync(1);
    let poisoned = log.sync().unwrap_err();
    assert!(poisoned.to_string().contains("sync log/00000000000000000000.seg"), "{poisoned}");
    let counts = disk.counts();
    assert!(matches!(log.append(&mut one_entry(b"x")), Err(AppendError::Poisoned(_))));
    assert!(log.sync().is_err() && log.begin_sync().is_none() && log.chore().is_none());
    assert_eq!(disk.counts(), counts, "the disk is left alone");
    assert_eq!(log.synced(), durable);
    assert_eq!(read_all(&log), [1, 2], "reads go on");
    let (log, recovery) = open(&disk.crash(3), &SMALL, CommitLogOffset::ZERO).unwrap();
    assert!(recovery.end >= durable && log.poisoned().is_none());
}

#[test]
fn a_failed_write_poisons_the_log_and_takes_nothing_from_a_sync_under_way() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    append(&mut log, 10, 1);
    let written = log.written();
    let job = log.begin_sync().unwrap();
    disk.fail_write(1);
    assert!(matches!(log.append(&mut one_entry(b"x")), Err(AppendError::Poisoned(_))));
    assert_eq!(log.finish_sync(job.run()).unwrap(), written);
    assert!(log.begin_sync().is_none());
}

#[test]
#[should_panic(expected = "time goes back")]
fn an_owner_whose_clock_goes_back_is_stopped() {
    let mut log = small(&FakeDisk::new(1));
    let mut batch = one_entry(b"x");
    batch.set_time(Timestamp::from_millis(10));
    log.append(&mut batch).unwrap();
    batch.set_time(Timestamp::from_millis(9));
    let _ = log.append(&mut batch);
}

#[test]
fn a_segment_tells_retention_how_young_its_youngest_entry_may_be() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    for time in 1..=5 {
        let mut batch = one_entry(&[time as u8; 1500]);
        batch.set_time(Timestamp::from_millis(time * 100));
        log.append(&mut batch).unwrap();
    }
    log.sync().unwrap();
    let times = |log: &Log| -> Vec<_> {
        log.segments().iter().map(|segment| segment.last_time.map(Timestamp::millis)).collect()
    };
    assert_eq!(times(&log), [Some(300), Some(500), Some(500)]);
    let (log, _) = open(&disk, &SMALL, log.synced()).unwrap();
    assert_eq!(times(&log), [Some(300), Some(500), None], "what was not read is not known");
}

#[test]
fn dropped_segments_are_recycled_oldest_first_and_their_bytes_pass_for_nothing() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    for value in 0..8 {
        append(&mut log, 1500, value);
    }
    log.sync().unwrap();
    assert_eq!(log.drop_before(CommitLogOffset::new(3 * 1564)), CommitLogOffset::new(2 * 1564));
    assert_eq!(settle(&mut log), [ChoreOutcome::Recycled(CommitLogOffset::ZERO), ChoreOutcome::Prepared]);
    // Batches of the same shape at the same positions of the file that held others.
    for value in 8..10 {
        append(&mut log, 1500, value);
    }
    log.sync().unwrap();
    append(&mut log, 1000, 10);
    assert_eq!(read_all(&log), (2..=10).collect::<Vec<u8>>());
    let (log, recovery) = open(&disk, &SMALL, CommitLogOffset::new(2 * 1564)).unwrap();
    assert_eq!(read_all(&log), (2..=10).collect::<Vec<u8>>());
    assert_eq!(recovery.cut, None, "old bytes are no torn tail");
}

#[test]
fn of_many_segments_given_up_at_once_some_are_kept_to_be_used_again() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    settle(&mut log);
    for value in 0..20 {
        append(&mut log, 1500, value);
    }
    log.sync().unwrap();
    log.drop_before(log.synced());
    let outcomes = settle(&mut log);
    let recycled = outcomes.iter().filter(|outcome| matches!(outcome, ChoreOutcome::Recycled(_))).count();
    assert!(recycled > SMALL.spare_segments, "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| matches!(outcome, ChoreOutcome::Removed(_))), "{outcomes:?}");
    // So many segments are begun before one has to be filled.
    let begun = log.newest();
    let mut spares = 0;
    while !settle(&mut log).contains(&ChoreOutcome::Prepared) {
        append(&mut log, 3000, 1);
        spares += 1;
    }
    assert!(spares > SMALL.spare_segments && log.newest() > begun, "{spares}");
}

#[test]
fn the_rest_of_a_batchs_last_page_is_zeros_whatever_the_segment_held_before() {
    let disk = FakeDisk::new(1);
    let mut log = small(&disk);
    for _ in 0..40 {
        append(&mut log, 1500, 7);
        log.sync().unwrap();
        log.drop_before(log.synced());
        settle(&mut log);
    }
    // The next segment held sevens.
    let full = log.active().base();
    while log.active().base() == full {
        append(&mut log, 700, 1);
    }
    log.sync().unwrap();
    let segment = Arc::clone(log.active());
    let end = segment.position(log.written());
    let mut page = vec![9; (end.next_multiple_of(4096) - end) as usize];
    assert_eq!(segment.file().read_at(&mut page, end).unwrap(), page.len());
    assert!(page.iter().all(|byte| *byte == 0), "{page:?}");
    assert_eq!(segment.file().len().unwrap(), segment.size(), "no segment grows by it");
}

#[test]
fn a_segment_that_a_view_holds_is_not_recycled() {
    let mut log = small(&FakeDisk::new(1));
    for value in 0..6 {
        append(&mut log, 1500, value);
    }
    log.sync().unwrap();
    let view = log.view();
    log.drop_before(log.synced());
    settle(&mut log);
    append(&mut log, 1500, 6);
    let mut seen = 0;
    view.for_each_batch(CommitLogOffset::ZERO, view.end(), |_| {
        seen += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, 6);
    drop(view);
    assert!(settle(&mut log).contains(&ChoreOutcome::Recycled(CommitLogOffset::ZERO)));
}

#[test]
fn a_visit_can_be_broken_off_and_goes_on_where_it_stopped() {
    let mut log = small(&FakeDisk::new(1));
    for value in 0..6 {
        append(&mut log, 1500, value);
    }
    let view = log.view();
    let mut seen = Vec::new();
    let mut at = view.start();
    while at < view.end() {
        at = view
            .for_each_batch(at, view.end(), |batch| {
                seen.push(batch.header().offset);
                ControlFlow::Break(())
            })
            .unwrap();
    }
    assert_eq!(seen.len(), 6);
    let beyond = view.for_each_batch(at, at.plus(1), |_| ControlFlow::Continue(()));
    assert!(matches!(beyond, Err(ReadError::BeyondEnd { .. })));
}

#[test]
fn opening_reads_from_the_snapshot_on_however_much_lies_before_it() {
    let config = LogConfig { segment_size: 64 << 10, ..SMALL };
    let read_by_opening = |batches: u64| {
        let disk = FakeDisk::new(1);
        let (mut log, _) = open(&disk, &config, CommitLogOffset::ZERO).unwrap();
        for _ in 0..batches {
            append(&mut log, 1000, 1);
        }
        log.sync().unwrap();
        let snapshot = log.synced();
        append(&mut log, 1000, 2);
        append(&mut log, 1000, 3);
        log.sync().unwrap();
        let before = disk.counts().bytes_read;
        let (_, recovery) = open(&disk, &config, snapshot).unwrap();
        assert_eq!((recovery.batches, recovery.scanned_bytes), (2, 2 * 1064));
        disk.counts().bytes_read - before
    };
    let (short, long) = (read_by_opening(100), read_by_opening(3000));
    assert!(long < short + 50 * 5000, "{short} bytes of a short log, {long} bytes of a long one");
}

#[test]
fn the_start_in_an_empty_directory_waits_for_little_writing() {
    let disk = FakeDisk::new(1);
    let (log, recovery) = open(&disk, &LogConfig::default(), CommitLogOffset::ZERO).unwrap();
    assert_eq!((recovery.end.get(), recovery.batches), (0, 0));
    assert!(disk.counts().bytes_written <= 1 << 20 && disk.counts().syncs < 8, "{:?}", disk.counts());
    assert!(log.room(1) > 1 << 19);
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    for segment_size in [0, 4096, 8193, u64::MAX] {
        let config = LogConfig { segment_size, ..SMALL };
        assert!(matches!(open(&FakeDisk::new(1), &config, CommitLogOffset::ZERO), Err(OpenError::Config { .. })));
    }
}

#[test]
fn a_log_on_a_real_disk_is_opened_again_with_another_segment_size() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir.path()).unwrap());
    let mut snapshot = CommitLogOffset::ZERO;
    let mut expected = Vec::new();
    for round in 0..5_u8 {
        let config = LogConfig { segment_size: 16_384 << (round % 3), ..SMALL };
        let (mut log, recovery) = Log::open(Arc::clone(&disk), config, snapshot).unwrap();
        assert!(recovery.cut.is_none());
        assert_eq!(read_all(&log), expected[expected.len() - read_all(&log).len()..], "round {round}");
        for i in 0..50_u8 {
            append(&mut log, 700 + usize::from(i), round * 50 + i);
            expected.push(round * 50 + i);
            if i % 7 == 0 {
                log.sync().unwrap();
                settle(&mut log);
            }
        }
        snapshot = log.sync().unwrap();
        log.drop_before(snapshot);
        settle(&mut log);
    }
    assert!(disk.list("log").unwrap().len() <= 4, "old segments are recycled or removed");
}

/// The first start failed as it synced the first segment, and the second one read the header that was never on the disk.
/// It was not written again: the next power cut took it, and the log was damaged although every batch was there.
#[test]
fn seed_232_the_header_of_an_empty_segment_is_made_durable_by_the_start_that_reads_it() {
    for seed in 0..20 {
        let disk = FakeDisk::new(seed);
        let syncs_before_the_segment = 2;
        disk.fail_sync(syncs_before_the_segment + 1);
        assert!(open(&disk, &SMALL, CommitLogOffset::ZERO).is_err());
        let mut log = small(&disk);
        append(&mut log, 100, 7);
        log.sync().expect("a disk that works again");
        let after = small(&disk.crash(seed));
        assert_eq!(read_all(&after), [7], "power cut {seed}");
    }
}
