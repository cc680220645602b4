//! Values in namespaces of the name server: 100, 101, 102, 219. The broker's log keeps them.

use broker::io::{Answer, Refusal, Request};
use protocol::codes::ResponseCode;
use protocol::request::kv::{KvAnswer, KvKey, KvTable, NamespaceHeader, PutKv};

use super::done_or_refused;
use crate::caller::{Call, Caller, Fault};
use crate::desk::Desk;
use crate::door::Env;

/// Longest text the log keeps, in bytes.
const TEXT_LEN_MAX: usize = 65_535;

pub(crate) fn put(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, _: &mut Vec<u8>) -> Result<(), Fault> {
    let PutKv { namespace, key, value } = PutKv::decode(&call.fields)?;
    if [namespace, key, value].into_iter().any(|text| text.len() > TEXT_LEN_MAX) {
        let text = format!("namespace, key and value may have {TEXT_LEN_MAX} bytes each");
        return Err(Refusal::InvalidParameter(text).into());
    }
    env.ask(call.caller.session, call.reply(), Request::PutKeyValue { namespace, key, value: Some(value) });
    Ok(())
}

/// Deleting what is not there changes nothing, so it is not logged either.
pub(crate) fn delete(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let KvKey { namespace, key } = KvKey::decode(&call.fields)?;
    if env.names.key_value(namespace, key).is_none() {
        call.answer(to, Caller::done);
        return Ok(());
    }
    env.ask(call.caller.session, call.reply(), Request::PutKeyValue { namespace, key, value: None });
    Ok(())
}

pub(crate) fn answer(_: &mut Desk, _: &mut Env<'_>, caller: Caller, answer: Answer, to: &mut Vec<u8>) {
    done_or_refused(caller, &answer, to);
}

pub(crate) fn get(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let KvKey { namespace, key } = KvKey::decode(&call.fields)?;
    let value = env.names.key_value(namespace, key).ok_or_else(|| {
        Fault::Code(ResponseCode::QUERY_NOT_FOUND, format!("namespace {namespace:?} has no key {key:?}"))
    })?;
    call.answer(to, |caller, to| caller.fields(to, &KvAnswer { value }.fields()));
    Ok(())
}

pub(crate) fn list(_: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let NamespaceHeader { namespace } = NamespaceHeader::decode(&call.fields)?;
    let table = kv_table(env, namespace)
        .ok_or_else(|| Fault::Code(ResponseCode::QUERY_NOT_FOUND, format!("namespace {namespace:?} has no keys")))?;
    call.answer(to, |caller, to| caller.body(to, |to| table.write(to)));
    Ok(())
}

/// All keys of a namespace; `None` when it has none.
pub(super) fn kv_table(env: &Env<'_>, namespace: &str) -> Option<KvTable> {
    let keys = env.names.namespace(namespace)?;
    Some(KvTable { table: keys.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() })
}
