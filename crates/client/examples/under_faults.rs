//! Produces transactions or consumes messages while others kill and stop it: `cargo run --example under_faults --
//! produce` or `-- consume`.
//!
//! What it does it writes, one JSON object a line, into the file JOURNAL before it goes on: kill -9 takes nothing that was
//! written. Settings are environment variables: NAMESRV_ADDR, TOPIC, PRODUCER_GROUP or GROUP, JOURNAL, ROWS, INSTANCE,
//! THREADS and PAUSE_MS. Both end when they are told to by a line on standard input; the producer stays for a second line
//! to answer checks. The story `kill-rounds` in `interop/` runs it, and reads the journals.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tandem_client::{ConsumeFrom, Decision, Message, MessageView, PushConsumer, TransactionError, TransactionProducer};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// "late": the local transaction leaves it to the check-back. "unknown": it has its row, but does not say so.
const INTENTS: [&str; 12] = [
    "commit",
    "commit",
    "commit",
    "commit",
    "commit",
    "rollback",
    "rollback",
    "rollback",
    "unknown-commit",
    "unknown-rollback",
    "late-commit",
    "late-rollback",
];

fn env(name: &str, fallback: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| fallback.to_owned())
}

fn number(name: &str, fallback: u64) -> u64 {
    env(name, &fallback.to_string()).parse().unwrap_or_else(|_| panic!("{name} is a number"))
}

#[derive(Debug)]
struct Journal(Mutex<File>);

impl Journal {
    fn open() -> std::io::Result<Self> {
        Ok(Journal(Mutex::new(File::options().create(true).append(true).open(env("JOURNAL", "journal"))?)))
    }

    /// One unbuffered write of one line; the fields begin with a comma.
    fn note(&self, event: &str, fields: &str) {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_millis();
        let line = format!("{{\"event\":\"{event}\",\"at\":{at}{fields}}}\n");
        self.0.lock().unwrap().write_all(line.as_bytes()).expect("the journal can be written");
    }
}

/// The database of a producer group, shared by its processes: a table whose key is the transaction. A row is a symbolic
/// link, which is created as a whole, and once.
#[derive(Clone, Debug)]
struct Rows(PathBuf);

impl Rows {
    /// Inserts the row unless there is one; returns the one that counts.
    fn insert(&self, transaction: &str, outcome: &str) -> std::io::Result<String> {
        match std::os::unix::fs::symlink(outcome, self.0.join(transaction)) {
            Ok(()) => Ok(outcome.to_owned()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Ok(self.find(transaction)?.expect("rows are never removed"))
            }
            Err(error) => Err(error),
        }
    }

    fn find(&self, transaction: &str) -> std::io::Result<Option<String>> {
        match std::fs::read_link(self.0.join(transaction)) {
            Ok(outcome) => Ok(Some(outcome.to_string_lossy().into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn outcome(intent: &str) -> &str {
    if intent.ends_with("commit") { "commit" } else { "rollback" }
}

fn decision(outcome: &str) -> Decision {
    if outcome == "commit" { Decision::Commit } else { Decision::Rollback }
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Commit => "commit",
        Decision::Rollback => "rollback",
        Decision::Unknown => "unknown",
    }
}

tokio::task_local! {
    /// The transaction whose half this task is sending.
    static SENDING: (String, Arc<Journal>);
}

/// Hears the client say that it sends again, which no result tells, and passes on what it warns of.
struct Listener;

#[derive(Default)]
struct Said {
    text: String,
    attempt: bool,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.attempt |= field.name() == "attempt";
        self.text += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("tandem_client") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        if said.attempt {
            // Only sends count their attempts; one outside of a transaction has nobody to tell.
            let _ = SENDING.try_with(|(tx, journal)| journal.note("again", &format!(",\"tx\":\"{tx}\"")));
        }
        if *event.metadata().level() <= Level::WARN {
            eprintln!("{}{}", event.metadata().level(), said.text);
        }
    }
}

/// Lines of standard input; ends with it.
fn lines() -> mpsc::UnboundedReceiver<()> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            if tell.send(()).is_err() {
                return;
            }
        }
    });
    told
}

/// Says where we are and waits for a line.
async fn pause(place: &str, told: &mut mpsc::UnboundedReceiver<()>) {
    println!("{{\"event\":\"paused\",\"where\":\"{place}\"}}");
    told.recv().await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing::subscriber::set_global_default(Listener)?;
    let journal = Arc::new(Journal::open()?);
    match std::env::args().nth(1).as_deref() {
        Some("produce") => produce(journal).await,
        Some("consume") => consume(journal).await,
        _ => Err("say produce or consume".into()),
    }
}

