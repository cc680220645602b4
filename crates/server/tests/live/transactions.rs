//! Transactions as operators look for them, follow them and settle them in numbers.

use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use crate::broker::{Broker, PATIENCE, complained, said};
use crate::crashes::store_halves;
use crate::wire::{COMMIT, ROLLBACK, UNKNOWN};

#[test]
fn one_transaction_behind_fifty_thousand_others_is_found() {
    let broker = Broker::start();
    store_halves(&broker, 0, 50_100);
    broker.connect().half("sellers", "orders", "B1", b"body");
    let listed = broker.json(&["transactions", "list", "--group", "sellers"]);
    assert_eq!((&listed["transactions"][0]["id"], &listed["more"]), (&"B1".into(), &false.into()));
    let listed = broker.json(&["transactions", "list", "--state", "set-aside"]);
    assert_eq!((&listed["transactions"], &listed["next"]), (&json!([]), &Json::Null));
    // A list goes on where it ended.
    let first = broker.json(&["transactions", "list", "--limit", "2"]);
    let next = first["next"].as_str().expect("a place to go on from");
    let second = broker.json(&["transactions", "list", "--limit", "2", "--after", next]);
    assert!(first["transactions"][1]["id"].as_str() < second["transactions"][0]["id"].as_str(), "{first} {second}");
    let wrong = broker.cli(&["transactions", "list", "--after", "nowhere"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", complained(&wrong));
}

#[test]
fn transactions_are_found_by_the_keys_of_their_messages() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    let keyed = [("KEYS", "order-17 blue")];
    let old = wire.half_with("payers", "orders", "K1", b"body", &keyed);
    wire.end(&old, ROLLBACK);
    wire.half_with("payers", "orders", "K2", b"body", &keyed);
    wire.half_with("payers", "bills", "K3", b"body", &[("KEYS", "blue")]);
    // One with a delay has no key before it is visible, but for its id.
    wire.half_with("payers", "orders", "K4", b"body", &[("KEYS", "blue"), ("TIMER_DELAY_MS", "60000")]);
    wire.send("orders", "M1", b"no transaction");
    let list = |args: &[&str]| -> Vec<String> {
        let listed = broker.json(&[&["transactions", "list"], args].concat());
        listed["transactions"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(list(&["--key", "order-17"]), ["K2"]);
    assert_eq!(list(&["--key", "blue"]), ["K2", "K3"]);
    assert_eq!(list(&["--key", "blue", "--topic", "bills"]), ["K3"]);
    assert_eq!(list(&["--key", "blue", "--group", "sellers"]), Vec::<String>::new());
    assert_eq!(list(&["--key", "K4"]), ["K4"]);
    assert_eq!(list(&["--key", "red"]), Vec::<String>::new());
    let first = broker.json(&["transactions", "list", "--key", "blue", "--limit", "1"]);
    assert_eq!(list(&["--key", "blue", "--after", first["next"].as_str().unwrap()]), ["K3"]);

    // The open one is meant, not the newest; when all are decided, the newest.
    assert_eq!(broker.json(&["transactions", "show", "order-17"])["id"], "K2");
    assert!(complained(&broker.cli(&["transactions", "show", "blue"])).contains("use one of the offset ids"));
    broker.tell(&["transactions", "resolve", "order-17", "--commit", "--reason", "paid"]);
    let shown = broker.json(&["transactions", "show", "order-17"]);
    assert_eq!((&shown["id"], &shown["state"]), (&"K2".into(), &"committed".into()));
    let text = broker.tell(&["transactions", "show", "order-17"]);
    assert!(text.contains(" after it was stored, by hand, by ada: paid; a decision is final"), "{text}");
}

#[test]
fn many_are_settled_at_once_each_with_who_and_why() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    for number in 0..5 {
        wire.half("payers", "orders", &format!("K{number}"), b"body");
    }
    wire.half("sellers", "orders", "B1", b"body");
    let all = ["transactions", "resolve", "--group", "payers", "--commit", "--reason", "all paid"];
    assert_eq!(broker.cli(&all).status.code(), Some(2));
    let dry = broker.json(&[&all[..], &["--dry-run"]].concat());
    assert_eq!((dry["transactions"].as_array().unwrap().len(), &dry["done"]), (5, &json!([])));
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    assert_eq!(broker.tell(&[&all[..], &["--yes"]].concat()), "5 of 5 transactions committed by ada\n");
    assert_eq!(wire.keys("orders").len(), 5);
    let decided = broker.json(&["transactions", "show", "K3"])["timeline"][1].clone();
    assert_eq!((&decided["who"], &decided["why"]), (&"ada".into(), &"all paid".into()));
    assert_eq!(broker.json(&["transactions"])["undecided"], 1);
}

#[test]
fn what_happens_is_told_to_those_who_watch() {
    let broker = Broker::with(&["transactions.first_check_after=300ms", "transactions.check_interval=300ms"]);
    let mut wire = broker.connect();
    wire.produce_for("p1@7", "payers");
    let before = wire.half("payers", "orders", "K0", b"body");
    let watch = |format: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(["--addr", &broker.address().to_string(), "transactions", "watch", "--for", "2s"]).args(format);
        command.stdout(Stdio::piped()).spawn().expect("the binary runs")
    };
    let (lines, text) = (watch(&["--json"]), watch(&[]));
    std::thread::sleep(std::time::Duration::from_millis(500));
    let half = wire.half("payers", "orders", "K1", b"body");
    wire.end(&before, COMMIT);
    loop {
        let (question, _) = wire.next_check(PATIENCE).expect("a check");
        if question.key == "K1" {
            wire.end_with(&question, UNKNOWN, true);
            break;
        }
    }
    wire.end(&half, ROLLBACK);
    let lines = said(&lines.wait_with_output().unwrap());
    let lines: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: &str| -> Vec<&str> {
        lines.iter().filter(|line| line["id"] == id).map(|line| line["event"].as_str().unwrap()).collect()
    };
    assert_eq!(of("K1"), ["stored", "asked", "checked", "decided"], "{lines:?}");
    assert_eq!(of("K0").last(), Some(&"decided"), "{lines:?}");
    assert!(lines.iter().all(|line| line["group"] == "payers" && line["topic"] == "orders"), "{lines:?}");
    let text = said(&text.wait_with_output().unwrap());
    for words in ["watching; the broker has 1 undecided", "asked    ", "K1  payers -> orders  p1@7", "rolled back"] {
        assert!(text.contains(words), "no {words:?} in:\n{text}");
    }
}
