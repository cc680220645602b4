//! Every question an index answers, asked of it and of the naive reader.

use message::record::{Delivery, Record};
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp};

use super::history::{History, ModelQueue, QUEUES, TOPICS};
use crate::index::{Boundary, Index, QueueBounds};
use crate::reader::{
    Found, KeyQuery, QueueRead, ReadLimits, ReadStatus, RecordSource, TagFilter, find_by_key, read_messages, resolve,
};

/// Compares all answers.
pub fn compare(history: &mut History, index: &Index) {
    for topic in TOPICS {
        for queue_id in 0..QUEUES {
            let known = history.queues.get(&(topic, queue_id)).cloned().filter(|queue| queue.next > 0);
            compare_queue(history, index, topic, queue_id, known.as_ref());
        }
    }
    let mut topics: Vec<_> = index.topics().collect();
    topics.sort_unstable();
    let mut known: Vec<_> =
        history.queues.iter().filter(|(_, queue)| queue.next > 0).map(|((topic, _), _)| *topic).collect();
    known.dedup();
    known.sort_unstable();
    assert_eq!(topics, known);
    compare_halves(history, index);
    compare_keys(history, index);
    compare_offsets(history, index);
    compare_links(history, index);
}

/// Compares all answers of an index that knows only what is left of the log.
pub fn compare_rebuilt(history: &mut History, index: &mut Index) {
    for ((topic, queue_id), queue) in &history.queues {
        assert!(index.set_next(topic, *queue_id, QueueOffset::new(queue.next)), "{topic} {queue_id}");
    }
    compare_with_set_queues(history, index);
}

/// As [`compare`], where queues that never had a message may have been set to begin at 0.
fn compare_with_set_queues(history: &mut History, index: &Index) {
    for ((topic, queue_id), known) in history.queues.clone() {
        compare_queue(history, index, topic, queue_id, Some(&known));
    }
    compare_halves(history, index);
    compare_keys(history, index);
    compare_offsets(history, index);
}

fn compare_queue(history: &mut History, index: &Index, topic: &'static str, queue_id: u32, known: Option<&ModelQueue>) {
    let bounds = index.queue(topic, queue_id).expect("bounds");
    let Some(known) = known else {
        assert_eq!(bounds, None, "{topic} {queue_id}");
        return;
    };
    let (min, max) = (QueueOffset::new(known.min), QueueOffset::new(known.next));
    assert_eq!(bounds, Some(QueueBounds { min, max }), "{topic} {queue_id}");
    let mut items = Vec::new();
    index.items(topic, queue_id, QueueOffset::ZERO, usize::MAX, &mut items).expect("items");
    assert_eq!(items, known.items, "{topic} {queue_id}");
    for _ in 0..10 {
        let (from, count) = (history.rng.below(known.next + 2), history.rng.below(300) as usize);
        items.clear();
        index.items(topic, queue_id, QueueOffset::new(from), count, &mut items).expect("items");
        let begin = (from.max(known.min) - known.min).min(known.items.len() as u64) as usize;
        let wanted = &known.items[begin..known.items.len().min(begin + count)];
        assert_eq!(items, wanted, "{topic} {queue_id} from {from}");
        compare_read(history, index, (topic, queue_id), known, from);
        compare_search(history, index, (topic, queue_id), known);
    }
}

fn compare_search(history: &mut History, index: &Index, queue: (&str, u32), known: &ModelQueue) {
    let time = match known.items.len() {
        0 => history.time(),
        len => known.items[history.rng.below(len as u64) as usize].visible_time.millis(),
    };
    let time = time - 3 + history.rng.below(7) as i64;
    let search = |boundary| {
        let found = index.search_by_time(queue.0, queue.1, Timestamp::from_millis(time), boundary);
        found.expect("a search").get()
    };
    let offset = |item: &QueueItem| item.queue_offset.get();
    let at_or_after = known.items.iter().find(|item| item.visible_time.millis() >= time).map_or(known.next, offset);
    assert_eq!(search(Boundary::Lower), at_or_after, "{queue:?} at {time}");
    let at_or_before = known.items.iter().rfind(|item| item.visible_time.millis() <= time);
    let none = if known.items.is_empty() { known.next } else { 0 };
    assert_eq!(search(Boundary::Upper), at_or_before.map_or(none, offset), "{queue:?} at {time}");
}

/// The record of an item as it is delivered.
fn delivered(history: &History, item: &QueueItem) -> Vec<u8> {
    let mut bytes = Vec::new();
    history.log.read(item.record_at, item.record_len as usize, &mut bytes).expect("a record");
    Delivery::of(item).patch(&mut bytes).expect("a record");
    bytes
}

