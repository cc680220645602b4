//! One process of a producer group, as brokers see it: a client id, a connection to every broker, and answers to checks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use message::properties;
use message::record::Record as StoredRecord;
use protocol::codes::RequestCode;
use protocol::request::transaction::Decision;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::ledger::{Heard, Shared, Speaker};
use crate::link::{Frame, Link};
use crate::plan::{Fate, Way};
use crate::producer::{Half, decide, introduce};

/// From one heartbeat to the next.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// From the end of a connection to the next attempt to make one.
const RECONNECT_AFTER: Duration = Duration::from_millis(200);
/// Between two looks whether it is connected.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where a broker is: its name and its address.
pub type BrokerAt = (String, String);

/// A producer process. Dropped, it is dead: its connections end without a goodbye.
#[derive(Debug)]
pub struct Instance {
    slots: Vec<(String, Slot)>,
    tasks: Vec<AbortHandle>,
}

type Slot = Arc<Mutex<Option<Link>>>;

impl Drop for Instance {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for (_, slot) in &self.slots {
            set(slot, None);
        }
    }
}

fn set(slot: &Slot, link: Option<Link>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = link;
}

impl Instance {
    /// Begins one; it connects by itself, and again whenever a connection ends.
    pub fn start(group: &str, brokers: &[BrokerAt], ledger: &Shared) -> Instance {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let number = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let client_id = format!("txprobe@{}#{number}", std::process::id());
        let (mut slots, mut tasks) = (Vec::new(), Vec::new());
        for (name, address) in brokers {
            let slot = Slot::default();
            let member = Member {
                client_id: client_id.clone(),
                group: group.to_owned(),
                address: address.clone(),
                slot: slot.clone(),
                ledger: ledger.clone(),
            };
            tasks.push(tokio::spawn(member.live()).abort_handle());
            slots.push((name.clone(), slot));
        }
        Instance { slots, tasks }
    }

    /// Its connection to a broker, if there is one now.
    pub fn link(&self, broker: &str) -> Option<Link> {
        let (_, slot) = self.slots.iter().find(|(name, _)| name == broker)?;
        let link = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        link.filter(|link| !link.is_closed())
    }

    /// Waits until every broker knows it; whether that came about in time.
    pub async fn is_ready_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.slots.iter().any(|(name, _)| self.link(name).is_none()) {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }
}

/// Its life with one broker.
struct Member {
    client_id: String,
    group: String,
    address: String,
    slot: Slot,
    ledger: Shared,
}

impl Member {
    async fn live(self) {
        loop {
            if let Some((link, pushes)) = Link::connect(&self.address).await
                && introduce(&link, &self.client_id, &self.group).await
            {
                set(&self.slot, Some(link.clone()));
                self.serve(&link, pushes).await;
                set(&self.slot, None);
            }
            sleep(RECONNECT_AFTER).await;
        }
    }

    async fn serve(&self, link: &Link, mut pushes: mpsc::Receiver<Frame>) {
        let mut heartbeat = interval(HEARTBEAT_INTERVAL);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.tick().await;
        // They end with this instance: the dead answer nothing.
        let mut answers = JoinSet::new();
        loop {
            tokio::select! {
                push = pushes.recv() => match push {
                    Some(push) if push.code == RequestCode::CheckTransactionState.code() => {
                        answers.spawn(answer_check(link.clone(), self.group.clone(), self.ledger.clone(), push));
                    }
                    // What else brokers ask of clients concerns consumers.
                    Some(_) => {}
                    None => return,
                },
                _ = heartbeat.tick() => {
                    let (link, client_id, group) = (link.clone(), self.client_id.clone(), self.group.clone());
                    answers.spawn(async move {
                        // Unanswered, it is said again in a moment.
                        introduce(&link, &client_id, &group).await;
                    });
                }
                Some(_) = answers.join_next() => {}
            }
        }
    }
}

/// The id of the transaction that a check is about.
fn id_of(check: &Frame) -> Option<String> {
    let record = StoredRecord::parse(&check.body).ok()?;
    record.property(properties::UNIQ_KEY).or(check.field("msgId")).map(str::to_owned)
}

/// The opposite decision; of an unknown outcome there is none.
pub fn opposite(decision: Decision) -> Decision {
    match decision {
        Decision::Commit => Decision::Rollback,
        Decision::Rollback => Decision::Commit,
        Decision::Unknown => Decision::Unknown,
    }
}

/// Answers as the transaction's fate says, and from what the database says.
async fn answer_check(link: Link, group: String, ledger: Shared, check: Frame) {
    let Some(id) = id_of(&check) else { return };
    let Some(half) = Half::of_check(&check, &group, &id) else { return };
    let asked = ledger.write(|ledger| {
        let record = ledger.asked(&id)?;
        let decided = record.acknowledged(Decision::Commit) || record.acknowledged(Decision::Rollback);
        Some((record.fate, record.checks, decided, record.answer()))
    });
    let Some((fate, checks, decided, decision)) = asked else { return };
    if fate == Fate::Unanswered && checks == 1 {
        return;
    }
    let say = async |decision| {
        let number = ledger.write(|ledger| ledger.telling(&id, decision, Speaker::Check));
        // Brokers do not answer an unknown outcome.
        let heard = decide(Some(&link), &half, decision, true, decision != Decision::Unknown).await;
        ledger.write(|ledger| ledger.heard(&id, number, heard));
        heard
    };
    match fate {
        Fate::Doubled(Way::Check, after) if !decided && decision != Decision::Unknown => {
            if after.is_zero() {
                tokio::join!(say(decision), say(decision));
            } else {
                say(decision).await;
                sleep(after).await;
                say(decision).await;
            }
        }
        Fate::Contradicting(Way::Check, after) if !decided && decision != Decision::Unknown => {
            if say(decision).await == Heard::Yes {
                sleep(after).await;
                say(opposite(decision)).await;
            }
        }
        _ => {
            say(decision).await;
        }
    }
}
