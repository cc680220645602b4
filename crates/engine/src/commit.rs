//! From proposals to answers: one batch written, made durable, indexed and applied; or lost.

use broker::io::Input;
use message::batch::{Batch, Sealed};
use message::{CommitLogOffset, Timestamp};
use store::log::AppendError;

use crate::engine::{Durability, Engine, Fatal, Sink, Syncing};
use crate::jobs::Job;
use crate::parts;

/// Memory a batch keeps from turn to turn.
const BATCH_KEEP: usize = 4 << 20;

/// Bytes of a batch whose sync is done elsewhere even on a fast disk: so many take longer than two threads need to hand
/// something to each other and back, and there is company waiting.
const LARGE_BATCH: usize = 128 << 10;

impl Engine {
    /// Writes the proposals of this turn, makes them durable and applies them. False when there is nothing to do now.
    pub(crate) fn commit(&mut self, now: Timestamp, sink: &mut dyn Sink) -> Result<bool, Fatal> {
        if self.written.is_some() {
            return Ok(false);
        }
        let Some(mut batch) = self.next_batch(now) else { return Ok(false) };
        let at = match self.log.append(&mut batch) {
            Ok(at) => at,
            Err(AppendError::TooLong { len, .. }) => return Err(Fatal::Batch { len }),
            Err(AppendError::Full { .. }) => {
                self.lose(now, "the disk is full: nothing of this was stored; free space and try again");
                self.recycle(batch);
                return Ok(true);
            }
            Err(AppendError::Poisoned(error)) => {
                self.poisoned(now, &error.to_string(), sink);
                self.recycle(batch);
                return Ok(true);
            }
        };
        if self.config.durability == Durability::Memory {
            self.apply(now, at, batch, sink);
            return Ok(true);
        }
        let large = batch.framed_len() >= LARGE_BATCH;
        self.written = Some((at, batch));
        let elsewhere = self.config.syncing == Syncing::Adaptive && (large || self.jobs.sync_elsewhere());
        if elsewhere && let Some(job) = self.log.begin_sync() {
            self.jobs.push(Job::Sync(job));
            return Ok(false);
        }
        let done = self.log.begin_sync().map(|job| self.jobs.time_sync(|| job.run()));
        if let Some(done) = done {
            self.sync_done(now, done, sink);
        }
        Ok(true)
    }

    /// What is to be written next, if it is time.
    fn next_batch(&mut self, now: Timestamp) -> Option<Batch> {
        if let Some(part) = self.parts.pop_front() {
            return Some(part);
        }
        if self.out.batch.is_empty() {
            return None;
        }
        let since = *self.lazy_since.get_or_insert(now);
        // Nothing is read from clients while the batch is full: it waits for no company then.
        if !self.out.urgent && !self.is_full() && now.since_ms(since) < self.config.lazy_ms {
            return None;
        }
        self.lazy_since = None;
        self.out.urgent = false;
        let batch = std::mem::replace(&mut self.out.batch, std::mem::take(&mut self.spare_batch));
        if batch.framed_len() as u64 <= self.log.batch_len_max() {
            return Some(batch);
        }
        // Decisions and deliveries that carry old records are never refused, however many come at once.
        self.parts = parts::of(&batch, self.log.batch_len_max());
        self.recycle(batch);
        self.parts.pop_front()
    }

    pub(crate) fn sync_done(&mut self, now: Timestamp, done: store::log::SyncDone, sink: &mut dyn Sink) {
        self.synced_at = now;
        self.memory_sync_out = false;
        match self.log.finish_sync(done) {
            Ok(synced) => {
                if self.wants_checkpoint {
                    self.save_index(sink);
                }
                if let Some((at, batch)) = self.written.take() {
                    assert!(at.plus(batch.framed_len() as u64) <= synced, "a sync covers what was written before it");
                    self.apply(now, at, batch, sink);
                }
            }
            Err(error) => {
                if let Some((_, batch)) = self.written.take() {
                    self.recycle(batch);
                }
                self.poisoned(now, &error.to_string(), sink);
            }
        }
    }

    /// Indexes and applies a batch that is durable. Consumers see it from here on, and not before.
    fn apply(&mut self, now: Timestamp, at: CommitLogOffset, batch: Batch, sink: &mut dyn Sink) {
        let sealed = Sealed::of(&batch, at);
        for (frame, payload) in sealed.entries() {
            if let Err(error) = self.index.apply(frame, batch.time(), payload) {
                sink.warn(error.to_string());
            }
        }
        self.broker.handle(now, Input::Committed(sealed), &mut self.out);
        self.recycle(batch);
    }

    fn recycle(&mut self, mut batch: Batch) {
        batch.clear(BATCH_KEEP);
        self.spare_batch = batch;
    }

    fn lose(&mut self, now: Timestamp, reason: &str) {
        // The broker takes everything for lost that has not come back, so nothing of it may come back later.
        self.parts.clear();
        self.out.batch.clear(BATCH_KEEP);
        self.out.urgent = false;
        self.lazy_since = None;
        self.broker.handle(now, Input::Lost { reason }, &mut self.out);
    }

    /// A write or sync failed: nobody knows what is on the disk, so nothing is stored until a restart has looked.
    fn poisoned(&mut self, now: Timestamp, error: &str, sink: &mut dyn Sink) {
        let reason = format!("the log has failed and takes nothing until the broker is restarted: {error}");
        if !std::mem::replace(&mut self.failure_told, true) {
            sink.warn(reason.clone());
        }
        self.broker.set_unavailable(reason.clone());
        self.lose(now, &reason);
    }

    pub(crate) fn sync_memory(&mut self, now: Timestamp, sink: &mut dyn Sink) {
        let due = now.since_ms(self.synced_at) >= self.config.memory_sync_ms;
        if !due || self.log.synced() == self.log.written() {
            return;
        }
        if let Some(job) = self.log.begin_sync() {
            self.memory_sync_out = true;
            match self.config.syncing {
                Syncing::Adaptive => self.jobs.push(Job::Sync(job)),
                Syncing::Inline => {
                    let done = job.run();
                    self.sync_done(now, done, sink);
                }
            }
        }
    }
}
