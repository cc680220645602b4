//! What is done as root: file systems in files, mounted, cut off, taken away.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Ends with words on what is missing, before anything is begun.
pub fn check(replay: bool, file_system: &str) {
    let mut needed = vec![("mount", "mount"), ("losetup", "mount"), ("python3", "python3")];
    needed.push(if file_system == "xfs" { ("mkfs.xfs", "xfsprogs") } else { ("mkfs.ext4", "e2fsprogs") });
    if replay {
        needed.extend([("qemu-storage-daemon", "qemu-system-common"), ("fusermount3", "fuse3")]);
    }
    let mut missing: Vec<String> = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push("root: loop devices are mounted".to_owned());
    }
    let found = |tool: &str| {
        ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|directory| Path::new(directory).join(tool).exists())
    };
    missing.extend(
        needed.iter().filter(|(tool, _)| !found(tool)).map(|(tool, package)| format!("{tool} (package {package})")),
    );
    if !Path::new("/dev/loop-control").exists() {
        missing.push("loop devices in the kernel".to_owned());
    }
    if !missing.is_empty() {
        eprintln!("missing: {}; no power was cut", missing.join(", "));
        std::process::exit(2);
    }
}

/// Runs a command that has to succeed.
pub fn run(words: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(words[0])
        .args(&words[1..])
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", words[0]));
    assert!(status.success(), "{words:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).trim().to_owned()
}

/// Makes a file system in a file, which is empty: nothing is discarded first, nothing is left to be zeroed later.
pub fn format(path: &Path, file_system: &str) {
    let path = path.display().to_string();
    match file_system {
        "xfs" => run(&["mkfs.xfs", "-q", "-f", "-K", &path]),
        _ => run(&["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", &path]),
    };
}

/// A file system in use; unmounted when dropped.
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Mounts a file, over a loop device, or a device.
    pub fn new(image: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).expect("a directory to mount on");
        let (from, to) = (image.display().to_string(), at.display().to_string());
        let device = image.starts_with("/dev");
        run(&["mount", "-o", if device { "noatime" } else { "loop,noatime" }, &from, &to]);
        Mounted { at: at.to_owned() }
    }

    /// The data directory on it.
    pub fn data(&self) -> PathBuf {
        self.at.join("data")
    }

    /// Cuts the power: from now on nothing is written, neither data nor journal, and every call fails. What the file
    /// system finds at its next mount is what had been synced, and what happened to be written besides.
    pub fn cut(&self) {
        // _IOR('X', 125, u32) with FSOP_GOING_FLAGS_NOLOGFLUSH, which ext4 and xfs share.
        let script = "import fcntl, os, struct, sys\n\
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        run(&["python3", "-c", script, &self.at.display().to_string()]);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let at = self.at.display().to_string();
        let status = Command::new("umount").arg(&at).status();
        if !status.is_ok_and(|status| status.success()) && !std::thread::panicking() {
            panic!("cannot unmount {at}");
        }
    }
}
