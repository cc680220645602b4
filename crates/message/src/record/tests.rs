use super::*;

/// The worked example of the protocol's appendix B: a record of 115 bytes.
const WORKED: &str = "00000073daa320a73610a686000000030000000000000000000000070000000000001000000000000000018bcfe56800\
0a0000050000c3500000018bcfe568010a00000900002a9f0000000000000000000000000000000568656c6c6f01540012554e49515f4b455901\
583102544147530161";

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex digits")).collect()
}

fn worked() -> NewRecord<'static> {
    NewRecord {
        topic: "T",
        queue_id: 3,
        queue_offset: QueueOffset::new(7),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::from_millis(1_700_000_000_000),
        born_host: "10.0.0.5:50000".parse().expect("an address"),
        store_timestamp: Timestamp::from_millis(1_700_000_000_001),
        store_host: "10.0.0.9:10911".parse().expect("an address"),
        reconsume_times: 0,
        body: b"hello",
        properties: "UNIQ_KEY\u{1}X1\u{2}TAGS\u{1}a",
    }
}

fn encoded(record: &NewRecord<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    bytes
}

fn delivery() -> Delivery {
    Delivery {
        queue_offset: QueueOffset::new(7),
        physical_offset: CommitLogOffset::new(4096),
        store_timestamp: Timestamp::from_millis(1_700_000_000_001),
        half: None,
    }
}

#[test]
fn a_record_has_the_bytes_of_the_worked_example() {
    let mut bytes = encoded(&worked());
    delivery().patch(&mut bytes).expect("a record");
    assert_eq!(bytes, from_hex(WORKED));
}

#[test]
fn a_record_is_read_back_field_by_field() {
    let bytes = from_hex(WORKED);
    let record = Record::parse(&bytes).expect("a record");
    assert_eq!(record.topic(), "T");
    assert_eq!(record.queue_id(), 3);
    assert_eq!(record.queue_offset(), QueueOffset::new(7));
    assert_eq!(record.physical_offset(), CommitLogOffset::new(4096));
    assert_eq!(record.body(), b"hello");
    assert_eq!(record.body_crc(), body_crc(b"hello"));
    assert_eq!(record.property("UNIQ_KEY"), Some("X1"));
    assert_eq!(record.property("TAGS"), Some("a"));
    assert_eq!(record.born_host(), "10.0.0.5:50000".parse().expect("an address"));
    assert_eq!(record.store_host(), "10.0.0.9:10911".parse().expect("an address"));
    assert_eq!(record.store_timestamp(), Timestamp::from_millis(1_700_000_000_001));
    assert_eq!((record.flag(), record.sys_flag(), record.reconsume_times()), (0, 0, 0));
    assert_eq!(record.prepared_transaction_offset(), CommitLogOffset::ZERO);
}

#[test]
fn a_committed_record_says_so_and_where_its_half_lies() {
    let mut bytes = encoded(&worked());
    Delivery { half: Some(CommitLogOffset::new(512)), ..delivery() }.patch(&mut bytes).expect("a record");
    let record = Record::parse(&bytes).expect("a record");
    assert_eq!(record.sys_flag(), sys_flag::TRANSACTION_COMMIT);
    assert_eq!(record.prepared_transaction_offset(), CommitLogOffset::new(512));
    assert_eq!(record.body(), b"hello");
}

#[test]
fn hosts_of_either_family_keep_every_other_field_in_place() {
    let v6 = "[2001:db8::1]:65535".parse().expect("an address");
    let v4 = "127.0.0.1:1".parse().expect("an address");
    for (born_host, store_host) in [(v4, v6), (v6, v4), (v6, v6)] {
        let new = NewRecord { born_host, store_host, reconsume_times: 5, ..worked() };
        let mut bytes = encoded(&new);
        assert_eq!(bytes.len(), new.encoded_len());
        Delivery { half: Some(CommitLogOffset::new(9)), ..delivery() }.patch(&mut bytes).expect("a record");
        let record = Record::parse(&bytes).expect("a record");
        assert_eq!((record.born_host(), record.store_host()), (born_host, store_host));
        assert_eq!((record.reconsume_times(), record.body()), (5, &b"hello"[..]));
        assert_eq!(record.store_timestamp(), Timestamp::from_millis(1_700_000_000_001));
        assert_eq!(record.prepared_transaction_offset(), CommitLogOffset::new(9));
    }
}

#[test]
fn no_cut_and_no_flipped_byte_of_a_record_makes_the_parser_panic() {
    let good = from_hex(WORKED);
    for end in 0..good.len() {
        assert!(Record::parse(&good[..end]).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(record) = Record::parse(&bytes) {
                let _ = (record.born_host(), record.store_host(), record.prepared_transaction_offset());
            }
            let _ = delivery().patch(&mut bytes);
        }
    }
}

/// Found by the fuzz target `record`: whoever pulled or was asked about such a record ended.
#[test]
fn a_record_that_says_it_is_shorter_than_its_fixed_part_is_refused() {
    let mut bytes = from_hex(WORKED);
    for said in 0..91_u32 {
        bytes[..4].copy_from_slice(&said.to_be_bytes());
        assert!(Record::parse(&bytes).is_err(), "{said} bytes");
    }
}
