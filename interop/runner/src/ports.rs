//! Ports for brokers, so that stories that run at the same time do not meet.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where one broker listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The name server's port.
    pub name_server: u16,
    /// The broker's port; the "VIP" port two below it is free as well.
    pub broker: u16,
}

/// Below the range from which the system takes ports for outgoing connections.
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 1_500;
const BLOCK: u16 = 8;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Ports that nobody listens on now and that this process gave to no other broker.
pub fn free_ports() -> Ports {
    // Suites that run side by side start at different places.
    let start = (std::process::id() % u32::from(BLOCKS)) as u16;
    for _ in 0..BLOCKS {
        let block = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % BLOCKS;
        let base = FIRST + block * BLOCK;
        let ports = Ports { name_server: base, broker: base + 4 };
        if [base, base + 2, base + 4].into_iter().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return ports;
        }
    }
    panic!("no free ports between {FIRST} and {}", FIRST + BLOCKS * BLOCK);
}
