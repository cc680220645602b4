//! Holds `docs/format.md` to the code: its tables are read and compared with bytes that the code writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use message::batch::{Batch, FRAME_LEN, HEADER_LEN};
use message::entry::{
    Carried, Check, CheckOutcome, DecidedBy, Decision, Delay, Deliver, Entry, GroupConfig, Half, Messages, Note,
    OffsetChange, Outcome, Place, Scheduled, TopicConfig,
};
use message::record::NewRecord;
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::disk::{Disk, FakeDisk};
use store::log::{Log, LogConfig, SEGMENT_HEADER_LEN, SEGMENT_HEADER_USED};
use store::snapshot::{self, SNAPSHOT_HEADER_LEN};

const DOCUMENT: &str = include_str!("../../../docs/format.md");

/// The rows of the first table below this heading, without the head of the table.
fn table(heading: &str) -> Vec<Vec<String>> {
    let mut lines = DOCUMENT.lines();
    let found = lines.any(|line| line.trim_start_matches('#').trim() == heading && line.starts_with("##"));
    assert!(found, "docs/format.md has no heading {heading:?}");
    let rows = lines.take_while(|line| !line.starts_with('#')).skip_while(|line| !line.starts_with('|'));
    rows.take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn size(kind: &str) -> usize {
    match kind {
        "u8" => 1,
        "u16" => 2,
        "u32" | "i32" => 4,
        "u64" | "i64" | "host" => 8,
        other => panic!("{other:?} has no fixed size"),
    }
}

/// The numbers of a header by the table of this heading, after checking that its fields follow one another and fill it.
fn header(heading: &str, bytes: &[u8]) -> Vec<u64> {
    let mut at = 0;
    let mut values = Vec::new();
    for row in table(heading) {
        let [offset, kind, field] = &row[..] else { panic!("{heading}: a row of three: {row:?}") };
        assert_eq!(offset.parse(), Ok(at), "{heading}: {field} begins where the field before it ends");
        let mut number = [0; 8];
        number[..size(kind)].copy_from_slice(&bytes[at..at + size(kind)]);
        values.push(u64::from_le_bytes(number));
        at += size(kind);
        if field.starts_with("checksum of bytes 0 to ") {
            assert!(field.ends_with(&format!(" {}", at - 5)), "{heading}: {field}");
            assert_eq!(values.last(), Some(&u64::from(crc32fast::hash(&bytes[..at - 4]))), "{heading}: {field}");
        }
    }
    assert_eq!(at, bytes.len(), "{heading} is as long as its fields");
    values
}

fn magic(text: &str) -> u64 {
    u64::from(u32::from_le_bytes(text.as_bytes().try_into().expect("4 letters")))
}

fn bytes_of(disk: &FakeDisk, path: &str, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    let read = disk.open(path).expect("the file").read_at(&mut bytes, range.start).expect("its bytes");
    assert_eq!(read, bytes.len());
    bytes
}

#[test]
fn segments_and_batches_have_the_bytes_that_are_drawn() {
    let disk = FakeDisk::new(1);
    let config = LogConfig { segment_size: 8192, ..LogConfig::default() };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), config, CommitLogOffset::ZERO).expect("a log");
    let mut batch = Batch::new();
    for time in [1, 2, 3] {
        batch.clear(1 << 20);
        batch.set_time(Timestamp::from_millis(time));
        batch.push(|out| out.resize(out.len() + 3000, 7));
        batch.push(|out| out.extend_from_slice(b"second"));
        log.append(&mut batch).expect("room");
        log.sync().expect("a disk that works");
    }
    let len = (HEADER_LEN + 2 * FRAME_LEN + 3006) as u64;
    let base = 2 * len;
    assert_eq!(disk.list("log").expect("log/").len(), 3);
    let path = format!("log/{base:020}.seg");

    let used = header("Segment header", &bytes_of(&disk, &path, 0..SEGMENT_HEADER_USED as u64));
    assert_eq!(used[..5], [magic("TDS1"), 1, base, 8192, 0]);
    let zeros = bytes_of(&disk, &path, SEGMENT_HEADER_USED as u64..SEGMENT_HEADER_LEN);
    assert!(zeros.iter().all(|b| *b == 0));
    assert!(DOCUMENT.contains(&format!("begins at position `{SEGMENT_HEADER_LEN} + o - base`")));

    let begin = SEGMENT_HEADER_LEN;
    let values = header("Batch header", &bytes_of(&disk, &path, begin..begin + HEADER_LEN as u64));
    assert_eq!(values[..9], [magic("TDB1"), len, base, base, 3, 0, 2, 1, 0]);

    let frame = begin + HEADER_LEN as u64;
    let rows = table("Entry frame");
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["0", "4", &FRAME_LEN.to_string()]);
    let bytes = bytes_of(&disk, &path, frame..frame + FRAME_LEN as u64 + 3000);
    assert_eq!(bytes[..4], 3000_u32.to_le_bytes());
    let checked = [&(base + HEADER_LEN as u64).to_le_bytes()[..], &bytes[FRAME_LEN..]].concat();
    assert_eq!(bytes[4..8], crc32fast::hash(&checked).to_le_bytes());
}

