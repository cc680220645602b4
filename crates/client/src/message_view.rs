//! A message as a consumer, or a check-back, sees it.

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use message::record::{FIXED_LEN, Record, RecordError};
use message::{properties, sys_flag};
use protocol::MessageQueue;
use protocol::identifiers::OffsetMsgId;

/// Largest body a compressed one may unfold to, in bytes: some kilobytes can be made to unfold to gigabytes.
pub const INFLATED_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Why the body of a message cannot be read as its producer wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Compressed in a way that this crate does not know.
    #[error("the body is compressed with {0}, which this client cannot read; let producers compress with zlib")]
    Unsupported(&'static str),
    /// Not what zlib writes.
    #[error("the compressed body is damaged: {0}")]
    Damaged(String),
    /// More than 64 MiB.
    #[error("the compressed body unfolds to more than {INFLATED_SIZE_MAX} bytes")]
    TooLarge,
}

/// A received message. Cloning it is cheap: its bytes are shared with the others of its pull.
#[derive(Clone)]
pub struct MessageView {
    record: Bytes,
    body: Bytes,
    body_error: Option<Arc<BodyError>>,
    broker: Arc<str>,
    /// Attempts in place that the broker knows nothing of.
    attempts: u32,
}

impl MessageView {
    /// The message at the beginning of these bytes, which hold no more than it.
    pub(crate) fn decode(record: Bytes, broker: Arc<str>) -> Result<Self, RecordError> {
        let parsed = Record::parse(&record)?;
        let stored = record.slice_ref(parsed.body());
        let (body, body_error) = match inflate(&stored, parsed.sys_flag()) {
            Ok(None) => (stored, None),
            Ok(Some(inflated)) => (inflated, None),
            Err(error) => (stored, Some(Arc::new(error))),
        };
        Ok(MessageView { record, body, body_error, broker, attempts: 0 })
    }

    /// All messages of the body of a pull. A broken record ends it: where the next begins is unknown.
    pub(crate) fn decode_all(mut records: Bytes, broker: &Arc<str>) -> Result<Vec<Self>, RecordError> {
        let mut messages = Vec::with_capacity(records.len() / 256 + 1);
        while !records.is_empty() {
            let size = records.first_chunk::<4>().map_or(0, |size| u32::from_be_bytes(*size)) as usize;
            if size < FIXED_LEN || size > records.len() {
                return Err(RecordError::Truncated { needed: size.max(FIXED_LEN), len: records.len() });
            }
            messages.push(Self::decode(records.split_to(size), broker.clone())?);
        }
        Ok(messages)
    }

