//! Memory that begins where a device can read it from.

/// What every device takes: a page.
const ALIGNMENT: usize = 4096;

/// Bytes whose first one lies at a multiple of 4096.
pub(super) struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// So many zeros. Takes memory only as far as it is written to.
    pub(super) fn zeroed(len: usize) -> Self {
        let bytes = vec![0; len + ALIGNMENT];
        // The vector is never grown, so that its bytes stay where they are.
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        Aligned { bytes, start, len }
    }

    pub(super) fn get(&self) -> &[u8] {
        &self.bytes[self.start..][..self.len]
    }

    pub(super) fn get_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_page_and_is_as_long_as_asked_for() {
        for len in [0, 1, 512, 4096, 100_000] {
            let mut memory = Aligned::zeroed(len);
            assert_eq!(memory.get().len(), len);
            assert_eq!(memory.get_mut().as_ptr() as usize % ALIGNMENT, 0);
            assert!(memory.get().iter().all(|byte| *byte == 0));
        }
    }
}
