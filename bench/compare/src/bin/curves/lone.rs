//! Figures that stand alone: memory, bytes to the device in the steady state, restarts.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use bench::{Options, ProcessCost, Producing};
use comparing::systems::Running;
use protocol::codes::RequestCode;
use remoting::client::Client;

use crate::line::thousands;
use crate::{Arguments, beside, load};

/// Measures something, and says it in a sentence.
type Measure = fn(&Arguments) -> anyhow::Result<String>;

/// What is measured.
pub const ALL: &[(&str, Measure)] = &[
    ("idle", idle),
    ("memory", memory),
    ("recycled segments", recycled),
    ("restart after bytes", restart_bytes),
    ("restart after halves", restart_halves),
];

/// Longest for an answer of a broker that has just been started.
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages after which memory is looked at.
const MESSAGES: u64 = 10_000_000;
/// Bodies that fill a disk quickly.
const LARGE_BODY: usize = 8 << 10;

fn idle(arguments: &Arguments) -> anyhow::Result<String> {
    const LOOK: Duration = Duration::from_secs(10);
    let directory = arguments.directory()?;
    let running = Running::tandem(&arguments.tandem()?, directory.path(), &[])?;
    std::thread::sleep(Duration::from_secs(3));
    let look = || ProcessCost::of(running.pid).context("the broker is gone");
    let before = look()?;
    std::thread::sleep(LOOK);
    let used = look()?.since(before);
    let share = used.cpu.as_secs_f64() / LOOK.as_secs_f64() * 100.0;
    Ok(format!("idle: {:.1} MB resident, {share:.1} % of a core", used.resident as f64 / 1e6))
}

fn memory(arguments: &Arguments) -> anyhow::Result<String> {
    let directory = arguments.directory()?;
    let running = Running::tandem(&arguments.tandem()?, directory.path(), &["retention.size=4GiB"])?;
    let (mut sent, mut most) = (0, 0);
    while sent < MESSAGES {
        let options = Options { in_flight: 1024, warm_up: Duration::ZERO, ..Options::new("") };
        let report = load(&running, Options { time: Duration::from_secs(10), ..options })?;
        sent += report.operations;
        most = most.max(report.broker.map_or(0, |cost| cost.resident));
    }
    Ok(format!("after {} messages of 1 KiB: {:.1} MB resident at most", thousands(sent), most as f64 / 1e6))
}

/// The steady state: on segments that were used before, through the page cache and past it, beside the bare durable
/// server, whose file is written over again and again as well.
fn recycled(arguments: &Arguments) -> anyhow::Result<String> {
    let mut lines = vec!["on segments used before".to_owned()];
    for (name, settings) in [("through the page cache", &[][..]), ("store.direct_io", &["store.direct_io=true"])] {
        let settings = [&["retention.size=1GiB"], settings].concat();
        let directory = arguments.directory()?;
        let running = Running::tandem(&arguments.tandem()?, directory.path(), &settings)?;
        use_all_segments(&running)?;
        for load in STEADY {
            lines.push(format!("{name}: {}", steady(&running, arguments, load, false)?));
        }
    }
    let directory = arguments.directory()?;
    let running = Running::ceiling(&beside("ceiling")?, directory.path(), &[])?;
    for load in STEADY {
        // It has no topics and no name server to ask.
        lines.push(format!("bare ceiling: {}", steady(&running, arguments, load, true)?));
    }
    Ok(lines.join("\n  - "))
}

/// What is measured in the steady state.
const STEADY: &[(&str, Producing, usize)] = &[
    ("send, 64 in flight", Producing::Send, 64),
    ("send, 1,024 in flight", Producing::Send, 1024),
    ("transaction, both phases answered, 64 in flight", Producing::Transaction, 64),
    ("transaction, one-way decision, 64 in flight", Producing::OneWay, 64),
    ("transaction, both phases answered, 1 in flight", Producing::Transaction, 1),
];