    fn record(&self) -> Record<'_> {
        Record::parse(&self.record).expect("it was parsed when it was received")
    }

    /// Its id: the one its producer gave it, or where it lies if it has none.
    pub fn id(&self) -> Cow<'_, str> {
        self.property(properties::UNIQ_KEY).map_or_else(|| Cow::Owned(self.offset_id()), Cow::Borrowed)
    }

    /// The id that says where it lies: the broker's address and the offset in its log.
    pub fn offset_id(&self) -> String {
        let record = self.record();
        let commit_log_offset = record.physical_offset().signed();
        OffsetMsgId { address: record.store_host(), commit_log_offset }.encode().as_str().to_owned()
    }

    /// Its topic. Of a message that is consumed again this is the topic it was sent to, not the retry topic.
    pub fn topic(&self) -> &str {
        self.property(properties::RETRY_TOPIC).unwrap_or_else(|| self.stored_topic())
    }

    /// The topic it lies in, which is a retry topic for a message that is consumed again.
    pub fn stored_topic(&self) -> &str {
        self.record().topic()
    }

    /// The queue it was read from.
    pub fn queue(&self) -> MessageQueue {
        MessageQueue {
            topic: self.stored_topic().to_owned(),
            broker_name: self.broker.to_string(),
            queue_id: self.queue_id(),
        }
    }

    /// The broker it was read from.
    pub fn broker_name(&self) -> &str {
        &self.broker
    }

    /// Number of its queue.
    pub fn queue_id(&self) -> i32 {
        self.record().queue_id() as i32
    }

    /// Its position in its queue.
    pub fn queue_offset(&self) -> i64 {
        self.record().queue_offset().signed()
    }

    /// Its position in the log of its broker.
    pub fn commit_log_offset(&self) -> i64 {
        self.record().physical_offset().signed()
    }

    /// What it says, decompressed if its producer compressed it; as it was stored if [`MessageView::body_error`] says
    /// that it cannot be. The bytes share memory with the other messages of the same pull.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Why the body could not be decompressed, if so.
    pub fn body_error(&self) -> Option<&BodyError> {
        self.body_error.as_deref()
    }

    /// Its tag.
    pub fn tag(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// What it can be looked up by.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.property(properties::KEYS).into_iter().flat_map(|keys| keys.split_ascii_whitespace())
    }

    /// A property, the application's or the protocol's.
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::get(self.record().properties(), name)
    }

    /// All properties.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        properties::iter(self.record().properties())
    }

    /// Of a transactional message, the id of its transaction: that of the message.
    pub fn transaction_id(&self) -> Option<&str> {
        self.property(properties::TRANSACTION_ID)
            .or_else(|| self.property(properties::TRAN_MSG).and(self.property(properties::UNIQ_KEY)))
    }

    /// How often it was consumed without success before.
    pub fn reconsume_times(&self) -> u32 {
        (self.record().reconsume_times().max(0) as u32).saturating_add(self.attempts)
    }

    /// One more attempt in place.
    pub(crate) fn count_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The application's flag.
    pub fn flag(&self) -> i32 {
        self.record().flag()
    }

    /// The producer's clock when it was sent, in milliseconds since 1970.
    pub fn born_at_ms(&self) -> i64 {
        self.record().born_timestamp().millis()
    }

    /// The producer's address.
    pub fn born_host(&self) -> SocketAddr {
        self.record().born_host()
    }

    /// The broker's clock when it became visible, in milliseconds since 1970.
    pub fn stored_at_ms(&self) -> i64 {
        self.record().store_timestamp().millis()
    }

    /// The broker's address.
    pub fn store_host(&self) -> SocketAddr {
        self.record().store_host()
    }

    /// What it takes in memory, in bytes: what limits of consumers count.
    pub fn size(&self) -> usize {
        let shares = self.record.as_ptr_range().contains(&self.body.as_ptr());
        self.record.len() + if shares { 0 } else { self.body.len() }
    }
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id())
            .field("topic", &self.topic())
            .field("queue_id", &self.queue_id())
            .field("queue_offset", &self.queue_offset())
            .field("body_size", &self.body.len())
            .field("properties", &self.record().properties())
            .finish_non_exhaustive()
    }
}

