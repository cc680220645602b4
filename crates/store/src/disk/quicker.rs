//! Which way is quicker to read a long stretch of a file: through the page cache, or past it.
//!
//! What was written lately is in the page cache, and nothing is quicker. What is older may have to come from the device
//! all the same, and then takes a page for each 4 KiB, on a virtual machine one whose memory the host has to find first;
//! or it is there, and the host has taken its memory. Nobody says which of these it is, so it is measured: time in reads
//! for a megabyte, each way. Whoever measures is the one who waits, so what is read ahead of it by others counts little.

use std::time::Duration;

/// Bytes after which the time they took is looked at.
const WINDOW: u64 = 1 << 20;
/// Bytes of a file for which a decision stands: then it is measured anew how fast the page cache is.
const STRETCH: u64 = 64 << 20;
/// A page cache that gives a megabyte in this time, 2.6 GB/s, is not what is waited for: nothing else is tried.
const QUICK: Duration = Duration::from_micros(400);
/// So many windows that are slow, one after the other, are no accident.
const SLOW_WINDOWS: u32 = 2;
/// The first window past the page cache waits for a piece that nobody has read ahead: only when it takes so many times as
/// long is that too long.
const FIRST_WINDOW: u32 = 4;

/// A way to read a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Through the page cache.
    Cached,
    /// Past it, ahead of who reads.
    Past,
}

/// What is known of a disk, whatever file was read.
#[derive(Default)]
pub(super) struct Experience {
    /// What a megabyte past the page cache took lately; forgotten bit by bit while nobody goes past it.
    past: Option<Duration>,
    /// What was measured last was read past the page cache, and not slower for it.
    past_lately: bool,
}

/// How one file is read.
pub(super) struct Choice {
    way: Way,
    /// Which [`STRETCH`] of the file is read.
    stretch: Option<u64>,
    /// What was read in this window, and the time it took.
    bytes: u64,
    took: Duration,
    /// Windows in a row in which the page cache was slow.
    slow: u32,
    /// What a megabyte took through the page cache, before it was read past it.
    cached: Duration,
    /// Windows read past the page cache in this stretch.
    windows: u32,
    /// Past the page cache was no quicker in this stretch.
    settled: bool,
}

impl Choice {
    pub(super) fn new() -> Self {
        Choice {
            way: Way::Cached,
            stretch: None,
            bytes: 0,
            took: Duration::ZERO,
            slow: 0,
            cached: Duration::ZERO,
            windows: 0,
            settled: false,
        }
    }

    /// How to read at this position.
    pub(super) fn way(&mut self, at: u64, disk: &mut Experience) -> Way {
        let stretch = at / STRETCH;
        if self.stretch != Some(stretch) {
            // Bad moments of a disk pass.
            disk.past = disk.past.map(|past| past - past / 8);
            *self = Choice { stretch: Some(stretch), ..Choice::new() };
        }
        self.way
    }

    /// So many bytes were read as [`Choice::way`] said, and took so long.
    pub(super) fn took(&mut self, bytes: u64, time: Duration, disk: &mut Experience) {
        self.bytes += bytes;
        self.took += time;
        if self.bytes < WINDOW {
            return;
        }
        let cost = self.took.mul_f64(WINDOW as f64 / self.bytes as f64);
        (self.bytes, self.took) = (0, Duration::ZERO);
        match self.way {
            Way::Cached => self.was_cached(cost, disk),
            Way::Past => self.was_past(cost, disk),
        }
    }

    fn was_cached(&mut self, cost: Duration, disk: &mut Experience) {
        let slow = cost > QUICK && disk.past.is_none_or(|past| past < cost);
        if !slow {
            self.slow = 0;
            disk.past_lately = false;
            return;
        }
        self.slow += 1;
        if !self.settled && (self.slow >= SLOW_WINDOWS || disk.past_lately) {
            (self.way, self.cached) = (Way::Past, cost);
        }
    }

    fn was_past(&mut self, cost: Duration, disk: &mut Experience) {
        self.windows += 1;
        let first = self.windows == 1;
        if !first {
            disk.past = Some(disk.past.map_or(cost, |past| (past * 3 + cost) / 4));
        }
        let too_long = match (first, disk.past) {
            (true, _) => cost > self.cached * FIRST_WINDOW,
            (false, past) => past > Some(self.cached),
        };
        disk.past_lately = !too_long;
        if too_long {
            disk.past = disk.past.max(Some(cost));
            self.give_up();
        }
    }

    /// This stretch is read through the page cache, whatever it takes.
    pub(super) fn give_up(&mut self) {
        (self.way, self.settled) = (Way::Cached, true);
    }
}

