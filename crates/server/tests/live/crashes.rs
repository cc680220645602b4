//! What survives a kill -9, and what a restart costs.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use protocol::codes::RequestCode;

use crate::broker::Broker;
use crate::connections::{Raw, frame};
use crate::wire::{COMMIT, Half, ROLLBACK, properties, send_fields};

#[test]
fn what_was_answered_is_there_after_kill_9() {
    let mut broker = Broker::start();
    for round in 0..5 {
        let mut wire = broker.connect();
        let key = |what: &str| format!("{what}-{round}");
        wire.send("orders", &key("plain"), b"body");
        let committed = wire.half("payers", "orders", &key("committed"), b"body");
        let rolled_back = wire.half("payers", "orders", &key("rolled-back"), b"body");
        wire.half("payers", "orders", &key("undecided"), b"body");
        wire.end(&rolled_back, ROLLBACK);
        wire.end(&committed, COMMIT);
        wire.consume_for("c1", "cart", "orders");
        wire.commit_offset("cart", "orders", round * 2 + 1);
        broker.crash();
        let mut wire = broker.connect();
        let expected: Vec<String> =
            (0..=round).flat_map(|round| [format!("plain-{round}"), format!("committed-{round}")]).collect();
        assert_eq!(wire.keys("orders"), expected);
        assert_eq!(wire.offset("cart", "orders"), Some(round * 2 + 1));
        assert_eq!(broker.json(&["transactions"])["undecided"], round + 1);
    }
}

#[test]
fn a_kill_in_the_middle_of_everything_loses_nothing_that_was_answered() {
    let mut broker = Broker::start();
    for round in 0..4 {
        let sender = {
            let address = broker.address();
            std::thread::spawn(move || {
                let mut wire = crate::wire::Wire::connect(address);
                let mut answered = Vec::new();
                for number in 0.. {
                    let key = format!("{round}-{number}");
                    let pairs = properties(&[("UNIQ_KEY", &key)]);
                    match wire.client.call(310, &send_fields("orders", &pairs), b"body") {
                        Ok(answer) => {
                            assert!(answer.is_success(), "{:?}", answer.remark);
                            answered.push((key, crate::wire::number(&answer, "queueOffset")));
                        }
                        Err(_) => return answered,
                    }
                }
                answered
            })
        };
        std::thread::sleep(Duration::from_millis(150));
        broker.crash();
        let answered = sender.join().unwrap();
        assert!(!answered.is_empty(), "somebody was answered before the kill");
        let all = broker.connect().all("orders");
        let offsets: Vec<i64> = all.iter().map(|message| message.offset).collect();
        assert_eq!(offsets, (0..all.len() as i64).collect::<Vec<_>>(), "no hole and no repeat");
        let at: HashMap<&str, i64> = all.iter().map(|message| (message.key.as_str(), message.offset)).collect();
        for (key, offset) in &answered {
            assert_eq!(at.get(key.as_str()), Some(offset), "{key}");
        }
    }
}

/// What a producer knows of one of its transactions when its broker is killed.
struct Fate {
    half: Half,
    decision: i32,
    /// Whether the decision was answered.
    answered: bool,
}

