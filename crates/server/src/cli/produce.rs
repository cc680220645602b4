//! `tandem produce`: lines to messages.

mod lines;
mod transactions;

use std::collections::VecDeque;
use std::io;

use client::{Decision, Message, Producer, SendReceipt, SendStatus};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::args::ProduceArgs;
use super::exit::Exit;
use super::flow::{self, Interrupts};
use super::run::{Failure, Screen};
use super::table::{clean, number_of};
use lines::{Item, Line, Source};
use transactions::{Open, Transactions};

/// Messages under way at a time unless `--in-flight` says otherwise. Transactions run a command each.
const IN_FLIGHT: u16 = 32;
const IN_FLIGHT_TRANSACTIONS: u16 = 1;

/// Carries out `tandem produce`.
///
/// # Errors
/// Messages that could not be sent, or transactions that are still open.
pub fn run(args: &ProduceArgs, addr: &str, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let source = Source::new(args)?;
    flow::block_on(async {
        let interrupts = Interrupts::listen()?;
        let way = match &args.decide_with {
            Some(command) => Way::Transactions(Transactions::begin(args, command, addr).await?),
            None => {
                let producer = Producer::builder([addr]).group(&args.group).build().await;
                Way::Plain(producer.map_err(|error| flow::failure(error, addr))?)
            }
        };
        // Whatever is wrong with the address or the topic is wrong with all messages: it is told before one is read.
        way.producer().queues(&args.topic).await.map_err(|error| flow::failure(error, addr))?;
        let producer = way.producer().clone();
        let produce = Produce { args, way, interrupts, screen, stored: 0, unsent: 0, deaf: false };
        let ended = produce.run(source).await;
        producer.shutdown().await;
        ended.map(|()| Exit::Ok)
    })
}

/// How a message goes.
enum Way {
    Plain(Producer),
    Transactions(Transactions),
}

impl Way {
    fn producer(&self) -> &Producer {
        match self {
            Way::Plain(producer) => producer,
            Way::Transactions(transactions) => transactions.producer(),
        }
    }

    fn send(&self, line: u64, message: Message) -> JoinHandle<Result<Sent, String>> {
        match self {
            Way::Plain(producer) => {
                let producer = producer.clone();
                tokio::spawn(async move {
                    let sent = producer.send(&message).await.map(|receipt| Sent::Stored(Box::new(receipt)));
                    sent.map_err(|error| not_stored(&error))
                })
            }
            Way::Transactions(transactions) => transactions.send(line, message),
        }
    }

    /// Waits for a transaction that a check-back has decided.
    async fn decided(&mut self) -> (String, Decision) {
        match self {
            Way::Plain(_) => std::future::pending().await,
            Way::Transactions(transactions) => transactions.checked().await,
        }
    }
}

/// What became of a message.
enum Sent {
    Stored(Box<SendReceipt>),
    /// Its transaction is over.
    Decided(Box<SendReceipt>, Decision),
    /// Its transaction is open: a check-back decides.
    Open,
}

fn not_stored(error: &client::Error) -> String {
    let nevertheless = if error.outcome_is_unknown() { " (it may be stored nevertheless)" } else { "" };
    format!("it could not be stored: {error}{nevertheless}")
}

struct UnderWay {
    line: u64,
    ordering: Option<String>,
    task: JoinHandle<Result<Sent, String>>,
}

/// Waits for the first of them, so that results are shown in the order of the lines.
async fn first(under_way: &mut VecDeque<UnderWay>) -> Result<Sent, String> {
    match under_way.front_mut() {
        Some(first) => match (&mut first.task).await {
            Ok(sent) => sent,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        },
        None => std::future::pending().await,
    }
}

struct Produce<'a, 'b> {
    args: &'a ProduceArgs,
    way: Way,
    interrupts: Interrupts,
    screen: &'a mut Screen<'b>,
    stored: u64,
    /// Lines that were passed over, or could not be stored.
    unsent: u64,
    /// Nobody reads what we print. That is no reason to lose messages.
    deaf: bool,
}

