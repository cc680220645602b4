//! `tandem bench` against a live broker.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::broker::{Broker, complained, tandem};

fn bench(broker: &Broker, args: &[&str]) -> Json {
    let mut all = vec!["bench"];
    all.extend(args);
    all.extend(["--for", "300ms", "--warm-up", "100ms", "--connections", "2", "--size", "100"]);
    broker.json(&all)
}

fn positive(report: &Json, pointers: &[&str]) {
    for pointer in pointers {
        assert!(report.pointer(pointer).and_then(Json::as_f64).is_some_and(|value| value > 0.0), "{pointer}: {report}");
    }
}

#[test]
fn everything_that_is_promised_is_done_and_measured() {
    let broker = Broker::start();
    let operations = ["/operations", "/operations_per_second", "/latency/p50_us", "/own_cpu_us_per_operation"];
    for work in ["send", "transactions", "one-way", "mixed"] {
        let report = bench(&broker, &[work]);
        positive(&report, &operations);
        assert_eq!((&report["read"], &report["delivery"]), (&0.into(), &Json::Null), "{work}: {report}");
    }
    for work in ["end-to-end", "fan-out"] {
        let report = bench(&broker, &[work]);
        positive(&report, &operations);
        positive(&report, &["/read", "/read_per_second", "/delivery/p99_us"]);
    }
    // One-way decisions may still be under way; nothing else is left undecided.
    let left = broker.json_when(&["transactions"], |list| list["transactions"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(left["transactions"], serde_json::json!([]));
    positive(&bench(&broker, &["halves"]), &operations);
    assert!(!broker.json(&["transactions"])["transactions"].as_array().unwrap().is_empty());
}

#[test]
fn connections_beyond_the_operations_in_flight_take_turns() {
    let broker = Broker::start();
    let turns = ["--in-flight", "3", "--connections", "40"];
    for work in ["send", "transactions", "one-way"] {
        let report = broker.json(&[&["bench", work, "--for", "300ms", "--warm-up", "100ms"], &turns[..]].concat());
        positive(&report, &["/operations"]);
        assert_eq!(report["unanswered"], 0, "{work}: {report}");
    }
    // An open loop too.
    let report = broker.json(&[&["bench", "--rate", "300", "--for", "1s", "--warm-up", "0s"], &turns[..]].concat());
    assert!((150.0..=330.0).contains(&report["operations"].as_f64().unwrap()), "{report}");
    // Ids begin with what names the connection, and the oldest 40 are of 40 connections.
    broker.json(&[&["bench", "halves", "--for", "300ms", "--warm-up", "0s"], &turns[..]].concat());
    let listed = broker.json(&["transactions", "list", "--limit", "40"]);
    let ids = listed["transactions"].as_array().unwrap().iter().map(|listed| listed["id"].as_str().unwrap());
    let connections: BTreeSet<_> = ids.map(|id| &id[..16]).collect();
    assert_eq!(connections.len(), 40, "{listed}");
}

#[test]
fn a_rate_is_kept_and_a_backlog_is_read_to_its_end() {
    let broker = Broker::start();
    let report = broker.json(&["bench", "--rate", "200", "--for", "1s", "--warm-up", "200ms"]);
    let operations = report["operations"].as_f64().unwrap();
    assert!((120.0..=220.0).contains(&operations), "{report}");
    let pid = broker.pid().to_string();
    let report = broker.json(&["bench", "catch-up", "--backlog", "2000", "--topic", "backlog", "--pid", &pid]);
    let read = report["read"].as_u64().unwrap();
    // A pull at the end may bring more than was waited for; those in flight when the filling ended are there as well.
    assert!((2_000..=2_256).contains(&read), "{report}");
    positive(&report, &["/broker/resident_bytes"]);
    assert!(report["others_share"].is_f64(), "{report}");
}

#[test]
fn what_cannot_be_measured_has_no_figures() {
    let broker = Broker::start();
    let output = broker.cli(&["bench", "--queues", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complained(&output).contains("0 queues: 1 to 1024 are possible"), "{}", complained(&output));
    // Nothing is made on the way to a broker that is named itself.
    let output = broker.cli(&["bench", "--direct", "--topic", "bad topic", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && complained(&output).contains("answers with code"), "{}", complained(&output));
    let output = tandem(&["bench", "--addr", "127.0.0.1:1"]);
    assert!(!output.status.success() && complained(&output).contains("127.0.0.1:1"), "{}", complained(&output));
}
