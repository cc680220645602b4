//! A broker process that may fail to start, and may be killed at any time: what it says is kept, nothing is held against it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a start or an end may take. Tests share two cores, and some of these processes are traced.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that serves, or has ended before it did.
pub struct Served {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// Where it listens as a broker; `None` when it refused to start.
    pub address: Option<SocketAddr>,
}

impl Served {
    /// Runs it behind these words, in this directory, until it is ready or has ended.
    pub fn start(prefix: &[String], data: &Path, settings: &[&str]) -> Self {
        let mut words = prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tandem")]);
        let first = words.next().expect("the binary's at least");
        let mut command = Command::new(first);
        command.args(words).arg("serve").arg("--data").arg(data);
        command.args(["--nameserver-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {first:?}: {error}"));
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let kept = log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.expect("the log is text");
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let mut served = Served { child, log, reader: Some(reader), address: None };
        let deadline = Instant::now() + PATIENCE;
        while !served.log().contains("tandem: ready in ") {
            if served.child.try_wait().expect("a child can be waited for").is_some() {
                return served;
            }
            assert!(Instant::now() < deadline, "neither ready nor refused:\n{}", served.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        let log = served.log();
        let line = log.lines().find_map(|line| line.strip_prefix("  broker       ")).expect("it says where it listens");
        let address = line.split([' ', ',']).next().expect("a first word");
        served.address = Some(address.parse().expect("an address"));
        served
    }

    /// As [`Served::start`], without anything in the way: it has to get ready.
    pub fn sound(data: &Path, settings: &[&str]) -> Self {
        let served = Self::start(&[], data, settings);
        assert!(served.address.is_some(), "it does not start:\n{}", served.log());
        served
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended by itself; how, and what it said in all.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(1));
        };
        self.reader.take().expect("not joined yet").join().expect("the log can be read");
        (status, self.log())
    }

    /// Ends it with SIGTERM.
    pub fn terminate(self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Ends it with SIGKILL.
    pub fn kill(self) -> (ExitStatus, String) {
        self.signal(Signal::KILL);
        self.wait()
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("process ids are positive");
        // It may have ended by itself, which whoever waits for it finds out.
        let _ = kill_process(Pid::from_raw(id).expect("not 0"), signal);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A test that fails leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("log of the broker:\n{}", self.log());
        }
    }
}