/// The body as its producer wrote it, `None` if it was stored so.
fn inflate(body: &[u8], flags: i32) -> Result<Option<Bytes>, BodyError> {
    if flags & sys_flag::COMPRESSED == 0 {
        return Ok(None);
    }
    match (flags & sys_flag::COMPRESSION_TYPE) >> 8 {
        0 | 3 => {}
        1 => return Err(BodyError::Unsupported("lz4")),
        2 => return Err(BodyError::Unsupported("zstd")),
        _ => return Err(BodyError::Unsupported("something unknown")),
    }
    let mut inflated = Vec::with_capacity(body.len().saturating_mul(3).min(INFLATED_SIZE_MAX));
    let mut reader = ZlibDecoder::new(body).take(INFLATED_SIZE_MAX as u64 + 1);
    reader.read_to_end(&mut inflated).map_err(|error| BodyError::Damaged(error.to_string()))?;
    if inflated.len() > INFLATED_SIZE_MAX {
        return Err(BodyError::TooLarge);
    }
    Ok(Some(inflated.into()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};
    use message::record::NewRecord;
    use message::{QueueOffset, Timestamp};

    use super::*;

    pub(crate) fn stored(offset: u64, body: &[u8], flags: i32, properties: &str) -> Vec<u8> {
        let host: SocketAddr = "10.0.0.9:10911".parse().unwrap();
        let record = NewRecord {
            topic: "T",
            queue_id: 3,
            queue_offset: QueueOffset::new(offset),
            flag: 7,
            sys_flag: flags,
            born_timestamp: Timestamp::from_millis(1),
            born_host: host,
            store_timestamp: Timestamp::from_millis(2),
            store_host: host,
            reconsume_times: 2,
            body,
            properties,
        };
        let mut out = Vec::new();
        record.encode(&mut out);
        out
    }

    pub(crate) fn view(offset: u64, properties: &str) -> MessageView {
        MessageView::decode(stored(offset, b"body", 0, properties).into(), "b".into()).unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_messages_of_a_pull_come_in_order_with_all_they_carry() {
        let properties = "UNIQ_KEY\u{1}X1\u{2}TAGS\u{1}a\u{2}KEYS\u{1}k1 k2\u{2}RETRY_TOPIC\u{1}origin\u{2}";
        let mut body = stored(5, b"one", 0, properties);
        body.extend(stored(6, b"two", 0, ""));
        let messages = MessageView::decode_all(body.into(), &"broker".into()).unwrap();
        let [first, second] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!((first.id().as_ref(), first.tag(), first.topic()), ("X1", Some("a"), "origin"));
        assert_eq!(first.keys().collect::<Vec<_>>(), ["k1", "k2"]);
        assert_eq!((&first.body()[..], first.reconsume_times(), first.flag()), (&b"one"[..], 2, 7));
        assert_eq!(second.id(), "0A00000900002A9F0000000000000000");
        let queue = MessageQueue { topic: "T".into(), broker_name: "broker".into(), queue_id: 3 };
        assert_eq!((second.queue(), second.queue_offset(), second.topic()), (queue, 6, "T"));
    }

    #[test]
    fn records_cut_off_or_lying_about_their_size_are_an_error() {
        let whole = stored(5, b"one", 0, "");
        for size in 1..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..size]);
            assert!(MessageView::decode_all(cut, &"b".into()).is_err(), "{size}");
        }
        let mut lying = whole;
        lying[3] = 0;
        assert!(MessageView::decode_all(lying.into(), &"b".into()).is_err());
    }

    #[test]
    fn a_body_a_java_producer_compressed_is_read_as_it_was_written() {
        let text = "all work and no play ".repeat(1000);
        for kind in [0, 0x300] {
            let record = stored(0, &zlib(text.as_bytes()), sys_flag::COMPRESSED | kind, "");
            let message = MessageView::decode(record.into(), "b".into()).unwrap();
            assert_eq!((&message.body()[..], message.body_error()), (text.as_bytes(), None));
            assert!(message.size() > text.len());
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_says_why_and_is_there_as_it_was_stored() {
        let damaged = MessageView::decode(stored(0, b"junk", 1, "").into(), "b".into()).unwrap();
        assert!(matches!(damaged.body_error(), Some(BodyError::Damaged(_))));
        assert_eq!(&damaged.body()[..], b"junk");
        let zstd = MessageView::decode(stored(0, b"junk", 0x201, "").into(), "b".into()).unwrap();
        assert_eq!(zstd.body_error(), Some(&BodyError::Unsupported("zstd")));
        let bomb = zlib(&vec![0; INFLATED_SIZE_MAX + 1]);
        let bomb = MessageView::decode(stored(0, &bomb, 1, "").into(), "b".into()).unwrap();
        assert_eq!(bomb.body_error(), Some(&BodyError::TooLarge));
    }
}
