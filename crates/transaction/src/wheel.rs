use message::Timestamp;

use crate::arena::Arena;

/// Slots of a level, 64 so that one word says which of them hold timers.
const SLOTS: usize = 64;
const SLOT_BITS: u32 = 6;
/// Levels: slots of the lowest are 1 ms wide, of each further one 64 times wider, so that the last one's fill 139 years.
const LEVELS: usize = 7;
/// Later than any due time that is told apart from "never".
const LATEST: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;
const NONE: u32 = u32::MAX;

/// Due times of a great many things: setting, stopping and firing one costs the same however many there are.
///
/// A hierarchical timing wheel with the lists threaded through the things themselves. A timer moves to a lower level
/// when its time comes near, at most six times. An ordered set would cost ten times more for each half, and nearly
/// every half is decided long before its first check is due.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Milliseconds since 1970 up to which timers have fired.
    elapsed: u64,
    levels: Box<[Level; LEVELS]>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    /// Bit n: slot n holds a timer.
    occupied: u64,
    /// The first timer of each slot, [`NONE`] when empty.
    first: [u32; SLOTS],
}

/// A place in the wheel, part of whatever is to happen at that time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    due: u64,
    /// Neighbours in the slot's ring; [`NONE`] when it is not set.
    previous: u32,
    next: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Timer { due: 0, previous: NONE, next: NONE }
    }
}

impl Timer {
    /// When it fires, or last fired.
    pub fn due(&self) -> Timestamp {
        Timestamp::from_millis(self.due as i64)
    }

    pub fn is_set(&self) -> bool {
        self.next != NONE
    }
}

/// Something with a timer.
pub(crate) trait Timed {
    fn timer(&mut self) -> &mut Timer;
}

impl Wheel {
    /// A wheel whose timers all lie behind `now`.
    pub fn new(now: Timestamp) -> Self {
        let level = Level { occupied: 0, first: [NONE; SLOTS] };
        Wheel { elapsed: millis(now), levels: Box::new([level; LEVELS]) }
    }

    /// Sets the timer of an item, which must not be set. A time that has passed is due at once.
    pub fn set<T: Timed>(&mut self, items: &mut Arena<T>, index: u32, due: Timestamp) {
        let due = millis(due).max(self.elapsed + 1).min(LATEST);
        let (level, slot) = self.place(due);
        let first = self.levels[level].first[slot];
        let timer = items.get_mut(index).timer();
        assert!(!timer.is_set(), "a timer is set once");
        timer.due = due;
        if first == NONE {
            (timer.previous, timer.next) = (index, index);
            self.levels[level].first[slot] = index;
            self.levels[level].occupied |= 1 << slot;
        } else {
            let last = items.get_mut(first).timer().previous;
            items.get_mut(first).timer().previous = index;
            items.get_mut(last).timer().next = index;
            let timer = items.get_mut(index).timer();
            (timer.previous, timer.next) = (last, first);
        }
    }

    /// Stops the timer of an item, if it is set.
    pub fn stop<T: Timed>(&mut self, items: &mut Arena<T>, index: u32) {
        let timer = items.get_mut(index).timer();
        if !timer.is_set() {
            return;
        }
        let Timer { due, previous, next } = *timer;
        (timer.previous, timer.next) = (NONE, NONE);
        // The place has not changed since it was set: slots are emptied before the time enters them.
        let (level, slot) = self.place(due);
        if next == index {
            self.levels[level].first[slot] = NONE;
            self.levels[level].occupied &= !(1 << slot);
            return;
        }
        items.get_mut(previous).timer().next = next;
        items.get_mut(next).timer().previous = previous;
        if self.levels[level].first[slot] == index {
            self.levels[level].first[slot] = next;
        }
    }

    /// The time at which [`Wheel::advance`] has something to do: not later than the first timer, perhaps a little
    /// earlier, when timers have to move to a lower level.
    pub fn next(&self) -> Option<Timestamp> {
        self.next_slot().map(|(_, _, start)| Timestamp::from_millis(start as i64))
    }

    /// Lets time pass and appends the items whose timers fired. Returns how many timers were looked at.
    pub fn advance<T: Timed>(&mut self, items: &mut Arena<T>, now: Timestamp, fired: &mut Vec<u32>) -> usize {
        let now = millis(now);
        let mut looked_at = 0;
        while let Some((level, slot, start)) = self.next_slot().filter(|(_, _, start)| *start <= now) {
            self.elapsed = start;
            let first = std::mem::replace(&mut self.levels[level].first[slot], NONE);
            self.levels[level].occupied &= !(1 << slot);
            let mut index = first;
            loop {
                looked_at += 1;
                let timer = items.get_mut(index).timer();
                let next = timer.next;
                (timer.previous, timer.next) = (NONE, NONE);
                let due = timer.due;
                if due <= start {
                    fired.push(index);
                } else {
                    self.set(items, index, Timestamp::from_millis(due as i64));
                }
                if next == first {
                    break;
                }
                index = next;
            }
        }
        self.elapsed = self.elapsed.max(now);
        looked_at
    }

