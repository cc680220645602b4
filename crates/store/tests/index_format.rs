//! Holds the section "Index files" of `docs/format.md` to the code: its tables are compared with bytes that it writes.

use std::sync::Arc;

use message::batch::FRAME_LEN;
use message::entry::{Entry, Messages};
use message::record::NewRecord;
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::disk::{Disk, FakeDisk};
use store::index::{Index, IndexBounds};

const DOCUMENT: &str = include_str!("../../../docs/format.md");

/// The rows of the first table below this heading, without the head of the table.
fn table(heading: &str) -> Vec<Vec<String>> {
    let mut lines = DOCUMENT.lines();
    assert!(lines.any(|line| line.trim_start_matches('#').trim() == heading && line.starts_with("###")), "{heading}");
    let rows = lines.take_while(|line| !line.starts_with('#')).skip_while(|line| !line.starts_with('|'));
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// The numbers of a header by the table of this heading, and its length.
fn header(heading: &str, bytes: &[u8]) -> (Vec<u64>, usize) {
    let mut at = 0;
    let mut values = Vec::new();
    for row in table(heading) {
        assert_eq!(row[0].parse(), Ok(at), "{heading}: {} begins where the field before it ends", row[2]);
        let size = if row[1] == "u64" { 8 } else { 4 };
        let mut number = [0; 8];
        number[..size].copy_from_slice(&bytes[at..at + size]);
        values.push(u64::from_le_bytes(number));
        at += size;
    }
    (values, at)
}

fn magic(text: &str) -> u64 {
    u64::from(u32::from_le_bytes(text.as_bytes().try_into().expect("4 letters")))
}

fn num(bytes: &mut &[u8]) -> u64 {
    let len = bytes.iter().position(|byte| *byte < 0x80).expect("a whole number") + 1;
    let (number, rest) = bytes.split_at(len);
    *bytes = rest;
    number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7F))
}

fn way(bytes: &mut &[u8]) -> i64 {
    let number = num(bytes);
    if number.is_multiple_of(2) { (number / 2) as i64 } else { -1 - (number / 2) as i64 }
}

fn file(disk: &FakeDisk, suffix: &str) -> Vec<u8> {
    let names = disk.list("index").expect("index/");
    let name = names.iter().find(|name| name.ends_with(suffix)).unwrap_or_else(|| panic!("no {suffix} in {names:?}"));
    let file = disk.open(&format!("index/{name}")).expect("the file");
    let mut bytes = vec![0; file.len().expect("its length") as usize];
    file.read_at(&mut bytes, 0).expect("its bytes");
    bytes
}

fn payload(queue_offset: u64) -> Vec<u8> {
    let host = "10.0.0.5:50000".parse().expect("an address");
    let record = NewRecord {
        topic: "orders",
        queue_id: 3,
        queue_offset: QueueOffset::new(queue_offset),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::ZERO,
        born_host: host,
        store_timestamp: Timestamp::ZERO,
        store_host: host,
        reconsume_times: 0,
        body: b"hello",
        properties: &format!("UNIQ_KEY\u{1}X{queue_offset}\u{2}TAGS\u{1}TagA"),
    };
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    let mut payload = Vec::new();
    Entry::Messages(Messages { records: &bytes }).encode(&mut payload);
    payload
}

const TIME: i64 = 1_700_000_000_000;

/// An index of 600 messages, one each 1000 bytes of log, and its checkpoint.
fn written() -> FakeDisk {
    let disk = FakeDisk::new(1);
    let bounds = IndexBounds { gathered_keys_max: 300, ..IndexBounds::default() };
    let mut index = Index::open_with(Arc::new(disk.clone()), bounds).expect("an index").index;
    for i in 0..600 {
        let at = CommitLogOffset::new(1000 + i * 1000);
        index.apply(at, Timestamp::from_millis(TIME + i as i64), &payload(i)).expect("an entry");
    }
    index.checkpoint(CommitLogOffset::new(601_000)).expect("a checkpoint");
    disk
}

