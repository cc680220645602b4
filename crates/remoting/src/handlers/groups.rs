//! Consumer groups: 200, 201, 207, 225, 343, 345, 352.

use broker::io::{Answer, Refusal, Request, Subscription};
use message::entry::GroupConfig;
use message::tags::tags_code;
use protocol::DataVersion;
use protocol::request::groups::{
    DeleteGroupHeader, GroupHeader, SubscriptionGroupConfig, SubscriptionGroupTable, decode_group_list,
};
use protocol::request::heartbeat::SubscriptionData;
use protocol::request::subscriptions::{QuerySubscriptionAnswer, QuerySubscriptionHeader};
use protocol::request::topic_list::TopicList;
use protocol::request::topics::PageHeader;

use super::topics::cut;
use super::{done_or_refused, several};
use crate::caller::{Call, Caller, Fault, natural};
use crate::desk::Desk;
use crate::door::Env;

/// A group as the broker has it. Its own retry delays and its attributes are not kept: see `docs/compatibility.md`.
fn from_wire(group: SubscriptionGroupConfig) -> Result<GroupConfig, Fault> {
    Ok(GroupConfig {
        name: group.group_name,
        consume_enable: group.consume_enable,
        consume_from_min_enable: group.consume_from_min_enable,
        consume_broadcast_enable: group.consume_broadcast_enable,
        consume_message_orderly: group.consume_message_orderly,
        retry_queues: natural("retryQueueNums", group.retry_queue_nums)?,
        retry_max: group.retry_max_times,
        broker_id: group.broker_id,
        which_broker_when_slow: group.which_broker_when_consume_slowly,
        notify_ids_changed: group.notify_consumer_ids_changed_enable,
        sys_flag: group.group_sys_flag,
        consume_timeout_min: group.consume_timeout_minute,
    })
}

fn to_wire(group: &GroupConfig) -> SubscriptionGroupConfig {
    SubscriptionGroupConfig {
        consume_enable: group.consume_enable,
        consume_from_min_enable: group.consume_from_min_enable,
        consume_broadcast_enable: group.consume_broadcast_enable,
        consume_message_orderly: group.consume_message_orderly,
        retry_queue_nums: group.retry_queues as i32,
        retry_max_times: group.retry_max,
        broker_id: group.broker_id,
        which_broker_when_consume_slowly: group.which_broker_when_slow,
        notify_consumer_ids_changed_enable: group.notify_ids_changed,
        group_sys_flag: group.sys_flag,
        consume_timeout_minute: group.consume_timeout_min,
        ..SubscriptionGroupConfig::new(group.name.as_str())
    }
}

/// 200.
pub(crate) fn put(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let group = from_wire(SubscriptionGroupConfig::decode(call.body)?)?;
    env.ask(call.caller.session, call.reply(), Request::PutGroup(group));
    Ok(())
}

/// 225: all of them are tried, and the first refusal is told.
pub(crate) fn put_list(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let groups = decode_group_list(call.body)?.into_iter().map(from_wire).collect::<Result<Vec<_>, _>>()?;
    several::ask(desk, env, call, groups.into_iter().map(Request::PutGroup).collect(), to)
}

/// 207.
pub(crate) fn delete(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = DeleteGroupHeader::decode(&call.fields)?;
    let request = Request::DeleteGroup { group: header.group_name, offsets: header.clean_offset };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    done_or_refused(caller, &answer, to);
}

/// 201, whole or by pages, in order of names.
pub(crate) fn all(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let page = PageHeader::decode_groups(&call.fields)?;
    let groups: Vec<&GroupConfig> = env.broker.state().groups.values().collect();
    let total = groups.len() as i64;
    let table = SubscriptionGroupTable {
        groups: cut(&groups, page).iter().map(|group| to_wire(group)).collect(),
        // Changes are not counted; tools that read page by page compare it.
        data_version: DataVersion { counter: total, state_version: 0, timestamp: env.facts.started.millis() },
    };
    let fields = [("totalGroupNum", total.into())];
    call.answer(to, |caller, to| caller.fields_and_body(to, &fields, |to| table.write(to)));
    Ok(())
}

/// 352.
pub(crate) fn get(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = GroupHeader::decode(&call.fields)?;
    let group = env.broker.state().groups.get(header.group);
    let group = group.ok_or_else(|| Refusal::GroupNotFound(header.group.to_owned()))?;
    call.answer(to, |caller, to| caller.body(to, |to| to_wire(group).write(to)));
    Ok(())
}

/// 343.
pub(crate) fn topics(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = GroupHeader::decode(&call.fields)?;
    let topics = env.broker.topics_of_group(header.group).iter().map(ToString::to_string).collect();
    let list = TopicList { topics, broker_addr: None };
    call.answer(to, |caller, to| caller.body(to, |to| list.write(to)));
    Ok(())
}

/// 345.
pub(crate) fn subscription(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = QuerySubscriptionHeader::decode(&call.fields)?;
    let topic = header.topic.unwrap_or_default();
    let connections = env.broker.consumer_connections(header.group);
    let found = connections.iter().flat_map(|group| &group.subscriptions).find(|found| found.topic == topic);
    let body = QuerySubscriptionAnswer {
        group: header.group.to_owned(),
        topic: topic.to_owned(),
        subscription: found.map(subscription_data),
    };
    call.answer(to, |caller, to| caller.body(to, |to| body.write(to)));
    Ok(())
}

/// A subscription as tools see it: its tags and their hashes follow from its expression.
pub(super) fn subscription_data(subscription: &Subscription) -> SubscriptionData {
    let expression = subscription.expression.trim();
    let tags: Vec<String> = match expression {
        "" | "*" => Vec::new(),
        _ => expression.split("||").map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
    };
    SubscriptionData {
        topic: subscription.topic.clone(),
        sub_string: subscription.expression.clone(),
        codes: tags.iter().map(|tag| tags_code(tag)).collect(),
        tags,
        sub_version: subscription.version,
        expression_type: subscription.expression_type.clone(),
        class_filter_mode: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_of_a_subscription_follow_from_its_expression() {
        let data = |expression: &str| {
            subscription_data(&Subscription {
                topic: "t".into(),
                expression: expression.into(),
                expression_type: "TAG".into(),
                version: 1,
            })
        };
        assert_eq!((data("a || b").tags, data("a || b").codes), (vec!["a".into(), "b".into()], vec![97, 98]));
        assert!(data("*").tags.is_empty() && data("").codes.is_empty());
    }
}
