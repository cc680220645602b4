//! Numbers about topics and groups: 202, 208, 303, 315, 317.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::Flow;
use broker::io::{Answer, ConsumeStat, Pull, Pulled, QueueRange, Request};
use message::record::Record;
use message::{QueueOffset, Timestamp, names};
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::heartbeat::EXPRESSION_TYPE_TAG;
use protocol::request::stats::{
    BrokerConsumeStats, BrokerStatsData, BrokerStatsItem, ConsumeOffset, ConsumeStats, ConsumeStatsHeader,
    ConsumeTimeSpanHeader, QueueTimeSpan, TopicOffset, TopicStats, ViewStatsHeader, write_consume_time_spans,
};
use protocol::request::topics::TopicHeader;

use super::{Note, mismatch};
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::rates::WINDOWS_MS;

/// Most messages one answer looks up for the time at which a group is.
const LOOKUPS_MAX: usize = 256;

/// 202.
pub(crate) fn topic(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    let reply = desk.notes.keep(call, Note::Topic(header.topic.to_owned()))?.map(Caller::reply);
    env.ask(call.caller.session, reply, Request::TopicStats { topic: header.topic });
    Ok(())
}

pub(crate) fn topic_answer(desk: &mut Desk, env: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::Topic(topic)) = desk.notes.take(caller) else { return };
    match answer {
        Answer::TopicStats(queues) => {
            let flow = env.broker.counters().by_topic.get(topic.as_str()).copied().unwrap_or_default();
            let bounds = |range: &QueueRange| TopicOffset {
                min_offset: range.min.signed(),
                max_offset: range.max.signed(),
                last_update_timestamp: range.last_time.map_or(0, Timestamp::millis),
            };
            let stats = TopicStats {
                offsets: queues.iter().map(|stat| (desk.queue(&topic, stat.queue), bounds(&stat.range))).collect(),
                topic_put_tps: desk.per_second(env, &put_counter(&topic), flow.messages),
            };
            caller.body(to, |to| stats.write(to));
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

/// Where a group is, and what is still being looked up about it.
#[derive(Debug)]
pub(crate) struct Standing {
    group: String,
    /// Only these topics; none means all.
    topics: Vec<String>,
    rows: Vec<Row>,
    lookups_left: usize,
    /// Of the request; those of the lookups name their row.
    opaque: i32,
}

#[derive(Debug)]
struct Row {
    stat: ConsumeStat,
    /// When the last message the group consumed was stored.
    consumed_time: Option<Timestamp>,
    /// When the next message it consumes was.
    next_time: Option<Timestamp>,
}

impl Row {
    /// What is known of a queue without looking at its messages.
    fn of(stat: ConsumeStat) -> Self {
        let (range, at) = (stat.range, offset_of(&stat));
        let consumed_time = range.last_time.filter(|_| at >= range.max && range.max > range.min);
        let next_time = range.first_time.filter(|_| at <= range.min && range.max > range.min);
        Row { stat, consumed_time, next_time }
    }

    /// Is the group somewhere in the middle, where only the messages themselves tell the time?
    fn is_between(&self) -> bool {
        let (range, at) = (self.stat.range, offset_of(&self.stat));
        range.min < at && at < range.max
    }
}

/// Where a group goes on in a queue. One that has stored nothing there begins at the first message at best.
fn offset_of(stat: &ConsumeStat) -> QueueOffset {
    stat.consumed.unwrap_or(stat.range.min)
}

/// 208.
pub(crate) fn consume(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ConsumeStatsHeader::decode(&call.fields)?;
    let topics: Vec<&str> = header.topics().collect();
    ask_standing(desk, env, call, header.consumer_group, &topics)
}

/// 303.
pub(crate) fn time_span(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ConsumeTimeSpanHeader::decode(&call.fields)?;
    ask_standing(desk, env, call, header.group, &[header.topic])
}

fn ask_standing(
    desk: &mut Desk,
    env: &mut Env<'_>,
    call: &Call<'_>,
    group: &str,
    topics: &[&str],
) -> Result<(), Fault> {
    let standing = Standing {
        group: group.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        rows: Vec::new(),
        lookups_left: 0,
        opaque: call.caller.opaque,
    };
    let reply = desk.notes.keep(call, Note::Standing(Box::new(standing)))?.map(Caller::reply);
    let topic = if let [only] = topics { Some(*only) } else { None };
    env.ask(call.caller.session, reply, Request::ConsumeStats { group, topic });
    Ok(())
}

pub(crate) fn consume_answer(desk: &mut Desk, env: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::Standing(standing)) = desk.notes.get_mut(caller) else { return };
    match answer {
        Answer::ConsumeStats(stats) => {
            let wanted = |stat: &ConsumeStat| {
                standing.topics.is_empty() || standing.topics.iter().any(|topic| topic == &*stat.topic)
            };
            standing.rows = stats.into_iter().filter(wanted).map(Row::of).collect();
            look_up(standing, env, caller);
        }
        Answer::Pulled(pulled) => {
            standing.lookups_left -= 1;
            if let Some(row) = standing.rows.get_mut(caller.opaque as usize) {
                take_times(row, &pulled);
            }
        }
        // A message that has expired in the meantime tells no time.
        Answer::Refused(_) if standing.lookups_left > 0 => standing.lookups_left -= 1,
        Answer::Refused(refusal) => {
            desk.notes.take(caller);
            return caller.refused(to, &refusal);
        }
        other => mismatch(caller, &other),
    }
    if standing.lookups_left > 0 {
        return;
    }
    if let Some(Note::Standing(standing)) = desk.notes.take(caller) {
        write_standing(desk, env, Caller { opaque: standing.opaque, ..caller }, &standing, to);
    }
}

/// Reads the message before the group's offset, and the one there, in the queues where only those tell the time.
fn look_up(standing: &mut Standing, env: &mut Env<'_>, caller: Caller) {
    let between = standing.rows.iter().enumerate().filter(|(_, row)| row.is_between());
    let wanted: Vec<(usize, Arc<str>, u32, i64)> = between
        .take(LOOKUPS_MAX)
        .map(|(index, row)| (index, row.stat.topic.clone(), row.stat.queue, offset_of(&row.stat).signed() - 1))
        .collect();
    standing.lookups_left = wanted.len();
    for (index, topic, queue, offset) in wanted {
        let pull = Pull {
            group: names::TOOLS_GROUP,
            topic: &topic,
            queue: queue as i32,
            offset,
            max_messages: 2,
            max_bytes: None,
            commit_offset: None,
            suspend_ms: None,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: EXPRESSION_TYPE_TAG,
        };
        let reply = Caller { opaque: index as i32, ..caller }.reply();
        env.ask(caller.session, Some(reply), Request::Pull(pull));
    }
}

fn take_times(row: &mut Row, pulled: &Pulled) {
    let at = offset_of(&row.stat);
    let mut rest = &pulled.body[..];
    while let Ok(record) = Record::parse(rest) {
        rest = &rest[record.bytes().len()..];
        match record.queue_offset() {
            offset if offset == at => row.next_time = Some(record.store_timestamp()),
            offset if offset.plus(1) == at => row.consumed_time = Some(record.store_timestamp()),
            _ => {}
        }
    }
}

fn write_standing(desk: &mut Desk, env: &Env<'_>, caller: Caller, standing: &Standing, to: &mut Vec<u8>) {
    let millis = |time: Option<Timestamp>, none: i64| time.map_or(none, Timestamp::millis);
    if caller.kind().code == RequestCode::QueryConsumeTimeSpan.code() {
        let span = |row: &Row| QueueTimeSpan {
            message_queue: desk.queue(&row.stat.topic, row.stat.queue),
            min_timestamp: millis(row.stat.range.first_time, -1),
            max_timestamp: millis(row.stat.range.last_time, -1),
            consume_timestamp: millis(row.consumed_time.or(row.stat.range.first_time), -1),
            delay_time: row.next_time.map_or(0, |time| env.now.since_ms(time).max(0)),
        };
        let spans: Vec<_> = standing.rows.iter().map(span).collect();
        return caller.body(to, |to| write_consume_time_spans(to, &spans));
    }
    let offset = |row: &Row| {
        let consumed = offset_of(&row.stat).signed();
        let offset = ConsumeOffset {
            broker_offset: row.stat.range.max.signed(),
            consumer_offset: consumed,
            pull_offset: consumed,
            last_timestamp: millis(row.consumed_time, 0),
        };
        (desk.queue(&row.stat.topic, row.stat.queue), offset)
    };
    let offsets = standing.rows.iter().map(offset).collect();
    let mut topics: Vec<&Arc<str>> = standing.rows.iter().map(|row| &row.stat.topic).collect();
    topics.dedup();
    let flow = |topic: &Arc<str>| flow_of_group(env, topic, &standing.group).messages;
    let delivered = topics.into_iter().map(flow).sum();
    let consume_tps = match delivered {
        // Nor is a group remembered that nobody knows.
        0 => 0.0,
        _ => desk.per_second(env, &format!("got {}", standing.group), delivered),
    };
    let stats = ConsumeStats { offsets, consume_tps };
    caller.body(to, |to| stats.write(to));
}

impl Desk {
    /// What a counter did per second during the last minute.
    fn per_second(&mut self, env: &Env<'_>, name: &str, total: u64) -> f64 {
        self.rates.of(name, total, env.facts.started, env.now, &WINDOWS_MS)[0].per_second
    }
}

fn put_counter(topic: &str) -> String {
    format!("put {topic}")
}

fn flow_of_group(env: &Env<'_>, topic: &Arc<str>, group: &str) -> Flow {
    env.broker.counters().by_group.get(&(topic.clone(), group.to_owned())).copied().unwrap_or_default()
}

/// 317: all groups, from memory alone, so without the time at which each is.
pub(crate) fn all_groups(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let only_order = call.fields.opt_bool("isOrder")?.unwrap_or(false);
    let mut groups: BTreeMap<&Arc<str>, Vec<ConsumeStats>> = BTreeMap::new();
    let mut total_diff = 0;
    for (group, name, queues) in env.broker.all_offsets() {
        let Some(topic) = env.broker.state().topics.get(name).filter(|topic| !only_order || topic.config.order) else {
            continue;
        };
        let offset = |(queue, consumed): (&u32, &QueueOffset)| {
            let (end, consumed) = (topic.next(*queue).signed(), consumed.signed());
            total_diff += (end - consumed).max(0);
            let offset = ConsumeOffset {
                broker_offset: end,
                consumer_offset: consumed,
                pull_offset: consumed,
                last_timestamp: 0,
            };
            (desk.queue(name, *queue), offset)
        };
        let stats = ConsumeStats { offsets: queues.iter().map(offset).collect(), consume_tps: 0.0 };
        groups.entry(group).or_default().push(stats);
    }
    let body = BrokerConsumeStats {
        broker_addr: desk.store_host.to_string(),
        groups: groups.into_iter().map(|(group, topics)| (group.to_string(), topics)).collect(),
        total_diff,
        total_inflight_diff: 0,
    };
    call.answer(to, |caller, to| caller.body(to, |to| body.write(to)));
    Ok(())
}

/// 315.
pub(crate) fn view(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ViewStatsHeader::decode(&call.fields)?;
    let (name, key) = (header.stats_name, header.stats_key);
    let counters = env.broker.counters();
    let flow = match name {
        "TOPIC_PUT_NUMS" | "TOPIC_PUT_SIZE" => counters.by_topic.get(key).copied(),
        "GROUP_GET_NUMS" | "GROUP_GET_SIZE" => key
            .split_once('@')
            .and_then(|(topic, group)| counters.by_group.get(&(Arc::from(topic), group.to_owned())).copied()),
        "BROKER_PUT_NUMS" => Some(counters.stored),
        "BROKER_GET_NUMS" => Some(counters.delivered),
        _ => None,
    };
    let flow = flow.ok_or_else(|| {
        let text = format!("statistic {name} of {key:?} does not exist: nothing was counted since the start");
        Fault::Code(ResponseCode::SYSTEM_ERROR, text)
    })?;
    let bytes = name.ends_with("_SIZE");
    let total = if bytes { flow.bytes } else { flow.messages };
    let average = if bytes { flow.bytes as f64 / flow.messages.max(1) as f64 } else { 1.0 };
    let counter = match name {
        "TOPIC_PUT_NUMS" => put_counter(key),
        // Of the broker as a whole, whatever the key.
        _ if name.starts_with("BROKER_") => name.to_owned(),
        _ => format!("{name} {key}"),
    };
    let rates = desk.rates.of(&counter, total, env.facts.started, env.now, &WINDOWS_MS);
    let [minute, hour, day] = rates.map(|rate| BrokerStatsItem {
        sum: i64::try_from(rate.sum).unwrap_or(i64::MAX),
        tps: rate.per_second,
        avgpt: if rate.sum > 0 { average } else { 0.0 },
    });
    call.answer(to, |caller, to| caller.body(to, |to| BrokerStatsData { minute, hour, day }.write(to)));
    Ok(())
}
