//! A disk in memory that forgets, tears, fails and fills up as told, the same for the same seed.
//!
//! It holds two truths: what a reader sees now, and what a power cut may leave of it. Bytes written since the last sync
//! of their file survive in any mixture of 512-byte sectors; creations, renames and removals since the last sync of
//! their directory in any combination. Nothing else survives by luck: a synced file in an unsynced directory may be
//! gone, as POSIX allows.
//!
//! ```
//! use store::disk::{Disk, FakeDisk};
//!
//! let disk = FakeDisk::new(1);
//! let file = disk.create("a")?;
//! file.write_at(b"kept", 0)?;
//! file.sync()?;
//! disk.sync_dir("")?;
//! file.write_at(b"perhaps", 512)?;
//! let after = disk.crash(7);
//! let mut bytes = [0; 4];
//! after.open("a")?.read_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"kept");
//! # Ok::<(), std::io::Error>(())
//! ```

mod contents;
mod names;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::path::{check_dir, check_file};
use super::{Disk, DiskFile, Rng, Space};
use contents::Contents;
use names::{FileId, Names};

/// A disk in memory. Clones are handles of the same disk.
#[derive(Clone)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
}

/// How often a disk was asked for what.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DiskCounts {
    /// Calls that change something: writes, syncs, lengths, creations, renames, removals.
    pub changes: u64,
    /// Writes to files.
    pub writes: u64,
    /// Bytes written to files.
    pub bytes_written: u64,
    /// Syncs of files and directories.
    pub syncs: u64,
    /// Bytes read from files.
    pub bytes_read: u64,
}

struct State {
    names: Names,
    files: BTreeMap<FileId, Contents>,
    /// How often each file is open.
    handles: BTreeMap<FileId, usize>,
    capacity: u64,
    counts: DiskCounts,
    /// Counts at which something fails.
    failing_write: Option<u64>,
    failing_sync: Option<u64>,
    power_until: Option<u64>,
    unreadable: Vec<(FileId, Range<u64>)>,
    rng: Rng,
}

impl FakeDisk {
    /// An empty disk without a limit of its size. The seed decides how much of a failing write is written.
    pub fn new(seed: u64) -> Self {
        FakeDisk::with(State {
            names: Names::default(),
            files: BTreeMap::new(),
            handles: BTreeMap::new(),
            capacity: 1 << 50,
            counts: DiskCounts::default(),
            failing_write: None,
            failing_sync: None,
            power_until: None,
            unreadable: Vec::new(),
            rng: Rng::new(seed),
        })
    }

    fn with(state: State) -> Self {
        FakeDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is on the disk after a power cut at this moment, as a disk of its own without faults armed. Damage at rest
    /// (flipped bits, unreadable ranges) and the capacity stay.
    ///
    /// This disk goes on as if nothing had happened: files that are still open write to it and not to the new one.
    pub fn crash(&self, seed: u64) -> FakeDisk {
        let state = self.state();
        let mut rng = Rng::new(seed);
        let names = state.names.crash(&mut rng);
        let files = names.live_files().map(|id| (id, state.files[&id].crash(&mut rng))).collect();
        FakeDisk::with(State {
            names,
            files,
            handles: BTreeMap::new(),
            capacity: state.capacity,
            counts: DiskCounts::default(),
            failing_write: None,
            failing_sync: None,
            power_until: None,
            unreadable: state.unreadable.clone(),
            rng,
        })
    }

    /// Limits the sum of all files' lengths. A write that would exceed it fails with `StorageFull` after the bytes that
    /// still fit; bytes inside of a file's length can always be overwritten.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Lets the `nth` write from now on (1 is the next one) fail with EIO, after any part of its bytes.
    pub fn fail_write(&self, nth: u64) {
        let mut state = self.state();
        state.failing_write = Some(state.counts.writes + nth);
    }

    /// Lets the `nth` sync of a file or directory from now on (1 is the next one) fail with EIO. What it should have
    /// made durable is not, and no later sync makes it so unless it is written again.
    pub fn fail_sync(&self, nth: u64) {
        let mut state = self.state();
        state.failing_sync = Some(state.counts.syncs + nth);
    }

    /// Lets all reads of this file that touch these bytes fail with EIO, whatever the file is called later.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn fail_reads(&self, path: &str, range: Range<u64>) {
        let mut state = self.state();
        let id = state.names.find(path).expect("the file is there");
        state.unreadable.push((id, range));
    }

    /// Inverts one bit of a file for good, without anybody having written it.
    ///
    /// # Panics
    /// When there is no such file or it is shorter.
    pub fn flip_bit(&self, path: &str, position: u64, bit: u8) {
        let mut state = self.state();
        let id = state.names.find(path).expect("the file is there");
        state.files.get_mut(&id).expect("a named file has contents").flip(position, bit & 7);
    }

    /// Cuts the power after so many more calls that change something: all later calls fail and change nothing.
    /// [`FakeDisk::crash`] then says what is left.
    pub fn power_off_after(&self, changes: u64) {
        let mut state = self.state();
        state.power_until = Some(state.counts.changes + changes);
    }

