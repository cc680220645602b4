use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use broker::io::{Answer, Input, Output, Outputs, Push, ReadOutcome, ReadRequest, Reply, SessionId, Ticket};
use broker::{Broker, BrokerConfig};
use message::batch::Batch;
use message::entry::TopicConfig;
use message::{CommitLogOffset, Timestamp};
use store::disk::Disk;
use store::index::{Index, IndexBounds};
use store::log::{Log, LogConfig};
use store::reader::SharedBlocks;
use thiserror::Error;

use crate::jobs::Jobs;
use crate::reads;
use crate::retention::{Retention, doubted_until};

/// When something counts as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Durability {
    /// When it is on the disk. Survives a power cut.
    Disk,
    /// When it is written. Survives the end of the process; a power cut takes what was not synced yet.
    Memory,
}

/// Where syncs happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syncing {
    /// Here, or as a job when the disk is slow: see `docs/decisions/0001-thread-layout.md`.
    Adaptive,
    /// Always here: one seed, one history.
    Inline,
}

/// What the engine is told once.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// For the broker.
    pub broker: BrokerConfig,
    /// For the log.
    pub log: LogConfig,
    /// For the index.
    pub index: IndexBounds,
    /// When something counts as stored.
    pub durability: Durability,
    /// Where syncs happen.
    pub syncing: Syncing,
    /// Milliseconds after which written bytes are synced, with [`Durability::Memory`].
    pub memory_sync_ms: i64,
    /// Milliseconds a batch nobody waits for may stay in memory.
    pub lazy_ms: i64,
    /// Bytes of the blocks that reads of several queues share, see [`SharedBlocks`]; [`store::reader::BLOCK_LEN`] unless
    /// the log is short.
    pub read_block_len: usize,
    /// Bytes of log after which a snapshot is made; after four times as many as the last one had, if that is more, but at
    /// most a quarter of [`Retention::size`].
    pub snapshot_every: u64,
    /// Things in the state, see [`broker::state::State::is_larger_than`], up to which the owner writes down the state
    /// itself for a snapshot; a larger one is made anew from the last snapshot and the log, elsewhere.
    pub snapshot_items: usize,
    /// What is kept.
    pub retention: Retention,
}

/// The broker behind a [`Sink`], for what an answer leads to.
#[derive(Debug)]
pub struct Behind<'a> {
    /// The broker.
    pub broker: &'a mut Broker,
    /// What it wants done.
    pub out: &'a mut Outputs,
    /// The time of this turn.
    pub now: Timestamp,
}

/// Where answers and pushes go.
pub trait Sink {
    /// Answers a request. A door whose answer takes several questions asks the next one behind it.
    fn answer(&mut self, behind: Behind<'_>, reply: Reply, answer: Answer);
    /// Tells a client something it did not ask for; false if its connection is gone or does not take it.
    fn push(&mut self, session: SessionId, push: Push) -> bool;
    /// Whether the connection takes more answers now: those who do not read wait with their reads.
    fn takes_more(&self, session: SessionId) -> bool;
    /// Reads of this connection wait because it does not read its answers: nothing more is to be read from it, or again.
    /// Who hands in requests one by one has nothing to pause.
    fn pause(&mut self, _session: SessionId, _paused: bool) {}
    /// A topic was created or changed, for a name server beside the broker to know; as the next two.
    fn topic_changed(&mut self, _topic: TopicConfig) {}
    /// A topic is gone.
    fn topic_gone(&mut self, _topic: &str) {}
    /// A key of the name server's configuration was set or, with `None`, removed.
    fn key_value_changed(&mut self, _namespace: &str, _key: &str, _value: Option<&str>) {}
    /// Something an operator should know.
    fn warn(&mut self, text: String);
}

/// The engine cannot go on: only a restart, which reads the log anew, can.
#[derive(Debug, Error)]
pub enum Fatal {
    /// The log holds something that cannot be applied.
    #[error(
        "the log cannot be applied, so the state is not what the log says: {0}; stop, and run `tandem store verify`"
    )]
    Apply(String),
    /// An entry is longer than a segment.
    #[error(
        "an entry of {len} bytes does not fit into a segment; raise store.segment_size or lower limits.message_size"
    )]
    Batch {
        /// Its length.
        len: u64,
    },
}

