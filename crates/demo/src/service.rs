use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

/// What a service is told when it is started.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Which instance it is: `order-1`.
    pub name: String,
    /// The name server.
    pub nameserver: String,
    /// The topic of the messages.
    pub topic: String,
    /// The group of the service's instances.
    pub group: String,
    /// The database of the service's instances.
    pub database: PathBuf,
    /// Whether messages and rows are one.
    pub transactions: bool,
}

/// What comes in, line by line, as long as whoever started us lives.
pub(crate) struct Orders {
    lines: Lines<BufReader<Stdin>>,
}

impl Orders {
    pub fn new() -> Result<Self> {
        // Nobody would compare our database with anything any more.
        set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie our life to the demo's")?;
        Ok(Orders { lines: BufReader::new(tokio::io::stdin()).lines() })
    }

    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(line) = self.lines.next_line().await? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&line).with_context(|| format!("not an order: {line}"))?))
    }
}

/// Tells whoever started us. Each line is written at once, for we may not live long.
pub(crate) fn tell(event: &impl Serialize) {
    use std::io::Write;
    let mut line = serde_json::to_string(event).expect("our own words");
    line.push('\n');
    // When nobody listens the demo has ended, and so do we.
    let _ = std::io::stdout().write_all(line.as_bytes());
}

/// Dies at once, without a word to anybody: what `kill -9` does.
pub(crate) fn die() -> ! {
    let killed = kill_process(getpid(), Signal::KILL);
    unreachable!("a process survives SIGKILL: {killed:?}")
}
