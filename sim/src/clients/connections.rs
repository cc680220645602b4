//! Connections come and go.

use std::net::SocketAddr;

use broker::io::{ConsumeFrom, ConsumerData, Heartbeat, Input, MessageModel, Push, Request, SessionId, Subscription};
use message::Timestamp;

use crate::agenda::Intent;
use crate::clients::Role;
use crate::coverage::Kind;
use crate::world::{What, World};

/// Milliseconds between two heartbeats.
const HEARTBEAT_MS: i64 = 30_000;

pub(crate) fn peer(client: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, client as u8], 40_000))
}

impl World {
    pub(crate) fn connect(&mut self, client: usize) {
        let known = &self.clients[client];
        if self.node.is_none() || !known.alive || known.session.is_some() {
            return;
        }
        self.next_session += 1;
        let session = SessionId(self.next_session);
        let (now, peer) = (self.now, peer(client));
        self.note(format_args!("client {client} connects as session {}", session.0));
        if let Some(node) = self.node.as_mut() {
            node.engine.handle(now, Input::Opened { session, peer });
        }
        self.mailbox.open.insert(session);
        self.session_clients.insert(session, client);
        self.clients[client].session = Some(session);
        if self.rng.chance(self.chances.clock_drift) {
            self.fault("client clock drifts");
            // Slower than that, and three heartbeats are two minutes: the broker is right to call it dead.
            self.clients[client].second_ms = self.rng.pick(&[500, 800, 1_250, 2_000]);
            self.clients[client].ahead_ms = self.rng.pick(&[-86_400_000, -5_000, 5_000, 86_400_000]);
        }
        self.heartbeat(client, session);
        if self.clients[client].consumer().is_some() {
            self.agenda.add(self.now.plus_ms(10), Intent::Balance(client, session));
        }
    }

    pub(crate) fn heartbeat(&mut self, client: usize, session: SessionId) {
        if self.clients[client].session != Some(session) {
            return;
        }
        let name = self.clients[client].name.clone();
        let producers: Vec<String> = match &self.clients[client].role {
            Role::Plain => vec!["plain".into()],
            Role::Transactional(group) => vec![group.clone()],
            _ => Vec::new(),
        };
        let consumers = match &self.clients[client].role {
            Role::Consumer(consumer) => {
                let expression = consumer.tags.unwrap_or("*").to_owned();
                let topics = consumer.topics.clone().unwrap_or_default();
                let subscriptions = topics.into_iter().map(|topic| Subscription {
                    topic,
                    expression: expression.clone(),
                    expression_type: "TAG".into(),
                    version: 1,
                });
                vec![ConsumerData {
                    group: consumer.group.clone(),
                    consume_type: "CONSUME_PASSIVELY",
                    model: MessageModel::Clustering,
                    from: ConsumeFrom("CONSUME_FROM_FIRST_OFFSET"),
                    subscriptions: subscriptions.collect(),
                }]
            }
            _ => Vec::new(),
        };
        let beat = Heartbeat {
            client: &name,
            language: "SIM",
            version: 1,
            producers: producers.iter().map(String::as_str).collect(),
            consumers,
        };
        self.ask(client, "heartbeat", Some(What::Other), Request::Heartbeat(beat));
        let wait = HEARTBEAT_MS * self.clients[client].second_ms / 1_000;
        self.agenda.add(self.now.plus_ms(wait), Intent::Heartbeat(client, session));
    }

    /// A client takes leave before it goes.
    pub(crate) fn unregister(&mut self, client: usize) {
        let name = self.clients[client].name.clone();
        let (producer, consumer) = match &self.clients[client].role {
            Role::Plain => (Some("plain".to_owned()), None),
            Role::Transactional(group) => (Some(group.clone()), None),
            Role::Consumer(consumer) => (None, Some(consumer.group.clone())),
            Role::Operator => return,
        };
        let request = Request::Unregister {
            client: &name,
            producer_group: producer.as_deref(),
            consumer_group: consumer.as_deref(),
        };
        self.ask(client, "unregister", Some(What::Other), request);
    }

    /// The connection of a client is gone, or its broker is; what it was about to do by that connection it does not.
    pub(crate) fn disconnected(&mut self, client: usize) {
        let Some(session) = self.clients[client].session.take() else { return };
        self.mailbox.open.remove(&session);
        let auditor = self.clients[client].is_auditor();
        if let Some(consumer) = self.clients[client].consumer() {
            if auditor {
                consumer.lanes.values_mut().for_each(|lane| (lane.busy, lane.planned) = (false, false));
            } else {
                // Whoever takes a queue over begins at the stored offset.
                consumer.lanes.clear();
            }
        }
        if self.clients[client].alive {
            let wait = self.rng.below(2_000) as i64;
            self.agenda.add(self.now.plus_ms(wait), Intent::Connect(client));
        }
    }

    /// The broker hears that a connection is gone.
    pub(crate) fn end_session(&mut self, session: SessionId) {
        self.note(format_args!("session {} ends", session.0));
        if self.rng.chance(500) {
            // The broker reads what has arrived before it finds the end.
            self.arrive(session, Timestamp::MAX);
        }
        let known = !self.network.is_half_open(session);
        if let Some(node) = self.node.as_mut().filter(|_| known) {
            node.engine.handle(self.now, Input::Gone(session));
        }
        self.session_lost(session);
    }

    /// The process of a client ends; its broker learns it at once, or a while later.
    pub(crate) fn crash_client(&mut self, client: usize) {
        if !self.clients[client].alive {
            return;
        }
        self.fault("client crashed");
        self.clients[client].alive = false;
        for transaction in self.oracle.transactions.list.iter_mut().filter(|of| of.running == Some(client)) {
            transaction.running = None;
        }
        let session = self.clients[client].session;
        self.disconnected(client);
        if let Some(session) = session {
            if self.rng.chance(400) {
                self.fault("client half-open");
                // The peer's kernel still takes what is written.
                self.mailbox.open.insert(session);
                let wait = self.rng.below(40_000) as i64;
                self.agenda.add(self.now.plus_ms(wait), Intent::End(session));
            } else {
                self.end_session(session);
            }
        }
        let wait = if self.rng.chance(300) { self.rng.below(200_000) } else { self.rng.below(5_000) };
        self.agenda.add(self.now.plus_ms(wait as i64), Intent::Connect(client));
    }

    pub(crate) fn pushed(&mut self, session: SessionId, push: Push) {
        match push {
            Push::Check(check) => {
                self.coverage.hit(Kind::Answer, "check pushed");
                self.note(format_args!("session {} is asked about half {}", session.0, check.half));
                self.check_arrives(session, &check);
            }
            Push::GroupChanged { group } => {
                self.coverage.hit(Kind::Answer, "group change pushed");
                self.note(format_args!("session {} hears that {group} changed", session.0));
                let client = self.clients.iter().position(|client| client.session == Some(session));
                if let Some(client) = client {
                    self.agenda.add(self.now.plus_ms(5), Intent::Balance(client, session));
                }
            }
            Push::ResetOffset { group, topic, offsets, .. } => {
                self.coverage.hit(Kind::Answer, "reset pushed");
                self.note(format_args!("session {} hears that {group} is reset", session.0));
                self.reset_arrives(session, &topic, &offsets);
            }
            Push::Reply { .. } => {
                self.oracle.fail("only what was asked for is pushed", "a reply nobody waits for");
            }
        }
    }
}
