//! The durable half: records gathered to a batch, one positioned write and one fdatasync for all of them.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

/// Size of the zero-filled file, written over again and again, in bytes.
pub const FILE_SIZE: u64 = 256 * 1024 * 1024;

/// Who is answered when a batch is durable.
#[derive(Clone, Copy)]
pub struct Waiting {
    /// The I/O thread or task that owns the connection; 0 where there is but one.
    pub door: usize,
    /// The connection, as its door numbers it.
    pub connection: usize,
    /// The request on that connection.
    pub opaque: u32,
}

/// Records that become durable together, and who waits for them.
#[derive(Default)]
pub struct Batch {
    records: Vec<u8>,
    /// One for each record, in order.
    pub waiting: Vec<Waiting>,
}

impl Batch {
    /// Adds one framed and checksummed record.
    pub fn append(&mut self, body: &[u8], waiting: Waiting) {
        self.records.extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.records.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
        self.records.extend_from_slice(body);
        self.waiting.push(waiting);
    }

    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.waiting.clear();
    }
}

/// The prepared file and the place in it that is written next.
pub struct Log {
    file: File,
    end: u64,
    sync_extra: Duration,
}

impl Log {
    /// Fills the file with zeros, so that no sync measured later has to make an extent durable.
    pub fn prepare(path: &Path) -> Result<()> {
        let mut file = File::create(path)?;
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..FILE_SIZE / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }

    /// Opens a prepared file. Each sync takes `sync_extra` longer than the disk does.
    pub fn open(path: &Path, sync_extra: Duration) -> Result<Log> {
        Ok(Log { file: OpenOptions::new().write(true).open(path)?, end: 0, sync_extra })
    }

    /// Makes the batch durable.
    ///
    /// A failure ends the bench: there is nothing to measure on a disk that refuses.
    pub fn commit(&mut self, batch: &Batch) {
        let size = batch.records.len() as u64;
        if self.end + size > FILE_SIZE {
            self.end = 0;
        }
        let written = self.file.write_all_at(&batch.records, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            eprintln!("cannot write the log at {}: {error}", self.end);
            std::process::exit(1);
        }
        self.end += size;
        if !self.sync_extra.is_zero() {
            thread::sleep(self.sync_extra);
        }
    }
}

/// Who does write and sync.
pub enum Committer {
    /// The owner itself, which does nothing else meanwhile.
    Here(Log),
    /// The log thread. It has one batch at a time; `spare` is there while it has none.
    Thread {
        /// To the log thread.
        batches: Sender<Batch>,
        /// The other of the two batches, empty.
        spare: Option<Batch>,
    },
}

impl Committer {
    /// Starts a log thread that gives each durable batch to `done`, on that thread.
    pub fn thread(mut log: Log, mut done: impl FnMut(Batch) + Send + 'static) -> Committer {
        let (batches, handed_over) = mpsc::channel();
        thread::spawn(move || {
            for batch in handed_over {
                log.commit(&batch);
                done(batch);
            }
        });
        Committer::Thread { batches, spare: Some(Batch::default()) }
    }

    /// Takes what was gathered, unless the log thread is busy. True: it is durable now, and still in `gathered`.
    pub fn commit(&mut self, gathered: &mut Batch) -> bool {
        if gathered.waiting.is_empty() {
            return false;
        }
        match self {
            Committer::Here(log) => {
                log.commit(gathered);
                true
            }
            Committer::Thread { batches, spare } => {
                if let Some(spare) = spare.take() {
                    batches
                        .send(std::mem::replace(gathered, spare))
                        .expect("the log thread lives as long as its owner");
                }
                false
            }
        }
    }

    /// Takes back a batch whose waiters were answered.
    pub fn give_back(&mut self, mut batch: Batch) {
        batch.clear();
        if let Committer::Thread { spare, .. } = self {
            *spare = Some(batch);
        }
    }
}
