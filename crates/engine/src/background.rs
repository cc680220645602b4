//! Work beside the owner: what is handed out, what comes back, and the end.

use message::{CommitLogOffset, Timestamp};
use store::index::IndexError;

use crate::engine::{Engine, Fatal, Sink, Syncing};
use crate::jobs::{Done, Job, JobError, SnapshotMade, SnapshotOf};

impl Engine {
    /// Takes a job back that was run.
    ///
    /// # Errors
    /// See [`Fatal`].
    pub fn done(&mut self, now: Timestamp, done: Done, sink: &mut dyn Sink) -> Result<(), Fatal> {
        match done {
            Done::Sync(done, took) => {
                self.jobs.sync_took(took);
                self.sync_done(now, done, sink);
            }
            Done::Chore(done) => match self.log.finish_chore(done) {
                Ok(outcome) => self.jobs.chore_done(outcome, now),
                Err(error) => {
                    self.jobs.chore_failed(now);
                    sink.warn(format!(
                        "{error}: {}",
                        std::error::Error::source(&error).map_or(String::new(), ToString::to_string)
                    ));
                }
            },
            Done::Snapshot(result) => self.snapshot_done(now, *result, sink),
            Done::Checkpoint(result) => {
                if let Err(error) = *result {
                    sink.warn(format!("the index was not saved: {error}"));
                }
            }
        }
        self.settle(now, sink)
    }

    fn snapshot_done(&mut self, now: Timestamp, result: Result<SnapshotMade, JobError>, sink: &mut dyn Sink) {
        match result {
            Ok(made) => {
                self.jobs.snapshot_made(made);
                self.save_index(sink);
                self.retain(now);
            }
            Err(error) => {
                self.jobs.snapshot_failed(now);
                sink.warn(format!("no snapshot was made, the log is kept: {error}"));
            }
        }
    }

    /// Has the index saved as it is now. It must not know more than the log after a power cut: with
    /// [`Durability::Memory`] it waits for a sync here, once per snapshot.
    pub(crate) fn save_index(&mut self, sink: &mut dyn Sink) {
        let applied = self.broker.state().applied;
        self.wants_checkpoint = false;
        if applied > self.log.synced() {
            if self.memory_sync_out || self.written.is_some() {
                self.wants_checkpoint = true;
                return;
            }
            if let Err(error) = self.log.sync() {
                return sink.warn(format!("the index cannot be saved: {error}"));
            }
        }
        match self.index.begin_checkpoint(applied) {
            Ok(checkpoint) => self.jobs.push(Job::Checkpoint(Box::new(checkpoint))),
            Err(IndexError::Busy) => {}
            Err(error) => sink.warn(format!("the index cannot be saved: {error}")),
        }
    }

    /// Work to be run elsewhere, if there is any. To be asked after each turn until there is none.
    pub fn next_job(&mut self, now: Timestamp) -> Option<Job> {
        self.retain_if_due(now);
        let applied = self.broker.state().applied;
        let due = self.jobs.wants_snapshot(applied, self.config.snapshot_every, &self.config.retention);
        if due && self.log.poisoned().is_none() {
            // A snapshot never gets ahead of what is durable, or a power cut would leave it without its log.
            let to = applied.min(self.log.synced());
            if self.jobs.takes_snapshot(to, now) {
                let what = self.snapshot_of(to);
                self.jobs.snapshot(&self.disk, what);
            }
        }
        if self.jobs.wants_chore(now)
            && let Some(chore) = self.log.chore()
        {
            self.jobs.push(Job::Chore(chore));
            self.jobs.chore_out();
        }
        self.jobs.pop()
    }

    /// A small state is written down here, which takes no longer than a few hundred sends. All of the log was read and
    /// applied again for it: without that, and with large batches synced elsewhere, 1,024 sends in flight are 1.30 times as
    /// many in the steady state (median of 12 interleaved rounds).
    fn snapshot_of(&self, to: CommitLogOffset) -> SnapshotOf {
        let state = self.broker.state();
        if to < state.applied || state.is_larger_than(self.config.snapshot_items) {
            return SnapshotOf::Log { view: self.log.view(), to };
        }
        let mut bytes = Vec::new();
        state.encode(&mut bytes);
        SnapshotOf::State { at: state.applied, time: state.time, bytes }
    }

    /// The last thing before the end of the process: everything is made durable, and the next start finds a snapshot.
    ///
    /// Jobs that are under way elsewhere are handed back before; those that are not begun are done here or not at all.
    ///
    /// # Errors
    /// What could not be done; the log is complete all the same unless it was the log that failed.
    pub fn close(&mut self, now: Timestamp, sink: &mut dyn Sink) -> Result<(), String> {
        self.config.syncing = Syncing::Inline;
        while let Some(job) = self.jobs.pop() {
            if let Job::Sync(job) = job {
                self.sync_done(now, job.run(), sink);
            }
        }
        self.broker.flush_all(&mut self.out);
        self.settle(now, sink).map_err(|error| error.to_string())?;
        self.log.sync().map_err(|error| error.to_string())?;
        let mut state = Vec::new();
        self.broker.state().encode(&mut state);
        let at = self.broker.state().applied;
        store::snapshot::write(&*self.disk, at, self.broker.state().time, &state).map_err(|error| error.to_string())?;
        self.index.checkpoint(at).map_err(|error| error.to_string())
    }
}
