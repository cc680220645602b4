//! Who is heard how much, and answered how much, before everybody waits for the disk.
//!
//! A batch of the log is a round: what is heard while it gathers is written, made durable and answered together, so that
//! everybody in it waits for all of it. Two kinds of connections are told apart by what went over them lately: those that
//! say [little](LITTLE), and the busy ones. While nobody says little, busy ones are heard as fast as they send, for long
//! batches are what makes many sends cheap. As long as somebody does, a round has room for one receive buffer of all
//! busy connections together, in equal shares, and those who say little are heard before them. Who does not read its
//! answers waits for none of them, and has a [quarter](UNREAD) of a share. What busy connections are answered in a turn
//! is bounded too, and [less](ANSWERS_DISTURBED) as long as somebody says little: a message of theirs takes three or four
//! turns from one end to the other, and waits in each for all that is answered in it.

use std::cell::Cell;

use broker::io::SessionId;

use super::connection::Connection;
use super::{SocketLimits, Sockets};

/// Bytes of requests and answers in a second and the one before it, up to which a connection says little.
const LITTLE: usize = 64 << 10;

/// What a request counts beside its bytes: handling it costs about as much as storing so many bytes more.
const REQUEST: usize = 512;

/// Smallest share of a busy connection in a round, however many there are.
const SHARE_MIN: usize = 4 << 10;

/// The part of its share that a connection has whose answers lie unread.
const UNREAD: usize = 4;

/// Answers of one turn to busy connections while nobody says little, in receive buffers.
const ANSWERS: usize = 4;

/// The part of a receive buffer that they are answered in a turn as long as somebody does.
const ANSWERS_DISTURBED: usize = 2;

/// What may be heard in a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// Nothing: too much waits to be written.
    Nothing,
    /// What is left of each connection's share: what was heard before still waits to be written.
    Rest,
    /// A new share of each: nothing waits.
    Anew,
}

/// What went over a connection lately.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    second: u64,
    bytes: usize,
    bytes_before: usize,
    round: u64,
    spent: usize,
    /// The last turn in which it was answered.
    answered: Option<u64>,
}

