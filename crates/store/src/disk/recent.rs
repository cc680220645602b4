//! What was written last to files that go past the page cache: where reads of it are answered from, and where it waits
//! until it is synced.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use super::aligned::Aligned;

/// Bytes of a chunk: a stretch of a file that is kept together.
pub(super) const CHUNK_LEN: usize = 4 << 20;
/// Chunks kept, 32 MiB: a sixth of a second of all that two cores can store. Who reads from further behind reads from
/// the device. There is one more, or what one write of a file fills, while more waits to be written.
pub(super) const CHUNKS_MAX: usize = 8;

/// Chunks of all files of a disk.
///
/// Invariant of each chunk: `dirty` and `writing` lie in `known`, and all three are whole sectors.
pub(super) struct Recent {
    chunk_len: usize,
    chunks_max: usize,
    sector: usize,
    /// The one made first in front.
    chunks: VecDeque<Chunk>,
}

struct Chunk {
    file: u64,
    /// Position in the file of its first byte, a multiple of the chunk's length.
    base: u64,
    bytes: Aligned,
    /// What is here as it should be in the file.
    known: Range<usize>,
    /// What the file does not have yet.
    dirty: Range<usize>,
    /// What somebody is writing to the file just now.
    writing: Range<usize>,
}

impl Chunk {
    fn is_clean(&self) -> bool {
        self.dirty.is_empty() && self.writing.is_empty()
    }
}

/// Reads bytes of a file at a position, as `DiskFile::read_at`.
type ReadFile<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<usize>;

impl Recent {
    /// Nothing yet. `chunk_len` is a multiple of `sector`, which is a power of two.
    pub(super) fn new(chunk_len: usize, chunks_max: usize, sector: usize) -> Self {
        assert!(chunk_len.is_multiple_of(sector) && sector.is_power_of_two(), "{chunk_len} / {sector}");
        Recent { chunk_len, chunks_max, sector, chunks: VecDeque::new() }
    }

    /// Takes bytes to be written. The rest of the sectors they lie in is read from the file when it is not known.
    pub(super) fn write(&mut self, file: u64, at: u64, bytes: &[u8], read: ReadFile<'_>) -> io::Result<()> {
        let mut rest = bytes;
        let mut at = at;
        while !rest.is_empty() {
            let base = at - at % self.chunk_len as u64;
            let from = (at - base) as usize;
            let (piece, behind) = rest.split_at(rest.len().min(self.chunk_len - from));
            let sectors = from & !(self.sector - 1)..(from + piece.len()).next_multiple_of(self.sector);
            let chunk = self.chunk(file, base);
            chunk.learn(&sectors, from..from + piece.len(), read)?;
            chunk.bytes.get_mut()[from..from + piece.len()].copy_from_slice(piece);
            chunk.dirty = hull(&chunk.dirty, &sectors);
            at += piece.len() as u64;
            rest = behind;
        }
        Ok(())
    }

    /// The chunk of a file at this place; made if there is none.
    fn chunk(&mut self, file: u64, base: u64) -> &mut Chunk {
        let found = self.chunks.iter().position(|chunk| chunk.file == file && chunk.base == base);
        let place = found.unwrap_or_else(|| {
            let bytes = self.make_way().unwrap_or_else(|| Aligned::zeroed(self.chunk_len));
            self.chunks.push_back(Chunk { file, base, bytes, known: 0..0, dirty: 0..0, writing: 0..0 });
            self.chunks.len() - 1
        });
        &mut self.chunks[place]
    }

    /// The memory of the oldest chunk that the file has, if there are enough of them.
    fn make_way(&mut self) -> Option<Aligned> {
        if self.chunks.len() < self.chunks_max {
            return None;
        }
        let oldest = self.chunks.iter().position(Chunk::is_clean)?;
        self.chunks.remove(oldest).map(|chunk| chunk.bytes)
    }

