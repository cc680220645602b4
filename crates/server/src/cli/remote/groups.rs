//! Consumer groups: 201 for what there is, 203 for who is there, 208 for where each is.

use std::collections::BTreeSet;

use message::names::{dead_letter_topic, is_system_group};
use protocol::Word;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::connections::ConsumerConnection;
use protocol::request::groups::{SubscriptionGroupConfig, SubscriptionGroupTable};
use protocol::request::stats::ConsumeStats;

use super::super::admin::{AdminError, Thing};
use super::super::model::{GroupDetail, GroupRow, MemberRow, OffsetRow, QueueRow};
use super::topics::{consume_stats, lag, members, messages, queues, queues_of_all};
use super::{Remote, missing, natural, version};

/// All consumer groups, but for those of client libraries and tools that nobody uses.
pub fn list(remote: &mut Remote) -> Result<Vec<GroupRow>, AdminError> {
    let body = remote.get(RequestCode::GetAllSubscriptionGroupConfig, &[])?.body;
    let table = remote.read(SubscriptionGroupTable::decode(&body))?;
    let names: Vec<&str> = table.groups.iter().map(|group| group.group_name.as_str()).collect();
    let dead_letter_topics: Vec<String> = names.iter().map(|name| dead_letter_topic(name)).collect();
    let dead_letter_topics: Vec<&str> = dead_letter_topics.iter().map(String::as_str).collect();
    let questions: Vec<_> = names.iter().map(|name| vec![("consumerGroup", *name)]).collect();
    let (online, offline) = (RequestCode::GetConsumerConnectionList, ResponseCode::CONSUMER_NOT_ONLINE);
    let members = remote.find_all(online, &questions, offline)?;
    // A group that is deleted meanwhile is left out.
    let stats =
        remote.find_all(RequestCode::GetConsumeStats, &questions, ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST)?;
    let dead_letters = queues_of_all(remote, &dead_letter_topics)?;
    let mut rows = Vec::with_capacity(names.len());
    for (((group, members), stats), dead_letters) in table.groups.iter().zip(members).zip(stats).zip(dead_letters) {
        let members = members.map(|answer| remote.read(ConsumerConnection::decode(&answer.body))).transpose()?;
        let members = members.map_or(0, |members| members.connections.len());
        let Some(stats) = stats else { continue };
        let stats = remote.read(ConsumeStats::decode(&stats.body))?;
        if is_system_group(&group.group_name) && members == 0 && stats.offsets.is_empty() {
            continue;
        }
        rows.push(row(group, members, &stats, dead_letters.as_deref()));
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// One consumer group with its members and offsets.
pub fn show(remote: &mut Remote, name: &str) -> Result<GroupDetail, AdminError> {
    let group = config(remote, name)?.ok_or_else(|| missing(Thing::Group, name))?;
    let connections = members(remote, name)?.map_or_else(Vec::new, |members| members.connections);
    let stats = consume_stats(remote, name, None)?;
    let dead_letters = queues(remote, &dead_letter_topic(&group.group_name))?;
    let row = row(&group, connections.len(), &stats, dead_letters.as_deref());
    let online = connections
        .into_iter()
        .map(|member| MemberRow {
            client: member.client_id,
            address: member.client_addr,
            language: member.language.name().to_owned(),
            version: version::name(member.version),
        })
        .collect();
    let mut offsets: Vec<OffsetRow> = stats
        .offsets
        .into_iter()
        .map(|(queue, at)| OffsetRow {
            topic: queue.topic,
            queue: u32::try_from(queue.queue_id).unwrap_or(0),
            offset: natural(at.consumer_offset),
            next_offset: natural(at.broker_offset),
            lag: natural(at.broker_offset - at.consumer_offset),
        })
        .collect();
    offsets.sort_by(|a, b| (&a.topic, a.queue).cmp(&(&b.topic, b.queue)));
    Ok(GroupDetail { row, retry_max: group.retry_max_times, online, offsets })
}

/// Deletes a consumer group and its offsets.
pub fn delete(remote: &mut Remote, name: &str) -> Result<(), AdminError> {
    config(remote, name)?.ok_or_else(|| missing(Thing::Group, name))?;
    remote.get(RequestCode::DeleteSubscriptionGroup, &[("groupName", name), ("cleanOffset", "true")]).map(drop)
}

fn config(remote: &mut Remote, name: &str) -> Result<Option<SubscriptionGroupConfig>, AdminError> {
    let absent = ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST;
    let answer = remote.find(RequestCode::GetSubscriptionGroupConfig, &[("group", name)], absent)?;
    answer.map(|answer| remote.read(SubscriptionGroupConfig::decode(&answer.body))).transpose()
}

fn row(
    group: &SubscriptionGroupConfig,
    members: usize,
    stats: &ConsumeStats,
    dead_letters: Option<&[QueueRow]>,
) -> GroupRow {
    let topics: BTreeSet<&str> = stats.offsets.iter().map(|(queue, _)| queue.topic.as_str()).collect();
    GroupRow {
        name: group.group_name.clone(),
        members: members as u32,
        topics: topics.len() as u32,
        lag: lag(stats),
        dead_letters: dead_letters.map_or(0, messages),
    }
}
