//! One message: by its place (33), by its id or a key (12), and as long as it is undecided through its transaction.

use ::message::properties;
use ::message::record::Record;
use ::message::sys_flag::{TRANSACTION_COMMIT, TRANSACTION_TYPE};
use ::message::{names, record::RecordError};
use protocol::codes::{RequestCode, ResponseCode};
use protocol::identifiers::OffsetMsgId;
use protocol::request::pull::PULL_SUBSCRIPTION;

use super::super::admin::{AdminError, Thing};
use super::super::model::{MessageDetail, TransactionState};
use super::transactions::{ask_show, state};
use super::{Remote, missing, success};

/// Most messages with one key that are told apart.
const NAMESAKES_MAX: &str = "10";

/// One message. An offset id and the id a client made may look alike, so a topic, if there is one, is asked first.
pub fn find(remote: &mut Remote, id: &str, topic: Option<&str>) -> Result<MessageDetail, AdminError> {
    if let Some(topic) = topic
        && let Some(found) = by_key(remote, id, topic)?
    {
        return Ok(found);
    }
    if let Ok(place) = OffsetMsgId::decode(id)
        && let Some(found) = by_place(remote, place.commit_log_offset)?
    {
        return Ok(found);
    }
    undecided(remote, id)?.ok_or_else(|| missing(Thing::Message, id))
}

fn by_place(remote: &mut Remote, offset: i64) -> Result<Option<MessageDetail>, AdminError> {
    let offset = offset.to_string();
    // Nothing there is the general error code with words for people.
    let answer = remote.find(RequestCode::ViewMessageById, &[("offset", &offset)], ResponseCode::SYSTEM_ERROR)?;
    let Some(answer) = answer else { return Ok(None) };
    let record = parse(remote, &answer.body)?;
    Ok(Some(visible(&record)))
}

fn by_key(remote: &mut Remote, key: &str, topic: &str) -> Result<Option<MessageDetail>, AdminError> {
    let latest = i64::MAX.to_string();
    let fields =
        [("topic", topic), ("key", key), ("maxNum", NAMESAKES_MAX), ("beginTimestamp", "0"), ("endTimestamp", &latest)];
    let answer = remote.ask(RequestCode::QueryMessage, &fields)?;
    match ResponseCode(answer.code) {
        ResponseCode::QUERY_NOT_FOUND => return Ok(None),
        ResponseCode::TOPIC_NOT_EXIST => return Err(missing(Thing::Topic, topic)),
        _ => {}
    }
    let body = success(answer)?.body;
    let (mut found, mut rest) = (Vec::new(), &body[..]);
    while !rest.is_empty() {
        let record = parse(remote, rest)?;
        rest = &rest[record.bytes().len()..];
        found.push(visible(&record));
    }
    // The id that its producer knows goes before a key that happens to be the same.
    if found.iter().any(|message| message.id == key) {
        found.retain(|message| message.id == key);
    }
    if found.len() > 1 {
        let candidates = found.into_iter().map(|message| message.offset_id).collect();
        return Err(AdminError::Ambiguous { kind: Thing::Message, name: key.to_owned(), candidates });
    }
    Ok(found.pop())
}

/// The message of a half that is not decided, as operators' tools see it.
fn undecided(remote: &mut Remote, id: &str) -> Result<Option<MessageDetail>, AdminError> {
    let Some(transaction) = ask_show(remote, id)? else { return Ok(None) };
    let status = transaction.status;
    let view = match state(remote, status.state)? {
        TransactionState::Undecided => names::HALF_TOPIC,
        TransactionState::SetAside => names::SET_ASIDE_TOPIC,
        TransactionState::Committed | TransactionState::RolledBack => return Ok(None),
    };
    let (sequence, flags) = (status.sequence.to_string(), PULL_SUBSCRIPTION.to_string());
    let fields = [
        ("consumerGroup", names::TOOLS_GROUP),
        ("topic", view),
        ("queueId", "0"),
        ("queueOffset", &sequence),
        ("maxMsgNums", "1"),
        ("sysFlag", &flags),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "0"),
        ("subscription", "*"),
        ("subVersion", "0"),
    ];
    let answer = remote.ask(RequestCode::PullMessage, &fields)?;
    if !answer.is_success() || answer.body.is_empty() {
        // It was decided in the meantime.
        return Ok(None);
    }
    let record = parse(remote, &answer.body)?;
    if record.queue_offset() != status.sequence {
        return Ok(None);
    }
    Ok(Some(MessageDetail {
        topic: status.topic,
        queue: status.queue,
        offset: None,
        offset_id: transaction.offset_id,
        transaction: Some(status.unique_key),
        ..visible(&record)
    }))
}

fn parse<'a>(remote: &Remote, bytes: &'a [u8]) -> Result<Record<'a>, AdminError> {
    Record::parse(bytes).map_err(|error: RecordError| remote.malformed(error.to_string()))
}

/// A record as it is delivered.
fn visible(record: &Record<'_>) -> MessageDetail {
    let property = |key| record.property(key).unwrap_or_default().to_owned();
    let id = property(properties::UNIQ_KEY);
    let committed = record.sys_flag() & TRANSACTION_TYPE == TRANSACTION_COMMIT;
    let place = OffsetMsgId { address: record.store_host(), commit_log_offset: record.physical_offset().signed() };
    MessageDetail {
        offset_id: place.encode().as_str().to_owned(),
        topic: record.topic().to_owned(),
        queue: record.queue_id(),
        offset: Some(record.queue_offset().get()),
        log_offset: record.physical_offset().get(),
        tag: property(properties::TAGS),
        keys: property(properties::KEYS),
        properties: properties::iter(record.properties())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        flag: record.flag(),
        sys_flag: record.sys_flag(),
        born_at_ms: record.born_timestamp().millis(),
        born_host: record.born_host().to_string(),
        stored_at_ms: record.store_timestamp().millis(),
        retries: u32::try_from(record.reconsume_times()).unwrap_or(0),
        transaction: committed.then(|| id.clone()),
        body: record.body().to_vec(),
        id,
    }
}
