//! Requests, made once and patched: what changes has a fixed width.

use std::time::Instant;

use protocol::codes::RequestCode;
use protocol::encode::{Field, RequestHeader};
use protocol::header::Language;
use protocol::request::pull::{PULL_COMMIT_OFFSET, PULL_SUBSCRIPTION, PULL_SUSPEND, PullHeader};
use protocol::request::transaction::{Decision, EndTransactionHeader};

/// Producers belong to this group.
pub(crate) const PRODUCER_GROUP: &str = "bench_producers";
/// Correlation ids begin here, so that all of them have ten digits.
pub(crate) const OPAQUE_BASE: i32 = 1_000_000_000;
/// Longest that a pull is held, in ms.
const HOLD_MS: i64 = 15_000;
/// Digits of a unique id.
const KEY_LEN: usize = 32;

/// What is stored, and how: a frame whose correlation id, unique id and first bytes of the body are written over.
pub(crate) struct Template {
    frame: Vec<u8>,
    opaque: usize,
    key: usize,
    body: usize,
}

impl Template {
    /// A send to this queue, or a half for it.
    pub(crate) fn new(topic: &str, queue: u32, queues: u32, body: usize, half: bool) -> Self {
        let key = "K".repeat(KEY_LEN);
        let mut properties = format!("UNIQ_KEY\u{1}{key}\u{2}WAIT\u{1}true\u{2}TAGS\u{1}bench\u{2}");
        if half {
            properties.push_str(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}{PRODUCER_GROUP}\u{2}"));
        }
        let sys_flag = if half { 4 } else { 0 };
        let born = protocol_time();
        let fields: [Field<'_>; 12] = [
            ("a", PRODUCER_GROUP.into()),
            ("b", topic.into()),
            ("c", "TBW102".into()),
            ("d", (queues as i32).into()),
            ("e", (queue as i32).into()),
            ("f", sys_flag.into()),
            ("g", born.into()),
            ("h", 0.into()),
            ("i", properties.as_str().into()),
            ("j", 0.into()),
            ("k", false.into()),
            ("m", false.into()),
        ];
        let mut frame = Vec::new();
        append(&mut frame, RequestCode::SendMessageV2, OPAQUE_BASE, false, &fields, &vec![b'x'; body]);
        let find = |what: &str| {
            let mut places = frame.windows(what.len()).enumerate().filter(|(_, bytes)| *bytes == what.as_bytes());
            places.next().map(|(at, _)| at).expect("it was just written")
        };
        let (opaque, key) = (find(&OPAQUE_BASE.to_string()), find(&key));
        Template { opaque, key, body: frame.len() - body, frame }
    }

    /// Appends a frame with this correlation id, unique id and moment.
    pub(crate) fn append(&self, out: &mut Vec<u8>, opaque: i32, key: Key, moment: u64) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        let mut number = opaque as u32;
        for digit in frame[self.opaque..self.opaque + 10].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        frame[self.key..self.key + KEY_LEN].copy_from_slice(&key.0);
        frame[self.body..self.body + 8].copy_from_slice(&moment.to_be_bytes());
    }
}

/// A unique id: who, and the how manieth.
#[derive(Clone, Copy)]
pub(crate) struct Key([u8; KEY_LEN]);

impl Key {
    pub(crate) fn new(run: u64, number: u64) -> Self {
        let mut key = [0; KEY_LEN];
        for (half, value) in [run, number].into_iter().enumerate() {
            for (nr, digit) in key[half * 16..][..16].iter_mut().enumerate() {
                *digit = b"0123456789ABCDEF"[(value >> (60 - 4 * nr)) as usize & 15];
            }
        }
        Key(key)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits")
    }
}

/// Appends the commit of a half.
pub(crate) fn append_commit(out: &mut Vec<u8>, opaque: i32, oneway: bool, half: (i64, i64), key: &Key) {
    let (commit_log_offset, tran_state_table_offset) = half;
    let header = EndTransactionHeader {
        producer_group: PRODUCER_GROUP,
        tran_state_table_offset,
        commit_log_offset,
        decision: Decision::Commit,
        from_transaction_check: false,
        msg_id: key.as_str(),
        transaction_id: Some(key.as_str()),
        topic: None,
        broker_name: None,
    };
    append(out, RequestCode::EndTransaction, opaque, oneway, &header.fields(), b"");
}

/// Appends a pull as a push consumer makes it: it waits if there is nothing, and acknowledges what came before.
pub(crate) fn append_pull(out: &mut Vec<u8>, opaque: i32, group: &str, topic: &str, queue: u32, from: i64, max: u32) {
    let header = PullHeader {
        consumer_group: group,
        topic,
        queue_id: queue as i32,
        queue_offset: from,
        max_msg_nums: max as i32,
        sys_flag: PULL_SUSPEND | PULL_SUBSCRIPTION | if from > 0 { PULL_COMMIT_OFFSET } else { 0 },
        commit_offset: from,
        suspend_timeout_ms: HOLD_MS,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: Some("TAG"),
        max_msg_bytes: None,
        broker_name: None,
    };
    append(out, RequestCode::PullMessage, opaque, false, &header.fields(), b"");
}

fn append(out: &mut Vec<u8>, code: RequestCode, opaque: i32, oneway: bool, fields: &[Field<'_>], body: &[u8]) {
    let header = RequestHeader { code, opaque, oneway, language: Language::Java, remark: None, fields };
    header.append(out, body);
}

/// Milliseconds since 1970, as clients say when a message was born.
fn protocol_time() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Moments in bodies, in nanoseconds of a clock of this run.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    pub(crate) fn moment(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.0).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use protocol::frame::{FRAME_SIZE_MAX, scan};
    use protocol::header::HeaderBuffer;
    use protocol::request::send::SendHeader;

    use super::*;

    #[test]
    fn a_patched_frame_is_a_send_with_its_own_id_key_and_moment() {
        let template = Template::new("bench_0", 3, 8, 100, true);
        let mut out = Vec::new();
        template.append(&mut out, OPAQUE_BASE + 77, Key::new(0xABC, 0x1234), 42);
        template.append(&mut out, OPAQUE_BASE + 78, Key::new(1, 2), 43);
        let frame = scan(&out, FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!((frame.body.len(), &frame.body[..9]), (100, &b"\0\0\0\0\0\0\0\x2Ax"[..]));
        let mut buffer = HeaderBuffer::new();
        let header = buffer.decode(&frame).unwrap();
        assert_eq!(header.opaque, OPAQUE_BASE + 77);
        let send = SendHeader::decode(RequestCode::SendMessageV2, &header.fields).unwrap();
        assert_eq!((send.topic, send.queue_id, send.sys_flag), ("bench_0", 3, 4));
        assert!(send.properties.contains("UNIQ_KEY\u{1}0000000000000ABC0000000000001234\u{2}"));
        let second = scan(&out[frame.consumed..], FRAME_SIZE_MAX).unwrap().unwrap();
        assert_eq!(buffer.decode(&second).unwrap().opaque, OPAQUE_BASE + 78);
    }
}
