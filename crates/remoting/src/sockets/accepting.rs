use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use broker::io::SessionId;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::connection::Connection;
use super::{Event, LISTENERS, ListenerId, Slot, Sockets, Verdict, session_id};

/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 256;

/// Connections that the system takes before we accept them, unless its own limit is lower (`net.core.somaxconn`; 4,096
/// since Linux 5.4). What comes beyond it is dropped, and the client tries again after a second: of 5,000 clients that
/// came back one right after the other, 13 to 33 waited so long with the 128 that are usual.
const BACKLOG: i32 = 4_096;

impl Sockets {
    /// Listens on an address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<(ListenerId, SocketAddr)> {
        let mut listener = TcpListener::bind(address)?;
        // It listens already; to say it again is how a longer backlog is asked for.
        rustix::net::listen(&listener, BACKLOG)?;
        let id = self.listeners.len();
        self.poll.registry().register(&mut listener, Token(LISTENERS + id), Interest::READABLE)?;
        let bound = listener.local_addr()?;
        self.listeners.push(listener);
        Ok((ListenerId(id), bound))
    }

    pub(super) fn accept(&mut self, handle: &mut impl FnMut(Event<'_>) -> Verdict) {
        if !std::mem::take(&mut self.accepting) {
            return;
        }
        for id in 0..self.listeners.len() {
            for accepted in 0.. {
                if accepted == ACCEPTS_PER_TURN {
                    self.accepting = true;
                    break;
                }
                match self.listeners[id].accept() {
                    Ok((stream, peer)) => {
                        let event = match self.add(stream, peer) {
                            Ok(session) => Event::Opened { session, peer, listener: ListenerId(id) },
                            Err(why) => Event::Refused { peer, why },
                        };
                        handle(event);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // The connection was gone before it was accepted.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    // Descriptors have run out, as a rule: try again in a second, for the poll will not say it again.
                    Err(_) => {
                        self.accept_again = Some(self.turn_seconds + 1);
                        break;
                    }
                }
            }
        }
    }

    fn add(&mut self, mut stream: TcpStream, peer: SocketAddr) -> Result<SessionId, String> {
        let limits = &self.limits;
        if self.open >= limits.connections {
            return Err(format!("there are {} connections, as many as limits.connections allows", self.open));
        }
        let host = host(peer.ip());
        let of_host = self.hosts.of(host);
        if let Some(most) = limits.connections_per_address.filter(|most| of_host >= *most) {
            return Err(format!(
                "{host} has {of_host} connections, and limits.connections_per_address is {most}: raise it when many \
                 clients share this address"
            ));
        }
        stream.set_nodelay(true).map_err(|error| format!("cannot set TCP_NODELAY: {error}"))?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, Token(index), interest) {
            self.free.push(index);
            return Err(format!("cannot poll it: {error}"));
        }
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        slot.connection = Some(Connection::new(stream, peer, self.turn_seconds));
        let session = session_id(slot.generation, index);
        self.hosts.add(host);
        self.open += 1;
        self.ready.push(index);
        Ok(session)
    }
}

/// Connections of each address.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    counts: HashMap<IpAddr, usize>,
}

impl Hosts {
    fn of(&self, host: IpAddr) -> usize {
        self.counts.get(&host).copied().unwrap_or(0)
    }

    fn add(&mut self, host: IpAddr) {
        *self.counts.entry(host).or_default() += 1;
    }

    /// One of this peer is gone.
    pub(super) fn remove(&mut self, peer: SocketAddr) {
        let host = host(peer.ip());
        match self.counts.get_mut(&host) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.counts.remove(&host);
            }
        }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, for whoever has one of those has all that begin so.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_of_ipv6_count_as_one_and_ipv4_is_the_same_in_both_forms() {
        let host = |text: &str| host(text.parse().unwrap());
        assert_eq!(host("2001:db8:1:2::3"), host("2001:db8:1:2:ffff::"));
        assert_ne!(host("2001:db8:1:2::3"), host("2001:db8:1:3::3"));
        assert_eq!(host("::ffff:10.1.2.3"), host("10.1.2.3"));
        assert_ne!(host("10.1.2.4"), host("10.1.2.3"));
    }

    #[test]
    fn an_address_is_forgotten_with_its_last_connection() {
        let mut hosts = Hosts::default();
        let peer: SocketAddr = "10.1.2.3:4".parse().unwrap();
        hosts.add(host(peer.ip()));
        hosts.add(host(peer.ip()));
        hosts.remove(peer);
        assert_eq!(hosts.of(peer.ip()), 1);
        hosts.remove(peer);
        assert!(hosts.counts.is_empty());
    }
}
