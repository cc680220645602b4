//! Rules between keys: each value is fine, together they are not.

use super::units::format_size;
use super::{Config, Durability};

/// Bytes beside the message in the frame of a send: its header, with every field of the longest length.
const SEND_HEADER_LEN: u64 = 48 << 10;

/// A rule that is broken.
#[derive(Clone, PartialEq, Debug)]
pub struct Broken {
    /// The keys it is about, the one that is more likely wrong first.
    pub keys: &'static [&'static str],
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub advice: String,
}

/// Every rule that `config` breaks.
pub fn broken(config: &Config) -> Vec<Broken> {
    let mut broken = Vec::new();
    addresses(config, &mut broken);
    sizes(config, &mut broken);
    counts(config, &mut broken);
    broken
}

fn addresses(config: &Config, broken: &mut Vec<Broken>) {
    let server = &config.server;
    let listening = [
        (&["server.nameserver_listen", "server.insecure"] as &'static [_], server.nameserver_listen),
        (&["server.broker_listen", "server.insecure"], server.broker_listen),
    ];
    for (keys, address) in listening {
        if !address.ip().is_loopback() && !server.insecure {
            broken.push(Broken {
                keys,
                message: format!(
                    "`{}` {address} can be reached from other machines, and nobody is authenticated",
                    keys[0]
                ),
                advice: "listen on 127.0.0.1, or accept it with --insecure (server.insecure = true)".to_owned(),
            });
        }
    }
    let broker = server.broker_listen;
    if matches!(broker.port(), 1 | 2) {
        broken.push(Broken {
            keys: &["server.broker_listen"],
            message: format!("`server.broker_listen` {broker} leaves no port two below it"),
            advice: "choose a port above 2, or 0 for any free one".to_owned(),
        });
    }
    let taken = [Some(broker), server.vip_listen()];
    let nameserver = server.nameserver_listen;
    if nameserver.port() != 0 && taken.into_iter().flatten().any(|address| overlap(address, nameserver)) {
        broken.push(Broken {
            keys: &["server.nameserver_listen", "server.broker_listen"],
            message: format!("`server.nameserver_listen` {nameserver} is also the broker's"),
            advice: "the broker takes its port and the one two below; choose another for the name server".to_owned(),
        });
    }
    match server.advertise {
        Some(address) if address.ip().is_unspecified() || address.port() == 0 => broken.push(Broken {
            keys: &["server.advertise"],
            message: format!("`server.advertise` {address} is no address that a client can connect to"),
            advice: "name the address and port under which clients reach the broker".to_owned(),
        }),
        None if broker.ip().is_unspecified() => broken.push(Broken {
            keys: &["server.broker_listen", "server.advertise"],
            message: format!("`server.broker_listen` {broker} is no address that a client can connect to"),
            advice: "say where clients reach the broker with --advertise ADDRESS:PORT (server.advertise)".to_owned(),
        }),
        _ => {}
    }
}

fn overlap(left: std::net::SocketAddr, right: std::net::SocketAddr) -> bool {
    left.port() == right.port()
        && (left.ip() == right.ip() || left.ip().is_unspecified() || right.ip().is_unspecified())
}

fn sizes(config: &Config, broken: &mut Vec<Broken>) {
    let (limits, store) = (&config.limits, &config.store);
    let mut at_least = |keys: &'static [&'static str], value: u64, needed: u64, why: &str| {
        if value < needed {
            broken.push(Broken {
                keys,
                message: format!("`{}` {} is less than {}, {why}", keys[0], format_size(value), format_size(needed)),
                advice: format!("raise {} or lower {}", keys[0], keys[1]),
            });
        }
    };
    at_least(
        &["limits.frame_size", "limits.message_size"],
        limits.frame_size,
        limits.message_size + SEND_HEADER_LEN,
        "which a request with the largest message takes",
    );
    at_least(
        &["limits.batch_bytes", "limits.message_size"],
        limits.batch_bytes,
        limits.message_size,
        "the size of the largest message",
    );
    at_least(
        &["store.segment_size", "limits.batch_bytes"],
        store.segment_size,
        2 * limits.batch_bytes,
        "two batches of the log",
    );
    at_least(
        &["limits.in_flight_bytes", "limits.frame_size"],
        limits.in_flight_bytes,
        limits.frame_size,
        "the size of one request",
    );
    at_least(
        &["limits.unread_bytes", "limits.send_buffer"],
        limits.unread_bytes,
        limits.send_buffer,
        "the answers one connection may leave unread",
    );
    at_least(
        &["limits.send_buffer", "limits.pull_bytes"],
        limits.send_buffer,
        limits.pull_bytes + SEND_HEADER_LEN,
        "which the answer to one pull takes",
    );
    at_least(
        &["limits.send_buffer", "limits.message_size"],
        limits.send_buffer,
        limits.message_size + SEND_HEADER_LEN,
        "which the answer with the largest message takes",
    );
    if let Some(size) = config.retention.size {
        at_least(
            &["retention.size", "store.segment_size"],
            size,
            2 * store.segment_size,
            "two segments: the one being written is never deleted",
        );
    }
}

fn counts(config: &Config, broken: &mut Vec<Broken>) {
    if config.topics.default_queues > config.limits.queues_per_topic {
        broken.push(Broken {
            keys: &["topics.default_queues", "limits.queues_per_topic"],
            message: format!(
                "`topics.default_queues` {} is more than a topic may have, {}",
                config.topics.default_queues, config.limits.queues_per_topic
            ),
            advice: "lower topics.default_queues or raise limits.queues_per_topic".to_owned(),
        });
    }
}

/// What a person should know although nothing is wrong: for the log at start.
pub fn cautions(config: &Config) -> Vec<String> {
    let mut cautions = Vec::new();
    if config.store.durability == Durability::Memory {
        cautions.push(format!(
            "store.durability is \"memory\": a crash of the machine loses what was acknowledged within the last {}",
            super::units::format_duration(config.store.memory_sync_every)
        ));
        if config.store.direct_io {
            cautions.push("store.direct_io does nothing while store.durability is \"memory\"".to_owned());
        }
    }
    if config.server.insecure {
        cautions.push(
            "server.insecure is set: whoever reaches this server may read, send and delete everything".to_owned(),
        );
    }
    cautions
}
