//! One recorded run, replayed to many cuts: everything up to the last flush before a cut is on the disk; of what came after
//! it, each block of 4 KiB is or is not, as chance has it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::block_log::{self, Request};
use crate::load::{Load, Now, SETTINGS};
use crate::machine::{self, Mounted, run as command};
use crate::promises::{Counts, Promises};
use crate::rng::Rng;
use crate::served::Served;
use crate::wire::Wire;

/// Bytes of the device: the smallest file system that xfs makes is 300 MiB.
const SIZE: u64 = 400 << 20;
/// Bytes of its log at most, most of them never written.
const LOG_SIZE: u64 = 8 << 30;
const LOAD: Duration = Duration::from_secs(4);
/// What a disk writes, or does not.
const BLOCK: u64 = 4096;

/// A run that was recorded.
struct Recorded {
    requests: Vec<Request>,
    log: File,
    promises: Vec<Promises>,
    /// Requests there were before the load began.
    begun: u64,
}

/// Records a run and replays it to so many cuts; returns what was broken.
pub fn run(file_system: &str, cuts: usize, seed: u64) -> Vec<String> {
    let directory = TempDir::new().expect("a temporary directory");
    let recorded = record(directory.path(), file_system);
    let answered = recorded.promises.iter().fold(Counts::default(), |sum, one| sum.plus(one.counts()));
    let flushes = recorded.requests.iter().filter(|request| request.flush).count();
    println!(
        "{file_system}: {} requests recorded, {flushes} of them flushes; answered OK: {answered:?}",
        recorded.requests.len()
    );
    let mut rng = Rng(seed);
    let mut at = cut_points(&recorded, cuts, &mut rng);
    at.sort_unstable();
    let image = directory.path().join("durable");
    let durable = File::options().write(true).open(&image).expect("the file system as it was made");
    let (mut applied, mut broken, mut held, mut dropped) = (0, Vec::new(), Counts::default(), 0);
    for (number, cut) in at.iter().enumerate() {
        // A file of its own for each: a loop device that still has the one before would show its old bytes.
        let scratch = directory.path().join(format!("cut-{number}"));
        let flushed = recorded.requests[..*cut].iter().rposition(|request| request.flush).map_or(0, |last| last + 1);
        for request in &recorded.requests[applied..flushed.max(applied)] {
            write(&recorded.log, request, &durable, |_| true);
        }
        applied = flushed.max(applied);
        command(&["cp", "--sparse=always", &image.display().to_string(), &scratch.display().to_string()]);
        let cut_image = File::options().write(true).open(&scratch).expect("just copied");
        for request in &recorded.requests[applied..*cut] {
            write(&recorded.log, request, &cut_image, |_| {
                let kept = request.forced || rng.below(2) == 0;
                dropped += usize::from(!kept);
                kept
            });
        }
        drop(cut_image);
        let found = compare(&scratch, &directory.path().join("replayed"), &recorded, *cut as u64, &mut held);
        broken.extend(found.into_iter().map(|line| format!("cut at request {cut}: {line}")));
        std::fs::remove_file(&scratch).expect("nobody needs it any more");
    }
    // Had the recording left something out, what was replayed would prove nothing.
    for request in &recorded.requests[applied..] {
        write(&recorded.log, request, &durable, |_| true);
    }
    command(&["cmp", &image.display().to_string(), &directory.path().join("base").display().to_string()]);
    println!(
        "{file_system}: {} cuts (seed {seed}), {dropped} unsynced blocks dropped; had to be there, over all cuts: {} sends, {} \
         halves, {} decisions, {} offsets, {} topics; lost or wrong: {}",
        at.len(),
        held.sends,
        held.halves,
        held.decisions,
        held.offsets,
        held.topics,
        broken.len()
    );
    broken
}

/// Half of them anywhere, half just before a flush, when most is not yet on the disk.
fn cut_points(recorded: &Recorded, cuts: usize, rng: &mut Rng) -> Vec<usize> {
    let (begun, end) = (recorded.begun as usize, recorded.requests.len());
    let before: Vec<usize> = (begun..end).filter(|at| recorded.requests[*at].flush).collect();
    (0..cuts)
        .map(|number| match number % 2 {
            0 if !before.is_empty() => before[rng.below(before.len() as u64) as usize],
            _ => begun + rng.below((end - begun) as u64) as usize,
        })
        .collect()
}