impl Produce<'_, '_> {
    async fn run(mut self, source: Source) -> Result<(), Failure> {
        let what = source.what();
        let mut lines = source.read();
        let in_flight =
            self.args.in_flight.unwrap_or(if self.args.transaction { IN_FLIGHT_TRANSACTIONS } else { IN_FLIGHT });
        let mut under_way: VecDeque<UnderWay> = VecDeque::new();
        let mut held: Option<(Line, Message)> = None;
        let (mut reading, mut interrupted) = (true, false);
        loop {
            if !reading {
                // At the end of the input nothing is held back any more: this is a stop.
                held = None;
                if under_way.is_empty() {
                    break;
                }
            }
            if let Some((line, message)) = held.take() {
                let same =
                    |other: &UnderWay| other.ordering.is_some() && other.ordering.as_deref() == message.ordering_key();
                if under_way.len() >= in_flight.into() || under_way.iter().any(same) {
                    held = Some((line, message));
                } else {
                    let ordering = message.ordering_key().map(str::to_owned);
                    let task = self.way.send(line.number, message);
                    under_way.push_back(UnderWay { line: line.number, ordering, task });
                }
            }
            tokio::select! {
                biased;
                () = self.interrupts.next() => {
                    if interrupted {
                        return Err(Failure::Verdict(format!("interrupted twice; {}", self.so_far())));
                    }
                    (interrupted, reading) = (true, false);
                }
                sent = first(&mut under_way) => {
                    let line = under_way.pop_front().expect("it was waited for").line;
                    reading &= self.report(what, line, sent)?;
                }
                (id, decision) = self.way.decided() => self.decided(id, decision).await?,
                item = lines.recv(), if reading && held.is_none() => match item {
                    None => reading = false,
                    Some(Item::Failed(error)) => {
                        reading = false;
                        self.complain(what, None, &error.to_string())?;
                    }
                    Some(Item::Bad { number, problem }) => reading &= self.bad(what, number, &problem)?,
                    Some(Item::Line(line)) => match lines::message(self.args, &line.body) {
                        Ok(message) => held = Some((line, message)),
                        Err(problem) => reading &= self.bad(what, line.number, &problem)?,
                    },
                },
            }
        }
        let open = self.wait_for_checks(&mut interrupted).await?;
        match (self.unsent, open, interrupted) {
            (0, 0, false) => Ok(()),
            (0, 0, true) => Err(Failure::Verdict(format!("interrupted; {}", self.so_far()))),
            (0, open, _) => Err(Failure::Verdict(format!(
                "{} undecided, of {} stored; the broker goes on to ask producers of group {}, and tandem transactions \
                 resolve decides by hand",
                number_of(open, "transaction"),
                self.stored,
                self.args.group
            ))),
            (unsent, ..) => {
                Err(Failure::Verdict(format!("{} failed; {}", number_of(unsent, "message"), self.so_far())))
            }
        }
    }

    fn so_far(&self) -> String {
        format!("{} stored", number_of(self.stored, "message"))
    }

    /// A line that no message can be made of. Says whether to go on.
    fn bad(&mut self, what: &str, number: u64, problem: &str) -> Result<bool, Failure> {
        self.complain(what, Some(number), problem)?;
        Ok(self.args.skip_bad)
    }

    fn complain(&mut self, what: &str, number: Option<u64>, problem: &str) -> Result<(), Failure> {
        self.unsent += 1;
        let err = &mut self.screen.err;
        match (self.screen.json, number) {
            (true, number) => writeln!(err, "{}", json!({ what: number, "problem": problem }))?,
            (false, Some(number)) => writeln!(err, "{what} {number}: {}", clean(problem))?,
            (false, None) => writeln!(err, "{}", clean(problem))?,
        }
        Ok(())
    }

