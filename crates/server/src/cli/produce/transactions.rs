//! Transactions that a command of the user decides.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::{Decision, Message, MessageView, Producer, Transaction, TransactionProducer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::args::ProduceArgs;
use super::super::flow::{self, Shell};
use super::super::run::Failure;
use super::{Sent, not_stored};

/// Transactions left open by the command that are remembered. A further one ends the reading.
const OPEN_MAX: usize = 10_000;
/// Decisions of check-backs that wait to be told.
const CHECKED_MAX: usize = 64;

/// Sends transactional messages, and answers for them.
pub struct Transactions {
    producer: TransactionProducer,
    command: String,
    state: Arc<Mutex<State>>,
    checked: mpsc::Receiver<(String, Decision)>,
}

/// A transaction that its command left open.
pub struct Open {
    pub line: u64,
    pub transaction: Transaction,
}

#[derive(Default)]
struct State {
    /// Ids of messages whose command runs for the first time: only it can tell.
    running: HashSet<String>,
    open: HashMap<String, Open>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transactions {
    /// Joins the group, which may have been left with open transactions by others: they are answered for, too.
    ///
    /// # Errors
    /// What the client says.
    pub async fn begin(args: &ProduceArgs, command: &str, addr: &str) -> Result<Self, Failure> {
        let state = Arc::new(Mutex::new(State::default()));
        let (sink, checked) = mpsc::channel(CHECKED_MAX);
        let check = {
            let (state, command) = (state.clone(), command.to_owned());
            move |message: MessageView| answer(message, command.clone(), state.clone(), sink.clone())
        };
        let producer = TransactionProducer::builder([addr])
            .group(&args.group)
            .topics([&args.topic])
            .on_check(check)
            .build()
            .await
            .map_err(|error| flow::failure(error, addr))?;
        Ok(Transactions { producer, command: command.to_owned(), state, checked })
    }

    pub fn producer(&self) -> &Producer {
        self.producer.producer()
    }

    /// Stores the half, has the command decide, and tells the broker.
    pub fn send(&self, line: u64, message: Message) -> JoinHandle<Result<Sent, String>> {
        let (producer, state) = (self.producer.clone(), self.state.clone());
        let command = Shell::new(&self.command)
            .with("TANDEM_MESSAGE_ID", message.id())
            .with("TANDEM_TOPIC", message.topic())
            .with("TANDEM_KEY", message.keys().next().unwrap_or_default())
            .with("TANDEM_TAG", message.tag().unwrap_or_default());
        tokio::spawn(async move {
            let id = message.id().to_owned();
            {
                let mut state = lock(&state);
                if state.open.len() >= OPEN_MAX {
                    return Err(format!("{OPEN_MAX} transactions are open already; does the command ever decide?"));
                }
                state.running.insert(id.clone());
            }
            let sent = send(&producer, line, &message, command, &state).await;
            lock(&state).running.remove(&id);
            sent
        })
    }

    /// Waits for a transaction of ours that a check-back has decided.
    pub async fn checked(&mut self) -> (String, Decision) {
        match self.checked.recv().await {
            Some(checked) => checked,
            None => std::future::pending().await,
        }
    }

    /// Tells the broker what a check-back came to, and waits until it has it: the answer to the check itself is told on
    /// the way out, perhaps of this process. `None` if that was done before; what is told in vain stays open.
    pub async fn settle(&self, id: &str, decision: Decision) -> Option<(Open, Result<(), String>)> {
        let open = lock(&self.state).open.remove(id)?;
        match self.producer.decide(&open.transaction, decision).await {
            Ok(receipt) if !receipt.is_confirmed() => {
                lock(&self.state).open.insert(id.to_owned(), open);
                None
            }
            Ok(_) => Some((open, Ok(()))),
            Err(error) => Some((open, Err(error.to_string()))),
        }
    }

    pub fn open_count(&self) -> usize {
        lock(&self.state).open.len()
    }

    /// The transactions that are open, which nobody waits for any longer, in the order of their lines.
    pub fn give_up(&self) -> Vec<Open> {
        let mut open: Vec<Open> = lock(&self.state).open.drain().map(|(_, open)| open).collect();
        open.sort_by_key(|open| open.line);
        open
    }
}

async fn send(
    producer: &TransactionProducer,
    line: u64,
    message: &Message,
    command: Shell,
    state: &Mutex<State>,
) -> Result<Sent, String> {
    let transaction = producer.begin(message).await.map_err(|error| not_stored(&error))?;
    let decision = decide(command, message.body()).await;
    let receipt = producer.decide(&transaction, decision).await.map_err(|error| error.to_string())?;
    if receipt.is_confirmed() {
        return Ok(Sent::Decided(Box::new(receipt.sent), decision));
    }
    lock(state).open.insert(message.id().to_owned(), Open { line, transaction });
    Ok(Sent::Open)
}

async fn answer(
    message: MessageView,
    command: String,
    state: Arc<Mutex<State>>,
    sink: mpsc::Sender<(String, Decision)>,
) -> Decision {
    let id = message.id().into_owned();
    if lock(&state).running.contains(&id) {
        return Decision::Unknown;
    }
    let decision = decide(Shell::about(&command, &message).with("TANDEM_CHECK", "1"), message.body()).await;
    let ours = lock(&state).open.contains_key(&id);
    if ours && decision != Decision::Unknown {
        // Nobody listens any more when the waiting is over; the broker hears it from the check.
        let _ = sink.send((id, decision)).await;
    }
    decision
}

/// What the command's exit code says.
async fn decide(command: Shell, body: &[u8]) -> Decision {
    match command.run(body).await.map(|status| status.code()) {
        Ok(Some(0)) => Decision::Commit,
        Ok(Some(1)) => Decision::Rollback,
        Ok(_) => Decision::Unknown,
        Err(error) => {
            tracing::warn!("the command cannot be run, the transaction stays open: {error}");
            Decision::Unknown
        }
    }
}
