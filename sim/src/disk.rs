//! The simulated disk behind a switch: it can be turned off, or copied as a power cut would leave it, in the middle of
//! whatever the broker does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::disk::{Disk, DiskFile, FakeDisk, Space};

use crate::bugs::{Bug, has_decision};
use crate::rng::Rng;

/// A [`FakeDisk`] as one process of the broker sees it. Clones are handles of the same one.
#[derive(Clone)]
pub struct SimDisk {
    inner: FakeDisk,
    switch: Arc<Mutex<Switch>>,
    bug: Option<Bug>,
}

#[derive(Debug)]
struct Switch {
    changes: u64,
    off_at: Option<u64>,
    off: bool,
    copy_at: Option<u64>,
    copy: Option<DiskCopy>,
    /// Ends the process so many changes after a segment is begun.
    off_at_segment: Option<u64>,
    /// The next sync of the log is left to the one behind it.
    skips_sync: bool,
    /// How many answers and pushes have left the broker so far.
    told: u64,
    rng: Rng,
}

/// What a power cut would have left at one moment.
#[derive(Clone)]
pub struct DiskCopy {
    /// The disk.
    pub disk: FakeDisk,
    /// Answers and pushes that had left the broker by then.
    pub told: u64,
}

impl std::fmt::Debug for DiskCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a copy after {} answers", self.told)
    }
}

impl SimDisk {
    /// This disk, switched on.
    pub fn new(inner: FakeDisk, bug: Option<Bug>, rng: Rng) -> Self {
        let switch = Switch {
            changes: 0,
            off_at: None,
            off: false,
            copy_at: None,
            copy: None,
            off_at_segment: None,
            skips_sync: false,
            told: 0,
            rng,
        };
        SimDisk { inner, switch: Arc::new(Mutex::new(switch)), bug }
    }

    fn switch(&self) -> MutexGuard<'_, Switch> {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk itself.
    pub fn inner(&self) -> &FakeDisk {
        &self.inner
    }

    /// Ends the process after so many more calls that change something: later calls fail and change nothing.
    pub fn off_after(&self, changes: u64) {
        let mut switch = self.switch();
        switch.off_at = Some(switch.changes + changes);
    }

    /// Ends the process so many changes after the next time that a prepared segment takes its place in the log.
    pub fn off_after_segment(&self, changes: u64) {
        self.switch().off_at_segment = Some(changes);
    }

    /// Whether the process has ended.
    pub fn is_off(&self) -> bool {
        self.switch().off
    }

    /// Forgets what was armed and did not happen.
    pub fn disarm(&self) {
        let mut switch = self.switch();
        (switch.off_at, switch.copy_at) = (None, None);
    }

    /// Forgets that the process was to end as a segment begins.
    pub fn never_off(&self) {
        self.switch().off_at_segment = None;
    }

    /// Lets no write and no sync fail that was going to.
    pub fn fail_nothing(&self) {
        self.inner.fail_write(NEVER);
        self.inner.fail_sync(NEVER);
    }

    /// Makes a copy after so many more calls that change something.
    pub fn copy_after(&self, changes: u64) {
        let mut switch = self.switch();
        switch.copy_at = Some(switch.changes + changes);
    }

    /// The copy, once, if its moment has come.
    pub fn take_copy(&self) -> Option<DiskCopy> {
        self.switch().copy.take()
    }

    /// Makes the copy now.
    pub fn copy_now(&self) -> DiskCopy {
        let mut switch = self.switch();
        let seed = switch.rng.bits();
        DiskCopy { disk: self.inner.crash(seed), told: switch.told }
    }

    /// An answer or push leaves the broker, unless the process has ended.
    pub fn tell(&self) -> bool {
        let mut switch = self.switch();
        switch.told += u64::from(!switch.off);
        !switch.off
    }

    /// Answers and pushes that have left the broker.
    pub fn told(&self) -> u64 {
        self.switch().told
    }

    fn check(&self) -> io::Result<()> {
        if self.switch().off { Err(gone()) } else { Ok(()) }
    }

    /// Counts a call that changes something. True if the process ends in the middle of it.
    fn change(&self) -> io::Result<bool> {
        let mut switch = self.switch();
        if switch.off {
            return Err(gone());
        }
        if switch.copy_at == Some(switch.changes) {
            switch.copy_at = None;
            let seed = switch.rng.bits();
            switch.copy = Some(DiskCopy { disk: self.inner.crash(seed), told: switch.told });
        }
        if switch.off_at.is_some_and(|at| at <= switch.changes) {
            switch.off = true;
        }
        switch.changes += 1;
        Ok(switch.off)
    }

    /// Does something that a process that ends in the middle of it may still have done, or not.
    fn changing<T>(&self, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.change()? {
            if self.switch().rng.chance(500) {
                // What the process would have been told is told to nobody.
                let _ = change();
            }
            return Err(gone());
        }
        change()
    }

    fn file(&self, path: &str, inner: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), inner, path: path.to_owned() })
    }
}

/// More calls than any history makes.
const NEVER: u64 = 1 << 60;

fn gone() -> io::Error {
    io::Error::other("the process has ended")
}

impl Disk for SimDisk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.check()?;
        Ok(self.file(path, self.inner.open(path)?))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path, self.changing(|| self.inner.create(path))?))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.changing(|| self.inner.create_dir(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.check()?;
        self.inner.list(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.changing(|| self.inner.rename(from, to))?;
        if from.starts_with("log/spare-") && to.starts_with("log/") {
            let mut switch = self.switch();
            if let Some(after) = switch.off_at_segment.take() {
                switch.off_at = Some(switch.changes + after);
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.changing(|| self.inner.remove(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        if self.bug == Some(Bug::SnapshotNamesUnsynced) && dir == "snapshots" {
            return self.check();
        }
        self.changing(|| self.inner.sync_dir(dir))
    }

    fn space(&self) -> io::Result<Space> {
        self.check()?;
        self.inner.space()
    }
}

struct SimFile {
    disk: SimDisk,
    inner: Arc<dyn DiskFile>,
    path: String,
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.disk.check()?;
        self.inner.read_at(buf, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.disk.change()? {
            let part = self.disk.switch().rng.below(1 + bytes.len() as u64) as usize;
            // As above: nobody is left to be told.
            let _ = self.inner.write_at(&bytes[..part], at);
            return Err(gone());
        }
        if self.disk.bug == Some(Bug::DispatchBeyondDurable) && self.path.starts_with("log/") {
            self.disk.switch().skips_sync = has_decision(bytes);
        }
        self.inner.write_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        let forgotten = match self.disk.bug {
            Some(Bug::SyncDoesNothing) => self.path.starts_with("log/"),
            Some(Bug::IndexUnsynced) => self.path.starts_with("index/"),
            Some(Bug::DispatchBeyondDurable) => {
                self.path.starts_with("log/") && std::mem::take(&mut self.disk.switch().skips_sync)
            }
            _ => false,
        };
        if forgotten {
            return if self.disk.change()? { Err(gone()) } else { Ok(()) };
        }
        self.disk.changing(|| self.inner.sync())
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.check()?;
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.changing(|| self.inner.set_len(len))
    }
}
