use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use foldhash::HashMap;
use message::Timestamp;

use crate::io::{ClientInfo, SessionId};

/// Connections of clients, and which of them produce for which group.
#[derive(Debug, Default)]
pub struct Sessions {
    sessions: HashMap<SessionId, Session>,
    producers: HashMap<Arc<str>, BTreeSet<SessionId>>,
    /// By client id, empty ones left out.
    clients: HashMap<Arc<str>, BTreeSet<SessionId>>,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    /// The client's address.
    pub peer: SocketAddr,
    /// Client id, empty until its first heartbeat.
    pub client: Arc<str>,
    /// Language, empty until its first heartbeat.
    pub language: Arc<str>,
    /// Protocol version, 0 until its first heartbeat.
    pub version: i32,
    /// Last heartbeat, or when the connection was opened.
    pub last_seen: Timestamp,
    /// Groups it produces for, and when it said so last.
    pub producer_groups: HashMap<Arc<str>, Timestamp>,
    /// Groups it consumes for.
    pub consumer_groups: BTreeSet<Arc<str>>,
}

impl Sessions {
    /// A connection was opened.
    pub fn open(&mut self, id: SessionId, peer: SocketAddr, now: Timestamp) {
        let empty: Arc<str> = Arc::from("");
        self.sessions.insert(
            id,
            Session {
                peer,
                client: empty.clone(),
                language: empty,
                version: 0,
                last_seen: now,
                producer_groups: HashMap::default(),
                consumer_groups: BTreeSet::new(),
            },
        );
    }

    /// A connection.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// A connection.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// A connection is gone.
    pub fn close(&mut self, id: SessionId) -> Option<Session> {
        let session = self.sessions.remove(&id)?;
        for group in session.producer_groups.keys() {
            self.forget_producer(group, id);
        }
        self.forget_client(&session.client, id);
        Some(session)
    }

    /// A connection says by a heartbeat who it is; false when there is no such connection.
    pub fn named(&mut self, id: SessionId, client: &Arc<str>, language: &str, version: i32, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.last_seen = now;
        session.version = version;
        if &*session.language != language {
            session.language = Arc::from(language);
        }
        if session.client != *client {
            let old = std::mem::replace(&mut session.client, client.clone());
            self.forget_client(&old, id);
            self.clients.entry(client.clone()).or_default().insert(id);
        }
        true
    }

    fn forget_client(&mut self, client: &str, id: SessionId) {
        if let Some(sessions) = self.clients.get_mut(client) {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.clients.remove(client);
            }
        }
    }

    /// A connection says that it produces for a group; true when it had not said so before.
    pub fn produces(&mut self, id: SessionId, group: &str, now: Timestamp) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if let Some(seen) = session.producer_groups.get_mut(group) {
            *seen = now;
            return false;
        }
        let name: Arc<str> = match self.producers.get_key_value(group) {
            Some((name, _)) => name.clone(),
            None => Arc::from(group),
        };
        session.producer_groups.insert(name.clone(), now);
        self.producers.entry(name).or_default().insert(id);
        true
    }

    /// A connection stops producing for a group; true when it did until now.
    pub fn stops_producing(&mut self, id: SessionId, group: &str) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if session.producer_groups.remove(group).is_none() {
            return false;
        }
        self.forget_producer(group, id);
        true
    }

    fn forget_producer(&mut self, group: &str, id: SessionId) {
        if let Some(sessions) = self.producers.get_mut(group) {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.producers.remove(group);
            }
        }
    }

    /// Every connection was heard of later by so much: time has passed that nothing could be heard in.
    pub fn prolong(&mut self, by_ms: i64) {
        for session in self.sessions.values_mut() {
            session.last_seen = session.last_seen.plus_ms(by_ms);
            for seen in session.producer_groups.values_mut() {
                *seen = seen.plus_ms(by_ms);
            }
        }
    }

    /// Producer memberships whose last sign of life is older than `limit_ms`, oldest connection first: who is asked next
    /// about a half depends on the order in which its group shrinks, and must not depend on anything else.
    pub fn silent_producers(&self, now: Timestamp, limit_ms: i64) -> Vec<(SessionId, Arc<str>)> {
        let silent = |seen: &Timestamp| now.since_ms(*seen) > limit_ms;
        let mut found: Vec<(SessionId, Arc<str>)> = self
            .sessions
            .iter()
            .flat_map(|(id, session)| session.producer_groups.iter().map(move |(group, seen)| (id, group, seen)))
            .filter(|(_, _, seen)| silent(seen))
            .map(|(id, group, _)| (*id, group.clone()))
            .collect();
        found.sort_unstable();
        found
    }

    /// Connections that produce for a group, oldest first.
    pub fn producers(&self, group: &str) -> impl Iterator<Item = SessionId> {
        self.producers.get(group).into_iter().flatten().copied()
    }

    /// All producer groups with a connection.
    pub fn producer_groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.producers.keys()
    }

    /// The newest connection of a client that produces for any group: where a reply to it goes.
    pub fn producer_with_client(&self, client: &str) -> Option<SessionId> {
        let produces = |id: &&SessionId| self.get(**id).is_some_and(|session| !session.producer_groups.is_empty());
        self.clients.get(client)?.iter().rev().find(produces).copied()
    }

    /// A connection as it is shown.
    pub fn info(&self, id: SessionId) -> Option<ClientInfo> {
        self.get(id).map(|session| ClientInfo {
            session: id,
            client: session.client.clone(),
            peer: session.peer,
            language: session.language.clone(),
            version: session.version,
            last_seen: session.last_seen,
        })
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producers_that_fall_silent_together_are_found_in_the_same_order_every_time() {
        let mut sessions = Sessions::default();
        let peer = SocketAddr::from(([10, 0, 0, 5], 50_000));
        for id in (0..10).rev().map(SessionId) {
            sessions.open(id, peer, Timestamp::ZERO);
            for group in ["payers", "movers"] {
                sessions.produces(id, group, Timestamp::ZERO);
            }
        }
        let found = sessions.silent_producers(Timestamp::from_millis(120_001), 120_000);
        let wanted: Vec<(SessionId, Arc<str>)> =
            (0..10).flat_map(|id| ["movers", "payers"].map(|group| (SessionId(id), Arc::from(group)))).collect();
        assert_eq!(found, wanted);
    }
}
