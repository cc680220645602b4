//! What the client sends, as bytes, and what it makes of answers.

use anyhow::{Result, ensure};
use message::Timestamp;
use protocol::codes::RequestCode;
use protocol::encode::{Field, RequestHeader};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::{Header, HeaderBuffer, Language};
use protocol::request::pull::PullHeader;
use protocol::request::send::SendHeader;
use protocol::request::transaction::{Decision, EndTransactionHeader};

const BODY: [u8; 1024] = [b'x'; 1024];

/// A half as its producer names it.
#[derive(Clone, Copy)]
pub struct Named {
    /// Place in the log.
    pub half: i64,
    /// Place among the halves.
    pub sequence: i64,
}

fn frame(code: RequestCode, opaque: usize, fields: &[Field<'_>], body: &[u8]) -> Vec<u8> {
    let (opaque, oneway, remark) = (opaque as i32, false, None);
    let mut bytes = Vec::new();
    RequestHeader { code, language: Language::Java, opaque, oneway, remark, fields }.append(&mut bytes, body);
    bytes
}

/// A send of 1 KiB with the properties a Java producer gives to a message with a tag and a key.
pub fn send(number: usize, now: Timestamp, properties: &str) -> Vec<u8> {
    let properties = format!(
        "KEYS\u{1}order-{number}\u{2}UNIQ_KEY\u{1}{number:032X}\u{2}CLUSTER\u{1}DefaultCluster\u{2}WAIT\u{1}true\u{2}\
         TAGS\u{1}paid\u{2}{properties}"
    );
    let header = SendHeader {
        producer_group: "payers",
        topic: "orders",
        default_topic: "TBW102",
        default_topic_queue_nums: 8,
        queue_id: (number % 8) as i32,
        sys_flag: 0,
        born_timestamp: now.millis(),
        flag: 0,
        properties: &properties,
        reconsume_times: 0,
        unit_mode: false,
        batch: false,
        max_reconsume_times: None,
        broker_name: Some("tandem"),
    };
    frame(RequestCode::SendMessageV2, number, &header.fields(), &BODY)
}

/// A half, to be asked about for the first time as `properties` say.
pub fn half(number: usize, now: Timestamp, properties: &str) -> Vec<u8> {
    send(number, now, &format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}{properties}"))
}

/// A decision, or the answer to a check.
pub fn end(named: &Named, decision: Decision, from_transaction_check: bool) -> Vec<u8> {
    let header = EndTransactionHeader {
        producer_group: "payers",
        tran_state_table_offset: named.sequence,
        commit_log_offset: named.half,
        decision,
        from_transaction_check,
        msg_id: "",
        transaction_id: None,
        topic: Some("orders"),
        broker_name: Some("tandem"),
    };
    frame(RequestCode::EndTransaction, 0, &header.fields(), b"")
}

/// A pull of up to 32 messages.
pub fn pull(queue: usize, offset: usize) -> Vec<u8> {
    let header = PullHeader {
        consumer_group: "carts",
        topic: "orders",
        queue_id: queue as i32,
        queue_offset: offset as i64,
        max_msg_nums: 32,
        sys_flag: protocol::request::pull::PULL_SUBSCRIPTION,
        commit_offset: 0,
        suspend_timeout_ms: 0,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: None,
        max_msg_bytes: None,
        broker_name: None,
    };
    frame(RequestCode::PullMessage, queue, &header.fields(), b"")
}

/// Hands each frame that was said, and its body, to `heard`.
pub fn hear(said: &[u8], mut heard: impl FnMut(Header<'_>, &[u8]) -> Result<()>) -> Result<()> {
    let (mut rest, mut buffer) = (said, HeaderBuffer::new());
    while let Some(frame) = scan(rest, FRAME_SIZE_MAX)? {
        heard(buffer.decode(&frame)?, frame.body)?;
        rest = &rest[frame.consumed..];
    }
    ensure!(rest.is_empty(), "half an answer");
    Ok(())
}
