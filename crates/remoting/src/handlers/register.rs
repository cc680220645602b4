//! Other brokers that tell the name server about themselves: 103, 104, 322, 901, 904.

use message::entry;
use nameserver::{RegisterError, Registration, TableVersion};
use protocol::DataVersion;
use protocol::codes::ResponseCode;
use protocol::json::{Object, write_string};
use protocol::request::kv::ORDER_TOPIC_CONFIG;
use protocol::request::register::{
    BrokerHeartbeatHeader, BrokerIdentity, DataVersionAnswer, RegisterBrokerAnswer, RegisterBrokerBody,
    RegisterBrokerHeader,
};
use protocol::request::topics::TopicConfig;

use super::key_values::kv_table;
use super::topics::from_wire;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

impl From<RegisterError> for Fault {
    fn from(error: RegisterError) -> Self {
        Fault::Code(ResponseCode::SYSTEM_ERROR, error.to_string())
    }
}

pub(crate) fn register(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = RegisterBrokerHeader::decode(&call.fields)?;
    let body = RegisterBrokerBody::decode(&header, call.body)?;
    let broker = header.broker;
    let registration = Registration {
        cluster: broker.cluster_name,
        name: broker.broker_name,
        id: broker.broker_id,
        address: broker.broker_addr,
        timeout_ms: header.heartbeat_timeout_ms,
        topics: body.topics.into_iter().map(routed).collect::<Result<_, _>>()?,
        version: table_version(&body.data_version),
    };
    let master = env.names.register(registration, env.now)?;
    // Only replicas are told where their master is. Where it hands out its log is not known here.
    let master = master.filter(|_| broker.broker_id != 0);
    let answer = RegisterBrokerAnswer { ha_server_addr: None, master_addr: master.as_deref() };
    let table = kv_table(env, ORDER_TOPIC_CONFIG).unwrap_or_default();
    call.answer(to, |caller, to| caller.fields_and_body(to, &answer.fields(), |to| table.write(to)));
    Ok(())
}

/// What a route needs of a topic.
fn routed(topic: TopicConfig) -> Result<entry::TopicConfig, Fault> {
    let mut topic = from_wire(topic)?;
    topic.attributes = Vec::new();
    Ok(topic)
}

fn table_version(version: &DataVersion) -> TableVersion {
    TableVersion { counter: version.counter, state_version: version.state_version, timestamp: version.timestamp }
}

/// A version as bodies have it.
pub(super) fn data_version_of(version: TableVersion) -> DataVersion {
    DataVersion { counter: version.counter, state_version: version.state_version, timestamp: version.timestamp }
}

pub(crate) fn unregister(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let broker = BrokerIdentity::decode(&call.fields)?;
    env.names.unregister(broker.broker_name, broker.broker_id, broker.broker_addr);
    call.answer(to, Caller::done);
    Ok(())
}

/// 904. A broker that is not registered learns so from 322, and registers again within 30 s anyway.
pub(crate) fn heartbeat(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let beat = BrokerHeartbeatHeader::decode(&call.fields)?;
    env.names.heartbeat(beat.broker_name, beat.broker_addr, beat.heartbeat_timeout_ms, env.now);
    call.answer(to, Caller::done);
    Ok(())
}

pub(crate) fn data_version(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let broker = BrokerIdentity::decode(&call.fields)?;
    let said = table_version(&DataVersion::decode(call.body)?);
    let known = env.names.table_version(broker.broker_name, broker.broker_addr, env.now);
    let answer = DataVersionAnswer { changed: known != Some(said) };
    call.answer(to, |caller, to| {
        caller.fields_and_body(to, &answer.fields(), |to| {
            if let Some(known) = known {
                data_version_of(known).write(to);
            }
        });
    });
    Ok(())
}

pub(crate) fn member_group(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (cluster, name) = (call.fields.str("clusterName")?, call.fields.str("brokerName")?);
    let broker = env.names.broker(name).filter(|broker| broker.cluster == cluster);
    call.answer(to, |caller, to| {
        caller.body(to, |to| {
            let mut body = Object::begin(to);
            let mut group = Object::begin(body.member("brokerMemberGroup"));
            let mut addresses = Object::begin(group.member("brokerAddrs"));
            for (id, address) in broker.iter().flat_map(|broker| &broker.addresses) {
                write_string(addresses.unquoted_member(*id), address);
            }
            addresses.end();
            group.string("brokerName", name);
            group.string("cluster", cluster);
            group.end();
            body.end();
        });
    });
    Ok(())
}
