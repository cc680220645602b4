use std::collections::VecDeque;

use message::batch::{Batch, FRAME_LEN, HEADER_LEN, payload_len};

/// The entries of a batch in several batches of at most `len_max` bytes each, in order. An entry that is longer by
/// itself makes a batch of its own, which is too long.
pub(crate) fn of(batch: &Batch, len_max: u64) -> VecDeque<Batch> {
    let mut parts = VecDeque::new();
    let mut part = Batch::new();
    let mut rest = &batch.bytes()[HEADER_LEN..];
    while !rest.is_empty() {
        let len = payload_len(rest).expect("a batch is made of whole frames");
        let (frame, behind) = rest.split_at(FRAME_LEN + len);
        if !part.is_empty() && (part.framed_len() + frame.len()) as u64 > len_max {
            parts.push_back(std::mem::take(&mut part));
        }
        part.set_time(batch.time());
        part.push(|payload| payload.extend_from_slice(&frame[FRAME_LEN..]));
        rest = behind;
    }
    parts.extend((!part.is_empty()).then_some(part));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{CommitLogOffset, Timestamp};

    #[test]
    fn the_parts_hold_all_entries_in_order_and_none_is_too_long() {
        let mut batch = Batch::new();
        batch.set_time(Timestamp::from_millis(7));
        let lens = [10, 500, 90, 2_000, 1, 300];
        for (number, len) in lens.into_iter().enumerate() {
            batch.push(|payload| payload.extend(std::iter::repeat_n(number as u8 + 1, len)));
        }
        let mut parts = of(&batch, 700);
        let mut found = Vec::new();
        for part in &mut parts {
            part.seal(CommitLogOffset::ZERO, CommitLogOffset::ZERO, 0);
            let sealed = message::batch::Sealed::of(part, CommitLogOffset::ZERO);
            assert_eq!(sealed.header().time, Timestamp::from_millis(7));
            let entries: Vec<(u8, usize)> = sealed.entries().map(|(_, payload)| (payload[0], payload.len())).collect();
            assert!(part.framed_len() <= 700 || entries == [(4, 2_000)], "{entries:?}");
            found.extend(entries);
        }
        assert_eq!(found, [(1, 10), (2, 500), (3, 90), (4, 2_000), (5, 1), (6, 300)]);
    }
}
