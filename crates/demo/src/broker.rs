use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::process::last_lines;

/// A broker of the demo's own: a process with a directory, started again after it was killed.
#[derive(Debug)]
pub(crate) struct Broker {
    program: PathBuf,
    directory: PathBuf,
    child: Option<Child>,
    /// Where the name server listens, and the broker. Chosen by the system at the first start, and kept.
    pub nameserver: String,
    pub address: String,
    /// What recovery did, in the broker's own words.
    pub recovered: String,
    /// How long the last start took.
    pub ready_in: Duration,
}

/// Checks come fast here: nobody wants to wait six seconds in a demo of ten.
const SETTINGS: [&str; 3] =
    ["transactions.first_check_after=1s", "transactions.check_interval=1s", "transactions.answer_timeout=1s"];

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Broker {
    /// Starts one with its data in this directory.
    pub async fn start(program: &Path, directory: &Path) -> Result<Self> {
        let mut broker = Broker {
            program: program.to_owned(),
            directory: directory.to_owned(),
            child: None,
            nameserver: "127.0.0.1:0".into(),
            address: "127.0.0.1:0".into(),
            recovered: String::new(),
            ready_in: Duration::ZERO,
        };
        broker.start_again().await?;
        Ok(broker)
    }

    /// Starts it where it was.
    pub async fn start_again(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(self.directory.join("broker"));
        command.args(["--nameserver-listen", &self.nameserver, "--broker-listen", &self.address]);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        // It ends with us, even if we are killed: nobody else knows of it.
        command.arg("--with-parent");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let lines = BufReader::new(child.stderr.take().context("a pipe")?).lines();
        self.child = Some(child);
        let ready = tokio::time::timeout(PATIENCE, self.read_greeting(lines)).await;
        if !matches!(ready, Ok(Ok(()))) {
            let log = last_lines(&self.log(), 20);
            bail!("the broker does not start; it said:\n{log}");
        }
        self.ready_in = started.elapsed();
        Ok(())
    }

    /// Reads what it says until it is ready, and goes on writing it down.
    async fn read_greeting(&mut self, mut lines: Lines<BufReader<ChildStderr>>) -> Result<()> {
        let mut log =
            File::options().create(true).append(true).open(self.log()).context("cannot write the broker's log")?;
        while let Some(line) = lines.next_line().await? {
            writeln!(log, "{line}")?;
            let word = |name: &str| line.trim_start().strip_prefix(name).map(str::trim_start);
            if let Some(address) = word("name server") {
                self.nameserver = first_word(address);
            } else if let Some(address) = word("broker") {
                self.address = first_word(address);
            } else if let Some(words) = word("recovered") {
                self.recovered = words.to_owned();
            } else if line.starts_with("tandem: ready") {
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        if writeln!(log, "{line}").is_err() {
                            return;
                        }
                    }
                });
                return Ok(());
            }
        }
        bail!("it ended")
    }

    /// Kills it, as a power switch does.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await.context("cannot kill the broker")?;
        }
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.directory.join("broker.log")
    }
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}
