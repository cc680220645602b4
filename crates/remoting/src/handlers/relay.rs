//! What a tool asks a consumer through the broker: 307, 309, and, of all members of a group, 223.

use broker::io::{Answer, ClientInfo, Refusal, Request, SessionId};
use message::CommitLogOffset;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::encode::Field;
use protocol::identifiers::OffsetMsgId;
use protocol::json::{Object, parse};
use protocol::request::relay::{ConsumeDirectlyHeader, RunningInfoHeader};

use super::{Note, mismatch};
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::relays::{self, Outcome};

/// The member of a group with this id, any member without one.
fn member(env: &Env<'_>, group: &str, client: Option<&str>) -> Result<ClientInfo, Fault> {
    let members = env.broker.consumer_connections(group).ok_or_else(|| Refusal::NotOnline(group.to_owned()))?;
    let found = members.clients.into_iter().find(|member| client.is_none_or(|client| client == &*member.client));
    found.ok_or_else(|| {
        let text = format!("client {:?} of group {group:?} is not connected", client.unwrap_or_default());
        Fault::Code(ResponseCode::CONSUMER_NOT_ONLINE, text)
    })
}

/// 307.
pub(crate) fn running_info(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = RunningInfoHeader::decode(&call.fields)?;
    if call.oneway {
        return Ok(());
    }
    let client = member(env, header.consumer_group, Some(header.client_id))?;
    let to = (client.session, &*client.client);
    relays::ask(desk, call.caller, env.now, to, RequestCode::GetConsumerRunningInfo, &header.fields(), b"")
}

/// A message is being looked up, to be consumed by a client.
#[derive(Debug)]
pub(crate) struct Directly {
    session: SessionId,
    client: String,
    group: String,
    msg_id: String,
    broker_name: Option<String>,
    topic: Option<String>,
    topic_sys_flag: Option<i32>,
    group_sys_flag: Option<i32>,
}

/// 309: the broker fills the message in.
pub(crate) fn consume_directly(
    desk: &mut Desk,
    env: &mut Env<'_>,
    call: &Call<'_>,
    _: &mut Vec<u8>,
) -> Result<(), Fault> {
    let header = ConsumeDirectlyHeader::decode(&call.fields)?;
    let msg_id = header.msg_id.unwrap_or_default();
    let id = OffsetMsgId::decode(msg_id).ok().and_then(|id| CommitLogOffset::from_signed(id.commit_log_offset));
    let at = id.ok_or_else(|| {
        let text = format!("{msg_id:?} is not an offset message id; look the message up by its key first");
        Fault::Code(ResponseCode::SYSTEM_ERROR, text)
    })?;
    let client = member(env, header.consumer_group, header.client_id)?;
    let note = Directly {
        session: client.session,
        client: client.client.to_string(),
        group: header.consumer_group.to_owned(),
        msg_id: msg_id.to_owned(),
        broker_name: header.broker_name.map(str::to_owned),
        topic: header.topic.map(str::to_owned),
        topic_sys_flag: header.topic_sys_flag,
        group_sys_flag: header.group_sys_flag,
    };
    let reply = desk.notes.keep(call, Note::Directly(Box::new(note)))?.map(Caller::reply);
    env.ask(call.caller.session, reply, Request::ViewMessage { at });
    Ok(())
}

pub(crate) fn message_found(desk: &mut Desk, env: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    let Some(Note::Directly(wanted)) = desk.notes.take(caller) else { return };
    let found = match answer {
        Answer::Found(found) => found,
        Answer::Refused(refusal) => return caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    };
    let header = ConsumeDirectlyHeader {
        consumer_group: &wanted.group,
        client_id: Some(&wanted.client),
        msg_id: Some(&wanted.msg_id),
        broker_name: wanted.broker_name.as_deref(),
        topic: wanted.topic.as_deref(),
        topic_sys_flag: wanted.topic_sys_flag,
        group_sys_flag: wanted.group_sys_flag,
    };
    let client = (wanted.session, wanted.client.as_str());
    let code = RequestCode::ConsumeMessageDirectly;
    if let Err(fault) = relays::ask(desk, caller, env.now, client, code, &header.fields(), &found.records) {
        fault.write(caller, to);
    }
}

/// Clients are being asked where they are.
#[derive(Debug)]
pub(crate) struct Status {
    left: usize,
    /// Client id, and its queues with their offsets in JSON.
    tables: Vec<(String, Vec<u8>)>,
}

/// 223: each member is asked (221), and answered is what those say that answer.
pub(crate) fn status(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let (topic, group) = (call.fields.str("topic")?, call.fields.str("group")?);
    let only = call.fields.opt_str("clientAddr");
    let members = env.broker.consumer_connections(group).ok_or_else(|| Refusal::NotOnline(group.to_owned()))?;
    let wanted = |member: &&ClientInfo| only.is_none_or(|only| only == &*member.client);
    let members: Vec<&ClientInfo> = members.clients.iter().filter(wanted).collect();
    if members.is_empty() {
        return Err(Refusal::NotOnline(group.to_owned()).into());
    }
    let note = Note::Status(Status { left: members.len(), tables: Vec::new() });
    let Some(asker) = desk.notes.keep(call, note)? else { return Ok(()) };
    let fields: [Field<'_>; 3] = [("topic", topic.into()), ("group", group.into()), ("clientAddr", only.into())];
    for (asked, member) in members.iter().enumerate() {
        let to = (member.session, &*member.client);
        let code = RequestCode::GetConsumerStatusFromClient;
        if let Err(fault) = relays::ask(desk, asker, env.now, to, code, &fields, b"") {
            if asked == 0 {
                desk.notes.take(asker);
                return Err(fault);
            }
            // Those that were asked are waited for.
            if let Some(Note::Status(status)) = desk.notes.get_mut(asker) {
                status.left = asked;
            }
            break;
        }
    }
    Ok(())
}

/// A client has said where it is, or has not.
pub(crate) fn status_told(desk: &mut Desk, asker: Caller, client: &str, outcome: &Outcome<'_>) {
    let Some(Note::Status(status)) = desk.notes.get_mut(asker) else { return };
    status.left -= 1;
    let body = parse(outcome.body).ok().filter(|_| outcome.code == ResponseCode::SUCCESS);
    if let Some(queues) = body.as_ref().and_then(|body| body.get("messageQueueTable")) {
        let mut table = Vec::new();
        queues.write(&mut table);
        status.tables.push((client.to_owned(), table));
    }
    if status.left > 0 {
        return;
    }
    let Some(Note::Status(status)) = desk.notes.take(asker) else { return };
    desk.post(asker.session, |to| {
        asker.body(to, |to| {
            let mut body = Object::begin(to);
            let mut clients = Object::begin(body.member("consumerTable"));
            for (client, queues) in &status.tables {
                clients.member(client).extend_from_slice(queues);
            }
            clients.end();
            Object::begin(body.member("messageQueueTable")).end();
            body.end();
        });
    });
}
