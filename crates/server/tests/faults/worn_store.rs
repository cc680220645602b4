//! A store that has seen all there is: several segments and spares, two snapshots, saved index files, and a process that was
//! killed. Tests damage copies of it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::broker::tandem;
use crate::disk_errors::SMALL;
use crate::promises::{Asked, Promises};
use crate::served::Served;
use crate::wire::{Message, Wire};

/// Length of a body; the last batch of the log is about this long.
const BODY: usize = 32 << 10;

/// The store, and what was promised about it.
pub struct WornStore {
    directory: TempDir,
    pub promises: Promises,
}

impl WornStore {
    pub fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        let mut promises = Promises::new("a", BODY);
        // Two ends in order make two snapshots; what comes then is known to the log alone.
        for requests in [40, 24, 18] {
            let served = Served::sound(&data, &SMALL);
            let mut wire = Wire::connect(served.address.expect("it is ready"));
            for _ in 0..requests {
                assert!(matches!(promises.ask(&mut wire, || 0), Asked::Done));
            }
            if requests == 18 {
                served.kill();
            } else {
                assert_eq!(served.terminate().0.code(), Some(0));
            }
        }
        WornStore { directory, promises }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A copy to damage.
    pub fn copy(&self) -> Copy {
        let directory = TempDir::new().expect("a temporary directory");
        copy(&self.data(), &directory.path().join("data"));
        Copy { directory }
    }

    /// The files of it, relative to the data directory, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for dir in ["", "log", "snapshots", "index"] {
            for entry in std::fs::read_dir(self.data().join(dir)).expect("a data directory has these") {
                let entry = entry.expect("a directory can be listed");
                if entry.file_type().expect("a kind of file").is_file() {
                    let name = entry.file_name().into_string().expect("our names are text");
                    files.push(if dir.is_empty() { name } else { format!("{dir}/{name}") });
                }
            }
        }
        files.sort();
        files
    }

    /// The files in one directory of it whose names end like this.
    pub fn files_in(&self, dir: &str, end: &str) -> Vec<String> {
        let spare = |file: &String| file.contains("spare");
        self.files().into_iter().filter(|file| file.starts_with(dir) && file.ends_with(end) && !spare(file)).collect()
    }
}

/// A copy of a store.
pub struct Copy {
    directory: TempDir,
}

impl Copy {
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.data().join(file)
    }

    /// Whether `tandem store verify` finds nothing.
    pub fn is_clean(&self) -> bool {
        tandem(&["store", "verify", "--data", &self.data().display().to_string()]).status.success()
    }
}

/// Reads a topic to its end; an error is given back with what was read before it.
pub fn read(wire: &mut Wire, topic: &str) -> (Vec<Message>, Option<String>) {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let offset = all.len().to_string();
        let answer = wire.call(11, &crate::wire::pull_fields("readers", topic, &offset, "4", "0"), b"");
        match answer.code {
            0 => all.extend(crate::wire::messages(&answer.body)),
            // No new message.
            19 => return (all, None),
            code => return (all, Some(format!("{code} {}", answer.remark.unwrap_or_default()))),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("a directory can be listed");
        let there = to.join(entry.file_name());
        if entry.file_type().expect("a kind of file").is_dir() {
            copy(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).expect("a file can be copied");
        }
    }
}
