//! How long the index takes for an entry: `cargo run --release -p tandem-store --example apply_rate -- [messages] [dir]`.
//!
//! One table row per kind of load. Files go to a temporary directory, unless one is named; nothing is synced but the
//! checkpoint at the end of each row.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use message::batch::FRAME_LEN;
use message::entry::{DecidedBy, Decision, Delay, Entry, Half, Messages, Outcome, Place};
use message::record::NewRecord;
use message::{CommitLogOffset, QueueOffset, Timestamp};
use store::disk::RealDisk;
use store::index::{Index, IndexBounds, IndexCounts, IndexError};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let messages: u64 = args.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let dir = args.next();
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11}",
        "load", "ns/entry", "worst us", "memory", "directory", "checkpoint", "written ms"
    );
    for load in [
        Load { name: "plain, 1 topic x 8 queues", topics: 1, transactions: false },
        Load { name: "transactions, 1 topic x 8 queues", topics: 1, transactions: true },
        Load { name: "plain, 1,000 topics x 8 queues", topics: 1000, transactions: false },
        Load { name: "plain, 100,000 topics x 8 queues", topics: 100_000, transactions: false },
    ] {
        let temporary = tempfile::tempdir()?;
        let root = dir.as_ref().map_or(temporary.path().to_owned(), |dir| dir.into());
        load.run(messages, Index::discard(Arc::new(RealDisk::open(root)?), IndexBounds::default())?)?;
    }
    Ok(())
}

struct Load {
    name: &'static str,
    topics: u64,
    transactions: bool,
}

/// The record of an entry's payload with what differs from message to message in the right places.
struct Template {
    payload: Vec<u8>,
    record: usize,
    keys: [usize; 2],
}

impl Load {
    fn run(&self, messages: u64, mut index: Index) -> Result<(), IndexError> {
        let queues = self.topics * 8;
        let mut templates: Vec<_> = (0..self.topics.min(1000)).map(|topic| self.template(topic)).collect();
        let mut at = CommitLogOffset::new(56);
        let (mut spent, mut worst, mut entries) = (0, 0, 0);
        for i in 0..messages {
            let time = Timestamp::from_millis(1_700_000_000_000 + i as i64 / 100);
            let (queue, offset) = (i % queues, i / queues);
            let (topic, queue_id) = (queue / 8, (queue % 8) as u32);
            let known = templates.len() as u64;
            let template = &mut templates[(topic % known) as usize];
            let topic_name = template.fill(i, queue_id, offset, topic);
            let begun = Instant::now();
            index.apply(at, time, &template.payload)?;
            let decided = at.plus((FRAME_LEN + template.payload.len()) as u64 + 56);
            let mut end = decided;
            if self.transactions {
                let payload = decision(at, decided, i, &topic_name, queue_id, offset, template);
                index.apply(decided, time, &payload)?;
                end = decided.plus((FRAME_LEN + payload.len()) as u64 + 56);
                entries += 1;
            }
            let took = begun.elapsed().as_nanos();
            (spent, worst, entries) = (spent + took, worst.max(took), entries + 1);
            at = end;
        }
        assert_eq!(index.counts(), IndexCounts::default(), "everything was taken in");
        let memory = index.memory();
        let sum = memory.directory + memory.tails + memory.halves + memory.keys + memory.delayed;
        let begun = Instant::now();
        let checkpoint = index.begin_checkpoint(at)?;
        let gathered = begun.elapsed();
        let len = checkpoint.file_len();
        checkpoint.write()?;
        println!(
            "{:<34} {:>9} {:>9} {:>6} KiB {:>7} KiB {:>7} KiB {:>5}+{:<5}",
            self.name,
            spent / entries,
            worst / 1000,
            sum / 1024,
            memory.directory / 1024,
            len / 1024,
            gathered.as_millis(),
            (begun.elapsed() - gathered).as_millis(),
        );
        Ok(())
    }

    fn template(&self, topic: u64) -> Template {
        let host = "10.0.0.5:50000".parse().expect("an address");
        let topic = format!("PayOrderSuccessTopic-{topic:06}");
        let properties = "UNIQ_KEY\u{1}7F0000010A2B18B4AAC20000000000000000\u{2}KEYS\u{1}order-0000000000000000\u{2}TAGS\u{1}TestTag\
                          \u{2}WAIT\u{1}true\u{2}CLUSTER\u{1}DefaultCluster";
        let record = NewRecord {
            topic: &topic,
            queue_id: 0,
            queue_offset: QueueOffset::ZERO,
            flag: 0,
            sys_flag: 0,
            born_timestamp: Timestamp::ZERO,
            born_host: host,
            store_timestamp: Timestamp::ZERO,
            store_host: host,
            reconsume_times: 0,
            body: &[b'x'; 1024],
            properties,
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let mut payload = Vec::new();
        if self.transactions {
            let half = Half {
                sequence: QueueOffset::ZERO,
                immunity_ms: None,
                delay: Delay::None,
                group: "testProducerGroup",
                client: "10.0.0.5@1",
                record: &bytes,
            };
            Entry::Half(half).encode(&mut payload);
        } else {
            Entry::Messages(Messages { records: &bytes }).encode(&mut payload);
        }
        let behind = |word: &[u8]| payload.windows(word.len()).rposition(|w| w == word).expect("the key") + word.len();
        let keys = [behind(b"7F0000010A2B18B4AAC2"), behind(b"order-")];
        Template { record: payload.len() - bytes.len(), payload, keys }
    }
}

impl Template {
    /// Makes it the payload of this message, and returns the topic.
    fn fill(&mut self, i: u64, queue_id: u32, offset: u64, topic: u64) -> String {
        for key in self.keys {
            self.payload[key..key + 16].copy_from_slice(format!("{i:016X}").as_bytes());
        }
        let record = self.record;
        self.payload[record + 12..record + 16].copy_from_slice(&queue_id.to_be_bytes());
        self.payload[record + 20..record + 28].copy_from_slice(&offset.to_be_bytes());
        let name = format!("PayOrderSuccessTopic-{topic:06}");
        let at = record + 91 - 2 + 1024;
        self.payload[at..at + name.len()].copy_from_slice(name.as_bytes());
        if record > 1 {
            // The sequence of a half.
            self.payload[1..9].copy_from_slice(&i.to_le_bytes());
        }
        name
    }
}

fn decision(
    half: CommitLogOffset,
    at: CommitLogOffset,
    sequence: u64,
    topic: &str,
    queue_id: u32,
    offset: u64,
    template: &Template,
) -> Vec<u8> {
    let record_len = (template.payload.len() - template.record) as u32;
    let decision = Decision {
        half,
        sequence: QueueOffset::new(sequence),
        previous: half,
        time: Timestamp::from_millis(at.signed()),
        outcome: Outcome::Commit,
        by: DecidedBy::Producer,
        who: "10.0.0.5@1",
        why: "",
        place: Place::Link {
            topic,
            queue_id,
            queue_offset: QueueOffset::new(offset),
            record_at: half.plus((FRAME_LEN + template.record) as u64),
            record_len,
            tags_code: 7,
        },
    };
    let mut payload = Vec::with_capacity(256);
    Entry::Decision(decision).encode(&mut payload);
    payload
}
