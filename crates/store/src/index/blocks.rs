//! Files of blocks, shared by all queues and by the half slots.
//!
//! A block is written once, at the end of the newest file, and never changed. Who wrote it keeps its [`Place`]; when it
//! is not needed any more it is given up, and a file without a needed block is removed at the next checkpoint. So
//! nothing that a checkpoint refers to is ever overwritten. A block says whose it is, so that a wrong place is noticed:
//!
//! ```text
//!  0 u32 magic "TDIB"         16 u64 first: of a queue, the queue offset of its first item; of slots, the page
//!  4 u32 length of payload    24 u32 crc of bytes 0..24 and the payload
//!  8 u64 owner                28 .. payload
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Health, IndexError};
use crate::disk::{Disk, DiskFile};

/// The directory of all index files.
pub(super) const DIR: &str = "index";

const MAGIC: u32 = u32::from_le_bytes(*b"TDIB");
const HEADER_LEN: usize = 28;
/// Most blocks are shorter, so that one read brings them.
const READ_AHEAD: usize = 2048;
/// Longest payload: far more than the largest block needs, so that damage does not ask for memory.
const PAYLOAD_LEN_MAX: usize = 1 << 20;

/// Blocks whose payloads stay in memory, 64 KiB or so, 256 at most: who reads a queue from one end to the other comes back
/// to each block several times, and several queues are read in turn. Catching up reads 1.11 times as many messages with
/// them (medians of 6 interleaved rounds, 8 queues of 1 KiB messages).
const KEPT: usize = 64;

/// Longest payload that is kept.
const KEPT_LEN_MAX: usize = 4096;

/// A payload that was read lately.
struct Kept {
    place: Place,
    owner: u64,
    first: u64,
    payload: Arc<Vec<u8>>,
}

/// Where a block lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub file: u32,
    pub at: u32,
}

impl Place {
    /// No place: files are numbered from 1.
    pub const NONE: Place = Place { file: 0, at: 0 };
}

/// A file that may hold bytes that are not synced.
pub(super) struct IndexFile {
    pub path: String,
    pub file: Arc<dyn DiskFile>,
    /// Written since the last sync began.
    pub dirty: AtomicBool,
}

impl IndexFile {
    /// A file that was just made.
    pub fn unsynced(path: String, file: Arc<dyn DiskFile>) -> Arc<Self> {
        Arc::new(IndexFile { path, file, dirty: AtomicBool::new(true) })
    }

    /// Makes what was written durable.
    pub fn sync(&self, health: &Health) -> Result<(), IndexError> {
        // Cleared before the sync: a write while it runs counts for the next one.
        if self.dirty.swap(false, Ordering::AcqRel) {
            self.file.sync().map_err(|source| {
                health.sync_failed();
                IndexError::io(&self.path, source)
            })?;
        }
        Ok(())
    }
}

struct BlockFile {
    file: Arc<IndexFile>,
    len: u64,
    /// Blocks that are needed.
    live: u32,
}

/// All files of blocks.
pub(super) struct BlockFiles {
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    files: BTreeMap<u32, BlockFile>,
    /// Number of the next file. Numbers of files that wait for their removal are not used again.
    next_number: u32,
    file_len_max: u64,
    /// Files that hold nothing live, to be removed when no checkpoint names them.
    doomed: Vec<String>,
    scratch: Vec<u8>,
    /// Each at its place's number. What was written to a place stays as it is.
    kept: RefCell<Vec<Option<Kept>>>,
}

/// The path of the file with this number.
pub(super) fn path(number: u32) -> String {
    format!("{DIR}/blocks-{number:08}.blk")
}

/// The number in the name of a file of blocks.
fn number_of(name: &str) -> Option<u32> {
    name.strip_prefix("blocks-")?.strip_suffix(".blk")?.parse().ok()
}

