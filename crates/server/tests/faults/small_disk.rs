//! A file system of a few megabytes, mounted where only we and the broker see it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::broker::Broker;

/// A file system in memory that lives in the mount namespace of a process of ours.
pub struct SmallDisk {
    keeper: Child,
    directory: Arc<TempDir>,
}

impl SmallDisk {
    /// Mounts one of this size.
    pub fn new(mebibytes: u32) -> Self {
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        let script = format!("mount -t tmpfs -o size={mebibytes}m none \"$0\" && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        // Without root, in a user namespace where we are.
        command.args(if is_root() { &["-m"][..] } else { &["-r", "-m"][..] });
        command.args(["sh", "-c", &script]).arg(directory.path());
        // It ends with its input, so when we end.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("`unshare` (util-linux) is needed for the tests of faults");
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the shell says whether it could mount");
        assert_eq!(
            line, "mounted\n",
            "cannot mount a tmpfs: root or user namespaces are needed for the tests of faults"
        );
        SmallDisk { keeper, directory }
    }

    /// Starts a broker on it.
    pub fn broker(&self, settings: &[&str]) -> Broker {
        Broker::within(self.directory.clone(), self.prefix(), settings)
    }

    /// Words before a command's that let it see the file system.
    pub fn prefix(&self) -> Vec<String> {
        let mut prefix = vec!["nsenter".to_owned(), "-t".to_owned(), self.keeper.id().to_string(), "-m".to_owned()];
        if !is_root() {
            prefix.extend(["-U".to_owned(), "--preserve-credentials".to_owned()]);
        }
        prefix.push("--".to_owned());
        prefix
    }

    /// Where the data directory of [`SmallDisk::broker`] is, for those who see the file system.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Mounts it anew, for reading only or for writing too. Nobody may use it meanwhile.
    pub fn read_only(&self, read_only: bool) {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        let prefix = self.prefix();
        let mut command = Command::new(&prefix[0]);
        command.args(&prefix[1..]).args(["mount", "-o", options]).arg(self.directory.path());
        let status = command.status().expect("`nsenter` (util-linux) is needed for the tests of faults");
        assert!(status.success(), "a tmpfs can be mounted with {options}");
    }

    /// Takes what is free, but for so many bytes.
    pub fn fill_but(&self, bytes: u64) {
        let mut file = File::create(self.filler()).expect("a file in the namespace");
        let zeros = vec![0; 64 << 10];
        let full = loop {
            if let Err(error) = file.write_all(&zeros) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let len = file.metadata().expect("a file that is open").len();
        file.set_len(len.checked_sub(bytes).expect("so much was free")).expect("a file can be cut");
    }

    /// Gives back what was taken.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).expect("a file that was made");
    }

    fn filler(&self) -> PathBuf {
        let inside = self.directory.path().join("filler");
        let mut path = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        path.push(inside.strip_prefix("/").expect("an absolute path"));
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The namespace and its mounts end with the last process in it.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
