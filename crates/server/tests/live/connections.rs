//! Connections of clients that are in a hurry, slow, silent, broken or hostile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use protocol::codes::RequestCode;
use protocol::encode::{Field, RequestHeader};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::{HeaderBuffer, Language};
use remoting::client::Received;

use crate::broker::{Broker, PATIENCE};
use crate::wire::{END, properties, pull_fields, send_fields};

/// A connection without a client: bytes.
pub struct Raw {
    pub stream: TcpStream,
    header: HeaderBuffer,
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that were looked at.
    taken: usize,
}

impl Raw {
    pub fn connect(broker: &Broker) -> Self {
        let stream = TcpStream::connect(broker.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Raw { stream, header: HeaderBuffer::new(), buffer: Vec::new(), taken: 0 }
    }

    /// Whether the other side has not closed it.
    pub fn is_open(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        match self.stream.read(&mut [0; 16]) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    /// The next answer: its number, code and body; `None` when the connection is closed instead.
    pub fn answer(&mut self) -> Option<(i32, i32, Vec<u8>)> {
        self.received().map(|answer| (answer.opaque, answer.code, answer.body))
    }

    /// The next answer, whole.
    pub fn received(&mut self) -> Option<Received> {
        loop {
            if let Some(frame) = scan(&self.buffer[self.taken..], FRAME_SIZE_MAX).unwrap() {
                let header = self.header.decode(&frame).unwrap();
                self.taken += frame.consumed;
                let fields = header.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                return Some(Received {
                    code: header.code,
                    opaque: header.opaque,
                    oneway: header.is_oneway(),
                    remark: header.remark.map(str::to_owned),
                    fields: fields.collect(),
                    body: frame.body.to_vec(),
                });
            }
            self.buffer.drain(..std::mem::take(&mut self.taken));
            let mut some = [0; 65_536];
            match self.stream.read(&mut some) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend_from_slice(&some[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}

/// A request as it travels.
pub fn frame(code: RequestCode, opaque: i32, oneway: bool, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields: Vec<Field<'_>> = fields.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let mut out = Vec::new();
    RequestHeader { code, language: Language::Java, opaque, oneway, remark: None, fields: &fields }
        .append(&mut out, body);
    out
}

fn send(opaque: i32, key: &str) -> Vec<u8> {
    let pairs = properties(&[("UNIQ_KEY", key)]);
    frame(RequestCode::SendMessageV2, opaque, false, &send_fields("orders", &pairs), b"body")
}

#[test]
fn a_code_that_nobody_serves_is_answered_with_3_and_the_connection_lives() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    for code in [9999, 3442, -1, 0, i32::MAX] {
        let answer = wire.call(code, &[("topic", "orders")], b"body");
        assert_eq!(answer.code, 3, "{code}");
        assert!(answer.remark.unwrap().contains("not supported"), "{code}");
    }
    wire.send("orders", "K1", b"body");
}

#[test]
fn what_is_sent_one_way_is_never_answered_not_even_when_it_is_wrong() {
    let broker = Broker::start();
    let mut raw = Raw::connect(&broker);
    let pairs = properties(&[("UNIQ_KEY", "K1")]);
    let send_fields = send_fields("orders", &pairs);
    let mut bytes = frame(RequestCode::SendMessageV2, 1, true, &send_fields, b"body");
    bytes.extend(frame(RequestCode::SendMessageV2, 2, true, &[], b"without fields"));
    bytes.extend(frame(RequestCode::EndTransaction, 3, true, &[("commitLogOffset", "77")], b""));
    bytes.extend(frame(RequestCode::GetAllTopicConfig, 4, true, &[], b""));
    bytes.extend(frame(RequestCode::GetMaxOffset, 5, false, &[("topic", "orders"), ("queueId", "0")], b""));
    raw.stream.write_all(&bytes).unwrap();
    let (opaque, code, _) = raw.answer().unwrap();
    assert_eq!((opaque, code), (5, 0), "the only answer is that to the only request that wants one");
    assert_eq!(broker.connect().keys("orders"), ["K1"]);
}

#[test]
fn a_frame_that_is_too_large_closes_the_connection_before_it_has_come() {
    let broker = Broker::start();
    for announced in [17_u32 << 20, u32::MAX, 0x4745_5420] {
        let mut raw = Raw::connect(&broker);
        raw.stream.write_all(&announced.to_be_bytes()).unwrap();
        raw.stream.write_all(&[0; 4]).unwrap();
        assert_eq!(raw.answer(), None, "{announced}");
    }
    broker.connect().send("orders", "K1", b"body");
}

#[test]
fn what_is_no_frame_closes_the_connection_and_nothing_else() {
    let broker = Broker::start();
    let mut bystander = broker.connect();
    let bad_header = {
        let mut bytes = 12_u32.to_be_bytes().to_vec();
        bytes.extend(8_u32.to_be_bytes());
        bytes.extend(b"{not it}");
        bytes
    };
    let header_longer_than_frame = [8_u32.to_be_bytes(), 100_u32.to_be_bytes(), *b"abcd"].concat();
    let unknown_serialization = [8_u32.to_be_bytes(), [9, 0, 0, 4], *b"abcd"].concat();
    for bytes in [bad_header, header_longer_than_frame, unknown_serialization, vec![0; 64]] {
        let mut raw = Raw::connect(&broker);
        raw.stream.write_all(&bytes).unwrap();
        assert_eq!(raw.answer(), None, "{bytes:?}");
    }
    bystander.send("orders", "K1", b"body");
}

#[test]
fn requests_that_come_in_one_piece_are_all_answered() {
    let broker = Broker::start();
    let mut raw = Raw::connect(&broker);
    let bytes: Vec<u8> = (0..200).flat_map(|number| send(number, &format!("K{number}"))).collect();
    raw.stream.write_all(&bytes).unwrap();
    let mut answered: Vec<i32> = (0..200)
        .map(|_| {
            let (opaque, code, _) = raw.answer().unwrap();
            assert_eq!(code, 0);
            opaque
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..200).collect::<Vec<_>>());
    let keys = broker.connect().keys("orders");
    assert_eq!(keys, (0..200).map(|number| format!("K{number}")).collect::<Vec<_>>());
}

#[test]
fn a_request_that_comes_in_pieces_is_answered_when_it_is_whole() {
    let broker = Broker::start();
    let mut raw = Raw::connect(&broker);
    let (first, second) = (send(1, "K1"), send(2, "K2"));
    // Cut in the length, in the header, in the body; the last piece has the next request's beginning.
    let bytes = [first.as_slice(), second.as_slice()].concat();
    let cuts = [2, 7, 100, first.len() - 2, first.len() + 3, bytes.len()];
    let mut at = 0;
    for cut in cuts {
        raw.stream.write_all(&bytes[at..cut]).unwrap();
        at = cut;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!([raw.answer().unwrap().0, raw.answer().unwrap().0], [1, 2]);
    // Somebody who goes away in the middle takes nobody along.
    raw.stream.write_all(&send(3, "K3")[..50]).unwrap();
    drop(raw);
    assert_eq!(broker.connect().keys("orders"), ["K1", "K2"]);
}

#[test]
fn a_decision_on_the_heels_of_its_half_in_one_piece_finds_it() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let half = wire.half("payers", "orders", "K1", b"body");
    let mut raw = Raw::connect(&broker);
    let (offset, sequence) = (half.offset.to_string(), half.sequence.to_string());
    let fields = [
        ("producerGroup", "payers"),
        ("tranStateTableOffset", &*sequence),
        ("commitLogOffset", &*offset),
        ("commitOrRollback", "8"),
        ("fromTransactionCheck", "false"),
        ("msgId", "K1"),
    ];
    assert_eq!(END, RequestCode::EndTransaction.code());
    let bytes: Vec<u8> = (1..=3).flat_map(|n| frame(RequestCode::EndTransaction, n, false, &fields, b"")).collect();
    raw.stream.write_all(&bytes).unwrap();
    for _ in 0..3 {
        assert_eq!(raw.answer().unwrap().1, 0);
    }
    assert_eq!(wire.keys("orders"), ["K1"]);
}

#[test]
fn a_consumer_that_does_not_read_costs_no_more_than_its_send_buffer() {
    let limits = ["limits.send_buffer=1MiB", "limits.pull_bytes=512KiB", "limits.message_size=512KiB"];
    let broker = Broker::with(&limits);
    let mut wire = broker.connect();
    for number in 0..32 {
        wire.send("orders", &format!("K{number}"), &[7; 32 << 10]);
    }
    let before = broker.memory("VmRSS");
    let pull = frame(RequestCode::PullMessage, 1, false, &pull_fields("g", "orders", "0", "4", "0"), b"");
    // A thousand answers of half a megabyte each.
    let lazy: Vec<Raw> = (0..4)
        .map(|_| {
            let mut raw = Raw::connect(&broker);
            raw.stream.write_all(&pull.repeat(250)).unwrap();
            raw
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut peak = 0;
    while Instant::now() < deadline {
        peak = peak.max(broker.memory("VmRSS"));
        // Others are served all the while.
        wire.send("others", "K", b"body");
        std::thread::sleep(Duration::from_millis(50));
    }
    let grown = peak.saturating_sub(before);
    assert!(grown < 4 * (4 << 20), "{grown} bytes more for 4 connections with send buffers of 1 MiB");
    // And once they read, they get everything.
    for mut raw in lazy {
        for _ in 0..250 {
            let (_, code, body) = raw.answer().expect("the connection lives");
            assert_eq!((code, body.len() > 400 << 10), (0, true));
        }
    }
}

#[test]
fn unfinished_requests_are_bounded_over_all_connections() {
    let broker = Broker::with(&["limits.in_flight_bytes=8MiB", "limits.frame_size=8MiB"]);
    let before = broker.memory("VmRSS");
    // Each says that it sends 7 MiB, and stops short.
    let mut unfinished: Vec<Raw> = (0..6)
        .map(|_| {
            let mut raw = Raw::connect(&broker);
            let mut bytes = (7_u32 << 20).to_be_bytes().to_vec();
            bytes.extend(100_u32.to_be_bytes());
            bytes.resize(3 << 20, b' ');
            // Those beyond the limit are closed while they write.
            let _ = raw.stream.write_all(&bytes);
            raw
        })
        .collect();
    // Whoever has sent whole requests is served.
    broker.connect().send("orders", "K1", b"body");
    // What was written may still be on its way.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open: usize = unfinished.iter_mut().map(|raw| usize::from(raw.is_open())).sum();
        if (1..=3).contains(&open) {
            break;
        }
        assert!(Instant::now() < deadline, "{open} of 6 connections are open, with 3 MiB each and 8 MiB for all");
        std::thread::sleep(Duration::from_millis(5));
    }
    let grown = broker.memory("VmRSS").saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_connection_lives() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let pairs = properties(&[("UNIQ_KEY", "K1")]);
    let refused = wire.try_send("orders", &pairs, &vec![1; (4 << 20) + 1], &[]);
    assert_eq!(refused.code, 13);
    assert!(refused.remark.unwrap().contains("limits.message_size"));
    assert!(wire.try_send("orders", &pairs, &vec![1; 4 << 20], &[]).is_success());
    let long = properties(&[("UNIQ_KEY", "K2"), ("p", &"x".repeat(33_000))]);
    assert_eq!(wire.try_send("orders", &long, b"body", &[]).code, 13);
    assert_eq!(wire.pull("orders", 0).messages[0].body.len(), 4 << 20, "a single large message is delivered");
    assert_eq!(wire.keys("orders"), ["K1"]);
}

#[test]
fn members_of_a_group_are_told_when_others_come_and_go() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.send("orders", "K1", b"body");
    wire.consume_for("c1@1", "cart", "orders");
    while wire.client.next_push(Duration::from_millis(200)).unwrap().is_some() {}
    let mut other = broker.connect();
    other.consume_for("c2@1", "cart", "orders");
    let told = wire.client.next_push(PATIENCE).unwrap().expect("it is told that somebody came");
    assert_eq!((told.code, told.field("consumerGroup"), told.oneway), (40, Some("cart"), true));
    drop(other);
    let told = wire.client.next_push(PATIENCE).unwrap().expect("it is told that somebody went");
    assert_eq!((told.code, told.field("consumerGroup")), (40, Some("cart")));
}

#[test]
fn connections_beyond_the_limit_are_closed_and_make_room_when_they_go() {
    let broker = Broker::with(&["limits.connections=3"]);
    let mut first: Vec<_> = (0..3).map(|_| broker.connect()).collect();
    for wire in &mut first {
        wire.send("orders", "K", b"body");
    }
    let mut fourth = Raw::connect(&broker);
    // Written before the broker has closed it, or after: nobody answers either way.
    let _ = fourth.stream.write_all(&send(1, "K"));
    assert_eq!(fourth.answer(), None);
    first.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut raw = Raw::connect(&broker);
        if raw.stream.write_all(&send(1, "K")).is_ok() && raw.answer().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "there is no room although a connection has gone");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let broker = Broker::with(&["limits.idle_timeout=1s"]);
    let mut silent = Raw::connect(&broker);
    let begun = Instant::now();
    assert_eq!(silent.answer(), None);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[test]
fn the_name_server_tells_where_a_topic_is() {
    let broker = Broker::start();
    broker.connect().send("orders", "K1", b"body");
    let mut names = crate::wire::Wire::connect(broker.nameserver());
    let route = names.get(105, &[("topic", "orders")], b"");
    let text = String::from_utf8(route.body).unwrap();
    assert!(text.contains(&broker.address().to_string()), "{text}");
    assert_eq!(names.call(105, &[("topic", "nothing-of-the-kind")], b"").code, 17);
}
