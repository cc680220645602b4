//! What one client was told, to be held against what there is after a restart.
//!
//! What was answered OK has to be there. What was answered with an error, or not at all, may be there or not; but never
//! twice, and never against a decision.

use std::collections::HashMap;

use crate::wire::{COMMIT, Half, Message, ROLLBACK, UNKNOWN, Wire, number, properties, send_fields};

/// Body of every message: its key, over and over. So a body that belongs to another message is noticed.
pub fn body_of(key: &str, len: usize) -> Vec<u8> {
    key.bytes().cycle().take(len).collect()
}

/// A moment at which something was answered. What it counts is the owner's affair; it only grows.
pub type Stamp = u64;

/// What a client asked for, and what of it was answered OK.
#[derive(Clone, Default)]
pub struct Promises {
    name: String,
    body_len: usize,
    sent: Vec<(String, i64, Stamp)>,
    fates: Vec<Fate>,
    topics: Vec<(String, Stamp)>,
    offsets: Vec<(i64, Option<Stamp>)>,
    asked: u64,
}

#[derive(Clone)]
struct Fate {
    half: Half,
    stored: Stamp,
    /// [`UNKNOWN`] as long as nobody decided.
    decision: i32,
    decided: Option<Stamp>,
}

/// How much was promised.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counts {
    pub sends: usize,
    pub halves: usize,
    pub decisions: usize,
    pub offsets: usize,
    pub topics: usize,
}

impl Counts {
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            sends: self.sends + other.sends,
            halves: self.halves + other.halves,
            decisions: self.decisions + other.decisions,
            offsets: self.offsets + other.offsets,
            topics: self.topics + other.topics,
        }
    }

    pub fn all(&self) -> usize {
        self.sends + self.halves + self.decisions + self.offsets + self.topics
    }
}

/// What became of one request.
pub enum Asked {
    Done,
    /// Refused, with these words.
    Refused(String),
    /// The connection is gone, or nothing came back.
    Gone,
}

impl Promises {
    /// A client with a topic and groups of its own.
    pub fn new(name: &str, body_len: usize) -> Self {
        Promises { name: name.to_owned(), body_len, ..Promises::default() }
    }

    fn topic(&self) -> String {
        format!("orders-{}", self.name)
    }

    fn group(&self) -> String {
        format!("cart-{}", self.name)
    }

    /// Asks for one thing more: each kind in its turn. `now` is read when the answer is there.
    pub fn ask(&mut self, wire: &mut Wire, now: impl Fn() -> Stamp) -> Asked {
        self.asked += 1;
        let key = format!("{}-{}", self.name, self.asked);
        match self.asked % 8 {
            0 => self.commit_offset(wire, now),
            1 if self.asked % 24 == 1 => self.create_topic(wire, &format!("made-{key}"), now),
            1..=3 => self.send(wire, &key, now),
            4 => self.half(wire, &key, UNKNOWN, now),
            5 => self.half(wire, &key, ROLLBACK, now),
            _ => self.half(wire, &key, COMMIT, now),
        }
    }

    fn send(&mut self, wire: &mut Wire, key: &str, now: impl Fn() -> Stamp) -> Asked {
        let (topic, pairs) = (self.topic(), properties(&[("UNIQ_KEY", key)]));
        match wire.client.call(310, &send_fields(&topic, &pairs), &body_of(key, self.body_len)) {
            Ok(answer) if answer.is_success() => {
                self.sent.push((key.to_owned(), number(&answer, "queueOffset"), now()));
                Asked::Done
            }
            Ok(answer) => refused(&answer.remark),
            Err(_) => Asked::Gone,
        }
    }

