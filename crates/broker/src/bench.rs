//! A broker on a log in memory, for tests: what it proposes is committed when the test says so.

use std::net::SocketAddr;

use message::batch::{Batch, Sealed};
use message::entry::{Entry, Place, record_distance};
use message::record::{Delivery, Record};
use message::{CommitLogOffset, QueueItem, QueueOffset, Timestamp};

use crate::io::{
    Answer, End, EndOutcome, HalfEntries, Heartbeat, Input, Output, Outputs, Pull, PullStatus, Pulled, Push, PushId,
    QueueRange, ReadOutcome, ReadRequest, Reply, Request, Send, SessionId,
};
use crate::state::State;
use crate::{Broker, BrokerConfig, Limits};

pub(crate) struct Bench {
    pub broker: Broker,
    pub now: Timestamp,
    pub answers: Vec<(u64, Answer)>,
    pub pushes: Vec<(SessionId, Push)>,
    out: Outputs,
    /// The log's bytes; a batch begins at its offset.
    log: Vec<u8>,
    items: Vec<(String, u32, QueueItem)>,
    token: u64,
    session: u64,
}

pub(crate) const START_MS: i64 = 1_700_000_000_000;

pub(crate) fn config() -> BrokerConfig {
    BrokerConfig {
        broker_name: "tandem".into(),
        cluster_name: "DefaultCluster".into(),
        store_host: "127.0.0.1:10911".parse().expect("an address"),
        auto_create_topics: true,
        default_queues: 8,
        auto_create_groups: true,
        retry_max: 16,
        checks: transaction::CheckConfig::default(),
        limits: Limits::default(),
    }
}

pub(crate) fn peer() -> SocketAddr {
    "10.0.0.5:50000".parse().expect("an address")
}

pub(crate) fn send<'a>(topic: &'a str, properties: &'a str, body: &'a [u8]) -> Send<'a> {
    Send {
        group: "producers",
        topic,
        default_topic: "TBW102",
        default_queues: 4,
        queue: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::from_millis(START_MS),
        born_host: peer(),
        flag: 7,
        properties,
        reconsume_times: 0,
        max_reconsume_times: None,
        body,
    }
}

pub(crate) const HALF: &str = "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}K1\u{2}TAGS\u{1}a\u{2}";

