/// Bytes kept in place: official clients' keys have 32 (IPv4) to 38.
const INLINE_MAX: usize = 38;

/// A message's UNIQ_KEY: in place up to [`INLINE_MAX`] bytes, so that a half usually needs no allocation of its own.
#[derive(Clone, Debug)]
pub(crate) enum UniqueKey {
    Inline(u8, [u8; INLINE_MAX]),
    Long(Box<str>),
}

impl UniqueKey {
    pub fn new(key: &str) -> Self {
        if key.len() > INLINE_MAX {
            return UniqueKey::Long(key.into());
        }
        let mut bytes = [0; INLINE_MAX];
        bytes[..key.len()].copy_from_slice(key.as_bytes());
        UniqueKey::Inline(key.len() as u8, bytes)
    }

    pub fn as_str(&self) -> &str {
        match self {
            UniqueKey::Inline(len, bytes) => {
                std::str::from_utf8(&bytes[..usize::from(*len)]).expect("copied from a string as a whole")
            }
            UniqueKey::Long(key) => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_are_read_back() {
        for key in ["", "7F0000010B4C18B4AAC2101E1B0A0000", &"é".repeat(19), &"é".repeat(20), &"k".repeat(30_000)] {
            assert_eq!(UniqueKey::new(key).as_str(), key);
        }
        assert_eq!(size_of::<UniqueKey>(), 40);
    }
}
