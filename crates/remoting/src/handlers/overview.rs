//! What each topic and group has counted: our own 7006.

use std::collections::{BTreeMap, HashMap};

use message::names::is_system_group;

use crate::caller::{Call, Fault};
use crate::desk::Desk;
use crate::door::Env;
use crate::own::{GroupLoad, LISTED_MAX, Overview, TopicLoad};

pub(crate) fn handle(desk: &mut Desk, env: &mut Env<'_>, call: &Call<'_>, to: &mut Vec<u8>) -> Result<(), Fault> {
    let overview = overview(desk, env);
    call.answer(to, |caller, to| caller.body(to, |to| overview.write(to)));
    Ok(())
}

fn overview(desk: &Desk, env: &Env<'_>) -> Overview {
    let (broker, facts) = (&*env.broker, env.facts);
    let (state, counters) = (broker.state(), broker.counters());
    let counts = state.ledger.counts();
    Overview {
        now: env.now,
        started: facts.started,
        version: facts.version.clone(),
        connections: desk.peers.len() as u64,
        stored: counters.stored.messages,
        delivered: counters.delivered.messages,
        halves: counters.halves,
        committed: counters.committed,
        rolled_back: counters.rolled_back,
        checks: counters.checks_sent,
        pending: counts.pending as u64,
        set_aside: counts.set_aside as u64,
        oldest_pending: broker.oldest_pending(),
        topic_count: state.topics.len() as u64,
        group_count: broker.groups().count() as u64,
        topics: topics(env),
        groups: groups(env),
    }
}

/// Topics that were used since the start, or have transactions open.
fn topics(env: &Env<'_>) -> Vec<TopicLoad> {
    let (state, counters) = (env.broker.state(), env.broker.counters());
    let mut loads: BTreeMap<&str, TopicLoad> = BTreeMap::new();
    for (topic, flow) in &counters.by_topic {
        loads.entry(topic).or_default().stored = flow.messages;
    }
    for ((topic, _), flow) in &counters.by_group {
        loads.entry(topic).or_default().delivered += flow.messages;
    }
    for (topic, counts) in state.ledger.topic_counts() {
        loads.entry(topic).or_default().open = counts.undecided() as u64;
    }
    let named = loads.into_iter().map(|(name, load)| TopicLoad { name: name.to_owned(), ..load });
    named.take(LISTED_MAX).collect()
}

fn groups(env: &Env<'_>) -> Vec<GroupLoad> {
    let (broker, state) = (&*env.broker, env.broker.state());
    let mut lags: HashMap<&str, u64> = HashMap::new();
    for (group, topic, queues) in broker.all_offsets() {
        // Offsets in a topic that is gone stay for a while; nothing can be consumed there.
        let Some(topic) = state.topics.get(topic) else { continue };
        let behind = queues.iter().map(|(queue, offset)| topic.next(*queue).get().saturating_sub(offset.get()));
        *lags.entry(group).or_default() += behind.sum::<u64>();
    }
    let mut delivered: HashMap<&str, u64> = HashMap::new();
    for ((_, group), flow) in &broker.counters().by_group {
        *delivered.entry(group).or_default() += flow.messages;
    }
    let loads = broker.groups().map(|group| GroupLoad {
        name: group.name.clone(),
        members: broker.member_count(&group.name) as u64,
        lag: lags.get(group.name.as_str()).copied().unwrap_or(0),
        delivered: delivered.get(group.name.as_str()).copied().unwrap_or(0),
    });
    let used = loads.filter(|load| !is_system_group(&load.name) || load.members > 0 || lags.contains_key(&*load.name));
    used.take(LISTED_MAX).collect()
}
