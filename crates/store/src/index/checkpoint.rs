//! How the index survives: one file that names all others and holds what is in none of them.
//!
//! The files it names are synced before it is written, and never overwritten as long as it names them. It replaces the
//! one before by a rename, so a crash leaves either. A start that finds none, a damaged one, or one that names a file
//! that is missing or too short, rebuilds the index from the log; single damaged blocks are noticed when they are read.

use std::io;
use std::sync::Arc;

use message::CommitLogOffset;

use super::blocks::{DIR, IndexFile};
use super::directory::{Unusable, decode, encode};
use super::error::Health;
use super::{Index, IndexBounds, IndexError};
use crate::disk::Disk;

const PATH: &str = "index/checkpoint";
const NEW_PATH: &str = "index/checkpoint.new";

/// An index that was opened.
pub struct Opened {
    /// The index, as its last checkpoint tells it, or empty.
    pub index: Index,
    /// It needs the log from this offset on, or from the log's beginning when that is later.
    pub replay_from: CommitLogOffset,
    /// Why it is rebuilt although there was one, for the log of the program.
    pub note: Option<String>,
}

/// A checkpoint that was begun, to be written by whichever thread may wait for a disk.
#[must_use = "a checkpoint that is not written does nothing"]
pub struct Checkpoint {
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    bytes: Vec<u8>,
    unsynced: Vec<Arc<IndexFile>>,
    doomed: Vec<String>,
    /// As long as it is held, no other checkpoint is begun.
    _ticket: Arc<()>,
}

impl Index {
    /// Opens the index of this disk. Files that cannot be used are removed: the log has everything they held.
    ///
    /// What the caller does next: [`Index::trim`] to where the log begins, [`Index::apply`] for all entries from
    /// [`Index::applied`] on, [`Index::set_next`] for all queues of the broker's state. Should the log end before that
    /// offset, the index is another log's or the log was cut: [`Index::discard`] it.
    ///
    /// # Errors
    /// Only when there is no directory `index` and it cannot be made.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Opened, IndexError> {
        Self::open_with(disk, IndexBounds::default())
    }

    /// As [`Index::open`], with other bounds than usual.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_with(disk: Arc<dyn Disk>, bounds: IndexBounds) -> Result<Opened, IndexError> {
        let names = make_dir(&*disk)?;
        let empty = || Index::empty(disk.clone(), bounds, &names);
        let (index, note) = match load(empty(), &names) {
            Ok(index) => (index, None),
            Err(None) => (empty(), None),
            Err(Some(reason)) => {
                let note = format!("the checkpoint of the index cannot be used: {reason}; it is rebuilt from the log");
                (empty(), Some(note))
            }
        };
        index.remove_strangers(&names);
        Ok(Opened { replay_from: index.applied, index, note })
    }

    /// An empty index, whatever is on the disk: to be used when that is of another log.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn discard(disk: Arc<dyn Disk>, bounds: IndexBounds) -> Result<Index, IndexError> {
        let names = make_dir(&*disk)?;
        let index = Index::empty(disk, bounds, &names);
        index.remove_strangers(&names);
        Ok(index)
    }

    /// Removes files that the index does not know: those of a checkpoint that was not finished, or not usable.
    fn remove_strangers(&self, names: &[String]) {
        let mut known: Vec<String> = self.files.files().map(|(number, _)| super::blocks::path(number)).collect();
        known.extend(self.keys.runs().iter().map(|run| run.path()));
        if self.applied > CommitLogOffset::ZERO {
            known.push(PATH.to_owned());
        }
        known.sort_unstable();
        for path in names.iter().map(|name| format!("{DIR}/{name}")) {
            if known.binary_search(&path).is_err() {
                // One that stays takes room until the next start, and no checkpoint names it.
                let _ = self.disk.remove(&path);
            }
        }
    }

    /// Gathers what makes a checkpoint at this place in the log, to which everything was applied and which is durable
    /// (an index must not know more than the log does after a crash). Writes to files and syncs nothing.
    ///
    /// # Errors
    /// When pages of half slots cannot be written, the checkpoint before is still being written, or files were found
    /// damaged or could not be synced: then there is none any more until the next start.
    ///
    /// # Panics
    /// When entries at or behind this place were applied.
    pub fn begin_checkpoint(&mut self, at: CommitLogOffset) -> Result<Checkpoint, IndexError> {
        assert!(at >= self.applied, "a checkpoint at {at}, where {} is applied", self.applied);
        if let Err(error) = self.health.check() {
            if matches!(error, IndexError::Broken) {
                remove_if_there(&*self.disk, PATH)?;
            }
            return Err(error);
        }
        if Arc::strong_count(&self.ticket) > 1 {
            return Err(IndexError::Busy);
        }
        self.halves.write(&mut self.files)?;
        self.applied = at;
        let mut unsynced = Vec::new();
        self.files.unsynced(&mut unsynced);
        self.keys.unsynced(&mut unsynced);
        let mut doomed = self.files.take_doomed();
        doomed.append(&mut self.keys.take_doomed());
        Ok(Checkpoint {
            disk: self.disk.clone(),
            health: self.health.clone(),
            bytes: encode(self),
            unsynced,
            doomed,
            _ticket: self.ticket.clone(),
        })
    }

    /// Writes a checkpoint, waiting for the disk, see [`Index::begin_checkpoint`] and [`Checkpoint::write`].
    ///
    /// # Errors
    /// As both of them.
    pub fn checkpoint(&mut self, at: CommitLogOffset) -> Result<(), IndexError> {
        self.begin_checkpoint(at)?.write()
    }
}

