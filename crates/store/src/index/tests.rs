mod answers;
mod files;
mod history;

use std::sync::Arc;

use message::{CommitLogOffset, QueueOffset, Timestamp};

use super::*;
use crate::disk::FakeDisk;
use answers::{compare, compare_rebuilt};
use history::History;

/// So small that a short history fills, evicts, merges and seals.
const SMALL: IndexBounds = IndexBounds {
    tail_bytes_max: 1500,
    hot_pages_max: 1,
    gathered_keys_max: 600,
    block_file_len_max: 2000,
    link_stretch: 16 << 20,
};

fn open(disk: &FakeDisk) -> Opened {
    Index::open_with(Arc::new(disk.clone()), SMALL).expect("an index")
}

fn offset(value: u64) -> CommitLogOffset {
    CommitLogOffset::new(value)
}

#[test]
fn the_index_answers_as_a_naive_reader_of_the_log_does() {
    for seed in 0..30 {
        println!("seed {seed}");
        let disk = FakeDisk::new(seed);
        let mut history = History::new(seed);
        let mut index = open(&disk).index;
        for _ in 0..5 {
            let from = history.log.end();
            history.go_on(150);
            history.log.replay(from, &mut index);
            compare(&mut history, &index);
            assert_eq!(index.counts(), IndexCounts { refused: history.refused, unreadable: 0 });
        }
    }
}

#[test]
fn a_checkpoint_and_the_log_behind_it_give_the_same_answers_as_the_whole_log() {
    for seed in 100..130 {
        println!("seed {seed}");
        let disk = FakeDisk::new(seed);
        let mut history = History::new(seed);
        let mut index = open(&disk).index;
        for round in 0..6 {
            let from = history.log.end();
            let batches = 1 + history.rng.below(200);
            history.go_on(batches);
            history.log.replay(from, &mut index);
            if round != 2 {
                index.checkpoint(history.log.end()).expect("a checkpoint");
            }
            if history.rng.chance(50) {
                let opened = open(&disk);
                assert_eq!(opened.note, None);
                assert_eq!(opened.replay_from, if round == 2 { from } else { history.log.end() });
                index = opened.index;
                // A replay may begin earlier than it must.
                let early = history.rng.chance(50);
                history.log.replay(if early { offset(0) } else { opened.replay_from }, &mut index);
            }
            compare(&mut history, &index);
        }
    }
}

#[test]
fn what_the_log_has_lost_is_forgotten_and_nothing_else() {
    for seed in 200..230 {
        println!("seed {seed}");
        let disk = FakeDisk::new(seed);
        let mut history = History::new(seed);
        let mut index = open(&disk).index;
        for _ in 0..6 {
            let from = history.log.end();
            history.go_on(150);
            history.log.replay(from, &mut index);
            let batches = history.log.batches.iter().filter(|at| **at >= history.log.start);
            let batches: Vec<u64> = batches.copied().collect();
            let start = batches[history.rng.below(batches.len() as u64) as usize];
            history.trim(start);
            index.trim(offset(start));
            compare(&mut history, &index);
            if history.rng.chance(50) {
                index.checkpoint(history.log.end()).expect("a checkpoint");
                index = open(&disk).index;
                compare(&mut history, &index);
            }
            let mut rebuilt = open(&FakeDisk::new(0)).index;
            rebuilt.trim(offset(start));
            history.log.replay(offset(start), &mut rebuilt);
            compare_rebuilt(&mut history, &mut rebuilt);
        }
    }
}

/// Seed 3267 of the simulator: retention had dropped the half and its decision, the index was lost, and what had been
/// delivered as a committed transaction came as a plain message.
#[test]
fn seed_3267_a_delayed_commit_stays_a_transaction_for_an_index_that_knows_only_its_delivery() {
    use message::entry::{Deliver, Entry, Place};
    let mut index = open(&FakeDisk::new(1)).index;
    index.trim(offset(5_000));
    let place = Place::Link {
        topic: "orders",
        queue_id: 0,
        queue_offset: QueueOffset::new(9),
        record_at: offset(5_100),
        record_len: 300,
        tags_code: 0,
    };
    let mut payload = Vec::new();
    Entry::Deliver(Deliver { source: offset(77), half: true, place }).encode(&mut payload);
    index.apply(offset(6_000), Timestamp::from_millis(1), &payload).expect("an entry of our own");
    let item = index.item("orders", 0, QueueOffset::new(9)).expect("an index in memory").expect("it is visible");
    assert_eq!(item.half, Some(offset(77)));
}

