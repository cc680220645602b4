//! Halves and chance, as the tests of this crate need them.

use message::entry::{Delay, Half};
use message::record::{NewRecord, Record};
use message::{CommitLogOffset, QueueOffset, Timestamp};

/// A random number generator whose seed tells everything (xorshift64*).
pub(crate) struct XorShift(u64);

impl XorShift {
    pub fn new(seed: u64) -> Self {
        XorShift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }
}

/// The record that these bytes are.
pub(crate) fn parsed(record: &[u8]) -> Record<'_> {
    Record::parse(record).expect("a record")
}

/// A half to be stored.
#[derive(Clone, Debug)]
pub(crate) struct TestHalf {
    pub sequence: u64,
    pub group: &'static str,
    pub client: String,
    pub topic: &'static str,
    pub key: String,
    pub body: &'static str,
}

impl TestHalf {
    /// The n-th half of producer group "orders" for topic "paid".
    pub fn nth(n: u64) -> Self {
        let (client, key) = ("10.0.0.1@7".to_owned(), format!("7F0000010B4C18B4AAC2101E{n:08X}"));
        TestHalf { sequence: n, group: "orders", client, topic: "paid", key, body: "{}" }
    }

    pub fn record(&self) -> Vec<u8> {
        let host = "10.0.0.1:50000".parse().expect("an address");
        let key = if self.key.is_empty() { String::new() } else { format!("UNIQ_KEY\u{1}{}\u{2}", self.key) };
        let mut record = Vec::new();
        NewRecord {
            topic: self.topic,
            queue_id: 3,
            queue_offset: QueueOffset::ZERO,
            flag: 0,
            sys_flag: 0,
            born_timestamp: Timestamp::ZERO,
            born_host: host,
            store_timestamp: Timestamp::ZERO,
            store_host: host,
            reconsume_times: 0,
            body: self.body.as_bytes(),
            properties: &format!("{key}TAGS\u{1}a\u{2}"),
        }
        .encode(&mut record);
        record
    }

    pub fn entry<'a>(&'a self, record: &'a [u8]) -> Half<'a> {
        Half {
            sequence: QueueOffset::new(self.sequence),
            immunity_ms: None,
            delay: Delay::None,
            group: self.group,
            client: &self.client,
            record,
        }
    }
}

pub(crate) fn offset(value: u64) -> CommitLogOffset {
    CommitLogOffset::new(value)
}

/// The moment so many milliseconds after the tests' beginning of time.
pub(crate) fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// The moment so many seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    at_ms(seconds * 1000)
}
