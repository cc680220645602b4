use std::cell::Cell;
use std::sync::Arc;

use message::batch::{Batch, Sealed};
use message::entry::{Entry, Messages};
use message::record::{NewRecord, Record};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use super::*;
use crate::disk::FakeDisk;

/// A log in memory that is read in pieces of one segment each.
#[derive(Default)]
struct Segments {
    bytes: Vec<u8>,
    segment_len: usize,
    reads: Cell<usize>,
}

impl Segments {
    fn there(&self, at: CommitLogOffset, len: usize) -> Result<&[u8], ReadError> {
        self.reads.set(self.reads.get() + 1);
        let from = usize::try_from(at.get()).expect("a small log");
        let one_segment = self.segment_len == 0 || from / self.segment_len == (from + len - 1) / self.segment_len;
        let bytes = self.bytes.get(from..).and_then(|bytes| bytes.get(..len));
        bytes.filter(|_| one_segment).ok_or(ReadError::Outside { at, len })
    }
}

impl RecordSource for Segments {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.extend_from_slice(self.there(at, len)?);
        Ok(())
    }

    fn read_at(&self, at: CommitLogOffset, to: &mut [u8]) -> Result<(), ReadError> {
        to.copy_from_slice(self.there(at, to.len())?);
        Ok(())
    }
}

fn record(queue_offset: u64, body: &[u8], tag: &str) -> Vec<u8> {
    let host = "10.0.0.5:50000".parse().expect("an address");
    let mut bytes = Vec::new();
    let record = NewRecord {
        topic: "orders",
        queue_id: 0,
        queue_offset: QueueOffset::new(queue_offset),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::ZERO,
        born_host: host,
        store_timestamp: Timestamp::ZERO,
        store_host: host,
        reconsume_times: 0,
        body,
        properties: &format!("TAGS\u{1}{tag}"),
    };
    record.encode(&mut bytes);
    bytes
}

/// A log of these entries, each in a batch of its own, and its index.
fn logged(entries: &[Vec<u8>], segment_len: usize) -> (Segments, Index) {
    let mut log = Segments { segment_len, ..Segments::default() };
    let mut index = Index::open(Arc::new(FakeDisk::new(1))).expect("an index").index;
    let mut batch = Batch::new();
    for records in entries {
        batch.push(|out| Entry::Messages(Messages { records }).encode(out));
        let left = segment_len.checked_sub(log.bytes.len() % segment_len.max(1)).filter(|_| segment_len > 0);
        if left.is_some_and(|left| left < batch.framed_len()) {
            log.bytes.resize(log.bytes.len().next_multiple_of(segment_len), 0);
        }
        let at = CommitLogOffset::new(log.bytes.len() as u64);
        log.bytes.extend_from_slice(batch.seal(at, at, 0));
        let sealed = Sealed::of(&batch, at);
        sealed.entries().for_each(|(at, payload)| index.apply(at, Timestamp::ZERO, payload).expect("an entry"));
        batch.clear(0);
    }
    (log, index)
}

fn read<'a>(from: u64, limits: ReadLimits, filter: TagFilter<'a>) -> QueueRead<'a> {
    QueueRead { topic: "orders", queue_id: 0, from: QueueOffset::new(from), limits, filter }
}

const MANY: ReadLimits = ReadLimits { max_messages: 100, max_bytes: 1 << 20 };

fn queue_offsets(mut bytes: &[u8]) -> Vec<u64> {
    let mut offsets = Vec::new();
    while !bytes.is_empty() {
        let record = Record::parse(bytes).expect("records one behind the other");
        offsets.push(record.queue_offset().get());
        bytes = &bytes[record.bytes().len()..];
    }
    offsets
}

#[test]
fn records_that_lie_together_are_read_at_once() {
    let entries: Vec<_> = (0..10).map(|i| [record(i * 2, b"a", "x"), record(i * 2 + 1, b"b", "y")].concat()).collect();
    let (log, index) = logged(&entries, 0);
    let mut out = Vec::new();
    let found = read_messages(&log, &index, &read(3, MANY, TagFilter::All), &mut out).expect("a read");
    assert_eq!((found.status, found.count, found.next.get()), (ReadStatus::Found, 17, 20));
    assert_eq!(queue_offsets(&out), (3..20).collect::<Vec<_>>());
    assert_eq!(log.reads.get(), 1);
}