fn compare_read(history: &mut History, index: &Index, queue: (&str, u32), known: &ModelQueue, from: u64) {
    let limits =
        ReadLimits { max_messages: history.rng.below(40) as usize, max_bytes: history.rng.below(5000) as usize };
    let tags = [known.items.first().map_or(5, |item| item.tags_code), 99];
    let filter = if history.rng.chance(50) { TagFilter::All } else { TagFilter::Hashes(&tags) };
    let read = QueueRead { topic: queue.0, queue_id: queue.1, from: QueueOffset::new(from), limits, filter };
    let mut out = vec![7];
    let found = read_messages(&history.log, index, &read, &mut out).expect("a read");
    let (mut bytes, mut count, mut next) = (vec![7], 0, from);
    for item in known.items.iter().filter(|item| item.queue_offset.get() >= from) {
        if filter == TagFilter::All || tags.contains(&item.tags_code) {
            let full = count == limits.max_messages || bytes.len() - 1 + item.record_len as usize > limits.max_bytes;
            if count > 0 && full {
                break;
            }
            bytes.extend_from_slice(&delivered(history, item));
            count += 1;
        }
        next = item.queue_offset.get() + 1;
        if count >= limits.max_messages.max(1) {
            break;
        }
    }
    let status = match from {
        _ if from < known.min => ReadStatus::OffsetTooSmall,
        _ if from > known.next => ReadStatus::OffsetTooLarge,
        _ if from == known.next => ReadStatus::NoMessage,
        _ if count == 0 => ReadStatus::NoMatch,
        _ => ReadStatus::Found,
    };
    let (count, next) = match status {
        ReadStatus::OffsetTooSmall => (0, known.min),
        ReadStatus::OffsetTooLarge | ReadStatus::NoMessage => (0, known.next),
        _ => (count, next),
    };
    let (min, max) = (QueueOffset::new(known.min), QueueOffset::new(known.next));
    assert_eq!(found, Found { status, next: QueueOffset::new(next), min, max, count }, "{read:?}");
    if status == ReadStatus::Found {
        assert!(out == bytes, "{read:?}");
    } else {
        assert_eq!(out, [7]);
    }
}

fn compare_halves(history: &History, index: &Index) {
    let end = history.halves.last_key_value().map_or(10, |(sequence, _)| sequence + 300);
    for sequence in 0..end {
        let known = history.halves.get(&sequence).copied();
        assert_eq!(index.half(QueueOffset::new(sequence)).expect("a slot"), known, "half {sequence}");
    }
}

fn compare_keys(history: &mut History, index: &Index) {
    for _ in 0..30 {
        let (topic, key) = (TOPICS[history.rng.below(3) as usize], history.some_key());
        let times = match history.rng.below(3) {
            0 => history.time() - 2000..=history.time(),
            _ => 0..=i64::MAX,
        };
        let known = history.with_key(topic, &key, times.clone());
        let times = Timestamp::from_millis(*times.start())..=Timestamp::from_millis(*times.end());
        let query = KeyQuery { topic, key: &key, times, max_messages: 10_000, max_bytes: usize::MAX };
        let mut out = Vec::new();
        let found = find_by_key(&history.log, index, &query, &mut out).expect("a lookup");
        let mut offsets: Vec<_> = found.iter().map(|item| item.visible_at.get()).collect();
        let bytes: Vec<u8> = found.iter().flat_map(|item| delivered(history, item)).collect();
        assert!(out == bytes, "{topic} {key}");
        offsets.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        assert_eq!(offsets, known, "{topic} {key}");
        let few = find_by_key(&history.log, index, &KeyQuery { max_messages: 3, ..query }, &mut out).expect("a lookup");
        assert_eq!(few[..], found[..known.len().min(3)], "{topic} {key}");
    }
}

fn compare_offsets(history: &mut History, index: &Index) {
    let items: Vec<_> = history.queues.values().flat_map(|queue| queue.items.clone()).collect();
    for item in items.iter().step_by(7) {
        let mut out = Vec::new();
        let found = resolve(&history.log, index, item.visible_at, &mut out).expect("a lookup");
        assert_eq!(found, Some(*item));
        assert!(out == delivered(history, item));
        if item.is_link() {
            assert_eq!(resolve(&history.log, index, item.record_at, &mut out).expect("a lookup"), None);
        }
    }
    let visible = |at: u64| items.iter().find(|item| item.visible_at.get() == at);
    for _ in 0..100 {
        let at = history.rng.below(history.log.end().get() + 100);
        let found = resolve(&history.log, index, CommitLogOffset::new(at), &mut Vec::new()).expect("a lookup");
        assert_eq!(found.as_ref(), visible(at), "at {at}");
    }
    for slot in history.halves.values() {
        let found = resolve(&history.log, index, slot.half, &mut Vec::new()).expect("a lookup");
        assert_eq!(found, None, "a half is not visible where it was stored");
    }
    assert!(items.iter().all(|item| Record::parse(&delivered(history, item)).is_ok()));
}

fn compare_links(history: &History, index: &Index) {
    let links = history.queues.values().flat_map(|queue| &queue.items).filter(|item| {
        // A carried record lies in the very entry that makes it visible.
        item.is_link() && item.record_at < item.visible_at
    });
    let last = links.map(|item| item.visible_at).max();
    let until = index.linked_until(CommitLogOffset::ZERO..history.log.end());
    assert!(last.is_none_or(|last| until >= last), "{until:?} for {last:?}");
}
