//! Snapshots: the state at one offset of the log, so that a start need not read everything before it.
//!
//! A snapshot is truth, for it holds what no retained entry tells any more. It is written under another name, synced and
//! renamed, so that a file under its own name is complete; two generations are kept, and a damaged one is passed over in
//! favour of the one before. The log keeps what the older one needs: see [`offsets`].

use std::fmt;
use std::io;

use message::codec::Put;
use message::{CommitLogOffset, Timestamp};
use thiserror::Error;

use crate::disk::{Disk, DiskFile};

/// Bytes in front of the state.
pub const SNAPSHOT_HEADER_LEN: usize = 44;

/// Directory of the snapshots.
pub(crate) const DIR: &str = "snapshots";
const UNFINISHED: &str = "snapshots/new.tmp";
const MAGIC: u32 = u32::from_le_bytes(*b"TDN1");
const VERSION: u32 = 1;
/// Snapshots kept.
const GENERATIONS: usize = 2;

/// The state at one offset of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// All entries below this offset are in it, none at or above it.
    pub at: CommitLogOffset,
    /// The broker's time of the last of them.
    pub time: Timestamp,
    /// The state as the broker wrote it.
    pub state: Vec<u8>,
    /// Younger snapshots that could not be read. Say so: the disk is not well.
    pub passed_over: Vec<SnapshotDamage>,
}

/// A snapshot that is not intact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotDamage {
    /// File, relative to the data directory.
    pub file: String,
    /// What is wrong with it.
    pub found: String,
}

impl fmt::Display for SnapshotDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.found)
    }
}

