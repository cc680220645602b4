//! What lies between clients and the broker: requests travel, arrive late, overtake those of other connections, come
//! twice, and are lost with their connections, and so are answers.
//!
//! A connection keeps its order, as TCP does. A frame that is cut in the middle is a request that never arrives, or an
//! answer that is never heard: the door drops what is not whole, so that the broker never sees a part of one.

mod parcel;

use std::collections::{BTreeMap, VecDeque};

use broker::io::{EndOutcome, Input, Reply, Request, SessionId};
use message::Timestamp;

use self::parcel::Parcel;
use crate::agenda::Intent;
use crate::clients::OPERATOR;
use crate::oracle::Local;
use crate::world::{Asked, What, World};

/// Most milliseconds that a request travels.
const LATE_MS: u64 = 8_000;
/// Most milliseconds until a client notices that its broker has forgotten it.
const NOTICED_MS: u64 = 20_000;

/// Requests that are under way.
#[derive(Debug, Default)]
pub(crate) struct Network {
    lines: BTreeMap<SessionId, VecDeque<Packet>>,
    /// Connections that the broker has given up and whose clients do not know, with what they have asked since.
    half_open: BTreeMap<SessionId, Vec<u64>>,
}

#[derive(Debug)]
struct Packet {
    arrives: Timestamp,
    token: u64,
    reply: Option<Reply>,
    request: Parcel,
}

impl Network {
    /// When the next request arrives.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lines.values().filter_map(|line| line.front()).map(|packet| packet.arrives).min()
    }

    /// Whether the broker has given this connection up, and its client does not know.
    pub fn is_half_open(&self, session: SessionId) -> bool {
        self.half_open.contains_key(&session)
    }

    /// What was asked by a connection and will never arrive.
    fn give_up(&mut self, session: SessionId) -> Vec<u64> {
        let line = self.lines.remove(&session).unwrap_or_default();
        let never = self.half_open.remove(&session).unwrap_or_default();
        line.into_iter().map(|packet| packet.token).chain(never).collect()
    }
}

impl World {
    /// A request sets out. It arrives at once, later, or never.
    pub(crate) fn dispatch(&mut self, client: usize, session: SessionId, token: u64, request: Request<'_>) {
        let reply = self.asked.contains_key(&token).then_some(Reply { session, token });
        if let Some(lost) = self.network.half_open.get_mut(&session) {
            lost.push(token);
            return;
        }
        let waits = self.network.lines.contains_key(&session);
        let late = self.rng.chance(self.chances.request_late);
        if let Some(request) = Parcel::of(&request).filter(|_| waits || late) {
            self.travels(client, session, Packet { arrives: self.now, token, reply, request });
            return;
        }
        // What was asked before it by the same connection is there before it.
        self.arrive(session, Timestamp::MAX);
        self.hand_over(session, token, reply, request);
    }

    fn travels(&mut self, client: usize, session: SessionId, packet: Packet) {
        self.fault("request late");
        let range = self.rng.pick(&[20, 300, LATE_MS]);
        let wait = self.rng.below(range) as i64;
        let line = self.network.lines.entry(session).or_default();
        let before = line.back().map_or(Timestamp::ZERO, |packet| packet.arrives);
        let arrives = before.max(self.now.plus_ms(wait));
        let token = packet.token;
        line.push_back(Packet { arrives, ..packet });
        if self.rng.chance(self.chances.request_doubled) {
            self.double(client, token, wait as u64);
        }
    }

    /// The client does not wait that long for its answer, and asks again.
    fn double(&mut self, client: usize, token: u64, within_ms: u64) {
        let Some(asked) = self.asked.get(&token) else { return };
        let again = match &asked.what {
            What::Send(id) => Intent::Send(client, *id),
            What::Batch(ids) => Intent::Batch(client, ids.clone()),
            What::Half(id) => Intent::Half(client, *id),
            What::End { half, outcome } => Intent::Decide { client, half: *half, outcome: *outcome, two_way: true },
            _ => return,
        };
        self.fault("request doubled");
        let wait = self.rng.below(2 * within_ms + 2) as i64;
        self.agenda.add(self.now.plus_ms(wait), again);
    }

