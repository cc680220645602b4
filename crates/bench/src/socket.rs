//! A connection that never blocks.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, bail};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Bytes read at a time.
pub(crate) const CHUNK: usize = 256 << 10;

pub(crate) struct Socket {
    stream: TcpStream,
    /// Read, and not taken yet.
    input: Vec<u8>,
    taken: usize,
    /// To be written.
    pub(crate) output: Vec<u8>,
    written: usize,
}

impl Socket {
    /// Connects, and waits until it is connected.
    pub(crate) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> anyhow::Result<Self> {
        let stream = std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { stream, input: Vec::new(), taken: 0, output: Vec::new(), written: 0 })
    }

    /// Reads what there is, by way of a buffer of [`CHUNK`] bytes that all connections share.
    pub(crate) fn read(&mut self, chunk: &mut [u8]) -> anyhow::Result<()> {
        loop {
            match self.stream.read(chunk) {
                Ok(0) => bail!("the broker closed the connection"),
                Ok(count) => {
                    self.input.extend_from_slice(&chunk[..count]);
                    // The next byte is told of anew.
                    if count < chunk.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the connection failed"),
            }
        }
    }

    /// What was read and not taken, and where to write answers to.
    pub(crate) fn split(&mut self) -> (&[u8], &mut Vec<u8>) {
        (&self.input[self.taken..], &mut self.output)
    }

    /// So many bytes are dealt with.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.input.len() {
            self.input.clear();
            self.taken = 0;
        } else if self.taken >= CHUNK {
            self.input.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Writes what goes.
    pub(crate) fn write(&mut self) -> anyhow::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the connection failed"),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}
