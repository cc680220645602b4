//! The id a client gives to its message (`UNIQ_KEY`), and the id it gives to itself.
//!
//! The id of a message has the shape that Java clients give theirs, for tools take its parts apart: 4 bytes of IP
//! address, 2 of process id, 4 that differ between libraries in one process, 4 with the milliseconds since the month
//! began, 2 of a counter; 32 upper-case hex digits.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use message::Timestamp;

/// Digits of an id.
const DIGITS: usize = 32;

/// What all ids of this process begin with, and what they count.
struct Source {
    prefix: [u8; 10],
    last: Mutex<Last>,
}

struct Last {
    /// Milliseconds since the month began.
    ms: u32,
    /// How often the counter may still be used in this millisecond is told by it having come round.
    counter: u16,
    used: u32,
}

static SOURCE: LazyLock<Source> = LazyLock::new(|| {
    let mut prefix = [0; 10];
    prefix[..4].copy_from_slice(&local_ip().octets());
    prefix[4..6].copy_from_slice(&(std::process::id() as u16).to_be_bytes());
    // Java puts the hash of its class loader here. Process ids repeat in containers, addresses behind NAT do too.
    prefix[6..].copy_from_slice(&fastrand::u32(..).to_be_bytes());
    Source { prefix, last: Mutex::new(Last { ms: 0, counter: fastrand::u16(..), used: 0 }) }
});

/// A new id, different from every other of this process and, in all likelihood, of every other process.
pub(crate) fn unique_id() -> String {
    let (ms, counter) = next(&SOURCE.last, ms_of_month(now_ms()));
    let mut bytes = [0; DIGITS / 2];
    bytes[..10].copy_from_slice(&SOURCE.prefix);
    bytes[10..14].copy_from_slice(&ms.to_be_bytes());
    bytes[14..].copy_from_slice(&counter.to_be_bytes());
    hex(&bytes)
}

/// The pair of time and counter that comes next. More than 65,536 ids in one millisecond borrow from the next one.
fn next(last: &Mutex<Last>, now: u32) -> (u32, u16) {
    let mut last = last.lock().expect("nothing panics while it counts");
    // A clock that went back within the month is not followed: the pair would repeat.
    let new_month = last.ms.saturating_sub(now) > MONTH_TURN_MS;
    if now > last.ms || new_month {
        last.ms = now;
        last.used = 0;
    }
    if last.used > u32::from(u16::MAX) {
        last.ms += 1;
        last.used = 0;
    }
    last.used += 1;
    last.counter = last.counter.wrapping_add(1);
    (last.ms, last.counter)
}

/// Time goes back by this much only when a month begins.
const MONTH_TURN_MS: u32 = 20 * 86_400_000;

/// Milliseconds since the current month began, in UTC.
fn ms_of_month(now_ms: i64) -> u32 {
    let date = Timestamp::from_millis(now_ms).to_string();
    // RFC 3339: the day of the month is in the 9th and 10th digit. A year has four digits until 10000.
    let day = date.get(8..10).and_then(|day| day.parse::<i64>().ok()).unwrap_or(1);
    ((day - 1) * 86_400_000 + now_ms.rem_euclid(86_400_000)) as u32
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The id of a client: `ip@pid#number`, different for every client of every process.
///
/// Brokers take two connections with one id for one member of a group.
pub(crate) fn client_id() -> String {
    static CLIENTS: AtomicU64 = AtomicU64::new(0);
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    format!("{}@{}#{:08x}{number}", local_ip(), std::process::id(), fastrand::u32(..))
}

/// The address this machine would send from, loopback if it is connected to nothing.
fn local_ip() -> Ipv4Addr {
    // Connecting a datagram socket sends nothing: it only looks the route up.
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    match found.map(|address| address.ip()) {
        Ok(IpAddr::V4(ip)) if !ip.is_unspecified() => ip,
        _ => Ipv4Addr::LOCALHOST,
    }
}

fn hex(bytes: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(HEX[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_32_hex_digits_and_do_not_repeat() {
        let ids: HashSet<String> = (0..200_000).map(|_| unique_id()).collect();
        assert_eq!(ids.len(), 200_000);
        for id in &ids {
            assert_eq!(id.len(), DIGITS);
            assert!(id.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit)), "{id}");
        }
    }

    #[test]
    fn a_clock_that_goes_back_does_not_repeat_an_id_and_a_new_month_is_followed() {
        let last = Mutex::new(Last { ms: 0, counter: 0, used: 0 });
        assert_eq!(next(&last, 5000).0, 5000);
        assert_eq!(next(&last, 4000).0, 5000);
        assert_eq!(next(&last, 2_600_000_000).0, 2_600_000_000);
        assert_eq!(next(&last, 7).0, 7);
    }

    #[test]
    fn the_time_in_an_id_counts_from_the_first_of_the_month() {
        // 2023-11-14T22:13:20.001Z
        assert_eq!(ms_of_month(1_700_000_000_001), 13 * 86_400_000 + 80_000_001);
        assert_eq!(ms_of_month(0), 0);
    }

    #[test]
    fn two_clients_of_a_process_have_different_ids() {
        assert_ne!(client_id(), client_id());
    }
}