impl BlockFiles {
    /// Without files. `names` are those in the directory: their numbers are not used again.
    pub fn new(disk: Arc<dyn Disk>, health: Arc<Health>, file_len_max: u64, names: &[String]) -> Self {
        let next_number = names.iter().filter_map(|name| number_of(name)).max().map_or(1, |n| n.saturating_add(1));
        BlockFiles {
            disk,
            health,
            files: BTreeMap::new(),
            next_number,
            file_len_max,
            doomed: Vec::new(),
            scratch: Vec::new(),
            kept: RefCell::default(),
        }
    }

    /// Opens a file that a checkpoint names. Bytes beyond `len` are of no checkpoint and are overwritten.
    ///
    /// # Errors
    /// When it is missing or shorter.
    pub fn adopt(&mut self, number: u32, len: u64) -> Result<(), IndexError> {
        let path = path(number);
        let io = |source| IndexError::io(&path, source);
        let file = self.disk.open(&path).map_err(io)?;
        let found = file.len().map_err(io)?;
        if found < len {
            return Err(IndexError::Damaged { path, at: found });
        }
        self.next_number = self.next_number.max(number.saturating_add(1));
        let file = Arc::new(IndexFile { path, file, dirty: AtomicBool::new(false) });
        self.files.insert(number, BlockFile { file, len, live: 0 });
        Ok(())
    }

    /// Counts a block of an adopted file as needed; `false` when it cannot be there.
    #[must_use]
    pub fn claim(&mut self, place: Place) -> bool {
        match self.files.get_mut(&place.file) {
            Some(file) if u64::from(place.at) + HEADER_LEN as u64 <= file.len => {
                file.live += 1;
                true
            }
            _ => false,
        }
    }