    fn half(&mut self, wire: &mut Wire, key: &str, decision: i32, now: impl Fn() -> Stamp) -> Asked {
        let pairs = properties(&[("TRAN_MSG", "true"), ("PGROUP", "payers"), ("UNIQ_KEY", key)]);
        let topic = self.topic();
        let mut fields = send_fields(&topic, &pairs);
        fields[5].1 = "4";
        let half = match wire.client.call(310, &fields, &body_of(key, self.body_len)) {
            Ok(answer) if answer.is_success() => crate::wire::half_of("payers", key, &answer),
            Ok(answer) => return refused(&answer.remark),
            Err(_) => return Asked::Gone,
        };
        self.fates.push(Fate { half, stored: now(), decision, decided: None });
        if decision == UNKNOWN {
            return Asked::Done;
        }
        let fate = self.fates.last_mut().expect("just pushed");
        match wire.try_end(&fate.half, decision, false) {
            Ok(answer) if answer.is_success() => {
                fate.decided = Some(now());
                Asked::Done
            }
            Ok(answer) => refused(&answer.remark),
            Err(_) => Asked::Gone,
        }
    }

    fn commit_offset(&mut self, wire: &mut Wire, now: impl Fn() -> Stamp) -> Asked {
        let offset = self.offsets.last().map_or(1, |(last, _)| last + 1);
        let (group, topic, text) = (self.group(), self.topic(), offset.to_string());
        if !self.offsets.iter().any(|(_, at)| at.is_some()) {
            // A group begins with its first pull.
            match wire.client.call(11, &crate::wire::pull_fields(&group, &topic, "0", "4", "0"), b"") {
                Ok(answer) if answer.code == 14 => return refused(&answer.remark),
                Ok(_) => {}
                Err(_) => return Asked::Gone,
            }
        }
        self.offsets.push((offset, None));
        let fields = [("consumerGroup", group.as_str()), ("topic", &topic), ("queueId", "0"), ("commitOffset", &text)];
        match wire.client.call(15, &fields, b"") {
            Ok(answer) if answer.is_success() => {
                self.offsets.last_mut().expect("just pushed").1 = Some(now());
                Asked::Done
            }
            Ok(answer) => refused(&answer.remark),
            Err(_) => Asked::Gone,
        }
    }

    fn create_topic(&mut self, wire: &mut Wire, topic: &str, now: impl Fn() -> Stamp) -> Asked {
        let fields = [
            ("topic", topic),
            ("defaultTopic", "TBW102"),
            ("readQueueNums", "1"),
            ("writeQueueNums", "1"),
            ("perm", "6"),
            ("topicFilterType", "SINGLE_TAG"),
            ("topicSysFlag", "0"),
            ("order", "false"),
        ];
        match wire.client.call(17, &fields, b"") {
            Ok(answer) if answer.is_success() => {
                self.topics.push((topic.to_owned(), now()));
                Asked::Done
            }
            Ok(answer) => refused(&answer.remark),
            Err(_) => Asked::Gone,
        }
    }

    /// What had been promised by then; the rest may have happened, or not.
    pub fn until(&self, then: Stamp) -> Promises {
        let mut promises = self.clone();
        promises.sent.retain(|(_, _, at)| *at <= then);
        promises.topics.retain(|(_, at)| *at <= then);
        for (_, at) in &mut promises.offsets {
            *at = at.filter(|at| *at <= then);
        }
        for fate in &mut promises.fates {
            fate.decided = fate.decided.filter(|at| *at <= then);
        }
        // A half whose answer came later may be there, and be delivered if it was to be committed.
        promises.fates.retain(|fate| fate.stored <= then || fate.decision != COMMIT);
        promises.fates.iter_mut().for_each(|fate| fate.stored = if fate.stored <= then { 0 } else { Stamp::MAX });
        promises
    }

    /// How much that is.
    pub fn counts(&self) -> Counts {
        Counts {
            sends: self.sent.len(),
            halves: self.fates.iter().filter(|fate| fate.stored != Stamp::MAX).count(),
            decisions: self.fates.iter().filter(|fate| fate.decided.is_some()).count(),
            offsets: self.offsets.iter().filter(|(_, at)| at.is_some()).count(),
            topics: self.topics.len(),
        }
    }

