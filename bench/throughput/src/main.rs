//! Sends and transactions per second of any broker that speaks RocketMQ remoting, with so many requests in flight.
//!
//! `throughput ADDR MODE IN_FLIGHT CONNECTIONS SECONDS`, where MODE is `send`, `transaction` (half and decision both
//! answered) or `half` (halves that nobody decides). Bodies of 1 KiB to 8 queues of topic `throughput`. One line per run;
//! latencies are of whole operations. A closed loop: as fast as answers come.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use protocol::codes::RequestCode;
use protocol::encode::{FieldValue, RequestHeader};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::{HeaderBuffer, Language};

const TOPIC: &str = "throughput";
const GROUP: &str = "throughput_group";
const BODY: usize = 1024;
const QUEUES: u64 = 8;

/// One operation in flight: its number, and when it began.
#[derive(Clone, Copy)]
struct Slot {
    began: Instant,
    number: u64,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    slots: Vec<Slot>,
    next: u64,
    id: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Send,
    Transaction,
    Half,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse::<usize>().ok());
    let mode = match arguments.get(1).map(String::as_str) {
        Some("send") => Mode::Send,
        Some("transaction") => Mode::Transaction,
        Some("half") => Mode::Half,
        _ => return usage(),
    };
    let (Some(in_flight), Some(connections), Some(seconds)) = (number(2), number(3), number(4)) else { return usage() };
    let per_connection = in_flight.div_ceil(connections.max(1)).max(1);
    let threads: Vec<_> = (0..connections.max(1))
        .map(|id| {
            let address = arguments[0].clone();
            std::thread::spawn(move || {
                run(&address, mode, id as u64, per_connection, Duration::from_secs(seconds as u64))
            })
        })
        .collect();
    let mut latencies: Vec<u64> = Vec::new();
    for thread in threads {
        match thread.join() {
            Ok(Ok(mut found)) => latencies.append(&mut found),
            Ok(Err(error)) => return eprintln!("throughput: {error}"),
            Err(_) => return eprintln!("throughput: a thread panicked"),
        }
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or(0);
    println!(
        "{:?} {in_flight} in flight over {connections}: {:.0}/s, p50 {} us, p99 {} us",
        arguments[1],
        latencies.len() as f64 / seconds as f64,
        at(0.5),
        at(0.99),
    );
}

fn usage() {
    eprintln!("usage: throughput ADDR send|transaction|half IN_FLIGHT CONNECTIONS SECONDS");
}

fn run(address: &str, mode: Mode, id: u64, slots: usize, time: Duration) -> Result<Vec<u64>, String> {
    let stream = TcpStream::connect(address).map_err(|error| format!("cannot connect to {address}: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut connection = Connection { stream, input: Vec::new(), output: Vec::new(), slots: Vec::new(), next: 0, id };
    let now = Instant::now();
    for index in 0..slots {
        connection.slots.push(Slot { began: now, number: 0 });
        connection.begin(index, mode);
    }
    let end = now + time;
    let mut latencies = Vec::new();
    let mut header = HeaderBuffer::new();
    let mut buffer = vec![0; 256 << 10];
    while Instant::now() < end {
        connection.stream.write_all(&connection.output).map_err(|error| error.to_string())?;
        connection.output.clear();
        let got = connection.stream.read(&mut buffer).map_err(|error| error.to_string())?;
        if got == 0 {
            return Err("the broker closed the connection".into());
        }
        connection.input.extend_from_slice(&buffer[..got]);
        let input = std::mem::take(&mut connection.input);
        let mut at = 0;
        while let Some(frame) = scan(&input[at..], FRAME_SIZE_MAX).map_err(|error| error.to_string())? {
            at += frame.consumed;
            let answer = header.decode(&frame).map_err(|error| error.to_string())?;
            if !answer.is_response() {
                continue;
            }
            if answer.code != 0 {
                return Err(format!("answered with code {}: {}", answer.code, answer.remark.unwrap_or_default()));
            }
            let index = (answer.opaque >> 1) as usize;
            let decided = answer.opaque & 1 == 1;
            if mode == Mode::Transaction && !decided {
                let offset_id = answer.fields.str("msgId").map_err(|error| error.to_string())?.to_owned();
                let sequence = answer.fields.str("queueOffset").map_err(|error| error.to_string())?.to_owned();
                connection.decide(index, &offset_id, &sequence);
            } else {
                latencies.push(connection.slots[index].began.elapsed().as_micros() as u64);
                connection.begin(index, mode);
            }
        }
        connection.input = input[at..].to_vec();
    }
    Ok(latencies)
}

impl Connection {
    fn key(&self, number: u64) -> String {
        format!("{:08X}{:08X}{number:016X}", self.id, std::process::id())
    }

    fn begin(&mut self, index: usize, mode: Mode) {
        self.next += 1;
        self.slots[index] = Slot { began: Instant::now(), number: self.next };
        let key = self.key(self.next);
        let transactional = mode != Mode::Send;
        let mut properties = format!("UNIQ_KEY\u{1}{key}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}a\u{2}");
        if transactional {
            properties.push_str(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{GROUP}\u{2}"));
        }
        let queue = (self.next % QUEUES).to_string();
        let fields = [
            ("a", FieldValue::Str(GROUP)),
            ("b", FieldValue::Str(TOPIC)),
            ("c", FieldValue::Str("TBW102")),
            ("d", FieldValue::Str("8")),
            ("e", FieldValue::Str(&queue)),
            ("f", FieldValue::Str(if transactional { "4" } else { "0" })),
            ("g", FieldValue::Str("1795252202258")),
            ("h", FieldValue::Str("0")),
            ("i", FieldValue::Str(&properties)),
            ("j", FieldValue::Str("0")),
            ("k", FieldValue::Str("false")),
            ("m", FieldValue::Str("false")),
        ];
        self.append(RequestCode::SendMessageV2, (index << 1) as i32, &fields, &[b'x'; BODY]);
    }

    fn decide(&mut self, index: usize, offset_id: &str, sequence: &str) {
        let offset = u64::from_str_radix(&offset_id[offset_id.len() - 16..], 16).unwrap_or(0).to_string();
        let key = self.key(self.slots[index].number);
        let fields = [
            ("producerGroup", FieldValue::Str(GROUP)),
            ("tranStateTableOffset", FieldValue::Str(sequence)),
            ("commitLogOffset", FieldValue::Str(&offset)),
            ("commitOrRollback", FieldValue::Str("8")),
            ("fromTransactionCheck", FieldValue::Str("false")),
            ("msgId", FieldValue::Str(&key)),
            ("transactionId", FieldValue::Str(&key)),
        ];
        self.append(RequestCode::EndTransaction, (index << 1 | 1) as i32, &fields, b"");
    }

    fn append(&mut self, code: RequestCode, opaque: i32, fields: &[(&str, FieldValue<'_>)], body: &[u8]) {
        let header = RequestHeader { code, opaque, oneway: false, language: Language::Java, remark: None, fields };
        header.append(&mut self.output, body);
    }
}
