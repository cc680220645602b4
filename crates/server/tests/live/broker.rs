//! One broker process: started, waited for, killed; what it logs is read along.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::wire::Wire;

/// The binary, for commands that need no broker.
pub fn tandem(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem")).args(args).envs(quiet()).output().expect("the binary runs")
}

/// Whoever runs the tests may have set what would change the answers.
fn quiet() -> [(&'static str, &'static str); 2] {
    [("USER", "ada"), ("NO_COLOR", "1")]
}

/// What a command said on standard output.
pub fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

/// What a command said on standard error.
pub fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is text")
}

/// A broker process and its data directory. The process is killed when this is dropped; a test fails when the log has
/// an error, or a warning that was not [allowed](Broker::allow).
pub struct Broker {
    directory: Arc<TempDir>,
    args: Vec<String>,
    allowed: Vec<&'static str>,
    /// Words before the binary's, to start it somewhere else.
    prefix: Vec<String>,
    process: Option<Process>,
    /// What earlier processes in this directory logged.
    before: String,
}

struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    nameserver: SocketAddr,
    broker: SocketAddr,
}

/// How long anything may take that should be done at once. Tests share two cores.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Broker {
    /// Starts one in a new directory.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// As [`Broker::start`], with `--set` for each of these settings.
    pub fn with(settings: &[&str]) -> Self {
        Self::within(Arc::new(TempDir::new().expect("a temporary directory")), Vec::new(), settings)
    }

    /// As [`Broker::with`], in this directory, by a command that runs the one behind it.
    pub fn within(directory: Arc<TempDir>, prefix: Vec<String>, settings: &[&str]) -> Self {
        let mut args = Vec::new();
        for setting in settings {
            args.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        let mut broker = Broker { directory, args, allowed: Vec::new(), prefix, process: None, before: String::new() };
        broker.start_again();
        broker
    }

    /// Says that a warning with these words is expected.
    pub fn allow(&mut self, words: &'static str) {
        self.allowed.push(words);
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        data_in(self.directory.path())
    }

    /// A command line that serves in the same directory.
    pub fn command(&self) -> Command {
        let mut words = self.prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tandem")]);
        let mut command = Command::new(words.next().expect("the binary's at least"));
        command.args(words).arg("serve").arg("--data").arg(self.data());
        command.args(["--nameserver-listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0"]);
        command.args(&self.args).envs(quiet());
        command
    }

    /// Starts a process in the directory, which has none now, and returns how long it took until it was ready.
    pub fn start_again(&mut self) -> Duration {
        assert!(self.process.is_none(), "the broker runs already");
        let started = Instant::now();
        let mut child = self.command().stderr(Stdio::piped()).spawn().expect("the binary runs");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let kept = log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines() {
                let line = line.expect("the log is text");
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        // Adopted before it is waited for, so that it is killed if it never gets ready.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        self.process = Some(Process { child, log, reader: Some(reader), nameserver: nowhere, broker: nowhere });
        self.wait_for_log("tandem: ready in ");
        let took = started.elapsed();
        let log = self.log();
        let process = self.process.as_mut().expect("just started");
        process.nameserver = address_in(&log, "  name server  ");
        process.broker = address_in(&log, "  broker       ");
        took
    }

    /// Waits until the log of the process has these words.
    pub fn wait_for_log(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            let gone = self.running().child.try_wait().expect("a child can be waited for");
            assert!(gone.is_none(), "the broker ended with {gone:?}:\n{}", self.log());
            assert!(Instant::now() < deadline, "no {words:?} in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("the broker runs")
    }

    /// What the running process logged.
    pub fn log(&self) -> String {
        self.process.as_ref().map_or(String::new(), |process| process.log.lock().unwrap().clone())
    }

    /// Where it listens as a broker.
    pub fn address(&self) -> SocketAddr {
        self.process.as_ref().expect("the broker runs").broker
    }

    /// Where it listens as a name server.
    pub fn nameserver(&self) -> SocketAddr {
        self.process.as_ref().expect("the broker runs").nameserver
    }

    /// A new connection.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").child.id()
    }

    /// A line of `/proc/PID/status` that counts KiB, in bytes.
    pub fn memory(&self, line: &str) -> u64 {
        let id = self.process.as_ref().expect("the broker runs").child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process lives");
        let value = status.lines().find_map(|found| found.strip_prefix(line)).expect("every status has it");
        value.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// Processor time it has used, in ticks of a hundredth of a second.
    pub fn cpu_ticks(&self) -> u64 {
        let id = self.process.as_ref().expect("the broker runs").child.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process lives");
        // The name in parentheses may hold blanks; user and system time are the 12th and 13th fields behind it.
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    fn signal(&mut self, signal: Signal) {
        let id = i32::try_from(self.running().child.id()).expect("process ids are positive");
        kill_process(Pid::from_raw(id).expect("not 0"), signal).expect("our own child can be signalled");
    }

    /// Ends it with SIGTERM; its exit status, and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        (self.wait(), asked.elapsed())
    }

    /// Kills it with SIGKILL: nothing is flushed, nothing is said.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// Kills it and starts it again in the same directory.
    pub fn crash(&mut self) -> Duration {
        self.kill();
        self.start_again()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the broker runs");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = process.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", process.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        };
        process.reader.take().expect("not joined yet").join().expect("the log can be read");
        self.before.push_str(&process.log.lock().unwrap());
        status
    }

    /// Runs a command against it.
    pub fn cli(&self, args: &[&str]) -> Output {
        let address = self.address().to_string();
        tandem(&[&["--addr", &address], args].concat())
    }

    /// Runs a command against it that has to succeed, and returns what it said.
    pub fn tell(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}{}", said(&output), complained(&output));
        said(&output)
    }

    /// As [`Broker::tell`], with `--json`.
    pub fn json(&self, args: &[&str]) -> Json {
        let text = self.tell(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// What a command says once it says what is wanted.
    pub fn json_when(&self, args: &[&str], wanted: impl Fn(&Json) -> bool) -> Json {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.json(args);
            if wanted(&said) {
                return said;
            }
            assert!(Instant::now() < deadline, "{args:?} goes on to say {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A transaction as it is shown once it is as wanted.
    pub fn shown_when(&self, id: &str, wanted: impl Fn(&Json) -> bool) -> Json {
        self.json_when(&["transactions", "show", id], wanted)
    }
}

/// The data directory inside of a test's directory: it does not exist before the first start.
fn data_in(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn address_in(log: &str, label: &str) -> SocketAddr {
    let line = log.lines().find_map(|line| line.strip_prefix(label));
    let address = line.and_then(|line| line.split([' ', ',']).next());
    address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no address behind {label:?}:\n{log}"))
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself, which the log explains.
            let _ = process.child.kill();
            self.wait();
        }
        if std::thread::panicking() {
            eprintln!("log of the broker:\n{}", self.before);
            return;
        }
        for line in self.before.lines() {
            let bad = line.contains(" ERROR ") || line.contains(" WARN ") || line.contains("panicked at");
            let allowed = self.allowed.iter().any(|words| line.contains(words));
            assert!(!bad || allowed, "the broker's log says: {line}\nthe whole log:\n{}", self.before);
        }
    }
}
