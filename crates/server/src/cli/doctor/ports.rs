//! The addresses a server of this configuration listens on: free, or whose.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use super::super::admin::AdminError;
use super::{Doors, Finding};
use crate::config::Config;

/// Where a listener on this address is reached from the machine itself.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What there is to say.
pub fn look(config: &Config, doors: &mut dyn Doors) -> Vec<Finding> {
    let server = &config.server;
    let listeners = [
        ("name server port", "server.nameserver_listen", Some(server.nameserver_listen)),
        ("broker port", "server.broker_listen", Some(server.broker_listen)),
        ("second broker port", "server.broker_listen", server.vip_listen()),
    ];
    listeners
        .into_iter()
        .filter_map(|(about, key, address)| Some((about, key, address.filter(|address| address.port() != 0)?)))
        .map(|(about, key, address)| listener(about, key, address, doors))
        .collect()
}

fn listener(about: &'static str, key: &str, address: SocketAddr, doors: &mut dyn Doors) -> Finding {
    let error = match TcpListener::bind(address) {
        Ok(_) => return Finding::ok(about, format!("{address} is free")),
        Err(error) => error,
    };
    let elsewhere = format!("choose another address with {key}");
    match error.kind() {
        io::ErrorKind::AddrInUse => taken(about, address, &elsewhere, doors),
        io::ErrorKind::AddrNotAvailable => {
            Finding::wrong(about, format!("{address} is no address of this machine"), elsewhere)
        }
        io::ErrorKind::PermissionDenied => Finding::wrong(
            about,
            format!("this user may not listen on {address}"),
            format!("{elsewhere}: a port from 1024 on is open to everybody"),
        ),
        _ => Finding::wrong(about, format!("nobody can listen on {address}: {error}"), elsewhere),
    }
}

fn taken(about: &'static str, address: SocketAddr, elsewhere: &str, doors: &mut dyn Doors) -> Finding {
    let answer = doors.connect(&reachable(address).to_string()).and_then(|mut admin| admin.overview());
    match answer {
        Ok(overview) => Finding::ok(about, format!("Tandem {} answers on {address}", overview.version)),
        Err(AdminError::Unsupported { .. }) => Finding::wrong(
            about,
            format!("another broker or name server of the RocketMQ protocol, or an older Tandem, has {address}"),
            format!("stop it, or {elsewhere}"),
        ),
        Err(_) => Finding::wrong(about, format!("another program has {address}"), format!("stop it, or {elsewhere}")),
    }
}
