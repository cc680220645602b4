//! Where topics are, and which there are: 105, 106, 205, 206, 216, 217, 224, 304, 311, 312, 313, 327.

use message::entry;
use nameserver::{BrokerAddresses, Route, RouteQueues, UnitTopics};
use protocol::codes::{RequestCode, ResponseCode};
use protocol::request::route::{BrokerData, ClusterInfo, IdStyle, QueueData, RouteHeader, TopicRouteData};
use protocol::request::topic_list::{ClusterHeader, TopicList};
use protocol::request::topics::TopicHeader;

use crate::caller::{Call, Caller, Fault, natural};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn route(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = RouteHeader::decode(&call.fields)?;
    let route = env.names.route(header.topic).ok_or_else(|| {
        // 17 is no error to a producer: it then asks for the route of TBW102, and its first send makes the topic.
        Fault::Code(ResponseCode::TOPIC_NOT_EXIST, format!("no broker has a topic {:?}", header.topic))
    })?;
    let style = IdStyle::for_client(call.version, header.accept_standard_json_only);
    call.answer(to, |caller, to| caller.body(to, |to| route_data(route).write(to, style)));
    Ok(())
}

fn route_data(route: Route) -> TopicRouteData {
    TopicRouteData {
        brokers: route.brokers.into_iter().map(broker_data).collect(),
        queues: route.queues.into_iter().map(queue_data).collect(),
        order_topic_conf: route.order_conf,
    }
}

fn broker_data(broker: BrokerAddresses) -> BrokerData {
    BrokerData { cluster: broker.cluster, broker_name: broker.name, addresses: broker.addresses }
}

fn queue_data(queues: RouteQueues) -> QueueData {
    QueueData {
        broker_name: queues.broker,
        read_queue_nums: queues.read_queues as i32,
        write_queue_nums: queues.write_queues as i32,
        perm: i32::from(queues.perm),
        topic_sys_flag: queues.sys_flag,
    }
}

pub(crate) fn clusters(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let brokers = env.names.brokers().into_iter().map(broker_data).collect();
    let info = ClusterInfo { clusters: env.names.clusters(), brokers };
    call.answer(to, |caller, to| caller.body(to, |to| info.write(to)));
    Ok(())
}

fn list(call: &Call<'_>, to: &mut Vec<u8>, topics: Vec<String>) -> Result<(), Fault> {
    let list = TopicList { topics, broker_addr: None };
    call.answer(to, |caller, to| caller.body(to, |to| list.write(to)));
    Ok(())
}

pub(crate) fn topics(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    list(call, to, env.names.topics())
}

pub(crate) fn topics_of_cluster(
    _: &mut Desk,
    env: &mut Env<'_>,
    call: &Call<'_>,
    to: &mut Vec<u8>,
) -> Result<(), Fault> {
    let header = ClusterHeader::decode(&call.fields)?;
    list(call, to, env.names.topics_of_cluster(header.cluster))
}

/// 311, 312, 313.
pub(crate) fn unit_topics(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let code = call.caller.kind().code;
    let which = match code {
        _ if code == RequestCode::GetUnitTopicList.code() => UnitTopics::OfUnits,
        _ if code == RequestCode::GetHasUnitSubTopicList.code() => UnitTopics::Subscribed,
        _ => UnitTopics::SubscribedOnly,
    };
    list(call, to, env.names.unit_topics(which))
}

/// 304, with the address of one broker: tools ask that one for its system topics.
pub(crate) fn system_topics(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let address = env.names.brokers().into_iter().next().and_then(|broker| broker.addresses.into_iter().next());
    let list = TopicList { topics: env.names.system_topics(), broker_addr: address.map(|(_, address)| address) };
    call.answer(to, |caller, to| caller.body(to, |to| list.write(to)));
    Ok(())
}

pub(crate) fn wipe_write_perm(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let changed = env.names.allow_writing(call.fields.str("brokerName")?, false);
    call.answer(to, |caller, to| caller.fields(to, &[("wipeTopicCount", (changed as i64).into())]));
    Ok(())
}

pub(crate) fn add_write_perm(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let changed = env.names.allow_writing(call.fields.str("brokerName")?, true);
    call.answer(to, |caller, to| caller.fields(to, &[("addTopicCount", (changed as i64).into())]));
    Ok(())
}

/// 216, which tools send after 215: routes of our own broker have followed that already.
pub(crate) fn forget_topic(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    env.names.forget_topic(header.topic, header.cluster_name);
    call.answer(to, Caller::done);
    Ok(())
}

/// 217. Queues on brokers nobody knows are left out, as are those of our own broker.
pub(crate) fn add_route(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = TopicHeader::decode(&call.fields)?;
    let route = TopicRouteData::decode(call.body)?;
    for queues in route.queues {
        let topic = entry::TopicConfig {
            read_queues: natural("readQueueNums", queues.read_queue_nums)?,
            write_queues: natural("writeQueueNums", queues.write_queue_nums)?,
            perm: super::topics::perm(queues.perm)?,
            sys_flag: queues.topic_sys_flag,
            ..entry::TopicConfig::new(header.topic, 0)
        };
        env.names.add_queues(&queues.broker_name, topic)?;
    }
    call.answer(to, Caller::done);
    Ok(())
}
