//! The data directory: whose it is, in which format, and that only one process uses it.
//!
//! ```text
//! TANDEM      what this directory is, and the version of its format
//! LOCK        held while a process uses the directory, with its id
//! log/        segments of the commit log: truth
//! snapshots/  states at some offsets of the log: truth
//! index/      queues and indexes: can be rebuilt
//! damaged/    what a repair took out of the way
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

use crate::disk::{Disk, RealDisk};

/// Name of the file that says what the directory is.
pub const TANDEM_FILE: &str = "TANDEM";
/// First line of that file; the second is `format <version>`.
pub const TANDEM_TITLE: &str = "Tandem data directory";
/// Version of the directory's layout that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;

const UNFINISHED: &str = "TANDEM.tmp";
const LOCK_FILE: &str = "LOCK";
/// What may lie in a directory that is otherwise empty: a file system's own, and what a first start that was
/// interrupted left.
const NOT_FOREIGN: [&str; 3] = ["lost+found", LOCK_FILE, UNFINISHED];
const SUBDIRECTORIES: [&str; 3] = ["log", "snapshots", "index"];

/// A data directory that this process has for itself, until this is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    disk: Arc<RealDisk>,
    /// Locked as long as it is open.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// Another process uses it.
    #[error("{path} is in use by {}: stop it first, or use another data directory", holder(*.pid))]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its process id, if it has said so.
        pid: Option<u32>,
    },
    /// There is something else in it.
    #[error(
        "{path} holds {found:?} and is no data directory of Tandem: use an empty or new directory, or the one that was \
         used before"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// There is no data directory where one was expected.
    #[error("{path} is no data directory of Tandem: name the directory that the server uses")]
    NotThere {
        /// The directory.
        path: PathBuf,
    },
    /// The file that says what it is says something else.
    #[error("{path}/TANDEM does not say which format the directory has: restore it from a copy, it is two lines long")]
    Unreadable {
        /// The directory.
        path: PathBuf,
    },
    /// Written by a newer version of this program.
    #[error("{path} has format {version}, this program knows format 1: start the version that wrote it")]
    NewerVersion {
        /// The directory.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The disk failed, or does not allow it.
    #[error("cannot {doing} {path}: check the disk, its free space and its permissions")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn io_error(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.into();
    move |source| DirectoryError::Io { doing, path, source }
}

impl DataDirectory {
    /// Takes this directory, and makes it a data directory if it is empty or not there.
    ///
    /// # Errors
    /// See [`DirectoryError`]. Nothing is written into a directory that is not ours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = path.as_ref();
        if !path.exists() {
            fs::create_dir_all(path).map_err(io_error("create", path))?;
            if let Some(above) = path.canonicalize().map_err(io_error("look at", path))?.parent() {
                File::open(above).and_then(|dir| dir.sync_all()).map_err(io_error("sync", above))?;
            }
        }
        if !path.join(TANDEM_FILE).exists()
            && let Some(found) = first_foreign(path).map_err(io_error("list", path))?
        {
            return Err(DirectoryError::Foreign { path: path.to_owned(), found });
        }
        Self::take(path)
    }

    /// Takes this directory, which must be a data directory already.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn existing(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = path.as_ref();
        if !path.join(TANDEM_FILE).exists() {
            return Err(DirectoryError::NotThere { path: path.to_owned() });
        }
        Self::take(path)
    }

    fn take(path: &Path) -> Result<Self, DirectoryError> {
        let lock = take_lock(path)?;
        let disk = RealDisk::open(path).map_err(io_error("open", path))?;
        prepare(&disk, path)?;
        Ok(DataDirectory { disk: Arc::new(disk), _lock: lock })
    }

    /// Its files. They stay readable and writable after this is dropped, without the lock: drop it last.
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }

    /// As [`DataDirectory::disk`], with the log past the page cache, and the bytes that are written at least.
    ///
    /// # Errors
    /// See [`RealDisk::past_page_cache`].
    pub fn disk_past_page_cache(&self) -> io::Result<(Arc<dyn Disk>, u64)> {
        let (disk, sector) = self.disk.past_page_cache(TANDEM_FILE)?;
        Ok((Arc::new(disk), sector))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.disk.root()
    }
}

