//! Every write, sync, rename and open of the store fails once, or from then on: what was answered OK is there afterwards.

use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::broker::{complained, said, tandem};
use crate::promises::{Asked, Promises};
use crate::served::Served;
use crate::strace::{injected, injecting};
use crate::wire::Wire;

/// Small segments and frequent snapshots, so that a short run has all there is: several segments, spares, snapshots, saved
/// index files.
pub const SMALL: [&str; 7] = [
    "store.segment_size=1MiB",
    "store.snapshot_every=1MiB",
    "limits.batch_bytes=256KiB",
    "limits.message_size=128KiB",
    "limits.topics=100",
    "transactions.first_check_after=1h",
    "server.drain_timeout=0s",
];

/// Requests of one run: some 3 MiB.
const REQUESTS: usize = 72;
/// Length of a body in them.
const BODY: usize = 48 << 10;
/// What a broker says once its log has failed.
const FAILED: &str = "the log has failed and takes nothing until the broker is restarted";

/// What a run under a fault came to.
struct Outcome {
    /// Calls that failed.
    injected: Vec<String>,
    answered: usize,
    refused: usize,
    started: bool,
}

/// Runs a broker under a fault, and one without in the same directory. Panics when a promise is broken.
fn run(rule: &str, then_kill: bool) -> Outcome {
    let directory = TempDir::new().expect("a temporary directory");
    let (data, trace) = (directory.path().join("data"), directory.path().join("trace"));
    let prefix = injecting(&[rule.to_owned()], &[], &trace);
    let served = Served::start(&prefix, &data, &SMALL);
    let mut promises = Promises::new("a", BODY);
    let (mut refused, started) = (0, served.address.is_some());
    if let Some(address) = served.address {
        let mut wire = Wire::connect(address);
        let mut failed = false;
        for number in 0..REQUESTS {
            if number == 3 {
                // Whoever has read before can go on reading later.
                let fields = crate::wire::pull_fields("readers", "orders-a", "0", "4", "0");
                let _ = wire.client.call(11, &fields, b"");
            }
            match promises.ask(&mut wire, || 0) {
                Asked::Done => assert!(!failed, "{rule}: something is answered OK after the log has failed"),
                Asked::Refused(why) => {
                    refused += 1;
                    failed |= why.contains(FAILED);
                }
                Asked::Gone => break,
            }
            if refused > 8 {
                break;
            }
        }
        // A group that the broker has never heard of cannot begin on a log that takes nothing.
        let fields = crate::wire::pull_fields("readers", "orders-a", "0", "4", "0");
        let reads = wire.client.call(11, &fields, b"").is_ok_and(|answer| answer.code != 14);
        if reads && !rule.starts_with("openat") {
            let broken = promises.broken(&mut wire);
            assert!(broken.is_empty(), "{rule}: while the fault lasts: {broken:#?}");
        }
    }
    let (_, log) = if then_kill { served.kill() } else { served.terminate() };
    assert!(!log.contains("panicked"), "{rule}: {log}");
    let failed = injected(&trace);
    assert!(started || !failed.is_empty(), "{rule}: refused to start without a reason:\n{log}");
    let answered = promises.counts().all();
    holds(&data, &mut promises, rule, &log);
    Outcome { injected: failed, answered, refused, started }
}

/// Starts on a sound disk, compares, and starts once more after an end in order.
fn holds(data: &Path, promises: &mut Promises, rule: &str, before: &str) {
    let served = Served::sound(data, &SMALL);
    let mut wire = Wire::connect(served.address.expect("it is ready"));
    let mut broken = promises.broken(&mut wire);
    broken.extend(promises.settle(&mut wire));
    assert!(broken.is_empty(), "{rule}: after a restart: {broken:#?}\nbefore:\n{before}\nafter:\n{}", served.log());
    assert!(matches!(promises.ask(&mut wire, || 0), Asked::Done), "{rule}: it takes messages again");
    let (status, log) = served.terminate();
    assert_eq!(status.code(), Some(0), "{rule}: {log}");
    let output = tandem(&["store", "verify", "--data", &data.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{rule}: {}{}", said(&output), complained(&output));
    let served = Served::sound(data, &SMALL);
    let broken = promises.broken(&mut Wire::connect(served.address.expect("it is ready")));
    assert!(broken.is_empty(), "{rule}: after an end in order: {broken:#?}");
}

/// Lets the first, then each `every`-th call of a kind fail, until there is none left to fail.
fn sweep(call: &str, error: &str, last: &str, every: usize) {
    let every = std::env::var("TANDEM_FAULTS_EVERY").map_or(every, |every| every.parse().expect("a number"));
    let begun = Instant::now();
    let (mut runs, mut answered, mut refused, mut unstarted, mut calls) = (0, 0, 0, 0, 0);
    for nth in (1..).step_by(every) {
        let outcome = run(&format!("{call}:error={error}:when={nth}{last}"), nth % 2 == 0);
        if outcome.injected.is_empty() {
            break;
        }
        runs += 1;
        calls += outcome.injected.len();
        answered += outcome.answered;
        refused += outcome.refused;
        unstarted += usize::from(!outcome.started);
    }
    assert!(runs > 0, "{call} was never made to fail");
    eprintln!(
        "{call} {error}{last}: {runs} runs, {calls} calls failed, {unstarted} starts refused, {answered} answered OK, \
         {refused} refused, 0 lost; {:?}",
        begun.elapsed()
    );
}

#[test]
fn a_write_that_fails_once_costs_nothing_that_was_answered() {
    sweep("pwrite64", "EIO", "", 5);
    sweep("pwrite64", "ENOSPC", "", 9);
}

#[test]
fn writes_that_fail_from_some_time_on_cost_nothing_that_was_answered() {
    sweep("pwrite64", "EIO", "+", 11);
    sweep("pwrite64", "ENOSPC", "+", 13);
}

#[test]
fn a_sync_that_fails_once_costs_nothing_that_was_answered() {
    sweep("fdatasync", "EIO", "", 5);
    sweep("fdatasync", "ENOSPC", "", 9);
    sweep("fsync", "EIO", "", 2);
}

#[test]
fn syncs_that_fail_from_some_time_on_cost_nothing_that_was_answered() {
    sweep("fdatasync", "EIO", "+", 7);
    sweep("fsync", "ENOSPC", "+", 2);
}

#[test]
fn a_file_that_cannot_be_opened_named_or_removed_costs_nothing_that_was_answered() {
    sweep("rename", "EIO", "", 1);
    sweep("unlink", "EIO", "", 1);
    sweep("openat", "ENOSPC", "", 5);
}