/// Fills more than is kept, so that every segment was used before. With transactions: their decisions link into the segment
/// before, so that the log is one segment longer than of sends, and that one would be filled while something is measured.
fn use_all_segments(running: &Running) -> anyhow::Result<()> {
    let producing = Some(Producing::Transaction);
    let fill = Options { producing, in_flight: 1024, warm_up: Duration::ZERO, body: LARGE_BODY, ..Options::new("") };
    let mut bytes = 0;
    while bytes < 3 << 30 {
        let report = load(running, Options { time: Duration::from_secs(3), ..fill.clone() })?;
        bytes += report.operations * LARGE_BODY as u64;
    }
    Ok(())
}

/// `direct` leaves out what a broker is asked before.
fn steady(
    running: &Running,
    arguments: &Arguments,
    load: &(&str, Producing, usize),
    direct: bool,
) -> anyhow::Result<String> {
    let (name, producing, in_flight) = *load;
    let time = arguments.time();
    let options = Options { producing: Some(producing), in_flight, time, direct, ..Options::new("") };
    let report = crate::load(running, options)?;
    let cost = report.broker.context("the process does not say what it used")?;
    let device = cost.device_bytes.context("the device does not say what it took")?;
    let p99 = report.latency.map_or(0.0, |latency| latency.p99 / 1e3);
    Ok(format!(
        "{name}: {:.1} k a second, p99 {p99:.2} ms, {:.1} us CPU, {:.0} bytes to the device, {:.0} MB",
        report.rate() / 1e3,
        report.per_operation(cost.cpu.as_secs_f64() * 1e6),
        report.per_operation(device as f64),
        cost.resident as f64 / 1e6
    ))
}

fn restart_bytes(arguments: &Arguments) -> anyhow::Result<String> {
    let directory = arguments.directory()?;
    let running = Running::tandem(&arguments.tandem()?, directory.path(), &[])?;
    let wanted = arguments.gib << 30;
    let fill = Options { in_flight: 256, warm_up: Duration::ZERO, body: LARGE_BODY, ..Options::new("") };
    let (mut bytes, mut messages) = (0, 0);
    while bytes < wanted {
        let report = load(&running, Options { time: Duration::from_secs(5), ..fill.clone() })?;
        messages += report.operations;
        bytes += report.operations * LARGE_BODY as u64;
    }
    let ready = restart(running, arguments, directory.path())?;
    Ok(format!(
        "restart after kill -9 with {:.1} GiB in {} messages: answers after {:.2} s",
        bytes as f64 / f64::from(1 << 30),
        thousands(messages),
        ready.as_secs_f64()
    ))
}

fn restart_halves(arguments: &Arguments) -> anyhow::Result<String> {
    const HALVES: u64 = 1_000_000;
    let directory = arguments.directory()?;
    let running = Running::tandem(&arguments.tandem()?, directory.path(), &[])?;
    let time = Duration::from_secs(1);
    load(&running, Options { halves: HALVES, time, warm_up: Duration::ZERO, ..Options::new("") })?;
    let ready = restart(running, arguments, directory.path())?;
    Ok(format!(
        "restart after kill -9 with {} open halves: answers after {:.2} s",
        thousands(HALVES),
        ready.as_secs_f64()
    ))
}

/// Kills a broker and starts it again: the time until it answers a request.
fn restart(running: Running, arguments: &Arguments, directory: &Path) -> anyhow::Result<Duration> {
    running.kill()?;
    let started = Instant::now();
    let again = Running::tandem(&arguments.tandem()?, directory, &[])?;
    let mut client = Client::connect(again.address, PATIENCE)?;
    let answer = client.call(RequestCode::GetBrokerRuntimeInfo.code(), &[], b"")?;
    anyhow::ensure!(answer.is_success(), "it answers {}: {:?}", answer.code, answer.remark);
    Ok(started.elapsed())
}
