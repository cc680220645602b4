//! `tandem tail`: what comes into a topic, beside all groups.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use client::{MessageQueue, MessageView, PullConsumer};
use message::names::TOOLS_GROUP;

use super::args::{Begin, TailArgs};
use super::exit::Exit;
use super::flow::{self, Interrupts, Until};
use super::run::{Failure, Screen};
use super::table::{clean, time};

/// Messages of one pull.
const PULL_MAX: u32 = 32;
/// How often queues are looked for that the topic did not have in the beginning.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Carries out `tandem tail`.
///
/// # Errors
/// Messages cannot be read or shown.
pub fn run(args: &TailArgs, addr: &str, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    flow::block_on(async {
        let mut interrupts = Interrupts::listen()?;
        let mut until = Until::new(&args.until);
        let filter = Filter::new(args)?;
        let failure = |error| flow::failure(error, addr);
        let builder = PullConsumer::builder([addr]).group(TOOLS_GROUP).pull_count_max(PULL_MAX);
        let consumer = builder.start().await.map_err(failure)?;
        let ended = tokio::select! {
            biased;
            () = interrupts.next() => Ok(()),
            ended = follow(args, &consumer, &filter, &mut until, screen) => ended.map_err(|error| match error {
                Stop::Client(error) => failure(error),
                Stop::Failure(failure) => failure,
            }),
        };
        consumer.shutdown().await;
        ended.map(|()| Exit::Ok)
    })
}

/// Why it is not followed any further.
enum Stop {
    Client(client::Error),
    Failure(Failure),
}

impl From<client::Error> for Stop {
    fn from(error: client::Error) -> Self {
        Stop::Client(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Stop::Failure(failure)
    }
}

async fn follow(
    args: &TailArgs,
    consumer: &PullConsumer,
    filter: &Filter,
    until: &mut Until,
    screen: &mut Screen<'_>,
) -> Result<(), Stop> {
    let mut queues = consumer.queues_of(&args.topic).await?;
    let mut starts = Vec::new();
    if let Some(count) = args.last {
        let messages = last_of(consumer, &queues, count as usize, &mut starts).await?;
        for message in messages.iter().filter(|message| filter.wants(message)) {
            show(message, screen)?;
            if until.counts() {
                return Ok(());
            }
        }
    } else {
        for queue in &queues {
            starts.push(match args.from {
                Begin::First => consumer.min_offset(queue).await?,
                Begin::Last => consumer.max_offset(queue).await?,
                Begin::At(ms) => consumer.offset_at(queue, ms).await?,
            });
        }
    }
    consumer.assign(&queues).await?;
    for (queue, offset) in queues.iter().zip(starts) {
        consumer.seek(queue, offset).await?;
    }
    let mut looked_at = Instant::now();
    loop {
        let batch = tokio::select! {
            biased;
            () = until.over() => return Ok(until.verdict()?),
            batch = consumer.poll(PULL_MAX as usize, LOOK_INTERVAL) => batch?,
        };
        for message in batch.iter().filter(|message| filter.wants(message)) {
            show(message, screen)?;
            if until.counts() {
                return Ok(());
            }
        }
        if looked_at.elapsed() >= LOOK_INTERVAL {
            looked_at = Instant::now();
            add_new_queues(&args.topic, consumer, &mut queues).await;
        }
    }
}

/// Reads queues that the topic was given meanwhile from their beginning.
async fn add_new_queues(topic: &str, consumer: &PullConsumer, queues: &mut Vec<MessageQueue>) {
    let added = async {
        let all = consumer.queues_of(topic).await?;
        let new: Vec<MessageQueue> = all.iter().filter(|queue| !queues.contains(queue)).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        consumer.assign(&all).await?;
        for queue in &new {
            consumer.seek(queue, consumer.min_offset(queue).await?).await?;
        }
        *queues = all;
        Ok::<_, client::Error>(())
    };
    if let Err(error) = added.await {
        // The queues known already are read on, and the next look finds the others.
        tracing::debug!(topic, "new queues are not read yet: {error}");
    }
}

/// The last messages of all queues together, in the order of their storage, and where each queue goes on.
async fn last_of(
    consumer: &PullConsumer,
    queues: &[MessageQueue],
    count: usize,
    starts: &mut Vec<i64>,
) -> client::Result<Vec<MessageView>> {
    // The oldest on top, to go when a younger one comes.
    let mut youngest: BinaryHeap<Reverse<Aged>> = BinaryHeap::new();
    for queue in queues {
        let end = consumer.max_offset(queue).await?;
        let mut next = consumer.min_offset(queue).await?.max(end.saturating_sub(count as i64));
        while next < end {
            let pulled = consumer.pull(queue, next, PULL_MAX, None).await?;
            for message in pulled.messages.into_iter().filter(|message| message.queue_offset() < end) {
                let age = (message.stored_at_ms(), message.commit_log_offset());
                youngest.push(Reverse(Aged { age, message }));
                if youngest.len() > count {
                    youngest.pop();
                }
            }
            if pulled.next_offset <= next {
                break;
            }
            next = pulled.next_offset;
        }
        starts.push(end);
    }
    // Sorted, the largest `Reverse` is the oldest.
    Ok(youngest.into_sorted_vec().into_iter().rev().map(|Reverse(aged)| aged.message).collect())
}

/// A message that is compared by its age.
struct Aged {
    /// When it was stored, and where in the log.
    age: (i64, i64),
    message: MessageView,
}

impl PartialEq for Aged {
    fn eq(&self, other: &Self) -> bool {
        self.age == other.age
    }
}

impl Eq for Aged {}

impl PartialOrd for Aged {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Aged {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.age.cmp(&other.age)
    }
}

/// Which messages are shown.
struct Filter {
    /// All if empty.
    tags: Vec<String>,
    text: Vec<u8>,
}

impl Filter {
    fn new(args: &TailArgs) -> Result<Self, Failure> {
        let tags: Vec<String> = match args.tag.trim() {
            "" | "*" => Vec::new(),
            tags => tags.split("||").map(|tag| tag.trim().to_owned()).collect(),
        };
        if tags.iter().any(|tag| tag.is_empty() || tag == "*") {
            return Err(Failure::Usage(format!("--tag {:?}: write tags such as \"paid || refused\"", args.tag)));
        }
        Ok(Filter { tags, text: args.grep.clone().unwrap_or_default().into_bytes() })
    }

    fn wants(&self, message: &MessageView) -> bool {
        let tagged = self.tags.is_empty() || message.tag().is_some_and(|tag| self.tags.iter().any(|own| own == tag));
        tagged && (self.text.is_empty() || message.body().windows(self.text.len()).any(|part| part == self.text))
    }
}

/// To people: when it was stored, queue and offset, tag, key and body.
fn show(message: &MessageView, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if screen.json {
        writeln!(screen.out, "{}", flow::json_of(message))?;
    } else {
        let stored = time(message.stored_at_ms());
        let (queue, offset) = (message.queue_id(), message.queue_offset());
        let (tag, key) = (clean(message.tag().unwrap_or("-")), clean(message.keys().next().unwrap_or("-")));
        let body = match message.body_error() {
            Some(error) => format!("({error})"),
            None => clean(&String::from_utf8_lossy(message.body())),
        };
        writeln!(screen.out, "{stored}  {queue}:{offset}  {tag}  {key}  {body}")?;
    }
    Ok(screen.out.flush()?)
}
