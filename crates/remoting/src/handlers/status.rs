//! What the broker has and counted: our own 7004.

use protocol::json::Object;

use crate::caller::{Call, Fault};
use crate::desk::Desk;
use crate::door::Env;

pub(crate) fn handle(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let (broker, facts) = (&*env.broker, env.facts);
    let (state, counters) = (broker.state(), broker.counters());
    let body = |to: &mut Vec<u8>| {
        let mut body = Object::begin(to);
        body.string("address", &desk.store_host.to_string());
        body.string("broker", &desk.broker_name);
        body.string("cluster", &desk.cluster_name);
        body.int("connections", desk.peers.len() as i64);

        let mut counted = Object::begin(body.member("counters"));
        for (name, value) in [
            ("messagesStored", counters.stored.messages),
            ("bytesStored", counters.stored.bytes),
            ("messagesDelivered", counters.delivered.messages),
            ("bytesDelivered", counters.delivered.bytes),
            ("sentBack", counters.sent_back),
            ("deadLetters", counters.dead_letters),
            ("halves", counters.halves),
            ("halvesRepeated", counters.halves_repeated),
            ("committed", counters.committed),
            ("rolledBack", counters.rolled_back),
            ("decisionsRepeated", counters.decisions_repeated),
            ("decisionsRefused", counters.decisions_refused),
            ("decisionsMismatched", counters.decisions_mismatched),
            ("checksSent", counters.checks_sent),
            ("checksUnknown", counters.checks_unknown),
            ("checksSilent", counters.checks_silent),
            ("setAside", counters.set_aside),
            ("requests", desk.counters.requests),
            ("requestsUnknown", desk.counters.unknown),
            ("requestsMalformed", desk.counters.malformed),
            ("onewayDropped", desk.counters.oneway_dropped),
        ] {
            counted.int(name, i64::try_from(value).unwrap_or(i64::MAX));
        }
        counted.end();

        body.int("diskFree", i64::try_from(facts.disk_free).unwrap_or(i64::MAX));
        body.int("diskSize", i64::try_from(facts.disk_size).unwrap_or(i64::MAX));
        body.int("groups", state.groups.len() as i64);
        body.int("heldPulls", broker.held_pulls() as i64);
        body.int("inFlight", broker.in_flight() as i64);
        body.int("logBegin", facts.log_begin.signed());
        body.int("logEnd", state.applied.signed());
        let mut open = Object::begin(body.member("openTransactions"));
        for (topic, counts) in state.ledger.topic_counts() {
            let mut counted = Object::begin(open.member(topic));
            counted.int("pending", counts.pending as i64);
            counted.int("setAside", counts.set_aside as i64);
            counted.end();
        }
        open.end();
        body.int("scheduled", state.scheduled.len() as i64);
        body.int("startedAt", facts.started.millis());
        body.int("topics", state.topics.len() as i64);
        body.int("undecided", state.ledger.len() as i64);
        body.string("version", &facts.version);
        body.end();
    };
    call.answer(to, |caller, to| caller.body(to, body));
    Ok(())
}
