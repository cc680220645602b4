use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::state::State;
use message::{CommitLogOffset, Timestamp};
use store::disk::Disk;
use store::index::{Checkpoint, IndexError};
use store::log::{Chore, ChoreDone, ChoreOutcome, LogView, ReadError, SyncDone, SyncJob};
use thiserror::Error;

use crate::retention::Retention;

/// Work that may run on any thread.
#[must_use = "the engine waits for its jobs"]
pub enum Job {
    /// Makes what was written durable. Somebody waits for it.
    Sync(SyncJob),
    /// Prepares or recycles a segment.
    Chore(Chore),
    /// Makes a snapshot.
    Snapshot(Box<SnapshotJob>),
    /// Saves the index.
    Checkpoint(Box<Checkpoint>),
}

/// What came of a [`Job`], to be handed back to the engine.
#[must_use = "the engine learns from this what was done"]
pub enum Done {
    /// A sync, and how long it took.
    Sync(SyncDone, Duration),
    /// A chore.
    Chore(ChoreDone),
    /// A snapshot.
    Snapshot(Box<Result<SnapshotMade, JobError>>),
    /// The index.
    Checkpoint(Box<Result<(), IndexError>>),
}

/// A snapshot that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotMade {
    /// Up to where it holds the state.
    pub at: CommitLogOffset,
    /// Bytes of the state in it.
    pub len: u64,
    /// Where the oldest one begins that is kept.
    pub oldest: CommitLogOffset,
}

impl Job {
    /// Does it.
    pub fn run(self) -> Done {
        match self {
            Job::Sync(job) => {
                let start = Instant::now();
                let done = job.run();
                Done::Sync(done, start.elapsed())
            }
            Job::Chore(chore) => Done::Chore(chore.run()),
            Job::Snapshot(job) => Done::Snapshot(Box::new(job.run())),
            Job::Checkpoint(checkpoint) => Done::Checkpoint(Box::new(checkpoint.write())),
        }
    }
}

/// Makes a snapshot: the owner of the state goes on meanwhile.
pub struct SnapshotJob {
    disk: Arc<dyn Disk>,
    what: SnapshotOf,
}

/// Where the state of a snapshot comes from.
pub(crate) enum SnapshotOf {
    /// The last snapshot and the log since: for a state that would take its owner too long to write down.
    Log {
        /// The log.
        view: LogView,
        /// Up to where.
        to: CommitLogOffset,
    },
    /// The owner, who has written it down.
    State {
        /// Up to where it is applied.
        at: CommitLogOffset,
        /// Time of its last batch.
        time: Timestamp,
        /// What `State::encode` made of it.
        bytes: Vec<u8>,
    },
}

