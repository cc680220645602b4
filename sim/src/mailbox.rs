use std::collections::{BTreeSet, VecDeque};

use broker::io::{Answer, Pulled, Push, Refusal, Reply, SessionId, Settled};
use engine::{Behind, Sink};
use message::entry::TopicConfig;
use message::record::{Delivery, Record};
use message::{CommitLogOffset, sys_flag};

use crate::bugs::Bug;
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
    /// Where the log ended when this process of the broker began.
    pub born_at: CommitLogOffset,
    bug: Option<Bug>,
}

impl Mailbox {
    /// An empty mailbox of a process on this disk.
    pub fn new(disk: SimDisk, bug: Option<Bug>) -> Self {
        Mailbox {
            disk,
            open: BTreeSet::new(),
            slow: BTreeSet::new(),
            told: VecDeque::new(),
            born_at: CommitLogOffset::ZERO,
            bug,
        }
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
        let answer = match self.bug {
            Some(bug) => planted(bug, reply, answer),
            None => answer,
        };
        self.say(Told::Answer(reply, answer));
    }

    fn push(&mut self, session: SessionId, push: Push) -> bool {
        let swallowed = match (&push, self.bug) {
            (Push::Check(_), Some(Bug::ChecksSwallowed)) => true,
            (Push::Check(check), Some(Bug::TimerLost)) => check.half < self.born_at,
            _ => false,
        };
        if swallowed {
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

    fn warn(&mut self, text: String) {
        self.say(Told::Warn(text));
    }
}

/// An answer as a broker with this defect would give it.
pub(crate) fn planted(bug: Bug, reply: Reply, answer: Answer) -> Answer {
    match (bug, answer) {
        (Bug::ContradictionAccepted, Answer::Refused(Refusal::Conflict(why))) if why.contains("before") => {
            Answer::Settled(Settled::Repeated)
        }
        (Bug::CommitWithoutCompare, Answer::Settled(Settled::Repeated)) => Answer::Settled(Settled::Decided),
        (Bug::CommitWithoutCompare, Answer::Refused(Refusal::Conflict(why))) if why.contains("before") => {
            Answer::Settled(Settled::Decided)
        }
        (Bug::CommitDeliveredTwice, Answer::Pulled(mut pulled)) => {
            deliver_twice(&mut pulled);
            Answer::Pulled(pulled)
        }
        (Bug::MessageLeftOut, Answer::Pulled(mut pulled)) if pulled.count > 2 && reply.token.is_multiple_of(50) => {
            let first = Record::parse(&pulled.body).map_or(0, |record| record.bytes().len());
            let second = Record::parse(&pulled.body[first..]).map_or(0, |record| record.bytes().len());
            pulled.body.drain(first..first + second);
            pulled.count -= 1;
            Answer::Pulled(pulled)
        }
        (_, answer) => answer,
    }
}

/// The last message of a pull stands in its queue once more, if it was a transaction.
fn deliver_twice(pulled: &mut Pulled) {
    let mut rest = &pulled.body[..];
    let mut last = None;
    while let Ok(record) = Record::parse(rest) {
        rest = &rest[record.bytes().len()..];
        last = Some(record);
    }
    let Some(last) = last.filter(|last| last.sys_flag() & sys_flag::TRANSACTION_TYPE == sys_flag::TRANSACTION_COMMIT)
    else {
        return;
    };
    let mut again = last.bytes().to_vec();
    let delivery = Delivery {
        queue_offset: pulled.next,
        physical_offset: CommitLogOffset::new(last.physical_offset().get() + 1),
        store_timestamp: last.store_timestamp(),
        half: Some(last.prepared_transaction_offset()),
    };
    delivery.patch(&mut again).expect("a record that was delivered");
    pulled.body.extend_from_slice(&again);
    pulled.next = pulled.next.plus(1);
    pulled.max = pulled.max.max(pulled.next);
    pulled.count += 1;
}
