//! `tandem consume`: messages for a pipeline, acknowledged once they are through.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use client::protocol::codes::RequestCode;
use client::protocol::request::send_back::SendBackHeader;
use client::{ConsumeFrom, Error, MessageQueue, MessageView, PullConsumer};
use message::names::retry_topic;

use super::args::{Begin, ConsumeArgs};
use super::exit::Exit;
use super::flow::{self, Interrupts, Shell, Until};
use super::run::{Failure, Screen};
use super::table::{clean, number_of};

/// Messages that are acknowledged together at most.
const BATCH_MAX: u64 = 32;
/// How long messages are waited for at a time; then it is told what the filter has passed over.
const PATIENCE: Duration = Duration::from_secs(1);
/// Deliveries in vain before a message is a dead letter, beside the first: what the clients of all languages say.
const RECONSUME_TIMES_MAX: i32 = 16;
/// Attempts at the last acknowledgement, and the wait between them.
const LAST_ATTEMPTS_MAX: u32 = 4;
const LAST_RETRY_AFTER: Duration = Duration::from_millis(500);

/// What becomes of a message.
enum Fate {
    /// It is acknowledged.
    Done,
    /// It is acknowledged, and it was the last one: we were interrupted.
    DoneLast,
    /// It is delivered again later, and why.
    Again(String),
    /// It stays as it is: the group gets it again at once.
    Left,
}

/// Carries out `tandem consume`.
///
/// # Errors
/// Messages cannot be read, shown or acknowledged, or `--exec` failed for some.
pub fn run(args: &ConsumeArgs, addr: &str, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    flow::block_on(async {
        let mut interrupts = Interrupts::listen()?;
        let from = match args.from {
            Begin::First => ConsumeFrom::First,
            Begin::Last => ConsumeFrom::Last,
            Begin::At(ms) => ConsumeFrom::Timestamp(ms),
        };
        let consumer = PullConsumer::builder([addr])
            .group(&args.group)
            .subscribe(&args.topic, &args.tag)
            .subscribe(retry_topic(&args.group), "*")
            .consume_from(from)
            .start()
            .await
            .map_err(|error| flow::failure(error, addr))?;
        match consumer.client().route(&args.topic).await {
            Ok(_) => {}
            Err(Error::TopicNotFound { .. }) => {
                writeln!(screen.err, "topic {} does not exist yet; waiting for it", clean(&args.topic))?;
            }
            Err(error) => return Err(flow::failure(error, addr)),
        }
        let ended = Consume { args, consumer: &consumer, failed: 0 }.consume(&mut interrupts, screen).await;
        consumer.shutdown().await;
        ended
    })
}

struct Consume<'a> {
    args: &'a ConsumeArgs,
    consumer: &'a PullConsumer,
    /// Messages that `--exec` failed at.
    failed: u64,
}

