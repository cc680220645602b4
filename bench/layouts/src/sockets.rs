//! Non-blocking connections of one thread behind one epoll: used by layouts A, B and C, and by the client.

use crate::wire::{self, Frame};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

const WAKER: Token = Token(usize::MAX);
/// Room in a connection's receive buffer, in bytes. A full buffer is scanned and filled again in the same turn.
const RECEIVE_SIZE: usize = 256 * 1024;

/// The connections of one thread.
pub struct Sockets {
    poll: Poll,
    events: Events,
    arrivals: Receiver<std::net::TcpStream>,
    connections: Vec<Option<Connection>>,
    to_write: Vec<usize>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    filled: usize,
    out: Vec<u8>,
}

/// Gives connections to a [`Sockets`] and wakes it, from another thread.
#[derive(Clone)]
pub struct Handle {
    arrivals: Sender<std::net::TcpStream>,
    waker: Arc<Waker>,
}

impl Handle {
    /// Hands a connected stream over.
    pub fn adopt(&self, stream: std::net::TcpStream) -> Result<()> {
        self.arrivals.send(stream).expect("sockets live as long as their handle");
        self.wake();
        Ok(())
    }

    /// Makes a waiting `turn` return.
    pub fn wake(&self) {
        self.waker.wake().expect("an eventfd can be written");
    }
}

impl Sockets {
    /// No connections yet; they come through the handle.
    pub fn new() -> Result<(Sockets, Handle)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, arrivals) = mpsc::channel();
        let events = Events::with_capacity(256);
        let sockets = Sockets { poll, events, arrivals, connections: Vec::new(), to_write: Vec::new() };
        Ok((sockets, Handle { arrivals: sender, waker }))
    }

    /// Waits until something can be read or a wake came, without a limit if `timeout` is `None`. False: neither.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        loop {
            match self.poll.poll(&mut self.events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map(|()| !self.events.is_empty()),
            }
        }
    }

    /// Reads what [`wait`](Self::wait) found and shows every complete frame to `on_frame`, with its connection and
    /// that connection's send buffer.
    pub fn read(&mut self, mut on_frame: impl FnMut(usize, Frame<'_>, &mut Vec<u8>)) -> Result<()> {
        for event in &self.events {
            if event.token() == WAKER {
                while let Ok(stream) = self.arrivals.try_recv() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let mut stream = TcpStream::from_std(stream);
                    let token = Token(self.connections.len());
                    self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    let received = vec![0; RECEIVE_SIZE];
                    self.connections.push(Some(Connection { stream, received, filled: 0, out: Vec::new() }));
                }
                continue;
            }
            let number = event.token().0;
            let Some(connection) = &mut self.connections[number] else { continue };
            let was_empty = connection.out.is_empty();
            let open = !event.is_readable() || connection.read(|frame, out| on_frame(number, frame, out))?;
            if !open {
                self.connections[number] = None;
            } else if !connection.out.is_empty() && (was_empty || event.is_writable()) {
                self.to_write.push(number);
            }
        }
        Ok(())
    }

    /// The send buffer of a connection, which the next [`flush`](Self::flush) writes; `None` once it is closed.
    pub fn out(&mut self, connection: usize) -> Option<&mut Vec<u8>> {
        let out = &mut self.connections[connection].as_mut()?.out;
        if out.is_empty() {
            self.to_write.push(connection);
        }
        Some(out)
    }

    /// One write for each connection that has something to send. What a full socket does not take waits for its
    /// writable event.
    pub fn flush(&mut self) {
        for number in self.to_write.drain(..) {
            let Some(connection) = &mut self.connections[number] else { continue };
            if connection.out.is_empty() {
                continue; // listed twice, by an answer and by a writable event
            }
            match connection.stream.write(&connection.out) {
                Ok(written) if written == connection.out.len() => connection.out.clear(),
                Ok(written) => drop(connection.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The peer is gone: the end of a client, not of the server.
                Err(_) => self.connections[number] = None,
            }
        }
    }
}

impl Connection {
    /// False once the other side has closed.
    fn read(&mut self, mut on_frame: impl FnMut(Frame<'_>, &mut Vec<u8>)) -> Result<bool> {
        loop {
            let room = self.received.len() - self.filled;
            match self.stream.read(&mut self.received[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.filled += count;
                    let mut at = 0;
                    while let Some((frame, size)) = wire::next_frame(&self.received[at..self.filled])? {
                        on_frame(frame, &mut self.out);
                        at += size;
                    }
                    self.received.copy_within(at..self.filled, 0);
                    self.filled -= at;
                    // A short read has emptied the socket: what comes later raises a new edge.
                    if count < room {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Ok(false),
            }
        }
    }
}