#[test]
fn a_kill_in_the_middle_of_transactions_breaks_no_promise_about_any_of_them() {
    let mut broker = Broker::with(&["transactions.first_check_after=1h"]);
    let mut fates: Vec<Fate> = Vec::new();
    for round in 0..4 {
        let producers: Vec<_> = (0..3)
            .map(|producer| {
                let address = broker.address();
                std::thread::spawn(move || produce(address, &format!("{round}-{producer}")))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(120 + 37 * round));
        broker.crash();
        fates.extend(producers.into_iter().flat_map(|producer| producer.join().unwrap()));

        let mut wire = broker.connect();
        let all = wire.all("orders");
        let offsets: Vec<i64> = all.iter().map(|message| message.offset).collect();
        assert_eq!(offsets, (0..all.len() as i64).collect::<Vec<_>>(), "no hole and no repeat");
        let mut delivered: HashMap<&str, usize> = HashMap::new();
        for message in &all {
            *delivered.entry(message.key.as_str()).or_default() += 1;
        }
        for Fate { half, decision, answered } in &mut fates {
            let times = delivered.get(half.key.as_str()).copied().unwrap_or(0);
            assert!(times <= 1, "{} is delivered {times} times", half.key);
            assert!(*decision == COMMIT || times == 0, "{} was rolled back and is delivered", half.key);
            assert!(!*answered || *decision == ROLLBACK || times == 1, "{} was committed and is lost", half.key);
            // Sent again, the decision counts at last, or is found to have counted.
            let answer = wire.end(half, *decision);
            assert_eq!(answer.code, 0, "{}: {:?}", half.key, answer.remark);
            *answered = true;
        }
        let committed = fates.iter().filter(|fate| fate.decision == COMMIT).count();
        assert_eq!(wire.all("orders").len(), committed);
    }
    assert!(fates.len() > 20, "only {} transactions in all that time", fates.len());
}

/// Sends halves and decides them, until the broker is gone.
fn produce(address: std::net::SocketAddr, name: &str) -> Vec<Fate> {
    let mut wire = crate::wire::Wire::connect(address);
    let mut fates = Vec::new();
    for number in 0.. {
        let key = format!("{name}-{number}");
        let pairs = properties(&[("TRAN_MSG", "true"), ("PGROUP", "payers"), ("UNIQ_KEY", &key)]);
        let mut fields = send_fields("orders", &pairs);
        fields[5].1 = "4";
        let Ok(answer) = wire.client.call(310, &fields, b"body") else { break };
        assert!(answer.is_success(), "{key}: {:?}", answer.remark);
        let half = crate::wire::half_of("payers", &key, &answer);
        let decision = if number % 3 == 0 { ROLLBACK } else { COMMIT };
        let answer = wire.try_end(&half, decision, false);
        let answered = answer.as_ref().is_ok_and(|answer| answer.is_success());
        fates.push(Fate { half, decision, answered });
        if answer.is_err() {
            break;
        }
    }
    fates
}

#[test]
fn sigterm_in_the_middle_of_everything_loses_nothing_that_was_answered() {
    let mut broker = Broker::start();
    let address = broker.address();
    let producers: Vec<_> =
        (0..3).map(|number| std::thread::spawn(move || produce(address, &format!("{number}")))).collect();
    std::thread::sleep(Duration::from_millis(200));
    let (status, _) = broker.terminate();
    assert_eq!(status.code(), Some(0));
    let fates: Vec<Fate> = producers.into_iter().flat_map(|producer| producer.join().unwrap()).collect();
    broker.start_again();
    let mut wire = broker.connect();
    let delivered = wire.keys("orders");
    for Fate { half, decision, answered } in &fates {
        let times = delivered.iter().filter(|key| **key == half.key).count();
        assert_eq!(times, usize::from(*decision == COMMIT && *answered), "{} {decision} {answered}", half.key);
        assert_eq!(wire.end(half, *decision).code, 0);
    }
}

#[test]
fn the_index_is_rebuilt_when_it_is_gone_or_damaged() {
    let mut broker = Broker::start();
    let mut wire = broker.connect();
    for number in 0..50 {
        let pairs = [("UNIQ_KEY", format!("P{number}")), ("KEYS", format!("key-{}", number % 7))];
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert!(wire.try_send("orders", &properties(&pairs), b"body", &[]).is_success());
    }
    let committed = wire.half("payers", "orders", "K1", b"committed");
    wire.end(&committed, COMMIT);
    let rolled_back = wire.half("payers", "orders", "K2", b"body");
    wire.end(&rolled_back, ROLLBACK);
    let undecided = wire.half("payers", "orders", "K3", b"body");
    let before = answers(&broker, &committed, &rolled_back, &undecided);
    for damage in 0..3 {
        broker.terminate();
        let index = broker.data().join("index");
        match damage {
            0 => std::fs::remove_dir_all(&index).unwrap(),
            1 => {
                for file in std::fs::read_dir(&index).unwrap().map(|file| file.unwrap().path()) {
                    std::fs::write(file, b"").unwrap();
                }
            }
            _ => {
                for file in std::fs::read_dir(&index).unwrap().map(|file| file.unwrap().path()) {
                    let mut bytes = std::fs::read(&file).unwrap();
                    let middle = bytes.len() / 2;
                    if let Some(byte) = bytes.get_mut(middle) {
                        *byte ^= 0x55;
                    }
                    std::fs::write(file, bytes).unwrap();
                }
                broker.allow("index");
            }
        }
        if damage == 1 {
            broker.allow("index");
        }
        broker.start_again();
        let after = answers(&broker, &committed, &rolled_back, &undecided);
        let different: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(different.is_empty() && before.len() == after.len(), "damage {damage}: {different:#?}");
    }
}

/// What a broker says about everything in it, as far as it does not name its port.
fn answers(broker: &Broker, committed: &Half, rolled_back: &Half, undecided: &Half) -> Vec<String> {
    let mut wire = broker.connect();
    let mut answers: Vec<String> = wire.all("orders").iter().map(|message| format!("{message:?}")).collect();
    for key in ["P7", "key-3", "K1", "K2", "K3"] {
        let latest = i64::MAX.to_string();
        let fields =
            [("topic", "orders"), ("key", key), ("maxNum", "64"), ("beginTimestamp", "0"), ("endTimestamp", &latest)];
        let answer = wire.call(12, &fields, b"");
        let keys: Vec<String> = crate::wire::messages(&answer.body).into_iter().map(|message| message.key).collect();
        answers.push(format!("{key}: {} {keys:?}", answer.code));
    }
    for (half, decision) in [(committed, COMMIT), (committed, ROLLBACK), (rolled_back, ROLLBACK), (rolled_back, COMMIT)]
    {
        answers.push(format!("{} {decision}: {}", half.key, wire.end(half, decision).code));
    }
    for half in [committed, rolled_back, undecided] {
        let shown = broker.json(&["transactions", "show", &half.key]);
        answers.push(format!("{} is {}: {}", half.key, shown["state"], shown["timeline"]));
    }
    answers.push(broker.json(&["topics", "show", "orders"]).to_string());
    answers
}

#[test]
fn in_memory_mode_what_was_answered_survives_the_death_of_the_process() {
    let mut broker = Broker::with(&["store.durability=memory"]);
    broker.allow("store.durability is \"memory\"");
    assert!(broker.log().contains("  durability   memory"), "{}", broker.log());
    let mut wire = broker.connect();
    for number in 0..100 {
        wire.send("orders", &format!("P{number}"), b"body");
    }
    let half = wire.half("payers", "orders", "K1", b"body");
    assert_eq!(wire.end(&half, COMMIT).code, 0);
    wire.half("payers", "orders", "K2", b"body");
    broker.crash();
    let mut wire = broker.connect();
    assert_eq!(wire.keys("orders").len(), 101);
    assert_eq!(wire.end(&half, ROLLBACK).code, 604);
    assert_eq!(broker.json(&["transactions"])["undecided"], 1);
}

/// Halves without a decision, in the load test.
const HALVES: usize = 100_000;

#[test]
fn a_hundred_thousand_undecided_halves_are_small_and_soon_there_again() {
    let mut broker = Broker::with(&["transactions.first_check_after=1h"]);
    // The first ones make room for buffers that are not the halves'.
    let mut halves = store_halves(&broker, 0, 2_000);
    let before = broker.memory("VmRSS");
    let begun = Instant::now();
    halves.extend(store_halves(&broker, 2_000, HALVES));
    let stored = begun.elapsed();
    let grown = broker.memory("VmRSS").saturating_sub(before) / (HALVES - 2_000) as u64;
    assert!(grown < 400, "{grown} bytes of memory per half");

    let took = broker.crash();
    assert!(took < Duration::from_secs(3), "{took:?} until it was ready again");
    eprintln!("{HALVES} halves: stored in {stored:?}, {grown} bytes each, ready again in {took:?}");
    let mut wire = broker.connect();
    assert_eq!(broker.json(&["transactions", "list", "--limit", "1"])["undecided"], HALVES);
    for at in [0, 1, HALVES / 2, HALVES - 1] {
        assert_eq!(wire.end(&halves[at], COMMIT).code, 0);
    }
    let expected: Vec<String> = [0, 1, HALVES / 2, HALVES - 1].map(|at| halves[at].key.clone()).into();
    assert_eq!(wire.keys("orders"), expected);
    assert_eq!(broker.json(&["transactions", "list", "--limit", "1"])["undecided"], HALVES - 4);
}

/// Stores halves as fast as the broker takes them, and returns their names in order.
pub fn store_halves(broker: &Broker, from: usize, to: usize) -> Vec<Half> {
    let mut raw = Raw::connect(broker);
    let mut stream = raw.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        for number in from..to {
            let key = key_of(number);
            let pairs = properties(&[("TRAN_MSG", "true"), ("PGROUP", "payers"), ("UNIQ_KEY", &key)]);
            let mut fields = send_fields("orders", &pairs);
            fields[5].1 = "4";
            bytes.extend(frame(RequestCode::SendMessageV2, number as i32, false, &fields, b"a body of some bytes"));
            if bytes.len() > 256 << 10 {
                stream.write_all(&bytes).unwrap();
                bytes.clear();
            }
        }
        stream.write_all(&bytes).unwrap();
    });
    let mut halves = vec![None; to - from];
    for _ in from..to {
        let answer = raw.received().expect("the connection lives");
        let number = answer.opaque as usize;
        assert!(answer.is_success(), "half {number}: {:?}", answer.remark);
        halves[number - from] = Some(crate::wire::half_of("payers", &key_of(number), &answer));
    }
    writer.join().unwrap();
    halves.into_iter().map(|half| half.expect("every half is answered once")).collect()
}

/// An id as Java clients make them.
fn key_of(number: usize) -> String {
    format!("7F0000010A2B18B4AAC2{number:012X}")
}
