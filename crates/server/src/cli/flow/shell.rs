//! Commands of the user, run by the shell for one message each.

use std::io;
use std::process::{ExitStatus, Stdio};

use client::MessageView;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A command for a message.
#[derive(Clone, Debug)]
pub struct Shell {
    command: String,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    /// The command, which sees nothing of a message yet.
    pub fn new(command: impl Into<String>) -> Self {
        Shell { command: command.into(), variables: Vec::new() }
    }

    /// Sets a variable of its environment. A NUL, which no variable can hold, is left out.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value: String = value.into();
        self.variables.push((name, value.replace('\0', "")));
        self
    }

    /// The command for a received message.
    pub fn about(command: &str, message: &MessageView) -> Self {
        Shell::new(command)
            .with("TANDEM_MESSAGE_ID", message.id())
            .with("TANDEM_TOPIC", message.topic())
            .with("TANDEM_KEY", message.keys().next().unwrap_or_default())
            .with("TANDEM_TAG", message.tag().unwrap_or_default())
    }

    /// Runs it with `body` on its standard input until it ends. It is killed when the future is dropped.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn run(self, body: &[u8]) -> io::Result<ExitStatus> {
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).envs(self.variables).stdin(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let feed = async {
            // A command that does not read its input is its own business.
            let _ = stdin.write_all(body).await;
            drop(stdin);
            std::future::pending::<()>().await;
        };
        // Who waits for the feeding alone waits for ever for a command that neither reads nor keeps its input to itself.
        tokio::select! {
            status = child.wait() => status,
            () = feed => unreachable!("it is pending once it is done"),
        }
    }
}