    /// Number and length of each file.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (u32, u64)> {
        self.files.iter().map(|(number, file)| (*number, file.len))
    }

    /// Appends the files that may hold unsynced bytes.
    pub fn unsynced(&self, to: &mut Vec<Arc<IndexFile>>) {
        let dirty = self.files.values().filter(|file| file.file.dirty.load(Ordering::Acquire));
        to.extend(dirty.map(|file| file.file.clone()));
    }

    /// The files that a checkpoint written now does not name and that may be removed when it is durable.
    pub fn take_doomed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.doomed)
    }

    /// Writes a block, not synced.
    ///
    /// # Errors
    /// When the disk refuses; then nothing has changed and it can be tried again.
    pub fn append(&mut self, owner: u64, first: u64, payload: &[u8]) -> Result<Place, IndexError> {
        assert!(payload.len() <= PAYLOAD_LEN_MAX, "a block of {} bytes", payload.len());
        let len = (HEADER_LEN + payload.len()) as u64;
        let number = self.file_with_room(len)?;
        let file = self.files.get_mut(&number).expect("the file was just found or made");
        let block = &mut self.scratch;
        block.clear();
        block.extend_from_slice(&MAGIC.to_le_bytes());
        block.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        block.extend_from_slice(&owner.to_le_bytes());
        block.extend_from_slice(&first.to_le_bytes());
        block.extend_from_slice(&crc(block, payload).to_le_bytes());
        block.extend_from_slice(payload);
        // Before the write: a sync that begins during it must not be the last one.
        file.file.dirty.store(true, Ordering::Release);
        file.file.file.write_at(block, file.len).map_err(|source| IndexError::io(&file.file.path, source))?;
        let place = Place { file: number, at: u32::try_from(file.len).expect("files are shorter than 4 GiB") };
        file.len += len;
        file.live += 1;
        Ok(place)
    }

    fn file_with_room(&mut self, len: u64) -> Result<u32, IndexError> {
        if let Some((number, newest)) = self.files.last_key_value() {
            if newest.len + len <= self.file_len_max {
                return Ok(*number);
            }
            let (number, empty) = (*number, newest.live == 0);
            if empty {
                self.retire(number);
            }
        }
        let number = self.next_number;
        let path = path(number);
        let file = self.disk.create(&path).map_err(|source| IndexError::io(&path, source))?;
        self.next_number += 1;
        let file = IndexFile::unsynced(path, file);
        self.files.insert(number, BlockFile { file, len: 0, live: 0 });
        Ok(number)
    }

    /// Gives a block up.
    pub fn free(&mut self, place: Place) {
        let newest = self.files.last_key_value().map(|(number, _)| *number);
        let file = self.files.get_mut(&place.file).expect("only known blocks are given up");
        file.live = file.live.checked_sub(1).expect("a block is given up once");
        if file.live == 0 && newest != Some(place.file) {
            self.retire(place.file);
        }
    }

    /// Gives all blocks up.
    pub fn forget(&mut self) {
        let files = std::mem::take(&mut self.files);
        self.doomed.extend(files.into_values().map(|file| file.file.path.clone()));
    }

    fn retire(&mut self, number: u32) {
        if let Some(file) = self.files.remove(&number) {
            self.doomed.push(file.file.path.clone());
        }
    }

    /// Reads the payload of a block back.
    ///
    /// # Errors
    /// When the disk refuses, or other bytes are there: from then on no checkpoint is written.
    pub fn read(&self, place: Place, owner: u64, first: u64) -> Result<Arc<Vec<u8>>, IndexError> {
        let mut kept = self.kept.borrow_mut();
        if kept.is_empty() {
            kept.resize_with(KEPT, || None);
        }
        // Blocks of queues that grow together lie side by side, and are some hundreds of bytes long.
        let slot = &mut kept[(place.at as usize / 512) % KEPT];
        if let Some(kept) = slot
            && (kept.place, kept.owner, kept.first) == (place, owner, first)
        {
            return Ok(Arc::clone(&kept.payload));
        }
        let file = &self.files.get(&place.file).expect("only known blocks are read").file;
        let payload = self
            .read_from(file, place, owner, first)
            .map_err(|source| IndexError::io(&file.path, source))
            .and_then(|block| block.ok_or_else(|| self.damaged(place)))?;
        let payload = Arc::new(payload);
        if payload.len() <= KEPT_LEN_MAX {
            *slot = Some(Kept { place, owner, first, payload: Arc::clone(&payload) });
        }
        Ok(payload)
    }

    /// From now on no checkpoint is written: it would say what is not so.
    pub fn distrust(&self) {
        self.health.found_damage();
    }

    /// The error about a block that is not what was written.
    pub fn damaged(&self, place: Place) -> IndexError {
        self.distrust();
        IndexError::Damaged { path: path(place.file), at: u64::from(place.at) }
    }

    fn read_from(&self, file: &IndexFile, place: Place, owner: u64, first: u64) -> io::Result<Option<Vec<u8>>> {
        let at = u64::from(place.at);
        let mut bytes = vec![0; READ_AHEAD];
        let read = file.file.read_at(&mut bytes, at)?;
        bytes.truncate(read);
        let Some(header) = bytes.get(..HEADER_LEN) else { return Ok(None) };
        let u32_at = |i: usize| u32::from_le_bytes(header[i..i + 4].try_into().expect("4 bytes"));
        let u64_at = |i: usize| u64::from_le_bytes(header[i..i + 8].try_into().expect("8 bytes"));
        let (len, sum) = (u32_at(4) as usize, u32_at(24));
        if u32_at(0) != MAGIC || u64_at(8) != owner || u64_at(16) != first || len > PAYLOAD_LEN_MAX {
            return Ok(None);
        }
        let end = HEADER_LEN + len;
        if end > bytes.len() {
            bytes.resize(end, 0);
            let missing = &mut bytes[read..];
            if file.file.read_at(missing, at + read as u64)? < missing.len() {
                return Ok(None);
            }
        }
        if crc(&bytes[..HEADER_LEN - 4], &bytes[HEADER_LEN..end]) != sum {
            return Ok(None);
        }
        bytes.truncate(end);
        bytes.drain(..HEADER_LEN);
        Ok(Some(bytes))
    }
}