    /// Everything that is due arrives.
    pub(crate) fn arrivals(&mut self) {
        let now = self.now;
        let due = |line: &VecDeque<Packet>| line.front().is_some_and(|packet| packet.arrives <= now);
        let sessions = self.network.lines.iter().filter(|(_, line)| due(line)).map(|(session, _)| *session);
        for session in sessions.collect::<Vec<_>>() {
            self.arrive(session, now);
        }
    }

    /// What a connection has under way and is there by then arrives.
    pub(crate) fn arrive(&mut self, session: SessionId, until: Timestamp) {
        while let Some(line) = self.network.lines.get_mut(&session) {
            if line.front().is_some_and(|packet| packet.arrives > until) {
                break;
            }
            let Some(packet) = line.pop_front() else { break };
            if line.is_empty() {
                self.network.lines.remove(&session);
            }
            let overtaken = self.network.lines.values().flatten().any(|other| other.token < packet.token);
            if overtaken {
                self.fault("request overtakes another");
            }
            self.note(format_args!("{} arrives", packet.token));
            let (token, reply) = (packet.token, packet.reply);
            packet.request.with(|request| self.hand_over(session, token, reply, request));
        }
    }

    fn hand_over(&mut self, session: SessionId, token: u64, reply: Option<Reply>, request: Request<'_>) {
        if let Request::End(end) = &request
            && (end.from_check, end.outcome) == (true, EndOutcome::Unknown)
        {
            self.unknown_arrives(session, end.half, end.unique_key);
        }
        if let Some(What::Half(id)) = self.asked.get(&token).map(|asked| &asked.what) {
            let transaction = self.oracle.transactions.get_mut(*id);
            // The half that was sent before may be decided already: then this one is another.
            transaction.half_late |= transaction.local != Local::Open;
        }
        let now = self.now;
        if let Some(node) = self.node.as_mut() {
            node.engine.handle(now, Input::Request { session, reply, request });
        }
    }

    /// Whether an answer is lost: its connection ends in the middle of it. What was asked is done all the same.
    pub(crate) fn loses_answer(&mut self, asked: &Asked) -> bool {
        let live = self.clients[asked.client].session == Some(asked.session);
        let lost = !asked.gone && live && asked.client != OPERATOR && self.rng.chance(self.chances.answer_lost);
        if lost {
            self.fault("answer cut with its connection");
            let session = asked.session;
            self.hang_up(session);
            self.disconnected(asked.client);
            let wait = self.rng.pick(&[1, 1, 500, 20_000]);
            self.agenda.add(self.now.plus_ms(self.rng.below(wait) as i64), Intent::End(session));
        }
        lost
    }

    /// The broker gives a connection up, and its client does not know.
    pub(crate) fn half_open(&mut self, client: usize) {
        let Some(session) = self.clients[client].session else { return };
        if self.network.is_half_open(session) {
            return;
        }
        self.fault("broker half-open");
        let under_way = self.network.give_up(session);
        self.mailbox.open.remove(&session);
        self.hang_up(session);
        if let Some(node) = self.node.as_mut() {
            node.engine.handle(self.now, Input::Gone(session));
        }
        self.network.half_open.insert(session, under_way);
        let wait = self.rng.below(NOTICED_MS) as i64;
        self.agenda.add(self.now.plus_ms(wait), Intent::End(session));
    }

    /// Nobody hears what is answered to this connection any more.
    pub(crate) fn hang_up(&mut self, session: SessionId) {
        self.asked.values_mut().filter(|asked| asked.session == session).for_each(|asked| asked.gone = true);
    }

    /// A connection has ended: what was under way by it never arrives.
    pub(crate) fn line_ends(&mut self, session: SessionId) {
        for token in self.network.give_up(session) {
            self.fault("request cut with its connection");
            if let Some(asked) = self.asked.remove(&token) {
                self.unheard(asked);
            }
        }
    }

    /// The network is good from now on.
    pub(crate) fn network_heals(&mut self) {
        let half_open: Vec<SessionId> = self.network.half_open.keys().copied().collect();
        half_open.into_iter().for_each(|session| self.end_session(session));
        let waiting: Vec<SessionId> = self.network.lines.keys().copied().collect();
        waiting.into_iter().for_each(|session| self.arrive(session, Timestamp::MAX));
    }
}