fn first_foreign(path: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !NOT_FOREIGN.contains(&name.as_str()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn take_lock(path: &Path) -> Result<File, DirectoryError> {
    let lock_path = path.join(LOCK_FILE);
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
    let mut lock = options.map_err(io_error("open", &lock_path))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut text = String::new();
            // Only for the message: without the number it is still clear what to do.
            let pid = lock.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DirectoryError::InUse { path: path.to_owned(), pid });
        }
        Err(errno) => return Err(io_error("lock", &lock_path)(errno.into())),
    }
    // Always as long, so that nothing is left of a longer number, and a full disk has no say once the file is there.
    let named = writeln!(lock, "{:<10}", std::process::id());
    named.map_err(io_error("write to", &lock_path))?;
    Ok(lock)
}

/// Says in the file `TANDEM` what this disk is, or checks what it says, and makes the subdirectories.
///
/// [`DataDirectory`] does this by itself; a simulated disk needs it done. `path` is what errors call the disk.
///
/// # Errors
/// See [`DirectoryError`].
pub fn prepare(disk: &dyn Disk, path: &Path) -> Result<(), DirectoryError> {
    match disk.open(TANDEM_FILE) {
        Ok(file) => {
            let mut text = [0; 256];
            let read = file.read_at(&mut text, 0).map_err(io_error("read", path.join(TANDEM_FILE)))?;
            check_version(&text[..read], path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_tandem_file(disk).map_err(io_error("write", path.join(TANDEM_FILE)))?;
        }
        Err(error) => return Err(io_error("open", path.join(TANDEM_FILE))(error)),
    }
    for name in SUBDIRECTORIES {
        disk.create_dir(name).map_err(io_error("create", path.join(name)))?;
    }
    disk.sync_dir("").map_err(io_error("sync", path))
}

fn check_version(text: &[u8], path: &Path) -> Result<(), DirectoryError> {
    let unreadable = || DirectoryError::Unreadable { path: path.to_owned() };
    let mut lines = std::str::from_utf8(text).map_err(|_| unreadable())?.lines();
    if lines.next() != Some(TANDEM_TITLE) {
        return Err(unreadable());
    }
    let version = lines.next().and_then(|line| line.strip_prefix("format "));
    match version.and_then(|version| version.parse().ok()).ok_or_else(unreadable)? {
        FORMAT_VERSION => Ok(()),
        0 => Err(unreadable()),
        version => Err(DirectoryError::NewerVersion { path: path.to_owned(), version }),
    }
}

fn write_tandem_file(disk: &dyn Disk) -> io::Result<()> {
    let file = disk.create(UNFINISHED)?;
    file.write_at(format!("{TANDEM_TITLE}\nformat {FORMAT_VERSION}\n").as_bytes(), 0)?;
    file.sync()?;
    disk.rename(UNFINISHED, TANDEM_FILE)?;
    disk.sync_dir("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FakeDisk;

    #[test]
    fn a_new_directory_is_made_a_data_directory_and_known_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let first = DataDirectory::open(&path).unwrap();
        assert_eq!(first.path(), path.canonicalize().unwrap());
        assert!(first.disk().list("log").unwrap().is_empty());
        drop(first);
        let text = fs::read_to_string(path.join("TANDEM")).unwrap();
        assert_eq!(text, "Tandem data directory\nformat 1\n");
        DataDirectory::existing(&path).unwrap();
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn a_second_start_is_refused_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(dir.path()).unwrap();
        let error = DataDirectory::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("in use by process {}:", std::process::id())), "{error}");
        drop(first);
        DataDirectory::open(dir.path()).unwrap();
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("photos")).unwrap();
        let error = DataDirectory::open(dir.path()).unwrap_err();
        assert!(matches!(&error, DirectoryError::Foreign { found, .. } if found == "photos"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(matches!(DataDirectory::existing(dir.path()), Err(DirectoryError::NotThere { .. })));
    }

    #[test]
    fn the_root_of_a_file_system_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        DataDirectory::open(dir.path()).unwrap();
    }

    #[test]
    fn another_format_is_refused_with_what_to_do() {
        for (text, expected) in [
            ("Tandem data directory\nformat 7\n", "start the version that wrote it"),
            ("Tandem data directory\n", "does not say which format"),
            ("something else\nformat 1\n", "does not say which format"),
            ("", "does not say which format"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("TANDEM"), text).unwrap();
            let error = DataDirectory::open(dir.path()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_crash_during_the_first_start_leaves_a_directory_that_can_be_started_in() {
        for seed in 0..200 {
            let disk = FakeDisk::new(seed);
            disk.power_off_after(seed % 10);
            let done = prepare(&disk, Path::new("data")).is_ok();
            let left = disk.crash(seed);
            assert!(!done || left.open(TANDEM_FILE).is_ok(), "seed {seed}");
            prepare(&left, Path::new("data")).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    }
}
