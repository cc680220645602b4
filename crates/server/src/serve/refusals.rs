use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Lines about connections in each interval; further ones are counted.
const LINES: u32 = 10;

/// Seconds of an interval.
const INTERVAL_S: u64 = 10;

/// Addresses that are remembered in an interval, to name the one that was closed most.
const ADDRESSES: usize = 256;

/// What is said about connections that the broker closed, or did not take: each in full, until there are too many for
/// anybody to read. Then one line for all of them, so that who can open connections cannot fill the log.
#[derive(Debug, Default)]
pub struct Refusals {
    since: u64,
    lines: u32,
    unsaid: BTreeMap<&'static str, u64>,
    addresses: BTreeMap<IpAddr, u64>,
    last: String,
}

impl Refusals {
    /// A connection was closed or refused, of this kind, for this reason. The line to log, if it is to have one.
    pub fn happened(&mut self, kind: &'static str, peer: SocketAddr, why: &str) -> Option<String> {
        if self.lines < LINES {
            self.lines += 1;
            return Some(format!("connection of {peer} {kind}: {why}"));
        }
        *self.unsaid.entry(kind).or_default() += 1;
        let address = peer.ip();
        if self.addresses.len() < ADDRESSES || self.addresses.contains_key(&address) {
            *self.addresses.entry(address).or_default() += 1;
        }
        self.last.clear();
        self.last.push_str(why);
        None
    }

    /// What became of those that had no line, once an interval is over. `seconds` is a clock that does not go back.
    pub fn tick(&mut self, seconds: u64) -> Option<String> {
        if seconds < self.since + INTERVAL_S {
            return None;
        }
        self.since = seconds;
        self.lines = 0;
        if self.unsaid.is_empty() {
            return None;
        }
        let kinds: Vec<String> =
            std::mem::take(&mut self.unsaid).iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let addresses = std::mem::take(&mut self.addresses);
        let most = addresses.iter().max_by_key(|(_, count)| **count);
        let most = most.map_or(String::new(), |(address, count)| format!("; {count} of them of {address}"));
        let last = std::mem::take(&mut self.last);
        Some(format!("more connections since the lines above: {}{most}; the last because {last}", kinds.join(", ")))
    }

    /// Seconds until [`Refusals::tick`] has something to say; `None` while it has not.
    pub fn due_in(&self, seconds: u64) -> Option<u64> {
        (!self.unsaid.is_empty()).then(|| (self.since + INTERVAL_S).saturating_sub(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_ones_have_a_line_each_and_the_others_one_together() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.tick(100), None);
        let first = refusals.happened("closed", peer("10.0.0.1:5"), "it sent nonsense");
        assert_eq!(first.as_deref(), Some("connection of 10.0.0.1:5 closed: it sent nonsense"));
        let said = (1..1000).filter(|_| refusals.happened("closed", peer("10.0.0.1:6"), "nonsense").is_some()).count();
        assert_eq!(said, 9);
        assert_eq!(refusals.happened("refused", peer("10.0.0.2:7"), "too many"), None);
        assert_eq!(refusals.due_in(101), Some(9));
        assert_eq!(refusals.tick(109), None);
        let line = refusals.tick(110).unwrap();
        assert_eq!(
            line,
            "more connections since the lines above: 990 closed, 1 refused; 990 of them of 10.0.0.1; the last because too many"
        );
        assert_eq!((refusals.tick(120), refusals.due_in(120)), (None, None));
        assert!(refusals.happened("closed", peer("10.0.0.1:5"), "again").is_some());
    }

    #[test]
    fn attackers_with_many_addresses_take_no_more_memory() {
        let mut refusals = Refusals::default();
        for address in 0..100_000_u32 {
            refusals.happened("closed", SocketAddr::new(IpAddr::from(address.to_be_bytes()), 1), "nonsense");
        }
        assert_eq!(refusals.addresses.len(), ADDRESSES);
        assert!(
            refusals.tick(10).unwrap().starts_with("more connections since the lines above: 99990 closed; 1 of them")
        );
    }
}
