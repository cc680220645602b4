use std::fmt::{self, Write};

use message::Timestamp;

/// Everything that happened, as one number: the same seed must give the same one.
pub struct History {
    hash: u64,
    events: u64,
    /// Prints every event as it happens, so that a panic takes none of them with it.
    trace: bool,
    line: String,
}

const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01B3;

/// FNV-1a of these bytes.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    add(OFFSET, bytes)
}

fn add(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

impl History {
    /// A history in which nothing has happened.
    pub fn new(trace: bool) -> Self {
        History { hash: OFFSET, events: 0, trace, line: String::new() }
    }

    /// Something happened.
    pub fn note(&mut self, now: Timestamp, what: fmt::Arguments<'_>) {
        self.line.clear();
        write!(self.line, "{:>10} {what}", now.millis() - crate::plan::START_MS).expect("a string takes everything");
        self.hash = add(self.hash, self.line.as_bytes());
        self.events += 1;
        if self.trace {
            println!("{}", self.line);
        }
    }

    /// Whether everything is printed.
    pub fn is_traced(&self) -> bool {
        self.trace
    }

    /// The number.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How much happened.
    pub fn events(&self) -> u64 {
        self.events
    }
}
