//! Bytes from anybody: recorded requests, damaged in every way. Nothing panics, nothing grows, honest clients go on.

use broker::Limits;
use protocol::frame::{FRAME_SIZE_MAX, scan};

use crate::fixtures::{conversation, names};
use crate::house::House;

/// Damaged requests that are sent. They take about a second.
const ROUNDS: u32 = 60_000;

/// A small generator (xorshift), so that a seed replays one history.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Numbers and words that programs stumble over.
const AWKWARD: [&str; 14] = [
    "-1",
    "0",
    "2147483647",
    "-2147483648",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "",
    "null",
    "{}",
    "\\u0001",
    "TBW102",
    "RMQ_SYS_TRANS_HALF_TOPIC",
];

/// Header and body of a frame, damaged.
fn damaged(random: &mut Random, header: &[u8], body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut header, mut body) = (header.to_vec(), body.to_vec());
    for _ in 0..=random.below(3) {
        let part = if random.below(3) == 0 { &mut body } else { &mut header };
        match random.below(7) {
            0 | 1 if !part.is_empty() => {
                let at = random.below(part.len());
                part[at] = random.next() as u8;
            }
            2 => part.truncate(random.below(part.len() + 1)),
            3 => {
                let (from, to) = (random.below(part.len() + 1), random.below(part.len() + 1));
                let copied = part[from.min(to)..from.max(to)].to_vec();
                let at = random.below(part.len() + 1);
                part.splice(at..at, copied.into_iter().take(2000));
            }
            // A number or a text becomes another: what still parses gets further than what does not.
            _ => {
                let quotes: Vec<usize> = (0..part.len()).filter(|at| part[*at] == b'"').collect();
                if quotes.len() >= 2 {
                    let start = random.below(quotes.len() - 1);
                    let word = AWKWARD[random.below(AWKWARD.len())];
                    part.splice(quotes[start] + 1..quotes[start + 1], word.bytes());
                }
            }
        }
    }
    (header, body)
}

fn frame(head_word_type: u32, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = ((4 + header.len() + body.len()) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(&(head_word_type << 24 | header.len() as u32).to_be_bytes());
    out.extend_from_slice(header);
    out.extend_from_slice(body);
    out
}

#[test]
fn damaged_requests_harm_nobody() {
    let requests: Vec<Vec<u8>> =
        names().into_iter().flat_map(conversation).filter(|line| line.to_broker).map(|line| line.bytes).collect();
    for seed in [0x5EED_0001, 0x5EED_0002, 0x5EED_0003] {
        let mut random = Random(seed);
        let limits = Limits { topics: 60, groups: 60, held_pulls: 50, open_transactions: 50, ..Limits::default() };
        let mut house = House::with(limits);
        let mut sessions = vec![house.open()];
        let honest = house.client("honest", Some("honest"), Some(("honest", &["orders"])));
        for round in 0..ROUNDS / 3 {
            let bytes = &requests[random.below(requests.len())];
            let whole = scan(bytes, FRAME_SIZE_MAX).unwrap().unwrap();
            let (header, body) = damaged(&mut random, whole.header, whole.body);
            let kind = if random.below(50) == 0 { 1 } else { u32::from(bytes[4]) };
            let session = sessions[random.below(sessions.len())];
            // A header that cannot be read closes the connection, as the owner of the socket would.
            let is_readable = house.send(session, &frame(kind, &header, &body)).is_ok();
            house.take(session);
            if !is_readable || random.below(100) == 0 {
                house.close(session);
                sessions.retain(|open| *open != session);
            }
            while sessions.len() < 4 {
                sessions.push(house.open());
            }
            if round % 100 == 0 {
                house.run_ms(random.below(40_000) as i64);
                let answer = house.message(honest, "orders", "0", "", b"still here");
                assert_eq!(answer.code, 0, "seed {seed:#x}, round {round}: {answer:?}");
                house.pushes(honest);
            }
            assert!(house.door.waiting() < 200, "seed {seed:#x}, round {round}: {} wait", house.door.waiting());
        }
        let state = house.broker.state();
        // Topics of groups come on top of those of clients.
        assert!(state.topics.len() <= 140 && state.groups.len() <= 70, "{} {}", state.topics.len(), state.groups.len());
        for session in sessions {
            house.close(session);
        }
        house.run_ms(30_000);
        assert_eq!(house.door.waiting(), 0, "seed {seed:#x}");
        let counters = *house.door.counters();
        assert!(counters.requests > 3000 && counters.malformed > 500, "{counters:?}");
    }
}

#[test]
fn answers_to_questions_nobody_asked_are_dropped() {
    let mut house = House::new();
    let client = house.open();
    let mut random = Random(7);
    for _ in 0..1000 {
        let header = format!(r#"{{"code":{},"flag":1,"opaque":{}}}"#, random.below(400), random.next() as i32);
        house.send(client, &frame(0, header.as_bytes(), b"{}")).unwrap();
    }
    assert_eq!(house.take(client), []);
    assert_eq!((house.door.counters().answers_unmatched, house.door.waiting()), (1000, 0));
}

#[test]
fn questions_to_clients_that_never_answer_are_bounded() {
    let mut house = House::new();
    let member = house.client("c1", None, Some(("cart", &["orders"])));
    let tool = house.open();
    for _ in 0..3000 {
        house.ask(tool, 307, 0, &[("consumerGroup", "cart"), ("clientId", "c1")], b"");
    }
    let refused = house.take(tool);
    assert_eq!((house.door.waiting(), refused.len()), (1024, 3000 - 1024));
    assert!(refused.iter().all(|(_, answer)| answer.code == 2), "busy: ask again later");
    house.close(member);
    assert_eq!((house.door.waiting(), house.take(tool).len()), (0, 1024));
}

#[test]
fn a_header_that_cannot_be_read_is_an_error_and_leaves_nothing_behind() {
    let mut house = House::new();
    let client = house.open();
    for header in ["", "{", "{}", r#"{"code":"x"}"#, "\u{0}\u{0}"] {
        assert!(house.send(client, &frame(0, header.as_bytes(), b"")).is_err(), "{header:?}");
    }
    assert!(house.send(client, &frame(1, b"short", b"")).is_err());
    assert_eq!(house.take(client), []);
    assert_eq!(house.call(client, 106, &[], b"").code, 0);
}