/// Believes its row. Without one: unknown when asked first, for somebody may be at it; then it settles it.
fn check(message: &MessageView, rows: &Rows, asked: &Mutex<HashMap<String, u32>>) -> std::io::Result<Decision> {
    let tx = message.keys().next().unwrap_or_default();
    let intent = message.property("intent").unwrap_or_default();
    if let Some(row) = rows.find(tx)? {
        return Ok(decision(&row));
    }
    let mut asked = asked.lock().unwrap();
    let times = asked.entry(tx.to_owned()).or_default();
    *times += 1;
    if *times == 1 {
        return Ok(Decision::Unknown);
    }
    let settled = if intent.starts_with("late-") { outcome(intent) } else { "rollback" };
    Ok(decision(&rows.insert(tx, settled)?))
}

async fn produce(journal: Arc<Journal>) -> Result<(), Box<dyn std::error::Error>> {
    let rows = Rows(env("ROWS", "rows").into());
    let (table, book) = (rows.clone(), journal.clone());
    let asked: Mutex<HashMap<String, u32>> = Mutex::default();
    let producer = TransactionProducer::builder([env("NAMESRV_ADDR", "127.0.0.1:9876")])
        .group(env("PRODUCER_GROUP", "under-faults"))
        .topics([env("TOPIC", "TandemExample")])
        .on_check(move |message| {
            let answer = check(&message, &table, &asked).expect("the database answers");
            let tx = message.keys().next().unwrap_or_default();
            book.note("checked", &format!(",\"tx\":\"{tx}\",\"answer\":\"{}\"", word(answer)));
            async move { answer }
        })
        .build()
        .await?;

    let (closing, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..number("THREADS", 4) {
        let (producer, journal, rows) = (producer.clone(), journal.clone(), rows.clone());
        let (closing, next) = (closing.clone(), next.clone());
        tasks.spawn(async move {
            while !closing.load(Ordering::Relaxed) {
                let tx = format!("{}-{}", env("INSTANCE", "rust"), next.fetch_add(1, Ordering::Relaxed));
                let sending = (tx.clone(), journal.clone());
                SENDING.scope(sending, transact(&producer, &journal, &rows, &tx)).await;
                sleep(Duration::from_millis(fastrand::u64(0..2 * number("PAUSE_MS", 100)))).await;
            }
        });
    }
    let mut told = lines();
    pause("producing", &mut told).await;
    closing.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    pause("holding", &mut told).await;
    producer.shutdown().await;
    Ok(())
}

async fn transact(producer: &TransactionProducer, journal: &Journal, rows: &Rows, tx: &str) {
    let intent = INTENTS[fastrand::usize(..INTENTS.len())];
    let message = Message::builder(env("TOPIC", "TandemExample")).tag("rounds").key(tx).property("intent", intent);
    let message = message.body(format!("{tx} {intent}")).build().expect("it is a message");
    journal.note("begun", &format!(",\"tx\":\"{tx}\",\"intent\":\"{intent}\""));
    let local = |_| async {
        journal.note("stored", &format!(",\"tx\":\"{tx}\""));
        sleep(Duration::from_millis(fastrand::u64(0..50))).await;
        let mut said = Decision::Unknown;
        if !intent.starts_with("late-") {
            let row = rows.insert(tx, outcome(intent)).expect("the database takes rows");
            if !intent.starts_with("unknown-") {
                said = decision(&row);
            }
        }
        journal.note("said", &format!(",\"tx\":\"{tx}\",\"answer\":\"{}\"", word(said)));
        Ok::<_, Infallible>(said)
    };
    match producer.send_in_transaction(&message, local).await {
        Ok(_) => {}
        Err(TransactionError::Send(error)) => {
            journal.note("failed", &format!(",\"tx\":\"{tx}\",\"error\":{:?}", error.to_string()));
            sleep(Duration::from_millis(100)).await;
        }
        Err(error) => journal.note("contradicted", &format!(",\"tx\":\"{tx}\",\"error\":{:?}", error.to_string())),
    }
}

async fn consume(journal: Arc<Journal>) -> Result<(), Box<dyn std::error::Error>> {
    let consumer = PushConsumer::builder([env("NAMESRV_ADDR", "127.0.0.1:9876")])
        .group(env("GROUP", "under-faults"))
        .subscribe(env("TOPIC", "TandemExample"), "*")
        .consume_from(ConsumeFrom::First)
        .listen(move |message| {
            let tx = message.keys().next().unwrap_or_default();
            let intent = message.property("intent").unwrap_or_default();
            let body = String::from_utf8_lossy(message.body());
            let (queue, offset) = (message.queue_id(), message.queue_offset());
            journal.note(
                "delivered",
                &format!(
                    ",\"tx\":\"{tx}\",\"body\":\"{body}\",\"intent\":\"{intent}\",\"id\":\"{}\",\"queue\":{queue},\
                     \"offset\":{offset},\"attempt\":{}",
                    message.id(),
                    message.reconsume_times() + 1
                ),
            );
            async {}
        })
        .start()
        .await?;
    pause("consuming", &mut lines()).await;
    consumer.shutdown().await;
    Ok(())
}
