use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;
use message::entry::GroupConfig;
use message::{CommitLogOffset, QueueOffset, Timestamp};
use transaction::Checker;

use crate::config::BrokerConfig;
use crate::consumers::Consumers;
use crate::counters::Counters;
use crate::heartbeat::UNHEARD_MS;
use crate::held::HeldPulls;
use crate::io::{
    ClientInfo, ConsumerConnections, Input, Outputs, PushId, ReadOutcome, Reply, Request, SessionId, Ticket,
};
use crate::locks::Locks;
use crate::offsets::OffsetView;
use crate::pending::{Deciding, Pending};
use crate::reads::{Purpose, Reads};
use crate::sessions::Sessions;
use crate::state::State;
use crate::topic_view::TopicViews;
use crate::unique_key::UniqueKeys;
use crate::watch::Watch;

/// The whole machine. See the crate's documentation for how it is driven.
#[derive(Debug)]
pub struct Broker {
    pub(crate) config: BrokerConfig,
    pub(crate) state: State,

    // What the next proposal has to see: the state, and what is on its way to the log.
    pub(crate) topics: TopicViews,
    pub(crate) group_view: BTreeMap<Arc<str>, GroupConfig>,
    pub(crate) offsets: OffsetView,
    pub(crate) next_half: QueueOffset,
    pub(crate) next_scheduled: QueueOffset,
    /// What waits for each proposed entry, oldest first.
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) deciding: HashMap<CommitLogOffset, Deciding>,
    pub(crate) delivering: HashSet<CommitLogOffset>,
    /// Records that are being stored again, by what they are known by.
    pub(crate) carrying: HashSet<CommitLogOffset>,
    /// Bytes of records that are being read, to be stored again: they will be in the batch.
    pub(crate) carry_reads: usize,

    // What a restart forgets.
    pub(crate) sessions: Sessions,
    pub(crate) consumers: Consumers,
    pub(crate) locks: Locks,
    pub(crate) held: HeldPulls,
    pub(crate) checker: Checker,
    pub(crate) check_commands: Vec<transaction::Command>,
    pub(crate) checks_in_flight: HashMap<PushId, (CommitLogOffset, SessionId)>,
    pub(crate) reads: Reads,
    pub(crate) counters: Counters,
    pub(crate) watch: Watch,
    pub(crate) unique_keys: UniqueKeys,
    pub(crate) any_queue: u32,
    pub(crate) next_expiry: Timestamp,
    /// After a delivery failed, the next ones wait until then.
    pub(crate) deliveries_not_before: Timestamp,
    last_push: u64,

    /// The broker's time: that of the last input, never smaller than before or than that of an entry.
    pub(crate) now: Timestamp,
    /// Bytes the log takes for sure.
    pub(crate) room: u64,
    /// Why nothing new is stored, if that is so.
    pub(crate) unavailable: Option<String>,
}

impl Broker {
    /// A broker that goes on from a recovered state at this time.
    pub fn new(config: BrokerConfig, state: State, now: Timestamp) -> Self {
        let now = now.max(state.time);
        let mut checker = Checker::new(config.checks, now);
        checker.restore(&state.ledger, now);
        Broker {
            topics: TopicViews::of(&state.topics),
            group_view: state.groups.clone(),
            offsets: OffsetView::of(&state.offsets),
            next_half: state.next_half,
            next_scheduled: state.next_scheduled,
            pending: VecDeque::new(),
            deciding: HashMap::default(),
            delivering: HashSet::new(),
            carrying: HashSet::new(),
            carry_reads: 0,
            sessions: Sessions::default(),
            consumers: Consumers::default(),
            locks: Locks::default(),
            held: HeldPulls::default(),
            checker,
            check_commands: Vec::new(),
            checks_in_flight: HashMap::default(),
            reads: Reads::default(),
            counters: Counters::default(),
            watch: Watch::default(),
            unique_keys: UniqueKeys::new(config.store_host),
            any_queue: 0,
            next_expiry: now,
            deliveries_not_before: now,
            last_push: 0,
            now,
            room: u64::MAX,
            unavailable: None,
            config,
            state,
        }
    }

