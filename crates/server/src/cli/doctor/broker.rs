//! A broker that runs: whether it is reached, where it sends its clients, and what waits for somebody.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::admin::{Admin, AdminError};
use super::super::model::{TransactionQuery, TransactionRow, TransactionState};
use super::super::table::{number_of, span};
use super::{Doors, Finding, ports};
use crate::config::Config;

const BROKER: &str = "broker";
const ROUTE: &str = "route";
const TRANSACTIONS: &str = "transactions";
const GROUPS: &str = "consumer groups";

/// How long an address in a route may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Undecided for longer: the first check has been, and did not settle it.
const OLD_MS: u64 = 60_000;
/// Transactions looked at, the oldest; the totals say how many there are.
const ROWS: u32 = 1000;
/// The broker's clock may be ahead of the wall by so much.
const AHEAD_MS: i64 = 1000;
/// Groups named one by one.
const NAMED_MAX: usize = 5;

/// What there is to say. `in_use`: a process has the data directory.
pub fn look(config: &Config, addr: &str, in_use: bool, doors: &mut dyn Doors) -> Vec<Finding> {
    let mut admin = match doors.connect(addr) {
        Ok(admin) => admin,
        Err(error) => return vec![absent(&error, addr, in_use)],
    };
    let mut findings = Vec::new();
    if let Err(error) = ask(config, addr, &mut *admin, doors, &mut findings) {
        let advice = "name the broker's address with --addr; if it is this one, look at its log";
        findings.push(Finding::wrong(BROKER, error.to_string(), advice));
    }
    findings
}

fn absent(error: &AdminError, addr: &str, in_use: bool) -> Finding {
    match in_use {
        true => Finding::wrong(
            BROKER,
            format!("a process uses the data directory, and none answers on {addr}"),
            "name its address with --addr, or its configuration with --config; it may also be recovering: look at its log",
        ),
        false => Finding::note(
            BROKER,
            format!("none answers on {addr} ({error})"),
            "start it with `tandem serve`, or name its address with --addr",
        ),
    }
}

fn ask(
    config: &Config,
    addr: &str,
    admin: &mut dyn Admin,
    doors: &mut dyn Doors,
    findings: &mut Vec<Finding>,
) -> Result<(), AdminError> {
    let overview = admin.overview()?;
    let own = env!("CARGO_PKG_VERSION");
    let up = span(overview.now.since_ms(overview.started));
    findings.push(match overview.version.as_str() {
        version if version == own => Finding::ok(BROKER, format!("Tandem {version} answers on {addr}, up {up}")),
        version => Finding::note(
            BROKER,
            format!("Tandem {version} answers on {addr}, this is {own}"),
            "use the command of the broker's version",
        ),
    });
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ahead_ms = overview.now.millis() - i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
    if ahead_ms > AHEAD_MS {
        findings.push(Finding::note(
            BROKER,
            format!(
                "its time is {} ahead of the clock here: one of the clocks was set back or is wrong",
                span(ahead_ms)
            ),
            "set the clocks; the broker's time never goes back and waits until the clock has caught up",
        ));
    }
    routes(config, doors, findings);
    transactions(config, admin, findings)?;
    let waiting = overview.groups.iter().filter(|group| group.members == 0 && group.lag > 0);
    let waiting: Vec<String> = waiting.map(|group| format!("{} ({} behind)", group.name, group.lag)).collect();
    findings.push(match waiting.len() {
        0 => Finding::ok(
            GROUPS,
            format!("{}, none behind without a member", number_of(overview.groups.len() as u64, "group")),
        ),
        count => Finding::note(
            GROUPS,
            format!("{} behind and nobody of it online: {}", number_of(count as u64, "group"), named(&waiting)),
            "start a consumer of it; or `tandem groups delete NAME` when nobody will come back",
        ),
    });
    Ok(())
}

