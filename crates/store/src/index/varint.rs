//! Numbers in as few bytes as they need: seven bits to a byte, the lowest first, the top bit set while more follow.

/// Appends a number, 1 to 10 bytes.
pub(super) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number from the front of the bytes; `None` when they end within it or it has more than 64 bits.
#[inline]
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(byte & 0x7F);
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends the way from one number to another, wrapping, so that a short way either way is few bytes.
pub(super) fn put_step(out: &mut Vec<u8>, from: u64, to: u64) {
    let step = to.wrapping_sub(from) as i64;
    put(out, ((step << 1) ^ (step >> 63)) as u64);
}

/// Takes a way and walks it, see [`put_step`].
pub(super) fn take_step(bytes: &mut &[u8], from: u64) -> Option<u64> {
    let zigzag = take(bytes)?;
    Some(from.wrapping_add((zigzag >> 1) ^ (zigzag & 1).wrapping_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: [u64; 9] = [0, 1, 127, 128, 16_383, 16_384, 1 << 40, u64::MAX - 1, u64::MAX];

    #[test]
    fn numbers_and_ways_between_them_are_read_back() {
        for from in SAMPLES {
            for to in SAMPLES {
                let mut bytes = Vec::new();
                put(&mut bytes, to);
                put_step(&mut bytes, from, to);
                let mut rest = &bytes[..];
                assert_eq!(take(&mut rest), Some(to));
                assert_eq!(take_step(&mut rest, from), Some(to), "from {from} to {to}");
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_number_that_is_cut_or_too_long_is_none() {
        assert_eq!(take(&mut &[][..]), None);
        assert_eq!(take(&mut &[0x80, 0x80][..]), None);
        assert_eq!(take(&mut &[0xFF; 11][..]), None);
        assert_eq!(take(&mut &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2][..]), None);
    }
}
