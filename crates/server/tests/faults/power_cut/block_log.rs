//! The log of a block device that qemu's `blklogwrites` writes, in the format of the kernel's dm-log-writes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Unit of the log, in bytes; the device is told to use it.
const SECTOR: u64 = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One request to the device.
pub struct Request {
    /// First byte on the device.
    pub at: u64,
    /// Bytes.
    pub len: u64,
    /// Where these bytes stand in the log.
    pub data: u64,
    /// Whether everything before it is on the medium.
    pub flush: bool,
    /// Whether it is on the medium itself.
    pub forced: bool,
}

/// How many requests the log has, as far as its head says: that is written anew with every flush, before the flush is
/// answered.
pub fn len(log: &File) -> u64 {
    let mut head = [0; 24];
    log.read_exact_at(&mut head, 0).expect("the log has a head");
    let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
    if word(0) == MAGIC { word(16) } else { 0 }
}

/// All requests of a log.
pub fn read(path: &Path) -> Vec<Request> {
    let log = File::open(path).expect("the log is there");
    let (count, mut position) = (len(&log), SECTOR);
    let mut requests = Vec::new();
    for _ in 0..count {
        let mut head = [0; 32];
        log.read_exact_at(&mut head, position).expect("the log is as long as its head says");
        let word = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        let (at, len, flags) = (word(0) * SECTOR, word(8) * SECTOR, word(16));
        position += SECTOR;
        let written = if flags & DISCARD == 0 { len } else { 0 };
        let (flush, forced) = (flags & FLUSH != 0, flags & FUA != 0);
        requests.push(Request { at, len: written, data: position, flush, forced });
        position += written;
    }
    requests
}