impl Consume<'_> {
    async fn consume(mut self, interrupts: &mut Interrupts, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
        let mut until = Until::new(&self.args.until);
        // A command may take its time, and what it did must not be done again because of others.
        let batch_max = if self.args.exec.is_some() { 1 } else { BATCH_MAX };
        let mut interrupted = false;
        let ended = loop {
            let count = until.left().unwrap_or(u64::MAX).min(batch_max) as usize;
            let batch = tokio::select! {
                biased;
                () = interrupts.next() => break Ok(()),
                () = until.over() => break until.verdict(),
                batch = self.consumer.poll(count, PATIENCE) => batch.map_err(|error| Failure::Other(error.into()))?,
            };
            let mut through = HashMap::new();
            for message in &batch {
                let fate = match self.handle(message, interrupts, screen).await {
                    Ok(fate) => fate,
                    Err(failure) => {
                        self.acknowledge(through).await?;
                        return Err(failure);
                    }
                };
                if let Fate::Left = fate {
                    self.acknowledge(through).await?;
                    return Ok(Exit::Ok);
                }
                through.insert(message.queue(), message.queue_offset() + 1);
                until.counts();
                interrupted |= matches!(fate, Fate::DoneLast);
            }
            // What fails is told with the next batch, or at the end.
            if let Err(error) = self.consumer.commit().await {
                tracing::debug!("not acknowledged yet: {error}");
            }
            if interrupted || until.left() == Some(0) {
                break Ok(());
            }
        };
        self.acknowledge_all().await?;
        ended?;
        if self.failed > 0 {
            let (failed, seen) = (self.failed, number_of(until.seen(), "message"));
            return Err(Failure::Verdict(format!("the command failed at {failed} of {seen}, which come again later")));
        }
        Ok(Exit::Ok)
    }

    async fn handle(
        &mut self,
        message: &MessageView,
        interrupts: &mut Interrupts,
        screen: &mut Screen<'_>,
    ) -> Result<Fate, Failure> {
        let fate = match (message.body_error(), &self.args.exec) {
            (Some(error), exec) if exec.is_some() || !screen.json => Fate::Again(error.to_string()),
            (_, Some(command)) => execute(command, message, interrupts).await?,
            (_, None) => {
                if screen.json {
                    writeln!(screen.out, "{}", flow::json_of(message))?;
                } else {
                    screen.out.write_all(message.body())?;
                    screen.out.write_all(b"\n")?;
                }
                screen.out.flush()?;
                Fate::Done
            }
        };
        if let Fate::Again(why) = &fate {
            self.failed += 1;
            let id = message.id();
            self.send_back(message).await.map_err(|error| {
                Failure::Verdict(format!("message {id}: {why}; it is not acknowledged, nor sent back: {error}"))
            })?;
            writeln!(screen.err, "message {}: {}; it comes again later", clean(&id), clean(why))?;
        }
        Ok(fate)
    }

    /// Has the broker deliver it again, later each time.
    async fn send_back(&self, message: &MessageView) -> client::Result<()> {
        let client = self.consumer.client();
        let address = client.broker_address(message.broker_name())?;
        let id = message.id();
        let header = SendBackHeader {
            offset: message.commit_log_offset(),
            group: &self.args.group,
            delay_level: 0,
            origin_msg_id: Some(&id),
            origin_topic: Some(message.topic()),
            unit_mode: false,
            max_reconsume_times: Some(RECONSUME_TIMES_MAX),
            broker_name: Some(message.broker_name()),
        };
        client.request(&address, RequestCode::ConsumerSendMsgBack, &header.fields(), b"").await?.ok().map(drop)
    }

    /// Acknowledges what is through of a batch that did not get through as a whole.
    async fn acknowledge(&self, through: HashMap<MessageQueue, i64>) -> Result<(), Failure> {
        // Somebody else may have been given a queue meanwhile, and be further.
        let ours = self.consumer.queues();
        for (queue, offset) in through.into_iter().filter(|(queue, _)| ours.contains(queue)) {
            self.consumer.commit_offset(&queue, offset).await.map_err(not_acknowledged)?;
        }
        Ok(())
    }

    async fn acknowledge_all(&self) -> Result<(), Failure> {
        for _ in 1..LAST_ATTEMPTS_MAX {
            match self.consumer.commit().await {
                Err(error) if error.is_retryable() => tokio::time::sleep(LAST_RETRY_AFTER).await,
                told => return told.map_err(not_acknowledged),
            }
        }
        self.consumer.commit().await.map_err(not_acknowledged)
    }
}

fn not_acknowledged(error: Error) -> Failure {
    Failure::Verdict(format!("the last messages are not acknowledged and come again: {error}"))
}

/// Runs the command. The first interrupt lets it end, the second kills it.
async fn execute(command: &str, message: &MessageView, interrupts: &mut Interrupts) -> Result<Fate, Failure> {
    let times = message.reconsume_times().to_string();
    let mut ended = pin!(Shell::about(command, message).with("TANDEM_RECONSUME_TIMES", times).run(message.body()));
    let mut interrupted = false;
    loop {
        tokio::select! {
            biased;
            status = &mut ended => {
                let status = status?;
                return Ok(match status.success() {
                    true if interrupted => Fate::DoneLast,
                    true => Fate::Done,
                    // A terminal interrupts both of us: that is no failure of the command.
                    false if interrupted => Fate::Left,
                    false => Fate::Again(format!("the command ended with {status}")),
                });
            }
            () = interrupts.next() => {
                if interrupted {
                    return Ok(Fate::Left);
                }
                interrupted = true;
            }
        }
    }
}
