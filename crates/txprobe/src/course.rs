//! How a transaction of each fate goes, step by step.

use std::sync::Arc;
use std::time::Duration;

use protocol::MessageQueue;
use protocol::request::transaction::Decision;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::instance::{BrokerAt, Instance, opposite};
use crate::ledger::{Heard, Shared, Speaker, Truth};
use crate::plan::{Fate, Forgery, Planned, Way};
use crate::producer::{Half, decide, send_half};

/// How long a new process may take until its brokers know it.
const READY_WITHIN: Duration = Duration::from_secs(3);
/// How long a delivery is waited for, before it is abused.
const DELIVERED_WITHIN: Duration = Duration::from_secs(5);

/// Everything that transactions share.
#[derive(Debug)]
pub struct Stage {
    /// A number of this run: others may use the same broker.
    pub run: u64,
    /// The producer group.
    pub group: String,
    /// The brokers of the topic.
    pub brokers: Vec<BrokerAt>,
    /// The queues of the topic.
    pub queues: Vec<MessageQueue>,
    /// The live producers of the group.
    pub crew: Vec<Instance>,
    /// A producer of another group.
    pub forger: Instance,
    /// The truth.
    pub ledger: Shared,
    /// True once no more transactions begin.
    pub closing: watch::Receiver<bool>,
}

/// What one local transaction came to.
fn truth_of(outcome: Decision) -> Truth {
    match outcome {
        Decision::Commit => Truth::Committed,
        Decision::Rollback => Truth::RolledBack,
        Decision::Unknown => Truth::Running,
    }
}

impl Stage {
    /// One transaction from its half to its end, as far as its producer goes. The half, if nobody is ever to decide it.
    pub async fn transaction(self: Arc<Self>, number: u64, planned: Planned) -> Option<Half> {
        if planned.fate == Fate::Killed {
            let doomed = Instance::start(&self.group, &self.brokers, &self.ledger);
            if doomed.is_ready_within(READY_WITHIN).await {
                self.half_of(&doomed, &self.group, number, planned).await;
            }
            return None;
        }
        let crew = &self.crew;
        let [first, second] = [0, 1].map(|next| &crew[(number as usize + next) % crew.len()]);
        let half = self.half_of(first, &self.group, number, planned).await?;
        if planned.fate == Fate::Never {
            return Some(half);
        }
        self.course(planned, half, first, second).await;
        None
    }

    /// The transactions of a group whose only process goes away, and after a while another one comes. It is returned, for
    /// it has to live until the end.
    pub async fn offline(self: Arc<Self>, first: u64, planned: Vec<Planned>, away: Duration) -> Instance {
        let group = format!("{}-offline-{first}", self.group);
        let doomed = Instance::start(&group, &self.brokers, &self.ledger);
        if doomed.is_ready_within(READY_WITHIN).await {
            for (number, planned) in (first..).zip(planned) {
                self.half_of(&doomed, &group, number, planned).await;
            }
        }
        drop(doomed);
        sleep(away).await;
        Instance::start(&group, &self.brokers, &self.ledger)
    }

    fn queue(&self, number: u64) -> &MessageQueue {
        &self.queues[number as usize % self.queues.len()]
    }

    /// Sends the half, twice if that is its fate, and runs the local transaction if it ends at once.
    async fn half_of(&self, instance: &Instance, group: &str, number: u64, planned: Planned) -> Option<Half> {
        let id = format!("{:016X}{number:016X}", self.run);
        self.ledger.write(|ledger| ledger.begin(id.clone(), planned));
        let queue = self.queue(number);
        let link = instance.link(&queue.broker_name)?;
        let body = format!("transaction {number} of txprobe");
        let mut half = None;
        let times = if planned.fate == Fate::Resent { 2 } else { 1 };
        for _ in 0..times {
            if let Some(stored) = send_half(&link, group, queue, &id, body.as_bytes()).await {
                self.ledger.write(|ledger| ledger.stored(&id));
                half = Some(stored);
            }
        }
        let half = half?;
        if !matches!(planned.fate, Fate::Late | Fate::Never | Fate::Racing) {
            self.end(&half, truth_of(planned.outcome));
        }
        Some(half)
    }

