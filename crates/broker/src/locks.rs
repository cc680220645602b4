use std::collections::HashMap;

use message::Timestamp;

/// Queues that one member of a group consumes alone, for as long as it renews (remoting protocol 3.b, orderly lock).
#[derive(Debug, Default)]
pub struct Locks {
    groups: HashMap<String, HashMap<(String, u32), Lock>>,
}

#[derive(Debug)]
struct Lock {
    client: String,
    until: Timestamp,
}

impl Locks {
    /// Takes those of the queues that nobody else holds, and renews those held already. Returns what is held now.
    pub fn lock(
        &mut self,
        group: &str,
        client: &str,
        queues: &[(&str, u32)],
        now: Timestamp,
        lock_ms: i64,
    ) -> Vec<(String, u32)> {
        let held = self.groups.entry(group.to_owned()).or_default();
        let mut locked = Vec::new();
        for (topic, queue) in queues {
            let key = ((*topic).to_owned(), *queue);
            let free = held.get(&key).is_none_or(|lock| lock.client == client || lock.until <= now);
            if free {
                held.insert(key.clone(), Lock { client: client.to_owned(), until: now.plus_ms(lock_ms) });
                locked.push(key);
            }
        }
        locked
    }

    /// Gives queues back, if this client holds them.
    pub fn unlock(&mut self, group: &str, client: &str, queues: &[(&str, u32)]) {
        let Some(held) = self.groups.get_mut(group) else { return };
        for (topic, queue) in queues {
            let key = ((*topic).to_owned(), *queue);
            if held.get(&key).is_some_and(|lock| lock.client == client) {
                held.remove(&key);
            }
        }
        if held.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Whether any queue of the group is locked: its members consume in order.
    pub fn any(&self, group: &str, now: Timestamp) -> bool {
        self.groups.get(group).is_some_and(|held| held.values().any(|lock| lock.until > now))
    }

    /// Every lock holds longer by so much: time has passed that nobody could renew one in.
    pub fn prolong(&mut self, by_ms: i64) {
        for lock in self.groups.values_mut().flat_map(HashMap::values_mut) {
            lock.until = lock.until.plus_ms(by_ms);
        }
    }

    /// Forgets locks that ran out.
    pub fn expire(&mut self, now: Timestamp) {
        self.groups.retain(|_, held| {
            held.retain(|_, lock| lock.until > now);
            !held.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_held_by_one_client_until_it_stops_renewing() {
        let mut locks = Locks::default();
        let at = Timestamp::from_millis;
        let queues = [("orders", 0), ("orders", 1)];
        assert_eq!(locks.lock("cart", "a", &queues, at(0), 60_000).len(), 2);
        assert_eq!(locks.lock("cart", "b", &queues, at(1), 60_000), []);
        assert_eq!(locks.lock("cart", "a", &queues[..1], at(30_000), 60_000).len(), 1);
        assert_eq!(locks.lock("cart", "b", &queues, at(60_000), 60_000), [("orders".to_owned(), 1)]);
    }

    #[test]
    fn only_the_holder_gives_a_queue_back() {
        let mut locks = Locks::default();
        let now = Timestamp::ZERO;
        locks.lock("cart", "a", &[("orders", 0)], now, 60_000);
        locks.unlock("cart", "b", &[("orders", 0)]);
        assert!(locks.any("cart", now));
        locks.unlock("cart", "a", &[("orders", 0)]);
        assert!(!locks.any("cart", now));
    }
}
