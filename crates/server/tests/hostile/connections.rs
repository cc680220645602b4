//! Attackers who hold connections.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::attack::{Attack, BLINK, Field, write};
use crate::requests::send;

/// Bytes of memory that a connection may cost that has sent nothing, or very little.
const CONNECTION: u64 = 4 << 10;

fn open(field: &Field, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count && !field.is_over() {
        streams.extend(field.connect());
    }
    streams
}

/// Connects and says nothing.
pub struct Idle {
    pub count: usize,
}

impl Attack for Idle {
    fn name(&self) -> String {
        format!("{} idle connections", self.count)
    }

    fn settings(&self) -> &'static [&'static str] {
        &["limits.connections_per_address=none"]
    }

    fn memory_max(&self) -> u64 {
        self.count as u64 * CONNECTION
    }

    fn attack(&self, field: &Field, _thread: usize) {
        let streams = open(field, self.count);
        field.struck(streams.len() as u64);
        field.is_in_place();
        while !field.is_over() {
            std::thread::sleep(BLINK);
        }
    }
}

/// Sends a request on each of many connections, a byte a second.
pub struct SlowLoris {
    pub count: usize,
}

impl Attack for SlowLoris {
    fn name(&self) -> String {
        format!("a byte a second on {} connections", self.count)
    }

    fn memory_max(&self) -> u64 {
        self.count as u64 * CONNECTION
    }

    fn attack(&self, field: &Field, _thread: usize) {
        let mut streams = open(field, self.count);
        field.is_in_place();
        let request = send("slow", "K", &[b's'; 1024]);
        for byte in request {
            let begun = Instant::now();
            for (number, stream) in streams.iter_mut().enumerate() {
                if field.is_over() {
                    return;
                }
                // Spread over the second, as so many clients would be.
                let due = begun + Duration::from_secs(1) * number as u32 / self.count as u32;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if write(stream, &[byte]) {
                    field.struck(1);
                } else {
                    field.was_refused();
                }
            }
        }
    }
}
