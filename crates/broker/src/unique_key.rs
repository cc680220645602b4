use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use message::Timestamp;

/// Makes ids of the form clients make, for messages that come without one (remoting protocol 2.4).
///
/// Address of the broker, time, and a counter: unique as long as the clock does not go back further than a restart takes.
#[derive(Debug)]
pub(crate) struct UniqueKeys {
    prefix: u32,
    counter: u32,
}

impl UniqueKeys {
    pub fn new(host: SocketAddr) -> Self {
        let prefix = match host.ip() {
            IpAddr::V4(ip) => u32::from_be_bytes(ip.octets()),
            IpAddr::V6(ip) => crc(&ip.octets()),
        };
        UniqueKeys { prefix, counter: 0 }
    }

    /// 32 hexadecimal digits.
    pub fn next(&mut self, now: Timestamp) -> String {
        self.counter = self.counter.wrapping_add(1);
        let mut id = String::with_capacity(32);
        write!(id, "{:08X}{:016X}{:08X}", self.prefix, now.millis(), self.counter)
            .expect("writing to a string does not fail");
        id
    }
}

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_the_length_clients_expect() {
        let mut keys = UniqueKeys::new("10.0.0.9:10911".parse().expect("an address"));
        let (a, b) = (keys.next(Timestamp::from_millis(7)), keys.next(Timestamp::from_millis(7)));
        assert_eq!(a, "0A000009000000000000000700000001");
        assert_ne!(a, b);
    }
}
