//! The record: one stored message, byte for byte as clients decode it (remoting protocol 2.1, format V1).
//!
//! All numbers are big-endian. The record on disk is the record on the wire, except for what is known only when it
//! becomes visible: [`Delivery`] patches those fields into the copy on its way out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

use crate::{CommitLogOffset, QueueItem, QueueOffset, Timestamp, names, properties, sys_flag};

/// Magic number of format V1, the only one every client decodes.
pub const MAGIC_V1: u32 = 0xDAA3_20A7;

const TOTAL_SIZE: usize = 0;
const MAGIC: usize = 4;
const BODY_CRC: usize = 8;
const QUEUE_ID: usize = 12;
const FLAG: usize = 16;
const QUEUE_OFFSET: usize = 20;
const PHYSICAL_OFFSET: usize = 28;
const SYS_FLAG: usize = 36;
const BORN_TIMESTAMP: usize = 40;
const BORN_HOST: usize = 48;

/// Bytes of a record with IPv4 hosts without body, topic and properties.
pub const FIXED_LEN: usize = 91;

/// The checksum field over a body: CRC-32 (IEEE) with the sign bit cleared, as Java computes it.
pub fn body_crc(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}

/// Everything that makes up a record when it is first stored.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// Topic it is for. At most [`names::TOPIC_LEN_MAX`] bytes: checked before.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: u32,
    /// Position in that queue; 0 as long as it is not known.
    pub queue_offset: QueueOffset,
    /// The application's flag.
    pub flag: i32,
    /// See [`sys_flag`]; the two host bits are set here.
    pub sys_flag: i32,
    /// The producer's clock when the message was made.
    pub born_timestamp: Timestamp,
    /// The producer's address as the broker sees it.
    pub born_host: SocketAddr,
    /// The broker's clock.
    pub store_timestamp: Timestamp,
    /// The address under which clients reach the broker: they dial it to look a message up.
    pub store_host: SocketAddr,
    /// How often the message was consumed without success.
    pub reconsume_times: i32,
    /// The body, perhaps compressed.
    pub body: &'a [u8],
    /// Property string. At most [`properties::PROPERTIES_LEN_MAX`] bytes: checked before.
    pub properties: &'a str,
}

impl NewRecord<'_> {
    /// Length of the encoded record in bytes.
    pub fn encoded_len(&self) -> usize {
        let v6 = |host: &SocketAddr| if host.is_ipv6() { 12 } else { 0 };
        FIXED_LEN
            + v6(&self.born_host)
            + v6(&self.store_host)
            + self.body.len()
            + self.topic.len()
            + self.properties.len()
    }

    /// Appends the record. The physical offset stays 0: it is patched on the way out.
    ///
    /// # Panics
    /// When a length that must have been checked before does not fit its field.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert!(self.topic.len() <= names::TOPIC_LEN_MAX, "topic of {} bytes", self.topic.len());
        assert!(
            self.properties.len() <= properties::PROPERTIES_LEN_MAX,
            "{} bytes of properties",
            self.properties.len()
        );
        let total = u32::try_from(self.encoded_len()).expect("bodies are limited far below 4 GiB");
        let mut flags = self.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
        if self.born_host.is_ipv6() {
            flags |= sys_flag::BORN_HOST_V6;
        }
        if self.store_host.is_ipv6() {
            flags |= sys_flag::STORE_HOST_V6;
        }
        out.reserve(total as usize);
        let start = out.len();
        out.extend_from_slice(&total.to_be_bytes());
        out.extend_from_slice(&MAGIC_V1.to_be_bytes());
        out.extend_from_slice(&body_crc(self.body).to_be_bytes());
        out.extend_from_slice(&self.queue_id.to_be_bytes());
        out.extend_from_slice(&self.flag.to_be_bytes());
        out.extend_from_slice(&self.queue_offset.get().to_be_bytes());
        out.extend_from_slice(&0_u64.to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend_from_slice(&self.born_timestamp.millis().to_be_bytes());
        put_host(out, self.born_host);
        out.extend_from_slice(&self.store_timestamp.millis().to_be_bytes());
        put_host(out, self.store_host);
        out.extend_from_slice(&self.reconsume_times.to_be_bytes());
        out.extend_from_slice(&0_u64.to_be_bytes());
        out.extend_from_slice(&(self.body.len() as u32).to_be_bytes());
        out.extend_from_slice(self.body);
        out.push(self.topic.len() as u8);
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(&(self.properties.len() as u16).to_be_bytes());
        out.extend_from_slice(self.properties.as_bytes());
        debug_assert_eq!(out.len() - start, total as usize);
    }
}

