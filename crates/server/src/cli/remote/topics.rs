//! Topics: 21 for what there is, 202 for what is in each.

use std::collections::{BTreeMap, HashMap, HashSet};

use protocol::codes::{RequestCode, ResponseCode};
use protocol::json::{Value, parse};
use protocol::request::connections::ConsumerConnection;
use protocol::request::stats::{ConsumeStats, TopicStats};
use protocol::request::topic_list::{GroupList, TopicList};
use protocol::request::topics::{TopicConfig, TopicTable};
use remoting::client::Received;
use remoting::own;

use super::super::admin::{AdminError, Thing};
use super::super::model::{QueueRow, TopicDeleted, TopicDetail, TopicGroupRow, TopicKind, TopicRow};
use super::{Remote, missing, natural};

const READABLE: i32 = 4;
const WRITABLE: i32 = 2;

/// All topics.
pub fn list(remote: &mut Remote) -> Result<Vec<TopicRow>, AdminError> {
    let body = remote.get(RequestCode::GetAllTopicConfig, &[])?.body;
    let table = remote.read(TopicTable::decode(&body))?;
    let system = system_topics(remote)?;
    let open = open_transactions(remote)?;
    let names: Vec<&str> = table.topics.iter().map(|topic| topic.topic_name.as_str()).collect();
    let queues = queues_of_all(remote, &names)?;
    // One that was deleted in the meantime is left out.
    let there = table.topics.iter().zip(queues).filter_map(|(topic, queues)| Some((topic, queues?)));
    let mut rows: Vec<TopicRow> = there.map(|(topic, queues)| row(topic, &queues, &system, &open)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// One topic with its queues, and the groups that consume it.
pub fn show(remote: &mut Remote, name: &str) -> Result<TopicDetail, AdminError> {
    let not_there = || missing(Thing::Topic, name);
    let topic = config(remote, name)?.ok_or_else(not_there)?;
    let queues = queues(remote, name)?.ok_or_else(not_there)?;
    let system = system_topics(remote)?;
    let open = open_transactions(remote)?;
    let body = remote.get(RequestCode::QueryTopicConsumeByWho, &[("topic", name)])?.body;
    let mut groups = Vec::new();
    for group in remote.read(GroupList::decode(&body))?.groups {
        let lag = lag(&consume_stats(remote, &group, Some(name))?);
        let members = members(remote, &group)?.map_or(0, |members| members.connections.len() as u32);
        groups.push(TopicGroupRow { group, members, lag });
    }
    let attributes: BTreeMap<String, String> = topic.attributes.iter().cloned().collect();
    Ok(TopicDetail { row: row(&topic, &queues, &system, &open), attributes, queues, groups })
}

/// Creates a topic.
pub fn create(remote: &mut Remote, name: &str, queues: u32) -> Result<(), AdminError> {
    // The request would change one that exists.
    if let Some(topic) = config(remote, name)? {
        let queues = topic.write_queue_nums;
        return Err(AdminError::Refused { reason: format!("topic {name:?} exists already, with {queues} queues") });
    }
    let queues = queues.to_string();
    let fields = [
        ("topic", name),
        ("defaultTopic", "TBW102"),
        ("readQueueNums", &queues),
        ("writeQueueNums", &queues),
        ("perm", "6"),
        ("topicFilterType", "SINGLE_TAG"),
        ("topicSysFlag", "0"),
        ("order", "false"),
    ];
    remote.get(RequestCode::UpdateAndCreateTopic, &fields).map(drop)
}

/// Deletes a topic. Its open transactions are counted before, so one that comes in between is set aside uncounted.
pub fn delete(remote: &mut Remote, name: &str, force: bool) -> Result<TopicDeleted, AdminError> {
    config(remote, name)?.ok_or_else(|| missing(Thing::Topic, name))?;
    let undecided = open_transactions(remote)?.get(name).map_or(0, |open| open.undecided);
    let force = if force { "true" } else { "false" };
    remote.get(RequestCode::DeleteTopicInBroker, &[("topic", name), ("force", force)])?;
    Ok(TopicDeleted { set_aside: undecided })
}

fn config(remote: &mut Remote, name: &str) -> Result<Option<TopicConfig>, AdminError> {
    let answer = remote.find(RequestCode::GetTopicConfig, &[("topic", name)], ResponseCode::TOPIC_NOT_EXIST)?;
    answer.map(|answer| remote.read(TopicConfig::decode(&answer.body))).transpose()
}

/// The queues of a topic in order, `None` if there is no such topic.
pub(super) fn queues(remote: &mut Remote, name: &str) -> Result<Option<Vec<QueueRow>>, AdminError> {
    let answer = remote.find(RequestCode::GetTopicStatsInfo, &[("topic", name)], ResponseCode::TOPIC_NOT_EXIST)?;
    answer.map(|answer| queue_rows(remote, &answer)).transpose()
}

/// As [`queues`] of each of these topics, in one round trip.
pub(super) fn queues_of_all(remote: &mut Remote, names: &[&str]) -> Result<Vec<Option<Vec<QueueRow>>>, AdminError> {
    let questions: Vec<_> = names.iter().map(|name| vec![("topic", *name)]).collect();
    let answers = remote.find_all(RequestCode::GetTopicStatsInfo, &questions, ResponseCode::TOPIC_NOT_EXIST)?;
    answers.into_iter().map(|answer| answer.map(|answer| queue_rows(remote, &answer)).transpose()).collect()
}

fn queue_rows(remote: &Remote, answer: &Received) -> Result<Vec<QueueRow>, AdminError> {
    let stats = remote.read(TopicStats::decode(&answer.body))?;
    let mut rows: Vec<QueueRow> = stats
        .offsets
        .into_iter()
        .map(|(queue, offset)| QueueRow {
            queue: u32::try_from(queue.queue_id).unwrap_or(0),
            first_offset: natural(offset.min_offset),
            next_offset: natural(offset.max_offset),
            last_message_at_ms: Some(offset.last_update_timestamp).filter(|ms| *ms > 0),
        })
        .collect();
    rows.sort_by_key(|row| row.queue);
    Ok(rows)
}

/// Messages in queues that can be read.
pub(super) fn messages(queues: &[QueueRow]) -> u64 {
    queues.iter().map(|queue| queue.next_offset.saturating_sub(queue.first_offset)).sum()
}

/// Where a group is, in one topic or in all.
pub(super) fn consume_stats(remote: &mut Remote, group: &str, topic: Option<&str>) -> Result<ConsumeStats, AdminError> {
    let fields = [("consumerGroup", group), ("topic", topic.unwrap_or_default())];
    let body = remote.get(RequestCode::GetConsumeStats, &fields[..1 + usize::from(topic.is_some())])?.body;
    remote.read(ConsumeStats::decode(&body))
}

/// Messages a group has not consumed.
pub(super) fn lag(stats: &ConsumeStats) -> u64 {
    stats.offsets.iter().map(|(_, at)| natural(at.broker_offset - at.consumer_offset)).sum()
}

/// Who of a consumer group is online, `None` if nobody is.
pub(super) fn members(remote: &mut Remote, group: &str) -> Result<Option<ConsumerConnection>, AdminError> {
    let fields = [("consumerGroup", group)];
    let answer = remote.find(RequestCode::GetConsumerConnectionList, &fields, ResponseCode::CONSUMER_NOT_ONLINE)?;
    answer.map(|answer| remote.read(ConsumerConnection::decode(&answer.body))).transpose()
}

fn system_topics(remote: &mut Remote) -> Result<HashSet<String>, AdminError> {
    let body = remote.get(RequestCode::GetSystemTopicListFromBroker, &[])?.body;
    Ok(remote.read(TopicList::decode(&body))?.topics.into_iter().collect())
}

#[derive(Clone, Copy, Default)]
struct Open {
    undecided: u64,
    set_aside: u64,
}

/// Transactions of each topic that nobody has decided.
fn open_transactions(remote: &mut Remote) -> Result<HashMap<String, Open>, AdminError> {
    let body = remote.get_own(own::BROKER_STATUS, &[], b"")?.body;
    let status = parse(&body).map_err(|error| remote.malformed(error.to_string()))?;
    let number = |value: &Value<'_>, name: &str| match value.get(name) {
        Some(Value::Int(number)) => natural(*number),
        _ => 0,
    };
    let Some(Value::Object(topics)) = status.get("openTransactions") else {
        return Err(remote.malformed("the broker's status lacks openTransactions".to_owned()));
    };
    let topics = topics.iter().filter_map(|(name, open)| match name {
        Value::String(name) => {
            Some((name.to_string(), Open { undecided: number(open, "pending"), set_aside: number(open, "setAside") }))
        }
        _ => None,
    });
    Ok(topics.collect())
}

fn row(topic: &TopicConfig, queues: &[QueueRow], system: &HashSet<String>, open: &HashMap<String, Open>) -> TopicRow {
    let name = &topic.topic_name;
    let open = open.get(name).copied().unwrap_or_default();
    TopicRow {
        name: name.clone(),
        kind: kind(name, system.contains(name)),
        read_queues: u32::try_from(topic.read_queue_nums).unwrap_or(0),
        write_queues: u32::try_from(topic.write_queue_nums).unwrap_or(0),
        readable: topic.perm & READABLE != 0,
        writable: topic.perm & WRITABLE != 0,
        messages: messages(queues),
        open_transactions: open.undecided + open.set_aside,
        last_message_at_ms: queues.iter().filter_map(|queue| queue.last_message_at_ms).max(),
    }
}

fn kind(name: &str, system: bool) -> TopicKind {
    if ::message::names::group_of_retry_topic(name).is_some() {
        TopicKind::Retry
    } else if ::message::names::group_of_dead_letter_topic(name).is_some() {
        TopicKind::DeadLetter
    } else if system {
        TopicKind::System
    } else {
        TopicKind::Ordinary
    }
}