/// One broker and its log.
pub struct Engine {
    pub(crate) config: EngineConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) broker: Broker,
    pub(crate) log: Log,
    pub(crate) index: Index,
    pub(crate) out: Outputs,
    /// The batch that is written and waits for its sync.
    pub(crate) written: Option<(CommitLogOffset, Batch)>,
    /// What was proposed at once and is longer than a segment, in parts: to be written one after the other.
    pub(crate) parts: VecDeque<Batch>,
    pub(crate) spare_batch: Batch,
    pub(crate) jobs: Jobs,
    /// What several queues are read from.
    shared: SharedBlocks,
    /// Reads of connections that take no more answers for now.
    parked: BTreeMap<SessionId, VecDeque<(Ticket, ReadRequest)>>,
    pub(crate) lazy_since: Option<Timestamp>,
    pub(crate) synced_at: Timestamp,
    /// The time of the last turn.
    pub(crate) last_turn: Timestamp,
    /// The segment that was written to at the last look.
    pub(crate) newest_segment: CommitLogOffset,
    /// Before this time a segment that is begun is no reason to look which may go.
    pub(crate) begun_not_before: Timestamp,
    /// Records that lie before this are being stored again, so that their segments can go.
    pub(crate) carrying: Option<CommitLogOffset>,
    /// Behind the last of those that were.
    pub(crate) carried_until: CommitLogOffset,
    /// It was said that the log has failed.
    pub(crate) failure_told: bool,
    /// Nothing is too old before this time: the clock may be wrong.
    pub(crate) age_not_before: Timestamp,
    /// With [`Durability::Memory`]: a sync is under way.
    pub(crate) memory_sync_out: bool,
    /// The index is to be saved once what it knows is durable.
    pub(crate) wants_checkpoint: bool,
    list: VecDeque<Output>,
}

impl Engine {
    pub(crate) fn assemble(
        config: EngineConfig,
        disk: Arc<dyn Disk>,
        broker: Broker,
        log: Log,
        index: Index,
        jobs: Jobs,
        now: Timestamp,
    ) -> Self {
        // Downtime is a jump as well: nobody could read while nobody served.
        let age_not_before = doubted_until(now, broker.state().time);
        let shared = SharedBlocks::new(config.read_block_len);
        Engine {
            shared,
            config,
            disk,
            broker,
            log,
            index,
            out: Outputs::new(),
            written: None,
            parts: VecDeque::new(),
            spare_batch: Batch::new(),
            jobs,
            parked: BTreeMap::new(),
            lazy_since: None,
            synced_at: now,
            newest_segment: CommitLogOffset::ZERO,
            begun_not_before: Timestamp::ZERO,
            carrying: None,
            carried_until: CommitLogOffset::ZERO,
            failure_told: false,
            last_turn: now,
            age_not_before,
            memory_sync_out: false,
            wants_checkpoint: false,
            list: VecDeque::new(),
        }
    }

    /// The broker, to ask.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The broker and its outputs, to hand it inputs; [`Engine::settle`] does what comes of them.
    pub fn broker_mut(&mut self) -> (&mut Broker, &mut Outputs) {
        (&mut self.broker, &mut self.out)
    }

    /// The log, to ask.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The index, to ask.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Whether so much is proposed that nothing more should be read from clients before it is written. They wait in
    /// their own buffers then, and nobody is refused.
    pub fn is_full(&self) -> bool {
        self.out.batch.framed_len() >= self.config.broker.limits.batch_bytes / 2
    }

