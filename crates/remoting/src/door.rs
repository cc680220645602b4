use std::net::SocketAddr;

use broker::io::{Answer, Input, Outputs, Push, Reply, Request, SessionId};
use broker::{Broker, BrokerConfig};
use message::{CommitLogOffset, Timestamp};
use nameserver::NameServer;
use protocol::codes::ResponseCode;
use protocol::encode::ResponseHeader;
use protocol::frame::Frame;
use protocol::header::{HeaderBuffer, HeaderError, Language};

use crate::caller::{Call, Caller, Fault};
use crate::desk::{Counters, Desk, Peer};
use crate::requests::{REQUESTS, position};
use crate::{pushes, relays};

/// What a turn of the owner lends the door.
pub struct Env<'a> {
    /// The broker.
    pub broker: &'a mut Broker,
    /// The route table.
    pub names: &'a mut NameServer,
    /// What the broker wants done.
    pub out: &'a mut Outputs,
    /// What only the owner of the disk and the configuration knows.
    pub facts: &'a Facts,
    /// The time of this turn.
    pub now: Timestamp,
}

impl Env<'_> {
    /// Asks the broker.
    pub(crate) fn ask(&mut self, session: SessionId, reply: Option<Reply>, request: Request<'_>) {
        self.broker.handle(self.now, Input::Request { session, reply, request }, self.out);
    }
}

/// What is shown of the process around the broker. Kept up to date by its owner; a few seconds old is young enough.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Version of this program, for people.
    pub version: String,
    /// When it was started.
    pub started: Timestamp,
    /// The first byte of the log still there.
    pub log_begin: CommitLogOffset,
    /// When the oldest message still there was stored; `None` while there is none.
    pub log_begin_time: Option<Timestamp>,
    /// Bytes of the disk the log is on, 0 when nobody knows.
    pub disk_size: u64,
    /// Bytes of it that are free.
    pub disk_free: u64,
    /// Every key of the configuration and its value.
    pub settings: Vec<(String, String)>,
}

/// Frames in, frames out. One for all connections; see the crate's documentation.
///
/// The owner of the sockets calls [`Door::opened`] and [`Door::gone`] (and tells the broker by itself), hands every
/// frame to [`Door::request`] and every answer of the broker to [`Door::answer`], asks for [`Door::take_mail`] when it
/// is done with either, and calls [`Door::tick`] when [`Door::next_deadline`] has come.
#[derive(Debug)]
pub struct Door {
    header: HeaderBuffer,
    desk: Desk,
}

impl Door {
    /// A door without connections in front of a broker.
    pub fn new(config: &BrokerConfig) -> Self {
        Door { header: HeaderBuffer::new(), desk: Desk::new(config) }
    }

    /// A connection was accepted.
    pub fn opened(&mut self, session: SessionId, peer: SocketAddr) {
        self.desk.peers.insert(session, Peer { address: peer, language: Language::Other });
    }

    /// A connection is gone: what it waits for is forgotten, and who waits for it is told.
    pub fn gone(&mut self, session: SessionId) {
        self.desk.peers.remove(&session);
        self.desk.notes.gone(session);
        relays::gone(&mut self.desk, session);
    }

    /// Handles one frame of a connection: hands it to the broker, or writes the answer to `to` at once.
    ///
    /// # Errors
    /// When the header cannot be read: nobody knows then whom to answer what, so the connection is to be closed.
    ///
    /// # Panics
    /// When the connection was not [opened](Door::opened).
    pub fn request(
        &mut self,
        env: &mut Env<'_>,
        session: SessionId,
        frame: &Frame<'_>,
        to: &mut Vec<u8>,
    ) -> Result<(), HeaderError> {
        let Door { header, desk } = self;
        let header = header.decode(frame)?;
        if header.is_response() {
            relays::answered(desk, session, &header, frame.body);
            return Ok(());
        }
        desk.counters.requests += 1;
        let oneway = header.is_oneway();
        let Some(kind) = position(header.code) else {
            desk.counters.unknown += 1;
            if !oneway {
                // RocketMQ's words, leading space included: some tools look for them.
                let text = format!(" request type {} not supported", header.code);
                ResponseHeader::error(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, header.opaque, &text).append(to, b"");
            }
            return Ok(());
        };
        let call = Call {
            caller: Caller { session, opaque: header.opaque, kind, extra: 0 },
            oneway,
            version: header.version,
            language: header.language,
            remark: header.remark,
            fields: header.fields,
            body: frame.body,
        };
        let handle = REQUESTS[usize::from(kind)].handle;
        if let Err(fault) = handle(desk, env, &call, to) {
            if matches!(fault, Fault::Field(_) | Fault::Body(_)) {
                desk.counters.malformed += 1;
            }
            match oneway {
                true => desk.counters.oneway_dropped += 1,
                false => fault.write(call.caller, to),
            }
        }
        Ok(())
    }

    /// Writes an answer of the broker to the connection it is for. It may lead to further outputs of the broker.
    pub fn answer(&mut self, env: &mut Env<'_>, reply: Reply, answer: Answer, to: &mut Vec<u8>) {
        let caller = Caller::of(reply);
        (caller.kind().answer)(&mut self.desk, env, caller, answer, to);
    }

    /// Writes what the broker tells a client unasked to the client's connection.
    pub fn push(&mut self, session: SessionId, push: &Push, to: &mut Vec<u8>) {
        pushes::write(&mut self.desk, session, push, to);
    }

    /// Frames that calls since the last time led to for other connections than theirs, in order.
    pub fn take_mail(&mut self) -> Vec<(SessionId, Vec<u8>)> {
        std::mem::take(&mut self.desk.mail)
    }

    /// Gives up on clients that did not answer in time what a tool asked them; the tool is told.
    pub fn tick(&mut self, now: Timestamp) {
        relays::expire(&mut self.desk, now);
    }

    /// When [`Door::tick`] is wanted next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.desk.relays.next_deadline()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.desk.counters
    }

    /// Answers the broker owes, as far as the door remembers them, and questions to clients that are not answered yet.
    pub fn waiting(&self) -> usize {
        self.desk.notes.len() + self.desk.relays.len()
    }
}
