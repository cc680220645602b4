//! The id a broker gives a message: where it lies.
//!
//! The other id of a message, its `UNIQ_KEY`, is made by clients; both may have 32 digits, so tools try this one first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

/// Digits of the longest id: 16 bytes of address, 4 of port, 8 of offset.
const DIGITS_MAX: usize = 56;

/// An offset message id: the address of a broker and a commit-log offset there.
///
/// On the wire it is upper-case hex of address (4 or 16 bytes), port (4 bytes) and offset (8 bytes). Answers to sends
/// carry it as `msgId`; a transactional producer takes the offset out of it for its decision, and
/// `mqadmin queryMsgById` dials the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OffsetMsgId {
    /// The broker's address. C++ and Go know IPv4 only.
    pub address: SocketAddr,
    /// Commit-log offset of the message's record.
    pub commit_log_offset: i64,
}

/// Why a text is not an offset message id. It may well be a client's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OffsetMsgIdError {
    /// Neither an IPv4 nor an IPv6 address fits.
    #[error("message id has {0} digits; an offset message id has 32 or 56")]
    Length(usize),
    /// A character that is not a hex digit.
    #[error("message id has something other than a hex digit at position {0}")]
    NotHex(usize),
    /// The port does not fit 16 bits, so this is a client's id.
    #[error("message id names port {0}, so it is not an offset message id")]
    Port(u32),
}

/// Digits of an id, without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct OffsetMsgIdDigits {
    digits: [u8; DIGITS_MAX],
    size: usize,
}

impl OffsetMsgIdDigits {
    /// 32 or 56 upper-case hex digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.digits[..self.size]).expect("hex digits are ascii")
    }
}

impl OffsetMsgId {
    /// Writes the id out.
    pub fn encode(&self) -> OffsetMsgIdDigits {
        let mut out = OffsetMsgIdDigits { digits: [0; DIGITS_MAX], size: 0 };
        match self.address.ip() {
            IpAddr::V4(ip) => push_hex(&mut out, &ip.octets()),
            IpAddr::V6(ip) => push_hex(&mut out, &ip.octets()),
        }
        push_hex(&mut out, &u32::from(self.address.port()).to_be_bytes());
        push_hex(&mut out, &self.commit_log_offset.to_be_bytes());
        out
    }

    /// Reads an id, in upper or lower case.
    pub fn decode(text: &str) -> Result<Self, OffsetMsgIdError> {
        let digits = text.as_bytes();
        let mut bytes = [0_u8; DIGITS_MAX / 2];
        if !matches!(digits.len(), 32 | DIGITS_MAX) {
            return Err(OffsetMsgIdError::Length(digits.len()));
        }
        for (at, &digit) in digits.iter().enumerate() {
            let value = char::from(digit).to_digit(16).ok_or(OffsetMsgIdError::NotHex(at))?;
            bytes[at / 2] = bytes[at / 2] << 4 | value as u8;
        }
        let (ip, rest) = if digits.len() == DIGITS_MAX {
            let (ip, rest) = bytes.split_first_chunk::<16>().expect("28 bytes");
            (IpAddr::V6(Ipv6Addr::from(*ip)), rest)
        } else {
            let (ip, rest) = bytes.split_first_chunk::<4>().expect("28 bytes");
            (IpAddr::V4(Ipv4Addr::from(*ip)), rest)
        };
        let (port, rest) = rest.split_first_chunk::<4>().expect("12 bytes");
        let offset = rest.first_chunk::<8>().expect("8 bytes");
        let port = u32::from_be_bytes(*port);
        let port = u16::try_from(port).map_err(|_| OffsetMsgIdError::Port(port))?;
        Ok(Self { address: SocketAddr::new(ip, port), commit_log_offset: i64::from_be_bytes(*offset) })
    }
}

fn push_hex<const N: usize>(out: &mut OffsetMsgIdDigits, bytes: &[u8; N]) {
    let (digits, _) = out.digits[out.size..][..2 * N].as_chunks_mut::<2>();
    for (digits, byte) in digits.iter_mut().zip(bytes) {
        *digits = HEX[usize::from(*byte)];
    }
    out.size += 2 * N;
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_ipv4_has_32_digits_and_of_ipv6_56() {
        for (address, offset, text) in [
            ("10.0.0.9:10911", 4096, "0A00000900002A9F0000000000001000"),
            ("127.0.0.1:40911", 475_556, "7F00000100009FCF00000000000741A4"),
            ("[fd00::5]:1", -1, "FD00000000000000000000000000000500000001FFFFFFFFFFFFFFFF"),
        ] {
            let id = OffsetMsgId { address: address.parse().unwrap(), commit_log_offset: offset };
            assert_eq!(id.encode().as_str(), text);
            assert_eq!(OffsetMsgId::decode(text), Ok(id));
            assert_eq!(OffsetMsgId::decode(&text.to_lowercase()), Ok(id));
        }
    }

    #[test]
    fn what_is_not_an_offset_id_is_refused() {
        let refusal = |text: &str| OffsetMsgId::decode(text).unwrap_err();
        assert_eq!(refusal(""), OffsetMsgIdError::Length(0));
        assert_eq!(refusal(&"0".repeat(33)), OffsetMsgIdError::Length(33));
        assert_eq!(refusal("0A00000900002A9F000000000000100G"), OffsetMsgIdError::NotHex(31));
        assert_eq!(refusal("0A00000900002A9F00000000000010é"), OffsetMsgIdError::NotHex(30));
        // A UNIQ_KEY of Go that has 32 digits too.
        assert_eq!(refusal("C000020205170000000066ca58a80001"), OffsetMsgIdError::Port(0x0517_0000));
    }
}
