//! The hash of a topic and of a key in it. It stands in files, so it never changes within a version of the format.

const MULTIPLIER: u64 = 0x9FB2_1C65_1E98_DF25;

/// 64 bits of these bytes, begun with `seed`: 8 bytes at a step, each step folded by a multiplication.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        state = fold(state, u64::from_le_bytes(chunk.try_into().expect("chunks of 8 bytes")));
    }
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    state = fold(state, u64::from_le_bytes(last));
    state ^ (state >> 29)
}

fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64 ^ state.rotate_left(23)
}

/// The hash of a topic's name.
pub(super) fn topic_hash(topic: &str) -> u64 {
    hash(0, topic.as_bytes())
}

/// The hash of a key of messages of a topic.
pub(super) fn key_hash(topic_hash: u64, key: &str) -> u64 {
    hash(topic_hash, key.as_bytes())
}

/// The hash of a queue: what its blocks are marked with.
pub(super) fn queue_hash(topic_hash: u64, queue_id: u32) -> u64 {
    hash(topic_hash, &queue_id.to_le_bytes())
}

/// The hash of a queue, by the name of its topic.
pub(crate) fn hash_of_queue(topic: &str, queue_id: u32) -> u64 {
    queue_hash(topic_hash(topic), queue_id)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Another number means another version of the format.
    const GOLDEN: u64 = 4_553_173_953_331_682_961;

    #[test]
    fn the_hash_of_a_key_stays_what_it_is() {
        assert_eq!(key_hash(topic_hash("orders"), "7F0000010A2B18B4AAC200000000"), GOLDEN);
    }

    #[test]
    fn keys_that_count_up_spread_over_high_and_low_bits() {
        let hashes: Vec<u64> = (0..20_000).map(|i| key_hash(1, &format!("7F0000010A2B18B4AAC2{i:08X}"))).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        for shift in [0, 24, 56] {
            let mut buckets = [0; 256];
            hashes.iter().for_each(|hash| buckets[(hash >> shift) as usize & 255] += 1);
            assert!(buckets.iter().all(|count| (30..150).contains(count)), "bits from {shift}: {buckets:?}");
        }
    }
}
