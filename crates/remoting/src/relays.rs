//! Questions of tools that only a client can answer: sent on to its connection, and its answer back.

use std::collections::HashMap;

use broker::io::SessionId;
use message::Timestamp;
use protocol::codes::{RequestCode, ResponseCode};
use protocol::encode::{Field, FieldValue, RequestHeader, ResponseHeader};
use protocol::header::{Header, Language};

use crate::caller::{Caller, Fault};
use crate::desk::Desk;
use crate::handlers::relay;

/// Milliseconds a client has for its answer.
const ANSWER_MS: i64 = 10_000;
/// Most questions to clients that are not answered yet.
const RELAYS_MAX: usize = 1024;

/// Questions to clients, by connection and correlation id.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    waiting: HashMap<(SessionId, i32), Relay>,
}

#[derive(Debug)]
struct Relay {
    asker: Caller,
    client: String,
    until: Timestamp,
}

/// What a client answered, or why it did not.
pub(crate) struct Outcome<'a> {
    pub code: ResponseCode,
    pub remark: Option<&'a str>,
    pub fields: Vec<Field<'a>>,
    pub body: &'a [u8],
}

impl<'a> Outcome<'a> {
    fn failed(code: ResponseCode, remark: &'a str) -> Self {
        Outcome { code, remark: Some(remark), fields: Vec::new(), body: b"" }
    }

    /// Passes it on as it is.
    pub fn write(&self, asker: Caller, to: &mut Vec<u8>) {
        let header =
            ResponseHeader { code: self.code, opaque: asker.opaque, remark: self.remark, fields: &self.fields };
        header.append(to, self.body);
    }
}

impl Relays {
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting.values().map(|relay| relay.until).min()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remove_where(&mut self, wanted: impl Fn(&(SessionId, i32), &Relay) -> bool) -> Vec<Relay> {
        let keys: Vec<_> = self.waiting.iter().filter(|(key, relay)| wanted(key, relay)).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.waiting.remove(key)).collect()
    }
}

/// Asks a client. Its answer goes to `asker`, through the handler of what that asked.
pub(crate) fn ask(
    desk: &mut Desk,
    asker: Caller,
    now: Timestamp,
    (session, client): (SessionId, &str),
    code: RequestCode,
    fields: &[Field<'_>],
    body: &[u8],
) -> Result<(), Fault> {
    if desk.relays.len() >= RELAYS_MAX {
        let text = format!("{RELAYS_MAX} questions to clients are not answered yet; ask again later");
        return Err(Fault::Code(ResponseCode::SYSTEM_BUSY, text));
    }
    let opaque = desk.next_opaque();
    let relay = Relay { asker, client: client.to_owned(), until: now.plus_ms(ANSWER_MS) };
    desk.relays.waiting.insert((session, opaque), relay);
    let header = RequestHeader { code, language: Language::Java, opaque, oneway: false, remark: None, fields };
    desk.post(session, |to| header.append(to, body));
    Ok(())
}

/// A client answered something. Answers to pushes nobody waits for (326) and answers that come too late are dropped.
pub(crate) fn answered(desk: &mut Desk, session: SessionId, header: &Header<'_>, body: &[u8]) {
    let Some(relay) = desk.relays.waiting.remove(&(session, header.opaque)) else {
        desk.counters.answers_unmatched += 1;
        return;
    };
    let outcome = Outcome {
        code: ResponseCode(header.code),
        remark: header.remark,
        fields: header.fields.iter().map(|(name, value)| (name, FieldValue::Str(value))).collect(),
        body,
    };
    finish(desk, &relay, &outcome);
}

/// Answers those whose client is gone, and forgets what a tool that is gone asked.
pub(crate) fn gone(desk: &mut Desk, session: SessionId) {
    desk.relays.waiting.retain(|_, relay| relay.asker.session != session);
    for relay in desk.relays.remove_where(|(client, _), _| *client == session) {
        let text = format!("client {:?} went away before it answered", relay.client);
        finish(desk, &relay, &Outcome::failed(ResponseCode::CONSUMER_NOT_ONLINE, &text));
    }
}

/// Answers those whose client has taken too long.
pub(crate) fn expire(desk: &mut Desk, now: Timestamp) {
    if desk.relays.waiting.is_empty() {
        return;
    }
    for relay in desk.relays.remove_where(|_, relay| relay.until <= now) {
        let text = format!("client {:?} did not answer within {} s", relay.client, ANSWER_MS / 1000);
        finish(desk, &relay, &Outcome::failed(ResponseCode::CONSUME_MSG_TIMEOUT, &text));
    }
}

fn finish(desk: &mut Desk, relay: &Relay, outcome: &Outcome<'_>) {
    if relay.asker.kind().code == RequestCode::InvokeBrokerToGetConsumerStatus.code() {
        relay::status_told(desk, relay.asker, &relay.client, outcome);
    } else {
        desk.post(relay.asker.session, |to| outcome.write(relay.asker, to));
    }
}
