//! A directory of the operating system.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, AtFlags, OFlags, StatxFlags, fadvise, statx};

use super::cached::{self, CachedFile};
use super::direct::{DirectFile, Memory};
use super::path::{check_dir, check_file};
use super::recent::{CHUNK_LEN, CHUNKS_MAX, Recent};
use super::{Disk, DiskFile, PAGE, Space};

/// A directory of the operating system, see [`Disk`].
pub struct RealDisk {
    root: PathBuf,
    /// What files that go past the page cache share, if there are any.
    direct: Option<Memory>,
    /// What those that do not share.
    cached: Arc<cached::Shared>,
}

impl fmt::Debug for RealDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sector = self.direct.as_ref().map(Memory::sector);
        f.debug_struct("RealDisk").field("root", &self.root).field("sector", &sector).finish_non_exhaustive()
    }
}

impl RealDisk {
    /// The disk whose data directory is this one.
    ///
    /// # Errors
    /// When it is not there or is no directory.
    pub fn open(dir: impl AsRef<Path>) -> io::Result<Self> {
        let root = dir.as_ref().canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", root.display())));
        }
        Ok(RealDisk { root, direct: None, cached: Arc::default() })
    }

    /// The same directory, where [`Disk::open_direct`] and [`Disk::create_direct`] go past the page cache, and the bytes
    /// of a sector: what is written at least. `like` is a file of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when the file system does not allow it; else whatever the operating system says.
    pub fn past_page_cache(&self, like: &str) -> io::Result<(Self, u64)> {
        let path = self.file(like)?;
        let unsupported =
            || io::Error::new(io::ErrorKind::Unsupported, "the file system does not write past the page cache");
        let file = match open_past_cache(&path) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(unsupported()),
            opened => opened?,
        };
        let found = statx(&file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)?;
        let sector = match (found.stx_mask & StatxFlags::DIOALIGN.bits() != 0, u64::from(found.stx_dio_offset_align)) {
            // Linux says it since 6.1. Before, a page is what every device takes.
            (false, _) => PAGE,
            (true, align) if align.is_power_of_two() && align <= PAGE => align,
            (true, _) => return Err(unsupported()),
        };
        let memory = Memory::new(sector, Recent::new(CHUNK_LEN, CHUNKS_MAX, sector as usize))?;
        let root = self.root.clone();
        Ok((RealDisk { root, direct: Some(memory), cached: Arc::clone(&self.cached) }, sector))
    }

    /// The data directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, path: &str) -> io::Result<PathBuf> {
        check_file(path)?;
        Ok(self.root.join(path))
    }

    fn dir(&self, path: &str) -> io::Result<PathBuf> {
        check_dir(path)?;
        Ok(if path.is_empty() { self.root.clone() } else { self.root.join(path) })
    }
}

pub(super) fn open_past_cache(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OFlags::DIRECT.bits() as i32).open(path)
}

impl Disk for RealDisk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.file(path)?)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.file(path)?)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open_direct(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let name = self.file(path)?;
        let cached = OpenOptions::new().read(true).write(true).open(&name)?;
        let Some(memory) = self.direct.clone() else {
            return Ok(Arc::new(CachedFile::new(cached, Arc::clone(&self.cached))));
        };
        // What is read from it through the page cache is read here and there.
        fadvise(&cached, 0, None, Advice::Random)?;
        Ok(Arc::new(DirectFile::new(open_past_cache(&name)?, cached, memory)))
    }

    fn create_direct(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        drop(self.create(path)?);
        self.open_direct(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.dir(path)?)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.dir(dir)?)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                // A name that is not UTF-8 is none of ours; its replacement characters show that in an error.
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from)?, self.file(to)?)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.file(path)?)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.dir(dir)?)?.sync_all()
    }

    fn space(&self) -> io::Result<Space> {
        let found = rustix::fs::statvfs(&self.root)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Space { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }
}

/// Reads as many bytes as there are, at most `buf.len()`.
pub(super) fn read_fully(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buf.len() {
        match file.read_at(&mut buf[read..], at + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

struct RealFile {
    file: File,
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        read_fully(&self.file, buf, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|found| found.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = RealDisk::open(dir.path()).expect("a disk");
        (dir, disk)
    }

    #[test]
    fn bytes_written_at_a_position_are_read_back_from_it() {
        let (_dir, disk) = disk();
        disk.create_dir("log").unwrap();
        let file = disk.create("log/a").unwrap();
        file.write_at(b"hello", 3).unwrap();
        file.sync().unwrap();
        disk.sync_dir("log").unwrap();
        let again = disk.open("log/a").unwrap();
        let mut buf = [9; 10];
        assert_eq!(again.read_at(&mut buf, 0).unwrap(), 8, "a read ends with the file");
        assert_eq!(&buf[..8], b"\0\0\0hello");
        assert_eq!(again.read_at(&mut buf, 100).unwrap(), 0);
        assert_eq!(again.len().unwrap(), 8);
        again.set_len(0).unwrap();
        assert!(again.is_empty().unwrap());
    }

    #[test]
    fn a_listing_names_files_and_not_directories() {
        let (_dir, disk) = disk();
        disk.create_dir("log/deeper").unwrap();
        disk.create("log/b").unwrap();
        disk.create("log/a").unwrap();
        disk.rename("log/b", "log/c").unwrap();
        assert_eq!(disk.list("log").unwrap(), ["a", "c"]);
        disk.remove("log/a").unwrap();
        assert_eq!(disk.list("log").unwrap(), ["c"]);
        assert_eq!(disk.list("").unwrap(), Vec::<String>::new());
        assert_eq!(disk.list("nowhere").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_outside_of_the_directory_can_be_named() {
        let (_dir, disk) = disk();
        assert_eq!(disk.open("../etc/passwd").err().unwrap().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(disk.create("/tmp/x").err().unwrap().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(disk.rename("a", "../b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_space_of_the_file_system_is_known() {
        let (_dir, disk) = disk();
        let space = disk.space().unwrap();
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
    }
}
