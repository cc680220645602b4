/// Items in one chunk: a new chunk is a small allocation, and a large arena never moves.
const CHUNK: usize = 256;

/// Items known by a number that stays theirs, in chunks that are never moved.
///
/// A vector that doubles would waste up to half of its memory, and stall its owner while it grows.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena { chunks: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Arena<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn insert(&mut self, item: T) -> u32 {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            *self.place(index) = Some(item);
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = self.chunks.len() - 1;
        let index = chunk * CHUNK + self.chunks[chunk].len();
        self.chunks[chunk].push(Some(item));
        u32::try_from(index).expect("memory ends long before 2^32 halves")
    }

    /// Takes an item out. Panics if there is none: numbers are never kept longer than their item.
    pub fn remove(&mut self, index: u32) -> T {
        let item = self.place(index).take().expect("the number belongs to an item");
        self.len -= 1;
        if self.len == 0 {
            // The memory of a storm that is over goes back.
            self.chunks.truncate(1);
            if let Some(chunk) = self.chunks.first_mut() {
                chunk.clear();
            }
            self.free = Vec::new();
        } else {
            self.free.push(index);
        }
        item
    }

    pub fn get(&self, index: u32) -> &T {
        let index = index as usize;
        self.chunks[index / CHUNK][index % CHUNK].as_ref().expect("the number belongs to an item")
    }

    pub fn get_mut(&mut self, index: u32) -> &mut T {
        self.place(index).as_mut().expect("the number belongs to an item")
    }

    fn place(&mut self, index: u32) -> &mut Option<T> {
        let index = index as usize;
        &mut self.chunks[index / CHUNK][index % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_its_number_and_numbers_are_used_again() {
        let mut arena = Arena::default();
        let numbers: Vec<u32> = (0..1000).map(|i| arena.insert(i)).collect();
        assert_eq!(arena.remove(numbers[500]), 500);
        assert_eq!(arena.insert(5000), numbers[500]);
        *arena.get_mut(numbers[999]) += 1;
        assert_eq!((*arena.get(numbers[999]), *arena.get(numbers[0]), arena.len()), (1000, 0, 1000));
    }

    #[test]
    fn an_arena_that_was_emptied_gives_its_memory_back() {
        let mut arena = Arena::default();
        let numbers: Vec<u32> = (0..1000).map(|i| arena.insert(i)).collect();
        numbers.iter().for_each(|number| {
            arena.remove(*number);
        });
        assert_eq!((arena.chunks.len(), arena.free.capacity(), arena.len()), (1, 0, 0));
        assert_eq!(arena.insert(7), 0);
    }
}
