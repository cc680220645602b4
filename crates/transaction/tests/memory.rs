//! What an undecided half costs in memory, ledger and checker together, measured on the process.

use std::fs;

use message::entry::{Delay, Half};
use message::record::{NewRecord, Record};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use transaction::{CheckConfig, Checker, Event, Ledger, SessionId};

const HALVES: u64 = 100_000;
/// Bytes a half may cost.
const HALF_BYTES_MAX: u64 = 400;

/// Resident memory of this process in bytes; `None` where the kernel does not tell in Linux's way.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn at_ms(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms as i64)
}

fn record(n: u64) -> Vec<u8> {
    let host = "10.0.0.1:50000".parse().expect("an address");
    let mut record = Vec::new();
    NewRecord {
        topic: "PayOrderSuccessTopic",
        queue_id: 3,
        queue_offset: QueueOffset::ZERO,
        flag: 0,
        sys_flag: 0,
        born_timestamp: Timestamp::ZERO,
        born_host: host,
        store_timestamp: Timestamp::ZERO,
        store_host: host,
        reconsume_times: 0,
        body: b"{\"orderId\":4711}",
        properties: &format!(
            "KEYS\u{1}TestKey\u{2}UNIQ_KEY\u{1}7F0000010B4C18B4AAC2101E{n:08X}\u{2}TAGS\u{1}TestTag\u{2}"
        ),
    }
    .encode(&mut record);
    record
}

/// Stores the halves from one number to another, everything overdue and nobody connected: the most that is kept of them.
fn store(ledger: &mut Ledger, checker: &mut Checker, from: u64, to: u64) {
    let mut out = Vec::new();
    for n in from..to {
        let (at, time) = (CommitLogOffset::new(n * 1500), at_ms(n * 20));
        let (record, client) = (record(n), format!("10.0.0.{}@{}", n % 200, n % 10));
        let half = Half {
            sequence: QueueOffset::new(n),
            immunity_ms: None,
            delay: Delay::None,
            group: "testProducerGroup",
            client: &client,
            record: &record,
        };
        let parsed = Record::parse(&record).expect("a record");
        ledger.apply_half(at, time, &half, &parsed, at.plus(80));
        let (group, session) = (half.group, Some(SessionId(n)));
        let event = Event::HalfStored { half: at, group, session, stored_at: time, immunity_ms: None };
        checker.step(time, event, &mut out);
    }
    checker.step(at_ms(to * 20 + 6_000), Event::Tick, &mut out);
    assert!(out.is_empty() && checker.next_deadline().is_none());
}

#[test]
fn a_hundred_thousand_undecided_halves_cost_less_than_400_bytes_each() {
    let mut ledger = Ledger::new();
    let mut checker = Checker::new(CheckConfig::default(), Timestamp::ZERO);
    // What the process needs anyway is there before it is measured.
    store(&mut ledger, &mut checker, 0, 100);
    let Some(before) = resident_bytes() else {
        eprintln!("memory was not measured: no /proc/self/status here");
        return;
    };
    let mut measured = before;
    let mut from = 100;
    // Tables double now and then, so the cost of one half goes up and down: it is measured all along the way.
    for thousands in 1..=HALVES / 1000 {
        store(&mut ledger, &mut checker, from, thousands * 1000);
        from = thousands * 1000;
        measured = resident_bytes().expect("it was readable before");
        let each = measured.saturating_sub(before) / from;
        assert!(from < 20_000 || each < HALF_BYTES_MAX, "{each} bytes a half with {from} halves");
    }
    println!("{} bytes a half", (measured - before) / HALVES);
    assert_eq!((ledger.len() as u64, checker.watched() as u64), (HALVES, HALVES));
}