/// Writes what the disk has of one request.
fn write(log: &File, request: &Request, to: &File, mut kept: impl FnMut(u64) -> bool) {
    let mut done = 0;
    while done < request.len {
        let len = (BLOCK - (request.at + done) % BLOCK).min(request.len - done);
        if kept(done) {
            let mut bytes = vec![0; len as usize];
            log.read_exact_at(&mut bytes, request.data + done).expect("the log has the bytes");
            to.write_all_at(&bytes, request.at + done).expect("a file can be written");
        }
        done += len;
    }
}

/// Starts a broker on what a cut left, and compares it with what had been answered by then.
fn compare(image: &Path, at: &Path, recorded: &Recorded, cut: u64, held: &mut Counts) -> Vec<String> {
    let mounted = Mounted::new(image, at);
    let served = Served::start(&[], &mounted.data(), &SETTINGS);
    let Some(address) = served.address else {
        return vec![format!("it does not start: {}", served.log())];
    };
    let mut wire = Wire::connect(address);
    let mut broken = Vec::new();
    for promises in &recorded.promises {
        let mut promises = promises.until(cut);
        *held = held.plus(promises.counts());
        broken.extend(promises.broken(&mut wire));
        broken.extend(promises.settle(&mut wire));
    }
    drop(served);
    broken
}

/// A device whose requests are recorded, and the process that does it.
struct Recorder {
    daemon: Child,
    device: String,
    log: PathBuf,
}

impl Recorder {
    fn begin(directory: &Path, file_system: &str) -> Self {
        let path = |name: &str| directory.join(name);
        for (name, len) in [("base", SIZE), ("log", LOG_SIZE), ("export", 0)] {
            File::create(path(name)).and_then(|file| file.set_len(len)).expect("a sparse file");
        }
        machine::format(&path("base"), file_system);
        command(&[
            "cp",
            "--sparse=always",
            &path("base").display().to_string(),
            &path("durable").display().to_string(),
        ]);
        let mut daemon = Command::new("qemu-storage-daemon");
        for (node, name) in [("base", "base"), ("log", "log")] {
            daemon.args(["--blockdev", &format!("driver=file,node-name={node},filename={}", path(name).display())]);
        }
        daemon.args(["--blockdev", "driver=blklogwrites,node-name=recorded,file=base,log=log,log-sector-size=512"]);
        daemon.args([
            "--export",
            &format!("type=fuse,id=export,node-name=recorded,mountpoint={},writable=on", path("export").display()),
        ]);
        let daemon = daemon.spawn().expect("qemu-storage-daemon (package qemu-system-common)");
        let mut recorder = Recorder { daemon, device: String::new(), log: path("log") };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::metadata(path("export")).map_or(0, |found| found.len()) != SIZE {
            assert!(Instant::now() < deadline, "the device is not exported: is there /dev/fuse?");
            std::thread::sleep(Duration::from_millis(20));
        }
        let export = path("export").display().to_string();
        // Not direct, so that one request is under way at a time: some versions of qemu use one buffer for all of them, and
        // the log would have the bytes of another request.
        recorder.device = command(&["losetup", "-f", "--show", "--direct-io=off", &export]);
        recorder
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.device.is_empty() {
            let _ = Command::new("losetup").args(["-d", &self.device]).status();
        }
        let id = i32::try_from(self.daemon.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // It writes the head of its log at its end.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.daemon.wait();
    }
}

fn record(directory: &Path, file_system: &str) -> Recorded {
    let recorder = Recorder::begin(directory, file_system);
    let mounted = Mounted::new(Path::new(&recorder.device), &directory.join("mounted"));
    let served = Served::sound(&mounted.data(), &SETTINGS);
    let log = Arc::new(File::open(&recorder.log).expect("the log is there"));
    let begun = block_log::len(&log);
    let now: Now = {
        let log = log.clone();
        Arc::new(move || block_log::len(&log))
    };
    let load = Load::begin(served.address.expect("it is ready"), "replayed", &now);
    std::thread::sleep(LOAD);
    assert!(!load.is_over(), "somebody is refused:\n{}", served.log());
    served.kill();
    let (promises, _) = load.end();
    drop(mounted);
    let path = recorder.log.clone();
    drop(recorder);
    let requests = block_log::read(&path);
    let log = File::open(path).expect("the log is there");
    Recorded { requests, log, promises, begun }
}
