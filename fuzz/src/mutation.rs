//! How input is changed: bits, bytes, pieces, lengths and words, the same for the same seed.

/// Most bytes that a changed input has.
pub const LEN_MAX: usize = 64 << 10;

/// Bytes that end, begin or escape something in one of the formats.
const STINGS: &[u8] = b"\"\\{}[]:,0-9.eEntf'#= \n\x00\x01\x02\x7F\x80\xC3\xFF";

/// Numbers and words that programs stumble over.
const WORDS: &[&str] = &[
    "-1",
    "0",
    "1e999",
    "2147483647",
    "-2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "null",
    "true",
    "\\u0000",
    "\\ud800",
    "\u{1}",
    "\u{2}",
    "%RETRY%",
    "TBW102",
    "RMQ_SYS_TRANS_HALF_TOPIC",
    "TRAN_MSG\u{1}true\u{2}",
    "24h",
    "1TiB",
];

/// Numbers that lengths and counts are wrong by.
const NUMBERS: [u32; 10] = [0, 1, 4, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, u32::MAX];

/// Marsaglia's xorshift: the same numbers from the same seed, everywhere.
pub struct Random(u64);

impl Random {
    /// Numbers of this seed.
    pub fn new(seed: u64) -> Self {
        // Spread first, so that neighbouring seeds have nothing in common; the generator never leaves 0.
        let spread = (seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Random(if spread == 0 { 1 } else { spread ^ (spread >> 31) })
    }

    /// The next one.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One below `end`; 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next_u64() % end.max(1) as u64) as usize
    }
}

/// An input made of one that is there: one to four changes, pieces of `other` among them.
pub fn changed(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        change(random, &mut bytes, other);
    }
    bytes.truncate(LEN_MAX);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    match random.below(11) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.next_u64() as u8,
        2 if !bytes.is_empty() => bytes[at] = STINGS[random.below(STINGS.len())],
        3 => bytes.truncate(at),
        4 => {
            let end = (at + 1 + random.below(24)).min(bytes.len());
            bytes.drain(at..end);
        }
        // A piece of another input, put in between or over what is there.
        5 | 6 if !other.is_empty() => {
            let from = random.below(other.len());
            let piece = &other[from..(from + 1 + random.below(64)).min(other.len())];
            let end = if random.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
            bytes.splice(at..end, piece.iter().copied());
        }
        // A piece of its own, again and again: deep, long, or doubled.
        7 => {
            let piece = bytes[at..(at + 1 + random.below(32)).min(bytes.len())].to_vec();
            let times = [1, 2, 3, 40, 400][random.below(5)];
            bytes.splice(at..at, piece.repeat(times));
        }
        // A number of two or four bytes, of either end.
        8 if bytes.len() >= 4 => {
            let number = match random.below(3) {
                0 => random.next_u64() as u32,
                1 => random.below(bytes.len() * 2) as u32,
                _ => NUMBERS[random.below(NUMBERS.len())],
            };
            let number = if random.below(2) == 0 { number.to_be_bytes() } else { number.to_le_bytes() };
            let width = if random.below(3) == 0 { 2 } else { 4 };
            let at = random.below(bytes.len() - width + 1);
            bytes[at..at + width].copy_from_slice(&number[4 - width..]);
        }
        // What stands between two quotes becomes something else: what still parses gets further than what does not.
        9 => {
            let word = WORDS[random.below(WORDS.len())];
            let quotes: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'"').collect();
            if quotes.len() < 2 {
                bytes.splice(at..at, word.bytes());
            } else {
                let first = random.below(quotes.len() - 1);
                bytes.splice(quotes[first] + 1..quotes[first + 1], word.bytes());
            }
        }
        _ => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(at..at, word.bytes());
        }
    }
}