#[test]
fn records_that_lie_together_in_two_segments_are_read_one_by_one() {
    let entries: Vec<_> = (0..20).map(|i| record(i, &[b'a'; 100], "x")).collect();
    let (log, index) = logged(&entries, 1000);
    let mut out = Vec::new();
    let found = read_messages(&log, &index, &read(0, MANY, TagFilter::All), &mut out).expect("a read");
    assert_eq!((found.status, found.count), (ReadStatus::Found, 20));
    assert_eq!(queue_offsets(&out), (0..20).collect::<Vec<_>>());
}

#[test]
fn one_message_is_read_however_long_it_is() {
    let entries = [record(0, &[b'a'; 5000], "x"), record(1, b"b", "x")];
    let (log, index) = logged(&entries, 0);
    let mut out = Vec::new();
    for max_messages in [0, 5] {
        let limits = ReadLimits { max_messages, max_bytes: 100 };
        let found = read_messages(&log, &index, &read(0, limits, TagFilter::All), &mut out).expect("a read");
        assert_eq!((found.status, found.count, found.next.get()), (ReadStatus::Found, 1, 1));
    }
    assert_eq!(queue_offsets(&out), [0, 0]);
}

#[test]
fn a_filter_that_matches_nothing_looks_at_a_bounded_number_of_messages() {
    let count = SCAN_ITEMS_MAX as u64 + 500;
    let records: Vec<_> = (0..count).map(|i| record(i, b"a", "x")).collect();
    let entries: Vec<_> = records.chunks(300).map(<[Vec<u8>]>::concat).collect();
    let (log, index) = logged(&entries, 0);
    let filter = TagFilter::Hashes(&[12345]);
    let mut out = Vec::new();
    let first = read_messages(&log, &index, &read(0, MANY, filter), &mut out).expect("a read");
    assert_eq!((first.status, first.next.get()), (ReadStatus::NoMatch, SCAN_ITEMS_MAX as u64));
    let second = read_messages(&log, &index, &read(first.next.get(), MANY, filter), &mut out).expect("a read");
    assert_eq!((second.status, second.next.get()), (ReadStatus::NoMatch, count));
    let end = read_messages(&log, &index, &read(count, MANY, filter), &mut out).expect("a read");
    assert_eq!((end.status, end.next.get()), (ReadStatus::NoMessage, count));
    assert!(out.is_empty() && log.reads.get() == 0);
}

#[test]
fn a_read_that_fails_appends_nothing() {
    let entries: Vec<_> = (0..3).map(|i| record(i, &[b'a'; 3000], "x")).collect();
    let (mut log, index) = logged(&entries, 0);
    let len = log.bytes.len();
    log.bytes[len - 3100] ^= 1;
    log.bytes[len - 3116..len - 3090].fill(0);
    let mut out = vec![1, 2];
    let failed = read_messages(&log, &index, &read(0, MANY, TagFilter::All), &mut out);
    assert!(matches!(failed, Err(ReadError::NoRecord { .. })), "{failed:?}");
    assert_eq!(out, [1, 2]);
    log.bytes.truncate(len - 3200);
    let failed = read_messages(&log, &index, &read(0, MANY, TagFilter::All), &mut out);
    assert!(matches!(failed, Err(ReadError::Outside { .. })), "{failed:?}");
    assert_eq!(out, [1, 2]);
}

#[test]
fn a_record_forged_inside_of_a_body_is_no_message() {
    let forged = record(0, b"forged", "x");
    let (log, index) = logged(&[record(0, &forged, "x"), record(1, b"b", "x")], 0);
    let at = log.bytes.windows(forged.len()).position(|bytes| bytes == forged).expect("the forged record") as u64;
    let mut out = Vec::new();
    assert_eq!(resolve(&log, &index, CommitLogOffset::new(at), &mut out).expect("a lookup"), None);
    for at in 0..log.bytes.len() as u64 {
        let found = resolve(&log, &index, CommitLogOffset::new(at), &mut out).expect("a lookup");
        assert_eq!(found.is_some(), [65, 65 + entry_len(&forged)].contains(&at), "at {at}");
    }
    assert_eq!(queue_offsets(&out), [0, 1]);
}

