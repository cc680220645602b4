//! Random histories of a log on a disk that loses, tears, fails and fills up, against what was promised:
//!
//! - everything below an offset that a sync returned is read back, byte for byte, after any crash;
//! - what is read back is a prefix of what was appended, batch by batch;
//! - opening again finds the same.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::*;
use crate::disk::{FakeDisk, Rng};

/// Histories tried by one run of the tests. A failure names its seed: put it into [`one`].
const HISTORIES: u64 = 1500;
const STEPS: u64 = 120;

/// What was appended, and what was promised about it.
#[derive(Default)]
struct Promised {
    batches: VecDeque<(CommitLogOffset, Vec<u8>)>,
    /// A batch whose write failed: nobody was told that it is there, and it may be.
    failed: Option<(CommitLogOffset, Vec<u8>)>,
    end: CommitLogOffset,
    synced: CommitLogOffset,
    /// Where opening begins to read: never beyond what was synced.
    snapshot: CommitLogOffset,
}

struct History {
    seed: u64,
    rng: Rng,
    disk: FakeDisk,
    config: LogConfig,
    log: Log,
    promised: Promised,
    job: Option<SyncDone>,
    views: Vec<LogView>,
    written: u64,
    crashes: u64,
    rolls: u64,
    cuts: u64,
    recycled: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let disk = FakeDisk::new(seed);
        let config =
            LogConfig { segment_size: 8192 + 4096 * rng.below(3), spare_segments: rng.below(3) as usize, growth: 4096 };
        let (log, _) = open(&disk, &config, CommitLogOffset::ZERO).expect("an empty disk");
        let promised = Promised::default();
        let (job, views) = (None, Vec::new());
        History {
            seed,
            rng,
            disk,
            config,
            log,
            promised,
            job,
            views,
            written: 0,
            crashes: 0,
            rolls: 0,
            cuts: 0,
            recycled: 0,
        }
    }

    fn run(mut self, steps: u64) -> Self {
        for _ in 0..steps {
            self.step();
        }
        self.crash();
        self
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..44 => self.append(),
            44..58 => self.sync(),
            58..63 => self.sync_elsewhere(),
            63..74 => self.chore(),
            74..80 => self.retain(),
            80..83 => self.view(),
            83..86 => self.check(),
            86..89 => self.arm(),
            89..94 => self.kill(),
            _ => self.crash(),
        }
        if self.disk.is_off() {
            self.crash();
        }
    }

    fn append(&mut self) {
        // Few lengths, so that batches of different crashes often lie at the same offsets in the same shape.
        let mut batch = Batch::new();
        for _ in 0..=self.rng.below(3) {
            self.written += 1;
            let len = [10, 10, 500, 1200][self.rng.below(4) as usize];
            let mark = self.written.to_le_bytes();
            batch.push(|out| out.extend((0..len).map(|i| mark[i % 8] ^ (i / 8) as u8)));
        }
        let segments = self.log.segments().len();
        match self.log.append(&mut batch) {
            Ok(at) => {
                assert_eq!(at, self.promised.end, "seed {}", self.seed);
                self.promised.batches.push_back((at, batch.bytes().to_vec()));
                self.promised.end = at.plus(batch.bytes().len() as u64);
            }
            Err(AppendError::Full { .. }) => {
                assert!(self.log.poisoned().is_none() && self.log.disk_full(), "seed {}", self.seed);
                self.disk.set_capacity(1 << 40);
            }
            Err(AppendError::Poisoned(_)) => {
                self.promised.failed.get_or_insert((self.promised.end, batch.bytes().to_vec()));
            }
            Err(other) => panic!("seed {}: {other}", self.seed),
        }
        self.rolls += u64::from(self.log.segments().len() > segments);
    }

    fn sync(&mut self) {
        if let Some(done) = self.job.take() {
            self.finish(done);
        }
        if let Some(job) = self.log.begin_sync() {
            self.finish(job.run());
        }
    }

    fn finish(&mut self, done: SyncDone) {
        match self.log.finish_sync(done) {
            Ok(synced) => {
                assert!(self.promised.synced <= synced && synced <= self.promised.end, "seed {}", self.seed);
                self.promised.synced = synced;
            }
            Err(_) => {
                assert!(matches!(self.log.append(&mut one_entry(b"x")), Err(AppendError::Poisoned(_))));
                assert!(self.log.begin_sync().is_none() && self.log.sync().is_err());
            }
        }
    }

    /// A sync that has run on another thread and that nobody heard of yet, while the owner goes on.
    fn sync_elsewhere(&mut self) {
        if self.job.is_none() {
            self.job = self.log.begin_sync().map(SyncJob::run);
        }
    }

    fn chore(&mut self) {
        if let Some(chore) = self.log.chore() {
            match self.log.finish_chore(chore.run()) {
                Ok(ChoreOutcome::Recycled(_)) => self.recycled += 1,
                Ok(_) => {}
                Err(error) => assert!(self.disk.is_off() || error.source.raw_os_error() == Some(5), "{error}"),
            }
        }
    }

    fn boundary_before(&mut self, limit: CommitLogOffset) -> CommitLogOffset {
        let all = self.promised.batches.iter().map(|(at, _)| *at);
        let fit: Vec<_> = all.filter(|at| (self.promised.snapshot..=limit).contains(at)).collect();
        if fit.is_empty() { self.promised.snapshot } else { fit[self.rng.below(fit.len() as u64) as usize] }
    }

    fn retain(&mut self) {
        self.promised.snapshot = self.boundary_before(self.promised.synced);
        self.log.drop_before(self.promised.snapshot);
    }

    fn view(&mut self) {
        if self.views.len() > 1 || self.rng.chance(30) {
            self.views.clear();
        } else {
            self.views.push(self.log.view());
        }
    }

    /// Reads everything back.
    fn check(&mut self) {
        for view in self.views.iter().chain([&self.log.view()]) {
            if self.promised.end < view.end() {
                continue; // A view from before a crash, of a disk that is no more.
            }
            let mut expected = self.promised.batches.iter().skip_while(|(at, _)| *at < view.start());
            let read = view.for_each_batch(view.start(), view.end(), |batch| {
                let (at, bytes) = expected.next().expect("no more than was appended");
                assert_eq!(batch.header().offset, *at, "seed {}", self.seed);
                assert!(batch.bytes() == bytes, "seed {}: other bytes at {at}", self.seed);
                for (at, payload) in batch.entries() {
                    assert_eq!(view.read_entry(at).expect("an entry"), payload, "seed {}", self.seed);
                }
                ControlFlow::Continue(())
            });
            assert_eq!(read.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed)), view.end());
        }
    }

    /// Lets something go wrong soon.
    fn arm(&mut self) {
        let soon = 1 + self.rng.below(8);
        match self.rng.below(5) {
            0 => self.disk.fail_write(soon),
            1 => self.disk.fail_sync(soon),
            2 => {
                let space = self.disk.space().expect("the power is on");
                self.disk.set_capacity(space.total - space.free + self.rng.below(4 * self.config.segment_size));
            }
            _ => self.disk.power_off_after(soon + self.rng.below(10)),
        }
    }

    /// The process ends and starts again; the kernel keeps what was written.
    fn kill(&mut self) {
        let whole = self.log.poisoned().is_none();
        let end = self.promised.end;
        let kept = self.reopen();
        if kept && whole {
            assert_eq!(self.log.written(), end, "seed {}: nothing is lost without a power cut", self.seed);
        }
    }

    fn crash(&mut self) {
        self.crashes += 1;
        self.disk = self.disk.crash(self.rng.bits());
        self.reopen();
    }

    /// Opens the log again, until that succeeds. Says whether no power cut came in between.
    fn reopen(&mut self) -> bool {
        (self.job, self.views) = (None, Vec::new());
        let mut kept = true;
        loop {
            if self.rng.chance(20) {
                self.config.segment_size = 8192 + 4096 * self.rng.below(3);
            }
            let opened = open(&self.disk, &self.config, self.promised.snapshot);
            match opened {
                Ok((log, recovery)) => {
                    self.log = log;
                    self.accept(&recovery);
                    if self.rng.chance(80) || self.opens_again(&recovery) {
                        break;
                    }
                }
                // Only what was armed may go wrong, and it leaves a log that can be opened.
                Err(OpenError::Io { source, .. }) if self.disk.is_off() || is_full(&source) => {
                    self.disk = self.disk.crash(self.rng.bits());
                    self.disk.set_capacity(1 << 40);
                    kept = false;
                }
                Err(OpenError::Io { source, .. }) if source.raw_os_error() == Some(5) => {}
                Err(other) => panic!("seed {}: {other} ({:?})", self.seed, self.promised.synced),
            }
        }
        if !self.disk.is_off() {
            self.check();
        }
        kept
    }

    fn accept(&mut self, recovery: &Recovery) {
        let (seed, promised) = (self.seed, &mut self.promised);
        self.cuts += u64::from(recovery.cut.is_some());
        if let Some((at, bytes)) = promised.failed.take()
            && recovery.end > at
        {
            promised.end = at.plus(bytes.len() as u64);
            promised.batches.push_back((at, bytes));
        }
        assert!(recovery.end >= promised.synced, "seed {seed}: lost what was durable: {recovery:?}");
        assert!(recovery.end <= promised.end, "seed {seed}: read what was not written: {recovery:?}");
        assert!(recovery.start <= promised.snapshot, "seed {seed}");
        while promised.batches.back().is_some_and(|(at, _)| *at >= recovery.end) {
            promised.batches.pop_back();
        }
        let end = promised.batches.back().map_or(CommitLogOffset::ZERO, |(at, bytes)| at.plus(bytes.len() as u64));
        assert_eq!(end, recovery.end, "seed {seed}: batches are whole");
        (promised.end, promised.synced) = (end, end);
    }

    /// Opens the log once more and compares, unless the disk fails.
    fn opens_again(&mut self, recovery: &Recovery) -> bool {
        let seed = self.seed;
        match open(&self.disk, &self.config, self.promised.snapshot) {
            Ok((log, again)) => {
                assert_eq!((again.start, again.end), (recovery.start, recovery.end), "seed {seed}");
                assert_eq!((again.cut, again.zeroed_bytes), (None, 0), "seed {seed}: cut twice");
                self.log = log;
                true
            }
            Err(error) => {
                assert!(matches!(error, OpenError::Io { .. }), "seed {seed}: {error}");
                false
            }
        }
    }
}

#[test]
fn what_was_synced_is_read_back_after_every_history() {
    let (mut crashes, mut rolls, mut cuts, mut recycled) = (0, 0, 0, 0);
    for seed in 0..HISTORIES {
        let history = History::new(seed).run(STEPS);
        crashes += history.crashes;
        rolls += history.rolls;
        cuts += history.cuts;
        recycled += history.recycled;
    }
    // A test that does not come to the places it is for proves nothing.
    assert!(crashes > 2 * HISTORIES && rolls > HISTORIES, "{crashes} crashes, {rolls} rolls");
    assert!(cuts > HISTORIES / 8 && recycled > HISTORIES / 8, "{cuts} cuts, {recycled} recycled");
}

#[test]
fn long_histories_end_as_well_as_short_ones() {
    for seed in 0..40 {
        History::new(1_000_000 + seed).run(1500);
    }
}

/// For a seed that failed.
#[test]
fn one() {
    History::new(0).run(STEPS);
}
