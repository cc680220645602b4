//! Queue items as bytes: each is written as its difference from the one before, 4 to 14 bytes in practice.
//!
//! An item is a byte of flags and then, in this order, what the flags say is there:
//!
//! ```text
//! always   visible_at            number, added to the item before's
//! LINK     record_at             way from visible_at            (else the same place)
//! HALF     half                  way from record_at             (else no transaction)
//! TIME     visible_time          way from the item before's     (else the same)
//! LENGTH   record_len            number                         (else the same)
//! TAGS     tags_code             4 bytes, little-endian         (else the same)
//! ```
//!
//! Numbers and ways as in [`varint`](super::varint). Before the first item of a run of bytes stands an imagined one of
//! zeros. Queue offsets are not written: they count up.

use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp};

use super::varint;

const LINK: u8 = 1;
const HALF: u8 = 2;
const TIME: u8 = 4;
const LENGTH: u8 = 8;
const TAGS: u8 = 16;

/// What of an item the next one is written against.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Last {
    visible_at: u64,
    time: i64,
    len: u32,
    tags: i32,
}

impl Last {
    /// Appends the item.
    pub fn put(&mut self, item: &QueueItem, out: &mut Vec<u8>) {
        let visible_at = item.visible_at.get();
        let record_at = item.record_at.get();
        let time = item.visible_time.millis();
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.push(
            flag(item.is_link(), LINK)
                | flag(item.half.is_some(), HALF)
                | flag(time != self.time, TIME)
                | flag(item.record_len != self.len, LENGTH)
                | flag(item.tags_code != self.tags, TAGS),
        );
        varint::put(out, visible_at.wrapping_sub(self.visible_at));
        if item.is_link() {
            varint::put_step(out, visible_at, record_at);
        }
        if let Some(half) = item.half {
            varint::put_step(out, record_at, half.get());
        }
        if time != self.time {
            varint::put_step(out, self.time as u64, time as u64);
        }
        if item.record_len != self.len {
            varint::put(out, u64::from(item.record_len));
        }
        if item.tags_code != self.tags {
            out.extend_from_slice(&item.tags_code.to_le_bytes());
        }
        *self = Last { visible_at, time, len: item.record_len, tags: item.tags_code };
    }

    fn take(&mut self, queue_offset: QueueOffset, bytes: &mut &[u8]) -> Option<QueueItem> {
        let (&flags, rest) = bytes.split_first()?;
        *bytes = rest;
        if flags >= TAGS << 1 {
            return None;
        }
        self.visible_at = self.visible_at.wrapping_add(varint::take(bytes)?);
        let mut record_at = self.visible_at;
        if flags & LINK != 0 {
            record_at = varint::take_step(bytes, self.visible_at)?;
        }
        let mut half = None;
        if flags & HALF != 0 {
            half = Some(CommitLogOffset::new(varint::take_step(bytes, record_at)?));
        }
        if flags & TIME != 0 {
            self.time = varint::take_step(bytes, self.time as u64)? as i64;
        }
        if flags & LENGTH != 0 {
            self.len = u32::try_from(varint::take(bytes)?).ok()?;
        }
        if flags & TAGS != 0 {
            let (tags, rest) = bytes.split_first_chunk()?;
            *bytes = rest;
            self.tags = i32::from_le_bytes(*tags);
        }
        Some(QueueItem {
            queue_offset,
            record_at: CommitLogOffset::new(record_at),
            record_len: self.len,
            visible_at: CommitLogOffset::new(self.visible_at),
            visible_time: Timestamp::from_millis(self.time),
            tags_code: self.tags,
            half,
        })
    }
}

/// Reads items; ends with the bytes, or where they are no items.
pub(super) struct Items<'a> {
    bytes: &'a [u8],
    next: u64,
    last: Last,
}

impl<'a> Items<'a> {
    /// The items in these bytes, of which the first has this queue offset.
    pub fn new(first: u64, bytes: &'a [u8]) -> Self {
        Items { bytes, next: first, last: Last::default() }
    }
}

impl Iterator for Items<'_> {
    type Item = QueueItem;

    fn next(&mut self) -> Option<QueueItem> {
        let mut bytes = self.bytes;
        let item = self.last.take(QueueOffset::new(self.next), &mut bytes)?;
        self.bytes = bytes;
        self.next += 1;
        Some(item)
    }
}

/// The lowest place in the log an item needs: it is gone as soon as the log begins behind it.
pub(super) fn lowest_place(item: &QueueItem) -> u64 {
    item.record_at.get().min(item.visible_at.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(queue_offset: u64, record_at: u64, visible_at: u64, half: Option<u64>) -> QueueItem {
        QueueItem {
            queue_offset: QueueOffset::new(queue_offset),
            record_at: CommitLogOffset::new(record_at),
            record_len: 1200 + queue_offset as u32 % 2,
            visible_at: CommitLogOffset::new(visible_at),
            visible_time: Timestamp::from_millis(1_700_000_000_000 + queue_offset as i64 / 3),
            tags_code: if queue_offset < 4 { 7 } else { -1_000_000 },
            half: half.map(CommitLogOffset::new),
        }
    }

    fn samples() -> Vec<QueueItem> {
        vec![
            item(10, 1 << 40, 1 << 40, None),
            item(11, (1 << 40) + 1300, (1 << 40) + 1300, None),
            item(12, 5000, (1 << 40) + 4000, Some(4950)),
            item(13, (1 << 40) + 5040, (1 << 40) + 5000, Some(3)),
            item(14, 0, u64::MAX, None),
        ]
    }

    #[test]
    fn items_are_read_back_whatever_they_link_to() {
        let mut bytes = Vec::new();
        let mut last = Last::default();
        samples().iter().for_each(|item| last.put(item, &mut bytes));
        let mut items = Items::new(10, &bytes);
        assert_eq!(items.by_ref().collect::<Vec<_>>(), samples());
        assert!(items.bytes.is_empty());
    }

    #[test]
    fn plain_messages_of_one_kind_take_five_bytes_each() {
        let mut bytes = Vec::new();
        let mut last = Last::default();
        for i in 0..100 {
            last.put(&QueueItem { record_len: 1200, tags_code: 7, ..item(0, i * 9000, i * 9000, None) }, &mut bytes);
        }
        assert!(bytes.len() <= 500, "{} bytes for 100 items", bytes.len());
    }

    #[test]
    fn cut_or_flipped_bytes_end_the_items_without_a_panic() {
        let mut good = Vec::new();
        let mut last = Last::default();
        samples().iter().for_each(|item| last.put(item, &mut good));
        for end in 0..good.len() {
            assert!(Items::new(0, &good[..end]).count() < 5);
        }
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = Items::new(0, &bytes).count();
            }
        }
    }
}
