//! A file written past the page cache, in sectors, out of memory of our own.
//!
//! The page cache knows nothing smaller than a page, so that a log synced a hundred times a second, or ten thousand
//! times, writes its last page again and again; every page is copied into it, and on a virtual machine the first touch of
//! a page may cost more than writing it. Here what is written waits in memory ([`Recent`]) until the sync, goes to the
//! device in whole sectors, and is read from that memory as long as it is recent. What is older is read from the device,
//! ahead of who reads from one end to the other ([`Ahead`]), and through the page cache for who reads here and there: the
//! system keeps the two in agreement, for it drops pages that are overwritten past it.
//!
//! What was not synced is gone when the process ends, so this is not for a log that promises to survive that without
//! syncs (durability "memory").

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::DiskFile;
use super::ahead::{Ahead, next_id};
use super::aligned::Aligned;
use super::real::read_fully;
use super::recent::Recent;

/// Longest write to the device: as much as is copied out of [`Recent`] at a time.
const WRITE_MAX: usize = 1 << 20;
/// Longest write of zeros: half a millisecond on a fast disk, for which a sync of the log may have to wait.
const ZEROS_LEN: usize = 1 << 20;

static ZEROS: LazyLock<Aligned> = LazyLock::new(|| Aligned::zeroed(ZEROS_LEN));

/// What the files of a disk share.
#[derive(Clone)]
pub(super) struct Memory {
    sector: u64,
    recent: Arc<Mutex<Recent>>,
    ahead: Arc<Ahead>,
    /// Where what is about to be written is copied to, by one file at a time; nothing until the first write.
    outgoing: Arc<Mutex<Option<Aligned>>>,
}

impl Memory {
    /// For files that take writes of whole sectors only, which are of this length, a power of two.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn new(sector: u64, recent: Recent) -> io::Result<Self> {
        let (recent, ahead) = (Arc::new(Mutex::new(recent)), Arc::new(Ahead::start()?));
        Ok(Memory { sector, recent, ahead, outgoing: Arc::default() })
    }

    /// Bytes of a sector.
    pub(super) fn sector(&self) -> u64 {
        self.sector
    }
}

/// An open file, see the module.
pub(super) struct DirectFile {
    /// What it is in [`Recent`].
    id: u64,
    /// Opened so that it goes past the page cache.
    direct: Arc<File>,
    /// The same file through the page cache, for reads here and there.
    cached: File,
    memory: Memory,
    /// Held by who writes to the device, so that nobody's older bytes come after another's.
    writing: Mutex<()>,
}

impl DirectFile {
    /// A file opened twice, past the page cache and through it.
    pub(super) fn new(direct: File, cached: File, memory: Memory) -> Self {
        DirectFile { id: next_id(), direct: Arc::new(direct), cached, memory, writing: Mutex::new(()) }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        lock(&self.memory.recent)
    }

    /// Reads what is not recent.
    fn read_old(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let wants = |stretch| !self.recent().has(self.id, stretch);
        self.memory.ahead.read_or(self.id, &self.direct, &self.cached, buf, at, wants)
    }

    /// Writes past the page cache.
    fn write_direct(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let written = match self.direct.write_all_at(bytes, at) {
            // Where less than a sector can be written, at a limit on the length of files for one, all that is said is
            // that the request is invalid. Through the page cache it is written, and the sync takes it along, or it says
            // what is the matter.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.cached.write_all_at(bytes, at),
            written => written,
        };
        self.memory.ahead.forget(self.id, at..at + bytes.len() as u64);
        written
    }

    /// Gives the device all that waits, or, if that fails, keeps what it did not take. The caller holds `writing`.
    fn flush(&self) -> io::Result<()> {
        if !self.recent().begin_writing(self.id) {
            return Ok(());
        }
        let flushed = self.write_marked();
        self.recent().end_writing(self.id);
        flushed
    }

    fn write_marked(&self) -> io::Result<()> {
        let mut outgoing = lock(&self.memory.outgoing);
        let memory = outgoing.get_or_insert_with(|| Aligned::zeroed(WRITE_MAX));
        loop {
            // Not held while the device writes: who reads or appends goes on.
            let next = self.recent().next_to_write(self.id, memory);
            let Some((at, len)) = next else { return Ok(()) };
            self.write_direct(&memory.get()[..len], at)?;
            self.recent().written(self.id, at, len);
        }
    }
}

impl DiskFile for DirectFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let missing = self.recent().read(self.id, at, buf);
        for part in missing {
            let count = self.read_old(&mut buf[part.clone()], at + part.start as u64)?;
            if count < part.len() {
                if part.end == buf.len() {
                    return Ok(part.start + count);
                }
                // What follows is not in the file yet, and what lies between will be zeros.
                buf[part.start + count..part.end].fill(0);
            }
        }
        Ok(buf.len())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let crowded = {
            let mut recent = self.recent();
            recent.write(self.id, at, bytes, &|buf, at| read_fully(&self.cached, buf, at))?;
            recent.is_crowded()
        };
        // Who writes more than fits between two syncs, as the first start after one with durability "memory" may, does not
        // have all of it in memory.
        if crowded {
            let _nobody_else = lock(&self.writing);
            self.flush()?;
        }
        Ok(())
    }

    fn write_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let whole = from.next_multiple_of(self.memory.sector)..to - to % self.memory.sector;
        if whole.start >= whole.end {
            return self.write_at(&ZEROS.get()[..to.saturating_sub(from) as usize], from);
        }
        self.write_at(&ZEROS.get()[..(whole.start - from) as usize], from)?;
        self.write_at(&ZEROS.get()[..(to - whole.end) as usize], whole.end)?;
        let _nobody_else = lock(&self.writing);
        let mut at = whole.start;
        while at < whole.end {
            let len = (whole.end - at).min(ZEROS_LEN as u64);
            self.write_direct(&ZEROS.get()[..len as usize], at)?;
            at += len;
        }
        self.recent().zero(self.id, whole);
        Ok(())
    }

    fn write_unit(&self) -> u64 {
        self.memory.sector
    }

    fn sync(&self) -> io::Result<()> {
        {
            let _nobody_else = lock(&self.writing);
            self.flush()?;
        }
        self.direct.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        // In this order: what is written in between would be in neither.
        let waiting = self.recent().end(self.id);
        self.cached.metadata().map(|found| found.len().max(waiting))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let _nobody_else = lock(&self.writing);
        self.flush()?;
        self.recent().forget(self.id);
        let cut = self.cached.set_len(len);
        self.memory.ahead.forget_file(self.id);
        cut
    }
}

impl Drop for DirectFile {
    fn drop(&mut self) {
        self.recent().forget(self.id);
        self.memory.ahead.forget_file(self.id);
    }
}

/// Locks what no panic leaves half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
