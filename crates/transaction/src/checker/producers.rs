use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use foldhash::HashMap;
use message::{CommitLogOffset, Timestamp};

use crate::arena::Arena;

/// One connection of one client, as long as it lasts. The broker numbers them and never uses a number again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The producer groups and their sessions.
#[derive(Debug, Default)]
pub(super) struct Producers {
    pub groups: Arena<Group>,
    by_name: HashMap<Arc<str>, u32>,
    sessions: HashMap<SessionId, Session>,
    wakes: Wakes,
}

/// Groups to be served, and when: each at most once. Of several at the same time, in the order in which they were woken.
#[derive(Debug, Default)]
struct Wakes {
    queue: BTreeSet<(Timestamp, u64, u32)>,
    woken: u64,
}

/// A producer group: it exists while it has halves or sessions.
#[derive(Debug)]
pub(super) struct Group {
    name: Arc<str>,
    /// Its sessions in the order in which they joined.
    pub members: Vec<SessionId>,
    /// The member whose turn it is.
    turn: usize,
    /// Halves to be asked about, by the time from which on.
    pub waiting: BTreeSet<(Timestamp, CommitLogOffset)>,
    /// Halves that wait for a later time, but one before this, are asked about now: a session has joined since they
    /// were asked about last.
    pub recall: Timestamp,
    /// Halves that are watched.
    pub halves: usize,
    wake: Option<(Timestamp, u64)>,
}

#[derive(Debug)]
pub(super) struct Session {
    client: Arc<str>,
    pub groups: Vec<u32>,
    pub asked: BTreeMap<CommitLogOffset, Outstanding>,
    /// It is not asked before this time.
    paused_until: Timestamp,
}

/// A check that was sent and not answered yet.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub sent_at: Timestamp,
    /// Who was asked before in this round and did not answer.
    pub silent: Vec<SessionId>,
}

/// Nobody can be asked now.
#[derive(Debug)]
pub(super) struct Nobody {
    /// When somebody can be, if time alone brings that about.
    pub until: Option<Timestamp>,
    /// Sessions looked at.
    pub looked_at: usize,
}

impl Producers {
    /// The number of a group, which begins to exist if it did not.
    pub fn group(&mut self, name: &str) -> u32 {
        if let Some(group) = self.find_group(name) {
            return group;
        }
        let name: Arc<str> = name.into();
        let group = self.groups.insert(Group {
            name: name.clone(),
            members: Vec::new(),
            turn: 0,
            waiting: BTreeSet::new(),
            recall: Timestamp::ZERO,
            halves: 0,
            wake: None,
        });
        self.by_name.insert(name, group);
        group
    }

    pub fn find_group(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Forgets a group without halves and sessions.
    pub fn drop_unused(&mut self, group: u32) {
        let found = self.groups.get(group);
        if found.halves == 0 && found.members.is_empty() {
            if let Some((time, woken)) = found.wake {
                self.wakes.queue.remove(&(time, woken, group));
            }
            let name = self.groups.remove(group).name;
            self.by_name.remove(&name);
        }
    }

    /// Makes a session a member of a group. False if it is one.
    pub fn join(&mut self, group: u32, session: SessionId, client: &str, recall: Timestamp) -> bool {
        let joined = self.sessions.entry(session).or_insert_with(|| Session {
            client: client.into(),
            groups: Vec::new(),
            asked: BTreeMap::new(),
            paused_until: Timestamp::ZERO,
        });
        if !client.is_empty() && *joined.client != *client {
            joined.client = client.into();
        }
        if joined.groups.contains(&group) {
            return false;
        }
        joined.groups.push(group);
        let group = self.groups.get_mut(group);
        group.members.push(session);
        group.recall = recall;
        true
    }

    /// Takes a session out of all its groups.
    pub fn leave(&mut self, session: SessionId) -> Option<Session> {
        let left = self.sessions.remove(&session)?;
        left.groups.iter().for_each(|group| self.groups.get_mut(*group).remove_member(session));
        Some(left)
    }

    /// Takes a session out of one group. False if it was no member.
    pub fn leave_group(&mut self, group: u32, session: SessionId) -> bool {
        let Some(found) = self.sessions.get_mut(&session) else { return false };
        let Some(position) = found.groups.iter().position(|other| *other == group) else { return false };
        found.groups.remove(position);
        self.groups.get_mut(group).remove_member(session);
        true
    }

    pub fn is_in_no_group(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.groups.is_empty())
    }

    pub fn client(&self, session: SessionId) -> Arc<str> {
        self.sessions.get(&session).map_or_else(|| "".into(), |session| session.client.clone())
    }

