//! What a broker does, at a glance: counters of topics and groups, from which rates are made.

use message::Timestamp;
use protocol::BodyError;
use protocol::json::{Array, Object, Value, parse};

use super::read::{int, items, opt_int, signed, text, time, unsigned};

/// Most topics, and most groups, one overview lists: what a person can look through.
pub const LISTED_MAX: usize = 1000;

/// Counters and standings of a whole broker. Counters begin at 0 when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overview {
    /// The broker's time.
    pub now: Timestamp,
    /// When it started.
    pub started: Timestamp,
    /// Version of the broker.
    pub version: String,
    /// Connections.
    pub connections: u64,
    /// Messages stored, halves not counted.
    pub stored: u64,
    /// Messages delivered.
    pub delivered: u64,
    /// Halves stored.
    pub halves: u64,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions rolled back.
    pub rolled_back: u64,
    /// Checks sent.
    pub checks: u64,
    /// Transactions that producers are asked about.
    pub pending: u64,
    /// Transactions that were set aside.
    pub set_aside: u64,
    /// When the oldest of the pending ones was stored; `None` when there is none.
    pub oldest_pending: Option<Timestamp>,
    /// Topics there are, system topics and those not listed here included.
    pub topic_count: u64,
    /// Consumer groups there are, those not listed here included.
    pub group_count: u64,
    /// Topics that were used since the start or have transactions open, by name, up to [`LISTED_MAX`].
    pub topics: Vec<TopicLoad>,
    /// Consumer groups, by name, up to [`LISTED_MAX`].
    pub groups: Vec<GroupLoad>,
}

/// What went into and out of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicLoad {
    /// Name.
    pub name: String,
    /// Messages stored since the start.
    pub stored: u64,
    /// Messages delivered since the start, to all groups.
    pub delivered: u64,
    /// Transactions for it that are undecided or set aside.
    pub open: u64,
}

/// Where a consumer group stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupLoad {
    /// Name.
    pub name: String,
    /// Members online.
    pub members: u64,
    /// Messages it has not consumed, in the queues it has offsets for.
    pub lag: u64,
    /// Messages delivered to it since the start.
    pub delivered: u64,
}

impl Overview {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        for (name, value) in [
            ("checks", self.checks),
            ("committed", self.committed),
            ("connections", self.connections),
            ("delivered", self.delivered),
            ("groupCount", self.group_count),
        ] {
            object.int(name, signed(value));
        }
        let mut groups = Array::begin(object.member("groups"));
        for group in &self.groups {
            let mut one = Object::begin(groups.item());
            one.int("delivered", signed(group.delivered));
            one.int("lag", signed(group.lag));
            one.int("members", signed(group.members));
            one.string("name", &group.name);
            one.end();
        }
        groups.end();
        object.int("halves", signed(self.halves));
        object.int("now", self.now.millis());
        if let Some(oldest) = self.oldest_pending {
            object.int("oldestPendingAt", oldest.millis());
        }
        for (name, value) in [("pending", self.pending), ("rolledBack", self.rolled_back), ("setAside", self.set_aside)]
        {
            object.int(name, signed(value));
        }
        object.int("startedAt", self.started.millis());
        object.int("stored", signed(self.stored));
        object.int("topicCount", signed(self.topic_count));
        let mut topics = Array::begin(object.member("topics"));
        for topic in &self.topics {
            let mut one = Object::begin(topics.item());
            one.int("delivered", signed(topic.delivered));
            one.string("name", &topic.name);
            one.int("open", signed(topic.open));
            one.int("stored", signed(topic.stored));
            one.end();
        }
        topics.end();
        object.string("version", &self.version);
        object.end();
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a member is missing or not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse(body)?;
        let number = |name| unsigned(&body, name);
        Ok(Self {
            now: time(&body, "now")?,
            started: Timestamp::from_millis(int(&body, "startedAt")?),
            version: text(&body, "version")?,
            connections: number("connections")?,
            stored: number("stored")?,
            delivered: number("delivered")?,
            halves: number("halves")?,
            committed: number("committed")?,
            rolled_back: number("rolledBack")?,
            checks: number("checks")?,
            pending: number("pending")?,
            set_aside: number("setAside")?,
            oldest_pending: opt_int(&body, "oldestPendingAt")?.map(Timestamp::from_millis),
            topic_count: number("topicCount")?,
            group_count: number("groupCount")?,
            topics: items(&body, "topics")?.iter().map(topic).collect::<Result<_, _>>()?,
            groups: items(&body, "groups")?.iter().map(group).collect::<Result<_, _>>()?,
        })
    }
}

fn topic(value: &Value<'_>) -> Result<TopicLoad, BodyError> {
    Ok(TopicLoad {
        name: text(value, "name")?,
        stored: unsigned(value, "stored")?,
        delivered: unsigned(value, "delivered")?,
        open: unsigned(value, "open")?,
    })
}

fn group(value: &Value<'_>) -> Result<GroupLoad, BodyError> {
    Ok(GroupLoad {
        name: text(value, "name")?,
        members: unsigned(value, "members")?,
        lag: unsigned(value, "lag")?,
        delivered: unsigned(value, "delivered")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_comes_back_as_it_was_written() {
        let overview = Overview {
            now: Timestamp::from_millis(9_000),
            started: Timestamp::from_millis(1_000),
            version: "0.1.0".into(),
            connections: 1,
            stored: 2,
            delivered: 3,
            halves: 4,
            committed: 5,
            rolled_back: 6,
            checks: 7,
            pending: 8,
            set_aside: 9,
            oldest_pending: Some(Timestamp::from_millis(2_000)),
            topic_count: 10,
            group_count: 11,
            topics: vec![TopicLoad { name: "orders".into(), stored: 1, delivered: 2, open: 3 }],
            groups: vec![GroupLoad { name: "cart".into(), members: 1, lag: 2, delivered: 3 }],
        };
        let mut body = Vec::new();
        overview.write(&mut body);
        assert_eq!(Overview::decode(&body), Ok(overview));
    }
}
