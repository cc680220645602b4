//! A client's life: 34, 35, 38, and the check of a filter expression before it, 46.

use broker::io::{Answer, ConsumeFrom, ConsumerData, Heartbeat, MessageModel, Refusal, Request, Subscription};
use protocol::Word;
use protocol::request::heartbeat::{self, CheckClientConfig, EXPRESSION_TYPE_TAG, HeartbeatData};
use protocol::request::session::{ConsumerGroupHeader, ConsumerIdList, UnregisterHeader};

use super::mismatch;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// 34. The answer offers no heartbeats without subscriptions (V2), so every one is whole, and always right.
pub(crate) fn beat(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let data = HeartbeatData::decode(call.body)?;
    if data.without_sub {
        let text = "heartbeats without subscriptions (V2) are not supported; send whole ones";
        return Err(Refusal::NotSupported(text.into()).into());
    }
    let session = call.caller.session;
    if let Some(peer) = desk.peers.get_mut(&session) {
        peer.language = call.language;
    }
    let beat = Heartbeat {
        client: &data.client_id,
        language: call.language.name(),
        version: call.version,
        // C++ sends groups without a name for what it does not use.
        producers: data.producer_groups.iter().map(String::as_str).filter(|group| !group.is_empty()).collect(),
        consumers: data.consumers.into_iter().map(consumer).collect(),
    };
    env.ask(session, call.reply(), Request::Heartbeat(beat));
    Ok(())
}

fn consumer(data: heartbeat::ConsumerData) -> ConsumerData {
    let subscription = |data: heartbeat::SubscriptionData| Subscription {
        topic: data.topic,
        expression: data.sub_string,
        expression_type: data.expression_type,
        version: data.sub_version,
    };
    ConsumerData {
        group: data.group_name,
        consume_type: data.consume_type.name(),
        model: match data.message_model {
            heartbeat::MessageModel::Broadcasting => MessageModel::Broadcasting,
            heartbeat::MessageModel::Clustering => MessageModel::Clustering,
        },
        from: ConsumeFrom(data.consume_from_where.name()),
        subscriptions: data.subscriptions.into_iter().map(subscription).collect(),
    }
}

pub(crate) fn unregister(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = UnregisterHeader::decode(&call.fields)?;
    let request = Request::Unregister {
        client: header.client_id,
        producer_group: header.producer_group,
        consumer_group: header.consumer_group,
    };
    env.ask(call.caller.session, call.reply(), request);
    Ok(())
}

pub(crate) fn members(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let header = ConsumerGroupHeader::decode(&call.fields)?;
    env.ask(call.caller.session, call.reply(), Request::ConsumerList { group: header.consumer_group });
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    match answer {
        Answer::Done => caller.done(to),
        Answer::Clients(clients) => {
            let list = ConsumerIdList { consumer_ids: clients.iter().map(ToString::to_string).collect() };
            caller.body(to, |to| list.write(to));
        }
        Answer::Refused(refusal) => caller.refused(to, &refusal),
        other => mismatch(caller, &other),
    }
}

/// 46: clients ask before they subscribe by anything but tags, and do not start when it is refused.
pub(crate) fn check_config(_: &mut Desk, _: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let config = CheckClientConfig::decode(call.body)?;
    let kind = &config.subscription.expression_type;
    if kind != EXPRESSION_TYPE_TAG {
        let text = format!("filters of type {kind} are not supported; subscribe by tag");
        return Err(Refusal::NotSupported(text).into());
    }
    call.answer(to, Caller::done);
    Ok(())
}