    async fn course(&self, planned: Planned, half: Half, first: &Instance, second: &Instance) {
        let Planned { fate, outcome } = planned;
        match fate {
            Fate::Plain { asked } => {
                self.tell(first, &half, outcome, asked).await;
            }
            Fate::Resent => {
                self.say(first, &half, outcome).await;
            }
            Fate::Doubled(Way::Decision, Duration::ZERO) => {
                tokio::join!(self.say(first, &half, outcome), self.say(second, &half, outcome));
            }
            Fate::Doubled(Way::Decision, after) => {
                self.say(first, &half, outcome).await;
                sleep(after).await;
                self.say(second, &half, outcome).await;
            }
            Fate::Contradicting(Way::Decision, after) => {
                if self.say(first, &half, outcome).await == Heard::Yes {
                    sleep(after).await;
                    self.say(second, &half, opposite(outcome)).await;
                }
            }
            Fate::Racing => self.race(&half, first, second).await,
            Fate::Forged(Forgery::Delivered) => {
                self.say(first, &half, outcome).await;
                self.commit_what_is_delivered(&half).await;
            }
            Fate::Forged(forgery) => {
                self.forge(&half, forgery, opposite(outcome)).await;
                // What is committed is left to the check: a forged rollback that took effect is never asked about.
                if outcome == Decision::Rollback {
                    self.say(first, &half, outcome).await;
                }
            }
            Fate::Late => {
                let mut closing = self.closing.clone();
                tokio::select! {
                    () = self.ledger.until(&half.id, |record| record.checks > 0) => {}
                    _ = closing.wait_for(|closing| *closing) => {}
                }
                self.end(&half, truth_of(outcome));
                self.say(first, &half, outcome).await;
            }
            // The check decides, or nobody.
            Fate::Doubled(Way::Check, _)
            | Fate::Contradicting(Way::Check, _)
            | Fate::Lost
            | Fate::Unanswered
            | Fate::Killed
            | Fate::Offline
            | Fate::Never => {}
        }
    }

    /// Commit and rollback at once, from two processes. The answers say what the truth is, if they agree.
    async fn race(&self, half: &Half, first: &Instance, second: &Instance) {
        let commit = self.say(first, half, Decision::Commit);
        let rollback = self.say(second, half, Decision::Rollback);
        let truth = match tokio::join!(commit, rollback) {
            (Heard::Yes, Heard::Yes) => Truth::Either,
            (Heard::Yes, _) => Truth::Committed,
            (_, Heard::Yes) => Truth::RolledBack,
            _ => Truth::Either,
        };
        self.end(half, truth);
    }

    async fn forge(&self, half: &Half, forgery: Forgery, decision: Decision) {
        let mut forged = half.clone();
        match forgery {
            Forgery::Group => forged.group = format!("{}-forger", self.group),
            Forgery::Id => forged.id = format!("{:032X}", 0xF0F0),
            Forgery::Position => forged.position += 1,
            Forgery::Delivered => return,
        }
        self.forged(half, &forged, decision).await;
    }

    /// Names the delivered message as if it were a half.
    async fn commit_what_is_delivered(&self, half: &Half) {
        let delivered = self.ledger.until(&half.id, |record| !record.places.is_empty());
        if timeout(DELIVERED_WITHIN, delivered).await.is_err() {
            return;
        }
        let place = self.ledger.read(|ledger| {
            let record = ledger.get(&half.id)?;
            Some((record.log_offset?, record.places.first()?.offset))
        });
        if let Some((log_offset, position)) = place {
            self.forged(half, &Half { log_offset, position, ..half.clone() }, Decision::Commit).await;
        }
    }

    async fn forged(&self, half: &Half, forged: &Half, decision: Decision) {
        let number = self.ledger.write(|ledger| ledger.telling(&half.id, decision, Speaker::Forger));
        let heard = decide(self.forger.link(&half.broker).as_ref(), forged, decision, false, true).await;
        self.ledger.write(|ledger| ledger.heard(&half.id, number, heard));
    }

    /// A decision of its producer, as a request.
    async fn say(&self, instance: &Instance, half: &Half, decision: Decision) -> Heard {
        self.tell(instance, half, decision, true).await
    }

    async fn tell(&self, instance: &Instance, half: &Half, decision: Decision, asked: bool) -> Heard {
        let number = self.ledger.write(|ledger| ledger.telling(&half.id, decision, Speaker::Producer));
        let heard = decide(instance.link(&half.broker).as_ref(), half, decision, false, asked).await;
        self.ledger.write(|ledger| ledger.heard(&half.id, number, heard));
        heard
    }

    fn end(&self, half: &Half, truth: Truth) {
        self.ledger.write(|ledger| ledger.ended(&half.id, truth));
    }
}
