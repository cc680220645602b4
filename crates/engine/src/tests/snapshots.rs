//! Snapshots of what the owner wrote down, and of what the log says: the same bytes.

use message::entry::TopicConfig;

use super::*;
use crate::Job;

/// A bench whose state has a topic with queues, halves, delayed messages and a decision, and whose snapshot is due.
fn due(snapshot_items: usize) -> Bench {
    filled(EngineConfig { snapshot_every: 4_000, snapshot_items, ..config() })
}

fn filled(config: EngineConfig) -> Bench {
    let disk = FakeDisk::new(1);
    let mut bench = Bench::on(disk.clone(), Arc::new(disk), config);
    for number in 0..6 {
        bench.send(&format!("UNIQ_KEY\u{1}M{number}\u{2}"), &[b'x'; 1_000]);
        bench.send(&format!("TIMER_DELAY_SEC\u{1}600\u{2}UNIQ_KEY\u{1}D{number}\u{2}"), b"later");
        bench.send(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}H{number}\u{2}"), b"a half");
    }
    bench
}

/// Sends until there is another snapshot. Returns how much log is behind the one `at` by then, and the bytes of the state
/// in the new one.
fn next_snapshot(bench: &mut Bench, at: u64) -> (u64, u64) {
    for number in 0..1_000 {
        bench.send(&format!("UNIQ_KEY\u{1}S{number}\u{2}"), &[b'x'; 200]);
        let log = bench.engine.broker().state().applied.get() - at;
        bench.run_jobs();
        let found = store::snapshot::latest(&bench.disk).expect("snapshots").expect("a snapshot");
        if found.at.get() > at {
            return (log, found.state.len() as u64);
        }
    }
    panic!("no snapshot is made");
}

/// Makes the snapshot that is due. Returns its bytes, and those that were read from the disk for it.
fn snapshot(bench: &mut Bench) -> (Vec<u8>, u64) {
    let at = bench.engine.broker().state().applied;
    let before = bench.disk.counts().bytes_read;
    while let Some(job) = bench.engine.next_job(bench.now) {
        let is_snapshot = matches!(job, Job::Snapshot(_));
        let done = job.run();
        if is_snapshot {
            let file = bench.disk.open(&format!("snapshots/{:020}.snap", at.get())).expect("the snapshot");
            let mut bytes = vec![0; file.len().expect("its length") as usize];
            let read = bench.disk.counts().bytes_read - before;
            file.read_at(&mut bytes, 0).expect("its bytes");
            bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
            return (bytes, read);
        }
        bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    }
    panic!("a snapshot is due");
}

/// The number of things that its state is not larger than.
fn items(bench: &Bench) -> usize {
    let state = bench.engine.broker().state();
    let items = (0..1_000).find(|items| !state.is_larger_than(*items)).expect("a small state");
    assert!((items..1_000).all(|more| !state.is_larger_than(more)), "{items}");
    items
}

#[test]
fn a_small_state_is_written_down_without_reading_the_log_and_is_what_the_log_says() {
    let (from_log, read) = snapshot(&mut due(0));
    assert!(read > 6_000, "{read} bytes read: the log is applied again");
    let (from_state, read) = snapshot(&mut due(100));
    assert!(read < 1_000, "{read} bytes read");
    assert!(from_log == from_state, "the snapshots differ");
}

#[test]
fn a_state_of_more_things_than_may_be_written_down_at_once_is_made_from_the_log() {
    // The topic with its queues and those every broker has, six delayed messages, six halves.
    let bench = due(100);
    let items = items(&bench);
    assert!(items > 12 + 4, "{items}");
    let (_, read) = snapshot(&mut due(items));
    assert!(read < 1_000, "{read} bytes read");
    let (_, read) = snapshot(&mut due(items - 1));
    assert!(read > 6_000, "{read} bytes read");
}

/// Or a few keys, or halves, would take the owner as long as a hundred times as many.
#[test]
fn what_clients_may_make_long_counts_for_what_it_fills() {
    let mut bench = due(100);
    let before = items(&bench);
    let long = "k".repeat(2_560);
    bench.send(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}{long}\u{2}"), b"a half");
    assert_eq!(items(&bench), before + 1 + 10, "a half");
    bench.ask(Request::PutKeyValue { namespace: "ORDER_TOPIC_CONFIG", key: "orders", value: Some(&long.repeat(2)) });
    bench.settle();
    assert_eq!(items(&bench), before + 11 + 1 + 20, "a key");
    let queues = bench.engine.broker().state().topics.get("orders").expect("the topic").config.clone();
    bench.ask(Request::PutTopic(TopicConfig { attributes: vec![("a".to_owned(), long[1..].to_owned())], ..queues }));
    bench.settle();
    assert_eq!(items(&bench), before + 32 + 10, "attributes");
}

/// Else a state of a million halves would be read and written again for as much log as it is long itself.
#[test]
fn a_long_snapshot_is_followed_by_the_next_one_after_four_times_as_much_log() {
    let config = EngineConfig { snapshot_every: 8_000, ..config() };
    let mut bench = filled(config.clone());
    let long = "k".repeat(8_000);
    bench.ask(Request::PutKeyValue { namespace: "ORDER_TOPIC_CONFIG", key: "orders", value: Some(&long) });
    bench.settle();
    snapshot(&mut bench);
    let found = store::snapshot::latest(&bench.disk).unwrap().unwrap();
    let (at, len) = (found.at.get(), found.state.len() as u64);
    assert!(len > 8_000, "{len}: four times that are more than `snapshot_every`");
    // The same after a restart, which knows of it what the disk says.
    let disk = bench.disk.crash(1);
    let mut again = Bench::on(disk.clone(), Arc::new(disk), config.clone());
    for bench in [&mut bench, &mut again] {
        let (log, _) = next_snapshot(bench, at);
        assert!((4 * len..4 * len + 500).contains(&log), "{log} bytes of log behind a snapshot of {len}");
    }
    // Where the log may not be as long as that it is made earlier.
    let disk = bench.disk.crash(2);
    let retention = Retention { size: Some(100_000), ..config.retention };
    let mut short = Bench::on(disk.clone(), Arc::new(disk), EngineConfig { retention, ..config });
    let at = store::snapshot::latest(&short.disk).unwrap().unwrap().at.get();
    let (log, _) = next_snapshot(&mut short, at);
    assert!((25_000..25_500).contains(&log) && log < 4 * len, "{log} bytes of log behind a snapshot of {len}");
    // And a short one by as many as are configured.
    bench.ask(Request::PutKeyValue { namespace: "ORDER_TOPIC_CONFIG", key: "orders", value: None });
    let at = bench.engine.broker().state().applied.get();
    let (_, len) = next_snapshot(&mut bench, at);
    assert!(4 * len < 8_000, "{len}");
    let at = store::snapshot::latest(&bench.disk).unwrap().unwrap().at.get();
    let (log, _) = next_snapshot(&mut bench, at);
    assert!((8_000..8_500).contains(&log), "{log} bytes of log behind a snapshot of {len}");
}
