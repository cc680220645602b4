//! `tandem top` against a live broker.

use crate::broker::Broker;
use crate::wire::COMMIT;

#[test]
fn rates_open_transactions_and_lag_are_shown() {
    let broker = Broker::start();
    let mut wire = broker.connect();
    wire.consume_for("c1@7", "cart", "orders");
    wire.send("orders", "K0", b"body");
    wire.commit_offset("cart", "orders", 0);
    wire.half("payers", "orders", "H1", b"body");
    let top = {
        let address = broker.address().to_string();
        std::thread::spawn(move || {
            crate::broker::tandem(&["--addr", &address, "top", "--once", "--interval", "500ms", "--json"])
        })
    };
    std::thread::sleep(std::time::Duration::from_millis(200));
    for number in 1..=10 {
        wire.send("orders", &format!("K{number}"), b"body");
    }
    let half = wire.half("payers", "orders", "H2", b"body");
    wire.end(&half, COMMIT);
    wire.pull_as("cart", "orders", 0, None);
    let said: serde_json::Value = serde_json::from_slice(&top.join().unwrap().stdout).expect("one object");
    for rate in ["sent_per_second", "delivered_per_second", "begun_per_second", "committed_per_second"] {
        assert!(said[rate].as_f64().unwrap() > 0.0, "{rate}: {said}");
    }
    assert_eq!((&said["undecided"], &said["set_aside"]), (&1.into(), &0.into()));
    assert!(said["oldest_ms"].as_i64().unwrap() >= 200, "{said}");
    assert_eq!((&said["topics"][0]["name"], &said["topics"][0]["open_transactions"]), (&"orders".into(), &1.into()));
    let cart = &said["groups"][0];
    assert_eq!((&cart["name"], &cart["members"], &cart["lag"]), (&"cart".into(), &1.into(), &12.into()));
    let text = broker.tell(&["top", "--once", "--interval", "100ms"]);
    assert!(text.contains("1 undecided, the oldest for") && text.contains("\norders "), "{text}");
}
