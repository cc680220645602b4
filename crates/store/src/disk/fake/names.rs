//! The names on a simulated disk: those a reader sees, and those a power cut may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::disk::Rng;
use crate::disk::path::parent;

/// What a file is called inside of the simulation, whatever its name.
pub(super) type FileId = u64;

/// Directories and files at one moment.
#[derive(Clone, Default)]
struct Tree {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, FileId>,
}

#[derive(Clone)]
enum Change {
    CreateDir(String),
    Create(String, FileId),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn paths(&self) -> Vec<&str> {
        match self {
            Change::CreateDir(path) | Change::Create(path, _) | Change::Remove(path) => vec![path],
            Change::Rename(from, to) => vec![from, to],
        }
    }
}

impl Tree {
    fn has_dir(&self, path: &str) -> bool {
        path.is_empty() || self.dirs.contains(path)
    }

    /// Applies a change; one that has lost what it builds on does nothing.
    fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateDir(path) => {
                self.dirs.insert(path.clone());
            }
            Change::Create(path, id) => {
                self.files.insert(path.clone(), *id);
            }
            Change::Rename(from, to) => {
                if let Some(id) = self.files.remove(from) {
                    self.files.insert(to.clone(), id);
                }
            }
            Change::Remove(path) => {
                self.files.remove(path);
            }
        }
    }
}

/// All names of a disk.
#[derive(Clone, Default)]
pub(super) struct Names {
    live: Tree,
    durable: Tree,
    /// What is not durable yet, in order, and the directories that must be synced for it to be.
    pending: Vec<(Change, Vec<String>)>,
    next_id: FileId,
}

fn not_found(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {path}"))
}

impl Names {
    pub(super) fn find(&self, path: &str) -> io::Result<FileId> {
        self.live.files.get(path).copied().ok_or_else(|| not_found(path))
    }

    pub(super) fn has_dir(&self, path: &str) -> bool {
        self.live.has_dir(path)
    }

    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        if !self.has_dir(dir) {
            return Err(not_found(dir));
        }
        let name = |path: &String| path[if dir.is_empty() { 0 } else { dir.len() + 1 }..].to_owned();
        Ok(self.live.files.keys().filter(|path| parent(path) == dir).map(name).collect())
    }

    /// Adds a file; the path is free.
    pub(super) fn create(&mut self, path: &str) -> io::Result<FileId> {
        if !self.has_dir(parent(path)) {
            return Err(not_found(parent(path)));
        }
        let id = self.next_id;
        self.next_id += 1;
        self.change(Change::Create(path.to_owned(), id));
        Ok(id)
    }

    pub(super) fn create_dir(&mut self, path: &str) {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for dir in ends.map(|end| &path[..end]) {
            if !self.has_dir(dir) {
                self.change(Change::CreateDir(dir.to_owned()));
            }
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.find(from)?;
        if !self.has_dir(parent(to)) {
            return Err(not_found(parent(to)));
        }
        if from != to {
            self.change(Change::Rename(from.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.find(path)?;
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        let mut dirs: Vec<String> = change.paths().iter().map(|path| parent(path).to_owned()).collect();
        dirs.dedup();
        self.pending.push((change, dirs));
    }

    pub(super) fn sync_dir(&mut self, dir: &str) -> io::Result<()> {
        if !self.has_dir(dir) {
            return Err(not_found(dir));
        }
        let mut waiting: Vec<(Change, Vec<String>)> = Vec::new();
        for (change, mut dirs) in std::mem::take(&mut self.pending) {
            dirs.retain(|unsynced| unsynced != dir);
            let paths = change.paths();
            let blocked = waiting.iter().any(|(earlier, _)| earlier.paths().iter().any(|path| paths.contains(path)));
            if dirs.is_empty() && !blocked {
                self.durable.apply(&change);
            } else {
                waiting.push((change, dirs));
            }
        }
        self.pending = waiting;
        Ok(())
    }

    /// Files that have a name now.
    pub(super) fn live_files(&self) -> impl Iterator<Item = FileId> + '_ {
        self.live.files.values().copied()
    }

    /// Files that have a name now or may have one after a power cut.
    pub(super) fn known_files(&self) -> BTreeSet<FileId> {
        let created = self.pending.iter().filter_map(|(change, _)| match change {
            Change::Create(_, id) => Some(*id),
            _ => None,
        });
        self.live_files().chain(self.durable.files.values().copied()).chain(created).collect()
    }

    /// What is left after a power cut: of the changes that were not synced any, in order.
    pub(super) fn crash(&self, rng: &mut Rng) -> Names {
        let mut tree = self.durable.clone();
        let survives = [0, 20, 50, 80, 100][rng.below(5) as usize];
        for (change, _) in &self.pending {
            if rng.chance(survives) {
                tree.apply(change);
            }
        }
        let Tree { dirs, files } = &mut tree;
        // Ancestors sort before what lies in them.
        let mut kept = BTreeSet::from([String::new()]);
        for dir in std::mem::take(dirs) {
            if kept.contains(parent(&dir)) {
                kept.insert(dir);
            }
        }
        files.retain(|path, _| kept.contains(parent(path)));
        kept.remove("");
        *dirs = kept;
        Names { live: tree.clone(), durable: tree, pending: Vec::new(), next_id: self.next_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listings(names: &Names, dir: &str) -> BTreeSet<Vec<String>> {
        (0..200).map(|seed| names.crash(&mut Rng::new(seed)).list(dir).unwrap_or_default()).collect()
    }

    fn listing(files: &[&str]) -> Vec<String> {
        files.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_file_is_lost_with_its_name_until_the_directory_is_synced() {
        let mut names = Names::default();
        names.create_dir("log");
        names.create("log/a").unwrap();
        names.sync_dir("log").unwrap();
        assert_eq!(listings(&names, "log"), [listing(&[]), listing(&["a"])].into(), "log/ itself may be lost");
        names.sync_dir("").unwrap();
        assert_eq!(listings(&names, "log"), [listing(&["a"])].into());
    }

    #[test]
    fn a_rename_that_was_not_synced_happened_or_did_not() {
        let mut names = Names::default();
        names.create("a").unwrap();
        names.sync_dir("").unwrap();
        names.rename("a", "b").unwrap();
        assert_eq!(listings(&names, ""), [listing(&["a"]), listing(&["b"])].into());
    }

    #[test]
    fn changes_that_were_not_synced_survive_in_any_combination() {
        let mut names = Names::default();
        names.create("a").unwrap();
        names.create("b").unwrap();
        names.sync_dir("").unwrap();
        names.rename("a", "c").unwrap();
        names.remove("b").unwrap();
        let all = [listing(&["a", "b"]), listing(&["b", "c"]), listing(&["a"]), listing(&["c"])];
        assert_eq!(listings(&names, ""), all.into());
    }

    #[test]
    fn a_rename_between_directories_needs_both_to_be_synced() {
        let mut names = Names::default();
        names.create_dir("x");
        names.create("a").unwrap();
        names.sync_dir("").unwrap();
        names.rename("a", "x/a").unwrap();
        names.sync_dir("x").unwrap();
        assert_eq!(listings(&names, "x"), [listing(&[]), listing(&["a"])].into());
        names.sync_dir("").unwrap();
        assert_eq!(listings(&names, "x"), [listing(&["a"])].into());
    }
}
