//! Messages of eight queues in turn, as a log has them, handed out to who pulls.
//!
//! What no broker can do without: read the log, once for all queues that are read in step; bring the messages of a queue
//! together; write them to the socket. Nothing is compared, patched or looked up: each record stands in the file as it is
//! delivered, and all are of one length, so that its place follows from its number.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use anyhow::Context;
use message::record::NewRecord;
use message::{QueueOffset, Timestamp};

/// Queues whose messages come in turn: as many as a load has unless told otherwise.
const QUEUES: u64 = 8;
/// Bytes of a body: as many as a load sends unless told otherwise.
const BODY: usize = 1024;
/// Bytes that properties of a load's messages have.
const PROPERTIES: usize = 110;
const FOUND: u32 = 0;
const NOT_FOUND: u32 = 19;

/// The messages, in a file.
pub struct Backlog {
    path: PathBuf,
    messages: u64,
    file: Option<File>,
    record_len: usize,
    /// The number of the first message of the stretch that was read last, and its bytes.
    first: u64,
    stretch: Vec<u8>,
    found: Vec<u8>,
}

impl Backlog {
    /// So many messages, of which none is written yet.
    pub fn new(path: PathBuf, messages: u64) -> Self {
        let messages = messages / QUEUES * QUEUES;
        let record_len = record(0).len();
        Backlog { path, messages, file: None, record_len, first: u64::MAX, stretch: Vec::new(), found: Vec::new() }
    }

    /// Where each queue ends.
    pub fn end(&self) -> u64 {
        self.messages / QUEUES
    }

    /// Writes them, unless they are there.
    pub fn make(&mut self) -> anyhow::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&self.path)?);
        for number in 0..self.messages {
            file.write_all(&record(number))?;
        }
        file.into_inner()?.sync_all()?;
        self.file = Some(File::open(&self.path)?);
        Ok(())
    }

    /// The messages of a queue from an offset on: status, offset to go on at, bytes.
    pub fn pull(&mut self, queue: u64, from: u64, max: u64) -> anyhow::Result<(u32, u64, &[u8])> {
        let file = self.file.as_ref().context("a pull, and nobody has asked where the queue begins")?;
        let count = max.min((self.messages / QUEUES).saturating_sub(from));
        if count == 0 || queue >= QUEUES {
            return Ok((NOT_FOUND, from, &[]));
        }
        let (first, bytes) = (from * QUEUES, (count * QUEUES) as usize * self.record_len);
        if self.first != first || self.stretch.len() != bytes {
            self.stretch.resize(bytes, 0);
            file.read_exact_at(&mut self.stretch, first * self.record_len as u64)?;
            self.first = first;
        }
        self.found.clear();
        for round in self.stretch.chunks_exact(QUEUES as usize * self.record_len) {
            self.found.extend_from_slice(&round[queue as usize * self.record_len..][..self.record_len]);
        }
        Ok((FOUND, from + count, &self.found))
    }
}

fn record(number: u64) -> Vec<u8> {
    let mut record = Vec::new();
    NewRecord {
        topic: "backlog_0",
        queue_id: (number % QUEUES) as u32,
        queue_offset: QueueOffset::new(number / QUEUES),
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::ZERO,
        born_host: ([127, 0, 0, 1], 1).into(),
        store_timestamp: Timestamp::ZERO,
        store_host: ([127, 0, 0, 1], 2).into(),
        reconsume_times: 0,
        body: &[0; BODY],
        properties: &"p".repeat(PROPERTIES),
    }
    .encode(&mut record);
    record
}

#[cfg(test)]
mod tests {
    use message::record::Record;

    use super::*;

    #[test]
    fn each_queue_hands_out_its_messages_in_order_and_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::new(directory.path().join("backlog"), 803);
        assert!(backlog.pull(0, 0, 32).is_err(), "it is not made");
        backlog.make().unwrap();
        assert_eq!(backlog.end(), 100);
        let mut next = [0; QUEUES as usize];
        for _ in 0..4 {
            for queue in 0..QUEUES {
                let from = next[queue as usize];
                let (status, behind, mut bytes) = backlog.pull(queue, from, 32).unwrap();
                assert_eq!((status, behind), (FOUND, 100.min(from + 32)));
                for offset in from..behind {
                    let record = Record::parse(bytes).unwrap();
                    assert_eq!((record.queue_id(), record.queue_offset().get()), (queue as u32, offset));
                    bytes = &bytes[record.bytes().len()..];
                }
                assert_eq!(bytes, []);
                next[queue as usize] = behind;
            }
        }
        assert_eq!(backlog.pull(3, 100, 32).unwrap(), (NOT_FOUND, 100, &[][..]));
    }
}
