//! A door, a broker and a name server on a log in memory that commits everything at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use broker::io::{Input, Output, Outputs, SessionId};
use broker::state::State;
use broker::{Broker, BrokerConfig, Limits};
use message::Timestamp;
use message::batch::{Batch, Sealed};
use nameserver::{NameServer, OwnBroker};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::{HeaderBuffer, HeaderError};
use protocol::json::{Object, write_int};
use remoting::client::Received;
use remoting::{Door, Env, Facts};

use crate::store::Store;

pub const START: Timestamp = Timestamp::from_millis(1_795_216_000_000);
pub const ADDRESS: &str = "127.0.0.1:40911";

pub struct House {
    pub door: Door,
    pub broker: Broker,
    pub names: NameServer,
    pub store: Store,
    pub now: Timestamp,
    facts: Facts,
    out: Outputs,
    /// What was written to each open connection and not taken yet.
    connections: BTreeMap<SessionId, Vec<u8>>,
    last_session: u64,
    last_opaque: i32,
}

/// A request, as a client would send it.
pub struct Request<'a> {
    pub code: i32,
    pub flag: i32,
    pub opaque: i32,
    pub version: i32,
    pub language: &'a str,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request<'_> {
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut header = Object::begin(&mut out);
        write_int(header.member("code"), self.code.into());
        let mut ext = Object::begin(header.member("extFields"));
        self.fields.iter().for_each(|(name, value)| ext.string(name, value));
        ext.end();
        header.int("flag", self.flag);
        header.string("language", self.language);
        header.int("opaque", self.opaque);
        header.int("version", self.version);
        header.end();
        let mut frame = ((4 + out.len() + self.body.len()) as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&(out.len() as u32).to_be_bytes());
        frame.extend_from_slice(&out);
        frame.extend_from_slice(&self.body);
        frame
    }
}

