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

impl RecordSource for Segments {
    fn read(&self, at: CommitLogOffset, len: usize, out: &mut Vec<u8>) -> Result<(), ReadError> {
        self.reads.set(self.reads.get() + 1);
        let outside = ReadError::Outside { at, len };
        let from = usize::try_from(at.get()).expect("a small log");
        let one_segment = self.segment_len == 0 || from / self.segment_len == (from + len - 1) / self.segment_len;
        match self.bytes.get(from..).and_then(|bytes| bytes.get(..len)) {
            Some(bytes) if one_segment => out.extend_from_slice(bytes),
            _ => return Err(outside),
        }
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