fn put_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&u32::from(host.port()).to_be_bytes());
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Fewer bytes than the record says it has, or than any record has.
    #[error("a record of {needed} bytes was expected, there are {len}")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there are.
        len: usize,
    },
    /// Not a record, or one of format V2, which is never written here.
    #[error("{found:#010x} is not the magic number of a record")]
    Magic {
        /// What stands in its place.
        found: u32,
    },
    /// The lengths inside do not add up to the record's length.
    #[error("the {field} of a record does not fit into its {len} bytes")]
    Length {
        /// The field that does not fit.
        field: &'static str,
        /// The record's length.
        len: usize,
    },
    /// Topic or properties are not UTF-8.
    #[error("the {field} of a record is not UTF-8")]
    NotUtf8 {
        /// Which.
        field: &'static str,
    },
}

/// A stored record, its fields looked up in its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    bytes: &'a [u8],
    body: &'a [u8],
    topic: &'a str,
    properties: &'a str,
}

impl<'a> Record<'a> {
    /// The record at the beginning of these bytes; more may follow it.
    ///
    /// # Errors
    /// When there is none, or its lengths contradict each other. The body's checksum is not compared: the log has one
    /// of its own.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes.len() < FIXED_LEN {
            return Err(RecordError::Truncated { needed: FIXED_LEN, len: bytes.len() });
        }
        let found = u32_at(bytes, MAGIC);
        if found != MAGIC_V1 {
            return Err(RecordError::Magic { found });
        }
        let len = u32_at(bytes, TOTAL_SIZE) as usize;
        let fixed = FIXED_LEN + v6_bytes(i32_at(bytes, SYS_FLAG));
        if len < fixed {
            return Err(RecordError::Length { field: "fixed part", len });
        }
        let Some(bytes) = bytes.get(..len) else {
            return Err(RecordError::Truncated { needed: len, len: bytes.len() });
        };
        let error = |field| RecordError::Length { field, len };
        let body_len_at = body_len_at(bytes);
        let rest = &bytes[body_len_at + 4..];
        let (body, rest) = rest.split_at_checked(u32_at(bytes, body_len_at) as usize).ok_or(error("body"))?;
        let (&topic_len, rest) = rest.split_first().ok_or(error("topic"))?;
        let (topic, rest) = rest.split_at_checked(usize::from(topic_len)).ok_or(error("topic"))?;
        let (properties_len, rest) = rest.split_at_checked(2).ok_or(error("properties"))?;
        if rest.len() != usize::from(u16::from_be_bytes([properties_len[0], properties_len[1]])) {
            return Err(error("properties"));
        }
        let utf8 = |field, bytes| std::str::from_utf8(bytes).map_err(|_| RecordError::NotUtf8 { field });
        Ok(Record { bytes, body, topic: utf8("topic", topic)?, properties: utf8("properties", rest)? })
    }

    /// The whole record.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Topic it is for.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The body as the client sent it.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The property string.
    pub fn properties(&self) -> &'a str {
        self.properties
    }

    /// The value of one property.
    pub fn property(&self, key: &str) -> Option<&'a str> {
        properties::get(self.properties, key)
    }

    /// Queue of the topic.
    pub fn queue_id(&self) -> u32 {
        u32_at(self.bytes, QUEUE_ID)
    }

    /// Checksum of the body as it was when the record was made.
    pub fn body_crc(&self) -> u32 {
        u32_at(self.bytes, BODY_CRC)
    }

    /// The application's flag.
    pub fn flag(&self) -> i32 {
        i32_at(self.bytes, FLAG)
    }

    /// Position in its queue, if that was known when it was stored.
    pub fn queue_offset(&self) -> QueueOffset {
        QueueOffset::new(u64_at(self.bytes, QUEUE_OFFSET))
    }

    /// Position in the log: 0 on disk, patched on the way out.
    pub fn physical_offset(&self) -> CommitLogOffset {
        CommitLogOffset::new(u64_at(self.bytes, PHYSICAL_OFFSET))
    }

    /// See [`sys_flag`].
    pub fn sys_flag(&self) -> i32 {
        i32_at(self.bytes, SYS_FLAG)
    }

    /// The producer's clock when the message was made.
    pub fn born_timestamp(&self) -> Timestamp {
        Timestamp::from_millis(u64_at(self.bytes, BORN_TIMESTAMP) as i64)
    }

    /// The producer's address as the broker saw it.
    pub fn born_host(&self) -> SocketAddr {
        host_at(self.bytes, BORN_HOST, self.sys_flag() & sys_flag::BORN_HOST_V6 != 0)
    }

    /// The broker's clock when it was stored, or became visible.
    pub fn store_timestamp(&self) -> Timestamp {
        Timestamp::from_millis(u64_at(self.bytes, store_timestamp_at(self.bytes)) as i64)
    }

    /// The address under which the broker was reached.
    pub fn store_host(&self) -> SocketAddr {
        host_at(self.bytes, store_timestamp_at(self.bytes) + 8, self.sys_flag() & sys_flag::STORE_HOST_V6 != 0)
    }

    /// How often the message was consumed without success.
    pub fn reconsume_times(&self) -> i32 {
        i32_at(self.bytes, body_len_at(self.bytes) - 12)
    }

    /// Where the half of a committed transaction lies; 0 for all other messages.
    pub fn prepared_transaction_offset(&self) -> CommitLogOffset {
        CommitLogOffset::new(u64_at(self.bytes, body_len_at(self.bytes) - 8))
    }

    /// What it takes to store this message anew, as a retry or a dead letter does.
    pub fn to_new(&self) -> NewRecord<'a> {
        NewRecord {
            topic: self.topic,
            queue_id: self.queue_id(),
            queue_offset: self.queue_offset(),
            flag: self.flag(),
            sys_flag: self.sys_flag(),
            born_timestamp: self.born_timestamp(),
            born_host: self.born_host(),
            store_timestamp: self.store_timestamp(),
            store_host: self.store_host(),
            reconsume_times: self.reconsume_times(),
            body: self.body,
            properties: self.properties,
        }
    }
}

