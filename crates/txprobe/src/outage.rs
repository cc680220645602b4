//! The broker killed and started again, by commands of whoever runs the probe.

use std::io::{Read as _, Seek as _};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);
/// How much of what a failed command said is shown, in bytes from its end.
const SAID_MAX: usize = 2000;

/// The two commands, run by `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// Kills the broker.
    pub kill: String,
    /// Starts it, in the background, on the same addresses.
    pub restart: String,
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run, does not end, or does not succeed: with the end of what it said.
pub async fn run(command: &str) -> Result<()> {
    // A file and no pipe: a broker that it starts in the background goes on to hold what it was given.
    let mut said = tempfile::tempfile().context("cannot make a file for the output of a command")?;
    let (out, err) = (said.try_clone()?, said.try_clone()?);
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .context("cannot run sh")?;
    let Ok(ended) = timeout(COMMAND_WITHIN, child.wait()).await else {
        child.kill().await.context("cannot end a command")?;
        bail!("{command:?} does not end within {} s; let it do its work in the background", COMMAND_WITHIN.as_secs());
    };
    let status = ended.with_context(|| format!("cannot wait for {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut bytes)).context("cannot read what a command said")?;
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(SAID_MAX)..]).trim().to_owned();
    bail!("{command:?} ended with {status}: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(command: &str) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(command))
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let began = std::time::Instant::now();
        ran("sleep 5 &").expect("it ends at once");
        assert!(began.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_command_that_fails_is_told_with_its_words() {
        let text = ran("echo no such broker >&2; exit 3").expect_err("exit code 3").to_string();
        assert!(text.contains("exit status: 3") && text.ends_with("no such broker"), "{text}");
    }
}
