//! Who is connected: 203, 204, 328.

use broker::io::{ClientInfo, Refusal};
use protocol::Word;
use protocol::codes::ResponseCode;
use protocol::header::Language;
use protocol::request::connections::{
    Connection, ConsumerConnection, ProducerConnection, ProducerGroupHeader, ProducerInfo, ProducerTable,
};
use protocol::request::heartbeat::{ConsumeFromWhere, ConsumeType, MessageModel};
use protocol::request::session::ConsumerGroupHeader;

use super::groups::subscription_data;
use crate::caller::{Call, Fault};
use crate::desk::Desk;
use crate::door::Env;

fn connection(client: &ClientInfo) -> Connection {
    Connection {
        client_id: client.client.to_string(),
        client_addr: client.peer.to_string(),
        language: Language::from_name(&client.language).unwrap_or(Language::Other),
        version: client.version,
    }
}

/// 203.
pub(crate) fn consumers(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ConsumerGroupHeader::decode(&call.fields)?;
    let group = env.broker.consumer_connections(header.consumer_group);
    let group = group.ok_or_else(|| Refusal::NotOnline(header.consumer_group.to_owned()))?;
    let body = ConsumerConnection {
        connections: group.clients.iter().map(connection).collect(),
        subscriptions: group.subscriptions.iter().map(subscription_data).collect(),
        consume_type: ConsumeType::from_name(group.consume_type).unwrap_or(ConsumeType::ConsumePassively),
        message_model: if group.broadcasting { MessageModel::Broadcasting } else { MessageModel::Clustering },
        consume_from_where: ConsumeFromWhere::from_name(group.from).unwrap_or(ConsumeFromWhere::LastOffset),
    };
    call.answer(to, |caller, to| caller.body(to, |to| body.write(to)));
    Ok(())
}

/// 204.
pub(crate) fn producers(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ProducerGroupHeader::decode(&call.fields)?;
    let connections: Vec<_> = env.broker.producers(header.producer_group).iter().map(connection).collect();
    if connections.is_empty() {
        let text = format!("no member of producer group {:?} is connected", header.producer_group);
        return Err(Fault::Code(ResponseCode::SYSTEM_ERROR, text));
    }
    call.answer(to, |caller, to| caller.body(to, |to| ProducerConnection { connections }.write(to)));
    Ok(())
}

/// 328.
pub(crate) fn all_producers(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let info = |client: &ClientInfo| ProducerInfo {
        connection: connection(client),
        last_update_timestamp: client.last_seen.millis(),
    };
    let groups = env.broker.producer_groups();
    let groups = groups.iter().map(|name| (name.to_string(), env.broker.producers(name).iter().map(info).collect()));
    let table = ProducerTable { groups: groups.collect() };
    call.answer(to, |caller, to| caller.body(to, |to| table.write(to)));
    Ok(())
}
