//! Topics: 17, 18, 21, 215, 300, 305, 351.

use broker::io::{Answer, Refusal, Request};
use message::entry;
use protocol::request::topic_list::{GroupList, TopicList};
use protocol::request::topics::{
    CreateTopicHeader, PageHeader, TopicConfig, TopicFilterType, TopicHeader, TopicTable, decode_topic_list,
};

use super::register::data_version_of;
use super::{done_or_refused, several};
use crate::caller::{Call, Caller, Fault, natural};
use crate::desk::Desk;
use crate::door::Env;

/// A topic as the broker has it.
pub(super) fn from_wire(topic: TopicConfig) -> Result<entry::TopicConfig, Fault> {
    Ok(entry::TopicConfig {
        name: topic.topic_name,
        read_queues: natural("readQueueNums", topic.read_queue_nums)?,
        write_queues: natural("writeQueueNums", topic.write_queue_nums)?,
        perm: perm(topic.perm)?,
        sys_flag: topic.topic_sys_flag,
        order: topic.order,
        multi_tag: topic.topic_filter_type == TopicFilterType::MultiTag,
        attributes: topic.attributes,
    })
}

/// A topic as tools see it.
fn to_wire(topic: &entry::TopicConfig) -> TopicConfig {
    TopicConfig {
        topic_name: topic.name.clone(),
        read_queue_nums: topic.read_queues as i32,
        write_queue_nums: topic.write_queues as i32,
        perm: i32::from(topic.perm),
        topic_filter_type: if topic.multi_tag { TopicFilterType::MultiTag } else { TopicFilterType::SingleTag },
        topic_sys_flag: topic.sys_flag,
        order: topic.order,
        attributes: topic.attributes.clone(),
    }
}

/// Permission bits.
pub(super) fn perm(perm: i32) -> Result<u8, Fault> {
    u8::try_from(perm).ok().filter(|perm| *perm <= 7).ok_or_else(|| {
        let text = format!("{perm} is not a permission; add up 4 (read), 2 (write) and 1 (inherit)");
        Refusal::InvalidParameter(text).into()
    })
}

/// 17.
pub(crate) fn put(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = CreateTopicHeader::decode(&call.fields)?;
    let known = env.broker.state().topics.get(header.topic);
    let mut attributes = known.map(|topic| topic.config.attributes.clone()).unwrap_or_default();
    change_attributes(&mut attributes, header.attributes.unwrap_or_default())?;
    let topic = from_wire(TopicConfig {
        topic_name: header.topic.to_owned(),
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        perm: header.perm,
        topic_filter_type: header.topic_filter_type,
        topic_sys_flag: header.topic_sys_flag,
        order: header.order,
        attributes,
    })?;
    supported(&topic)?;
    env.ask(call.caller.session, call.reply(), Request::PutTopic(topic));
    Ok(())
}

/// 18: all of them are tried, and the first refusal is told.
pub(crate) fn put_list(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let topics = decode_topic_list(call.body)?.into_iter().map(from_wire).collect::<Result<Vec<_>, _>>()?;
    topics.iter().try_for_each(supported)?;
    several::ask(desk, env, call, topics.into_iter().map(Request::PutTopic).collect(), to)
}

/// Applies changes such as `+message.type=FIFO,-other`.
fn change_attributes(attributes: &mut Vec<(String, String)>, changes: &str) -> Result<(), Fault> {
    for change in changes.split(',').map(str::trim).filter(|change| !change.is_empty()) {
        let wrong =
            || Refusal::InvalidParameter(format!("{change:?} is no change of an attribute; write +key=value or -key"));
        if let Some(set) = change.strip_prefix('+') {
            let (key, value) = set.split_once('=').ok_or_else(wrong)?;
            attributes.retain(|(known, _)| known != key);
            attributes.push((key.to_owned(), value.to_owned()));
        } else {
            let key = change.strip_prefix('-').ok_or_else(wrong)?;
            attributes.retain(|(known, _)| known != key);
        }
    }
    attributes.sort();
    Ok(())
}

/// Most attributes of a topic.
const ATTRIBUTES_MAX: usize = 64;
/// Longest attribute, in bytes of its key and value.
const ATTRIBUTE_LEN_MAX: usize = 1024;

