//! Attackers who send requests: too many of them, without reading an answer, or about what is not theirs.

use protocol::codes::RequestCode;
use protocol::encode::{Field as Named, RequestHeader};
use protocol::header::Language;

use crate::attack::{Attack, BLINK, Field, write};
use crate::broker::Broker;
use crate::wire::{COMMIT, Half, ROLLBACK, Wire, properties, pull_fields, send_fields};

const MIB: u64 = 1 << 20;

fn frame(code: RequestCode, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields: Vec<Named<'_>> = fields.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let mut out = Vec::new();
    RequestHeader { code, language: Language::Java, opaque: 1, oneway: false, remark: None, fields: &fields }
        .append(&mut out, body);
    out
}

/// A send, as it travels.
pub fn send(topic: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let pairs = properties(&[("UNIQ_KEY", key)]);
    frame(RequestCode::SendMessageV2, &send_fields(topic, &pairs), body)
}

/// Pulls large messages again and again, and reads none of them.
pub struct NeverReads;

impl Attack for NeverReads {
    fn name(&self) -> String {
        "32 consumers that never read".into()
    }

    fn settings(&self) -> &'static [&'static str] {
        &["limits.unread_bytes=32MiB", "limits.send_buffer=2MiB", "limits.message_size=512KiB"]
    }

    fn memory_max(&self) -> u64 {
        // All connections together, by what one answer is over; and what is read for them meanwhile.
        2 * 32 * MIB
    }

    fn threads(&self) -> usize {
        2
    }

    fn prepare(&mut self, broker: &mut Broker) {
        let mut wire = broker.connect();
        for number in 0..64 {
            wire.send("large", &format!("K{number}"), &[7; 64 << 10]);
        }
        // It says whom it closed, and why.
        broker.allow("limits.unread_bytes");
    }

    fn attack(&self, field: &Field, _thread: usize) {
        let pulls = frame(RequestCode::PullMessage, &pull_fields("g", "large", "0", "4", "0"), b"").repeat(200);
        let mut streams = Vec::new();
        while !field.is_over() {
            streams.extend(field.connect());
            for stream in &mut streams {
                if write(stream, &pulls) {
                    field.struck(200);
                }
            }
            if streams.len() == 16 {
                field.is_in_place();
                while !field.is_over() {
                    std::thread::sleep(BLINK);
                }
            }
        }
    }
}

/// Sends as fast as it can write, and reads no answer. Who is slowed down comes again.
pub struct Flood;

impl Attack for Flood {
    fn name(&self) -> String {
        "4 producers that flood and read nothing".into()
    }

    fn settings(&self) -> &'static [&'static str] {
        &["limits.unread_bytes=64MiB", "limits.send_buffer=8MiB"]
    }

    fn memory_max(&self) -> u64 {
        // Unread answers, and a segment of what was written just now.
        64 * MIB + 64 * MIB
    }

    fn threads(&self) -> usize {
        4
    }

    fn attack(&self, field: &Field, thread: usize) {
        field.is_in_place();
        let sends: Vec<u8> =
            (0..64).flat_map(|number| send("flooded", &format!("F{thread}-{number}"), &[b'f'; 256])).collect();
        while !field.is_over() {
            let Some(mut stream) = field.connect() else { continue };
            while !field.is_over() && write(&mut stream, &sends) {
                field.struck(64);
            }
            field.was_refused();
        }
    }
}

/// Decides transactions of others: by their right names for the wrong group, and by guesses.
#[derive(Default)]
pub struct Forged {
    halves: Vec<Half>,
}

/// Transactions that are attacked.
const VICTIMS: usize = 40;

impl Attack for Forged {
    fn name(&self) -> String {
        "answers to checks of other people's transactions".into()
    }

    fn memory_max(&self) -> u64 {
        16 * MIB
    }

    fn threads(&self) -> usize {
        2
    }

    fn prepare(&mut self, broker: &mut Broker) {
        let mut wire = broker.connect();
        self.halves =
            (0..VICTIMS).map(|number| wire.half("payers", "orders", &format!("T{number}"), b"body")).collect();
    }

    fn attack(&self, field: &Field, thread: usize) {
        let mut wire = Wire::connect(field.address);
        wire.produce_for(&format!("thief-{thread}@1"), "thieves");
        field.is_in_place();
        for half in self.halves.iter().cycle() {
            let group = |group: &str| Half { group: group.to_owned(), ..half.clone() };
            let forged = [
                group("thieves"),
                group(""),
                Half { offset: half.offset + 1, ..half.clone() },
                Half { sequence: half.sequence + 1, ..half.clone() },
                Half { key: "somebody-elses".to_owned(), ..half.clone() },
                Half { offset: 0, sequence: 0, ..group("thieves") },
                Half { offset: i64::MAX, sequence: i64::MAX, ..half.clone() },
                Half { offset: -1, sequence: -1, ..half.clone() },
            ];
            for forged in &forged {
                if field.is_over() {
                    return;
                }
                let decision = if thread == 0 { COMMIT } else { ROLLBACK };
                let answer = wire.end_with(forged, decision, true);
                assert!(!answer.is_success(), "{forged:?} was decided for {half:?}: {answer:?}");
                field.struck(1);
            }
        }
    }

    fn aftermath(&mut self, broker: &mut Broker, _field: &Field) {
        let mut wire = broker.connect();
        assert_eq!(wire.keys("orders"), Vec::<String>::new(), "nothing of it became visible");
        for half in &self.halves {
            let answer = wire.end(half, COMMIT);
            assert!(answer.is_success(), "its own group decides {half:?}: {answer:?}");
        }
        let mut keys = wire.keys("orders");
        keys.sort();
        let mut wanted: Vec<String> = self.halves.iter().map(|half| half.key.clone()).collect();
        wanted.sort();
        assert_eq!(keys, wanted);
    }
}
