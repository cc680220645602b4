use std::collections::{BTreeSet, VecDeque};

use broker::io::{Answer, Push, Reply, SessionId};
use engine::{Behind, Sink};
use message::entry::TopicConfig;

use crate::disk::SimDisk;

/// What the broker said, in the order in which it said it.
#[derive(Debug)]
pub enum Told {
    /// An answer.
    Answer(Reply, Answer),
    /// Something nobody asked for.
    Push(SessionId, Push),
    /// A topic was created or changed.
    TopicChanged(TopicConfig),
    /// A topic is gone.
    TopicGone(String),
    /// A connection is closed by the broker.
    Close(SessionId),
    /// Something an operator should know.
    Warn(String),
}

/// Where answers and pushes go. What is said after the process has ended is heard by nobody.
pub struct Mailbox {
    disk: SimDisk,
    /// Connections that are there.
    pub open: BTreeSet<SessionId>,
    /// Connections that do not read for now.
    pub slow: BTreeSet<SessionId>,
    told: VecDeque<(u64, Told)>,
    /// Whether checks vanish on their way (see `Bug::ChecksSwallowed`).
    pub swallow_checks: bool,
}

impl Mailbox {
    /// An empty mailbox of a process on this disk.
    pub fn new(disk: SimDisk) -> Self {
        Mailbox { disk, open: BTreeSet::new(), slow: BTreeSet::new(), told: VecDeque::new(), swallow_checks: false }
    }

    /// The next thing that was said, and how many were said up to then.
    pub fn next(&mut self) -> Option<(u64, Told)> {
        self.told.pop_front()
    }

    fn say(&mut self, told: Told) -> bool {
        let heard = self.disk.tell();
        if heard {
            self.told.push_back((self.disk.told(), told));
        }
        heard
    }
}

impl Sink for Mailbox {
    fn answer(&mut self, _behind: Behind<'_>, reply: Reply, answer: Answer) {
        self.say(Told::Answer(reply, answer));
    }

    fn push(&mut self, session: SessionId, push: Push) -> bool {
        if self.swallow_checks && matches!(push, Push::Check(_)) {
            return true;
        }
        self.open.contains(&session) && self.say(Told::Push(session, push))
    }

    fn takes_more(&self, session: SessionId) -> bool {
        !self.slow.contains(&session)
    }

    fn topic_changed(&mut self, topic: TopicConfig) {
        self.say(Told::TopicChanged(topic));
    }

    fn topic_gone(&mut self, topic: &str) {
        self.say(Told::TopicGone(topic.to_owned()));
    }

    fn key_value_changed(&mut self, _namespace: &str, _key: &str, _value: Option<&str>) {}

    fn close(&mut self, session: SessionId) {
        self.say(Told::Close(session));
    }

    fn warn(&mut self, text: String) {
        self.say(Told::Warn(text));
    }
}
