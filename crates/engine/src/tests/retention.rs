//! What goes, and what stays although it looks old.

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn kept_for(hours: i64) -> Bench {
    let disk = FakeDisk::new(1);
    let retention = Retention { age_ms: hours * HOUR_MS, size: None };
    let config = EngineConfig { retention, snapshot_every: SEGMENT, ..config() };
    Bench::on(disk.clone(), Arc::new(disk), config)
}

fn send_plain(bench: &mut Bench, count: u64) {
    for number in 0..count {
        bench.send(&format!("UNIQ_KEY\u{1}K{number}\u{2}"), &[b'x'; 4_000]);
        bench.run_jobs();
    }
}

fn send_delayed(bench: &mut Bench, count: u64, hours: u64, len: usize) {
    for number in 0..count {
        let properties = format!("TIMER_DELAY_SEC\u{1}{}\u{2}UNIQ_KEY\u{1}D{number}\u{2}", hours * 3_600);
        bench.send(&properties, &vec![b'x'; len]);
        bench.run_jobs();
    }
}

fn fill(bench: &mut Bench) {
    send_plain(bench, 100);
    bench.run_s(60);
    assert!(bench.engine.log().segments().len() > 3, "several segments are full");
}

#[test]
fn old_segments_go_when_their_time_has_come() {
    let mut bench = kept_for(1);
    fill(&mut bench);
    bench.run_s(3_600);
    assert!(bench.engine.log().start().get() > 0);
    assert_eq!(bench.answers.warnings, [""; 0]);
}

#[test]
fn nothing_is_dropped_for_its_age_right_after_the_clock_has_jumped() {
    let mut bench = kept_for(72);
    fill(&mut bench);
    bench.now = bench.now.plus_ms(100 * HOUR_MS);
    bench.run_s(3_500);
    assert_eq!(bench.engine.log().start().get(), 0);
    assert!(matches!(&bench.answers.warnings[..], [text] if text.contains("went on by 36000")));
    bench.run_s(200);
    assert!(bench.engine.log().start().get() > 0, "a clock that nobody sets right is right");
}

fn files_of_the_index(disk: &FakeDisk) -> Vec<(String, Vec<u8>)> {
    let names = disk.list("index").expect("an index");
    let read = |name: String| {
        let path = format!("index/{name}");
        let file = disk.open(&path).expect("a file that is listed");
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        file.read_at(&mut bytes, 0).expect("its bytes");
        (path, bytes)
    };
    names.into_iter().map(read).collect()
}

/// Seed 394 of the simulator: a sync of index files had failed, so none was saved any more, and retention went on. The
/// next start kept the old index, in which every message behind the hole was refused: queues were read as empty.
#[test]
fn seed_394_an_index_that_was_saved_before_the_log_begins_is_rebuilt() {
    let mut bench = kept_for(1);
    bench.send("UNIQ_KEY\u{1}FIRST\u{2}", b"before the index is saved");
    bench.engine.close(bench.now, &mut bench.answers).expect("an engine in order");
    let saved = files_of_the_index(&bench.disk);
    fill(&mut bench);
    bench.run_s(3_600);
    let topics = bench.engine.broker().state().topics.iter();
    let names: Vec<String> = topics.map(|topic| topic.name().to_string()).collect();
    let bounds = |engine: &Engine| -> Vec<_> {
        let all = names.iter().flat_map(|name| (0..4).map(move |queue| (name, queue)));
        all.map(|(name, queue)| engine.index().queue(name, queue).expect("bounds")).collect()
    };
    let before = bounds(&bench.engine);
    assert!(before.iter().flatten().any(|bounds| bounds.min < bounds.max), "not everything has expired");
    let Bench { disk, engine, now, .. } = bench;
    let config = engine.config.clone();
    drop(engine);
    for (path, _) in files_of_the_index(&disk) {
        disk.remove(&path).expect("a file that is there");
    }
    for (path, bytes) in saved {
        disk.create(&path).expect("a file").write_at(&bytes, 0).expect("its bytes");
    }
    let (engine, opened) = Engine::open(Arc::new(disk), config, now).expect("the log is in order");
    assert!(opened.remarks.iter().any(|remark| remark.contains("is rebuilt")), "{:?}", opened.remarks);
    assert_eq!(bounds(&engine), before);
}