/// Bytes from one record to the next, when each is in a batch of its own and the first has such a body.
fn entry_len(body: &[u8]) -> u64 {
    (record(0, body, "x").len() + 65) as u64
}

#[test]
fn a_record_longer_than_any_that_was_stored_is_not_even_read() {
    let mut header = [0; 100];
    header[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    header[4..8].copy_from_slice(&MAGIC_V1.to_be_bytes());
    let (log, index) = logged(&[record(0, &header, "x")], 0);
    let at = log.bytes.windows(100).position(|bytes| bytes == header).expect("the forged header") as u64;
    assert_eq!(resolve(&log, &index, CommitLogOffset::new(at), &mut Vec::new()).expect("a lookup"), None);
    assert!(log.reads.get() <= 3, "{} reads", log.reads.get());
}

/// A simulated disk read one bit back wrong, and the message was delivered with it.
#[test]
fn seed_17_a_body_that_is_damaged_is_not_delivered_and_those_before_it_are() {
    let entries: Vec<Vec<u8>> = (0..3).map(|i| record(i, b"as it was sent", "red")).collect();
    let (mut log, index) = logged(&entries, 0);
    let sent = b"as it was sent";
    let places = (0..log.bytes.len()).filter(|at| log.bytes[*at..].starts_with(sent));
    let second = places.collect::<Vec<_>>()[1];
    log.bytes[second + 3] ^= 1;
    let mut out = Vec::new();
    let found = read_messages(&log, &index, &read(0, MANY, TagFilter::All), &mut out).expect("the first is whole");
    assert_eq!((found.count, found.next), (1, QueueOffset::new(1)));
    assert_eq!(queue_offsets(&out), [0]);
    out.clear();
    let failed = read_messages(&log, &index, &read(1, MANY, TagFilter::All), &mut out);
    assert!(matches!(failed, Err(ReadError::Damaged { .. })), "{failed:?}");
    assert_eq!(out, []);
    let behind = read_messages(&log, &index, &read(2, MANY, TagFilter::All), &mut out).expect("the third is whole");
    assert_eq!(behind.count, 1);
}

/// Where the records of a queue lie, and how long they are.
type Places = Vec<(CommitLogOffset, usize)>;

/// Records of 100 bytes, in order, of as many queues as are asked for.
fn interleaved(queues: u64, records: u64) -> (Segments, Vec<Places>) {
    let mut log = Segments::default();
    let mut places = vec![Vec::new(); queues as usize];
    for number in 0..records {
        let record = record(number, &[number as u8; 100], "red");
        places[(number % queues) as usize].push((CommitLogOffset::new(log.bytes.len() as u64), record.len()));
        log.bytes.extend_from_slice(&record);
    }
    (log, places)
}

/// All records of a queue, ten at a time.
fn read_all(shared: &mut SharedBlocks, log: &Segments, queue_id: u32, places: &[(CommitLogOffset, usize)]) {
    let range = CommitLogOffset::ZERO..CommitLogOffset::new(log.bytes.len() as u64);
    for (number, places) in (0..).zip(places.chunks(10)) {
        let read = QueueRead { queue_id, ..read(number * 10, MANY, TagFilter::All) };
        let source = shared.of(log, range.clone(), &read);
        for (at, len) in places {
            let mut bytes = Vec::new();
            source.read(*at, *len, &mut bytes).expect("a record");
            assert_eq!(bytes, log.bytes[at.get() as usize..][..*len]);
        }
    }
}

#[test]
fn what_several_queues_are_read_from_is_read_once() {
    // As many blocks are complete as there is room for, and what comes behind them takes the room of none.
    let (log, places) = interleaved(8, 176);
    assert_eq!(log.bytes.len() / 4096, 8, "{} bytes", log.bytes.len());
    let mut shared = SharedBlocks::new(4096);
    read_all(&mut shared, &log, 0, &places[0]);
    assert_eq!(log.reads.take(), 22, "who is alone reads each record, and nothing else");
    read_all(&mut shared, &log, 1, &places[1]);
    let blocks = log.bytes.len() / 4096;
    let second = log.reads.take();
    assert!((blocks..blocks + 10).contains(&second), "{second} reads for {blocks} blocks, and of the one at the end");
    // The same queue again is another group.
    for queue_id in [2, 3, 4, 5, 6, 7, 7] {
        read_all(&mut shared, &log, queue_id, &places[queue_id as usize]);
        let more = log.reads.take();
        // The block at the end is not complete.
        assert!(more <= 6, "{more} reads for what is there");
        read_all(&mut shared, &log, queue_id, &places[queue_id as usize][..10]);
        assert_eq!(log.reads.take(), 0, "what lies in complete blocks is there");
    }
}

/// Records of a queue from a number on, as [`read_all`] reads them.
fn read_some(
    shared: &mut SharedBlocks,
    log: &Segments,
    queue_id: u32,
    from: usize,
    places: &[(CommitLogOffset, usize)],
) {
    let range = CommitLogOffset::ZERO..CommitLogOffset::new(log.bytes.len() as u64);
    let read = QueueRead { queue_id, ..read(from as u64, MANY, TagFilter::All) };
    let source = shared.of(log, range, &read);
    for (at, len) in &places[from..from + 10] {
        source.read(*at, *len, &mut Vec::new()).expect("a record");
    }
}

#[test]
fn what_lies_behind_a_block_that_several_read_is_read_as_a_whole_at_once() {
    let (log, places) = interleaved(8, 1600);
    let mut shared = SharedBlocks::new(4096);
    // Eight who keep in step. The second finds out that the first is not alone; from then on everybody knows.
    for from in (0..100).step_by(10) {
        (0..8).for_each(|queue_id| read_some(&mut shared, &log, queue_id, from, &places[queue_id as usize]));
    }
    let read_in_step = log.reads.take();
    let blocks = places[7][99].0.get() as usize / 4096;
    assert!((blocks..blocks + 15).contains(&read_in_step), "{read_in_step} reads of {blocks} blocks");
    // One of them goes on alone: as many blocks as are expected to be shared, then only what it wants.
    for from in (100..200).step_by(10) {
        read_some(&mut shared, &log, 0, from, &places[0]);
    }
    let records = places[0][100..].iter().filter(|(at, _)| at.get() as usize / 4096 > blocks + 8).count();
    let alone = log.reads.take();
    assert!(
        records > 50 && (records..records + 12).contains(&alone),
        "{alone} reads for {records} records and 8 blocks"
    );
}

#[test]
fn there_is_room_for_what_readers_that_are_apart_share_and_for_no_more_when_they_are_not() {
    let (log, places) = interleaved(2, 80_000);
    let blocks_up_to = |record: usize| places[0][record].0.get() as usize / 4096;
    // So many records of a queue are 60 blocks.
    let apart = (0..).step_by(10).find(|record| blocks_up_to(*record) >= 60).unwrap();
    let mut shared = SharedBlocks::new(4096);
    let mut go = |records: std::ops::Range<usize>, apart: usize| {
        log.reads.take();
        for from in records.step_by(10) {
            (0..2).for_each(|queue_id| read_some(&mut shared, &log, queue_id, from, &places[queue_id as usize]));
            if let Some(behind) = from.checked_sub(apart) {
                read_some(&mut shared, &log, 0, behind, &places[0]);
            }
        }
        log.reads.take()
    };
    // Another group comes 60 blocks behind. At first what it wants is gone, and read again.
    let first = go(0..4 * apart, apart);
    assert!((6 * 60..8 * 60).contains(&first), "{first} reads of 240 blocks for one, 180 for the other");
    go(4 * apart..12 * apart, apart);
    // There is room for it meanwhile: all is read once.
    let then = go(12 * apart..20 * apart, apart);
    assert!((8 * 60 - 10..8 * 60 + 10).contains(&then), "{then} reads of 480 blocks");
    // Nobody is behind for so long that there is no room for so many any more.
    let records = 20 * apart..39_000;
    let blocks = blocks_up_to(records.end) - blocks_up_to(records.start);
    assert!(blocks > 1500);
    let in_step = go(records, 0);
    assert!((blocks - 10..blocks + 10).contains(&in_step), "{in_step} reads of {blocks} blocks");
    let behind = go(39_000..39_000 + apart / 2, apart);
    assert!((55..70).contains(&behind), "{behind} reads of 30 blocks for one, 30 for the other");
}

#[test]
fn readers_in_step_at_many_places_of_the_log_share_what_they_read() {
    let (log, places) = interleaved(4, 48_000);
    let mut shared = SharedBlocks::new(4096);
    // Six groups far apart, each of four readers.
    let mut go = |records: std::ops::Range<usize>| {
        for from in records.step_by(10) {
            for group in 0..6 {
                let from = group * 2_000 + from;
                (0..4).for_each(|queue_id| read_some(&mut shared, &log, queue_id, from, &places[queue_id as usize]));
            }
        }
        log.reads.take()
    };
    go(0..1_000);
    let reads = go(1_000..1_900);
    let of_one = (places[0][1_900].0.get() - places[0][1_000].0.get()) as usize / 4096;
    let blocks = 6 * of_one;
    assert!((blocks..blocks + blocks / 8).contains(&reads), "{reads} reads of {blocks} blocks");
}

#[test]
fn a_record_in_two_blocks_is_whole_although_the_second_takes_the_place_of_the_first() {
    let (log, places) = interleaved(2, 8_000);
    let range = CommitLogOffset::ZERO..CommitLogOffset::new(log.bytes.len() as u64);
    let mut shared = SharedBlocks::new(4096);
    let mut one = |queue_id: u32, number: usize| {
        let read = QueueRead { queue_id, ..read(number as u64, MANY, TagFilter::All) };
        let (at, len) = places[queue_id as usize][number];
        let mut bytes = Vec::new();
        shared.of(&log, range.clone(), &read).read(at, len, &mut bytes).expect("a record");
        assert_eq!(bytes, log.bytes[at.get() as usize..][..len]);
    };
    let first_of = |block: u64| places[0].partition_point(|(at, _)| at.get() < block * 4096);
    // As many blocks as there is room for, far apart, each for two.
    for block in [0, 20, 40, 60, 80, 100, 120, 140] {
        (0..2).for_each(|queue_id| one(queue_id, first_of(block)));
    }
    let reads = log.reads.take();
    // The first queue's records are every other one, so the one at the boundary may be of either.
    let over = |queue: &Places| queue.iter().position(|(at, len)| at.get() < 4096 && at.get() + *len as u64 > 4096);
    let (queue_id, number) = (0..2).find_map(|id| Some((id, over(&places[id as usize])?))).expect("one lies in two");
    one(queue_id, number);
    assert_eq!((reads, log.reads.take()), (16, 2), "the second block, and the record");
}

#[test]
fn what_was_damaged_when_it_was_read_is_read_again() {
    let (mut log, places) = interleaved(2, 100);
    let mut shared = SharedBlocks::new(4096);
    let whole = log.bytes.clone();
    let (at, len) = places[0][5];
    log.bytes[at.get() as usize + 120] ^= 1;
    read_all(&mut shared, &log, 1, &places[1]);
    read_all(&mut shared, &log, 0, &places[0]);
    log.bytes = whole;
    let range = CommitLogOffset::ZERO..CommitLogOffset::new(log.bytes.len() as u64);
    let source = shared.of(&log, range, &read(5, MANY, TagFilter::All));
    let read = || {
        let mut bytes = Vec::new();
        source.read(at, len, &mut bytes).expect("a record");
        compare_body(&bytes, at)
    };
    assert!(matches!(read(), Err(ReadError::Damaged { .. })), "it is still in memory");
    source.distrust(at, len);
    assert!(read().is_ok());
}

#[test]
fn what_the_log_has_given_up_is_gone_although_a_block_has_it() {
    let (log, places) = interleaved(2, 100);
    let mut shared = SharedBlocks::new(4096);
    read_all(&mut shared, &log, 0, &places[0]);
    read_all(&mut shared, &log, 1, &places[1]);
    log.reads.take();
    let (at, len) = places[0][5];
    let range = at.plus(1)..CommitLogOffset::new(log.bytes.len() as u64);
    let source = shared.of(&log, range, &read(5, MANY, TagFilter::All));
    source.read(at, len, &mut Vec::new()).expect("this log has it");
    assert_eq!(log.reads.take(), 1, "the log is asked");
}