/// Attributes that ask for something this broker does not do are refused rather than kept and ignored.
fn supported(topic: &entry::TopicConfig) -> Result<(), Fault> {
    let too_long = topic.attributes.iter().any(|(key, value)| key.len() + value.len() > ATTRIBUTE_LEN_MAX);
    if topic.attributes.len() > ATTRIBUTES_MAX || too_long {
        let text = format!("a topic may have {ATTRIBUTES_MAX} attributes of {ATTRIBUTE_LEN_MAX} bytes each");
        return Err(Refusal::InvalidParameter(text).into());
    }
    for (key, value) in &topic.attributes {
        let default = match key.as_str() {
            "cleanup.policy" => "DELETE",
            "queue.type" => "SimpleCQ",
            _ => continue,
        };
        if value != default {
            let text = format!("topic attribute {key}={value} is not supported; leave it out, or say {default}");
            return Err(Refusal::InvalidParameter(text).into());
        }
    }
    Ok(())
}

/// 215. `force`, which only our own tool sends, sets undecided halves aside rather than refuse.
pub(crate) fn delete(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    let who = who(desk, call);
    let request =
        Request::DeleteTopic { topic: header.topic, force: call.fields.opt_bool("force")?.unwrap_or(false), who: &who };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

/// Who asks, for the record: by the name given, or by the address.
pub(super) fn who(desk: &Desk, call: &Call<'_>) -> String {
    match call.fields.opt_str("who") {
        Some(who) => who.to_owned(),
        None => desk.peer(call.caller.session).address.to_string(),
    }
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    done_or_refused(caller, &answer, to);
}

/// 21, whole or by pages, in order of names.
pub(crate) fn all(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let page = PageHeader::decode_topics(&call.fields)?;
    let mut topics: Vec<&entry::TopicConfig> = env.broker.state().topics.iter().map(|topic| &topic.config).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let total = topics.len();
    let topics = cut(&topics, page).iter().map(|topic| to_wire(topic)).collect();
    let table = TopicTable { topics, data_version: data_version_of(env.names.own_version()) };
    let fields = [("totalTopicNum", (total as i64).into())];
    call.answer(to, |caller, to| caller.fields_and_body(to, &fields, |to| table.write(to)));
    Ok(())
}

/// The entries of a page.
pub(super) fn cut<T>(all: &[T], page: PageHeader) -> &[T] {
    let first = usize::try_from(page.first).unwrap_or(0).min(all.len());
    let max = page.max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    &all[first..][..max.min(all.len() - first)]
}

/// 351.
pub(crate) fn get(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    let topic = env.broker.state().topics.get(header.topic);
    let topic = topic.ok_or_else(|| Refusal::TopicNotFound(header.topic.to_owned()))?;
    call.answer(to, |caller, to| caller.body(to, |to| to_wire(&topic.config).write(to)));
    Ok(())
}

/// 300.
pub(crate) fn consumed_by(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    let groups = env.broker.groups_of_topic(header.topic);
    let list = GroupList { groups: groups.iter().map(ToString::to_string).collect() };
    call.answer(to, |caller, to| caller.body(to, |to| list.write(to)));
    Ok(())
}

/// 305.
pub(crate) fn system(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let broker = &*env.broker;
    let names = broker.state().topics.iter().map(|topic| &topic.config.name);
    let mut topics: Vec<String> = names.filter(|name| broker.is_system_topic(name)).cloned().collect();
    topics.sort();
    let list = TopicList { topics, broker_addr: None };
    call.answer(to, |caller, to| caller.body(to, |to| list.write(to)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_set_replaced_and_removed() {
        let mut attributes = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        change_attributes(&mut attributes, "+message.type=FIFO,-a, +b=3").unwrap();
        assert_eq!(attributes, [("b".into(), "3".into()), ("message.type".into(), "FIFO".into())]);
        assert!(change_attributes(&mut attributes, "message.type=FIFO").is_err());
        assert!(change_attributes(&mut attributes, "+message.type").is_err());
    }

    #[test]
    fn an_attribute_that_would_be_ignored_is_refused() {
        let topic = |key: &str, value: &str| entry::TopicConfig {
            attributes: vec![(key.to_owned(), value.to_owned())],
            ..entry::TopicConfig::new("t", 1)
        };
        assert!(supported(&topic("cleanup.policy", "COMPACTION")).is_err());
        assert!(supported(&topic("queue.type", "BatchCQ")).is_err());
        assert!(supported(&topic("long", &"x".repeat(2000))).is_err());
        assert!(supported(&topic("queue.type", "SimpleCQ")).is_ok());
        assert!(supported(&topic("message.type", "TRANSACTION")).is_ok());
    }

    #[test]
    fn a_page_is_cut_out_of_what_there_is() {
        let all = [1, 2, 3];
        let page = |first, max| PageHeader { first, max };
        assert_eq!(cut(&all, page(0, None)), all);
        assert_eq!(cut(&all, page(1, Some(1))), [2]);
        assert_eq!(cut(&all, page(2, Some(9))), [3]);
        assert_eq!(cut(&all, page(9, Some(9))), []);
        assert_eq!(cut(&all, page(-1, Some(-1))), all);
    }
}