    /// Hands the broker one input.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        let gone = match &input {
            Input::Gone(session) => self.parked.remove(session),
            _ => None,
        };
        self.broker.handle(now, input, &mut self.out);
        // Nobody waits for them any more, but the broker still keeps what they were for.
        for (ticket, _) in gone.into_iter().flatten() {
            self.give_up(now, ticket);
        }
    }

    /// Before the inputs of a turn: how much may be stored, and what is due.
    pub fn begin_turn(&mut self, now: Timestamp) {
        self.doubt_jumps(now);
        // While segments are prepared in time there is always room for more; a full disk leaves what is prepared.
        let room =
            if self.log.disk_full() { self.log.room(self.config.broker.limits.batch_bytes as u64) } else { u64::MAX };
        self.broker.set_room(room);
        if self.broker.next_deadline().is_some_and(|due| due <= now) {
            self.broker.handle(now, Input::Tick, &mut self.out);
        }
    }

    /// When [`Engine::begin_turn`] is wanted next, if nothing else happens.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let lazy = self.lazy_since.map(|since| since.plus_ms(self.config.lazy_ms));
        let unsynced = self.config.durability == Durability::Memory
            && self.log.synced() < self.log.written()
            && self.log.poisoned().is_none()
            && !self.memory_sync_out;
        let memory = unsynced.then(|| self.synced_at.plus_ms(self.config.memory_sync_ms));
        [self.broker.next_deadline(), lazy, memory, self.jobs.next_deadline(now)].into_iter().flatten().min()
    }

    /// Does what came of the inputs: reads, commits, answers; until nothing is left to do for now.
    ///
    /// # Errors
    /// See [`Fatal`]: the engine must not be used any more.
    pub fn settle(&mut self, now: Timestamp, sink: &mut dyn Sink) -> Result<(), Fatal> {
        self.resume_parked(now, sink)?;
        loop {
            self.drain(now, sink)?;
            self.broker.end_turn(&mut self.out);
            if !self.commit(now, sink)? {
                break;
            }
        }
        if self.config.durability == Durability::Memory {
            self.sync_memory(now, sink);
        }
        Ok(())
    }

    fn drain(&mut self, now: Timestamp, sink: &mut dyn Sink) -> Result<(), Fatal> {
        let mut list = std::mem::take(&mut self.list);
        list.extend(self.out.list.drain(..));
        while let Some(output) = list.pop_front() {
            self.do_output(now, output, sink)?;
            // What this led to comes before what stands behind it: a pull is read when the answers to those before it
            // are in the send buffer, so that a full one is noticed.
            for led_to in self.out.list.drain(..).rev() {
                list.push_front(led_to);
            }
        }
        self.list = list;
        Ok(())
    }

    fn do_output(&mut self, now: Timestamp, output: Output, sink: &mut dyn Sink) -> Result<(), Fatal> {
        match output {
            Output::Answer(reply, answer) => {
                let behind = Behind { broker: &mut self.broker, out: &mut self.out, now };
                sink.answer(behind, reply, answer);
            }
            Output::Push(push, session, what) => {
                let ok = sink.push(session, what);
                self.broker.handle(now, Input::Sent { push, ok }, &mut self.out);
            }
            Output::Read(ticket, request) => {
                match self.broker.reader(ticket) {
                    Some(session) if self.broker.client(session).is_none() => self.give_up(now, ticket),
                    // Behind those that wait already, or it would overtake them.
                    Some(session) if self.parked.contains_key(&session) || !sink.takes_more(session) => {
                        sink.pause(session, true);
                        self.parked.entry(session).or_default().push_back((ticket, request));
                    }
                    _ => self.read(now, ticket, &request),
                }
            }
            Output::TopicChanged(topic) => sink.topic_changed(topic),
            Output::TopicGone(topic) => sink.topic_gone(&topic),
            Output::KeyValueChanged { namespace, key, value } => {
                sink.key_value_changed(&namespace, &key, value.as_deref());
            }
            Output::Warn(text) => sink.warn(text),
            Output::Fatal(why) => return Err(Fatal::Apply(why)),
        }
        Ok(())
    }

    fn read(&mut self, now: Timestamp, ticket: Ticket, request: &ReadRequest) {
        let outcome = reads::execute(&self.log, &self.index, &mut self.shared, request);
        self.broker.handle(now, Input::ReadDone { ticket, outcome }, &mut self.out);
    }

    /// Nobody waits for this read any more, but the broker still keeps what it was for.
    fn give_up(&mut self, now: Timestamp, ticket: Ticket) {
        let outcome = ReadOutcome::Failed("the connection is gone".into());
        self.broker.handle(now, Input::ReadDone { ticket, outcome }, &mut self.out);
    }

    /// Goes on with reads whose connections take answers again.
    fn resume_parked(&mut self, now: Timestamp, sink: &mut dyn Sink) -> Result<(), Fatal> {
        let ready: Vec<SessionId> = self.parked.keys().copied().filter(|session| sink.takes_more(*session)).collect();
        for session in ready {
            let Some(mut reads) = self.parked.remove(&session) else { continue };
            // One after the other: each answer may fill the buffer again.
            while sink.takes_more(session) {
                let Some((ticket, request)) = reads.pop_front() else { break };
                self.read(now, ticket, &request);
                self.drain(now, sink)?;
            }
            match reads.is_empty() {
                true => sink.pause(session, false),
                false => {
                    self.parked.insert(session, reads);
                }
            }
        }
        Ok(())
    }

    /// Whether a read that waited can go on now, for its connection takes answers again.
    pub fn has_ready(&self, takes_more: impl Fn(SessionId) -> bool) -> bool {
        self.parked.keys().any(|session| takes_more(*session))
    }

    /// Whether reads wait for a connection that takes answers again.
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }
}