#[test]
fn a_block_has_the_bytes_that_are_drawn() {
    let bytes = file(&written(), ".blk");
    let (values, len) = header("Block header", &bytes);
    let end = len + values[1] as usize;
    assert_eq!((values[0], values[3]), (magic("TDIB"), 0));
    let checked = [&bytes[..len - 4], &bytes[len..end]].concat();
    assert_eq!(values[4], u64::from(crc32fast::hash(&checked)));
    assert_eq!(header("Block header", &bytes[end..]).0[3], 128, "the second block begins with the 129th item");

    let flags: Vec<_> = table("Queue item").iter().map(|row| row[0].clone()).collect();
    assert_eq!(flags, ["-", "1", "2", "4", "8", "16"]);
    let mut items = &bytes[len..end];
    let record_len = (payload(0).len() - 1) as u64;
    let mut next = || {
        let (flags, rest) = items.split_first().expect("an item");
        items = rest;
        *flags
    };
    assert_eq!(next(), 4 | 8 | 16, "a plain message: its record is where it is visible");
    assert_eq!(num(&mut items), 1000 + FRAME_LEN as u64 + 1);
    assert_eq!(way(&mut items), TIME);
    assert_eq!(num(&mut items), record_len);
    assert_eq!(items[..4], 2_598_919_i32.to_le_bytes());
    items = &items[4..];
    assert_eq!((items[0], num(&mut &items[1..]), way(&mut &items[3..])), (4, 1000, 1));
}

#[test]
fn a_run_has_the_bytes_that_are_drawn() {
    let disk = written();
    let names = disk.list("index").expect("index/");
    let run = names.iter().find(|name| name.ends_with(".run")).expect("a run");
    let places: Vec<_> = run.trim_start_matches("keys-").trim_end_matches(".run").split('-').collect();
    assert_eq!(places, [format!("{:016x}", 1009), format!("{:016x}", 1009 + 299_000)]);
    let bytes = file(&disk, ".run");
    let (keys, table) = bytes.split_at(bytes.len() - 256 * 8);
    assert_eq!(keys.len(), 300 * header("Key", keys).1);
    let mut begin = 0;
    for bucket in table.chunks(8) {
        let end = u32::from_le_bytes(bucket[..4].try_into().expect("4 bytes")) as usize * 12;
        assert_eq!(bucket[4..], crc32fast::hash(&keys[begin..end]).to_le_bytes());
        let hashes: Vec<_> = keys[begin..end].chunks(12).map(|key| header("Key", key).0[0]).collect();
        assert!(hashes.is_sorted());
        assert!(keys[begin..end].chunks(12).all(|key| header("Key", key).0[1] % 1000 == 9));
        begin = end;
    }
    assert_eq!(begin, keys.len());
}

#[test]
fn a_checkpoint_has_the_bytes_that_are_drawn() {
    let bytes = file(&written(), "checkpoint");
    let (content, crc) = bytes.split_at(bytes.len() - 4);
    assert_eq!(crc, crc32fast::hash(content).to_le_bytes());
    let (values, len) = header("Checkpoint header", content);
    assert_eq!(values, [magic("TDIX"), 1, 601_000, 0]);
    let rest = &mut &content[len..];
    assert_eq!((num(rest), num(rest)), (1, 1), "one file of blocks, number 1");
    num(rest);
    assert_eq!((num(rest), num(rest)), (1, 6), "one topic with a name of six bytes");
    assert_eq!(rest[..6], *b"orders");
    *rest = &rest[6..];
    assert_eq!((num(rest), num(rest), num(rest), num(rest)), (1, 3, 0, 600), "queue 3, from 0 to 600");
    assert_eq!(num(rest), 4, "four blocks");
    for block in 0..4_i64 {
        let before = if block == 0 { 0 } else { 128 };
        let oldest = if block == 0 { 1009 } else { 128_000 };
        assert_eq!((way(rest), way(rest), way(rest)), (before, oldest, 127_000));
        assert_eq!(num(rest), 1);
        way(rest);
    }
    assert_eq!(num(rest), 600 - 4 * 128, "items in no block yet");
    let tail = num(rest) as usize;
    *rest = &rest[tail..];
    assert_eq!((num(rest), num(rest)), (0, 1), "no page of half slots, one run");
    let run = (num(rest), way(rest), way(rest), way(rest), num(rest));
    assert_eq!(run, (1009, 299_000, TIME, 299, 300));
    assert_eq!(num(rest), 1, "one list of keys in no run");
    assert_eq!((num(rest), way(rest), way(rest), way(rest)), (301_009, 299_000, TIME + 300, 299));
    let keys: u64 = (0..256)
        .map(|_| {
            let count = num(rest);
            *rest = &rest[count as usize * 12..];
            count
        })
        .sum();
    assert_eq!((keys, num(rest), num(rest)), (300, 0, 0), "no message that waits, no link");
    assert!(rest.is_empty());
}
