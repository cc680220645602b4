//! `tandem demo`, and the services it starts.

use anyhow::Context;
use demo::board::Look;
use demo::{BrokerCounts, Options, ServiceOptions, plan};

use super::admin::Admin;
use super::args::{DemoArgs, DemoServiceArgs, ServiceKind};
use super::exit::Exit;
use super::remote::Remote;
use super::run::{Failure, Screen};

/// Runs the shop; `address` is the name server of a broker that runs already.
///
/// # Errors
/// When it cannot be started. A verdict that is negative is exit code 1.
pub fn run(args: &DemoArgs, address: Option<String>, screen: &mut Screen<'_>) -> Result<Exit, Failure> {
    let look = match (screen.json, screen.terminal) {
        (true, _) => Look::Json,
        (false, true) => Look::Live { colours: screen.colours },
        (false, false) => Look::Plain,
    };
    let options = Options {
        program: std::env::current_exe().context("cannot find out which binary this is")?,
        length: args.time,
        rate: args.rate,
        seed: args.seed.unwrap_or_else(random_seed),
        faults: plan::parse_faults(&args.faults).map_err(|error| Failure::Usage(error.to_string()))?,
        transactions: !args.without_transactions,
        address,
        keep: args.keep,
        look,
    };
    let report = demo::run(&options, counts, screen.out)?;
    if !screen.json {
        let next = match (report.passed(), options.transactions) {
            (true, _) => {
                "next        tandem demo --without-transactions shows what the others lose · tandem serve · tandem snippet java"
            }
            (false, false) => "next        tandem demo runs the same faults with transactional messages",
            (false, true) => "next        tandem doctor; and please report it, with the directory above",
        };
        writeln!(screen.out, "{next}")?;
    }
    Ok(if report.passed() { Exit::Ok } else { Exit::Failed })
}

/// One of the processes of the shop.
///
/// # Errors
/// Why it cannot go on.
pub fn service(args: DemoServiceArgs) -> Result<Exit, Failure> {
    let options = ServiceOptions {
        name: args.name,
        nameserver: args.nameserver,
        topic: args.topic,
        group: args.group,
        database: args.database,
        transactions: !args.without_transactions,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime of a service")?;
    runtime.block_on(async {
        match args.kind {
            ServiceKind::Order => demo::order_service::run(options).await,
            ServiceKind::Cart => demo::cart_service::run(options).await,
        }
    })?;
    Ok(Exit::Ok)
}

/// What the demo's own broker says. It may be dead just now.
fn counts(address: &str) -> Option<BrokerCounts> {
    let overview = Remote::connect(address).ok()?.overview().ok()?;
    Some(BrokerCounts { open: overview.pending + overview.set_aside })
}

/// A seed nobody asked for.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Short enough to be typed again.
    RandomState::new().hash_one(()) % 100_000
}
