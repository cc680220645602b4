//! What an attack is.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::broker::Broker;

/// Longest time an attacker waits for one thing, so that it sees soon that the attack is over.
pub const BLINK: Duration = Duration::from_millis(100);

/// Clients that mean harm.
pub trait Attack: Sync {
    /// What it is called in the table.
    fn name(&self) -> String;

    /// Settings of the broker it attacks: limits that it can reach.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Bytes by which the broker's memory may grow under it, by these settings.
    fn memory_max(&self) -> u64;

    /// Threads that attack.
    fn threads(&self) -> usize {
        1
    }

    /// What is there before it begins.
    fn prepare(&mut self, _broker: &mut Broker) {}

    /// One thread of the attack, until it is [over](Field::is_over).
    fn attack(&self, field: &Field, thread: usize);

    /// What must be true once it is over.
    fn aftermath(&mut self, _broker: &mut Broker, _field: &Field) {}
}

/// Where an attack happens.
pub struct Field {
    /// Where the broker listens.
    pub address: SocketAddr,
    over: AtomicBool,
    ready: AtomicU64,
    blows: AtomicU64,
    refused: AtomicU64,
}

impl Field {
    /// Of a broker that listens there.
    pub fn new(address: SocketAddr) -> Self {
        let (over, ready) = (AtomicBool::new(false), AtomicU64::new(0));
        Field { address, over, ready, blows: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Whether the attackers are to stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A new attack begins.
    pub fn begin(&self) {
        self.over.store(false, Ordering::Relaxed);
        self.ready.store(0, Ordering::Relaxed);
    }

    /// Tells the attackers to stop.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// This thread has everything in place.
    pub fn is_in_place(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }

    /// Threads that have everything in place.
    pub fn in_place(&self) -> usize {
        self.ready.load(Ordering::Relaxed) as usize
    }

    /// So many things were done to the broker.
    pub fn struck(&self, count: u64) {
        self.blows.fetch_add(count, Ordering::Relaxed);
    }

    /// How many things were done to it.
    pub fn blows(&self) -> u64 {
        self.blows.load(Ordering::Relaxed)
    }

    /// The broker closed a connection.
    pub fn was_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections it closed.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A connection that waits for nothing longer than a [`BLINK`]; `None` while there is none to have.
    pub fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).ok()?;
        stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(BLINK))).ok()?;
        stream.set_write_timeout(Some(BLINK)).ok()?;
        Some(stream)
    }
}

/// Writes as much as the other side takes; false once it takes nothing for a [`BLINK`], or has closed.
pub fn write(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

/// Whether the other side has closed the connection by now.
pub fn is_gone(stream: &mut TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    match stream.read(&mut [0; 16]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Whether the other side closes the connection while it is read for a while.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    let mut some = [0; 4096];
    for _ in 0..20 {
        match stream.read(&mut some) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}

/// Marsaglia's xorshift: the same numbers from the same seed.
pub struct Random(pub u64);

impl Random {
    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
