//! Defects of a replay: what it would make of the log is written into the log before it.

use message::CommitLogOffset;
use message::batch::{Batch, BatchError, BatchHeader, FRAME_LEN, HEADER_LEN, Sealed};
use message::entry::{Decision, Entry};
use store::disk::{Disk, FakeDisk};
use store::log::SEGMENT_HEADER_LEN;

use super::Bug;

/// Changes the log of a broker that is about to start to what one with this defect takes it for.
pub(crate) fn rewrite(bug: Bug, disk: &FakeDisk) {
    match bug {
        Bug::OpForgotten => forget_decisions(disk),
        Bug::CrcSkipped => mend_the_end(disk, |bytes, at| match Sealed::parse(bytes, at) {
            Err(BatchError::Entry { .. }) => resealed(bytes, at, at),
            _ => None,
        }),
        Bug::OldFrameTaken => mend_the_end(disk, |bytes, at| match BatchHeader::parse(bytes, at) {
            Err(BatchError::Old { found, .. }) if Sealed::parse(bytes, found).is_ok() => resealed(bytes, found, at),
            _ => None,
        }),
        _ => {}
    }
}

/// Whether these bytes are a batch with a decision in it.
pub(crate) fn has_decision(bytes: &[u8]) -> bool {
    let at = bytes.get(8..16).map(|at| CommitLogOffset::new(u64::from_le_bytes(at.try_into().expect("8 bytes"))));
    let batch = at.and_then(|at| Sealed::parse(bytes, at).ok());
    batch.is_some_and(|batch| {
        batch.entries().any(|(_, payload)| matches!(Entry::decode(payload), Ok(Entry::Decision(_))))
    })
}

/// A segment: its path, the offset it begins at, and its bytes behind the header.
struct Segment {
    path: String,
    base: CommitLogOffset,
    bytes: Vec<u8>,
}

fn segments(disk: &FakeDisk) -> Vec<Segment> {
    let names = disk.list("log").unwrap_or_default();
    let segment = |name: String| {
        let base = name.strip_suffix(".seg").filter(|digits| digits.len() == 20)?.parse().ok()?;
        let path = format!("log/{name}");
        let file = disk.open(&path).ok()?;
        let mut bytes = vec![0; file.len().ok()?.checked_sub(SEGMENT_HEADER_LEN)? as usize];
        file.read_at(&mut bytes, SEGMENT_HEADER_LEN).ok()?;
        Some(Segment { path, base: CommitLogOffset::new(base), bytes })
    };
    names.into_iter().filter_map(segment).collect()
}

/// Writes into a segment, for good.
fn write(disk: &FakeDisk, segment: &Segment, position: usize, bytes: &[u8]) {
    let file = disk.open(&segment.path).expect("it was just read");
    // A disk that refuses leaves the log as it was: nothing is planted then.
    let _ = file.write_at(bytes, SEGMENT_HEADER_LEN + position as u64).and_then(|()| file.sync());
}

/// Lets every third decision behind the last snapshot be about a half that there is not.
fn forget_decisions(disk: &FakeDisk) {
    let snapshot = store::snapshot::offsets(disk).ok().and_then(|all| all.into_iter().max()).unwrap_or_default();
    let mut decisions = 0;
    for segment in segments(disk) {
        let mut position = 0;
        while let Ok(batch) = Sealed::parse(&segment.bytes[position..], segment.base.plus(position as u64)) {
            let header = *batch.header();
            if header.offset >= snapshot {
                let mut again = Batch::new();
                again.set_time(header.time);
                for (_, payload) in batch.entries() {
                    again.push(|out| match Entry::decode(payload) {
                        Ok(Entry::Decision(decision)) => {
                            decisions += 1;
                            let half = if decisions % 3 == 0 { decision.half.plus(1) } else { decision.half };
                            Entry::Decision(Decision { half, ..decision }).encode(out);
                        }
                        _ => out.extend_from_slice(payload),
                    });
                }
                write(disk, &segment, position, again.seal(header.offset, header.synced, header.term));
            }
            position += header.len as usize;
        }
    }
}

/// Makes something of what stands where the log ends, as long as something comes of it.
fn mend_the_end(disk: &FakeDisk, mended: impl Fn(&[u8], CommitLogOffset) -> Option<Vec<u8>>) {
    let Some(mut last) = segments(disk).pop() else { return };
    let mut position = 0;
    loop {
        let at = last.base.plus(position as u64);
        if let Ok(batch) = Sealed::parse(&last.bytes[position..], at) {
            position += batch.header().len as usize;
            continue;
        }
        let Some(bytes) = mended(&last.bytes[position..], at) else { return };
        write(disk, &last, position, &bytes);
        last.bytes[position..position + bytes.len()].copy_from_slice(&bytes);
    }
}

/// The batch whose header names `found`, as one that stands at `at`, its checksums right. `None` if its entries do not
/// fill it.
fn resealed(bytes: &[u8], found: CommitLogOffset, at: CommitLogOffset) -> Option<Vec<u8>> {
    let header = BatchHeader::parse(bytes, found).ok()?;
    let bytes = bytes.get(..header.len as usize)?;
    let mut batch = Batch::new();
    batch.set_time(header.time);
    let mut frame = HEADER_LEN;
    for _ in 0..header.entries {
        let len = u32::from_le_bytes(bytes.get(frame..frame + 4)?.try_into().expect("4 bytes")) as usize;
        let payload = bytes.get(frame + FRAME_LEN..frame + FRAME_LEN + len).filter(|payload| !payload.is_empty())?;
        batch.push(|out| out.extend_from_slice(payload));
        frame += FRAME_LEN + len;
    }
    (frame == bytes.len()).then(|| batch.seal(at, header.synced.min(at), header.term).to_vec())
}