    /// Copies what is here of a file from `at` on, and names the parts of `to` that are not: those the file has.
    pub(super) fn read(&self, file: u64, at: u64, to: &mut [u8]) -> Vec<Range<usize>> {
        let mut missing: Vec<Range<usize>> = Vec::new();
        let mut miss = |range: Range<usize>| match missing.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => missing.push(range),
        };
        let mut done = 0;
        while done < to.len() {
            let position = at + done as u64;
            let base = position - position % self.chunk_len as u64;
            let from = (position - base) as usize;
            let end = self.chunk_len.min(from + to.len() - done);
            let chunk = self.chunks.iter().find(|chunk| chunk.file == file && chunk.base == base);
            let known = chunk.map_or(0..0, |chunk| overlap(&chunk.known, &(from..end)));
            if let Some(chunk) = chunk.filter(|_| !known.is_empty()) {
                miss(done..done + known.start - from);
                let copied = done + known.start - from..done + known.end - from;
                to[copied].copy_from_slice(&chunk.bytes.get()[known.clone()]);
                miss(done + known.end - from..done + end - from);
            } else {
                miss(done..done + end - from);
            }
            done += end - from;
        }
        missing
    }

    #[cfg(test)]
    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Whether all of a stretch of a file is here.
    pub(super) fn has(&self, file: u64, stretch: Range<u64>) -> bool {
        let base = stretch.start - stretch.start % self.chunk_len as u64;
        let chunk = self.chunks.iter().find(|chunk| chunk.file == file && chunk.base == base);
        chunk.is_some_and(|chunk| {
            base + chunk.known.start as u64 <= stretch.start && stretch.end <= base + chunk.known.end as u64
        })
    }

    /// Overwrites with zeros what is here of a file between two positions. The file is to be overwritten as well.
    pub(super) fn zero(&mut self, file: u64, positions: Range<u64>) {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.file == file) {
            let within =
                |position: u64| position.saturating_sub(chunk.base).min(chunk.bytes.get().len() as u64) as usize;
            let zeros = overlap(&chunk.known, &(within(positions.start)..within(positions.end)));
            chunk.bytes.get_mut()[zeros].fill(0);
        }
    }

    /// Begins to write what the file does not have; false if there is nothing. [`Recent::end_writing`] must follow.
    pub(super) fn begin_writing(&mut self, file: u64) -> bool {
        let mut any = false;
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.file == file) {
            chunk.writing = std::mem::replace(&mut chunk.dirty, 0..0);
            any |= !chunk.writing.is_empty();
        }
        any
    }

    /// Copies the next bytes to be written, and says where they belong and how many they are. None when that was all.
    pub(super) fn next_to_write(&mut self, file: u64, to: &mut Aligned) -> Option<(u64, usize)> {
        let chunk = self.chunks.iter_mut().find(|chunk| chunk.file == file && !chunk.writing.is_empty())?;
        let piece = chunk.writing.start..chunk.writing.end.min(chunk.writing.start + to.get().len());
        to.get_mut()[..piece.len()].copy_from_slice(&chunk.bytes.get()[piece.clone()]);
        // It stays marked until the end, so that nothing is forgotten that the file does not have.
        Some((chunk.base + piece.start as u64, piece.len()))
    }

    /// These bytes, which [`Recent::next_to_write`] named, are in the file.
    pub(super) fn written(&mut self, file: u64, at: u64, len: usize) {
        let chunk = self.chunks.iter_mut().find(|chunk| {
            chunk.file == file && chunk.base + chunk.writing.start as u64 == at && !chunk.writing.is_empty()
        });
        if let Some(chunk) = chunk {
            chunk.writing.start += len;
        }
    }

    /// Nothing is being written any more: all of it has been, or it failed, and then the rest still waits.
    pub(super) fn end_writing(&mut self, file: u64) {
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.file == file) {
            let failed = std::mem::replace(&mut chunk.writing, 0..0);
            chunk.dirty = hull(&chunk.dirty, &failed);
        }
        while self.chunks.len() > self.chunks_max {
            let Some(oldest) = self.chunks.iter().position(Chunk::is_clean) else { break };
            self.chunks.remove(oldest);
        }
    }

    /// Whether more chunks wait to be written than are kept otherwise.
    pub(super) fn is_crowded(&self) -> bool {
        self.chunks.len() > self.chunks_max
            && self.chunks.iter().filter(|chunk| !chunk.is_clean()).count() > self.chunks_max
    }

    /// Position behind the last byte that waits to be written to a file, 0 if none does.
    pub(super) fn end(&self, file: u64) -> u64 {
        let unwritten = self.chunks.iter().filter(|chunk| chunk.file == file && !chunk.is_clean());
        unwritten.map(|chunk| chunk.base + chunk.dirty.end.max(chunk.writing.end) as u64).max().unwrap_or(0)
    }

    /// Forgets a file.
    pub(super) fn forget(&mut self, file: u64) {
        self.chunks.retain(|chunk| chunk.file != file);
    }
}

impl Chunk {
    /// Makes `sectors` known, and what lies between them and what is known already, but for `coming`, which is about to
    /// be written.
    fn learn(&mut self, sectors: &Range<usize>, coming: Range<usize>, read: ReadFile<'_>) -> io::Result<()> {
        let before = if self.known.is_empty() { sectors.start..sectors.start } else { self.known.clone() };
        let after = hull(&before, sectors);
        for unknown in [after.start..before.start, before.end..after.end] {
            let left = unknown.start..unknown.end.min(coming.start);
            let right = unknown.start.max(coming.end)..unknown.end;
            for part in [left, right] {
                if !part.is_empty() {
                    let base = self.base + part.start as u64;
                    let to = &mut self.bytes.get_mut()[part];
                    let count = read(to, base)?;
                    // The file ends there; it will be longer.
                    to[count..].fill(0);
                }
            }
        }
        self.known = after;
        Ok(())
    }
}

/// From where the first begins to where the last ends; an empty one does not count.
fn hull(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, false) => b.clone(),
        (false, true) => a.clone(),
        (true, true) => 0..0,
        (false, false) => a.start.min(b.start)..a.end.max(b.end),
    }
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

#[cfg(test)]
mod tests;