    /// Level and slot of a due time after `elapsed`: the level of the highest digit in which the two differ.
    fn place(&self, due: u64) -> (usize, usize) {
        let differing = (due ^ self.elapsed) | (SLOTS as u64 - 1);
        let level = (u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS;
        let slot = due >> (level * SLOT_BITS) & (SLOTS as u64 - 1);
        (level as usize, slot as usize)
    }

    /// The next slot with timers, and when its time begins. All timers of a level come before those of a higher one.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let (level, slots) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        let slot = slots.occupied.trailing_zeros();
        let shift = level as u32 * SLOT_BITS;
        let level_start = self.elapsed >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level, slot as usize, level_start | u64::from(slot) << shift))
    }
}

fn millis(time: Timestamp) -> u64 {
    // Before 1970 nothing was ever due.
    u64::try_from(time.millis()).unwrap_or(0).min(LATEST - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::test_halves::XorShift;

    struct Item(Timer);

    impl Timed for Item {
        fn timer(&mut self) -> &mut Timer {
            &mut self.0
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms as i64)
    }

    #[test]
    fn timers_fire_in_the_millisecond_they_are_due_and_not_before() {
        for seed in 1..=10 {
            let mut random = XorShift::new(seed);
            let mut now = 1_700_000_000_000 + random.below(100_000_000);
            let (mut wheel, mut items, mut model) = (Wheel::new(at(now)), Arena::default(), BTreeMap::new());
            for _ in 0..3_000 {
                match random.below(4) {
                    0 | 1 => {
                        let reach = [10, 6_000, 30_000, 4_000_000, 4_000_000_000][random.below(5) as usize];
                        let due = now + 1 + random.below(reach);
                        let index = items.insert(Item(Timer::default()));
                        wheel.set(&mut items, index, at(due));
                        model.insert(index, due);
                    }
                    2 if !model.is_empty() => {
                        let nth = random.below(model.len() as u64) as usize;
                        let index = *model.keys().nth(nth).expect("fewer than len");
                        wheel.stop(&mut items, index);
                        assert!(!items.get_mut(index).timer().is_set());
                        items.remove(index);
                        model.remove(&index);
                    }
                    _ => {
                        let reach = [1, 100, 10_000, 1_000_000][random.below(4) as usize];
                        now += random.below(reach);
                        let next = wheel.next();
                        let mut fired = Vec::new();
                        wheel.advance(&mut items, at(now), &mut fired);
                        let mut due: Vec<u32> = model.iter().filter(|(_, due)| **due <= now).map(|(i, _)| *i).collect();
                        assert!(fired.is_empty() || next.is_some_and(|next| next <= at(now)), "seed {seed}");
                        fired.sort_unstable();
                        due.sort_unstable();
                        assert_eq!(fired, due, "seed {seed}");
                        for index in fired {
                            assert_eq!(items.get_mut(index).timer().due(), at(model[&index]), "seed {seed}");
                            items.remove(index);
                            model.remove(&index);
                        }
                    }
                }
                let first = model.values().min().copied();
                assert_eq!(wheel.next().is_none(), first.is_none(), "seed {seed}");
                assert!(wheel.next() <= first.map(at), "seed {seed}");
                assert!(wheel.next().is_none_or(|next| next > at(now)), "seed {seed}");
            }
        }
    }

    #[test]
    fn a_time_that_has_passed_is_due_at_once_and_never_is_late() {
        let (mut wheel, mut items, mut fired) = (Wheel::new(at(5_000)), Arena::default(), Vec::new());
        let past = items.insert(Item(Timer::default()));
        let never = items.insert(Item(Timer::default()));
        wheel.set(&mut items, past, at(1));
        wheel.set(&mut items, never, Timestamp::MAX);
        wheel.advance(&mut items, at(5_001), &mut fired);
        assert_eq!(fired, [past]);
        wheel.advance(&mut items, at(4_000_000_000_000), &mut fired);
        assert_eq!(fired, [past]);
        wheel.stop(&mut items, never);
        assert_eq!(wheel.next(), None);
    }
}