/// The fields of a record that are known only when it becomes visible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Position in its queue.
    pub queue_offset: QueueOffset,
    /// Where it became visible: clients quote it to look the message up or send it back.
    pub physical_offset: CommitLogOffset,
    /// When it became visible.
    pub store_timestamp: Timestamp,
    /// Where the half lies, for a committed transaction: its transaction type becomes COMMIT.
    pub half: Option<CommitLogOffset>,
}

impl Delivery {
    /// How the message of this queue item is delivered.
    pub fn of(item: &QueueItem) -> Self {
        Delivery {
            queue_offset: item.queue_offset,
            physical_offset: item.visible_at,
            store_timestamp: item.visible_time,
            half: item.half,
        }
    }

    /// Writes the fields into a copy of the record.
    ///
    /// # Errors
    /// When the bytes are too short to be a record.
    pub fn patch(&self, record: &mut [u8]) -> Result<(), RecordError> {
        if record.len() < FIXED_LEN {
            return Err(RecordError::Truncated { needed: FIXED_LEN, len: record.len() });
        }
        let mut flags = i32_at(record, SYS_FLAG) & !sys_flag::TRANSACTION_TYPE;
        if record.len() < FIXED_LEN + v6_bytes(flags) {
            return Err(RecordError::Truncated { needed: FIXED_LEN + v6_bytes(flags), len: record.len() });
        }
        if self.half.is_some() {
            flags |= sys_flag::TRANSACTION_COMMIT;
        }
        put_at(record, QUEUE_OFFSET, &self.queue_offset.get().to_be_bytes());
        put_at(record, PHYSICAL_OFFSET, &self.physical_offset.get().to_be_bytes());
        put_at(record, SYS_FLAG, &flags.to_be_bytes());
        let at = store_timestamp_at(record);
        put_at(record, at, &self.store_timestamp.millis().to_be_bytes());
        let at = body_len_at(record) - 8;
        put_at(record, at, &self.half.unwrap_or_default().get().to_be_bytes());
        Ok(())
    }
}

fn put_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range is N bytes long")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, at))
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array_at(bytes, at))
}

/// Bytes by which the hosts are longer than two IPv4 ones.
fn v6_bytes(flags: i32) -> usize {
    let v6 = |bit| if flags & bit != 0 { 12 } else { 0 };
    v6(sys_flag::BORN_HOST_V6) + v6(sys_flag::STORE_HOST_V6)
}

fn store_timestamp_at(bytes: &[u8]) -> usize {
    BORN_HOST + if i32_at(bytes, SYS_FLAG) & sys_flag::BORN_HOST_V6 != 0 { 20 } else { 8 }
}

fn body_len_at(bytes: &[u8]) -> usize {
    // Everything fixed but body length, topic length and properties length.
    FIXED_LEN - 7 + v6_bytes(i32_at(bytes, SYS_FLAG))
}

fn host_at(bytes: &[u8], at: usize, v6: bool) -> SocketAddr {
    let (ip, port_at) = if v6 {
        (IpAddr::V6(Ipv6Addr::from(array_at::<16>(bytes, at))), at + 16)
    } else {
        (IpAddr::V4(Ipv4Addr::from(array_at::<4>(bytes, at))), at + 4)
    };
    // Java keeps ports in 4 bytes; a larger number than a port can only come from damage, which the log's CRC finds.
    SocketAddr::new(ip, u32_at(bytes, port_at) as u16)
}

#[cfg(test)]
mod tests;
