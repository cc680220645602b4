use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use foldhash::quality::RandomState;
use message::CommitLogOffset;

/// Undecided halves by their UNIQ_KEY.
///
/// Nearly every key has one half: that one is in a hash table. A second one with the same key, of another group or with
/// another body, goes to a sorted set, so that a program that gives one key to everything costs nobody else anything.
/// Keys are hashed with a secret of this process, since clients choose them; nothing durable depends on it.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    secret: RandomState,
    first: HashMap<u64, Item, BuildHasherDefault<Hashed>>,
    more: BTreeSet<(u64, Item)>,
}

/// What a half is the same by, together with its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Item {
    pub group: u32,
    pub body_crc: u32,
    pub at: CommitLogOffset,
}

impl KeyIndex {
    pub fn hash(&self, key: &str) -> u64 {
        self.secret.hash_one(key)
    }

    pub fn insert(&mut self, hash: u64, item: Item) {
        match self.first.entry(hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(item);
            }
            Entry::Occupied(_) => {
                self.more.insert((hash, item));
            }
        }
    }

    pub fn remove(&mut self, hash: u64, item: Item) {
        match self.first.entry(hash) {
            Entry::Occupied(mut first) if *first.get() == item => {
                match self.more.range((hash, LOWEST)..).next().copied().filter(|(other, _)| *other == hash) {
                    Some(next) => {
                        self.more.remove(&next);
                        first.insert(next.1);
                    }
                    None => {
                        first.remove();
                    }
                }
            }
            _ => {
                self.more.remove(&(hash, item));
            }
        }
        if self.first.is_empty() {
            self.first.shrink_to(1024);
        }
    }

    /// Halves of this group with this body; their keys have this hash, and must still be compared.
    pub fn same(&self, hash: u64, group: u32, body_crc: u32) -> impl Iterator<Item = CommitLogOffset> + '_ {
        let first = self.first.get(&hash).filter(|item| item.group == group && item.body_crc == body_crc);
        let from = Item { group, body_crc, at: CommitLogOffset::ZERO };
        let to = Item { at: CommitLogOffset::new(u64::MAX), ..from };
        let more = self.more.range((hash, from)..=(hash, to)).map(|(_, item)| item.at);
        first.map(|item| item.at).into_iter().chain(more)
    }

    /// All halves whose keys have this hash.
    pub fn all(&self, hash: u64) -> impl Iterator<Item = CommitLogOffset> + '_ {
        let more = self.more.range((hash, LOWEST)..).take_while(move |(other, _)| *other == hash);
        self.first.get(&hash).into_iter().chain(more.map(|(_, item)| item)).map(|item| item.at)
    }
}

const LOWEST: Item = Item { group: 0, body_crc: 0, at: CommitLogOffset::ZERO };

/// Keys of the table are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        unreachable!("only hashes are hashed, not {} bytes", bytes.len());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(group: u32, body_crc: u32, at: u64) -> Item {
        Item { group, body_crc, at: CommitLogOffset::new(at) }
    }

    fn offsets(found: impl Iterator<Item = CommitLogOffset>) -> Vec<u64> {
        let mut offsets: Vec<u64> = found.map(CommitLogOffset::get).collect();
        offsets.sort_unstable();
        offsets
    }

    #[test]
    fn halves_with_one_key_are_told_apart_by_group_and_body() {
        let mut index = KeyIndex::default();
        for (hash, item) in [(7, item(1, 1, 10)), (7, item(2, 1, 20)), (7, item(1, 2, 30)), (8, item(1, 1, 40))] {
            index.insert(hash, item);
        }
        assert_eq!(offsets(index.same(7, 1, 1)), [10]);
        assert_eq!(offsets(index.same(7, 2, 1)), [20]);
        assert_eq!(offsets(index.same(7, 1, 2)), [30]);
        assert_eq!(offsets(index.same(7, 2, 2)), []);
        assert_eq!(offsets(index.all(7)), [10, 20, 30]);
    }

    #[test]
    fn the_first_half_with_a_key_can_go_before_the_others() {
        let mut index = KeyIndex::default();
        let items = [item(1, 1, 10), item(2, 1, 20), item(1, 2, 30)];
        items.iter().for_each(|item| index.insert(7, *item));
        index.remove(7, items[0]);
        assert_eq!(offsets(index.all(7)), [20, 30]);
        index.remove(7, items[1]);
        index.remove(7, items[2]);
        assert_eq!(offsets(index.all(7)), []);
        assert!(index.first.is_empty() && index.more.is_empty());
    }
}