fn named(names: &[String]) -> String {
    let shown = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_MAX { format!("{shown} and {} others", names.len() - NAMED_MAX) } else { shown }
}

/// Whether clients that ask the name server are sent to where somebody listens.
fn routes(config: &Config, doors: &mut dyn Doors, findings: &mut Vec<Finding>) {
    let nameserver = ports::reachable(config.server.nameserver_listen).to_string();
    let brokers = match doors.connect(&nameserver).and_then(|mut admin| admin.brokers()) {
        Ok(brokers) => brokers,
        Err(error) => {
            findings.push(Finding::wrong(
                ROUTE,
                format!("no name server answers on {nameserver}: {error}"),
                "clients ask it first: say where it is with --nameserver-listen or --config",
            ));
            return;
        }
    };
    for (name, address) in &brokers {
        let reached = address.to_socket_addrs().map_err(|error| error.to_string()).and_then(|mut found| {
            let to = found.next().ok_or("the name has no address")?;
            TcpStream::connect_timeout(&to, CONNECT_TIMEOUT).map_err(|error| error.to_string())
        });
        findings.push(match reached {
            Ok(_) => {
                Finding::ok(ROUTE, format!("clients are sent to {name} at {address}, which can be reached from here"))
            }
            Err(error) => Finding::wrong(
                ROUTE,
                format!("clients are sent to {name} at {address}, which cannot be reached from here: {error}"),
                "say under which address clients reach the broker: tandem serve --advertise ADDRESS:PORT",
            ),
        });
    }
    if brokers.is_empty() {
        let found = format!("the name server on {nameserver} knows no broker");
        findings.push(Finding::wrong(ROUTE, found, "it may be another one than the broker's: see --nameserver-listen"));
    }
}

fn transactions(config: &Config, admin: &mut dyn Admin, findings: &mut Vec<Finding>) -> Result<(), AdminError> {
    let query = TransactionQuery {
        state: Some(TransactionState::Undecided),
        older_than_ms: Some(OLD_MS),
        limit: ROWS,
        ..TransactionQuery::default()
    };
    let page = admin.transactions(&query)?;
    let before = findings.len();
    let mut by_group: BTreeMap<&str, Vec<&TransactionRow>> = BTreeMap::new();
    for row in &page.rows {
        by_group.entry(&row.group).or_default().push(row);
    }
    let rules = &config.transactions;
    // By then a producer that answers has been asked as often as it takes.
    let all_checks = rules.first_check_after + rules.check_interval * rules.check_max.saturating_add(1);
    for (group, rows) in by_group {
        let oldest_ms = rows.iter().map(|row| page.now_ms - row.stored_at_ms).max().unwrap_or(0);
        let count = number_of(rows.len() as u64, "transaction");
        let found = format!("{count} of {group} undecided, the oldest for {}", span(oldest_ms));
        let look = format!("tandem transactions list --group {group}");
        if rows[0].producers_online == 0 {
            findings.push(Finding::wrong(
                TRANSACTIONS,
                format!("{found}, and no producer of the group is online to be asked"),
                format!("start one: it is asked at once; or decide by hand: {look}"),
            ));
        } else if u128::try_from(oldest_ms).unwrap_or(0) > all_checks.as_millis() {
            findings.push(Finding::note(
                TRANSACTIONS,
                format!("{found}, although producers are online: they do not answer, or were resumed"),
                format!("see what they are asked and answer: {look}"),
            ));
        }
    }
    if page.set_aside > 0 {
        findings.push(Finding::wrong(
            TRANSACTIONS,
            format!("{} set aside: delivered to nobody, asked about no more", number_of(page.set_aside, "transaction")),
            "decide or resume them by hand: tandem transactions list --state set-aside",
        ));
    }
    if findings.len() == before {
        findings.push(Finding::ok(TRANSACTIONS, format!("{} undecided, none that needs a person", page.undecided)));
    }
    Ok(())
}
