//! A disk whose syncs take long: somebody else waits for them.

use std::io;
use std::time::Duration;

use broker::io::Pull;
use store::disk::{DiskFile, Space};

use super::*;
use crate::Job;

/// Longer than what counts as slow.
const SYNC: Duration = Duration::from_millis(4);

struct SlowDisk(FakeDisk);
struct SlowFile(Arc<dyn DiskFile>);

impl Disk for SlowDisk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(self.0.open(path)?)))
    }
    fn create(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(self.0.create(path)?)))
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
    fn space(&self) -> io::Result<Space> {
        self.0.space()
    }
}

impl DiskFile for SlowFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(buf, at)
    }
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_at(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        std::thread::sleep(SYNC);
        self.0.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

fn slow() -> Bench {
    let disk = FakeDisk::new(1);
    let config = EngineConfig { syncing: Syncing::Adaptive, ..config() };
    let mut bench = Bench::on(disk.clone(), Arc::new(SlowDisk(disk)), config);
    for number in 0..4 {
        bench.send(&format!("UNIQ_KEY\u{1}K{number}\u{2}"), b"hello");
        bench.run_jobs();
    }
    bench
}

/// Takes the sync that waits to be run, and nothing else.
fn sync_job(bench: &mut Bench) -> Job {
    match bench.engine.next_job(bench.now) {
        Some(job @ Job::Sync(_)) => job,
        Some(_) => panic!("a sync comes before everything else"),
        None => panic!("a sync that takes long is to be run elsewhere"),
    }
}

#[test]
fn a_send_is_answered_when_the_sync_that_runs_elsewhere_is_done_and_not_before() {
    let mut bench = slow();
    let token = bench.send("UNIQ_KEY\u{1}LAST\u{2}", b"hello");
    let job = sync_job(&mut bench);
    bench.turn();
    assert!(!bench.is_answered(token));
    let done = job.run();
    assert!(!bench.is_answered(token));
    bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    assert!(matches!(bench.take(token), Answer::Sent(_)));
    assert_eq!(bench.next_after_a_power_cut(), 5);
}

#[test]
fn what_needs_no_disk_is_answered_while_a_sync_is_under_way_and_sees_nothing_of_it() {
    let mut bench = slow();
    let waiting = bench.send("UNIQ_KEY\u{1}LAST\u{2}", b"hello");
    let job = sync_job(&mut bench);
    let pull = bench.ask(Request::Pull(Pull {
        group: "cart",
        topic: "orders",
        queue: 0,
        offset: 3,
        max_messages: 32,
        max_bytes: None,
        commit_offset: None,
        suspend_ms: None,
        sub_version: 0,
        subscription: Some("*"),
        expression_type: "TAG",
    }));
    bench.settle();
    let Answer::Pulled(pulled) = bench.take(pull) else { panic!("a pull that is answered") };
    assert_eq!((pulled.count, pulled.max.get()), (1, 4));
    assert!(!bench.is_answered(waiting));
    let done = job.run();
    bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    assert!(bench.is_answered(waiting));
}

#[test]
fn what_comes_during_a_sync_is_made_durable_by_the_next_one() {
    let mut bench = slow();
    let first = bench.send("UNIQ_KEY\u{1}FIRST\u{2}", b"hello");
    let job = sync_job(&mut bench);
    let second = bench.send("UNIQ_KEY\u{1}SECOND\u{2}", b"hello");
    let done = job.run();
    bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    assert!(bench.is_answered(first) && !bench.is_answered(second));
    let done = sync_job(&mut bench).run();
    bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    assert!(bench.is_answered(second));
}

#[test]
fn an_engine_that_ends_during_a_sync_answers_those_who_wait() {
    let mut bench = slow();
    let token = bench.send("UNIQ_KEY\u{1}LAST\u{2}", b"hello");
    bench.engine.close(bench.now, &mut bench.answers).expect("a disk that works");
    assert!(matches!(bench.take(token), Answer::Sent(_)));
}

#[test]
fn a_large_batch_is_synced_elsewhere_even_on_a_fast_disk() {
    let disk = FakeDisk::new(1);
    let limits = Limits { batch_bytes: 1 << 20, ..config().broker.limits };
    let config = EngineConfig {
        broker: BrokerConfig { limits, ..config().broker },
        log: LogConfig { segment_size: 4 << 20, ..LogConfig::default() },
        syncing: Syncing::Adaptive,
        ..config()
    };
    let mut bench = Bench::on(disk.clone(), Arc::new(disk), config);
    let small = bench.send("UNIQ_KEY\u{1}SMALL\u{2}", &[b'x'; 100 << 10]);
    assert!(bench.is_answered(small));
    let large = bench.send("UNIQ_KEY\u{1}LARGE\u{2}", &[b'x'; 128 << 10]);
    assert!(!bench.is_answered(large));
    let job = sync_job(&mut bench);
    let done = job.run();
    bench.engine.done(bench.now, done, &mut bench.answers).expect("an engine that goes on");
    assert!(bench.is_answered(large));
}
