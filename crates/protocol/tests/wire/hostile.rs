//! Bytes that nobody honest sends: whatever they are, the outcome is an error or a value, never a panic.

use protocol::batch;
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::HeaderBuffer;
use protocol::identifiers::OffsetMsgId;
use protocol::json::parse;
use protocol::request::connections::{ConsumerConnection, ProducerConnection};
use protocol::request::groups::SubscriptionGroupTable;
use protocol::request::lock::LockAnswer;
use protocol::request::reset::ResetOffsets;
use protocol::request::route::{ClusterInfo, TopicRouteData};
use protocol::request::stats::{BrokerStatsData, ConsumeStats, TopicStats};
use protocol::request::topics::{TopicConfig, TopicTable};

use crate::fixtures::all;
use crate::requests;

/// Marsaglia's xorshift: the same numbers from the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Walks through everything that a received frame walks through. Returns how far it came, to know that it came far.
fn receive(bytes: &[u8], buffer: &mut HeaderBuffer) -> usize {
    let Ok(Some(frame)) = scan(bytes, FRAME_SIZE_MAX) else {
        return 0;
    };
    let Ok(header) = buffer.decode(&frame) else {
        return 1;
    };
    let read = requests::read(&header, frame.body);
    for (key, value) in header.fields.iter() {
        assert!(header.fields.get(key).is_some());
        drop(OffsetMsgId::decode(value));
    }
    read_bodies(frame.body);
    if read.is_ok() { 3 } else { 2 }
}

fn read_bodies(body: &[u8]) {
    if let Ok(value) = parse(body) {
        let mut out = Vec::new();
        value.write(&mut out);
        assert_eq!(parse(&out).as_ref(), Ok(&value), "what was read is written and read again");
    }
    drop(batch::messages(body).collect::<Vec<_>>());
    drop(TopicRouteData::decode(body));
    drop(ClusterInfo::decode(body));
    drop(TopicStats::decode(body));
    drop(ConsumeStats::decode(body));
    drop(BrokerStatsData::decode(body));
    drop(ResetOffsets::decode(body));
    drop(LockAnswer::decode(body));
    drop(ConsumerConnection::decode(body));
    drop(ProducerConnection::decode(body));
    drop(TopicConfig::decode(body));
    drop(TopicTable::decode(body));
    drop(SubscriptionGroupTable::decode(body));
}

#[test]
fn recorded_frames_cut_off_anywhere_are_waited_for() {
    for fixture in all() {
        for size in 0..fixture.bytes.len() {
            assert_eq!(scan(&fixture.bytes[..size], FRAME_SIZE_MAX), Ok(None), "{} at {size}", fixture.name());
        }
    }
}

#[test]
fn recorded_headers_and_bodies_cut_off_anywhere_never_panic() {
    let mut buffer = HeaderBuffer::new();
    for fixture in all() {
        let frame = fixture.frame();
        for size in 0..frame.header.len() {
            let cut = protocol::frame::Frame { header: &frame.header[..size], ..frame };
            assert!(buffer.decode(&cut).is_err(), "{} at {size}", fixture.name());
        }
        fixture.with_header(|header, body| {
            for size in 0..body.len().min(600) {
                drop(requests::read(&header, &body[..size]));
                read_bodies(&body[..size]);
            }
        });
    }
}

#[test]
fn randomly_changed_frames_never_panic() {
    const ROUNDS_PER_FRAME: usize = 120;
    let fixtures = all();
    let mut buffer = HeaderBuffer::new();
    let mut reached = [0_usize; 4];
    for (number, fixture) in fixtures.iter().enumerate() {
        let seed = 0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1);
        let mut random = Random(seed);
        for round in 0..ROUNDS_PER_FRAME {
            let mut bytes = fixture.bytes.clone();
            for _ in 0..=random.below(3) {
                change(&mut bytes, &fixtures[random.below(fixtures.len())].bytes, &mut random);
            }
            let whole = bytes.clone();
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| receive(&bytes, &mut buffer)));
            match outcome {
                Ok(stage) => reached[stage] += 1,
                Err(panic) => {
                    eprintln!("{} with seed {seed:#x}, round {round}: {whole:?}", fixture.name());
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    assert!(reached.iter().all(|count| *count > 100), "every stage is reached: {reached:?}");
}

/// One change that keeps most of a frame intact, so that it gets past the first check.
fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const STINGS: &[u8] = b"\"\\{}[]:,0-9.eEntf'\x00\x01\x7F\x80\xFF \n";
    if bytes.len() < 16 {
        return;
    }
    let at = random.below(bytes.len());
    match random.below(6) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = STINGS[random.below(STINGS.len())],
        2 => {
            let end = (at + 1 + random.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        3 => {
            let from = random.below(other.len());
            let piece = &other[from..(from + 1 + random.below(40)).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        4 => bytes.insert(at, STINGS[random.below(STINGS.len())]),
        _ => {
            let size = [0_u32, 1, 0x7FFF_FFFF, u32::MAX, random.next() as u32][random.below(5)].to_be_bytes();
            let end = (at + 4).min(bytes.len());
            bytes[at..end].copy_from_slice(&size[..end - at]);
        }
    }
    // Sizes that hold, two times out of three: else nothing behind the first check would ever be reached.
    if bytes.len() >= 8 && random.below(3) > 0 {
        let total = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&total.to_be_bytes());
        let old = u32::from_be_bytes([0, bytes[5], bytes[6], bytes[7]]);
        let header_size = old.min(total.saturating_sub(4)).to_be_bytes();
        bytes[5..8].copy_from_slice(&header_size[1..]);
    }
}

#[test]
fn bodies_of_nothing_but_brackets_are_refused_without_a_deep_stack() {
    for bracket in ["{", "[", "{\"a\":", "[{", "{{"] {
        assert!(parse(bracket.repeat(200_000).as_bytes()).is_err(), "{bracket}");
    }
}
