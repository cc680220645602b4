//! A client program: a process that prints one JSON object per event and reads a line where it was told to wait.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::event::Event;
use crate::failure::{Failure, Outcome, ensure};

/// A running or ended client program and what it printed so far.
#[derive(Debug)]
pub struct Program {
    name: String,
    process: Child,
    input: Option<ChildStdin>,
    printed: Arc<Mutex<Printed>>,
    reader: Option<JoinHandle<()>>,
}

/// Thousands of lines a second are looked at in heaps, not one by one.
const POLL: Duration = Duration::from_millis(10);

/// What a reading thread has gathered.
#[derive(Debug, Default)]
struct Printed {
    events: Vec<Event>,
    ended: bool,
}

fn locked(printed: &Mutex<Printed>) -> MutexGuard<'_, Printed> {
    printed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    /// Starts it; what it prints is also written to `<log>.out` and `<log>.err`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Outcome<Self> {
        let mut copy = File::create(log.with_extension("out"))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log.with_extension("err"))?);
        let mut process = command.spawn().map_err(|e| {
            Failure::new(format!("cannot start {}: {e}; see interop/README.md", command.get_program().display()))
        })?;
        let output = process.stdout.take().expect("stdout is piped");
        let printed = Arc::new(Mutex::new(Printed::default()));
        let sink = Arc::clone(&printed);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The copy is for people; a story does not fail for it.
                let _ = writeln!(copy, "{line}");
                if let Some(event) = Event::parse(&line) {
                    locked(&sink).events.push(event);
                }
            }
            locked(&sink).ended = true;
        });
        let input = process.stdin.take();
        Ok(Program { name: name.to_owned(), process, input, printed, reader: Some(reader) })
    }

    /// Waits until `enough` events of this name were printed and returns all of them.
    pub fn wait_for(&self, event: &str, enough: usize, within: Duration) -> Outcome<Vec<Event>> {
        self.wait_until(&format!("{enough} x {event:?}"), within, |events| {
            events.iter().filter(|e| e.name() == event).count() >= enough
        })?;
        Ok(self.events(event))
    }

    /// Waits until what was printed satisfies a condition; fails when the program ends before.
    pub fn wait_until(&self, what: &str, within: Duration, condition: impl Fn(&[Event]) -> bool) -> Outcome {
        let deadline = Instant::now() + within;
        loop {
            let ended = {
                let printed = locked(&self.printed);
                if condition(&printed.events) {
                    return Ok(());
                }
                printed.ended
            };
            ensure!(!ended, "{} ended before it printed {what}", self.name);
            ensure!(Instant::now() < deadline, "{} did not print {what} within {within:?}", self.name);
            thread::sleep(POLL);
        }
    }

    /// What was printed so far under this name.
    pub fn events(&self, event: &str) -> Vec<Event> {
        locked(&self.printed).events.iter().filter(|e| e.name() == event).cloned().collect()
    }

    /// Waits until it has come to wait for us at the place of this name.
    pub fn wait_paused(&self, place: &str, within: Duration) -> Outcome {
        self.wait_until(&format!("that it waits at {place:?}"), within, |events| {
            events.iter().any(|e| e.name() == "paused" && e.text("where") == place)
        })
    }

    /// Lets it go on from where it waits, or will wait next.
    pub fn go_on(&mut self) -> Outcome {
        let input = self.input.as_mut().ok_or_else(|| Failure::new("the program cannot be spoken to"))?;
        input.write_all(b"\n").and_then(|()| input.flush()).map_err(|e| Failure::new(format!("{}: {e}", self.name)))
    }

    /// Waits for its end.
    pub fn end(&mut self, within: Duration) -> Outcome<ExitStatus> {
        let deadline = Instant::now() + within;
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "{} had not ended after {within:?}", self.name);
            thread::sleep(POLL);
        };
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| Failure::new(format!("reading what {} prints failed", self.name)))?;
        }
        Ok(status)
    }

    /// Waits for its end, which must be one with exit code 0.
    pub fn succeed(&mut self, within: Duration) -> Outcome {
        let status = self.end(within)?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// SIGSTOP: it stands still, its connections stay.
    pub fn pause(&self) -> Outcome {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on from where SIGSTOP caught it.
    pub fn resume(&self) -> Outcome {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Outcome {
        kill_process(Pid::from_child(&self.process), signal)
            .map_err(|e| Failure::new(format!("cannot send {signal:?} to {}: {e}", self.name)))
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Outcome {
        self.process.kill()?;
        self.end(Duration::from_secs(5)).map(drop)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended a moment ago: then there is nothing to kill, and wait still collects it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
