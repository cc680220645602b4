use std::collections::BTreeMap;
use std::sync::Arc;

use message::QueueOffset;

/// Next offset to consume, by queue.
type Queues = BTreeMap<u32, QueueOffset>;

/// How far each group has consumed: group, topic, queue, next offset to consume.
///
/// Kept in order of names, so that snapshots of equal states are equal bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Offsets {
    by_group: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Queues>>,
}

impl Offsets {
    /// The offset a group stored for a queue.
    pub fn get(&self, group: &str, topic: &str, queue: u32) -> Option<QueueOffset> {
        self.by_group.get(group)?.get(topic)?.get(&queue).copied()
    }

    /// Stores offsets; they may go back, as a reset does.
    pub fn store(&mut self, group: &str, topic: &str, queues: &[(u32, QueueOffset)]) {
        if queues.is_empty() {
            return;
        }
        if !self.by_group.contains_key(group) {
            self.by_group.insert(Arc::from(group), BTreeMap::new());
        }
        let topics = self.by_group.get_mut(group).expect("inserted above");
        if !topics.contains_key(topic) {
            topics.insert(Arc::from(topic), BTreeMap::new());
        }
        topics.get_mut(topic).expect("inserted above").extend(queues.iter().copied());
    }

    /// Topics a group has offsets for.
    pub fn topics(&self, group: &str) -> impl Iterator<Item = &Arc<str>> {
        self.by_group.get(group).into_iter().flat_map(BTreeMap::keys)
    }

    /// Groups that have offsets for a topic.
    pub fn groups<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        self.by_group.iter().filter(move |(_, topics)| topics.contains_key(topic)).map(|(group, _)| group)
    }

    /// Everything: group, topic, and the queues with their offsets.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Queues)> {
        self.by_group
            .iter()
            .flat_map(|(group, topics)| topics.iter().map(move |(topic, queues)| (group, topic, queues)))
    }

    pub(crate) fn forget_topic(&mut self, topic: &str) {
        self.by_group.retain(|_, topics| {
            topics.remove(topic);
            !topics.is_empty()
        });
    }

    pub(crate) fn forget_group(&mut self, group: &str) {
        self.by_group.remove(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(value: u64) -> QueueOffset {
        QueueOffset::new(value)
    }

    #[test]
    fn the_last_offset_stored_for_a_queue_is_the_one_there_is() {
        let mut offsets = Offsets::default();
        offsets.store("cart", "orders", &[(0, offset(5)), (1, offset(7))]);
        offsets.store("cart", "orders", &[(0, offset(3))]);
        assert_eq!(offsets.get("cart", "orders", 0), Some(offset(3)));
        assert_eq!(offsets.get("cart", "orders", 1), Some(offset(7)));
        assert_eq!(offsets.get("cart", "orders", 2), None);
        assert_eq!(offsets.get("cart", "payments", 0), None);
    }

    #[test]
    fn a_deleted_topic_takes_the_offsets_of_all_groups_with_it() {
        let mut offsets = Offsets::default();
        offsets.store("cart", "orders", &[(0, offset(5))]);
        offsets.store("cart", "payments", &[(0, offset(5))]);
        offsets.store("mail", "orders", &[(0, offset(5))]);
        offsets.forget_topic("orders");
        assert_eq!(offsets.iter().count(), 1);
        assert_eq!(offsets.topics("cart").map(AsRef::as_ref).collect::<Vec<&str>>(), ["payments"]);
    }
}
