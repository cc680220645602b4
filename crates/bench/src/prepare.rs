//! Before the load: where the broker is, its topics, and where their queues end.

use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use protocol::codes::RequestCode;
use protocol::encode::{Field, FieldValue};
use protocol::request::route::ClusterInfo;
use protocol::request::topics::{CreateTopicHeader, TopicFilterType};
use remoting::client::{Client, Received};

use crate::options::Options;
use crate::reading::Queue;

/// Longest for one answer, or for [`TOGETHER`] of them.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Questions asked without waiting for the answers in between.
const TOGETHER: usize = 256;

/// Where everything happens.
pub(crate) struct Place {
    pub(crate) broker: SocketAddr,
    pub(crate) topics: Vec<Rc<str>>,
}

/// Finds the broker and makes the topics.
pub(crate) fn prepare(options: &Options) -> anyhow::Result<Place> {
    let topics: Vec<Rc<str>> = (0..options.topics).map(|nr| format!("{}_{nr}", options.topic).into()).collect();
    let address = if options.direct { options.address.clone() } else { find_broker(&options.address)? };
    let mut found = address.to_socket_addrs().with_context(|| format!("{address:?} is no address"))?;
    let broker = found.next().with_context(|| format!("{address:?} has no address"))?;
    if !options.direct {
        make_topics(broker, &topics, options.queues)?;
    }
    Ok(Place { broker, topics })
}

fn find_broker(nameserver: &str) -> anyhow::Result<String> {
    let mut client = Client::connect(nameserver, TIMEOUT)?;
    let answer = client.call(RequestCode::GetBrokerClusterInfo.code(), &[], b"")?;
    succeeded(&answer, "the name server does not say where the broker is")?;
    let cluster = ClusterInfo::decode(&answer.body).context("the name server's answer")?;
    let masters = cluster.brokers.iter().flat_map(|broker| broker.addresses.iter().filter(|(id, _)| *id == 0));
    let mut masters: Vec<&str> = masters.map(|(_, address)| address.as_str()).collect();
    masters.sort_unstable();
    let first = masters.first().with_context(|| format!("{nameserver} knows no broker"))?;
    ensure!(masters.len() == 1, "{nameserver} knows {} brokers; one is measured at a time", masters.len());
    Ok((*first).to_owned())
}

fn make_topics(broker: SocketAddr, topics: &[Rc<str>], queues: u32) -> anyhow::Result<()> {
    let questions: Vec<_> = topics
        .iter()
        .map(|topic| {
            let header = CreateTopicHeader {
                topic,
                read_queue_nums: queues as i32,
                write_queue_nums: queues as i32,
                perm: 6,
                topic_filter_type: TopicFilterType::SingleTag,
                topic_sys_flag: 0,
                order: false,
                attributes: None,
                force: false,
            };
            texts(&header.fields())
        })
        .collect();
    ask_all(broker, RequestCode::UpdateAndCreateTopic, &questions, "a topic cannot be made", |_| Ok(()))
}

/// Where reading begins: at the end of each queue, or, of a backlog, at its beginning.
pub(crate) fn offsets(options: &Options, place: &Place) -> anyhow::Result<Vec<Queue>> {
    if options.groups == 0 {
        return Ok(Vec::new());
    }
    let mut queues: Vec<Queue> = place
        .topics
        .iter()
        .flat_map(|topic| (0..options.queues).map(|queue| Queue { topic: topic.clone(), queue, next: 0 }))
        .collect();
    let code = if options.backlog > 0 { RequestCode::GetMinOffset } else { RequestCode::GetMaxOffset };
    let question = |queue: &Queue| {
        let fields: [Field<'_>; 2] = [("topic", (&*queue.topic).into()), ("queueId", (queue.queue as i32).into())];
        texts(&fields)
    };
    let questions: Vec<_> = queues.iter().map(question).collect();
    let mut queues_left = queues.iter_mut();
    ask_all(place.broker, code, &questions, "the bounds of a queue are not told", |answer| {
        let offset = answer.field("offset").context("an answer without an offset")?;
        queues_left.next().context("more answers than questions")?.next = offset.parse().context("an offset")?;
        Ok(())
    })?;
    drop(queues_left);
    Ok(queues)
}

fn ask_all(
    broker: SocketAddr,
    code: RequestCode,
    questions: &[Vec<(String, String)>],
    complaint: &str,
    mut each: impl FnMut(&Received) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut client = Client::connect(broker, TIMEOUT)?;
    for questions in questions.chunks(TOGETHER) {
        let questions: Vec<Vec<(&str, &str)>> = questions
            .iter()
            .map(|fields| fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
            .collect();
        for answer in client.call_all(code.code(), &questions)? {
            succeeded(&answer, complaint)?;
            each(&answer)?;
        }
    }
    Ok(())
}

fn succeeded(answer: &Received, complaint: &str) -> anyhow::Result<()> {
    let remark = answer.remark.as_deref().unwrap_or("no remark");
    ensure!(answer.is_success(), "{complaint}: code {}, {remark}", answer.code);
    Ok(())
}

fn texts(fields: &[Field<'_>]) -> Vec<(String, String)> {
    let text = |value: &FieldValue<'_>| match value {
        FieldValue::Str(text) => Some((*text).to_owned()),
        FieldValue::Int(number) => Some(number.to_string()),
        FieldValue::Bool(whether) => Some(whether.to_string()),
        FieldValue::Absent => None,
    };
    fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), text(value)?))).collect()
}
