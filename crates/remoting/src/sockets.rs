//! Connections: accepted, read frame by frame, written once a turn. The only place that touches a socket.
//!
//! One thread polls all of them (see `docs/decisions/0001-thread-layout.md`). Frames are scanned where they were read;
//! only an unfinished one is copied. What a slow reader does not take is bounded: requests of a connection whose
//! answers pile up wait in the kernel's buffers until it reads.

mod accepting;
mod connection;
mod reading;
mod sharing;
mod silence;
mod spare;
mod writing;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::io::SessionId;
use mio::net::TcpListener;
use mio::{Events, Poll, Token, Waker};
use protocol::frame::Frame;

use accepting::Hosts;
use connection::Connection;
pub use sharing::Hearing;
use sharing::Shares;
use spare::Spare;

/// Limits of all connections together and of each.
#[derive(Clone, Debug)]
pub struct SocketLimits {
    /// Connections at a time; more are closed as soon as they are accepted.
    pub connections: usize,
    /// Connections of one address at a time; of IPv6, of one network of 64 bits.
    pub connections_per_address: Option<usize>,
    /// Longest frame, in bytes, its length field not counted.
    pub frame_size: usize,
    /// Bytes of answers a connection may leave unread before its requests wait.
    pub send_buffer: usize,
    /// Bytes read from one connection before the others have their turn; and those of all busy ones in a batch of the
    /// log, while somebody else says little.
    pub receive_buffer: usize,
    /// Bytes of unfinished frames of all connections together; beyond it the connection that holds most is closed.
    pub receive_buffers: usize,
    /// Bytes of answers that all connections together leave unread; beyond it the one that has read nothing for longest is
    /// closed.
    pub send_buffers: usize,
    /// A connection on which nothing came or went for so long is closed.
    pub idle: Duration,
    /// A connection whose request takes longer, from its first byte to its last, is closed.
    pub frame_timeout: Duration,
}

/// Which of the listeners a connection came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenerId(pub usize);

/// What a connection has to say.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was accepted.
    Opened {
        /// Its name from now on.
        session: SessionId,
        /// The other end.
        peer: SocketAddr,
        /// The listener it came by.
        listener: ListenerId,
    },
    /// It was closed as soon as it was accepted.
    Refused {
        /// The other end.
        peer: SocketAddr,
        /// Why.
        why: String,
    },
    /// It sent a whole frame. What is appended to `to` is sent back.
    Frame {
        /// The connection.
        session: SessionId,
        /// The frame.
        frame: Frame<'a>,
        /// Its send buffer.
        to: &'a mut Vec<u8>,
    },
    /// It is gone.
    Closed {
        /// The connection.
        session: SessionId,
        /// The other end.
        peer: SocketAddr,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The other end closed it.
    Peer,
    /// The network failed.
    Network(io::ErrorKind),
    /// It sent what is not a frame, or what cannot be answered.
    Malformed(String),
    /// All connections together keep too much in memory, and this one most, or longest.
    Overload(String),
    /// A request did not come whole in time.
    Slow(String),
    /// Nothing came or went for too long.
    Idle,
}

/// What the handler of a frame wants of the connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on.
    Keep,
    /// Go on with it later, and read from no other connection in this turn.
    Later,
    /// Close it: it does not speak our protocol, and why we think so.
    Close(String),
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// All connections and listeners.
#[derive(Debug)]
pub struct Sockets {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    limits: SocketLimits,
    listeners: Vec<TcpListener>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    open: usize,
    /// Connections that may have something to read.
    ready: Vec<usize>,
    /// Connections that have something to write.
    dirty: Vec<usize>,
    /// Connections that ended since the last turn.
    ended: Vec<(SessionId, SocketAddr, CloseReason)>,
    accepting: bool,
    /// Nothing more is read in this turn.
    later: bool,
    /// When to try again to accept, after the system refused.
    accept_again: Option<u64>,
    /// Bytes of unfinished frames.
    buffered: usize,
    /// Bytes of answers that were left unread by the last flush.
    unread: usize,
    hosts: Hosts,
    shares: Shares,
    spare: Spare,
    scratch: Vec<u8>,
    turn_seconds: u64,
    swept_seconds: u64,
}

const WAKER: Token = Token(usize::MAX);
const LISTENERS: usize = usize::MAX / 2;

impl Sockets {
    /// No connection and no listener yet.
    ///
    /// # Errors
    /// When the operating system has no poll instance to give.
    pub fn new(limits: SocketLimits) -> io::Result<Self> {
        let chunk = limits.receive_buffer.max(4096);
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        Ok(Sockets {
            poll,
            events: Events::with_capacity(1024),
            waker,
            limits,
            listeners: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            open: 0,
            ready: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            accepting: false,
            later: false,
            accept_again: None,
            buffered: 0,
            unread: 0,
            hosts: Hosts::default(),
            shares: Shares::default(),
            spare: Spare::default(),
            scratch: vec![0; chunk],
            turn_seconds: 0,
            swept_seconds: 0,
        })
    }

