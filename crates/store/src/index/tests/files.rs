//! What becomes of the index when its files are lost, damaged, cut off or refused.

use std::sync::Arc;

use super::answers::compare;
use super::history::History;
use super::{offset, open};
use crate::disk::{Disk, FakeDisk};
use crate::index::{Index, IndexBounds, IndexError};

/// An index with blocks, pages and runs, and a checkpoint at the end of its log.
fn filled(disk: &FakeDisk, seed: u64) -> (History, Index) {
    let mut history = History::new(seed);
    let mut index = open(disk).index;
    history.go_on(500);
    history.log.replay(offset(0), &mut index);
    index.checkpoint(history.log.end()).expect("a checkpoint");
    (history, index)
}

#[test]
fn a_power_cut_leaves_a_checkpoint_or_the_one_before_and_nothing_in_between() {
    for seed in 300..400 {
        println!("seed {seed}");
        let disk = FakeDisk::new(seed);
        let (mut history, mut index) = filled(&disk, seed);
        let mut ends = vec![history.log.end()];
        let changes = history.rng.below(400);
        disk.power_off_after(changes);
        while !disk.is_off() {
            let from = history.log.end();
            history.go_on(20);
            for at in history.log.batches.clone().into_iter().filter(|at| *at >= from.get()) {
                history.log.replay_one(at, &mut index);
            }
            if history.rng.chance(20) {
                let batch = history.log.batches[history.log.batches.len() / 4];
                if batch > history.log.start {
                    history.trim(batch);
                    index.trim(offset(batch));
                }
            }
            if history.rng.chance(60) && !disk.is_off() {
                ends.push(history.log.end());
                let _ = index.checkpoint(history.log.end());
            }
        }
        let disk = disk.crash(seed);
        let opened = open(&disk);
        assert_eq!(opened.note, None);
        let last = &ends[ends.len().saturating_sub(2)..];
        assert!(last.contains(&opened.replay_from), "{:?} of {ends:?}", opened.replay_from);
        let mut index = opened.index;
        index.trim(offset(history.log.start));
        history.log.replay(opened.replay_from, &mut index);
        compare(&mut history, &index);
        index.checkpoint(history.log.end()).expect("a checkpoint");
        compare(&mut history, &open(&disk).index);
    }
}

#[test]
fn an_index_without_its_files_is_rebuilt_and_the_rest_of_them_removed() {
    let disk = FakeDisk::new(1);
    let (mut history, _) = filled(&disk, 1);
    let names = disk.list("index").unwrap();
    assert!(names.iter().any(|name| name.ends_with(".run")) && names.iter().any(|name| name.ends_with(".blk")));
    for lost in &names {
        let disk = disk.crash(1);
        disk.remove(&format!("index/{lost}")).unwrap();
        let opened = open(&disk);
        if opened.replay_from == offset(0) {
            assert!(opened.note.expect("a note").contains("is rebuilt"), "without {lost}");
            assert_eq!(disk.list("index").unwrap(), Vec::<String>::new());
        } else {
            assert_eq!(opened.note, None, "{lost} was not of the checkpoint");
        }
        let mut index = opened.index;
        history.log.replay(opened.replay_from, &mut index);
        compare(&mut history, &index);
    }
}

#[test]
fn an_index_without_a_directory_begins_anew_without_a_note() {
    let opened = open(&FakeDisk::new(1));
    assert_eq!((opened.note, opened.replay_from), (None, offset(0)));
}

#[test]
fn a_flipped_bit_of_the_checkpoint_is_noticed_at_the_start() {
    let disk = FakeDisk::new(1);
    filled(&disk, 1);
    let len = disk.open("index/checkpoint").unwrap().len().unwrap();
    for at in (0..len).step_by(97).chain(len - 4..len) {
        let disk = disk.crash(1);
        disk.flip_bit("index/checkpoint", at, 2);
        let opened = open(&disk);
        assert_eq!(opened.replay_from, offset(0), "byte {at}");
        assert!(opened.note.expect("a note").contains("damaged"), "byte {at}");
    }
}

#[test]
fn a_checkpoint_of_a_newer_version_is_not_used() {
    let disk = FakeDisk::new(1);
    filled(&disk, 1);
    let file = disk.open("index/checkpoint").unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes[4] = 2;
    let end = bytes.len() - 4;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
    file.write_at(&bytes, 0).unwrap();
    assert!(open(&disk).note.expect("a note").contains("version 2"));
}

