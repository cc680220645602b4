use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::UnboundedSender;

/// A service: a process that is told what to do line by line, and says what it did.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    stdin: Option<ChildStdin>,
}

/// Something a service said, or `None`: it is gone.
pub(crate) type Heard<E> = (usize, Option<E>);

impl Service {
    /// Starts one. What it says goes to `hear`, with its number; its errors into a file.
    pub fn start<E: DeserializeOwned + Send + 'static>(
        command: &mut Command,
        number: usize,
        errors: &Path,
        hear: UnboundedSender<Heard<E>>,
    ) -> Result<Self> {
        let errors = File::options().create(true).append(true).open(errors).context("cannot write a service's log")?;
        // A group of its own: Ctrl-C is for us, who tell the others.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start a service")?;
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // The end of a line is missing when it was killed while it wrote.
                let Ok(event) = serde_json::from_str(&line) else { continue };
                if hear.send((number, Some(event))).is_err() {
                    return;
                }
            }
            // When nobody hears it, nobody starts it again.
            let _ = hear.send((number, None));
        });
        Ok(Service { child, stdin })
    }

    /// Tells it something; false when it does not listen any more.
    pub async fn tell(&mut self, order: &impl Serialize) -> bool {
        let mut line = serde_json::to_string(order).expect("our own words");
        line.push('\n');
        match self.stdin.as_mut() {
            Some(stdin) => stdin.write_all(line.as_bytes()).await.is_ok(),
            None => false,
        }
    }

    /// Has no more orders for it: it ends in its own time.
    pub fn dismiss(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> Result<()> {
        self.child.wait().await.map(drop).context("cannot wait for a service")
    }
}

/// The last lines of a file, for a person who wants to know why.
pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| format!("({} cannot be read: {error})", path.display()));
    let mut last = VecDeque::new();
    for line in text.lines() {
        last.push_back(line);
        if last.len() > count {
            last.pop_front();
        }
    }
    last.into_iter().map(|line| format!("  {line}\n")).collect()
}