/// Why no snapshot was made.
#[derive(Debug, Error)]
pub enum JobError {
    /// The last snapshot cannot be read.
    #[error("cannot read the last snapshot: {0}")]
    Load(#[source] store::snapshot::SnapshotError),
    /// The last snapshot is not a state.
    #[error("the last snapshot is not a state: {0}")]
    Decode(#[source] message::codec::CodecError),
    /// The log cannot be read.
    #[error("cannot read the log: {0}")]
    Read(#[source] ReadError),
    /// The log cannot be applied.
    #[error("cannot apply the log: {0}")]
    Apply(#[source] broker::state::ApplyError),
    /// The snapshot cannot be written.
    #[error("cannot write the snapshot: {0}")]
    Write(#[source] store::snapshot::SnapshotError),
}

impl SnapshotJob {
    fn run(self) -> Result<SnapshotMade, JobError> {
        let write =
            |at, time, state: &[u8]| store::snapshot::write(&*self.disk, at, time, state).map_err(JobError::Write);
        let (at, len) = match &self.what {
            SnapshotOf::State { at, time, bytes } => {
                write(*at, *time, bytes)?;
                (*at, bytes.len())
            }
            SnapshotOf::Log { view, to } => {
                let (mut state, mut len) = self.last()?;
                if state.applied < *to {
                    replay(view, &mut state, *to)?;
                    let mut bytes = Vec::new();
                    state.encode(&mut bytes);
                    write(state.applied, state.time, &bytes)?;
                    len = bytes.len();
                }
                (state.applied, len)
            }
        };
        let oldest = store::snapshot::offsets(&*self.disk).map_err(JobError::Load)?.into_iter().min();
        Ok(SnapshotMade { at, len: len as u64, oldest: oldest.unwrap_or(at) })
    }

    /// The state of the last snapshot, and how long it is there.
    fn last(&self) -> Result<(State, usize), JobError> {
        match store::snapshot::latest(&*self.disk).map_err(JobError::Load)? {
            Some(found) => Ok((State::decode(&found.state).map_err(JobError::Decode)?, found.state.len())),
            None => Ok((State::default(), 0)),
        }
    }
}

/// Applies the log from where the state stands up to `to`.
pub(crate) fn replay(log: &LogView, state: &mut State, to: CommitLogOffset) -> Result<(), JobError> {
    let mut failed = None;
    log.for_each_batch(state.applied.max(log.start()), to, |batch| match state.apply_batch(&batch, |_, _, _, _| {}) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })
    .map_err(JobError::Read)?;
    failed.map_or(Ok(()), |error| Err(JobError::Apply(error)))
}

/// A sync longer than this is slow: the next one is done elsewhere, so that requests that need no disk do not wait.
const SLOW_SYNC: Duration = Duration::from_millis(2);
/// Syncs in a row that must be this fast before they come back.
const FAST_SYNC: Duration = Duration::from_micros(800);
const FAST_SYNCS: u32 = 64;
/// Slow syncs in a row before they go elsewhere: single outliers of a few milliseconds are normal.
const SLOW_SYNCS: u32 = 3;
/// Bytes of log for each byte of the last snapshot, at least, before there is another one. A large state is read, made anew
/// and written for each, 135 MB with a million undecided halves: beside these a transaction took 28.7 us of CPU when it was
/// done for every 128 MiB, and takes 23.0 (median of 4 interleaved rounds).
const LOG_PER_SNAPSHOT: u64 = 4;
/// The part of `retention.size` after which there is one all the same: the log of two snapshots is kept.
const RETENTION_PER_SNAPSHOT: u64 = 4;
/// Milliseconds before work that failed, or found no room, is tried again.
const RETRY_MS: i64 = 5_000;

/// What is under way beside the owner, and what waits for a thread.
pub(crate) struct Jobs {
    waiting: VecDeque<Job>,
    elsewhere: bool,
    slow: u32,
    fast: u32,
    snapshot_at: CommitLogOffset,
    /// Bytes of the last snapshot.
    snapshot_len: u64,
    /// The log from here on is kept: the oldest snapshot there is begins here, should the newest be damaged.
    pub(crate) log_needed_from: CommitLogOffset,
    snapshot_out: bool,
    snapshot_not_before: Timestamp,
    chore_out: bool,
    chore_not_before: Timestamp,
    pub(crate) retention_not_before: Timestamp,
}

impl Jobs {
    pub fn new(snapshot_at: CommitLogOffset, snapshot_len: u64, log_needed_from: CommitLogOffset) -> Self {
        Jobs {
            waiting: VecDeque::new(),
            elsewhere: false,
            slow: 0,
            fast: 0,
            snapshot_at,
            snapshot_len,
            log_needed_from,
            snapshot_out: false,
            snapshot_not_before: Timestamp::ZERO,
            chore_out: false,
            chore_not_before: Timestamp::ZERO,
            retention_not_before: Timestamp::ZERO,
        }
    }

    pub fn push(&mut self, job: Job) {
        match job {
            // Somebody waits for a sync, nobody for the others.
            Job::Sync(_) => self.waiting.push_front(job),
            _ => self.waiting.push_back(job),
        }
    }

    pub fn pop(&mut self) -> Option<Job> {
        self.waiting.pop_front()
    }

    pub fn sync_elsewhere(&self) -> bool {
        self.elsewhere
    }

    /// Runs a sync here and learns from how long it takes.
    pub fn time_sync(&mut self, sync: impl FnOnce() -> SyncDone) -> SyncDone {
        let start = Instant::now();
        let done = sync();
        self.sync_took(start.elapsed());
        done
    }

    pub fn sync_took(&mut self, took: Duration) {
        self.slow = if took > SLOW_SYNC { self.slow + 1 } else { 0 };
        self.fast = if took < FAST_SYNC { self.fast + 1 } else { 0 };
        if self.elsewhere {
            self.elsewhere = self.fast < FAST_SYNCS;
        } else {
            self.elsewhere = self.slow >= SLOW_SYNCS;
        }
    }

    /// Whether there is so much log behind the last snapshot that the state at `applied` is worth another one.
    pub fn wants_snapshot(&self, applied: CommitLogOffset, every: u64, retention: &Retention) -> bool {
        let log = applied.get().saturating_sub(self.snapshot_at.get());
        let most = retention.size.map_or(u64::MAX, |size| size / RETENTION_PER_SNAPSHOT);
        log >= every.max(self.snapshot_len.saturating_mul(LOG_PER_SNAPSHOT).min(most))
    }

    /// Whether a snapshot of what is there at `to` can be made now.
    pub fn takes_snapshot(&self, to: CommitLogOffset, now: Timestamp) -> bool {
        !self.snapshot_out && now >= self.snapshot_not_before && to > self.snapshot_at
    }

    pub fn snapshot(&mut self, disk: &Arc<dyn Disk>, what: SnapshotOf) {
        self.snapshot_out = true;
        self.push(Job::Snapshot(Box::new(SnapshotJob { disk: disk.clone(), what })));
    }

    pub fn snapshot_made(&mut self, made: SnapshotMade) {
        self.snapshot_out = false;
        self.snapshot_at = self.snapshot_at.max(made.at);
        self.snapshot_len = made.len;
        self.log_needed_from = made.oldest;
    }

    pub fn snapshot_failed(&mut self, now: Timestamp) {
        self.snapshot_out = false;
        self.snapshot_not_before = now.plus_ms(RETRY_MS);
    }

    pub fn wants_chore(&self, now: Timestamp) -> bool {
        !self.chore_out && now >= self.chore_not_before
    }

    pub fn chore_out(&mut self) {
        self.chore_out = true;
    }

    pub fn chore_done(&mut self, outcome: ChoreOutcome, now: Timestamp) {
        self.chore_out = false;
        if outcome == ChoreOutcome::NoRoom {
            self.chore_not_before = now.plus_ms(RETRY_MS);
        }
    }

    pub fn chore_failed(&mut self, now: Timestamp) {
        self.chore_out = false;
        self.chore_not_before = now.plus_ms(RETRY_MS);
    }

    /// When something is to be looked at again that was put off.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        [self.chore_not_before, self.snapshot_not_before, self.retention_not_before]
            .into_iter()
            .filter(|due| *due > now)
            .min()
    }
}
