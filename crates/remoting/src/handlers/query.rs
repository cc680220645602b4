//! Messages by key and by place: 12, 33, and entries of a queue: 321.

use broker::io::{Answer, Pull, Pulled, Request, Subscription, TagFilter};
use message::record::Record;
use message::tags::tags_code;
use message::{CommitLogOffset, Timestamp, names, properties};
use protocol::codes::{RequestCode, ResponseCode};
use protocol::json::{Array, Object};
use protocol::request::heartbeat::EXPRESSION_TYPE_TAG;
use protocol::request::query::{KeyKind, QueryMessageAnswer, QueryMessageHeader, ViewMessageHeader};

use super::groups::subscription_data;
use super::{Note, mismatch};
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// 12.
pub(crate) fn by_key(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = QueryMessageHeader::decode(&call.fields)?;
    let request = Request::QueryMessage {
        topic: header.topic,
        key: header.key,
        max: usize::try_from(header.max_num).unwrap_or(0),
        from: Timestamp::from_millis(header.begin_timestamp),
        to: Timestamp::from_millis(header.end_timestamp),
        unique: header.kind == KeyKind::UniqueKey,
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

/// 33.
pub(crate) fn by_offset(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ViewMessageHeader::decode(&call.fields)?;
    let at = CommitLogOffset::from_signed(header.offset).ok_or_else(|| {
        Fault::Code(ResponseCode::SYSTEM_ERROR, format!("{} is not the offset of a message", header.offset))
    })?;
    env.ask(call.caller.session, call.reply(), Request::ViewMessage { at });
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Found(found) if caller.kind().code == RequestCode::QueryMessage.code() => {
            let fields = QueryMessageAnswer {
                index_last_update_physical_offset: found.log_end.signed(),
                index_last_update_timestamp: found.last_time.millis(),
            };
            caller.fields_and_body(to, &fields.fields(), |to| to.extend_from_slice(&found.records));
        }
        Answer::Found(found) => caller.body(to, |to| to.extend_from_slice(&found.records)),
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

/// Which entries of a queue a tool wants to see.
#[derive(Debug)]
pub(crate) struct QueueEntries {
    /// What the group it names subscribes to.
    subscription: Option<Subscription>,
}

/// 321: the entries are those of the messages a pull finds, so there are as many as one pull gets.
pub(crate) fn queue_entries(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let topic = call.fields.str("topic")?;
    let pull = Pull {
        group: names::TOOLS_GROUP,
        topic,
        queue: call.fields.i32("queueId")?,
        offset: call.fields.i64("index")?,
        max_messages: u32::try_from(call.fields.i32("count")?).unwrap_or(0),
        max_bytes: None,
        commit_offset: None,
        suspend_ms: None,
        subscription: Some("*"),
        sub_version: 0,
        expression_type: EXPRESSION_TYPE_TAG,
    };
    let group = call.fields.opt_str("consumerGroup").and_then(|group| env.broker.consumer_connections(group));
    let subscription = group.and_then(|group| group.subscriptions.into_iter().find(|found| found.topic == topic));
    let reply = desk.notes.keep(call, Note::QueueEntries(QueueEntries { subscription }))?.map(Caller::reply);
    env.ask(call.caller.session, reply, Request::Pull(pull));
    Ok(())
}

pub(crate) fn queue_entries_answer(desk: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::QueueEntries(wanted)) = desk.notes.take(caller) else { return };
    match answer {
        Answer::Pulled(pulled) => caller.body(to, |to| write_entries(&pulled, wanted.subscription.as_ref(), to)),
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

fn write_entries(pulled: &Pulled, subscription: Option<&Subscription>, to: &mut Vec<u8>) {
    let filter = subscription.map(|subscription| TagFilter::parse(&subscription.expression));
    let mut body = Object::begin(to);
    body.int("maxQueueIndex", pulled.max.signed());
    body.int("minQueueIndex", pulled.min.signed());
    let mut entries = Array::begin(body.member("queueData"));
    let mut rest = &pulled.body[..];
    while let Ok(record) = Record::parse(rest) {
        rest = &rest[record.bytes().len()..];
        let code = record.property(properties::TAGS).map_or(0, tags_code);
        let mut entry = Object::begin(entries.item());
        entry.bool("eval", filter.as_ref().is_some_and(|filter| filter.matches(code)));
        entry.int("physicOffset", record.physical_offset().signed());
        entry.int("physicSize", record.bytes().len() as i64);
        entry.int("tagsCode", code);
        entry.end();
    }
    entries.end();
    if let Some(subscription) = subscription {
        subscription_data(subscription).write(body.member("subscriptionData"));
    }
    body.end();
}
