//! Old messages go; what is undecided or waits for its time stays.

use std::time::{Duration, Instant};

use crate::broker::{Broker, PATIENCE};
use crate::wire::{COMMIT, ROLLBACK, properties};

/// Settings under which a few megabytes are a long history.
const SMALL: [&str; 5] = [
    "store.segment_size=1MiB",
    "store.snapshot_every=1MiB",
    "limits.batch_bytes=256KiB",
    "limits.message_size=128KiB",
    "retention.size=3MiB",
];

#[test]
fn old_messages_go_by_size_and_what_is_undecided_or_delayed_outlives_its_segment() {
    let mut broker = Broker::with(&SMALL);
    let mut wire = broker.connect();
    let decided = wire.half("payers", "orders", "decided", b"decided");
    assert_eq!(wire.end(&decided, COMMIT).code, 0);
    let undecided = wire.half("payers", "orders", "undecided", &[5; 20_000]);
    let doomed = wire.half("payers", "orders", "doomed", b"doomed");
    let pairs = properties(&[("UNIQ_KEY", "delayed"), ("TIMER_DELAY_MS", "6000")]);
    let delayed_since = Instant::now();
    assert!(wire.try_send("later", &pairs, &[6; 20_000], &[]).is_success());
    assert_eq!(wire.pull("orders", 0).min, 0);

    wire.send("bulk", "first", &[7; 10_000]);
    // More than the log may keep, several times over, until the first messages are gone.
    let (deadline, mut sent) = (Instant::now() + PATIENCE, 1);
    while wire.pull("bulk", 0).min == 0 || sent < 1000 {
        assert!(Instant::now() < deadline, "nothing has gone after {sent} messages");
        for _ in 0..50 {
            wire.send("bulk", &format!("B{sent}"), &[7; 10_000]);
            sent += 1;
        }
    }
    let kept = std::fs::read_dir(broker.data().join("log")).unwrap().count();
    assert!(kept <= 10, "{kept} files of the log");
    let min = wire.pull("bulk", 0).min;
    let bulk = wire.all("bulk");
    assert_eq!(bulk[0].offset, min);
    assert_eq!(bulk.len() as i64, sent - min, "all that is promised can be read");
    // The committed message has expired with its segment: nobody knows its transaction any more.
    assert_eq!(wire.keys("orders"), Vec::<String>::new());
    assert_eq!(wire.end(&decided, COMMIT).code, 1);

    assert_eq!(broker.json(&["transactions"])["undecided"], 2);
    broker.crash();
    let mut wire = broker.connect();
    assert_eq!(broker.json(&["transactions"])["undecided"], 2);
    assert_eq!(wire.end(&doomed, ROLLBACK).code, 0);
    assert_eq!(wire.end(&undecided, COMMIT).code, 0);
    let orders = wire.all("orders");
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].key.as_str(), orders[0].body.as_slice()), ("undecided", &[5; 20_000][..]));
    // Their halves have gone with their segments, so nobody knows any more what they were; but nothing changes.
    for (half, opposite) in [(&undecided, ROLLBACK), (&doomed, COMMIT)] {
        assert_ne!(wire.end(half, opposite).code, 0);
    }
    assert_eq!(wire.all("orders"), orders);

    let pulled = wire.pull_as("cart", "later", 0, Some(PATIENCE));
    assert!(delayed_since.elapsed() >= Duration::from_millis(5900), "{:?}", delayed_since.elapsed());
    assert_eq!((pulled.messages[0].key.as_str(), pulled.messages[0].body.as_slice()), ("delayed", &[6; 20_000][..]));
}
