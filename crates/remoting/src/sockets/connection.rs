use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use super::CloseReason;
use super::sharing::Traffic;
use super::spare::BUFFER_KEEP;

/// One connection: its stream, and what has come and not been handled, or been answered and not been sent.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
    /// The beginning of a frame whose end has not come yet, or frames that wait for a later turn.
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    pub written: usize,
    /// Bytes left unread that are counted in the sum over all connections.
    pub counted: usize,
    /// There may be something to read.
    pub readable: bool,
    /// The other end has closed, or the connection failed: it is read to its end.
    pub ending: bool,
    /// It stands in the list of those that may have something to read.
    pub queued: bool,
    /// Nothing is read from it for now.
    pub paused: bool,
    /// It stands in the list of those that have something to write.
    pub dirty: bool,
    /// When something came or went last.
    pub last_active: u64,
    /// When its other end took an answer last, or had read all.
    pub last_taken: u64,
    /// When the first byte came of a frame that is not whole yet.
    pub frame_since: Option<u64>,
    pub traffic: Traffic,
}

impl Connection {
    pub fn new(stream: TcpStream, peer: SocketAddr, seconds: u64) -> Self {
        Connection {
            stream,
            peer,
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            counted: 0,
            readable: true,
            ending: false,
            queued: true,
            paused: false,
            dirty: false,
            last_active: seconds,
            last_taken: seconds,
            frame_since: None,
            traffic: Traffic::default(),
        }
    }

    /// Bytes of answers that are not on their way yet.
    pub fn unread(&self) -> usize {
        self.output.len() - self.written
    }

    /// Reads what there is, at most as much as fits.
    ///
    /// Less than fits is all there was, and the poll tells of whatever comes later: asking again would be a system call
    /// for each request of somebody who waits for its answer. Only that nothing more will ever come may have been told
    /// together with the last bytes.
    pub fn read(&mut self, into: &mut [u8], seconds: u64) -> Result<usize, CloseReason> {
        match self.stream.read(into) {
            Ok(0) => Err(CloseReason::Peer),
            Ok(got) => {
                self.last_active = seconds;
                self.readable = got == into.len() || self.ending;
                Ok(got)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(0)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(CloseReason::Network(error.kind())),
        }
    }

    /// Keeps what was read and not handled for the next turn.
    pub fn keep(&mut self, mut input: Vec<u8>) {
        if input.is_empty() {
            input.shrink_to(BUFFER_KEEP);
        }
        self.input = input;
    }

    /// Writes as much as the other end takes now.
    pub fn write(&mut self, seconds: u64) -> Result<(), CloseReason> {
        if self.counted == 0 {
            self.last_taken = seconds;
        }
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(CloseReason::Peer),
                Ok(count) => {
                    self.written += count;
                    (self.last_active, self.last_taken) = (seconds, seconds);
                }
                // The poll says when it can be written again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CloseReason::Network(error.kind())),
            }
        }
        if self.unread() == 0 {
            self.output.clear();
            self.written = 0;
        } else if self.written > self.output.len() / 2 {
            self.output.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }
}
