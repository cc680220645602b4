use std::collections::BTreeSet;

use foldhash::HashMap;
use message::Timestamp;

use crate::io::{PullRead, Reply, SessionId};

/// Names a pull that waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HeldId(u64);

/// A pull that found nothing and waits for a message (long polling).
#[derive(Debug)]
pub struct HeldPull {
    /// Where the answer goes.
    pub reply: Reply,
    /// What it reads.
    pub read: PullRead,
    /// Consumer group, for the statistics.
    pub group: String,
    /// When it is answered in any case.
    pub until: Timestamp,
}

/// All pulls that wait, by deadline and by session.
#[derive(Debug, Default)]
pub struct HeldPulls {
    next: u64,
    pulls: HashMap<HeldId, HeldPull>,
    by_deadline: BTreeSet<(Timestamp, HeldId)>,
    by_session: HashMap<SessionId, BTreeSet<HeldId>>,
}

impl HeldPulls {
    /// Number of pulls that wait.
    pub fn len(&self) -> usize {
        self.pulls.len()
    }

    /// Keeps a pull until it is taken.
    pub fn hold(&mut self, pull: HeldPull) -> HeldId {
        let id = HeldId(self.next);
        self.next += 1;
        self.by_deadline.insert((pull.until, id));
        self.by_session.entry(pull.reply.session).or_default().insert(id);
        self.pulls.insert(id, pull);
        id
    }

    /// A pull that waits.
    pub fn get(&self, id: HeldId) -> Option<&HeldPull> {
        self.pulls.get(&id)
    }

    /// Takes a pull out, `None` when it was taken before.
    pub fn take(&mut self, id: HeldId) -> Option<HeldPull> {
        let pull = self.pulls.remove(&id)?;
        self.by_deadline.remove(&(pull.until, id));
        if let Some(ids) = self.by_session.get_mut(&pull.reply.session) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_session.remove(&pull.reply.session);
            }
        }
        Some(pull)
    }

    /// Pulls whose time has come.
    pub fn due(&self, now: Timestamp) -> Vec<HeldId> {
        self.by_deadline.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| *id).collect()
    }

    /// When the next pull is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.by_deadline.first().map(|(until, _)| *until)
    }

    /// Forgets the pulls of a connection that is gone, and returns where they waited.
    pub fn drop_session(&mut self, session: SessionId) -> Vec<(HeldId, HeldPull)> {
        let ids = self.by_session.remove(&session).unwrap_or_default();
        ids.into_iter()
            .filter_map(|id| {
                let pull = self.pulls.remove(&id)?;
                self.by_deadline.remove(&(pull.until, id));
                Some((id, pull))
            })
            .collect()
    }
}
