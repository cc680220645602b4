use std::collections::BTreeMap;
use std::sync::Arc;

use message::Timestamp;

use crate::io::{ConsumerData, MessageModel, SessionId, Subscription};

/// Consumer groups as their members make them: who is there, and what they subscribe to.
#[derive(Debug, Default)]
pub struct Consumers {
    /// In order of their names: members that fall silent together leave in the same order every time.
    groups: BTreeMap<Arc<str>, ConsumerGroup>,
}

/// One group with at least one member.
#[derive(Debug)]
pub struct ConsumerGroup {
    /// Members by client id: their connection and last heartbeat.
    pub members: BTreeMap<Arc<str>, Member>,
    /// Topic, and what is subscribed to of it.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// How the group consumes: the wire name.
    pub consume_type: &'static str,
    /// Clustering or broadcasting.
    pub model: MessageModel,
    /// Where a new group begins: the wire name.
    pub from: &'static str,
}

/// One member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its connection.
    pub session: SessionId,
    /// Its last heartbeat.
    pub last_seen: Timestamp,
}

impl Consumers {
    /// A group, if it has a member.
    pub fn get(&self, group: &str) -> Option<&ConsumerGroup> {
        self.groups.get(group)
    }

    /// All groups that have a member.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &ConsumerGroup)> {
        self.groups.iter()
    }

    /// Whether a group has so many members that this one cannot join them.
    pub fn is_full(&self, group: &str, client: &str, limit: usize) -> bool {
        self.groups.get(group).is_some_and(|found| found.members.len() >= limit && !found.members.contains_key(client))
    }

    /// A member says what it consumes. True when members or subscriptions changed: the others are then told.
    pub fn heartbeat(&mut self, client: &Arc<str>, session: SessionId, data: &ConsumerData, now: Timestamp) -> bool {
        if !self.groups.contains_key(data.group.as_str()) {
            let group = ConsumerGroup {
                members: BTreeMap::new(),
                subscriptions: BTreeMap::new(),
                consume_type: data.consume_type,
                model: data.model,
                from: data.from.0,
            };
            self.groups.insert(Arc::from(data.group.as_str()), group);
        }
        let group = self.groups.get_mut(data.group.as_str()).expect("inserted above");
        (group.consume_type, group.model, group.from) = (data.consume_type, data.model, data.from.0);
        let member = Member { session, last_seen: now };
        let old = group.members.insert(client.clone(), member);
        let joined = old.is_none_or(|old| old.session != session);
        let changed = group.subscribe(&data.subscriptions);
        joined || changed
    }

    /// A member leaves. True when it was there: the others are then told.
    pub fn leave(&mut self, group: &str, client: &str, session: SessionId) -> bool {
        let Some(entry) = self.groups.get_mut(group) else { return false };
        // A client that has connected again under the same id is not thrown out by its old connection's end.
        if entry.members.get(client).is_none_or(|member| member.session != session) {
            return false;
        }
        entry.members.remove(client);
        if entry.members.is_empty() {
            self.groups.remove(group);
        }
        true
    }

    /// Every member was seen later by so much: time has passed that no heartbeat could be heard in.
    pub fn prolong(&mut self, by_ms: i64) {
        for member in self.groups.values_mut().flat_map(|group| group.members.values_mut()) {
            member.last_seen = member.last_seen.plus_ms(by_ms);
        }
    }

    /// Members whose last heartbeat is older than `limit_ms`: group, client id, connection.
    pub fn silent(&self, now: Timestamp, limit_ms: i64) -> Vec<(Arc<str>, Arc<str>, SessionId)> {
        let mut silent = Vec::new();
        for (name, group) in &self.groups {
            for (client, member) in &group.members {
                if now.since_ms(member.last_seen) > limit_ms {
                    silent.push((name.clone(), client.clone(), member.session));
                }
            }
        }
        silent
    }
}

impl ConsumerGroup {
    /// Takes over what a member subscribes to: newer versions replace older ones, topics it does not name go.
    fn subscribe(&mut self, subscriptions: &[Subscription]) -> bool {
        let mut changed = false;
        for new in subscriptions {
            match self.subscriptions.get_mut(&new.topic) {
                Some(old) if new.version > old.version => {
                    changed |= old.expression != new.expression || old.expression_type != new.expression_type;
                    *old = new.clone();
                }
                Some(_) => {}
                None => {
                    self.subscriptions.insert(new.topic.clone(), new.clone());
                    changed = true;
                }
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions.retain(|topic, _| subscriptions.iter().any(|new| new.topic == *topic));
        changed || self.subscriptions.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::ConsumeFrom;

    fn data(topics: &[(&str, &str, i64)]) -> ConsumerData {
        ConsumerData {
            group: "cart".into(),
            consume_type: "CONSUME_PASSIVELY",
            model: MessageModel::Clustering,
            from: ConsumeFrom("CONSUME_FROM_LAST_OFFSET"),
            subscriptions: topics
                .iter()
                .map(|(topic, expression, version)| Subscription {
                    topic: (*topic).into(),
                    expression: (*expression).into(),
                    expression_type: "TAG".into(),
                    version: *version,
                })
                .collect(),
        }
    }

    fn client(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn the_group_changes_when_a_member_joins_and_not_when_it_repeats_itself() {
        let mut consumers = Consumers::default();
        let (a, b) = (client("a"), client("b"));
        assert!(consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "*", 1)]), Timestamp::ZERO));
        assert!(!consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "*", 1)]), Timestamp::ZERO));
        assert!(!consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "*", 2)]), Timestamp::ZERO));
        assert!(consumers.heartbeat(&b, SessionId(2), &data(&[("orders", "*", 1)]), Timestamp::ZERO));
        assert_eq!(consumers.get("cart").map(|group| group.members.len()), Some(2));
    }

    #[test]
    fn members_that_fall_silent_together_are_found_in_the_same_order_every_time() {
        let mut consumers = Consumers::default();
        let group = |number: u64| ConsumerData { group: format!("cart-{number:02}"), ..data(&[]) };
        (0..20).rev().for_each(|number| {
            consumers.heartbeat(&client("a"), SessionId(number), &group(number), Timestamp::ZERO);
        });
        let silent = consumers.silent(Timestamp::from_millis(120_001), 120_000);
        let sessions: Vec<u64> = silent.iter().map(|(_, _, session)| session.0).collect();
        assert_eq!(sessions, (0..20).collect::<Vec<u64>>());
    }

    #[test]
    fn a_newer_expression_replaces_an_older_one_and_not_the_other_way_round() {
        let mut consumers = Consumers::default();
        let a = client("a");
        consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "a", 2)]), Timestamp::ZERO);
        assert!(!consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "b", 1)]), Timestamp::ZERO));
        assert!(consumers.heartbeat(&a, SessionId(1), &data(&[("orders", "b", 3)]), Timestamp::ZERO));
        assert_eq!(consumers.get("cart").expect("members").subscriptions["orders"].expression, "b");
    }

    #[test]
    fn the_end_of_an_old_connection_does_not_throw_out_a_client_that_is_back() {
        let mut consumers = Consumers::default();
        let a = client("a");
        consumers.heartbeat(&a, SessionId(1), &data(&[]), Timestamp::ZERO);
        consumers.heartbeat(&a, SessionId(2), &data(&[]), Timestamp::ZERO);
        assert!(!consumers.leave("cart", "a", SessionId(1)));
        assert!(consumers.leave("cart", "a", SessionId(2)));
        assert!(consumers.get("cart").is_none());
    }
}