#[test]
fn a_damaged_block_is_an_error_now_and_rebuilt_at_the_next_start() {
    let disk = FakeDisk::new(1);
    let (mut history, mut index) = filled(&disk, 1);
    for name in disk.list("index").unwrap().iter().filter(|name| name.ends_with(".blk")) {
        disk.flip_bit(&format!("index/{name}"), 40, 0);
    }
    let mut failed = 0;
    for ((topic, queue_id), _) in history.queues.clone() {
        let items = index.items(topic, queue_id, message::QueueOffset::ZERO, 10_000, &mut Vec::new());
        failed += u32::from(matches!(items, Err(IndexError::Damaged { .. })));
    }
    assert!(failed > 0);
    assert!(matches!(index.checkpoint(history.log.end()), Err(IndexError::Broken)));
    let opened = open(&disk);
    assert_eq!(opened.replay_from, offset(0));
    let mut index = opened.index;
    history.log.replay(offset(0), &mut index);
    compare(&mut history, &index);
}

#[test]
fn while_the_disk_is_full_everything_is_answered_from_memory_and_written_later() {
    for seed in 500..510 {
        println!("seed {seed}");
        let disk = FakeDisk::new(seed);
        let (mut history, mut index) = filled(&disk, seed);
        disk.set_capacity(1);
        let from = history.log.end();
        history.go_on(400);
        let batches: Vec<u64> = history.log.batches.iter().copied().filter(|at| *at >= from.get()).collect();
        let errors = batches.iter().map(|at| history.log.replay_one(*at, &mut index)).sum::<usize>();
        assert!(errors > 0, "the caller is told that files could not be written");
        compare(&mut history, &index);
        assert!(index.checkpoint(history.log.end()).is_err());
        assert_eq!(open(&disk.crash(1)).replay_from, from);
        disk.set_capacity(1 << 40);
        index.checkpoint(history.log.end()).expect("a checkpoint");
        let from = history.log.end();
        history.go_on(400);
        history.log.replay(from, &mut index);
        compare(&mut history, &index);
        index.checkpoint(history.log.end()).expect("a checkpoint");
        compare(&mut history, &open(&disk).index);
    }
}

#[test]
fn after_a_sync_that_failed_no_checkpoint_is_believed_until_the_next_start() {
    for nth in 1..=6 {
        let disk = FakeDisk::new(1);
        let (mut history, mut index) = filled(&disk, 1);
        let first = history.log.end();
        history.go_on(100);
        history.log.replay(first, &mut index);
        disk.fail_sync(nth);
        let end = history.log.end();
        if index.checkpoint(end).is_ok() {
            assert!(nth > 4, "sync {nth}");
            continue;
        }
        assert!(matches!(index.checkpoint(end), Err(IndexError::Unsynced)));
        let opened = open(&disk.crash(3));
        assert!([first, end].contains(&opened.replay_from), "sync {nth}");
        let mut index = opened.index;
        history.log.replay(opened.replay_from, &mut index);
        compare(&mut history, &index);
    }
}

#[test]
fn a_checkpoint_is_written_beside_an_index_that_goes_on() {
    let disk = FakeDisk::new(1);
    let (mut history, mut index) = filled(&disk, 1);
    let from = history.log.end();
    history.go_on(100);
    history.log.replay(from, &mut index);
    let end = history.log.end();
    let checkpoint = index.begin_checkpoint(end).expect("a checkpoint");
    assert!(matches!(index.begin_checkpoint(end), Err(IndexError::Busy)));
    history.go_on(100);
    history.log.replay(end, &mut index);
    let start = history.log.batches[400];
    history.trim(start);
    index.trim(offset(start));
    std::thread::spawn(|| checkpoint.write()).join().expect("no panic").expect("a durable checkpoint");
    let opened = open(&disk.crash(1));
    assert_eq!(opened.replay_from, end);
    let mut reopened = opened.index;
    reopened.trim(offset(start));
    history.log.replay(end, &mut reopened);
    compare(&mut history, &reopened);
    index.checkpoint(history.log.end()).expect("the next checkpoint");
    compare(&mut history, &index);
}

#[test]
fn a_checkpoint_costs_what_changed_and_a_message_costs_no_sync() {
    let disk = FakeDisk::new(1);
    let (mut history, mut index) = filled(&disk, 1);
    let from = history.log.end();
    history.go_on(5);
    let before = disk.counts();
    history.log.replay(from, &mut index);
    assert_eq!(disk.counts().syncs, before.syncs);
    index.checkpoint(history.log.end()).expect("a checkpoint");
    let after = disk.counts();
    assert!(after.syncs - before.syncs <= 5, "{} syncs", after.syncs - before.syncs);
    let directory = disk.open("index/checkpoint").unwrap().len().unwrap();
    assert!(after.bytes_written - before.bytes_written < directory + 20_000);
}

#[test]
fn a_discarded_index_leaves_no_file() {
    let disk = FakeDisk::new(1);
    filled(&disk, 1);
    let index = Index::discard(Arc::new(disk.clone()), IndexBounds::default()).expect("an index");
    assert_eq!(index.applied(), offset(0));
    assert_eq!(disk.list("index").unwrap(), Vec::<String>::new());
}
