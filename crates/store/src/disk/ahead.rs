//! What is read from far behind, from files that go past the page cache: read in pieces, by a thread of its own, before
//! it is asked for.
//!
//! A machine without a copy in the page cache waits for its device. Who reads a file from one end to the other, as a
//! consumer that catches up does, finds the next pieces read already; who reads here and there reads what it wants and
//! no more, through the page cache.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use super::aligned::Aligned;
use super::real::read_fully;

/// Bytes of a piece: about a millisecond of a device that reads a gigabyte a second.
pub(super) const PIECE_LEN: usize = 1 << 20;
/// Pieces kept, 24 MiB: what several readers who are not far apart share.
const PIECES_MAX: usize = 24;
/// Pieces read before they are asked for.
const AHEAD: u64 = 3;
/// Pieces the thread may have to read; more are not asked for.
const REQUESTS_MAX: usize = 32;
/// Reads of one piece before it is read as a whole, although nobody has read the one in front of it.
const TOUCHES: u32 = 4;
/// Pieces of which it is known that somebody has read from them.
const TOUCHED_MAX: usize = 64;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// What a file is called here, another one each time.
pub(super) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// After so long without anything to read the memory of what was read goes back to the allocator, for something else.
const IDLE: Duration = Duration::from_secs(10);

/// A file and the number of one of its pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    file: u64,
    number: u64,
}

/// The pieces, shared by all files of a disk and the thread.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    requests: SyncSender<Request>,
}

struct Shared {
    pieces: Mutex<Pieces>,
    /// A piece is there, or will not be.
    arrived: Condvar,
}

#[derive(Default)]
struct Pieces {
    /// The one used last at the back.
    pieces: VecDeque<Piece>,
    touched: VecDeque<(Place, u32)>,
    /// Memory of pieces that are gone.
    spare: Vec<Aligned>,
}

struct Piece {
    place: Place,
    /// None while it is read.
    bytes: Option<Aligned>,
    /// How many of its bytes are there: fewer at the end of a file.
    len: usize,
    /// It was written to while it was read.
    stale: bool,
}

struct Request {
    place: Place,
    file: Arc<File>,
}