#[test]
fn a_snapshot_has_the_bytes_that_are_drawn() {
    let disk = FakeDisk::new(1);
    let at = CommitLogOffset::new(4711);
    snapshot::write(&disk, at, Timestamp::from_millis(-5), b"state").expect("a disk that works");
    let path = format!("snapshots/{:020}.snap", 4711);
    let values = header("Snapshot header", &bytes_of(&disk, &path, 0..SNAPSHOT_HEADER_LEN as u64));
    let state_crc = u64::from(crc32fast::hash(b"state"));
    assert_eq!(values[..7], [magic("TDN1"), 1, 4711, -5_i64 as u64, 5, state_crc, 0]);
    let end = SNAPSHOT_HEADER_LEN as u64 + 5;
    assert_eq!(bytes_of(&disk, &path, SNAPSHOT_HEADER_LEN as u64..end), b"state");
    assert_eq!(disk.open(&path).expect("the file").len().expect("its length"), end);
}

#[test]
fn the_tandem_file_has_the_text_that_is_shown() {
    let disk = FakeDisk::new(1);
    store::directory::prepare(&disk, Path::new("data")).expect("a disk that works");
    let shown = DOCUMENT.split("## TANDEM").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("a block of text");
    let text = shown.strip_prefix("text\n").expect("a block of text");
    assert_eq!(bytes_of(&disk, "TANDEM", 0..text.len() as u64), text.as_bytes());
    assert_eq!(disk.open("TANDEM").expect("the file").len().expect("its length"), text.len() as u64);
}

fn record() -> NewRecord<'static> {
    NewRecord {
        topic: "orders",
        queue_id: 3,
        queue_offset: QueueOffset::new(7),
        flag: -2,
        sys_flag: 1,
        born_timestamp: Timestamp::from_millis(11),
        born_host: "10.0.0.5:50000".parse().expect("an address"),
        store_timestamp: Timestamp::from_millis(12),
        store_host: "10.0.0.9:10911".parse().expect("an address"),
        reconsume_times: 4,
        body: b"body",
        properties: "KEYS\u{1}a",
    }
}