/// Seed 1795290105541 of the simulator: records that are stored again for the sake of their segments wait for company, and
/// were always in the way of a message whose time had come an hour and more before.
#[test]
fn seed_1795290105541_what_is_due_does_not_wait_behind_records_that_are_carried() {
    // So many records that the batch is full of them; and one beside which the message finds no room.
    for (carried, due_len) in [(8, 1_000), (1, 12_000)] {
        let mut bench = Bench::new();
        send_delayed(&mut bench, carried, 3, 6_000);
        send_delayed(&mut bench, 1, 2, due_len);
        bench.now = bench.now.plus_ms(2 * HOUR_MS - 1);
        bench.turn();
        let waiting = bench.engine.broker().state().scheduled.len() as u64;
        assert_eq!(waiting, carried + 1);
        let end = bench.engine.log().written();
        let (broker, out) = bench.engine.broker_mut();
        assert!(broker.carry_before(end, out), "records that must stay");
        bench.settle();
        for _ in 0..3 {
            bench.now = bench.now.plus_ms(1);
            bench.turn();
        }
        assert_eq!(bench.next_after_a_power_cut(), 1, "with {carried} records carried before it");
    }
}

/// The same seed: more had to stay than the size let stay, and the log was carried round for as long as it ran.
#[test]
fn seed_1795290105541_a_log_in_which_more_must_stay_than_may_stay_is_not_carried_round() {
    const SIZE: u64 = 2 * SEGMENT;
    const DELAYED: u64 = 100;
    let disk = FakeDisk::new(1);
    let retention = Retention { age_ms: 72 * HOUR_MS, size: Some(SIZE) };
    let config = EngineConfig { retention, snapshot_every: SEGMENT, ..config() };
    let mut bench = Bench::on(disk.clone(), Arc::new(disk), config);
    send_delayed(&mut bench, DELAYED, 24, 4_000);
    let needed = bench.engine.log().written().get();
    assert!(needed > 3 * SIZE);
    bench.run_s(600);
    let written = bench.engine.log().written().get() - needed;
    assert!(written < SEGMENT, "{written} bytes were written for nothing");

    // What comes between lets it go on: the size is kept, but for what must stay, and for the place it is moved to.
    let mut longest = 0;
    for _ in 0..20 {
        send_plain(&mut bench, 50);
        bench.run_s(30);
        longest = longest.max(bench.engine.log().written().get() - bench.engine.log().start().get());
    }
    assert!(bench.engine.log().start().get() > needed, "all of it has moved");
    assert!(longest < SIZE + needed * 3, "{longest} bytes were kept");
    let carried = bench.engine.log().written().get() - needed - 20 * 50 * 4_200;
    assert!(carried < 3 * 20 * 50 * 4_200, "{carried} bytes were written for it");
    let plain = bench.next_after_a_power_cut();
    bench.now = bench.now.plus_ms(24 * HOUR_MS);
    for _ in 0..DELAYED {
        bench.turn();
    }
    assert_eq!(bench.next_after_a_power_cut(), plain + DELAYED);
}

/// Else others would be filled until somebody looks again, seconds later.
#[test]
fn a_few_halves_that_must_stay_do_not_keep_segments_from_going() {
    const SIZE: u64 = 4 * SEGMENT;
    let disk = FakeDisk::new(1);
    let retention = Retention { age_ms: 72 * HOUR_MS, size: Some(SIZE) };
    let config = EngineConfig { retention, snapshot_every: SEGMENT, ..config() };
    let mut bench = Bench::on(disk.clone(), Arc::new(disk), config);
    let mut longest = 0;
    for number in 0..600 {
        if number % 100 == 0 {
            bench.send(&format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}H{number}\u{2}"), b"a half");
        }
        send_plain(&mut bench, 1);
        bench.now = bench.now.plus_ms(1);
        bench.turn();
        bench.run_jobs();
        longest = longest.max(bench.engine.log().written().get() - bench.engine.log().start().get());
    }
    let written = bench.engine.log().written().get();
    assert!(written > 5 * SIZE, "{written} bytes in all");
    assert!(longest <= SIZE + 3 * SEGMENT, "{longest} bytes were kept");
    assert_eq!(bench.engine.broker().state().ledger.len(), 6, "the halves stayed");
}