    /// The halves a session is being asked about, oldest first.
    pub fn asked_of(&self, session: SessionId) -> impl Iterator<Item = CommitLogOffset> + '_ {
        self.sessions.get(&session).into_iter().flat_map(|session| session.asked.keys().copied())
    }

    pub fn check(&self, session: SessionId, half: CommitLogOffset) -> Option<&Outstanding> {
        self.sessions.get(&session)?.asked.get(&half)
    }

    pub fn add_check(&mut self, session: SessionId, half: CommitLogOffset, check: Outstanding) {
        let session = self.sessions.get_mut(&session).expect("only sessions that are there are asked");
        let before = session.asked.insert(half, check);
        assert!(before.is_none(), "a half is asked about once at a time: {half}");
    }

    /// Ends a check. The session's groups are served anew: it has room for another one.
    pub fn take_check(&mut self, session: SessionId, half: CommitLogOffset, now: Timestamp) -> Outstanding {
        let Producers { sessions, groups, wakes, .. } = self;
        let session = sessions.get_mut(&session).expect("who is asked is there");
        // The room goes to its groups in turn: the long line of one does not keep the others waiting.
        if !session.groups.is_empty() {
            session.groups.rotate_left(1);
        }
        for group in &session.groups {
            groups.get_mut(*group).wake(*group, now, wakes);
        }
        session.asked.remove(&half).expect("the half knows whom it asks")
    }

    pub fn pause(&mut self, session: SessionId, until: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.paused_until = until;
        }
    }

    /// The half in front of a group's line, if there is anybody to ask.
    pub fn first_waiting(&self, group: u32) -> Option<(Timestamp, CommitLogOffset)> {
        let group = self.groups.get(group);
        group.waiting.first().copied().filter(|_| !group.members.is_empty())
    }

    /// Whom to ask: the one to be asked first (the sender, as a rule), or else the member whose turn it is; never one
    /// of those excluded, and only one with room for another check.
    pub fn pick(
        &mut self,
        group: u32,
        first: Option<SessionId>,
        excluded: &[SessionId],
        now: Timestamp,
        unanswered_max: usize,
    ) -> Result<SessionId, Nobody> {
        let has_room = |session: &Session| session.paused_until <= now && session.asked.len() < unanswered_max;
        if let Some(first) = first.filter(|first| !excluded.contains(first)) {
            let session = self.sessions.get(&first).filter(|session| session.groups.contains(&group));
            if session.is_some_and(has_room) {
                return Ok(first);
            }
        }
        let group = self.groups.get_mut(group);
        let mut until: Option<Timestamp> = None;
        for step in 0..group.members.len() {
            let position = (group.turn + step) % group.members.len();
            let member = group.members[position];
            let session = &self.sessions[&member];
            if has_room(session) && !excluded.contains(&member) {
                group.turn = position + 1;
                return Ok(member);
            }
            if session.paused_until > now {
                until = Some(until.map_or(session.paused_until, |until| until.min(session.paused_until)));
            }
        }
        Err(Nobody { until, looked_at: group.members.len() })
    }

    /// Has a group served at this time, or earlier if it is to be anyway.
    pub fn wake(&mut self, group: u32, time: Timestamp) {
        self.groups.get_mut(group).wake(group, time, &mut self.wakes);
    }

    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.queue.first().map(|(time, _, _)| *time)
    }

    /// The next group to be served by now.
    pub fn pop_wake(&mut self, now: Timestamp) -> Option<u32> {
        let (_, _, group) = self.wakes.queue.first().copied().filter(|(time, _, _)| *time <= now)?;
        self.wakes.queue.pop_first();
        self.groups.get_mut(group).wake = None;
        Some(group)
    }
}

impl Group {
    fn remove_member(&mut self, session: SessionId) {
        if let Some(position) = self.members.iter().position(|member| *member == session) {
            self.members.remove(position);
            self.turn -= usize::from(position < self.turn);
        }
    }

    fn wake(&mut self, number: u32, time: Timestamp, wakes: &mut Wakes) {
        // Without a line or without anybody to ask there is nothing to serve; whoever joins wakes the group.
        if self.waiting.is_empty() || self.members.is_empty() || self.wake.is_some_and(|(wake, _)| wake <= time) {
            return;
        }
        wakes.woken += 1;
        if let Some((later, woken)) = self.wake.replace((time, wakes.woken)) {
            wakes.queue.remove(&(later, woken, number));
        }
        wakes.queue.insert((time, wakes.woken, number));
    }
}