impl Checkpoint {
    /// Makes everything durable and then takes the place of the checkpoint before. Removes files that neither the log
    /// nor this checkpoint needs.
    ///
    /// # Errors
    /// When the disk refuses. The checkpoint before is in force then, or this one if only files could not be removed.
    pub fn write(self) -> Result<(), IndexError> {
        self.unsynced.iter().try_for_each(|file| file.sync(&self.health))?;
        // Before the rename: else the checkpoint might survive a power cut and files it names might not.
        self.sync_dir()?;
        let new = self.disk.create(NEW_PATH).map_err(|source| IndexError::io(NEW_PATH, source))?;
        new.write_at(&self.bytes, 0).map_err(|source| IndexError::io(NEW_PATH, source))?;
        new.sync().map_err(|source| self.unsynced(NEW_PATH, source))?;
        self.disk.rename(NEW_PATH, PATH).map_err(|source| IndexError::io(PATH, source))?;
        self.sync_dir()?;
        self.doomed.iter().try_for_each(|path| remove_if_there(&*self.disk, path))
    }

    /// Length in bytes of the file it becomes.
    pub fn file_len(&self) -> usize {
        self.bytes.len()
    }

    fn sync_dir(&self) -> Result<(), IndexError> {
        self.disk.sync_dir(DIR).map_err(|source| self.unsynced(DIR, source))
    }

    fn unsynced(&self, path: &str, source: io::Error) -> IndexError {
        self.health.sync_failed();
        IndexError::io(path, source)
    }
}

/// The names of all files, after making the directory if it is not there.
fn make_dir(disk: &dyn Disk) -> Result<Vec<String>, IndexError> {
    let io = |source| IndexError::io(DIR, source);
    match disk.list(DIR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.create_dir(DIR).map_err(io)?;
            disk.sync_dir("").map_err(io)?;
            Ok(Vec::new())
        }
        names => names.map_err(io),
    }
}

fn remove_if_there(disk: &dyn Disk, path: &str) -> Result<(), IndexError> {
    match disk.remove(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(IndexError::io(path, source)),
        _ => Ok(()),
    }
}

/// The index that the checkpoint tells, or why not; `None` when there is nothing to tell of.
fn load(mut index: Index, names: &[String]) -> Result<Index, Option<Unusable>> {
    let has = |path: &str| names.binary_search_by(|name| (**name).cmp(path.rsplit('/').next().unwrap_or(path))).is_ok();
    if !has(PATH) {
        return Err((!names.is_empty()).then(|| Unusable::File("it is missing".to_owned())));
    }
    let bytes = read_whole(&*index.disk, PATH).map_err(|error| Some(Unusable::File(error.to_string())))?;
    decode(&bytes, &mut index).map_err(Some)?;
    match index.keys.runs().iter().map(|run| run.path()).find(|path| !has(path)) {
        Some(path) => Err(Some(Unusable::File(format!("index file {path} is missing")))),
        None => Ok(index),
    }
}

fn read_whole(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