#[test]
fn when_the_whole_log_is_gone_nothing_is_left_in_files_and_queues_go_on() {
    let disk = FakeDisk::new(1);
    let mut history = History::new(1);
    let mut index = open(&disk).index;
    history.go_on(800);
    history.log.replay(offset(0), &mut index);
    index.checkpoint(history.log.end()).expect("a checkpoint");
    assert!(disk.list("index").unwrap().len() > 10);
    let end = history.log.end().get();
    history.trim(end);
    index.trim(offset(end));
    index.checkpoint(history.log.end()).expect("a checkpoint");
    let left = disk.list("index").unwrap();
    assert!(left.len() <= 2, "{left:?}");
    history.go_on(100);
    history.log.replay(offset(end), &mut index);
    compare(&mut history, &index);
}

#[test]
fn a_queue_of_which_nothing_is_left_goes_on_where_it_is_told() {
    let mut index = open(&FakeDisk::new(1)).index;
    assert!(index.set_next("orders", 1, QueueOffset::new(500)));
    let bounds = QueueBounds { min: QueueOffset::new(500), max: QueueOffset::new(500) };
    assert_eq!(index.queue("orders", 1).unwrap(), Some(bounds));
    assert!(index.set_next("orders", 1, QueueOffset::new(501)));
    let mut history = History::new(1);
    history.go_on(50);
    history.log.replay(offset(0), &mut index);
    let (queue, known) = history.queues.iter().next().expect("a queue");
    assert!(index.set_next(queue.0, queue.1, QueueOffset::new(known.next)) || *queue == ("orders", 1));
    let (queue, known) = history.queues.iter().next_back().expect("a queue");
    assert!(!index.set_next(queue.0, queue.1, QueueOffset::new(known.next + 1)));
}

#[test]
fn an_index_that_ends_before_the_log_begins_goes_on_where_the_log_does() {
    let disk = FakeDisk::new(1);
    let mut history = History::new(5);
    let mut index = open(&disk).index;
    history.go_on(200);
    history.log.replay(offset(0), &mut index);
    index.checkpoint(history.log.end()).expect("a checkpoint");
    history.go_on(200);
    let start = history.log.batches[300];
    history.trim(start);
    let mut index = open(&disk).index;
    index.trim(offset(start));
    assert_eq!(index.applied(), offset(start));
    history.log.replay(index.applied(), &mut index);
    compare_rebuilt(&mut history, &mut index);
    index.checkpoint(history.log.end()).expect("a checkpoint");
    compare_rebuilt(&mut history, &mut open(&disk).index);
}

#[test]
fn an_entry_of_a_newer_version_is_left_out_and_told() {
    let mut index = open(&FakeDisk::new(1)).index;
    let unknown = index.apply(offset(56), Timestamp::ZERO, &[250, 1, 2]);
    assert!(matches!(unknown, Err(IndexError::Entry { .. })), "{unknown:?}");
    let no_record = index.apply(offset(100), Timestamp::ZERO, &[1, 2, 3]);
    assert!(matches!(no_record, Err(IndexError::Record { .. })), "{no_record:?}");
    assert_eq!(index.counts().unreadable, 2);
    assert_eq!(index.topics().len(), 0);
}