impl Ahead {
    /// Starts the thread, which ends with this.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared { pieces: Mutex::default(), arrived: Condvar::new() });
        let (requests, asked) = sync_channel(REQUESTS_MAX);
        let own = Arc::clone(&shared);
        Builder::new().name("read-ahead".to_owned()).spawn(move || read_ahead(&own, &asked))?;
        Ok(Ahead { shared, requests })
    }

    /// Reads as many bytes as there are: what somebody reads from one end to the other past the page cache, through `direct`,
    /// the rest through `cached`, the same file. `wants` says of what stretches of it there is any use.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub(super) fn read_or(
        &self,
        id: u64,
        direct: &Arc<File>,
        cached: &File,
        buf: &mut [u8],
        at: u64,
        wants: impl Fn(Range<u64>) -> bool,
    ) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            let position = at + done as u64;
            let end = buf.len().min(done + PIECE_LEN - (position % PIECE_LEN as u64) as usize);
            if self.read(id, direct, &mut buf[done..end], position, &wants)?.is_none() {
                let count = read_fully(cached, &mut buf[done..end], position)?;
                if count < end - done {
                    return Ok(done + count);
                }
            }
            done = end;
        }
        Ok(done)
    }

    /// Reads what is asked for if somebody reads this stretch from one end to the other; None if not, or if the file ends
    /// there. `to` does not reach into the next piece, and `wants` says of what stretches of the file there is any use.
    ///
    /// # Errors
    /// Whatever the operating system says.
    fn read(
        &self,
        id: u64,
        file: &Arc<File>,
        to: &mut [u8],
        at: u64,
        wants: impl Fn(Range<u64>) -> bool,
    ) -> io::Result<Option<()>> {
        let place = Place { file: id, number: at / PIECE_LEN as u64 };
        let mut pieces = self.shared.lock();
        loop {
            match pieces.find(place) {
                Some(index) if pieces.pieces[index].bytes.is_none() => pieces = self.shared.wait(pieces),
                Some(index) => {
                    let found = pieces.copy(index, (at % PIECE_LEN as u64) as usize, to);
                    self.ask_ahead(&mut pieces, place, file, wants);
                    return Ok(found);
                }
                None if !pieces.goes_on(place) => return Ok(None),
                None => {
                    let memory = pieces.begin(place);
                    // The next ones are read at the same time.
                    self.ask_ahead(&mut pieces, place, file, &wants);
                    drop(pieces);
                    let (memory, read) = read_piece(file, place, memory);
                    pieces = self.shared.lock();
                    let count = read.as_ref().map_or(0, |count| *count);
                    let from = (at % PIECE_LEN as u64) as usize;
                    let whole = from + to.len() <= count;
                    if whole {
                        to.copy_from_slice(&memory.get()[from..from + to.len()]);
                    }
                    pieces.finish(place, memory, read.is_ok().then_some(count));
                    self.shared.arrived.notify_all();
                    return read.map(|_| whole.then_some(()));
                }
            }
        }
    }

    /// Has the pieces behind this one read.
    fn ask_ahead(&self, pieces: &mut Pieces, place: Place, file: &Arc<File>, wants: impl Fn(Range<u64>) -> bool) {
        for number in place.number + 1..=place.number + AHEAD {
            let next = Place { number, ..place };
            let start = number * PIECE_LEN as u64;
            if pieces.find(next).is_some() || !wants(start..start + PIECE_LEN as u64) {
                continue;
            }
            let memory = pieces.begin(next);
            pieces.spare.push(memory);
            match self.requests.try_send(Request { place: next, file: Arc::clone(file) }) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    pieces.forget_unread(next);
                    return;
                }
            }
        }
    }

    /// Forgets what is there of a stretch of a file that is being written, or was just now.
    pub(super) fn forget(&self, file: u64, stretch: Range<u64>) {
        let mut pieces = self.shared.lock();
        let numbers = stretch.start / PIECE_LEN as u64..stretch.end.div_ceil(PIECE_LEN as u64);
        pieces.forget(file, &numbers);
    }

    /// Whether a piece of a file is there, or about to be.
    #[cfg(test)]
    pub(super) fn has(&self, file: u64, number: u64) -> bool {
        self.shared.lock().find(Place { file, number }).is_some()
    }

    /// Forgets a file.
    pub(super) fn forget_file(&self, file: u64) {
        self.shared.lock().forget(file, &(0..u64::MAX));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, pieces: MutexGuard<'a, Pieces>) -> MutexGuard<'a, Pieces> {
        self.arrived.wait(pieces).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces {
    fn find(&self, place: Place) -> Option<usize> {
        // Those used last are asked for first.
        self.pieces.iter().rposition(|piece| piece.place == place)
    }

    /// Copies bytes of a piece that was read, if it has them, and remembers that it was used.
    fn copy(&mut self, index: usize, from: usize, to: &mut [u8]) -> Option<()> {
        let piece = self.pieces.remove(index)?;
        let there = (from + to.len() <= piece.len).then_some(());
        if let (Some(()), Some(bytes)) = (there, &piece.bytes) {
            to.copy_from_slice(&bytes.get()[from..from + to.len()]);
        }
        self.pieces.push_back(piece);
        there
    }

    /// Whether somebody who reads here reads on from the piece in front, or has come here several times.
    fn goes_on(&mut self, place: Place) -> bool {
        let before = Place { number: place.number.wrapping_sub(1), ..place };
        if self.find(before).is_some() || self.touched.iter().any(|(touched, _)| *touched == before) {
            return true;
        }
        if let Some((_, touches)) = self.touched.iter_mut().find(|(touched, _)| *touched == place) {
            *touches += 1;
            return *touches >= TOUCHES;
        }
        if self.touched.len() == TOUCHED_MAX {
            self.touched.pop_front();
        }
        self.touched.push_back((place, 1));
        false
    }

    /// A place for a piece that somebody is about to read, and memory for it.
    fn begin(&mut self, place: Place) -> Aligned {
        if self.pieces.len() >= PIECES_MAX
            && let Some(oldest) = self.pieces.iter().position(|piece| piece.bytes.is_some())
        {
            let memory = self.pieces.remove(oldest).and_then(|piece| piece.bytes);
            self.spare.extend(memory);
        }
        self.pieces.push_back(Piece { place, bytes: None, len: 0, stale: false });
        self.memory()
    }

    fn memory(&mut self) -> Aligned {
        self.spare.pop().unwrap_or_else(|| Aligned::zeroed(PIECE_LEN))
    }

    /// A piece that was begun has been read, so many bytes of it; None when it could not be.
    fn finish(&mut self, place: Place, memory: Aligned, len: Option<usize>) {
        let Some(index) = self.find(place) else { return self.spare.push(memory) };
        match len {
            Some(len) if !self.pieces[index].stale => {
                self.pieces[index].bytes = Some(memory);
                self.pieces[index].len = len;
            }
            _ => {
                self.pieces.remove(index);
                self.spare.push(memory);
            }
        }
    }

    /// Forgets what is there, with its memory.
    fn give_back(&mut self) {
        self.pieces.retain(|piece| piece.bytes.is_none());
        self.spare = Vec::new();
    }

    fn forget_unread(&mut self, place: Place) {
        if let Some(index) = self.find(place) {
            self.pieces.remove(index);
        }
    }

    fn forget(&mut self, file: u64, numbers: &Range<u64>) {
        let hit = |piece: &Piece| piece.place.file == file && numbers.contains(&piece.place.number);
        if !self.pieces.iter().any(hit) {
            return;
        }
        for mut piece in std::mem::take(&mut self.pieces) {
            match (hit(&piece), piece.bytes.is_some()) {
                (true, true) => self.spare.extend(piece.bytes),
                (true, false) => {
                    piece.stale = true;
                    self.pieces.push_back(piece);
                }
                (false, _) => self.pieces.push_back(piece),
            }
        }
    }
}

fn read_piece(file: &File, place: Place, mut memory: Aligned) -> (Aligned, io::Result<usize>) {
    let read = read_fully(file, memory.get_mut(), place.number * PIECE_LEN as u64);
    (memory, read)
}

fn read_ahead(shared: &Shared, requests: &Receiver<Request>) {
    loop {
        let Request { place, file } = match requests.recv_timeout(IDLE) {
            Ok(request) => request,
            Err(RecvTimeoutError::Timeout) => {
                shared.lock().give_back();
                match requests.recv() {
                    Ok(request) => request,
                    Err(_) => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let memory = shared.lock().memory();
        let (memory, read) = read_piece(&file, place, memory);
        // What could not be read is read again by who wants it, and told.
        shared.lock().finish(place, memory, read.ok());
        shared.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64) -> Place {
        Place { file: 1, number }
    }

    #[test]
    fn a_piece_that_was_written_to_while_it_was_read_is_not_kept() {
        for (stretch, kept) in [(0..4, true), (4..5, false), (5..9, true), (0..u64::MAX, false)] {
            let mut pieces = Pieces::default();
            let memory = pieces.begin(place(4));
            pieces.forget(1, &stretch);
            pieces.forget(2, &(0..u64::MAX));
            assert!(pieces.find(place(4)).is_some(), "whoever waits for it waits until it was read");
            pieces.finish(place(4), memory, Some(PIECE_LEN));
            assert_eq!(pieces.find(place(4)).is_some(), kept, "{stretch:?} was written");
            pieces.forget(1, &stretch);
            assert_eq!(pieces.find(place(4)).is_some(), kept, "{stretch:?} was written again");
        }
    }

    #[test]
    fn a_piece_is_read_as_a_whole_for_who_reads_on_or_comes_again() {
        let mut pieces = Pieces::default();
        assert!(!pieces.goes_on(place(7)), "anybody may read anywhere once");
        assert!(!pieces.goes_on(place(9)));
        assert!(pieces.goes_on(place(8)), "the one in front was read");
        assert!(!pieces.goes_on(place(0)) && !pieces.goes_on(Place { file: 2, number: 1 }));
        let again = (0..TOUCHES).position(|_| pieces.goes_on(place(20)));
        assert_eq!(again, Some(TOUCHES as usize - 1), "the fourth time");
    }

    #[test]
    fn the_memory_of_what_was_read_is_given_back_and_a_piece_that_is_being_read_stays() {
        let mut pieces = Pieces::default();
        for number in 0..3 {
            let memory = pieces.begin(place(number));
            match number {
                0 => pieces.finish(place(number), memory, Some(PIECE_LEN)),
                1 => pieces.finish(place(number), memory, None),
                _ => pieces.spare.push(memory),
            }
        }
        pieces.give_back();
        assert!(pieces.spare.is_empty());
        assert_eq!(pieces.pieces.iter().map(|piece| piece.place.number).collect::<Vec<_>>(), [2]);
        let memory = pieces.memory();
        pieces.finish(place(2), memory, Some(10));
        assert_eq!(pieces.copy(0, 4, &mut [9; 6]), Some(()));
    }

    #[test]
    fn no_more_pieces_are_kept_than_there_is_room_for_and_those_used_last_stay() {
        let mut pieces = Pieces::default();
        for number in 0..PIECES_MAX as u64 + 2 {
            let memory = pieces.begin(place(number));
            pieces.finish(place(number), memory, Some(10));
            assert_eq!(
                pieces.copy(pieces.find(place(0)).unwrap(), 4, &mut [9; 6]),
                Some(()),
                "it is used all the time"
            );
            assert_eq!(pieces.copy(pieces.find(place(number)).unwrap(), 4, &mut [9; 7]), None, "the file ends there");
        }
        assert_eq!(pieces.pieces.len(), PIECES_MAX);
        assert!(pieces.find(place(0)).is_some() && pieces.find(place(1)).is_none());
        let memory = pieces.begin(place(500));
        pieces.finish(place(500), memory, None);
        assert!(pieces.find(place(500)).is_none(), "what could not be read is not there");
    }
}
