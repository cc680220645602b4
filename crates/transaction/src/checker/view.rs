use std::sync::Arc;

use message::{CommitLogOffset, Timestamp};

use super::{Checker, SessionId, Step};

/// What the checker has in mind for one half.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckerView {
    /// Sessions of its producer group that are connected.
    pub sessions: usize,
    /// Where it stands.
    pub stage: Stage,
}

/// Where a watched half stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The next check is due then.
    Resting {
        /// When.
        due: Timestamp,
    },
    /// In its group's line: nobody is there, nobody has room, or nobody answered and the next round is due then.
    Waiting {
        /// From when on it is to be asked about.
        due: Timestamp,
    },
    /// A producer is being asked.
    Asked {
        /// Whom.
        session: SessionId,
        /// The client id of the producer.
        client: Arc<str>,
        /// Since when.
        sent_at: Timestamp,
        /// How many others were asked before in this round and were silent.
        silent: usize,
    },
    /// Asked about too often; the log is about to say what becomes of it.
    Exhausted,
}

impl Checker {
    /// What is going on about a half; `None` when it is not watched, as a half that is set aside is not.
    pub fn view(&self, half: CommitLogOffset) -> Option<CheckerView> {
        let watched = self.halves.get(*self.by_half.get(&half)?);
        let stage = match watched.step {
            Step::Resting => Stage::Resting { due: watched.timer.due() },
            Step::Waiting(due) => Stage::Waiting { due },
            Step::Asked(session) => {
                let check = self.producers.check(session, half)?;
                let client = self.producers.client(session);
                Stage::Asked { session, client, sent_at: check.sent_at, silent: check.silent.len() }
            }
            Step::Exhausted => Stage::Exhausted,
        };
        Some(CheckerView { sessions: self.producers.groups.get(watched.group).members.len(), stage })
    }

    /// Checks that a session was sent and has not answered yet.
    pub fn unanswered(&self, session: SessionId) -> usize {
        self.producers.asked_of(session).count()
    }
}
