//! The disk as the store sees it: a handful of calls that the real one and a simulated one implement.
//!
//! Positioned reads and writes, no mmap: a disk error is a `Result`. Paths are relative to the data directory and use
//! `/`; nothing outside of it can be named.

mod ahead;
mod aligned;
mod cached;
mod direct;
mod fake;
mod path;
mod quicker;
mod real;
mod recent;
mod rng;

pub use fake::{DiskCounts, FakeDisk};
pub use real::RealDisk;
pub(crate) use rng::Rng;

use std::io;
use std::sync::Arc;

/// Bytes of a page of the page cache.
const PAGE: u64 = 4096;

/// A stock of zeros to write.
pub(crate) static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A directory with files in it.
pub trait Disk: Send + Sync {
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates an empty file, emptying one that is there. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Whatever the operating system says; `StorageFull` on a full disk.
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// As [`Disk::open`], for a file that is written from its beginning to its end and synced often: a disk that can
    /// writes it past the page cache, in whole sectors. Its length may then grow to the next multiple of
    /// [`DiskFile::write_unit`] by zeros, and what was not synced is gone when the file is closed.
    ///
    /// # Errors
    /// As [`Disk::open`].
    fn open_direct(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    /// As [`Disk::create`], for a file as [`Disk::open_direct`] opens it.
    ///
    /// # Errors
    /// As [`Disk::create`].
    fn create_direct(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    /// Creates a directory and those above it; succeeds when it is there. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn create_dir(&self, path: &str) -> io::Result<()>;

    /// Names of the files of a directory, sorted; without subdirectories. "" is the data directory itself.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Gives a file another name, replacing one that has it. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory durable.
    ///
    /// # Errors
    /// Whatever the operating system says; what was done may then be lost.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Bytes of the file system that are free for us, and bytes it has in all.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn space(&self) -> io::Result<Space>;
}

/// Room on a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes free for an unprivileged writer.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

/// An open file. Calls take `&self`: positioned I/O has no cursor to guard.
pub trait DiskFile: Send + Sync {
    /// Reads as many bytes as there are from `at` on, at most `buf.len()`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all bytes at `at`, extending the file when needed. Durable only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// After an error any part of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Writes zeros from one position to another, as [`DiskFile::write_at`] would.
    ///
    /// # Errors
    /// As [`DiskFile::write_at`].
    fn write_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let count = (to - at).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }

    /// Bytes that are written at least, and always together: of a unit that is written in part, the rest may have to be
    /// read first.
    fn write_unit(&self) -> u64 {
        PAGE
    }

    /// Makes all bytes written so far, and the length, durable (fdatasync).
    ///
    /// # Errors
    /// After an error nothing is known about what was written since the last success: Linux marks the pages clean, so
    /// a second call may succeed although nothing reached the disk. Never call it again and believe it.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn len(&self) -> io::Result<u64>;

    /// Cuts or extends the file with zeros.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Whether the file holds no byte.
    ///
    /// # Errors
    /// As [`DiskFile::len`].
    fn is_empty(&self) -> io::Result<bool> {
        self.len().map(|len| len == 0)
    }
}