impl Bench {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: BrokerConfig) -> Self {
        let mut bench = Self::begun(config);
        bench.settle();
        bench
    }

    /// A new broker whose first proposals are on their way.
    pub fn begun(config: BrokerConfig) -> Self {
        let now = Timestamp::from_millis(START_MS);
        let mut bench = Bench {
            broker: Broker::new(config, State::default(), now),
            now,
            answers: Vec::new(),
            pushes: Vec::new(),
            out: Outputs::new(),
            log: Vec::new(),
            items: Vec::new(),
            token: 0,
            session: 0,
        };
        bench.broker.bootstrap(&mut bench.out);
        bench
    }

    /// The same log after a restart: nothing but what is durable is left.
    pub fn restart(&mut self) {
        let mut state = State::default();
        let mut at = 0;
        while at < self.log.len() {
            let sealed = Sealed::parse(&self.log[at..], CommitLogOffset::new(at as u64)).expect("an intact log");
            at += sealed.bytes().len();
            state.apply_batch(&sealed, |_, _, _, _| {}).expect("our own entries");
        }
        let mut bytes = Vec::new();
        state.encode(&mut bytes);
        let state = State::decode(&bytes).expect("our own snapshot");
        let mut again = Vec::new();
        state.encode(&mut again);
        assert_eq!(bytes, again, "a state that is written and read is the same");
        let mut live = Vec::new();
        self.broker.state().encode(&mut live);
        assert_eq!(bytes, live, "a replay gives the state that applying gave");
        self.broker = Broker::new(self.broker.config().clone(), state, self.now);
        self.out = Outputs::new();
        self.answers.clear();
        self.pushes.clear();
    }

    pub fn open(&mut self) -> SessionId {
        self.session += 1;
        let session = SessionId(self.session);
        self.broker.handle(self.now, Input::Opened { session, peer: peer() }, &mut self.out);
        session
    }

    pub fn producer(&mut self, client: &str, group: &str) -> SessionId {
        let session = self.open();
        let beat = Heartbeat { client, language: "JAVA", version: 513, producers: vec![group], consumers: Vec::new() };
        self.ask(session, Request::Heartbeat(beat));
        session
    }

    pub fn gone(&mut self, session: SessionId) {
        self.broker.handle(self.now, Input::Gone(session), &mut self.out);
        self.settle();
    }

    /// Hands a request over without committing anything.
    pub fn request(&mut self, session: SessionId, request: Request<'_>) -> u64 {
        self.token += 1;
        let reply = Some(Reply { session, token: self.token });
        self.broker.handle(self.now, Input::Request { session, reply, request }, &mut self.out);
        self.token
    }

    /// Hands a request over, commits, and returns its answer, if there is one by now.
    pub fn ask(&mut self, session: SessionId, request: Request<'_>) -> Option<Answer> {
        let token = self.request(session, request);
        self.settle();
        self.take(token)
    }

    pub fn take(&mut self, token: u64) -> Option<Answer> {
        let at = self.answers.iter().position(|(answered, _)| *answered == token)?;
        Some(self.answers.remove(at).1)
    }

    pub fn pass_ms(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
        self.broker.handle(self.now, Input::Tick, &mut self.out);
        self.settle();
    }

    /// Lets time pass in steps, as deadlines ask for it.
    pub fn run_ms(&mut self, ms: i64) {
        let end = self.now.plus_ms(ms);
        loop {
            match self.broker.next_deadline() {
                Some(due) if due <= end => {
                    let ms = due.since_ms(self.now).max(0);
                    self.pass_ms(ms.max(1));
                }
                _ => break,
            }
        }
        self.now = end;
        self.pass_ms(0);
    }

    /// Reads, pushes and commits until nothing is left to do.
    pub fn settle(&mut self) {
        loop {
            self.drain();
            self.broker.end_turn(&mut self.out);
            if self.out.batch.is_empty() {
                return;
            }
            self.commit();
        }
    }

    pub fn drain(&mut self) {
        while !self.out.list.is_empty() {
            for output in std::mem::take(&mut self.out.list) {
                match output {
                    Output::Answer(reply, answer) => self.answers.push((reply.token, answer)),
                    Output::Push(push, session, what) => self.pushed(push, session, what),
                    Output::Read(ticket, request) => {
                        let outcome = self.read(&request);
                        self.broker.handle(self.now, Input::ReadDone { ticket, outcome }, &mut self.out);
                    }
                    Output::Fatal(why) => panic!("{why}"),
                    _ => {}
                }
            }
        }
    }

    fn pushed(&mut self, push: PushId, session: SessionId, what: Push) {
        self.pushes.push((session, what));
        self.broker.handle(self.now, Input::Sent { push, ok: true }, &mut self.out);
    }

    pub fn commit(&mut self) {
        let mut batch = std::mem::replace(&mut self.out.batch, Batch::new());
        self.out.urgent = false;
        let at = CommitLogOffset::new(self.log.len() as u64);
        let bytes = batch.seal(at, at, 0).to_vec();
        self.log.extend_from_slice(&bytes);
        let sealed = Sealed::of(&batch, at);
        for (frame, payload) in sealed.entries() {
            self.index(frame, batch.time(), payload);
        }
        self.broker.handle(self.now, Input::Committed(sealed), &mut self.out);
    }

    /// Loses what is proposed, as a leader that steps down does.
    pub fn lose(&mut self) {
        self.out.batch.clear(0);
        self.broker.handle(self.now, Input::Lost { reason: "lost" }, &mut self.out);
        self.drain();
    }

    fn index(&mut self, at: CommitLogOffset, time: Timestamp, payload: &[u8]) {
        let mut place = |topic: &str, queue: u32, item: QueueItem| {
            let next = self.items.iter().filter(|(t, q, _)| t == topic && *q == queue).count() as u64;
            if item.queue_offset.get() == next {
                self.items.push((topic.to_owned(), queue, item));
            }
        };
        let item = |queue_offset, record_at, record_len, visible_at, tags_code, half| QueueItem {
            queue_offset,
            record_at,
            record_len,
            visible_at,
            visible_time: time,
            tags_code,
            half,
        };
        match Entry::decode(payload).expect("our own entry") {
            Entry::Messages(messages) => {
                let mut rest = messages.records;
                while let Ok(record) = Record::parse(rest) {
                    let record_at = at.plus(record_distance(payload, rest));
                    let len = record.bytes().len();
                    let tags = crate::state::tags_code_of(&record);
                    let new = item(record.queue_offset(), record_at, len as u32, record_at, tags, None);
                    place(record.topic(), record.queue_id(), new);
                    rest = &rest[len..];
                }
            }
            Entry::Decision(decision) => self.index_place(at, payload, &decision.place, Some(decision.half), &item),
            Entry::Deliver(deliver) => {
                let half = deliver.half.then_some(deliver.source);
                self.index_place(at, payload, &deliver.place, half, &item);
            }
            _ => {}
        }
    }

    fn index_place(
        &mut self,
        at: CommitLogOffset,
        payload: &[u8],
        place: &Place<'_>,
        half: Option<CommitLogOffset>,
        item: &dyn Fn(QueueOffset, CommitLogOffset, u32, CommitLogOffset, i32, Option<CommitLogOffset>) -> QueueItem,
    ) {
        match place {
            Place::Link { topic, queue_id, queue_offset, record_at, record_len, tags_code } => {
                let new = item(*queue_offset, *record_at, *record_len, at, *tags_code, half);
                self.items.push(((*topic).to_owned(), *queue_id, new));
            }
            Place::Carry { queue_offset, tags_code, record } => {
                let parsed = Record::parse(record).expect("our own record");
                let record_at = at.plus(record_distance(payload, record));
                let new = item(*queue_offset, record_at, record.len() as u32, at, *tags_code, half);
                self.items.push((parsed.topic().to_owned(), parsed.queue_id(), new));
            }
            Place::Later { .. } | Place::Nowhere => {}
        }
    }

    fn bytes(&self, at: CommitLogOffset, len: usize) -> Vec<u8> {
        self.log[at.get() as usize..at.get() as usize + len].to_vec()
    }

    fn delivered(&self, item: &QueueItem) -> Vec<u8> {
        let mut record = self.bytes(item.record_at, item.record_len as usize);
        Delivery::of(item).patch(&mut record).expect("our own record");
        record
    }

    fn queue<'a>(&'a self, topic: &'a str, queue: u32) -> impl Iterator<Item = &'a QueueItem> {
        self.items.iter().filter(move |(t, q, _)| t == topic && *q == queue).map(|(_, _, item)| item)
    }

    fn entries(&self) -> Vec<(CommitLogOffset, Timestamp, Vec<u8>)> {
        let (mut entries, mut at) = (Vec::new(), 0);
        while at < self.log.len() {
            let sealed = Sealed::parse(&self.log[at..], CommitLogOffset::new(at as u64)).expect("an intact log");
            let time = sealed.header().time;
            entries.extend(sealed.entries().map(|(frame, payload)| (frame, time, payload.to_vec())));
            at += sealed.bytes().len();
        }
        entries
    }

    fn read(&self, request: &ReadRequest) -> ReadOutcome {
        match request {
            ReadRequest::Pull(pull) => {
                let items: Vec<&QueueItem> = self.queue(&pull.topic, pull.queue).collect();
                let max = QueueOffset::new(items.len() as u64);
                let from = pull.from.max(0) as usize;
                let found: Vec<_> = items
                    .iter()
                    .skip(from)
                    .filter(|item| pull.filter.matches(item.tags_code))
                    .take(pull.max_messages)
                    .collect();
                let body: Vec<u8> = found.iter().flat_map(|item| self.delivered(item)).collect();
                let status = match (found.is_empty(), pull.from.cmp(&max.signed())) {
                    _ if items.is_empty() => PullStatus::Empty,
                    (_, std::cmp::Ordering::Equal) => PullStatus::AtEnd,
                    (_, std::cmp::Ordering::Greater) => PullStatus::TooLarge,
                    (true, _) => PullStatus::NoMatch,
                    (false, _) => PullStatus::Found,
                };
                let next = found.last().map_or(max, |item| item.queue_offset.plus(1));
                let (min, count) = (QueueOffset::ZERO, found.len() as u32);
                ReadOutcome::Pulled(Pulled { status, next, min, max, count, body })
            }
            ReadRequest::Bounds(queues) => ReadOutcome::Bounds(
                queues
                    .iter()
                    .map(|(topic, queue)| {
                        let max = QueueOffset::new(self.queue(topic, *queue).count() as u64);
                        QueueRange { max, ..QueueRange::default() }
                    })
                    .collect(),
            ),
            ReadRequest::Visible { at } => ReadOutcome::Records(
                self.items.iter().find(|(_, _, item)| item.visible_at == *at).map(|(_, _, item)| self.delivered(item)),
            ),
            ReadRequest::Records(places) => {
                ReadOutcome::Records(Some(places.iter().flat_map(|p| self.bytes(p.at, p.len as usize)).collect()))
            }
            ReadRequest::Half { sequence, .. } => ReadOutcome::Half(self.half(|half| half.sequence == *sequence)),
            ReadRequest::HalfByKey { key, .. } => ReadOutcome::Half(self.half(|half| has_key(half, key))),
            ReadRequest::HalvesByKey { key, .. } => {
                let named =
                    |payload: &[u8]| matches!(Entry::decode(payload), Ok(Entry::Half(half)) if has_key(&half, key));
                let found = self.entries().into_iter().filter(|(_, _, payload)| named(payload));
                ReadOutcome::Places(found.map(|(at, ..)| at).collect())
            }
            ReadRequest::Entry { at } => ReadOutcome::Entry(
                self.entries().into_iter().find(|(frame, _, _)| frame == at).map(|(_, _, payload)| payload),
            ),
            ReadRequest::SearchTime { queues, .. } => {
                ReadOutcome::Offsets(queues.iter().map(|_| QueueOffset::ZERO).collect())
            }
            ReadRequest::Keys(_) => ReadOutcome::Records(None),
        }
    }

    fn half(&self, wanted: impl Fn(&message::entry::Half<'_>) -> bool) -> Option<HalfEntries> {
        let entries = self.entries();
        let (half_at, _, half) = entries
            .iter()
            .find(|(_, _, payload)| matches!(Entry::decode(payload), Ok(Entry::Half(half)) if wanted(&half)))?
            .clone();
        let about = |payload: &[u8]| match Entry::decode(payload) {
            Ok(Entry::Decision(decision)) => decision.half == half_at,
            Ok(Entry::Check(check)) => check.half == half_at,
            Ok(Entry::SetAside(note) | Entry::Resume(note)) => note.half == half_at,
            _ => false,
        };
        let later = entries.into_iter().filter(|(_, _, payload)| about(payload)).collect();
        Some(HalfEntries { half_at, half, later })
    }

    /// Bytes of the log: what was written so far.
    pub fn log_len(&self) -> usize {
        self.log.len()
    }

    /// Messages a consumer can see in a queue.
    pub fn visible(&self, topic: &str, queue: u32) -> Vec<Vec<u8>> {
        self.queue(topic, queue).map(|item| self.delivered(item)).collect()
    }

    pub fn pull<'a>(topic: &'a str, offset: i64, suspend_ms: Option<u64>) -> Pull<'a> {
        Pull {
            group: "cart",
            topic,
            queue: 0,
            offset,
            max_messages: 32,
            max_bytes: None,
            commit_offset: None,
            suspend_ms,
            subscription: Some("*"),
            sub_version: 0,
            expression_type: "TAG",
        }
    }

    /// Stores a half and returns how a decision must name it.
    pub fn half_message(&mut self, session: SessionId, key: &str) -> Named {
        let properties = HALF.replace("K1", key);
        match self.ask(session, Request::Send(send("orders", &properties, b"body"))) {
            Some(Answer::Sent(sent)) => {
                Named { half: sent.at.signed(), sequence: sent.queue_offset.signed(), key: key.to_owned() }
            }
            other => panic!("a half is stored, not {other:?}"),
        }
    }

    pub fn end(&mut self, session: SessionId, named: &Named, outcome: EndOutcome, from_check: bool) -> Option<Answer> {
        self.ask(session, Request::End(named.end(outcome, from_check)))
    }
}

/// What a decision quotes.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub half: i64,
    pub sequence: i64,
    pub key: String,
}

impl Named {
    pub fn end(&self, outcome: EndOutcome, from_check: bool) -> End<'_> {
        End {
            group: "payers",
            half: self.half,
            sequence: self.sequence,
            unique_key: &self.key,
            outcome,
            from_check,
            remark: "",
        }
    }
}

/// Whether a half goes by this unique id or key.
fn has_key(half: &message::entry::Half<'_>, key: &str) -> bool {
    let Ok(record) = Record::parse(half.record) else { return false };
    let keys = record.property("KEYS").unwrap_or_default().split(' ');
    keys.chain(record.property("UNIQ_KEY")).any(|known| known == key)
}
