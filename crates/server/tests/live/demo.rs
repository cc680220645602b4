//! The demo: what it shows is true, and it leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::broker::{Broker, PATIENCE, complained, said, tandem};

/// A run, as programs see it: the exit code, and what was said.
fn demo(args: &[&str]) -> (i32, Vec<Json>) {
    let output = tandem(&[&["demo", "--json", "--rate", "40"], args].concat());
    let lines = said(&output);
    let objects = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (output.status.code().unwrap_or_else(|| panic!("it was killed: {}", complained(&output))), objects)
}

#[test]
fn paid_orders_and_cleared_carts_are_the_same_whoever_is_killed() {
    let (code, said) = demo(&["--for", "4s", "--seed", "7"]);
    let verdict = said.last().expect("a verdict");
    assert_eq!((code, &verdict["verdict"]), (0, &"pass".into()), "{verdict}");
    assert!(verdict["paid"].as_u64() > Some(50), "{verdict}");
    assert_eq!(verdict["paid"], verdict["carts_cleared"]);
    for happened in ["order_services_killed", "cart_services_killed", "broker_killed", "decisions_lost", "checks"] {
        assert!(verdict[happened].as_u64() > Some(0), "{happened} did not happen: {verdict}");
    }
    let directory = said[0]["directory"].as_str().expect("a directory");
    assert!(!Path::new(directory).exists(), "{directory} is left behind");
}

#[test]
fn without_transactions_the_same_faults_lose_orders_and_the_exit_code_says_so() {
    let (code, said) = demo(&["--for", "4s", "--seed", "7", "--without-transactions"]);
    let verdict = said.last().expect("a verdict");
    assert_eq!((code, &verdict["verdict"]), (1, &"fail".into()), "{verdict}");
    assert!(verdict["lost"].as_u64() > Some(0), "{verdict}");
}

#[test]
fn without_faults_nothing_goes_wrong_and_a_broker_that_runs_already_is_used() {
    let broker = Broker::with(&["transactions.first_check_after=1s", "transactions.check_interval=1s"]);
    let address = broker.nameserver().to_string();
    let output = tandem(&["--addr", &address, "demo", "--for", "2s", "--rate", "40", "--faults", "refused,cart-crash"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", complained(&output));
    assert!(text.contains("verdict     PASS") && text.contains(&format!("by way of {address}")), "{text}");
    assert!(text.contains("0 order services and") && text.contains("broker killed 0 times"), "{text}");
    assert!(!text.contains('\u{1b}'), "a pipe gets no escape sequences");
}

#[test]
fn a_demo_that_is_killed_leaves_no_process_behind() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    let mut child = command
        .args(["demo", "--json", "--for", "1m", "--faults", "none", "--keep"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first: Json = serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON");
    let directory = first["directory"].as_str().expect("a directory").to_owned();
    // A row: services and broker are at work.
    lines.next().expect("a row").expect("text");
    assert!(processes(&directory) >= 5, "a broker and four services");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let deadline = Instant::now() + PATIENCE;
    while processes(&directory) > 0 {
        assert!(Instant::now() < deadline, "{} processes outlive the demo", processes(&directory));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_dir_all(directory).expect("a directory that was kept");
}

/// Processes whose command line names this directory.
fn processes(directory: &str) -> usize {
    let lines = std::fs::read_dir("/proc").expect("a list of processes").filter_map(|entry| {
        // A process may end while we look.
        std::fs::read(entry.ok()?.path().join("cmdline")).ok()
    });
    lines.filter(|line| String::from_utf8_lossy(line).contains(directory)).count()
}
