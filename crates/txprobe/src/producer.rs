//! What a producer says to a broker: halves, decisions, and who it is. No policy: whatever is to be said is said.

use std::time::{SystemTime, UNIX_EPOCH};

use message::{properties, sys_flag};
use protocol::MessageQueue;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::identifiers::OffsetMsgId;
use protocol::request::heartbeat::HeartbeatData;
use protocol::request::send::SendHeader;
use protocol::request::transaction::{Decision, EndTransactionHeader};

use crate::ledger::Heard;
use crate::link::{Frame, Link};

/// The names by which a transaction can be decided. Forgers change one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// Group of its producer.
    pub group: String,
    /// The message's `UNIQ_KEY`.
    pub id: String,
    /// The broker that has it.
    pub broker: String,
    /// The topic, as a decision or a check says it.
    pub topic: String,
    /// `commitLogOffset` of a decision.
    pub log_offset: i64,
    /// `tranStateTableOffset` of a decision.
    pub position: i64,
}

impl Half {
    /// The names that a check says.
    pub fn of_check(check: &Frame, group: &str, id: &str) -> Option<Half> {
        Some(Half {
            group: group.to_owned(),
            id: id.to_owned(),
            broker: check.field("bname").unwrap_or_default().to_owned(),
            topic: check.field("topic").unwrap_or_default().to_owned(),
            log_offset: check.number("commitLogOffset")?,
            position: check.number("tranStateTableOffset")?,
        })
    }
}

/// The topic from which brokers copy the settings of one they create, and the queues we would want.
const DEFAULT_TOPIC: (&str, i32) = ("TBW102", 4);

/// Sends a half. `None` unless it is acknowledged: the local transaction must not run then.
pub async fn send_half(link: &Link, group: &str, queue: &MessageQueue, id: &str, body: &[u8]) -> Option<Half> {
    let mut text = String::new();
    for (key, value) in [
        (properties::UNIQ_KEY, id),
        (properties::TRAN_MSG, "true"),
        (properties::PGROUP, group),
        (properties::KEYS, id),
        ("WAIT", "true"),
    ] {
        properties::push(&mut text, key, value);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let header = SendHeader {
        producer_group: group,
        topic: &queue.topic,
        default_topic: DEFAULT_TOPIC.0,
        default_topic_queue_nums: DEFAULT_TOPIC.1,
        queue_id: queue.queue_id,
        sys_flag: sys_flag::TRANSACTION_PREPARED,
        born_timestamp: now,
        flag: 0,
        properties: &text,
        reconsume_times: 0,
        unit_mode: false,
        batch: false,
        max_reconsume_times: None,
        broker_name: Some(&queue.broker_name),
    };
    let answer = link.ask(RequestCode::SendMessageV2, &header.fields(), body).await?;
    // 10, 11 and 12 say that it is stored after a fashion; Java clients do not run the local transaction then either.
    if answer.code != ResponseCode::SUCCESS.0 {
        return None;
    }
    Some(Half {
        group: group.to_owned(),
        id: id.to_owned(),
        broker: queue.broker_name.clone(),
        topic: queue.topic.clone(),
        log_offset: OffsetMsgId::decode(answer.field("msgId")?).ok()?.commit_log_offset,
        position: answer.number("queueOffset")?,
    })
}

/// Sends a decision: as a request when it is `asked`, one-way as Java clients do it otherwise.
pub async fn decide(link: Option<&Link>, half: &Half, decision: Decision, from_check: bool, asked: bool) -> Heard {
    let Some(link) = link else { return Heard::Unsent };
    let header = EndTransactionHeader {
        producer_group: &half.group,
        tran_state_table_offset: half.position,
        commit_log_offset: half.log_offset,
        decision,
        from_transaction_check: from_check,
        msg_id: &half.id,
        transaction_id: Some(&half.id),
        topic: Some(half.topic.as_str()).filter(|topic| !topic.is_empty()),
        broker_name: Some(half.broker.as_str()).filter(|broker| !broker.is_empty()),
    };
    if !asked {
        return match link.tell(RequestCode::EndTransaction, &header.fields()).await {
            true => Heard::Told,
            false => Heard::Nothing,
        };
    }
    match link.ask(RequestCode::EndTransaction, &header.fields(), &[]).await {
        Some(answer) if answer.code == ResponseCode::SUCCESS.0 => Heard::Yes,
        Some(answer) => Heard::No { code: answer.code },
        None => Heard::Nothing,
    }
}

/// Says who this is, and for which group it produces. Whether the broker took note.
pub async fn introduce(link: &Link, client_id: &str, group: &str) -> bool {
    let data = HeartbeatData {
        client_id: client_id.to_owned(),
        producer_groups: vec![group.to_owned()],
        consumers: Vec::new(),
        fingerprint: 0,
        without_sub: false,
    };
    let mut body = Vec::new();
    data.write(&mut body);
    let answer = link.ask(RequestCode::HeartBeat, &[], &body).await;
    answer.is_some_and(|answer| answer.code == ResponseCode::SUCCESS.0)
}
