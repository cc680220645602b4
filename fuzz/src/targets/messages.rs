use std::hint::black_box;

use message::batch::{BatchHeader, Sealed, payload_len, verify_entry};
use message::entry::Entry;
use message::names::{TOPIC_LEN_MAX, validate_group, validate_topic};
use message::properties::{PROPERTIES_LEN_MAX, copy_without, get, iter, push, with};
use message::record::{Delivery, Record};
use message::tags::tags_code;
use message::{CommitLogOffset, QueueOffset, Timestamp};

/// Where in a log the bytes are taken to lie.
const AT: CommitLogOffset = CommitLogOffset::new(4096);

/// Reads the records in a pull's answer, writes each anew, and patches it as a delivery does.
pub fn record(data: &[u8]) {
    let mut rest = data;
    while let Ok(found) = Record::parse(rest) {
        assert!(!found.bytes().is_empty());
        rest = &rest[found.bytes().len()..];
        let told = (found.queue_id(), found.flag(), found.queue_offset(), found.physical_offset(), found.sys_flag());
        let hosts = (found.born_host(), found.store_host(), found.born_timestamp(), found.store_timestamp());
        black_box((told, hosts, found.reconsume_times(), found.prepared_transaction_offset(), found.body_crc()));
        black_box(found.property("UNIQ_KEY"));
        if found.topic().len() <= TOPIC_LEN_MAX && found.properties().len() <= PROPERTIES_LEN_MAX {
            let new = found.to_new();
            let mut again = Vec::new();
            new.encode(&mut again);
            assert_eq!(again.len(), new.encoded_len());
            let again = Record::parse(&again).expect("a record of ours");
            assert_eq!(format!("{:?}", again.to_new()), format!("{new:?}"));
        }
        let mut copy = found.bytes().to_vec();
        let delivery = Delivery {
            queue_offset: QueueOffset::new(7),
            physical_offset: AT,
            store_timestamp: Timestamp::from_millis(9),
            half: (data.len().is_multiple_of(2)).then_some(AT),
        };
        delivery.patch(&mut copy).expect("what was read can be patched");
        let patched = Record::parse(&copy).expect("what was patched can be read");
        assert_eq!((patched.queue_offset(), patched.physical_offset()), (QueueOffset::new(7), AT));
        assert_eq!((patched.body(), patched.properties()), (found.body(), found.properties()));
    }
    let mut copy = data.to_vec();
    let delivery = Delivery {
        queue_offset: QueueOffset::new(1),
        physical_offset: AT,
        store_timestamp: Timestamp::from_millis(1),
        half: None,
    };
    drop(delivery.patch(&mut copy));
}

/// Reads a batch of the log as recovery does, and every entry in it.
pub fn batch(data: &[u8]) {
    black_box(payload_len(data));
    black_box(verify_entry(data, AT));
    if let Ok(header) = BatchHeader::parse(data, AT) {
        assert!(header.end() > AT);
    }
    if let Ok(sealed) = Sealed::parse(data, AT) {
        assert_eq!(sealed.entries().count(), sealed.header().entries as usize);
        for (at, payload) in sealed.entries() {
            assert!(at >= AT && at < sealed.header().end());
            entry(payload);
        }
    }
}

/// Reads an entry. What was read is the same after it was written.
pub fn entry(data: &[u8]) {
    let Ok(read) = Entry::decode(data) else { return };
    let mut written = Vec::new();
    read.encode(&mut written);
    let again = Entry::decode(&written).unwrap_or_else(|error| panic!("{read:?} cannot be read again: {error}"));
    assert_eq!(again, read);
}

/// Reads, looks up, adds, replaces and takes out properties; checks names and hashes tags.
pub fn properties(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    drop((validate_topic(text), validate_group(text), tags_code(text)));
    let pairs: Vec<_> = iter(text).collect();
    for (key, _) in pairs.iter().take(16) {
        // The last one counts, as in a map of Java's.
        let last = pairs.iter().rev().find(|(other, _)| other == key).map(|(_, value)| *value);
        assert_eq!(get(text, key), last, "{key:?}");
    }
    let changed = with(text, "UNIQ_KEY", "k");
    assert_eq!(get(&changed, "UNIQ_KEY"), Some("k"));
    let others = |text: &str| -> Vec<(String, String)> {
        iter(text)
            .filter(|(key, _)| *key != "UNIQ_KEY")
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    // A separator inside of a value becomes a space when it is written anew; nothing else changes.
    let spaced = |pairs: Vec<(String, String)>| -> Vec<(String, String)> {
        pairs.into_iter().map(|(key, value)| (key, value.replace('\u{1}', " "))).collect()
    };
    assert_eq!(others(&changed), spaced(others(text)));
    let mut without = String::new();
    copy_without(&changed, &["UNIQ_KEY"], &mut without);
    assert_eq!(get(&without, "UNIQ_KEY"), None);
    push(&mut without, "TAGS", text);
    let expected = text.replace(['\u{1}', '\u{2}'], " ");
    assert_eq!(
        get(&without, "TAGS"),
        Some(expected.as_str()).filter(|value| !value.is_empty()).or(get(&without, "TAGS"))
    );
}
