//! A full disk: new messages are refused, decisions and acknowledgements are not, and it ends by itself.

use std::time::{Duration, Instant};

use crate::small_disk::SmallDisk;
use crate::wire::{COMMIT, ROLLBACK};

const DONE: i32 = 0;
/// Whoever gets this sends to another broker, or to this one later.
const SERVICE_NOT_AVAILABLE: i32 = 14;

const SETTINGS: [&str; 4] = [
    "store.segment_size=4MiB",
    "limits.batch_bytes=1MiB",
    "limits.message_size=512KiB",
    "transactions.first_check_after=10m",
];

#[test]
fn a_full_disk_refuses_messages_takes_decisions_and_writing_resumes_by_itself() {
    let disk = SmallDisk::new(96);
    let mut broker = disk.broker(&SETTINGS);
    broker.allow("disk");
    let mut wire = broker.connect();
    let halves: Vec<_> =
        (0..100).map(|number| wire.half("payers", "paid", &format!("H{number}"), &[7; 8 << 10])).collect();
    wire.consume_for("c1@1", "cart", "orders");
    // Whoever has read before goes on reading; a group that nobody has heard of may have to wait for room.
    assert!(wire.keys("paid").is_empty());
    disk.fill_but(12 << 20);
    // Until it is full: every message that is answered OK is counted.
    let mut stored = Vec::new();
    let refused = loop {
        let key = format!("K{}", stored.len());
        let properties = crate::wire::properties(&[("UNIQ_KEY", &key)]);
        let answer = wire.try_send("orders", &properties, &[7; 64 << 10], &[]);
        match answer.code {
            DONE => stored.push(key),
            _ => break answer,
        }
        assert!(stored.len() < 2_000, "the disk of 96 MiB never got full");
    };
    assert_eq!(refused.code, SERVICE_NOT_AVAILABLE);
    let remark = refused.remark.expect("a reason");
    assert!(remark.contains("disk is full") && remark.contains("free space"), "{remark}");
    let half = crate::wire::properties(&[("TRAN_MSG", "true"), ("PGROUP", "payers"), ("UNIQ_KEY", "H-late")]);
    assert_eq!(
        wire.try_send("paid", &half, &[7; 64 << 10], &[]).code,
        SERVICE_NOT_AVAILABLE,
        "halves are refused as well"
    );
    // What was begun is ended, and what was consumed stays consumed.
    for (number, half) in halves.iter().enumerate() {
        let (decision, opposite) = if number % 2 == 0 { (COMMIT, ROLLBACK) } else { (ROLLBACK, COMMIT) };
        assert_eq!(wire.end(half, decision).code, DONE, "half {number}");
        assert_eq!(wire.end(half, opposite).code, 604, "half {number}");
    }
    wire.commit_offset("cart", "orders", stored.len() as i64);
    assert_eq!(wire.keys("orders"), stored);
    assert_eq!(wire.keys("paid").len(), 50);
    // The process may die now: nothing of it is lost.
    broker.crash();
    let mut wire = broker.connect();
    assert_eq!(wire.keys("orders"), stored);
    assert_eq!(wire.keys("paid").len(), 50);
    assert_eq!(wire.offset("cart", "orders"), Some(stored.len() as i64));
    // Nobody has to restart it once there is room.
    disk.free();
    let freed = Instant::now();
    let properties = crate::wire::properties(&[("UNIQ_KEY", "after")]);
    while wire.try_send("orders", &properties, &[7; 64 << 10], &[]).code != DONE {
        assert!(freed.elapsed() < Duration::from_secs(20), "still refused 20 s after there was room");
        std::thread::sleep(Duration::from_millis(100));
    }
    stored.push("after".to_owned());
    assert_eq!(wire.keys("orders"), stored);
}