    /// Handles one input at a time that is not smaller than that of the input before.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        let gap_ms = now.since_ms(self.now);
        if gap_ms > UNHEARD_MS {
            self.nobody_was_heard_for(gap_ms);
        }
        self.now = self.now.max(now);
        match input {
            Input::Opened { session, peer } => self.sessions.open(session, peer, self.now),
            Input::Request { session, reply, request } => self.request(session, reply, request, out),
            Input::Committed(batch) => self.committed(&batch, out),
            Input::Lost { reason } => self.lost(reason, out),
            Input::Sent { push, ok } => self.push_sent(push, ok, out),
            Input::ReadDone { ticket, outcome } => self.read_done(ticket, outcome, out),
            Input::Gone(session) => self.gone(session, out),
            Input::Tick => {
                self.answer_due_pulls(out);
                self.deliver_due(out);
                self.check_due(out);
                self.expire_sessions(out);
                self.flush_offsets_if_due(out);
            }
        }
    }

    /// To be called when all inputs of a turn are handled and before their proposals go to the log: what can ride along
    /// with them does.
    pub fn end_turn(&mut self, out: &mut Outputs) {
        self.flush_offsets_if_due(out);
    }

    /// When [`Input::Tick`] is wanted next; `None` means not before something else happens.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        [
            self.pull_deadline(),
            self.delivery_deadline(),
            self.checker.next_deadline(),
            self.expiry_deadline(),
            self.offsets_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// How many bytes the log takes for sure: told before the inputs of a turn, so that a full disk refuses new messages
    /// while decisions still find room.
    pub fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// From now on nothing new is stored, and why: the log has failed, or the broker is about to stop.
    pub fn set_unavailable(&mut self, reason: impl Into<String>) {
        self.unavailable = Some(reason.into());
    }

    /// The durable state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it was told at the start.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// What happened since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Proposals that are not committed yet.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Pulls that wait for messages.
    pub fn held_pulls(&self) -> usize {
        self.held.len()
    }

    /// Who waits for the answer that a read leads to, if anybody does: one who takes no answers waits with the read.
    pub fn reader(&self, ticket: Ticket) -> Option<SessionId> {
        self.reads.reader(ticket).map(|reply| reply.session)
    }

    /// Connected members of a producer group.
    pub fn producers(&self, group: &str) -> Vec<ClientInfo> {
        self.sessions.producers(group).filter_map(|session| self.sessions.info(session)).collect()
    }

    /// Producer groups with a connected member.
    pub fn producer_groups(&self) -> Vec<Arc<str>> {
        self.sessions.producer_groups().cloned().collect()
    }

    /// A connected client.
    pub fn client(&self, session: SessionId) -> Option<ClientInfo> {
        self.sessions.info(session)
    }

    /// Connected members of a consumer group, `None` when there is none.
    pub fn consumer_connections(&self, group: &str) -> Option<ConsumerConnections> {
        let found = self.consumers.get(group)?;
        Some(ConsumerConnections {
            clients: found.members.values().filter_map(|member| self.sessions.info(member.session)).collect(),
            subscriptions: found.subscriptions.values().cloned().collect(),
            consume_type: found.consume_type,
            broadcasting: found.model == crate::io::MessageModel::Broadcasting,
            from: found.from,
        })
    }

    /// Consumer groups, and what is set for each, including what is on its way to the log.
    pub fn groups(&self) -> impl Iterator<Item = &GroupConfig> {
        self.group_view.values()
    }

    /// Groups that consume a topic: those that subscribe to it and those that have offsets for it.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<Arc<str>> {
        let mut groups: Vec<Arc<str>> = self.offsets.groups(topic).cloned().collect();
        let subscribed = self.consumers.iter().filter(|(_, group)| group.subscriptions.contains_key(topic));
        groups.extend(subscribed.map(|(name, _)| name.clone()));
        groups.sort();
        groups.dedup();
        groups
    }

    /// Offsets as they were told last: group, topic, queues.
    pub fn all_offsets(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &BTreeMap<u32, QueueOffset>)> {
        self.offsets.iter()
    }

    fn request(&mut self, session: SessionId, reply: Option<Reply>, request: Request<'_>, out: &mut Outputs) {
        match request {
            Request::Send(send) => self.send(session, reply, &send, out),
            Request::SendBatch(batch) => self.send_batch(reply, &batch, out),
            Request::End(end) => self.end(session, reply, &end, out),
            Request::SendBack(back) => self.send_back(reply, &back, out),
            Request::Heartbeat(beat) => self.heartbeat(session, reply, &beat, out),
            Request::Unregister { client, producer_group, consumer_group } => {
                self.unregister(session, reply, client, producer_group, consumer_group, out);
            }
            Request::Lock(lock) => self.lock(reply, &lock, out),
            Request::Unlock(lock) => self.unlock(reply, &lock, out),
            Request::UpdateOffset { group, topic, queue, offset } => {
                self.update_offset(reply, group, topic, queue, offset, out);
            }
            Request::ResetOffset { group, topic, time, force, queue, offset } => {
                self.reset_offset(reply, group, topic, time, force, queue, offset, out);
            }
            Request::PutTopic(config) => self.put_topic(reply, config, out),
            Request::DeleteTopic { topic, force, who } => self.delete_topic(reply, topic, force, who, out),
            Request::PutGroup(config) => self.put_group(reply, config, out),
            Request::DeleteGroup { group, offsets } => self.delete_group(reply, group, offsets, out),
            Request::PutKeyValue { namespace, key, value } => self.put_key_value(reply, namespace, key, value, out),
            Request::Resolve(resolve) => self.resolve(reply, &resolve, out),
            question => {
                // Nothing but an answer comes of a question, so one that wants none is not worth asking.
                if let Some(reply) = reply {
                    self.question(reply, question, out);
                }
            }
        }
    }

    fn question(&mut self, reply: Reply, request: Request<'_>, out: &mut Outputs) {
        match request {
            Request::Pull(pull) => self.pull(reply, &pull, out),
            Request::ConsumerList { group } => self.consumer_list(reply, group, out),
            Request::QueryOffset { group, topic, queue, zero_if_absent } => {
                self.query_offset(reply, group, topic, queue, zero_if_absent, out);
            }
            Request::QueueBounds { topic, queue } => self.queue_bounds(reply, topic, queue, out),
            Request::SearchOffset { topic, queue, time, bound } => {
                self.search_offset(reply, topic, queue, time, bound, out);
            }
            Request::ViewMessage { at } => self.view_message(reply, at, out),
            Request::QueryMessage { topic, key, max, from, to, unique: _ } => {
                self.query_message(reply, topic, key, max, from, to, out);
            }
            Request::TopicStats { topic } => self.topic_stats(reply, topic, out),
            Request::ConsumeStats { group, topic } => self.consume_stats(reply, group, topic, out),
            Request::ListTransactions(filter) => self.list_transactions(reply, &filter, out),
            Request::ShowTransaction { id } => self.show_transaction(reply, id, out),
            Request::WatchTransactions { from } => self.watch_transactions(reply, from, out),
            other => unreachable!("{other:?} is handled as an order, not as a question"),
        }
    }

    /// Appends an entry to the proposals of this turn.
    pub(crate) fn propose(
        &mut self,
        out: &mut Outputs,
        pending: Pending,
        urgent: bool,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        out.batch.set_time(self.now);
        out.batch.push(write);
        out.urgent |= urgent;
        self.pending.push_back(pending);
    }

    pub(crate) fn next_push(&mut self) -> PushId {
        self.last_push += 1;
        PushId(self.last_push)
    }

    fn read_done(&mut self, ticket: Ticket, outcome: ReadOutcome, out: &mut Outputs) {
        let Some(purpose) = self.reads.end(ticket) else { return };
        match purpose {
            Purpose::Pull { pull, hold } => self.pulled(pull, hold, outcome, out),
            Purpose::QueryOffset(reply) => self.offset_queried(reply, outcome, out),
            Purpose::Reset(work) => self.reset_read(*work, outcome, out),
            Purpose::SendBack(work) => self.sent_back(*work, outcome, out),
            Purpose::Settle(work) => self.settled_by_read(*work, outcome, out),
            Purpose::Decide(work) => self.decide_carried(*work, outcome, out),
            Purpose::Deliver(source, len) => self.deliver_carried(source, len, outcome, out),
            Purpose::Check { half, session } => self.check_read(half, session, outcome, out),
            Purpose::HalfView(work) => self.view_read(*work, outcome, out),
            Purpose::Carry(source, len) => self.carry(source, len, outcome, out),
            Purpose::ListByKey(work) => self.list_by_key(&work, outcome, out),
            Purpose::ShowByOffset { reply, key } => self.shown_by_offset(reply, key, outcome, out),
            Purpose::Show(reply) => self.shown(reply, outcome, out),
            lookup => self.looked_up(lookup, outcome, out),
        }
    }
}
