//! What goes, and what stays although it looks old.

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn kept_for(hours: i64) -> Bench {
    let disk = FakeDisk::new(1);
    let retention = Retention { age_ms: hours * HOUR_MS, size: None };
    let config = EngineConfig { retention, snapshot_every: SEGMENT, ..config() };
    Bench::on(disk.clone(), Arc::new(disk), config)
}

fn fill(bench: &mut Bench) {
    for number in 0..100 {
        bench.send(&format!("UNIQ_KEY\u{1}K{number}\u{2}"), &[b'x'; 4_000]);
        bench.run_jobs();
    }
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