impl House {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let address: SocketAddr = ADDRESS.parse().unwrap();
        let config = BrokerConfig {
            broker_name: "broker-a".into(),
            cluster_name: "DefaultCluster".into(),
            store_host: address,
            auto_create_topics: true,
            default_queues: 8,
            auto_create_groups: true,
            retry_max: 16,
            checks: Default::default(),
            limits,
        };
        let own = OwnBroker { cluster: "DefaultCluster".into(), name: "broker-a".into(), address };
        let mut house = House {
            door: Door::new(&config),
            broker: Broker::new(config, State::default(), START),
            names: NameServer::new(own, nameserver::Limits::default(), START),
            store: Store::default(),
            now: START,
            facts: Facts {
                version: "0.0".into(),
                started: START,
                settings: vec![("transactions.check_max".into(), "15".into())],
                ..Facts::default()
            },
            out: Outputs::new(),
            connections: BTreeMap::new(),
            last_session: 0,
            last_opaque: 1_000_000,
        };
        house.broker.bootstrap(&mut house.out);
        house.settle();
        house
    }

    pub fn open(&mut self) -> SessionId {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let peer = SocketAddr::new("10.0.0.5".parse().unwrap(), 50_000 + (self.last_session % 10_000) as u16);
        self.connections.insert(session, Vec::new());
        self.door.opened(session, peer);
        self.broker.handle(self.now, Input::Opened { session, peer }, &mut self.out);
        session
    }

    pub fn close(&mut self, session: SessionId) {
        self.connections.remove(&session);
        self.door.gone(session);
        self.broker.handle(self.now, Input::Gone(session), &mut self.out);
        self.settle();
    }

    /// Hands over the frames a client sent.
    pub fn send(&mut self, session: SessionId, bytes: &[u8]) -> Result<(), HeaderError> {
        let mut rest = bytes;
        while let Ok(Some(frame)) = scan(rest, FRAME_SIZE_MAX) {
            let House { door, broker, names, facts, out, now, connections, .. } = self;
            let to = connections.get_mut(&session).expect("an open connection");
            let mut env = Env { broker, names, out, facts, now: *now };
            door.request(&mut env, session, &frame, to)?;
            rest = &rest[frame.consumed..];
        }
        self.settle();
        Ok(())
    }

    /// Asks as a current Java client would and returns the answer.
    pub fn call(&mut self, session: SessionId, code: i32, fields: &[(&str, &str)], body: &[u8]) -> Received {
        self.try_call(session, code, fields, body).unwrap_or_else(|| panic!("{code} {fields:?} is not answered"))
    }

    /// The same, where no answer may be right.
    pub fn try_call(
        &mut self,
        session: SessionId,
        code: i32,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Received> {
        let opaque = self.ask(session, code, 0, fields, body);
        let (answers, others): (Vec<_>, Vec<_>) =
            self.take(session).into_iter().partition(|(is_answer, frame)| *is_answer && frame.opaque == opaque);
        self.put_back(session, others);
        assert!(answers.len() < 2, "one answer to one request: {answers:?}");
        answers.into_iter().next().map(|(_, answer)| answer)
    }

    /// Sends a request and leaves its answer on the connection. Returns its correlation id.
    pub fn ask(&mut self, session: SessionId, code: i32, flag: i32, fields: &[(&str, &str)], body: &[u8]) -> i32 {
        self.last_opaque += 1;
        let request = Request {
            code,
            flag,
            opaque: self.last_opaque,
            version: 513,
            language: "JAVA",
            fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_vec(),
        };
        self.send(session, &request.frame()).expect("a header of ours");
        self.last_opaque
    }

    /// Everything written to a connection since the last time: whether it is an answer, and the frame.
    pub fn take(&mut self, session: SessionId) -> Vec<(bool, Received)> {
        let Some(bytes) = self.connections.get_mut(&session).map(std::mem::take) else { return Vec::new() };
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let frame = scan(rest, FRAME_SIZE_MAX).expect("a frame of ours").expect("all of it");
            let mut buffer = HeaderBuffer::new();
            let header = buffer.decode(&frame).expect("a header of ours");
            let received = Received {
                code: header.code,
                opaque: header.opaque,
                oneway: header.is_oneway(),
                remark: header.remark.map(str::to_owned),
                fields: header.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                body: frame.body.to_vec(),
            };
            frames.push((header.is_response(), received));
            rest = &rest[frame.consumed..];
        }
        frames
    }

    /// Requests of the broker to a client.
    pub fn pushes(&mut self, session: SessionId) -> Vec<Received> {
        let (answers, pushes): (Vec<_>, Vec<_>) = self.take(session).into_iter().partition(|(is_answer, _)| *is_answer);
        self.put_back(session, answers);
        pushes.into_iter().map(|(_, push)| push).collect()
    }

    /// What was taken too early is written again, behind a header of the same meaning.
    fn put_back(&mut self, session: SessionId, frames: Vec<(bool, Received)>) {
        for (is_answer, frame) in frames {
            let flag = i32::from(is_answer) | if frame.oneway { 2 } else { 0 };
            let again = Request {
                code: frame.code,
                flag,
                opaque: frame.opaque,
                version: 513,
                language: "JAVA",
                fields: frame.fields,
                body: frame.body,
            };
            self.connections.get_mut(&session).expect("an open connection").extend(again.frame());
        }
    }

    /// Answers a request of the broker.
    pub fn respond(&mut self, session: SessionId, to: &Received, code: i32, remark: &str, body: &[u8]) {
        let header = format!(
            r#"{{"code":{code},"flag":1,"language":"JAVA","opaque":{},"remark":{remark:?},"version":513}}"#,
            to.opaque
        );
        let mut frame = ((4 + header.len() + body.len()) as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&(header.len() as u32).to_be_bytes());
        frame.extend_from_slice(header.as_bytes());
        frame.extend_from_slice(body);
        self.send(session, &frame).expect("a header of ours");
    }

    /// Lets time pass in steps, as deadlines ask for it.
    pub fn run_ms(&mut self, ms: i64) {
        let end = self.now.plus_ms(ms);
        loop {
            let deadlines = [self.broker.next_deadline(), self.door.next_deadline(), self.names.next_deadline()];
            let Some(due) = deadlines.into_iter().flatten().min().filter(|due| *due <= end) else { break };
            self.now = self.now.plus_ms(due.since_ms(self.now).max(1));
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    fn tick(&mut self) {
        self.door.tick(self.now);
        self.names.expire(self.now);
        self.broker.handle(self.now, Input::Tick, &mut self.out);
        self.settle();
    }

    /// Reads, answers, pushes and commits until nothing is left to do.
    fn settle(&mut self) {
        loop {
            self.carry_out();
            self.broker.end_turn(&mut self.out);
            if self.out.batch.is_empty() {
                return;
            }
            let mut batch = std::mem::replace(&mut self.out.batch, Batch::new());
            let at = self.store.append(&mut batch);
            self.broker.handle(self.now, Input::Committed(Sealed::of(&batch, at)), &mut self.out);
        }
    }

    fn carry_out(&mut self) {
        loop {
            for (session, frame) in self.door.take_mail() {
                if let Some(to) = self.connections.get_mut(&session) {
                    to.extend_from_slice(&frame);
                }
            }
            if self.out.list.is_empty() {
                return;
            }
            for output in std::mem::take(&mut self.out.list) {
                let House { door, broker, names, facts, out, now, connections, store, .. } = self;
                let mut nobody = Vec::new();
                match output {
                    Output::Answer(reply, answer) => {
                        let to = connections.get_mut(&reply.session).unwrap_or(&mut nobody);
                        door.answer(&mut Env { broker, names, out, facts, now: *now }, reply, answer, to);
                    }
                    Output::Push(push, session, what) => {
                        let to = connections.get_mut(&session);
                        let ok = to.map(|to| door.push(session, &what, to)).is_some();
                        broker.handle(*now, Input::Sent { push, ok }, out);
                    }
                    Output::Read(ticket, request) => {
                        let outcome = store.read(&request);
                        broker.handle(*now, Input::ReadDone { ticket, outcome }, out);
                    }
                    Output::TopicChanged(topic) => names.put_own(topic, *now),
                    Output::TopicGone(topic) => names.remove_own(&topic, *now),
                    Output::KeyValueChanged { namespace, key, value } => {
                        names.put_key_value(&namespace, &key, value.as_deref());
                    }
                    Output::Warn(why) | Output::Fatal(why) => panic!("{why}"),
                }
            }
        }
    }

    /// Makes a topic.
    pub fn topic(&mut self, name: &str, queues: u32) {
        let session = self.open();
        let queues = queues.to_string();
        let fields = [("topic", name), ("readQueueNums", &queues), ("writeQueueNums", &queues), ("perm", "6")];
        let answer = self.call(session, 17, &fields, b"");
        assert_eq!((answer.code, answer.remark), (0, None), "topic {name}");
        self.close(session);
    }

    /// Makes a consumer group, with its retry topic.
    pub fn group(&mut self, name: &str) {
        let session = self.open();
        let answer = self.call(session, 200, &[], format!(r#"{{"groupName":{name:?}}}"#).as_bytes());
        assert_eq!((answer.code, answer.remark), (0, None), "group {name}");
        self.close(session);
    }

    /// Sends a message and returns the answer.
    pub fn message(&mut self, session: SessionId, topic: &str, queue: &str, properties: &str, body: &[u8]) -> Received {
        self.call(session, 310, &send_fields(topic, queue, properties), body)
    }

    /// A connection whose client says in a heartbeat what it produces or consumes.
    pub fn client(&mut self, id: &str, producer: Option<&str>, consumer: Option<(&str, &[&str])>) -> SessionId {
        let session = self.open();
        let producers = producer.map_or(String::new(), |group| format!(r#"{{"groupName":{group:?}}}"#));
        let consumers = consumer.map_or(String::new(), |(group, topics)| {
            let subscriptions: Vec<String> = topics
                .iter()
                .map(|topic| format!(r#"{{"topic":{topic:?},"subString":"*","subVersion":1,"expressionType":"TAG"}}"#))
                .collect();
            format!(
                r#"{{"groupName":{group:?},"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","subscriptionDataSet":[{}]}}"#,
                subscriptions.join(",")
            )
        });
        let body = format!(r#"{{"clientID":{id:?},"producerDataSet":[{producers}],"consumerDataSet":[{consumers}]}}"#);
        let answer = self.call(session, 34, &[], body.as_bytes());
        assert_eq!((answer.code, answer.remark), (0, None), "{body}");
        session
    }
}

/// Header fields of a send.
pub fn send_fields<'a>(topic: &'a str, queue: &'a str, properties: &'a str) -> [(&'a str, &'a str); 9] {
    let [a, b, c, d] = [("a", "producers"), ("b", topic), ("c", "TBW102"), ("d", "4")];
    [a, b, c, d, ("e", queue), ("f", "0"), ("g", "1795216000000"), ("h", "0"), ("i", properties)]
}

/// Header fields of a pull that waits for nothing.
pub fn pull_fields<'a>(group: &'a str, topic: &'a str, queue: &'a str, offset: &'a str) -> [(&'a str, &'a str); 10] {
    [
        ("consumerGroup", group),
        ("topic", topic),
        ("queueId", queue),
        ("queueOffset", offset),
        ("maxMsgNums", "32"),
        ("sysFlag", "4"),
        ("commitOffset", "0"),
        ("suspendTimeoutMillis", "15000"),
        ("subscription", "*"),
        ("subVersion", "0"),
    ]
}