impl Traffic {
    /// So many bytes came or are to go.
    pub fn add(&mut self, seconds: u64, bytes: usize) {
        if seconds != self.second {
            self.bytes_before = if seconds == self.second + 1 { self.bytes } else { 0 };
            (self.second, self.bytes) = (seconds, 0);
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn lately(&self, seconds: u64) -> usize {
        match seconds.saturating_sub(self.second) {
            0 => self.bytes.saturating_add(self.bytes_before),
            1 => self.bytes,
            _ => 0,
        }
    }
}

/// The shares of a round, and of a turn's answers.
#[derive(Debug, Default)]
pub(super) struct Shares {
    round: u64,
    /// Of each busy connection in this round.
    share: usize,
    /// Busy connections heard in this round.
    busy: usize,
    /// When somebody was heard who says little.
    little_heard: Option<u64>,
    /// Turns whose answers were made.
    turn: u64,
    /// Bytes of answers of this turn, but those of the connection that is being answered.
    answered: usize,
    /// The connection that is being answered, and what it had unread before.
    answering: Option<(usize, usize)>,
    /// Busy connections below this one have no turn to be answered.
    from: usize,
    /// The first busy connection that waits for its turn and was not answered in this one.
    first_denied: Cell<Option<usize>>,
}

impl Shares {
    fn begin_round(&mut self, seconds: u64, limits: &SocketLimits) {
        self.round += 1;
        self.share = match self.are_disturbed(seconds) {
            true => limits.receive_buffer / self.busy.max(1),
            false => usize::MAX,
        };
        self.busy = 0;
    }

    /// Whether somebody was heard in this second or the last who says little.
    fn are_disturbed(&self, seconds: u64) -> bool {
        self.little_heard.is_some_and(|heard| heard + 1 >= seconds)
    }

    /// Answers of a turn to busy connections, in bytes; the last one goes over.
    fn answers_max(&self, seconds: u64, limits: &SocketLimits) -> usize {
        match self.are_disturbed(seconds) {
            true => limits.receive_buffer / ANSWERS_DISTURBED,
            false => ANSWERS * limits.receive_buffer,
        }
    }
}

impl Sockets {
    /// Whether little went over a connection lately.
    pub(super) fn says_little(&self, connection: &Connection) -> bool {
        let unsent = connection.unread().saturating_sub(connection.counted);
        connection.traffic.lately(self.turn_seconds) + unsent <= LITTLE
    }

    pub(super) fn begin_round(&mut self) {
        self.shares.begin_round(self.turn_seconds, &self.limits);
    }

    /// What may still be heard of a connection in this round, in bytes.
    pub(super) fn allowance(&self, connection: &Connection) -> usize {
        let share = match (self.says_little(connection), connection.counted > 0) {
            (true, _) => self.shares.share.max(LITTLE),
            (false, true) if self.shares.share < usize::MAX => (self.shares.share / UNREAD).max(SHARE_MIN),
            (false, _) => self.shares.share.max(SHARE_MIN),
        };
        match connection.traffic.round == self.shares.round {
            true => share.saturating_sub(connection.traffic.spent),
            false => share,
        }
    }

    /// Puts those who say little first; the others stay in the order in which they came.
    pub(super) fn order(&self, ready: &mut [usize]) {
        let busy = |index: &usize| {
            let connection = self.slots[*index].connection.as_ref();
            connection.is_some_and(|connection| !self.says_little(connection))
        };
        ready.sort_by_key(busy);
    }

    /// Notes what was heard of a connection. Call it when its traffic is in place again.
    pub(super) fn heard(&mut self, index: usize, bytes: usize, requests: usize) {
        let little = self.slots[index].connection.as_ref().is_some_and(|connection| self.says_little(connection));
        let (seconds, shares) = (self.turn_seconds, &mut self.shares);
        let Some(connection) = self.slots[index].connection.as_mut() else { return };
        let traffic = &mut connection.traffic;
        if traffic.round != shares.round {
            (traffic.round, traffic.spent) = (shares.round, 0);
            if little {
                shares.little_heard = Some(seconds);
            } else {
                shares.busy += 1;
            }
        }
        traffic.spent = traffic.spent.saturating_add(cost(bytes, requests));
        traffic.add(seconds, bytes);
    }

    /// Whether a connection has its turn to be answered more. Those who say little always have; busy ones share the
    /// answers of a turn, and whoever had none comes first in the next.
    pub fn has_turn(&self, session: SessionId) -> bool {
        let Some(index) = self.index_of(session) else { return false };
        let Some(connection) = self.slots[index].connection.as_ref() else { return false };
        if connection.unread() > self.limits.send_buffer {
            return false;
        }
        if self.says_little(connection) {
            return true;
        }
        let shares = &self.shares;
        if index < shares.from {
            return false;
        }
        let most = shares.answers_max(self.turn_seconds, &self.limits);
        let room = shares.answered + self.answering_now() < most;
        if !room && connection.traffic.answered != Some(shares.turn) {
            let first = shares.first_denied.get().map_or(index, |first| first.min(index));
            shares.first_denied.set(Some(first));
        }
        room
    }

    fn answering_now(&self) -> usize {
        let Some((index, before)) = self.shares.answering else { return 0 };
        let connection = self.slots[index].connection.as_ref();
        connection.map_or(0, |connection| connection.unread().saturating_sub(before))
    }

    /// The send buffer of a connection is about to be appended to.
    pub(super) fn answering(&mut self, index: usize, unread: usize) {
        self.shares.answered += self.answering_now();
        self.shares.answering = Some((index, unread));
        if let Some(connection) = self.slots[index].connection.as_mut() {
            connection.traffic.answered = Some(self.shares.turn);
        }
    }

    /// All answers of the turn were made.
    pub(super) fn end_answers(&mut self) {
        let shares = &mut self.shares;
        (shares.answered, shares.answering) = (0, None);
        shares.turn += 1;
        shares.from = shares.first_denied.take().unwrap_or(0);
    }
}

/// What so many bytes in so many requests count.
pub(super) fn cost(bytes: usize, requests: usize) -> usize {
    bytes + requests * REQUEST
}
