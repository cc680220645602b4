use message::codec::{CodecError, Put, Reader};
use message::entry::{CheckOutcome, Delay, TopicConfig};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use crate::half::{State, Stored};
use crate::names::Names;
use crate::unique_key::UniqueKey;

use super::Ledger;

/// Version of the bytes below.
const VERSION: u8 = 1;

impl Ledger {
    /// Appends the ledger as a snapshot holds it.
    ///
    /// Equal folds give equal bytes: names are written in alphabetical order, halves in that of the log.
    ///
    /// ```text
    /// u8 version (1), u64 next sequence
    /// three lists of names (groups, topics, clients): u32 count, then each name
    /// u64 number of halves, then each half:
    ///   u64 offset of its entry, u64 sequence, i64 stored at
    ///   u64 record at, u64 last entry about it, u32 record length, u8 bits (1 set aside, 2 record carried)
    ///   u32 queue, i32 tags code, u32 body crc, u32 immunity (ms, 2^32-1: not said)
    ///   u8 delay kind (0 none, 1 after ms, 2 at time), i64 delay
    ///   u32 group, u32 topic, u32 client (positions in the lists), string unique key
    ///   u32 attempts, u32 silent
    ///   u8 outcome of the last check (0 none, 1 unknown, 2 silent), and unless 0: i64 when, u32 client asked
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(VERSION);
        out.put_u64(self.next_sequence.get());
        let groups = encode_names(&self.names.groups, out);
        let topics = encode_names(&self.names.topics, out);
        let clients = encode_names(&self.names.clients, out);
        out.put_u64(self.len() as u64);
        for (_, index) in self.order.iter_from(CommitLogOffset::ZERO) {
            let half = self.halves.get(index);
            out.put_u64(half.at.get());
            out.put_u64(half.sequence.get());
            out.put_i64(half.stored_at.millis());
            out.put_u64(half.record_at.get());
            out.put_u64(half.last_entry.get());
            out.put_u32(half.record_len);
            out.put_u8(u8::from(half.state == State::SetAside) | u8::from(half.carried) << 1);
            out.put_u32(half.queue_id);
            out.put_i32(half.tags_code);
            out.put_u32(half.body_crc);
            out.put_u32(half.immunity_ms);
            let (kind, delay) = match half.delay {
                Delay::None => (0, 0),
                Delay::AfterMs(ms) => (1, i64::try_from(ms).unwrap_or(i64::MAX)),
                Delay::At(time) => (2, time.millis()),
            };
            out.put_u8(kind);
            out.put_i64(delay);
            out.put_u32(groups[half.group as usize]);
            out.put_u32(topics[half.topic as usize]);
            out.put_u32(clients[half.client as usize]);
            out.put_str(half.unique_key.as_str());
            out.put_u32(half.attempts);
            out.put_u32(half.silent);
            match half.last_check {
                None => out.put_u8(0),
                Some(outcome) => {
                    out.put_u8(if outcome == CheckOutcome::Unknown { 1 } else { 2 });
                    out.put_i64(half.last_check_at.millis());
                    out.put_u32(clients[half.last_check_client as usize]);
                }
            }
        }
    }

    /// Reads a ledger as [`Ledger::encode`] wrote it; what follows is left to the caller.
    ///
    /// # Errors
    /// When the bytes are cut, damaged or of a newer version.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = reader.u8("ledger version")?;
        if version != VERSION {
            return Err(CodecError::Unknown { field: "ledger version", value: u64::from(version) });
        }
        let mut ledger = Ledger { next_sequence: QueueOffset::new(reader.u64("next sequence")?), ..Ledger::default() };
        let groups = decode_names(reader)?;
        let topics = decode_names(reader)?;
        let clients = decode_names(reader)?;
        // Counts are not trusted with memory: the ledger grows as halves are really read.
        for _ in 0..reader.u64("number of halves")? {
            let half = ledger.decode_half(reader, &groups, &topics, &clients)?;
            if ledger.order.last().is_some_and(|last| last >= half.at) {
                return Err(CodecError::Unknown { field: "offset of a half", value: half.at.get() });
            }
            let key_hash = ledger.keys.hash(half.unique_key.as_str());
            ledger.insert(half, key_hash);
        }
        Ok(ledger)
    }

    /// Reads one half and counts its references to names. After an error the ledger is thrown away.
    fn decode_half(
        &mut self,
        reader: &mut Reader<'_>,
        groups: &[&str],
        topics: &[&str],
        clients: &[&str],
    ) -> Result<Stored, CodecError> {
        let at = CommitLogOffset::new(reader.u64("offset of a half")?);
        let sequence = QueueOffset::new(reader.u64("sequence")?);
        let stored_at = Timestamp::from_millis(reader.i64("stored at")?);
        let record_at = CommitLogOffset::new(reader.u64("record at")?);
        let last_entry = CommitLogOffset::new(reader.u64("last entry")?);
        let record_len = reader.u32("record length")?;
        let bits = reader.u8("half bits")?;
        if bits >= 1 << 2 {
            return Err(CodecError::Unknown { field: "half bits", value: u64::from(bits) });
        }
        let queue_id = reader.u32("queue id")?;
        if queue_id >= TopicConfig::QUEUES_MAX {
            return Err(CodecError::Unknown { field: "queue id", value: u64::from(queue_id) });
        }
        let tags_code = reader.i32("tags code")?;
        let body_crc = reader.u32("body crc")?;
        let immunity_ms = reader.u32("immunity")?;
        let (kind, delay) = (reader.u8("delay kind")?, reader.i64("delay")?);
        let delay = match kind {
            0 => Delay::None,
            1 => Delay::AfterMs(delay.unsigned_abs()),
            2 => Delay::At(Timestamp::from_millis(delay)),
            unknown => return Err(CodecError::Unknown { field: "delay kind", value: u64::from(unknown) }),
        };
        let group = self.names.groups.acquire(decode_name("group of a half", reader, groups)?);
        let topic = self.names.topics.acquire(decode_name("topic of a half", reader, topics)?);
        let client = self.names.clients.acquire(decode_name("client of a half", reader, clients)?);
        let unique_key = UniqueKey::new(reader.str("unique key")?);
        let (attempts, silent) = (reader.u32("attempts")?, reader.u32("silent")?);
        let last_check = match reader.u8("last check")? {
            0 => None,
            1 => Some(CheckOutcome::Unknown),
            2 => Some(CheckOutcome::Silent),
            unknown => return Err(CodecError::Unknown { field: "last check", value: u64::from(unknown) }),
        };
        let (mut last_check_at, mut last_check_client) = (Timestamp::ZERO, 0);
        if last_check.is_some() {
            last_check_at = Timestamp::from_millis(reader.i64("last check at")?);
            last_check_client = self.names.clients.acquire(decode_name("client last asked", reader, clients)?);
        }
        let state = if bits & 1 != 0 { State::SetAside } else { State::Pending };
        let carried = bits & 2 != 0;
        Ok(Stored {
            at,
            sequence,
            stored_at,
            record_at,
            last_entry,
            last_check_at,
            delay,
            unique_key,
            record_len,
            tags_code,
            queue_id,
            body_crc,
            immunity_ms,
            topic,
            group,
            client,
            last_check_client,
            attempts,
            silent,
            last_check,
            state,
            carried,
        })
    }
}

/// Appends the names in use; returns their positions by number.
fn encode_names(names: &Names, out: &mut Vec<u8>) -> Vec<u32> {
    let sorted = names.sorted();
    let len = sorted.iter().max().map_or(0, |last| *last as usize + 1);
    let mut positions = vec![0; len];
    out.put_u32(sorted.len() as u32);
    for (position, id) in sorted.into_iter().enumerate() {
        positions[id as usize] = position as u32;
        out.put_str(names.get(id));
    }
    positions
}

fn decode_names<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a str>, CodecError> {
    let mut names = Vec::new();
    for _ in 0..reader.u32("number of names")? {
        names.push(reader.str("name")?);
    }
    Ok(names)
}

fn decode_name<'a>(field: &'static str, reader: &mut Reader<'_>, names: &[&'a str]) -> Result<&'a str, CodecError> {
    let position = reader.u32(field)?;
    let name = names.get(position as usize).copied();
    name.ok_or(CodecError::Unknown { field, value: u64::from(position) })
}