    /// Everything that is not as promised, one line each: to be asked after a restart.
    pub fn broken(&self, wire: &mut Wire) -> Vec<String> {
        let mut broken = Vec::new();
        // The first message makes the topic.
        let all = if exists(wire, &self.topic()) { wire.all(&self.topic()) } else { Vec::new() };
        let mut delivered: HashMap<&str, Vec<&Message>> = HashMap::new();
        for (expected, message) in (0..).zip(&all) {
            if message.offset != expected {
                broken.push(format!("{} stands at {} instead of {expected}", message.key, message.offset));
            }
            if message.body != body_of(&message.key, message.body.len()) {
                broken.push(format!("{} has somebody else's body", message.key));
            }
            delivered.entry(&message.key).or_default().push(message);
        }
        for (key, times) in delivered.iter().filter(|(_, times)| times.len() > 1) {
            broken.push(format!("{key} is delivered {} times", times.len()));
        }
        for (key, offset, _) in &self.sent {
            match delivered.get(key.as_str()).and_then(|times| times.first()) {
                None => broken.push(format!("{key} was answered OK and is lost")),
                Some(found) if found.offset != *offset => {
                    broken.push(format!("{key} was answered with offset {offset} and stands at {}", found.offset));
                }
                Some(_) => {}
            }
        }
        for fate in &self.fates {
            let key = fate.half.key.as_str();
            let times = delivered.get(key).map_or(0, Vec::len);
            if fate.decision != COMMIT && times > 0 {
                broken.push(format!("{key} was never committed and is delivered"));
            }
            if fate.decision == COMMIT && fate.decided.is_some() && times == 0 {
                broken.push(format!("{key} was committed and is lost"));
            }
        }
        let acknowledged = self.offsets.iter().filter(|(_, at)| at.is_some()).map(|(offset, _)| *offset).max();
        if let Some(least) = acknowledged {
            let most = self.offsets.last().expect("there is one").0;
            let found = wire.offset(&self.group(), &self.topic()).unwrap_or(0);
            if !(least..=most).contains(&found) {
                broken.push(format!("offset {least} of {} was acknowledged, and it is {found}", self.group()));
            }
        }
        for (topic, _) in &self.topics {
            if !exists(wire, topic) {
                broken.push(format!("topic {topic} was created and is lost"));
            }
        }
        broken
    }

    /// Sends every decision again, and commits what nobody decided: each transaction has to be known still, and to have
    /// the decision that was answered. Returns what is not so.
    pub fn settle(&mut self, wire: &mut Wire) -> Vec<String> {
        let mut broken = Vec::new();
        for fate in self.fates.iter_mut().filter(|fate| fate.stored != Stamp::MAX) {
            let key = &fate.half.key;
            if fate.decision == UNKNOWN {
                fate.decision = COMMIT;
            }
            let answer = wire.end(&fate.half, fate.decision);
            if !answer.is_success() {
                broken.push(format!("the decision of {key} is answered {} {:?}", answer.code, answer.remark));
                continue;
            }
            fate.decided = fate.decided.or(Some(fate.stored));
            let opposite = if fate.decision == COMMIT { ROLLBACK } else { COMMIT };
            let code = wire.end(&fate.half, opposite).code;
            if code != 604 {
                broken.push(format!("the opposite decision of {key} is answered {code} instead of 604"));
            }
        }
        broken
    }
}

/// Whether a pull is not answered TOPIC_NOT_EXIST.
fn exists(wire: &mut Wire, topic: &str) -> bool {
    wire.call(11, &crate::wire::pull_fields("readers", topic, "0", "4", "0"), b"").code != 17
}

fn refused(remark: &Option<String>) -> Asked {
    Asked::Refused(remark.clone().unwrap_or_default())
}