#[test]
fn a_record_has_the_bytes_that_are_drawn() {
    let mut bytes = Vec::new();
    record().encode(&mut bytes);
    let mut at = 0;
    let mut values = Vec::new();
    for row in table("A record") {
        let [offset, kind, field] = &row[..] else { panic!("a row of three: {row:?}") };
        assert!(offset == "-" || offset.parse() == Ok(at), "{field} begins at {at}, not {offset}");
        let number = bytes[at..at + size(kind)].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        at += size(kind);
        if field.ends_with(" follows") || field.ends_with(" follow") {
            at += number as usize;
        }
        values.push(number);
    }
    assert_eq!(at, bytes.len());
    let host = |last: u64, port: u64| (10 << 24 | last) << 32 | port;
    let crc = u64::from(message::record::body_crc(b"body"));
    let magic = u64::from(message::record::MAGIC_V1);
    assert!(DOCUMENT.contains(&format!("{magic:#X}").replace("0X", "0x")));
    let flag = u64::from(-2_i32 as u32);
    let expected =
        [bytes.len() as u64, magic, crc, 3, flag, 7, 0, 1, 11, host(5, 50000), 12, host(9, 10911), 4, 0, 4, 6, 6];
    assert_eq!(values, expected);
}

/// A field of an entry as the document's types read it.
#[derive(PartialEq, Debug)]
enum Value {
    Number(i128),
    Text(String),
    Bytes(Vec<u8>),
    Many(Vec<Vec<Value>>),
    Place(u8, Vec<Value>),
    Nothing,
}

/// Reads fields from bytes by the types of the document.
struct Walk<'a>(&'a [u8]);

impl Walk<'_> {
    fn number(&mut self, kind: &str) -> i128 {
        let (taken, rest) = self.0.split_at(size(kind));
        self.0 = rest;
        let mut bytes = [0; 16];
        bytes[..taken.len()].copy_from_slice(taken);
        if kind.starts_with('i') && taken.last().is_some_and(|byte| byte >> 7 == 1) {
            bytes[taken.len()..].fill(0xFF);
        }
        i128::from_le_bytes(bytes)
    }

    fn text(&mut self) -> String {
        let len = self.number("u16") as usize;
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        String::from_utf8(taken.to_vec()).expect("UTF-8")
    }

    fn value(&mut self, kind: &str) -> Value {
        if let Some(inner) = kind.strip_prefix("n x ") {
            return self.many("u32", inner);
        }
        if let Some(inner) = kind.strip_prefix("n16 x ") {
            return self.many("u16", inner);
        }
        match kind {
            "str" => Value::Text(self.text()),
            "opt str" => match self.number("u8") {
                0 => Value::Nothing,
                _ => Value::Text(self.text()),
            },
            "record" | "records" => Value::Bytes(std::mem::take(&mut self.0).to_vec()),
            "place" => {
                let which = self.number("u8") as u8;
                let row = table("Place").into_iter().find(|row| row[0] == which.to_string());
                let row = row.unwrap_or_else(|| panic!("place {which} is not in docs/format.md"));
                let kinds = row[2].split(", ").filter(|field| !field.is_empty());
                let fields = kinds.map(|field| self.value(field.split(' ').next().expect("a type"))).collect();
                Value::Place(which, fields)
            }
            number => Value::Number(self.number(number)),
        }
    }

    fn many(&mut self, count: &str, inner: &str) -> Value {
        let inner = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).expect("brackets");
        let count = self.number(count);
        Value::Many((0..count).map(|_| split(inner).iter().map(|kind| self.value(kind)).collect()).collect())
    }
}

/// Splits at commas that are in no brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(list[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list[from..].trim());
    parts
}