    /// What became of a message. Says whether to go on: what one message fails at, the next ones would, too.
    fn report(&mut self, what: &str, line: u64, sent: Result<Sent, String>) -> Result<bool, Failure> {
        match sent {
            Ok(Sent::Stored(receipt)) => {
                self.stored += 1;
                let queue = receipt.queue.queue_id;
                if receipt.status != SendStatus::Stored && !self.screen.json {
                    writeln!(self.screen.err, "{what} {line}: stored, but {}", word_of(receipt.status))?;
                }
                let row = json!({
                    "line": line,
                    "id": receipt.message_id,
                    "offset_id": receipt.offset_message_id,
                    "broker": receipt.queue.broker_name,
                    "queue": queue,
                    "offset": receipt.queue_offset,
                    "status": word_of(receipt.status),
                });
                self.print(&row, &format!("{}\t{queue}\t{}", receipt.message_id, receipt.queue_offset))?;
            }
            Ok(Sent::Decided(half, decision)) => {
                self.stored += 1;
                self.outcome(line, &half, decision)?;
            }
            Ok(Sent::Open) => self.stored += 1,
            Err(problem) => {
                self.complain(what, Some(line), &problem)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn outcome(&mut self, line: u64, half: &SendReceipt, decision: Decision) -> Result<(), Failure> {
        let outcome = match decision {
            Decision::Commit => "committed",
            Decision::Rollback => "rolled-back",
            Decision::Unknown => "undecided",
        };
        let row = json!({
            "line": line,
            "id": half.message_id,
            "offset_id": half.offset_message_id,
            "broker": half.queue.broker_name,
            "queue": half.queue.queue_id,
            "outcome": outcome,
        });
        self.print(&row, &format!("{}\t{outcome}", half.message_id))
    }

    fn print(&mut self, row: &Json, text: &str) -> Result<(), Failure> {
        if self.deaf {
            return Ok(());
        }
        let out = &mut self.screen.out;
        let written = if self.screen.json { writeln!(out, "{row}") } else { writeln!(out, "{text}") };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.deaf = true,
            written => written?,
        }
        Ok(())
    }

    /// A check-back has decided: the broker is told once more, and waited for.
    async fn decided(&mut self, id: String, decision: Decision) -> Result<(), Failure> {
        let Way::Transactions(transactions) = &self.way else { return Ok(()) };
        match transactions.settle(&id, decision).await {
            Some((Open { line, transaction }, Ok(()))) => self.outcome(line, &transaction.half, decision),
            Some((Open { line, .. }, Err(problem))) => self.complain("line", Some(line), &problem),
            None => Ok(()),
        }
    }

    /// Stays until all transactions are decided, or the time is over. Says how many are not.
    async fn wait_for_checks(&mut self, interrupted: &mut bool) -> Result<u64, Failure> {
        let deadline = Instant::now().checked_add(self.args.wait);
        while !*interrupted && self.open_count() > 0 {
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.interrupts.next() => *interrupted = true,
                (id, decision) = self.way.decided() => self.decided(id, decision).await?,
                () = over => break,
            }
        }
        let Way::Transactions(transactions) = &self.way else { return Ok(0) };
        let open = transactions.give_up();
        for Open { line, transaction } in &open {
            self.outcome(*line, &transaction.half, Decision::Unknown)?;
        }
        Ok(open.len() as u64)
    }

    fn open_count(&self) -> usize {
        match &self.way {
            Way::Plain(_) => 0,
            Way::Transactions(transactions) => transactions.open_count(),
        }
    }
}

fn word_of(status: SendStatus) -> &'static str {
    match status {
        SendStatus::Stored => "stored",
        SendStatus::FlushDiskTimeout => "flush-disk-timeout",
        SendStatus::FlushReplicaTimeout => "flush-replica-timeout",
        SendStatus::ReplicaNotAvailable => "replica-not-available",
    }
}