    /// Ends [`Sockets::wait`] from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Waits until a connection has something to say, at most for `timeout`. What was left unread by a turn before is a
    /// reason not to wait if it may be heard now. `seconds` is any clock that does not go back.
    ///
    /// # Errors
    /// When the operating system cannot poll.
    pub fn wait(&mut self, timeout: Option<Duration>, seconds: u64, hearing: Hearing) -> io::Result<()> {
        let unread = self.ready.iter().any(|index| self.may_read(*index, hearing));
        let timeout = if unread || self.accepting || !self.ended.is_empty() {
            Some(Duration::ZERO)
        } else if self.open > 0 {
            let most = self.sleep_max();
            Some(timeout.map_or(most, |timeout| timeout.min(most)))
        } else {
            timeout
        };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        self.turn_seconds = seconds;
        if self.accept_again.is_some_and(|again| again <= seconds) {
            self.accept_again = None;
            self.accepting = true;
        }
        for event in &self.events {
            match event.token() {
                WAKER => {}
                Token(token) if token >= LISTENERS => self.accepting = true,
                Token(index) => {
                    let Some(connection) = self.slots.get_mut(index).and_then(|slot| slot.connection.as_mut()) else {
                        continue;
                    };
                    let ending = event.is_read_closed() || event.is_error();
                    let readable = event.is_readable() || ending;
                    connection.ending |= ending;
                    connection.readable |= readable;
                    if readable && !std::mem::replace(&mut connection.queued, true) {
                        self.ready.push(index);
                    }
                    if event.is_writable() && connection.unread() > 0 && !connection.dirty {
                        connection.dirty = true;
                        self.dirty.push(index);
                    }
                }
            }
        }
        Ok(())
    }

    fn may_read(&self, index: usize, hearing: Hearing) -> bool {
        let Some(connection) = self.slots[index].connection.as_ref() else { return false };
        match hearing {
            Hearing::Nothing => false,
            Hearing::Rest => self.has_room(connection) && self.allowance(connection) > 0,
            Hearing::Anew => self.has_room(connection),
        }
    }

    fn has_room(&self, connection: &Connection) -> bool {
        !connection.paused && connection.unread() <= self.limits.send_buffer
    }

    /// Accepts, reads, and hands over what came since the last turn.
    pub fn turn(&mut self, hearing: Hearing, mut handle: impl FnMut(Event<'_>) -> Verdict) {
        self.report_ended(&mut handle);
        self.accept(&mut handle);
        if hearing == Hearing::Anew {
            self.begin_round();
        }
        self.later = hearing == Hearing::Nothing;
        let mut ready = std::mem::take(&mut self.ready);
        self.order(&mut ready);
        let mut reached = 0;
        while !self.later && reached < ready.len() {
            let index = ready[reached];
            reached += 1;
            if let Some(connection) = self.slots[index].connection.as_mut() {
                connection.queued = false;
            }
            self.read(index, &mut handle);
        }
        // Those who were not reached come before those who have more to say.
        ready.drain(..reached);
        ready.append(&mut self.ready);
        self.ready = ready;
        self.sweep();
        self.report_ended(&mut handle);
    }

    fn report_ended(&mut self, handle: &mut impl FnMut(Event<'_>) -> Verdict) {
        for (session, peer, reason) in std::mem::take(&mut self.ended) {
            handle(Event::Closed { session, peer, reason });
        }
    }

    /// The send buffer of a connection, to append answers to; `None` when it is gone.
    pub fn out(&mut self, session: SessionId) -> Option<&mut Vec<u8>> {
        let index = self.index_of(session)?;
        let unread = self.slots[index].connection.as_ref()?.unread();
        self.answering(index, unread);
        let connection = self.slots[index].connection.as_mut()?;
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(index);
        }
        self.spare.lend(&mut connection.output);
        Some(&mut connection.output)
    }

    /// Stops reading from a connection, or begins again.
    pub fn pause(&mut self, session: SessionId, paused: bool) {
        let Some(index) = self.index_of(session) else { return };
        if let Some(connection) = self.slots[index].connection.as_mut() {
            connection.paused = paused;
        }
    }

    /// Bytes a connection has not read yet; `None` when it is gone.
    pub fn unread(&self, session: SessionId) -> Option<usize> {
        let connection = self.slots[self.index_of(session)?].connection.as_ref()?;
        Some(connection.unread())
    }

    /// Whether the send buffer of a connection has room for more, now or in a later [turn](Sockets::has_turn).
    pub fn takes_more(&self, session: SessionId) -> bool {
        self.unread(session).is_some_and(|unread| unread <= self.limits.send_buffer)
    }

    /// Stops accepting new connections.
    pub fn stop_listening(&mut self) {
        for mut listener in std::mem::take(&mut self.listeners) {
            // A listener that cannot be taken out of the poll is closed all the same when it is dropped.
            let _ = self.poll.registry().deregister(&mut listener);
        }
    }

    /// Has a connection looked at again in the next turn.
    fn queue(&mut self, index: usize) {
        if let Some(connection) = self.slots[index].connection.as_mut()
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.ready.push(index);
        }
    }

    fn end(&mut self, index: usize, reason: CloseReason) {
        let slot = &mut self.slots[index];
        let Some(mut connection) = slot.connection.take() else { return };
        self.buffered -= connection.input.len();
        self.unread -= connection.counted;
        // Closing the descriptor takes it out of the poll in any case.
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.open -= 1;
        self.hosts.remove(connection.peer);
        self.ended.push((session_id(slot.generation, index), connection.peer, reason));
        // What is left of it in the lists of a turn finds nobody there, or somebody else with nothing to say.
        self.free.push(index);
    }

    fn index_of(&self, session: SessionId) -> Option<usize> {
        let index = (session.0 & u64::from(u32::MAX)) as usize;
        let slot = self.slots.get(index)?;
        (session_id(slot.generation, index) == session && slot.connection.is_some()).then_some(index)
    }
}

/// The name of the connection in a slot; a slot that is used again gives another name.
fn session_id(generation: u32, index: usize) -> SessionId {
    SessionId(u64::from(generation) << 32 | index as u64)
}

#[cfg(test)]
mod tests;