#[cfg(test)]
impl Choice {
    /// Past the page cache in the first stretch, whatever it takes.
    pub(super) fn past() -> Self {
        Choice { way: Way::Past, stretch: Some(0), cached: Duration::from_secs(1 << 30), ..Choice::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 64 << 10;

    /// Reads blocks from a position on, a megabyte of which takes so many microseconds through the page cache and past it.
    /// Says which way each was read.
    fn read(choice: &mut Choice, disk: &mut Experience, from: u64, blocks: u64, cached: u64, past: u64) -> Vec<Way> {
        let one = |number| {
            let way = choice.way(from + number * BLOCK, disk);
            let micros = if way == Way::Cached { cached } else { past };
            choice.took(BLOCK, Duration::from_micros(micros) / 16, disk);
            way
        };
        (0..blocks).map(one).collect()
    }

    /// So many blocks through the page cache, the rest past it.
    fn assert_past_after(ways: &[Way], blocks: usize) {
        let past = ways.iter().position(|way| *way == Way::Past).unwrap_or(ways.len());
        assert_eq!(past, blocks);
        assert!(ways[past..].iter().all(|way| *way == Way::Past));
    }

    #[test]
    fn a_page_cache_that_is_quick_is_never_left() {
        let (mut choice, mut disk) = (Choice::new(), Experience::default());
        let ways = read(&mut choice, &mut disk, 0, 4096, 399, 1);
        assert_past_after(&ways, 4096);
    }

    #[test]
    fn a_slow_page_cache_is_left_after_two_windows_and_the_next_file_after_one() {
        let mut disk = Experience::default();
        let ways = read(&mut Choice::new(), &mut disk, 0, 1024, 900, 500);
        assert_past_after(&ways, 32);
        let mut next = Choice::new();
        assert_past_after(&read(&mut next, &mut disk, 0, 1024, 900, 500), 16);
        assert_past_after(&read(&mut next, &mut disk, STRETCH, 1024, 900, 500), 16);
        // One that is quick again is found out, and the next is left after two windows as the first was.
        assert_past_after(&read(&mut Choice::new(), &mut disk, 0, 1024, 200, 500), 1024);
        assert_past_after(&read(&mut Choice::new(), &mut disk, 0, 1024, 900, 500), 32);
    }

    #[test]
    fn one_slow_window_is_an_accident() {
        let (mut choice, mut disk) = (Choice::new(), Experience::default());
        for window in 0..20 {
            let ways = read(&mut choice, &mut disk, window * WINDOW, 16, if window % 2 == 0 { 5_000 } else { 200 }, 1);
            assert_past_after(&ways, 16);
        }
    }

    #[test]
    fn a_device_that_is_no_quicker_is_left_and_not_asked_again_in_this_stretch() {
        let (mut choice, mut disk) = (Choice::new(), Experience::default());
        // Three times as slow: the first window may have waited, the second one tells.
        let ways = read(&mut choice, &mut disk, 0, 1024, 900, 2700);
        assert_eq!(ways.iter().filter(|way| **way == Way::Past).count(), 32);
        assert_past_after(&ways[64..], 1024 - 64);
        // Six times: nobody waits for a second one.
        let (mut choice, mut disk) = (Choice::new(), Experience::default());
        let ways = read(&mut choice, &mut disk, 0, 1024, 900, 5400);
        assert_eq!(ways.iter().filter(|way| **way == Way::Past).count(), 16);
    }

    #[test]
    fn what_is_known_of_a_slow_device_keeps_others_from_it_until_it_is_forgotten() {
        let mut disk = Experience::default();
        read(&mut Choice::new(), &mut disk, 0, 1024, 900, 9_000);
        let files =
            (0..100).position(|_| read(&mut Choice::new(), &mut disk, 0, 1024, 900, 9_000).contains(&Way::Past));
        // 9,000 become 900 by an eighth at a time.
        assert_eq!(files, Some(17));
        let past = disk.past.expect("it was tried");
        assert!(past >= Duration::from_micros(9_000), "and found as slow as before: {past:?}");
    }

    #[test]
    fn who_gives_up_reads_through_the_page_cache_for_the_rest_of_the_stretch() {
        let (mut choice, mut disk) = (Choice::past(), Experience::default());
        assert_eq!(choice.way(0, &mut disk), Way::Past);
        choice.give_up();
        assert_past_after(&read(&mut choice, &mut disk, 0, 1024, 900, 1), 1024);
        assert_past_after(&read(&mut choice, &mut disk, STRETCH, 1024, 900, 1), 32);
    }
}
