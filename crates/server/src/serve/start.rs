use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use broker::io::Outputs;
use engine::Engine;
use nameserver::{Limits, NameServer, OwnBroker};
use remoting::{Door, Facts, Sockets};
use store::directory::DataDirectory;
use store::disk::Disk;

use super::clock::Clock;
use super::core::Core;
use super::refusals::Refusals;
use super::settings;
use super::stop::Stop;
use super::workers::Workers;
use crate::config::{Config, Durability, Loaded, Store, units};

/// The files of the data directory, the log's past the page cache if that is wanted and possible.
fn disk(directory: &DataDirectory, store: &Store) -> Result<Arc<dyn Disk>> {
    // Only a sync takes what is written past it to the system, and with "memory" a sync comes late.
    if !store.direct_io || store.durability == Durability::Memory {
        return Ok(directory.disk());
    }
    match directory.disk_past_page_cache() {
        Ok((disk, sector)) => {
            tracing::info!("the log is written past the page cache, in sectors of {sector} bytes");
            Ok(disk)
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            tracing::warn!(
                "store.direct_io is set, and the log is written through the page cache all the same: {error}; put \
                 server.data on another file system, or remove the key"
            );
            Ok(directory.disk())
        }
        Err(error) => Err(error).context("cannot find out how the data directory is written to"),
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting or going on, and what to do about it.
pub fn serve(loaded: &Loaded) -> Result<()> {
    let started = Instant::now();
    let config = &loaded.config;
    raise_descriptor_limit(config);
    let mut clock = Clock::new();
    let directory = DataDirectory::open(&config.server.data)?;
    let disk = disk(&directory, &config.store)?;
    let mut sockets = Sockets::new(settings::sockets(config)).context("cannot poll sockets")?;
    let addresses = Addresses::listen(config, &mut sockets)?;
    let advertise = config.server.advertise.unwrap_or(addresses.broker);
    let now = clock.now();
    let (engine, opened) = Engine::open(disk.clone(), settings::engine(config, advertise), now)?;
    let ahead_ms = engine.broker().state().time.since_ms(clock.now());
    if ahead_ms > CLOCK_AHEAD_MS {
        tracing::warn!(
            "the clock is {} s behind the last entry of the log: it was set back, or was ahead before; time goes on from \
             that entry",
            ahead_ms / 1000
        );
    }
    clock.not_before(engine.broker().state().time);
    for note in &opened.notes {
        tracing::info!("{note}");
    }
    for remark in &opened.remarks {
        tracing::warn!("{remark}");
    }
    let own = OwnBroker {
        cluster: config.server.cluster_name.clone(),
        name: config.server.broker_name.clone(),
        address: advertise,
    };
    let limits = Limits { brokers: config.limits.brokers as usize, ..Limits::default() };
    let mut names = NameServer::new(own, limits, now);
    for topic in engine.broker().state().topics.iter() {
        names.put_own(topic.config.clone(), now);
    }
    for ((namespace, key), value) in &engine.broker().state().key_values {
        names.put_key_value(namespace, key, Some(value));
    }
    let waker = sockets.waker();
    let stop = Stop::on_signals(waker.clone()).context("cannot watch for signals")?;
    let workers = Workers::start(&waker).context("cannot start worker threads")?;
    let door = Door::new(engine.broker().config());
    let facts = Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: now,
        settings: loaded.keys().map(|(key, _)| (key.name.to_owned(), key.shown(config))).collect(),
        ..Facts::default()
    };
    let mut core = Core {
        engine,
        sockets,
        door,
        names,
        clock,
        workers,
        stop,
        facts,
        disk,
        facts_due: 0,
        refusals: Refusals::default(),
    };
    let (broker, out): (_, &mut Outputs) = core.engine.broker_mut();
    broker.bootstrap(out);
    greet(config, &addresses, advertise, &opened, started);
    core.run()?;
    let asked = Instant::now();
    core.finish(config.server.drain_timeout)?;
    eprintln!("tandem: stopped in order in {} ms", asked.elapsed().as_millis());
    Ok(())
}

/// Milliseconds by which the log may be ahead of the clock without a word.
const CLOCK_AHEAD_MS: i64 = 1000;

/// Descriptors that are no connection: segments and index files, listeners, standard streams.
const OTHER_DESCRIPTORS: u64 = 4096;

/// Connections and segments take a descriptor each: the soft limit is raised as far as the hard one lets us.
fn raise_descriptor_limit(config: &Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::from(config.limits.connections) + OTHER_DESCRIPTORS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        tracing::warn!("cannot raise the limit of open files to {raised}: {error}");
    } else if raised < wanted {
        tracing::info!("only {raised} files can be open at a time, fewer than limits.connections asks for ({wanted})");
    }
}

struct Addresses {
    nameserver: SocketAddr,
    broker: SocketAddr,
    vip: Option<SocketAddr>,
}

impl Addresses {
    fn listen(config: &Config, sockets: &mut Sockets) -> Result<Self> {
        let mut listen = |address: SocketAddr, role: &str, key: &str| {
            sockets.listen(address).map(|(_, bound)| bound).with_context(|| {
                format!(
                    "cannot listen on {address} ({role}); another process has it, or it is not an address of this machine: \
                     choose another one with {key}"
                )
            })
        };
        let nameserver = listen(config.server.nameserver_listen, "name server", "--nameserver-listen")?;
        let broker = listen(config.server.broker_listen, "broker", "--broker-listen")?;
        let vip = match config.server.vip_listen() {
            Some(address) => Some(listen(address, "broker, VIP port", "--broker-listen")?),
            None => None,
        };
        Ok(Addresses { nameserver, broker, vip })
    }
}

/// What a person needs in the first second.
fn greet(config: &Config, addresses: &Addresses, advertise: SocketAddr, opened: &engine::Opened, started: Instant) {
    let vip = addresses.vip.map_or(String::new(), |vip| format!(" and {vip}"));
    let advertised = if advertise == addresses.broker { String::new() } else { format!(", advertised as {advertise}") };
    let durability = match config.store.durability {
        Durability::Disk => "disk: what is answered is synced",
        Durability::Memory => "memory: a power cut loses up to the last half second",
    };
    eprintln!("tandem {}", env!("CARGO_PKG_VERSION"));
    eprintln!("  name server  {}", addresses.nameserver);
    eprintln!("  broker       {}{vip}{advertised}", addresses.broker);
    eprintln!("  data         {}", config.server.data.display());
    eprintln!("  durability   {durability}");
    eprintln!("  recovered    {} in {} ms", recovered(opened), opened.millis);
    eprintln!("tandem: ready in {} ms; stop with SIGTERM", started.elapsed().as_millis());
}

fn recovered(opened: &engine::Opened) -> String {
    if opened.fresh {
        return "a new store".into();
    }
    let cut = if opened.cut { ", a torn tail cut off" } else { "" };
    format!(
        "{} topics, {} undecided transactions, {} delayed messages; {} of log read behind the snapshot{cut}",
        opened.topics,
        opened.undecided,
        opened.scheduled,
        units::format_size(opened.replayed_bytes)
    )
}
