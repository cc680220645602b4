//! The shop that every page begins with: what its broker has stored is the same each time.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE};
use crate::wire::{COMMIT, Half, ROLLBACK, UNKNOWN, Wire};

const GROUP: &str = "order-service";
const TOPIC: &str = "orders";

/// Segments are small: a page's broker is started and gone within a second or two. The first check is due at once, so that
/// no page has to wait for it.
const SETTINGS: [&str; 3] =
    ["store.segment_size=8MiB", "store.spare_segments=1", "transactions.first_check_after=10ms"];

/// The data directory from which each page's is copied.
static STORED: OnceLock<TempDir> = OnceLock::new();

/// A broker that has what the guide's README tells, and a cart service that is connected to it.
pub struct Shop {
    pub broker: Broker,
    pub directory: Arc<TempDir>,
    /// Where the name server listens, and the broker; where they did, while it is stopped.
    pub addresses: (SocketAddr, SocketAddr),
    cart: Option<Wire>,
}

impl Shop {
    pub fn open() -> Self {
        let stored = STORED.get_or_init(store);
        let directory = Arc::new(TempDir::new().expect("a temporary directory"));
        copy(&stored.path().join("data"), &directory.path().join("data"));
        let broker = Broker::within(directory.clone(), Vec::new(), &SETTINGS);
        let addresses = (broker.nameserver(), broker.address());
        let mut shop = Shop { broker, directory, addresses, cart: None };
        shop.open_cart();
        shop
    }

    /// Stops the broker in order, for as long as this runs.
    pub fn while_stopped<T>(&mut self, what: impl FnOnce(&Self) -> T) -> T {
        self.cart = None;
        self.broker.terminate();
        let made = what(self);
        self.broker.start_again();
        self.addresses = (self.broker.nameserver(), self.broker.address());
        self.open_cart();
        made
    }

    fn open_cart(&mut self) {
        let mut wire = self.broker.connect();
        wire.consume_for("10.0.0.6@cart-1", "cart-service", TOPIC);
        self.cart = Some(wire);
    }
}

/// What the order service did before the page begins: see the table in the guide's README.
fn store() -> TempDir {
    let directory = Arc::new(TempDir::new().expect("a temporary directory"));
    let settings = [&SETTINGS[..], &["transactions.check_interval=10ms"]].concat();
    let mut broker = Broker::within(directory.clone(), Vec::new(), &settings);
    let mut wire = broker.connect();
    wire.produce_for("10.0.0.5@order-1", GROUP);
    let mut half = |number: u32| {
        let (id, key) = (format!("0A00000500002A139A55A1B2C3D400{number}"), format!("order-{number}"));
        let half = wire.half_with(GROUP, TOPIC, &id, key.as_bytes(), &[("KEYS", &key), ("TAGS", "paid")]);
        match number {
            14 => assert!(wire.end(&half, COMMIT).is_success()),
            15 => assert!(wire.end(&half, ROLLBACK).is_success()),
            // The word about it is lost, and the broker asks.
            16 => answer(&mut wire, &half, 1, COMMIT),
            // It does not know, for ever.
            18 => answer(&mut wire, &half, 15, UNKNOWN),
            _ => {}
        }
    };
    // The last one's producer dies before it says anything.
    for number in [14, 15, 16, 18, 17] {
        half(number);
    }
    wire.consume_for("10.0.0.6@cart-1", "cart-service", TOPIC);
    wire.commit_offset("cart-service", TOPIC, 1);
    drop(wire);
    broker.shown_when("order-17", |shown| shown["producers_online"] == 0);
    broker.terminate();
    drop(broker);
    Arc::into_inner(directory).expect("nobody else has it")
}

/// Answers the next checks of a half. On a slow disk others were asked about, too, before their decisions were heard.
fn answer(wire: &mut Wire, half: &Half, times: u32, decision: i32) {
    for _ in 0..times {
        let asked = loop {
            let (asked, _) = wire.next_check(PATIENCE).expect("a check");
            if asked.key == half.key {
                break asked;
            }
        };
        assert!(wire.end_with(&asked, decision, true).is_success());
    }
    assert!(wire.next_check(Duration::from_millis(100)).is_none(), "nobody is asked any more");
}

/// Copies a directory, without what a start makes anew.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("its kind").is_dir() {
            copy(&entry.path(), &to);
        } else if !entry.file_name().to_string_lossy().starts_with("spare-") {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}