    /// Whether the power is off, see [`FakeDisk::power_off_after`].
    pub fn is_off(&self) -> bool {
        let state = self.state();
        state.power_until.is_some_and(|until| state.counts.changes > until)
    }

    /// How often the disk was asked for what since it was made.
    pub fn counts(&self) -> DiskCounts {
        self.state().counts
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl State {
    /// Counts a call that changes something, or fails it because there is no power.
    fn changing(&mut self) -> io::Result<()> {
        self.powered()?;
        self.counts.changes += 1;
        self.powered()
    }

    fn powered(&self) -> io::Result<()> {
        match self.power_until {
            Some(until) if self.counts.changes > until => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        self.names.live_files().map(|id| self.files[&id].len()).sum()
    }

    /// How long a file that is this long may become.
    fn len_max(&self, len: u64) -> u64 {
        len + self.capacity.saturating_sub(self.used())
    }

    fn contents(&mut self, id: FileId) -> &mut Contents {
        self.files.get_mut(&id).expect("an open file has contents")
    }

    /// Whether this sync fails.
    fn sync_fails(&mut self) -> bool {
        self.counts.syncs += 1;
        self.failing_sync == Some(self.counts.syncs)
    }

    fn write(&mut self, id: FileId, bytes: &[u8], at: u64) -> io::Result<()> {
        self.powered()?;
        let powered = self.changing();
        self.counts.writes += 1;
        if self.failing_write == Some(self.counts.writes) {
            let part = self.rng.below(1 + bytes.len() as u64) as usize;
            self.contents(id).write(&bytes[..part], at);
            return Err(eio());
        }
        let len = self.contents(id).len();
        let end = at + bytes.len() as u64;
        if end > len && end > self.len_max(len) {
            let fits = self.len_max(len).saturating_sub(at).min(bytes.len() as u64) as usize;
            self.contents(id).write(&bytes[..fits], at);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.counts.bytes_written += bytes.len() as u64;
        self.contents(id).write(bytes, at);
        // When the power goes off while bytes are being written, any of them may have arrived.
        powered
    }

    fn read(&mut self, id: FileId, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.powered()?;
        let end = at + buf.len() as u64;
        if self.unreadable.iter().any(|(file, range)| *file == id && range.start < end && at < range.end) {
            return Err(eio());
        }
        let count = self.contents(id).read(buf, at);
        self.counts.bytes_read += count as u64;
        Ok(count)
    }

    fn open(&mut self, disk: &FakeDisk, id: FileId) -> Arc<dyn DiskFile> {
        *self.handles.entry(id).or_default() += 1;
        Arc::new(FakeFile { disk: disk.clone(), id })
    }

    fn close(&mut self, id: FileId) {
        let handles = self.handles.get_mut(&id).expect("an open file is counted");
        *handles -= 1;
        if *handles == 0 {
            self.handles.remove(&id);
            self.collect();
        }
    }

    /// Forgets the contents of files that are not open and that no name leads to, now or after a power cut.
    fn collect(&mut self) {
        let known = self.names.known_files();
        self.files.retain(|id, _| known.contains(id) || self.handles.contains_key(id));
    }
}

impl Disk for FakeDisk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_file(path)?;
        let mut state = self.state();
        state.powered()?;
        let id = state.names.find(path)?;
        Ok(state.open(self, id))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        check_file(path)?;
        let mut state = self.state();
        state.changing()?;
        let id = match state.names.find(path) {
            Ok(id) => {
                state.contents(id).set_len(0);
                id
            }
            Err(_) => {
                let id = state.names.create(path)?;
                state.files.insert(id, Contents::default());
                id
            }
        };
        Ok(state.open(self, id))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        check_file(path)?;
        let mut state = self.state();
        state.changing()?;
        state.names.create_dir(path);
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        check_dir(dir)?;
        let state = self.state();
        state.powered()?;
        state.names.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        check_file(from)?;
        check_file(to)?;
        let mut state = self.state();
        state.changing()?;
        state.names.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        check_file(path)?;
        let mut state = self.state();
        state.changing()?;
        state.names.remove(path)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        check_dir(dir)?;
        let mut state = self.state();
        state.changing()?;
        if state.sync_fails() {
            return Err(eio());
        }
        state.names.sync_dir(dir)?;
        state.collect();
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state();
        state.powered()?;
        Ok(Space { free: state.capacity.saturating_sub(state.used()), total: state.capacity })
    }
}

struct FakeFile {
    disk: FakeDisk,
    id: FileId,
}

impl Drop for FakeFile {
    fn drop(&mut self) {
        self.disk.state().close(self.id);
    }
}

impl DiskFile for FakeFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.disk.state().read(self.id, buf, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.disk.state().write(self.id, bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.changing()?;
        if state.sync_fails() {
            state.contents(self.id).fail_sync();
            return Err(eio());
        }
        state.contents(self.id).sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.powered()?;
        Ok(state.contents(self.id).len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.changing()?;
        let old = state.contents(self.id).len();
        if len > old && len > state.len_max(old) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.contents(self.id).set_len(len);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
