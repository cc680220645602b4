//! `tandem doctor`.

use message::Timestamp;
use remoting::own::{GroupLoad, Overview};

use super::super::exit::Exit;
use super::super::fake::{FakeBroker, FakeDoors, NOW, transaction};
use super::super::model::TransactionState;
use super::run;

/// Ports that the system chooses are not looked at, and a directory that is not there is fine.
const LINE: &str =
    "doctor --data /tmp/tandem-doctor-is-not-there --nameserver-listen 127.0.0.1:0 --broker-listen 127.0.0.1:0";

fn broker() -> FakeBroker {
    let (now, started) = (Timestamp::from_millis(NOW), Timestamp::from_millis(NOW - 5000));
    let version = env!("CARGO_PKG_VERSION").to_owned();
    FakeBroker {
        overviews: vec![Overview { now, started, version, ..Overview::default() }],
        brokers: Vec::new(),
        ..FakeBroker::default()
    }
}

fn findings(broker: FakeBroker) -> Vec<(String, String, String)> {
    let ran = run(&mut FakeDoors { broker: Some(broker), ..FakeDoors::default() }, &format!("{LINE} --json"));
    let json = ran.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let findings = json["findings"].as_array().unwrap().iter();
    findings.map(|one| (text(&one["about"]), text(&one["verdict"]), text(&one["found"]))).collect()
}

fn said_about(findings: &[(String, String, String)], about: &str) -> Vec<(String, String)> {
    let those = findings.iter().filter(|(subject, ..)| subject == about);
    those.map(|(_, verdict, found)| (verdict.clone(), found.clone())).collect()
}

#[test]
fn nobody_there_is_no_mistake_and_a_note_says_how_to_begin() {
    let ran = run(&mut FakeDoors::default(), LINE);
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.out);
    for words in
        ["is not there; the first start makes it", "none answers on 127.0.0.1:0", "-> start it with `tandem serve`"]
    {
        assert!(ran.out.contains(words), "no {words:?} in:\n{}", ran.out);
    }
    assert!(ran.out.contains("\nnothing is wrong"), "{}", ran.out);
}

#[test]
fn transactions_that_wait_for_somebody_are_told_with_what_to_do() {
    let mut waiting = transaction("T1", TransactionState::Undecided);
    (waiting.row.stored_at_ms, waiting.row.producers_online) = (NOW - 120_000, 0);
    let mut silent = transaction("T2", TransactionState::Undecided);
    (silent.row.stored_at_ms, silent.row.group) = (NOW - 86_400_000, "sellers".to_owned());
    let aside = transaction("T3", TransactionState::SetAside);
    let young = transaction("T4", TransactionState::Undecided);
    let found = findings(FakeBroker { transactions: vec![silent, waiting, aside, young], ..broker() });
    let said = said_about(&found, "transactions");
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(
        said[0].0 == "wrong"
            && said[0].1.contains("1 transaction of payers undecided, the oldest for 2m00s, and no producer")
    );
    assert!(said[1].0 == "note" && said[1].1.contains("of sellers") && said[1].1.contains("do not answer"), "{said:?}");
    assert!(said[2].0 == "wrong" && said[2].1.contains("1 transaction set aside"), "{said:?}");
    let found = findings(broker());
    assert_eq!(said_about(&found, "transactions")[0].0, "ok");
}

#[test]
fn groups_that_fall_behind_alone_and_routes_that_lead_nowhere_are_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = free.local_addr().unwrap().to_string();
    drop(free);
    let mut broker = broker();
    broker.brokers = vec![("tandem".to_owned(), nowhere.clone())];
    let group = |name: &str, members, lag| GroupLoad { name: name.to_owned(), members, lag, delivered: 0 };
    broker.overviews[0].groups = vec![group("cart", 0, 7), group("audit", 1, 9), group("idle", 0, 0)];
    let found = findings(broker);
    let said = said_about(&found, "consumer groups");
    assert_eq!(said, [("note".to_owned(), "1 group behind and nobody of it online: cart (7 behind)".to_owned())]);
    let said = said_about(&found, "route");
    assert!(
        said[0].0 == "wrong" && said[0].1.contains(&format!("tandem at {nowhere}, which cannot be reached")),
        "{said:?}"
    );
}

#[test]
fn another_version_and_an_impossible_configuration_are_told() {
    let mut old = broker();
    old.overviews[0].version = "0.0.1".to_owned();
    let said = said_about(&findings(old), "broker");
    assert!(said[0].0 == "note" && said[0].1.starts_with("Tandem 0.0.1 answers"), "{said:?}");
    assert_eq!(run(&mut FakeDoors::default(), "doctor --set transactions.check_max=none").exit, Exit::Usage);
}
