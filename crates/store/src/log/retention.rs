//! What happens to old segments, and the work beside the log that nobody waits for.

use std::sync::Arc;

use message::{CommitLogOffset, Timestamp};

use super::Log;
use super::chore::{Chore, ChoreDone, ChoreError, ChoreOutcome, End, Task};

/// A segment as retention sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Offset of its first byte.
    pub base: CommitLogOffset,
    /// Offset behind its last byte, which is where the next segment begins.
    pub end: CommitLogOffset,
    /// No entry in it is younger. `None` as long as nothing is known: treat it as young.
    pub last_time: Option<Timestamp>,
}

/// Segments kept to be used again beyond those that are prepared. Several are given up at a time; were they removed, others
/// would be filled in their place, and each byte of the log be written twice.
const RECYCLED_MAX: usize = 4;

impl Log {
    /// All segments, oldest first. The last one is written to and never dropped.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments = &self.view.segments;
        let info = |index: usize| {
            let (end, last_time) = match segments.get(index + 1) {
                Some(next) => (next.base(), self.first_times.get(&next.base()).copied().or(self.last_time)),
                None => (self.view.end, self.last_time),
            };
            SegmentInfo { base: segments[index].base(), end, last_time }
        };
        (0..segments.len()).map(info).collect()
    }

    /// Gives up all segments that lie wholly below `at`, except the last one, and returns the log's new start. Their
    /// files become free by [`Log::chore`], once no view reads them any more.
    ///
    /// The caller has a snapshot at or behind `at`, and for safety an older one too: only what no kept snapshot needs
    /// may go. A crash before the chores are done brings the segments back.
    ///
    /// # Panics
    /// When `at` is not durable.
    pub fn drop_before(&mut self, at: CommitLogOffset) -> CommitLogOffset {
        assert!(at <= self.synced, "offset {at} is not durable, the log is up to {}", self.synced);
        let below = self.view.segments.partition_point(|segment| segment.base() <= at).saturating_sub(1);
        if below > 0 {
            self.retired.extend(Arc::make_mut(&mut self.view.segments).drain(..below));
            self.first_times = self.first_times.split_off(&self.view.start());
        }
        self.view.start()
    }

    /// Offset of the first byte of the segment that is written to.
    pub fn newest(&self) -> CommitLogOffset {
        self.active().base()
    }

    /// The next piece of work to be done beside the log: recycling what was given up, then preparing what will be
    /// needed. One at a time; `None` when there is nothing to do for now. Ask after [`Log::finish_chore`], and now and
    /// then.
    pub fn chore(&mut self) -> Option<Chore> {
        if self.chore_out || self.poisoned.is_some() {
            return None;
        }
        let task = self.retire_next().or_else(|| {
            let wanted = self.spares.len() < self.config.spare_segments;
            wanted.then(|| Task::Prepare { number: self.take_spare_number(), size: self.config.segment_size })
        })?;
        self.chore_out = true;
        Some(Chore { disk: Arc::clone(&self.disk), task })
    }

    fn take_spare_number(&mut self) -> u64 {
        self.next_spare += 1;
        self.next_spare - 1
    }

    /// Oldest first and one after the other is durable, so that a crash never leaves a hole in the log.
    fn retire_next(&mut self) -> Option<Task> {
        // A count of one: no view holds it, and nobody can get hold of it any more.
        if self.retire_failed || Arc::strong_count(self.retired.front()?) > 1 {
            return None;
        }
        let segment = self.retired.pop_front()?;
        let wanted = self.spares.len() < self.config.spare_segments + RECYCLED_MAX;
        let spare = wanted.then(|| self.take_spare_number());
        Some(Task::Retire { segment, spare, size: self.config.segment_size })
    }

    /// Takes a chore back.
    ///
    /// # Errors
    /// When the disk did not let it happen, other than for want of room. Segments that cannot be recycled stay until
    /// the log is opened again.
    ///
    /// # Panics
    /// When no chore is under way.
    pub fn finish_chore(&mut self, done: ChoreDone) -> Result<ChoreOutcome, ChoreError> {
        assert!(self.chore_out, "no chore is under way");
        self.chore_out = false;
        match done.end {
            End::Prepared(spare) => {
                self.spares.push_back(spare);
                self.disk_full = false;
                Ok(ChoreOutcome::Prepared)
            }
            End::NoRoom => {
                self.disk_full = true;
                Ok(ChoreOutcome::NoRoom)
            }
            End::Recycled(base, spare) => {
                self.spares.push_back(spare);
                self.disk_full = self.disk_full && self.spares.len() < self.config.spare_segments;
                Ok(ChoreOutcome::Recycled(base))
            }
            End::Removed(base) => Ok(ChoreOutcome::Removed(base)),
            End::PrepareFailed { file, source } => Err(ChoreError { doing: "prepare", file, source }),
            End::RetireFailed { segment, source } => {
                // Nobody knows now what a crash leaves of the names, so no younger segment may go either.
                self.retire_failed = true;
                Err(ChoreError { doing: "recycle", file: segment.path().to_owned(), source })
            }
        }
    }
}