#[test]
fn a_hundred_thousand_queues_take_few_bytes_each_and_few_files() {
    let disk = FakeDisk::new(1);
    let bounds = IndexBounds { tail_bytes_max: 1 << 20, ..IndexBounds::default() };
    let mut index = Index::open_with(Arc::new(disk.clone()), bounds).expect("an index").index;
    let topics = 12_500;
    let queues = topics * 8;
    let mut at = 56;
    for round in 0..3 {
        for topic in 0..topics {
            let name = format!("topic-{topic}");
            for queue_id in 0..8 {
                let item = QueueItem {
                    queue_offset: QueueOffset::new(round),
                    record_at: offset(at),
                    record_len: 1200,
                    visible_at: offset(at),
                    visible_time: Timestamp::from_millis(1_700_000_000_000 + at as i64 / 1000),
                    tags_code: 7,
                    half: None,
                };
                let handle = match index.queues.find(&name, queue_id) {
                    Some(handle) => handle,
                    None => index.queues.add(&name, queue_id, |owner| queue::Queue::new(owner, round)),
                };
                index.queues.push(handle, &item, &mut index.files).expect("an item");
                at += 1300;
            }
        }
    }
    let memory = index.memory();
    assert!(memory.tails <= 1 << 20, "{memory:?}");
    assert!(memory.directory / queues < 220, "{} bytes for a queue", memory.directory / queues);
    assert!(index.files.files().len() <= 2, "{} files", index.files.files().len());
    let mut items = Vec::new();
    for topic in (0..topics).step_by(997) {
        let name = format!("topic-{topic}");
        assert_eq!(index.queue(&name, 3).unwrap().map(|bounds| bounds.max), Some(QueueOffset::new(3)));
        items.clear();
        index.items(&name, 3, QueueOffset::ZERO, 10, &mut items).unwrap();
        assert_eq!(items.iter().map(|item| item.queue_offset.get()).collect::<Vec<_>>(), [0, 1, 2]);
    }
}

#[test]
fn a_million_messages_take_less_than_half_a_megabyte_of_directory() {
    let mut index = open(&FakeDisk::new(1)).index;
    let handles: Vec<_> = (0..8).map(|id| index.queues.add("t", id, |owner| queue::Queue::new(owner, 0))).collect();
    let messages = 1_000_000;
    for i in 0..messages {
        let item = QueueItem {
            queue_offset: QueueOffset::new(i / 8),
            record_at: offset(56 + i * 1300),
            record_len: 1200,
            visible_at: offset(56 + i * 1300),
            visible_time: Timestamp::from_millis(1_700_000_000_000 + i as i64 / 100),
            tags_code: 7,
            half: None,
        };
        index.queues.push(handles[i as usize % 8], &item, &mut index.files).expect("an item");
    }
    let bytes = index.memory().directory;
    assert!(bytes < 500_000, "{bytes} bytes for {messages} messages");
    let written: u64 = index.files.files().map(|(_, len)| len).sum();
    assert!(written < messages * 8, "{written} bytes written for {messages} messages");
}

#[test]
fn a_tail_that_the_disk_refused_becomes_blocks_of_the_usual_size_later() {
    let disk = FakeDisk::new(1);
    let mut index = open(&disk).index;
    let handle = index.queues.add("t", 0, |owner| queue::Queue::new(owner, 5));
    let item = |i: u64| QueueItem {
        queue_offset: QueueOffset::new(i),
        record_at: offset(i * 1000),
        record_len: 900,
        visible_at: offset(i * 1000),
        visible_time: Timestamp::ZERO,
        tags_code: 0,
        half: None,
    };
    disk.set_capacity(0);
    let refused = (5..505).filter(|i| index.queues.push(handle, &item(*i), &mut index.files).is_err()).count();
    assert!(refused >= 3, "tried again with each block's worth of items");
    disk.set_capacity(1 << 30);
    (505..600).for_each(|i| index.queues.push(handle, &item(i), &mut index.files).expect("an item"));
    let queue = index.queues.get(handle);
    let firsts: Vec<_> = queue.blocks.iter().map(|block| block.first).collect();
    assert_eq!(firsts, [5, 133, 261, 389]);
    let mut items = Vec::new();
    index.items("t", 0, QueueOffset::ZERO, 1000, &mut items).expect("items");
    assert_eq!(items, (5..600).map(item).collect::<Vec<_>>());
}
