//! The broker as the server joins it, without sockets: frames go in, bytes for clients come out.

use std::path::Path;

use anyhow::{Context, Result, bail};
use broker::io::{Answer, Heartbeat, Input, Push, Reply, Request, SessionId};
use broker::{BrokerConfig, Limits};
use engine::{Behind, Durability, Engine, EngineConfig, Retention, Sink, Syncing};
use message::Timestamp;
use nameserver::{NameServer, OwnBroker};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use remoting::{Door, Env, Facts};
use store::directory::DataDirectory;
use store::log::LogConfig;

/// The one client.
const SESSION: SessionId = SessionId(1);

/// Engine and door, and what they have said to the client.
pub struct House {
    engine: Engine,
    door: Door,
    names: NameServer,
    facts: Facts,
    /// The time, which only the caller moves.
    pub now: Timestamp,
    /// Frames for the client, one behind the other.
    pub said: Vec<u8>,
}

/// What the engine says goes through the door.
struct Porter<'a> {
    door: &'a mut Door,
    names: &'a mut NameServer,
    facts: &'a Facts,
    said: &'a mut Vec<u8>,
    failure: Option<String>,
}

impl Sink for Porter<'_> {
    fn answer(&mut self, behind: Behind<'_>, reply: Reply, answer: Answer) {
        let Behind { broker, out, now } = behind;
        let mut env = Env { broker, names: self.names, out, facts: self.facts, now };
        self.door.answer(&mut env, reply, answer, self.said);
    }
    fn push(&mut self, session: SessionId, push: Push) -> bool {
        self.door.push(session, &push, self.said);
        true
    }
    fn takes_more(&self, _session: SessionId) -> bool {
        true
    }
    fn warn(&mut self, text: String) {
        self.failure = Some(text);
    }
}

impl House {
    /// A fresh broker with one producer on line.
    pub fn new(directory: &Path) -> Result<Self> {
        let disk = DataDirectory::open(directory)?.disk();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let broker = BrokerConfig {
            broker_name: "tandem".into(),
            cluster_name: "DefaultCluster".into(),
            store_host: "127.0.0.1:10911".parse()?,
            auto_create_topics: true,
            default_queues: 8,
            auto_create_groups: true,
            retry_max: 16,
            checks: Default::default(),
            limits: Limits::default(),
        };
        let config = EngineConfig {
            broker: broker.clone(),
            log: LogConfig { segment_size: 256 << 20, ..LogConfig::default() },
            durability: Durability::Disk,
            syncing: Syncing::Inline,
            memory_sync_ms: 500,
            lazy_ms: 500,
            read_block_len: store::reader::BLOCK_LEN,
            // Snapshots are made beside: they are no cost of the operation that happened to come before.
            snapshot_every: 1 << 40,
            snapshot_items: 0,
            retention: Retention { age_ms: 72 * 3_600_000, size: None },
            index: Default::default(),
        };
        let (mut engine, _) = Engine::open(disk, config, now)?;
        let (state, out) = engine.broker_mut();
        state.bootstrap(out);
        let own =
            OwnBroker { cluster: "DefaultCluster".into(), name: "tandem".into(), address: "127.0.0.1:10911".parse()? };
        let names = NameServer::new(own, nameserver::Limits::default(), now);
        let mut door = Door::new(&broker);
        let peer = "127.0.0.1:50000".parse()?;
        door.opened(SESSION, peer);
        engine.handle(now, Input::Opened { session: SESSION, peer });
        let beat =
            Heartbeat { client: "p", language: "JAVA", version: 513, producers: vec!["payers"], consumers: Vec::new() };
        engine.handle(now, Input::Request { session: SESSION, reply: None, request: Request::Heartbeat(beat) });
        let mut house = House { engine, door, names, facts: Facts::default(), now, said: Vec::new() };
        house.turn()?;
        Ok(house)
    }

    /// The client sends a frame.
    pub fn request(&mut self, bytes: &[u8]) -> Result<()> {
        let frame = scan(bytes, FRAME_SIZE_MAX)?.context("half a frame")?;
        let (broker, out) = self.engine.broker_mut();
        let mut env = Env { broker, names: &mut self.names, out, facts: &self.facts, now: self.now };
        Ok(self.door.request(&mut env, SESSION, &frame, &mut self.said)?)
    }

    /// A turn of the owner.
    pub fn turn(&mut self) -> Result<()> {
        let House { engine, door, names, facts, now, said } = self;
        let mut porter = Porter { door, names, facts, said, failure: None };
        engine.begin_turn(*now);
        engine.settle(*now, &mut porter)?;
        while let Some(job) = engine.next_job(*now) {
            engine.done(*now, job.run(), &mut porter)?;
        }
        match porter.failure {
            Some(failure) => bail!("{failure}"),
            None => Ok(()),
        }
    }
}