/// Why no snapshot was read or written.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// All there are are damaged, and what they held is nowhere else.
    #[error(
        "no snapshot is readable ({0}): restore one from a copy of the data directory, or run `tandem store verify` and \
         `tandem store repair`"
    )]
    Damaged(SnapshotDamage),
    /// A file that is no snapshot.
    #[error("{file} is not a snapshot: move it out of the data directory")]
    Foreign {
        /// The file.
        file: String,
    },
    /// Written by a newer version of this program.
    #[error("{file} has format version {version}, this program reads version 1: start the version that wrote it")]
    NewerVersion {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
    /// The disk failed, or is full. What was there before is still there.
    #[error("cannot {doing} {file}: check the disk, its free space and its permissions")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl SnapshotError {
    fn io(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> SnapshotError {
        let file = file.to_owned();
        move |source| SnapshotError::Io { doing, file, source }
    }
}

/// Writes a snapshot and removes those it makes superfluous: older ones than the newest intact one before it.
///
/// Everything below `at` has been synced in the log before.
///
/// # Errors
/// See [`SnapshotError`]; the snapshots that were there still are.
pub fn write(disk: &dyn Disk, at: CommitLogOffset, time: Timestamp, state: &[u8]) -> Result<(), SnapshotError> {
    disk.create_dir(DIR).map_err(SnapshotError::io("create", DIR))?;
    disk.sync_dir("").map_err(SnapshotError::io("sync", "the data directory"))?;
    let path = path(at);
    let file = disk.create(UNFINISHED).map_err(SnapshotError::io("create", UNFINISHED))?;
    let header = encode_header(at, time, state);
    let written = file
        .write_at(&header, 0)
        .and_then(|()| file.write_at(state, SNAPSHOT_HEADER_LEN as u64))
        .and_then(|()| file.sync());
    if let Err(error) = written {
        // The first error is the one to report; what stays behind is written over the next time.
        let _ = disk.remove(UNFINISHED);
        return Err(SnapshotError::io("write", UNFINISHED)(error));
    }
    disk.rename(UNFINISHED, &path).map_err(SnapshotError::io("rename to", &path))?;
    disk.sync_dir(DIR).map_err(SnapshotError::io("sync", DIR))?;
    // Only now: until the new one is durable, the older ones are all there is.
    remove_superfluous(disk, at)
}

fn remove_superfluous(disk: &dyn Disk, newest: CommitLogOffset) -> Result<(), SnapshotError> {
    let mut kept = 1;
    for at in offsets(disk)?.into_iter().rev().filter(|at| *at != newest) {
        let intact = kept < GENERATIONS && read(disk, at)?.is_ok();
        if intact {
            kept += 1;
        } else {
            let path = path(at);
            disk.remove(&path).map_err(SnapshotError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The newest snapshot that is intact, `None` when there is none at all.
///
/// # Errors
/// See [`SnapshotError`]. [`SnapshotError::Damaged`] when there are some and none is intact: the log alone may not tell
/// what they told.
pub fn latest(disk: &dyn Disk) -> Result<Option<Snapshot>, SnapshotError> {
    let mut passed_over = Vec::new();
    for at in offsets(disk)?.into_iter().rev() {
        match read(disk, at)? {
            Ok(snapshot) => return Ok(Some(Snapshot { passed_over, ..snapshot })),
            Err(damage) => passed_over.push(damage),
        }
    }
    match passed_over.into_iter().next() {
        Some(damage) => Err(SnapshotError::Damaged(damage)),
        None => Ok(None),
    }
}

/// Where the snapshots stand that are kept, oldest first. Nothing of the log at or above the first of them may go.
///
/// # Errors
/// See [`SnapshotError`].
pub fn offsets(disk: &dyn Disk) -> Result<Vec<CommitLogOffset>, SnapshotError> {
    let names = match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(SnapshotError::io("list", DIR))?,
    };
    let mut offsets = Vec::new();
    for name in names {
        let file = format!("{DIR}/{name}");
        if file == UNFINISHED {
            continue;
        }
        match name.strip_suffix(".snap").filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok()) {
            Some(at) => offsets.push(CommitLogOffset::new(at)),
            None => return Err(SnapshotError::Foreign { file }),
        }
    }
    offsets.sort_unstable();
    Ok(offsets)
}

/// Path of the snapshot that stands at this offset.
pub(crate) fn path(at: CommitLogOffset) -> String {
    format!("{DIR}/{:020}.snap", at.get())
}

fn encode_header(at: CommitLogOffset, time: Timestamp, state: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(SNAPSHOT_HEADER_LEN);
    header.put_u32(MAGIC);
    header.put_u32(VERSION);
    header.put_u64(at.get());
    header.put_i64(time.millis());
    header.put_u64(state.len() as u64);
    header.put_u32(crc32fast::hash(state));
    header.put_u32(0);
    header.put_u32(crc32fast::hash(&header));
    header
}

/// Reads one snapshot; the inner error says that it is damaged.
pub(crate) fn read(disk: &dyn Disk, at: CommitLogOffset) -> Result<Result<Snapshot, SnapshotDamage>, SnapshotError> {
    let path = path(at);
    let file = disk.open(&path).map_err(SnapshotError::io("open", &path))?;
    let damaged = |found: String| Ok(Err(SnapshotDamage { file: path.clone(), found }));
    let mut header = [0; SNAPSHOT_HEADER_LEN];
    let read = file.read_at(&mut header, 0).map_err(SnapshotError::io("read", &path))?;
    if read < SNAPSHOT_HEADER_LEN {
        return damaged(format!("it is {read} bytes long and thereby shorter than its header"));
    }
    let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("4 bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
    if u32_at(0) != MAGIC || u32_at(40) != crc32fast::hash(&header[..40]) {
        return damaged("its header is damaged".to_owned());
    }
    if u32_at(4) != VERSION {
        return Err(SnapshotError::NewerVersion { file: path, version: u32_at(4) });
    }
    if u64_at(8) != at.get() {
        return damaged(format!("its header names offset {}", u64_at(8)));
    }
    let len = file.len().map_err(SnapshotError::io("look at", &path))? - SNAPSHOT_HEADER_LEN as u64;
    if len != u64_at(24) {
        return damaged(format!("it holds {len} bytes of state, its header names {}", u64_at(24)));
    }
    let state = read_state(&*file, len).map_err(SnapshotError::io("read", &path))?;
    if crc32fast::hash(&state) != u32_at(32) {
        return damaged("its state is damaged".to_owned());
    }
    let time = Timestamp::from_millis(u64_at(16) as i64);
    Ok(Ok(Snapshot { at, time, state, passed_over: Vec::new() }))
}

fn read_state(file: &dyn DiskFile, len: u64) -> io::Result<Vec<u8>> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut state = vec![0; len];
    let read = file.read_at(&mut state, SNAPSHOT_HEADER_LEN as u64)?;
    state.truncate(read);
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FakeDisk;

    fn at(offset: u64) -> CommitLogOffset {
        CommitLogOffset::new(offset)
    }

    fn write_one(disk: &FakeDisk, offset: u64) -> Result<(), SnapshotError> {
        write(disk, at(offset), Timestamp::from_millis(offset as i64 * 10), &vec![offset as u8; 2000])
    }

    #[test]
    fn the_newest_snapshot_is_read_back() {
        let disk = FakeDisk::new(1);
        assert_eq!(latest(&disk).unwrap(), None);
        write_one(&disk, 5).unwrap();
        write_one(&disk, 7).unwrap();
        let snapshot = latest(&disk).unwrap().expect("a snapshot");
        assert_eq!((snapshot.at, snapshot.time.millis(), snapshot.passed_over.len()), (at(7), 70, 0));
        assert_eq!(snapshot.state, [7; 2000]);
    }

    #[test]
    fn two_generations_are_kept() {
        let disk = FakeDisk::new(1);
        for offset in 1..6 {
            write_one(&disk, offset).unwrap();
        }
        write_one(&disk, 5).unwrap();
        assert_eq!(offsets(&disk).unwrap(), [at(4), at(5)]);
    }

    #[test]
    fn a_damaged_snapshot_is_passed_over_and_the_intact_one_before_it_outlives_the_next() {
        for position in [0, 6, 17, 30, 41, 44, 2043] {
            let disk = FakeDisk::new(1);
            write_one(&disk, 1).unwrap();
            write_one(&disk, 2).unwrap();
            disk.flip_bit(&path(at(2)), position, 5);
            let snapshot = latest(&disk).unwrap().expect("the older one");
            assert_eq!((snapshot.at, snapshot.passed_over.len()), (at(1), 1), "position {position}");
            assert_eq!(snapshot.passed_over[0].file, path(at(2)));
            write_one(&disk, 3).unwrap();
            assert_eq!(offsets(&disk).unwrap(), [at(1), at(3)]);
        }
    }

    #[test]
    fn a_cut_snapshot_is_damaged() {
        for len in [0, 20, 44, 1000] {
            let disk = FakeDisk::new(1);
            write_one(&disk, 1).unwrap();
            disk.open(&path(at(1))).unwrap().set_len(len).unwrap();
            assert!(matches!(latest(&disk), Err(SnapshotError::Damaged(_))), "{len} bytes");
        }
    }

    #[test]
    fn when_none_is_intact_nothing_is_made_up() {
        let disk = FakeDisk::new(1);
        write_one(&disk, 1).unwrap();
        write_one(&disk, 2).unwrap();
        disk.flip_bit(&path(at(1)), 100, 0);
        disk.flip_bit(&path(at(2)), 100, 0);
        let error = latest(&disk).unwrap_err();
        assert!(error.to_string().contains(&path(at(2))), "{error}");
    }

    #[test]
    fn a_crash_at_any_moment_leaves_the_old_or_the_new_snapshot() {
        for seed in 0..400 {
            let disk = FakeDisk::new(seed);
            write_one(&disk, 1).unwrap();
            write_one(&disk, 2).unwrap();
            disk.power_off_after(seed % 9);
            let written = write_one(&disk, 3).is_ok();
            let snapshot = latest(&disk.crash(seed)).unwrap().expect("a snapshot");
            assert!(snapshot.at == at(3) || (!written && snapshot.at == at(2)), "seed {seed}: {:?}", snapshot.at);
            assert!(snapshot.passed_over.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn a_full_disk_leaves_what_was_there() {
        let disk = FakeDisk::new(1);
        write_one(&disk, 1).unwrap();
        disk.set_capacity(3000);
        assert!(matches!(write_one(&disk, 2), Err(SnapshotError::Io { doing: "write", .. })));
        assert_eq!(latest(&disk).unwrap().map(|snapshot| snapshot.at), Some(at(1)));
        assert_eq!(disk.list(DIR).unwrap().len(), 1);
        disk.set_capacity(1 << 30);
        write_one(&disk, 2).unwrap();
    }

    #[test]
    fn a_newer_version_is_not_taken_for_damage() {
        let disk = FakeDisk::new(1);
        write_one(&disk, 1).unwrap();
        let file = disk.open(&path(at(1))).unwrap();
        let mut header = encode_header(at(1), Timestamp::ZERO, &[1; 2000]);
        header[4] = 2;
        let crc = crc32fast::hash(&header[..40]);
        header[40..].copy_from_slice(&crc.to_le_bytes());
        file.write_at(&header, 0).unwrap();
        assert!(matches!(latest(&disk), Err(SnapshotError::NewerVersion { version: 2, .. })));
    }
}
