//! The process under test: started, terminated, killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome, ensure};
use crate::ports::{Ports, free_ports};
use crate::wire::{self, GET_BROKER_CLUSTER_INFO};

/// A start with recovery of what a story writes takes far less.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// What `tandem serve` promises for SIGTERM, and a little for a busy machine.
const TERMINATED_WITHIN: Duration = Duration::from_secs(6);

/// One `tandem serve` and the directory, ports and settings it is started with again after a crash.
#[derive(Debug)]
pub struct Broker {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    settings: Vec<String>,
    ports: Ports,
    process: Option<Child>,
}

impl Broker {
    /// Starts on a new data directory below `dir` and waits until clients find the broker through the name server.
    pub fn start(binary: &Path, dir: &Path, settings: &[&str]) -> Outcome<Self> {
        let mut broker = Broker {
            binary: binary.to_path_buf(),
            data: dir.join("data"),
            log: dir.join("broker.log"),
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            ports: free_ports(),
            process: None,
        };
        broker.start_again()?;
        Ok(broker)
    }

    /// Starts on the directory and ports of before.
    pub fn start_again(&mut self) -> Outcome {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--data").arg(&self.data);
        command.args(["--nameserver-listen", &self.name_server(), "--broker-listen", &self.address()]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command
            .spawn()
            .map_err(|e| Failure::new(format!("cannot start {}: {e}; build it first", self.binary.display())))?;
        self.process = Some(process);
        self.await_ready()
    }

    /// As [`Broker::start_again`], with the log past the page cache if it was not, and through it if it was.
    pub fn start_again_the_other_way(&mut self) -> Outcome {
        const DIRECT: &str = "store.direct_io=true";
        let before = self.settings.len();
        self.settings.retain(|setting| setting != DIRECT);
        if self.settings.len() == before {
            self.settings.push(DIRECT.to_owned());
        }
        self.start_again()
    }

    fn await_ready(&mut self) -> Outcome {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let found = wire::request(&self.name_server(), GET_BROKER_CLUSTER_INFO, &[]);
            if found.is_ok_and(|answer| answer.code == 0 && answer.body.contains(&self.address())) {
                return Ok(());
            }
            if let Some(status) = self.running()?.try_wait()? {
                self.process = None;
                return Err(Failure::new(format!("the broker ended with {status} before it was ready")));
            }
            ensure!(
                Instant::now() < deadline,
                "the name server on {} did not name the broker {} within {READY_WITHIN:?}",
                self.name_server(),
                self.address()
            );
            sleep(Duration::from_millis(20));
        }
    }

    fn running(&mut self) -> Outcome<&mut Child> {
        self.process.as_mut().ok_or_else(|| Failure::new("the broker is not running"))
    }

    /// Asks it to leave (SIGTERM); it must leave with exit code 0 within 5 s.
    pub fn terminate(&mut self) -> Outcome {
        let status = self.signal(Signal::TERM)?;
        ensure!(status.success(), "the broker left with {status} after SIGTERM, not with 0");
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Outcome {
        self.signal(Signal::KILL).map(drop)
    }

    /// SIGSTOP: it stands still, its sockets stay open.
    pub fn pause(&mut self) -> Outcome {
        self.send(Signal::STOP)
    }

    /// SIGCONT: it goes on from where SIGSTOP caught it.
    pub fn resume(&mut self) -> Outcome {
        self.send(Signal::CONT)
    }

    fn send(&mut self, signal: Signal) -> Outcome {
        let process = self.running()?;
        if let Some(status) = process.try_wait()? {
            self.process = None;
            return Err(Failure::new(format!("the broker had ended by itself with {status}")));
        }
        kill_process(Pid::from_child(process), signal)
            .map_err(|e| Failure::new(format!("cannot send {signal:?} to the broker: {e}")))
    }

    fn signal(&mut self, signal: Signal) -> Outcome<ExitStatus> {
        self.send(signal)?;
        let process = self.running()?;
        let asked = Instant::now();
        loop {
            if let Some(status) = process.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            ensure!(
                asked.elapsed() < TERMINATED_WITHIN,
                "the broker was still running {TERMINATED_WITHIN:?} after {signal:?}"
            );
            sleep(Duration::from_millis(5));
        }
    }

    /// True unless the story left it terminated or killed.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// Removes everything it stored; it must not run.
    pub fn forget_everything(&mut self) -> Outcome {
        assert!(self.process.is_none(), "a running broker's directory is not removed");
        fs::remove_dir_all(&self.data)?;
        Ok(())
    }

    /// Where clients look first.
    pub fn name_server(&self) -> String {
        format!("127.0.0.1:{}", self.ports.name_server)
    }

    /// Where the broker itself listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.broker)
    }

    /// All it printed, over all starts.
    pub fn log(&self) -> Outcome<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended a moment ago: then there is nothing to kill, and wait still collects it.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
