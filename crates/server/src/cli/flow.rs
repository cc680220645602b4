//! What `tandem produce`, `consume` and `tail` share: the runtime, messages on paper, commands of the shell, the end.

mod shell;

use std::io;
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use client::{Error, MessageView};
use message::properties;
use serde_json::{Value as Json, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tracing::Level;

use super::admin::AdminError;
use super::args::UntilArgs;
use super::run::Failure;

pub use shell::Shell;

/// Longest `--for` that is counted; what is longer has no end.
const TIME_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Runs a command that uses the client. What the client warns of is shown on standard error.
///
/// # Errors
/// The command's own, or that it cannot be begun.
pub fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let warnings = tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_max_level(Level::WARN)
        .with_writer(io::stderr)
        .finish();
    let _guard = tracing::subscriber::set_default(warnings);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of the client")?;
    runtime.block_on(command)
}

/// What the client says, with the exit code it deserves. `addr` is where the name server was looked for.
pub fn failure(error: Error, addr: &str) -> Failure {
    let addr = addr.to_owned();
    match error {
        Error::NameServers { source, .. } => match *source {
            Error::Timeout { after, .. } => AdminError::Silent { addr, seconds: after.as_secs() }.into(),
            Error::Protocol { problem, .. } => AdminError::Malformed { addr, what: problem }.into(),
            source => AdminError::Unreachable { addr, reason: reason(&source) }.into(),
        },
        error @ Error::TopicNotFound { .. } => Failure::NotFound(error.to_string()),
        Error::Invalid(problem) => Failure::Usage(problem),
        Error::Connect { address, source } => {
            AdminError::Unreachable { addr: address, reason: source.to_string() }.into()
        }
        error => Failure::Other(error.into()),
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::Connect { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}

/// Hears SIGINT and SIGTERM, which end a command in order.
pub struct Interrupts {
    int: Signal,
    term: Signal,
}

impl Interrupts {
    /// Begins to listen, inside of the runtime. From then on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn listen() -> io::Result<Self> {
        Ok(Interrupts { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

/// When a command ends by itself.
pub struct Until {
    count: Option<u64>,
    /// Messages so far.
    seen: u64,
    time: Option<Duration>,
    deadline: Option<Instant>,
}

impl Until {
    /// Time counts from now.
    pub fn new(args: &UntilArgs) -> Self {
        let deadline = args.time.filter(|time| *time < TIME_MAX).map(|time| Instant::now() + time);
        Until { count: args.count, seen: 0, time: args.time, deadline }
    }

    /// One more message; says whether it was the last one.
    pub fn counts(&mut self) -> bool {
        self.seen += 1;
        self.left() == Some(0)
    }

    /// Messages so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many messages are wanted yet.
    pub fn left(&self) -> Option<u64> {
        self.count.map(|count| count.saturating_sub(self.seen))
    }

    /// Waits until the time is over.
    pub async fn over(&self) {
        match self.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// The verdict when the time is over.
    ///
    /// # Errors
    /// Fewer messages came than were wanted.
    pub fn verdict(&self) -> Result<(), Failure> {
        match (self.count, self.time) {
            (Some(count), Some(time)) if self.seen < count => {
                let time = crate::config::units::format_duration(time);
                Err(Failure::Verdict(format!("{} of {count} messages came within {time}", self.seen)))
            }
            _ => Ok(()),
        }
    }
}

/// A received message. The names of the fields are a contract with programs.
pub fn json_of(message: &MessageView) -> Json {
    let (body, body_base64) = match (std::str::from_utf8(message.body()), message.body_error()) {
        (Ok(text), None) => (Some(text), None),
        _ => (None, Some(BASE64.encode(message.body()))),
    };
    let own = |name: &str| !is_protocols(name);
    json!({
        "id": message.id(),
        "topic": message.topic(),
        "tag": message.tag(),
        "key": message.keys().next(),
        "keys": message.keys().collect::<Vec<_>>(),
        "properties": message.properties().filter(|(name, _)| own(name)).collect::<std::collections::BTreeMap<_, _>>(),
        "body": body,
        "body_base64": body_base64,
        "body_error": message.body_error().map(ToString::to_string),
        "broker": message.broker_name(),
        "queue": message.queue_id(),
        "offset": message.queue_offset(),
        "born_at_ms": message.born_at_ms(),
        "stored_at_ms": message.stored_at_ms(),
        "reconsume_times": message.reconsume_times(),
        "transaction": message.transaction_id(),
    })
}

/// Properties that have a field of their own, or that say nothing to applications.
fn is_protocols(name: &str) -> bool {
    const PROTOCOLS: [&str; 13] = [
        properties::UNIQ_KEY,
        properties::KEYS,
        properties::TAGS,
        properties::TRAN_MSG,
        properties::TRANSACTION_ID,
        properties::REAL_TOPIC,
        properties::REAL_QID,
        properties::MSG_REGION,
        properties::TRACE_ON,
        properties::CLUSTER,
        "WAIT",
        "MIN_OFFSET",
        "MAX_OFFSET",
    ];
    PROTOCOLS.contains(&name)
}
