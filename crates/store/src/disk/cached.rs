//! A file written through the page cache, of which long stretches are read past it where that is quicker.
//!
//! Who catches up reads the log in blocks that lie one behind the other. As long as they are in the page cache there is
//! nothing better; where they are not, pieces read by a thread, ahead of who wants them, into memory that is used again
//! and again, come sooner and leave the page cache to what was written lately. Which of the two it is, is measured
//! ([`Choice`]). What is shorter than a block is read through the page cache.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use super::DiskFile;
use super::ahead::{Ahead, PIECE_LEN, next_id};
use super::direct::lock;
use super::quicker::{Choice, Experience, Way};
use super::real::{self, read_fully};

/// A read of at least so many bytes is one of a stretch: [`crate::reader::BLOCK_LEN`].
const LONG: usize = 64 << 10;

/// What the files of a disk share.
#[derive(Default)]
pub(super) struct Shared {
    /// Started by the first file that is read past the page cache; None where the system has no thread to give.
    ahead: OnceLock<Option<Ahead>>,
    experience: Mutex<Experience>,
}

/// An open file, see the module.
pub(super) struct CachedFile {
    /// What it is in [`Ahead`].
    id: u64,
    file: File,
    shared: Arc<Shared>,
    choice: Mutex<Choice>,
    /// The same file past the page cache, from when it is first read so; None where that is not possible.
    direct: OnceLock<Option<Arc<File>>>,
    /// Where the last write began. Of what lies behind, pieces are not read ahead: it is new, or about to change.
    written: AtomicU64,
}

impl CachedFile {
    pub(super) fn new(file: File, shared: Arc<Shared>) -> Self {
        CachedFile {
            id: next_id(),
            file,
            shared,
            choice: Mutex::new(Choice::new()),
            direct: OnceLock::new(),
            written: AtomicU64::new(u64::MAX),
        }
    }

    /// Reads past the page cache; None where there is no way past it.
    fn read_past(&self, buf: &mut [u8], at: u64) -> Option<usize> {
        let ahead = self.shared.ahead.get_or_init(|| Ahead::start().ok()).as_ref()?;
        let direct = self.direct.get_or_init(|| open_past_cache(&self.file).ok().map(Arc::new)).as_ref()?;
        let wants = |stretch: std::ops::Range<u64>| stretch.end <= self.written.load(Ordering::Acquire);
        // What stands against it is told by the read through the page cache, if that has something against it as well.
        ahead.read_or(self.id, direct, &self.file, buf, at, wants).ok()
    }

    fn forget(&self, from: u64, to: u64) {
        if let Some(Some(ahead)) = self.shared.ahead.get() {
            ahead.forget(self.id, from..to);
        }
    }
}

/// The same file once more, opened past the page cache. Its name may be another one by now.
fn open_past_cache(file: &File) -> io::Result<File> {
    real::open_past_cache(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())))
}

impl DiskFile for CachedFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        // A piece with the end of what is written in it would be read again after each write.
        let end = (at + buf.len() as u64).next_multiple_of(PIECE_LEN as u64);
        if buf.len() < LONG || end > self.written.load(Ordering::Acquire) {
            return read_fully(&self.file, buf, at);
        }
        let way = lock(&self.choice).way(at, &mut lock(&self.shared.experience));
        let began = Instant::now();
        let past = if way == Way::Past { self.read_past(buf, at) } else { None };
        let count = match past {
            Some(count) => count,
            None => read_fully(&self.file, buf, at)?,
        };
        let took = began.elapsed();
        let mut choice = lock(&self.choice);
        if way == Way::Past && past.is_none() {
            choice.give_up();
        } else {
            choice.took(count as u64, took, &mut lock(&self.shared.experience));
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.written.store(at, Ordering::Release);
        let written = self.file.write_all_at(bytes, at);
        self.forget(at, at + bytes.len() as u64);
        written
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let cut = self.file.set_len(len);
        self.forget(0, u64::MAX);
        cut
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        self.forget(0, u64::MAX);
    }
}

#[cfg(test)]
mod tests;
