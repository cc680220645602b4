//! An independent reader: it pulls every queue by offsets that it keeps itself, so nothing is delivered to it twice unless
//! it lies there twice.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use client::{PullConsumer, Pulled};
use protocol::MessageQueue;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::ledger::{Place, Shared};

/// Between two rounds over all queues.
const ROUND_EVERY: Duration = Duration::from_millis(100);
/// Messages of one pull; what brokers commonly allow.
const PULL_COUNT: u32 = 32;
/// How long the last read of all queues may be in vain.
const LAST_READ_WITHIN: Duration = Duration::from_secs(20);

/// Reads all queues of the topic.
#[derive(Debug)]
pub struct Reader {
    consumer: PullConsumer,
    queues: Vec<(MessageQueue, i64)>,
    ledger: Shared,
    /// How often a queue turned out to be shorter than it had been.
    pub shrunk: u64,
}

impl Reader {
    /// A reader that has read nothing.
    ///
    /// # Errors
    /// When the group cannot be started.
    pub async fn start(nameserver: &str, group: &str, queues: &[MessageQueue], ledger: &Shared) -> Result<Reader> {
        let consumer =
            PullConsumer::builder([nameserver]).group(group).start().await.context("cannot start the reader")?;
        let queues = queues.iter().map(|queue| (queue.clone(), 0)).collect();
        Ok(Reader { consumer, queues, ledger: ledger.clone(), shrunk: 0 })
    }

    /// Follows the queues until it is told to stop. A broker that is away is asked again.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) -> Reader {
        loop {
            for at in 0..self.queues.len() {
                // It may be dead just now; what matters is read again in the end.
                while let Ok(true) = self.pull(at, false).await {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return self,
                () = sleep(ROUND_EVERY) => {}
            }
        }
    }

    /// Reads all queues from their beginning: what is found now is what consumers can have.
    ///
    /// # Errors
    /// When a queue cannot be read.
    pub async fn read_all(&mut self) -> Result<()> {
        let deadline = Instant::now() + LAST_READ_WITHIN;
        for at in 0..self.queues.len() {
            self.queues[at].1 = 0;
            loop {
                match self.pull(at, true).await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if Instant::now() > deadline => {
                        bail!("the queues cannot be read in the end: {error:#}")
                    }
                    Err(_) => sleep(ROUND_EVERY).await,
                }
            }
        }
        Ok(())
    }

    /// One pull; whether there is more to read.
    async fn pull(&mut self, at: usize, in_the_end: bool) -> Result<bool> {
        let (queue, next) = self.queues[at].clone();
        let Pulled { messages, next_offset, max_offset, .. } =
            self.consumer.pull(&queue, next, PULL_COUNT, None).await?;
        self.ledger.write(|ledger| {
            for message in &messages {
                let place = Place {
                    broker: queue.broker_name.clone(),
                    queue: message.queue_id(),
                    offset: message.queue_offset(),
                };
                ledger.delivered(&message.id(), place, message.commit_log_offset(), in_the_end);
            }
        });
        if next_offset < next {
            self.shrunk += 1;
        }
        self.queues[at].1 = next_offset;
        Ok(next_offset > next && next_offset < max_offset)
    }
}