fn crc(header: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FakeDisk;

    fn files(disk: &FakeDisk, file_len_max: u64) -> BlockFiles {
        BlockFiles::new(Arc::new(disk.clone()), Arc::new(Health::default()), file_len_max, &disk.list(DIR).unwrap())
    }

    fn disk() -> FakeDisk {
        let disk = FakeDisk::new(1);
        disk.create_dir(DIR).unwrap();
        disk
    }

    #[test]
    fn a_block_is_read_back_by_its_owner_only() {
        let disk = disk();
        let mut files = files(&disk, 1 << 20);
        let short = files.append(7, 100, b"short").unwrap();
        let long = files.append(8, 200, &[5; 9000]).unwrap();
        assert_eq!(*files.read(short, 7, 100).unwrap(), b"short");
        assert_eq!(*files.read(long, 8, 200).unwrap(), vec![5; 9000]);
        assert!(matches!(files.read(short, 7, 101), Err(IndexError::Damaged { at: 0, .. })));
        assert!(matches!(files.health.check(), Err(IndexError::Broken)));
    }

    #[test]
    fn a_flipped_bit_of_a_block_is_found() {
        let disk = disk();
        let mut files = files(&disk, 1 << 20);
        let place = files.append(7, 100, b"payload").unwrap();
        for at in 0..35 {
            disk.flip_bit(&path(1), at, 3);
            assert!(matches!(files.read(place, 7, 100), Err(IndexError::Damaged { .. })), "byte {at}");
            disk.flip_bit(&path(1), at, 3);
        }
        assert!(files.read(place, 7, 100).is_ok());
    }

    #[test]
    fn a_short_block_is_in_memory_after_it_was_read_until_another_takes_its_place() {
        let disk = disk();
        let mut files = files(&disk, 1 << 20);
        let short = files.append(7, 0, &[1; 100]).unwrap();
        let long = files.append(7, 1, &[2; KEPT * 512 - 2 * HEADER_LEN - 100]).unwrap();
        let third = files.append(7, 2, &[3; 100]).unwrap();
        assert_eq!(third.at as usize, KEPT * 512);
        for (place, first) in [(short, 0), (long, 1)] {
            assert!(files.read(place, 7, first).is_ok());
            disk.flip_bit(&path(1), u64::from(place.at) + 50, 3);
        }
        assert_eq!(*files.read(short, 7, 0).unwrap(), [1; 100]);
        assert!(files.read(short, 8, 0).is_err(), "it is not another queue's");
        assert!(files.read(long, 7, 1).is_err(), "what is long is not kept");
        assert_eq!(*files.read(third, 7, 2).unwrap(), [3; 100]);
        assert!(files.read(short, 7, 0).is_err(), "the third is there instead");
    }

    #[test]
    fn a_file_without_needed_blocks_is_doomed_and_its_number_is_not_used_again() {
        let disk = disk();
        let mut files = files(&disk, 60);
        let places: Vec<_> = (0..4).map(|i| files.append(7, i, &[0; 20]).unwrap()).collect();
        assert_eq!(places.iter().map(|place| place.file).collect::<Vec<_>>(), [1, 2, 3, 4]);
        files.free(places[1]);
        files.free(places[3]);
        assert_eq!(files.append(7, 4, &[0; 20]).unwrap().file, 5);
        assert_eq!(files.take_doomed(), [path(2), path(4)]);
        assert_eq!(files.files().map(|(number, _)| number).collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn a_write_that_failed_is_tried_again_at_the_same_place() {
        let disk = disk();
        let mut files = files(&disk, 1 << 20);
        let first = files.append(7, 0, b"first").unwrap();
        disk.fail_write(1);
        assert!(matches!(files.append(7, 1, b"second"), Err(IndexError::Io { .. })));
        let second = files.append(7, 1, b"second").unwrap();
        assert_eq!(second.at, first.at + 33);
        assert_eq!(*files.read(second, 7, 1).unwrap(), b"second");
    }
}
