//! Where the next batch goes: into the last segment, into a prepared one, or into one that grows.

use std::io;
use std::sync::Arc;

use super::chore::Spare;
use super::segment::{SEGMENT_HEADER_LEN, Segment, encode_header, segment_path, spare_path};
use super::{AppendError, Log, LogConfig, is_full};

impl LogConfig {
    /// Up to where to fill a growing segment so that `needed` bytes of the file are there.
    pub(super) fn grown(&self, needed: u64, size: u64) -> u64 {
        needed.next_multiple_of(self.growth.clamp(4096, size)).min(size)
    }
}

impl Log {
    /// Bytes that can be appended for sure, whatever the disk does about space, in batches of at most `batch_len_max`.
    ///
    /// A batch does not span segments, so that up to one batch less a byte of each prepared segment cannot be counted
    /// on. When [`Log::disk_full`] says so too, an owner that keeps a reserve stops taking what can be refused.
    pub fn room(&self, batch_len_max: u64) -> u64 {
        let wasted = batch_len_max.saturating_sub(1);
        let active = self.filled - self.active().position(self.view.end);
        let spare = (self.config.segment_size - SEGMENT_HEADER_LEN).saturating_sub(wasted);
        active.saturating_sub(wasted) + spare * self.spares.len() as u64
    }

    /// Whether the disk had no room the last time it was asked for some. Chores find out when it has again.
    pub fn disk_full(&self) -> bool {
        self.disk_full
    }

    /// A full disk leaves the log as it was; anything else is unknown territory.
    fn refuse(&mut self, needed: u64, doing: &str, file: &str, error: &io::Error) -> AppendError {
        if is_full(error) {
            self.disk_full = true;
            return AppendError::Full { needed };
        }
        self.poison(doing, file, error).into()
    }

    /// Makes the last segment one into which `len` more bytes can be written.
    pub(super) fn make_room(&mut self, len: u64) -> Result<(), AppendError> {
        let active = Arc::clone(self.active());
        let needed = active.position(self.view.end) + len;
        if needed <= self.filled {
            return Ok(());
        }
        // A segment that would have to grow makes way for a prepared one.
        if needed <= active.size() && self.spares.is_empty() {
            let to = self.config.grown(needed, active.size());
            return match active.file().write_zeros(self.filled, to) {
                Ok(()) => {
                    self.filled = to;
                    self.found_room();
                    Ok(())
                }
                Err(error) => Err(self.refuse(len, "grow", active.path(), &error)),
            };
        }
        match self.spares.pop_front() {
            Some(spare) => self.adopt(spare, len),
            None => self.extend(len),
        }
    }

    /// Begins a new segment in a spare one.
    ///
    /// The header is durable before a batch is written behind it. A crash may take the name back, and the spare one then
    /// holds batches of offsets that are about to be used again: its header says so, and it is not used any more.
    fn adopt(&mut self, spare: Spare, len: u64) -> Result<(), AppendError> {
        let (base, size) = (self.view.end, self.config.segment_size);
        let from = spare_path(spare.number);
        let adopted = spare
            .file
            .write_at(&encode_header(base, size), 0)
            .and_then(|()| spare.file.sync())
            .and_then(|()| self.disk.rename(&from, &segment_path(base)));
        if let Err(error) = adopted {
            self.spares.push_front(spare);
            return Err(self.refuse(len, "begin a segment in", &from, &error));
        }
        self.begin(Segment::new(base, size, spare.file), size);
        Ok(())
    }

    /// Begins a new segment that grows.
    fn extend(&mut self, len: u64) -> Result<(), AppendError> {
        let (base, size) = (self.view.end, self.config.segment_size);
        let filled = self.config.grown(SEGMENT_HEADER_LEN + len, size);
        match Segment::create(&*self.disk, base, size, filled) {
            Ok(segment) => {
                self.begin(segment, filled);
                self.found_room();
                Ok(())
            }
            Err(error) => Err(self.refuse(len, "create", &segment_path(base), &error)),
        }
    }

    /// Growing says that there is room only when nothing larger is to be prepared: otherwise the last bytes of a full
    /// disk would look like plenty.
    fn found_room(&mut self) {
        self.disk_full = self.disk_full && self.config.spare_segments > 0;
    }

    /// Goes on in this segment. One that is empty is replaced: the new file has taken its name.
    fn begin(&mut self, segment: Segment, filled: u64) {
        let segments = Arc::make_mut(&mut self.view.segments);
        segments.pop_if(|last| last.base() == segment.base());
        segments.push(Arc::new(segment));
        self.filled = filled;
        self.dir_unsynced = true;
    }
}