fn number(value: impl Into<i128>) -> Value {
    Value::Number(value.into())
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn bytes(value: &[u8]) -> Value {
    Value::Bytes(value.to_vec())
}

/// Entries, the name each has in the document, and its fields as the document must read them.
fn samples() -> Vec<(Entry<'static>, &'static str, Vec<Value>)> {
    let at = CommitLogOffset::new;
    let ms = Timestamp::from_millis;
    let link = Place::Link {
        topic: "t",
        queue_id: 3,
        queue_offset: QueueOffset::new(4),
        record_at: at(5),
        record_len: 6,
        tags_code: -7,
    };
    let link_fields = vec![text("t"), number(3), number(4), number(5), number(6), number(-7)];
    let half = Half {
        sequence: QueueOffset::new(2),
        immunity_ms: Some(6000),
        delay: Delay::AfterMs(500),
        group: "g",
        client: "c",
        record: b"record",
    };
    let decision = Decision {
        half: at(10),
        sequence: QueueOffset::new(11),
        previous: at(12),
        time: ms(13),
        outcome: Outcome::Commit,
        by: DecidedBy::Producer,
        who: "who",
        why: "why",
        place: link,
    };
    let decided = |outcome: u8, by: u8, place: Value| {
        let mut fields = vec![number(10), number(11), number(12), number(13), number(outcome), number(by)];
        fields.extend([text("who"), text("why"), place]);
        fields
    };
    let carry = Place::Carry { queue_offset: QueueOffset::new(1), tags_code: -1, record: b"record" };
    let carried = Value::Place(2, vec![number(1), number(-1), bytes(b"record")]);
    let later = Value::Place(3, vec![number(-99)]);
    let check = |outcome| Check { half: at(20), previous: at(21), time: ms(22), outcome, client: "c" };
    let note = Note { half: at(30), previous: at(31), time: ms(32), who: "who", why: "why" };
    let noted = || vec![number(30), number(31), number(32), text("who"), text("why")];
    let topic = TopicConfig {
        write_queues: 9,
        sys_flag: -1,
        order: true,
        attributes: vec![("k".into(), "v".into())],
        ..TopicConfig::new("t", 8)
    };
    let topic_fields = vec![
        text("t"),
        number(8),
        number(9),
        number(6),
        number(-1),
        number(1),
        number(0),
        Value::Many(vec![vec![text("k"), text("v")]]),
    ];
    let group = GroupConfig { consume_message_orderly: true, broker_id: -3, sys_flag: 5, ..GroupConfig::new("g") };
    let group_fields =
        vec![text("g"), number(0b11111), number(1), number(16), number(-3), number(1), number(5), number(15)];
    let queues = vec![(1, QueueOffset::new(2)), (3, QueueOffset::new(4))];
    let offsets = vec![OffsetChange { group: "g", topic: "t", queues }];
    let queue_fields = Value::Many(vec![vec![number(1), number(2)], vec![number(3), number(4)]]);
    let key = |value| Entry::KeyValue { namespace: "n", key: "k", value };
    vec![
        (Entry::Messages(Messages { records: b"records" }), "Messages", vec![bytes(b"records")]),
        (
            Entry::Half(half),
            "Half",
            vec![number(2), number(6000), number(1), number(500), text("g"), text("c"), bytes(b"record")],
        ),
        (
            Entry::Half(Half { immunity_ms: None, delay: Delay::At(ms(-8)), ..half }),
            "Half",
            vec![number(2), number(u32::MAX), number(2), number(-8), text("g"), text("c"), bytes(b"record")],
        ),
        (
            Entry::Half(Half { delay: Delay::None, ..half }),
            "Half",
            vec![number(2), number(6000), number(0), number(0), text("g"), text("c"), bytes(b"record")],
        ),
        (Entry::Decision(decision), "Decision", decided(1, 1, Value::Place(1, link_fields))),
        (
            Entry::Decision(Decision { by: DecidedBy::CheckAnswer, place: carry, ..decision }),
            "Decision",
            decided(1, 2, carried),
        ),
        (
            Entry::Decision(Decision {
                by: DecidedBy::Operator,
                place: Place::Later { deliver_at: ms(-99) },
                ..decision
            }),
            "Decision",
            decided(1, 3, later),
        ),
        (
            Entry::Decision(Decision {
                outcome: Outcome::Rollback,
                by: DecidedBy::Exhausted,
                place: Place::Nowhere,
                ..decision
            }),
            "Decision",
            decided(2, 4, Value::Place(0, Vec::new())),
        ),
        (
            Entry::Check(check(CheckOutcome::Unknown)),
            "Check",
            vec![number(20), number(21), number(22), number(1), text("c")],
        ),
        (
            Entry::Check(check(CheckOutcome::Silent)),
            "Check",
            vec![number(20), number(21), number(22), number(2), text("c")],
        ),
        (Entry::SetAside(note), "SetAside", noted()),
        (Entry::Resume(note), "Resume", noted()),
        (
            Entry::Scheduled(Scheduled { deliver_at: ms(-1), sequence: QueueOffset::new(2), record: b"record" }),
            "Scheduled",
            vec![number(-1), number(2), bytes(b"record")],
        ),
        (
            Entry::Deliver(Deliver { source: at(77), half: true, place: Place::Nowhere }),
            "Deliver",
            vec![number(77), number(1), Value::Place(0, Vec::new())],
        ),
        (Entry::Offsets(offsets), "Offsets", vec![Value::Many(vec![vec![text("g"), text("t"), queue_fields]])]),
        (Entry::Topic(topic), "Topic", topic_fields),
        (Entry::TopicDeleted { name: "t" }, "TopicDeleted", vec![text("t")]),
        (Entry::Group(group), "Group", group_fields),
        (Entry::GroupDeleted { name: "g", offsets: true }, "GroupDeleted", vec![text("g"), number(1)]),
        (key(Some("v")), "KeyValue", vec![text("n"), text("k"), text("v")]),
        (key(None), "KeyValue", vec![text("n"), text("k"), Value::Nothing]),
        (Entry::Carried(Carried { source: at(8), record: b"record" }), "Carried", vec![number(8), bytes(b"record")]),
    ]
}

/// No `_` arm: a new entry needs its name, and thereby its place in the document, before this compiles.
fn name(entry: &Entry<'_>) -> &'static str {
    match entry {
        Entry::Messages(_) => "Messages",
        Entry::Half(_) => "Half",
        Entry::Decision(_) => "Decision",
        Entry::Check(_) => "Check",
        Entry::SetAside(_) => "SetAside",
        Entry::Resume(_) => "Resume",
        Entry::Scheduled(_) => "Scheduled",
        Entry::Deliver(_) => "Deliver",
        Entry::Offsets(_) => "Offsets",
        Entry::Topic(_) => "Topic",
        Entry::TopicDeleted { .. } => "TopicDeleted",
        Entry::Group(_) => "Group",
        Entry::GroupDeleted { .. } => "GroupDeleted",
        Entry::KeyValue { .. } => "KeyValue",
        Entry::Carried(_) => "Carried",
    }
}

#[test]
fn entries_have_the_kinds_and_fields_that_are_drawn() {
    let kinds: BTreeMap<u8, String> =
        table("Entries").into_iter().map(|row| (row[0].parse().expect("a number"), row[1].clone())).collect();
    let mut seen = BTreeMap::new();
    for (entry, documented, expected) in samples() {
        assert_eq!(name(&entry), documented);
        let mut payload = Vec::new();
        entry.encode(&mut payload);
        assert_eq!(Entry::decode(&payload).as_ref(), Ok(&entry));
        seen.insert(payload[0], documented.to_owned());
        let mut walk = Walk(&payload[1..]);
        let fields: Vec<Value> = table(documented).iter().map(|row| walk.value(&row[0])).collect();
        assert_eq!(fields, expected, "{documented}");
        assert!(walk.0.is_empty(), "{documented}: {} bytes are not drawn", walk.0.len());
    }
    assert_eq!(kinds, seen, "all kinds, and no other");
    for kind in 0..=u8::MAX {
        let unknown = Entry::decode(&[kind]).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(unknown.contains("entry kind"), !kinds.contains_key(&kind), "kind {kind}: {unknown}");
    }
}

#[test]
fn the_files_that_are_listed_are_those_that_are_written() {
    let listed: Vec<String> = table("The data directory").into_iter().map(|row| row[0].clone()).collect();
    for path in ["TANDEM", "LOCK", "log/<base>.seg", "log/spare-<n>.seg", "snapshots/<at>.snap", "index/", "damaged/"] {
        assert!(listed.iter().any(|cell| cell.contains(&format!("`{path}`"))), "{path}");
    }
}
