//! Opening a log: finding its end, telling a torn tail from damage, and making what is kept durable.
//!
//! Batches are checked one by one from the last snapshot on. Where one is not intact, the whole unread rest is searched
//! for intact headers: if any names a synced offset beyond that place, bytes are missing that had been durable, and the
//! log is not opened. Otherwise nothing from there on was ever promised to anybody, and it is cut off.
//!
//! Cutting means that the rest of the segment is overwritten with zeros and later segments are removed, durably, before
//! the log is used. It is not enough to write over the rest with new batches: a part of the old tail could join a part
//! of a new one after the next crash. A batch whose header is new and whose entries are old is intact as far as
//! checksums can tell when both were written for the same place; and where a new batch ends, an old one could continue.
//! A recycled segment holds other old bytes there, which cannot be told from a torn tail and are overwritten with it: a
//! start costs one segment of reading and at most one of writing.
//!
//! What can be read need not be on the disk: after a failed sync the kernel takes the bytes in its memory for written,
//! and a process that starts anew reads them there. So what is not known to be durable is written again before it is
//! synced, and a file tells the next start that zeros were being written whose sync did not succeed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use message::batch::BatchError;
use message::{CommitLogOffset, Timestamp};

use crate::disk::{Disk, DiskFile};

use super::LogConfig;
use super::chore::Spare;
use super::error::{Damage, OpenError};
use super::files::Files;
use super::scan::{ScanError, Scanner, search};
use super::segment::{DIR, SEGMENT_HEADER_USED, Segment, parse_header, segment_path, spare_path};
use super::tail::finish_tail;
use super::view::damage;

/// What opening a log found.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Offset of the first byte kept.
    pub start: CommitLogOffset,
    /// Offset behind the last byte: where the next batch goes.
    pub end: CommitLogOffset,
    /// Bytes of batches that were read and checked.
    pub scanned_bytes: u64,
    /// Batches that were read and checked.
    pub batches: u64,
    /// Time of the last batch, if any was read: no later batch may be older.
    pub last_time: Option<Timestamp>,
    /// The torn tail that was cut off, if there was one.
    pub cut: Option<CutReport>,
    /// Bytes behind the end that were overwritten with zeros: of a torn tail, or old bytes of a recycled segment.
    pub zeroed_bytes: u64,
}

/// A tail that was written and not made durable, and that was not whole any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CutReport {
    /// Where the log ends now.
    pub at: CommitLogOffset,
    /// What stood there.
    pub found: String,
    /// Intact batch headers behind it, whose batches are gone with it.
    pub batches: u64,
    /// Segments that were removed.
    pub removed: Vec<String>,
}

/// The log's files, ready to be used.
pub(super) struct Recovered {
    pub(super) recovery: Recovery,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) filled: u64,
    pub(super) first_times: BTreeMap<CommitLogOffset, Timestamp>,
    pub(super) spares: Vec<Spare>,
}

/// How far the log was readable.
struct Scan {
    /// Segment in which the reading ended.
    last: usize,
    end: CommitLogOffset,
    /// Largest synced offset that is known.
    synced: CommitLogOffset,
    batches: u64,
    last_time: Option<Timestamp>,
    /// Why it ended there; `None` when the last segment is full.
    stop: Option<Stop>,
}

struct Stop {
    found: String,
    /// Where the next segment begins, when this one is full and does not reach it.
    gap_to: Option<CommitLogOffset>,
    /// Whether the bytes there are certain to be a batch that was torn, not just anything.
    torn: bool,
}

/// What stands behind the readable part.
#[derive(Default)]
struct Behind {
    headers: u64,
    first: Option<CommitLogOffset>,
    synced: CommitLogOffset,
}

pub(super) fn recover(disk: &dyn Disk, config: &LogConfig, from: CommitLogOffset) -> Result<Recovered, OpenError> {
    disk.create_dir(DIR).map_err(OpenError::io("create", DIR))?;
    disk.sync_dir("").map_err(OpenError::io("sync", "the data directory"))?;
    let mut files = Files::find(disk)?;
    check_older(&files, from)?;
    let scan = if files.segments.is_empty() { Scan::nothing(from) } else { scan(&files, from)? };
    let behind = look_behind(&files, &scan)?;
    if scan.end < scan.synced.max(behind.synced) || scan.lost_header(&files) {
        return Err(lost(&files, &scan, &behind));
    }
    let removed = remove_behind(disk, &mut files, &scan)?;
    let zeroed_bytes = finish_tail(disk, &mut files, scan.synced, scan.end)?;
    let spares = tidy(disk, config, &files, scan.end)?;
    // From here on no name may come back or go that was not seen above, and everything read is durable.
    disk.sync_dir(DIR).map_err(OpenError::io("sync", DIR))?;
    let mut recovered = Recovered {
        recovery: Recovery {
            start: scan.end,
            end: scan.end,
            scanned_bytes: scan.end.get() - from.get(),
            batches: scan.batches,
            last_time: scan.last_time,
            cut: None,
            zeroed_bytes,
        },
        filled: files
            .segments
            .last()
            .map_or(0, |last| last.len.min(last.segment.size()).max(last.segment.position(scan.end))),
        first_times: first_times(&files, scan.end),
        segments: files.segments.into_iter().map(|found| found.segment).collect(),
        spares,
    };
    if let Some(stop) = scan.stop
        && (stop.torn || behind.headers > 0 || !removed.is_empty())
    {
        let report = CutReport { at: scan.end, found: stop.found, batches: behind.headers, removed };
        recovered.recovery.cut = Some(report);
    }
    if recovered.segments.is_empty() {
        create_first(disk, config, scan.end, &mut recovered)?;
    }
    recovered.recovery.start = recovered.segments[0].base();
    Ok(recovered)
}

fn first_times(files: &Files, end: CommitLogOffset) -> BTreeMap<CommitLogOffset, Timestamp> {
    // A first batch that has just been cut off has no say.
    let written = files.segments.iter().filter(|found| found.segment.base() < end);
    written.filter_map(|found| Some((found.segment.base(), found.first_time?))).collect()
}

/// Checks what is not read: that all segments are there, and that the one to begin with is.
fn check_older(files: &Files, from: CommitLogOffset) -> Result<(), OpenError> {
    let Some(first) = files.segments.first() else {
        // A log that was never written to has no segment, and no snapshot either.
        return match from {
            CommitLogOffset::ZERO => Ok(()),
            to => Err(OpenError::Missing { from: CommitLogOffset::ZERO, to }),
        };
    };
    if from < first.segment.base() {
        return Err(OpenError::Missing { from, to: first.segment.base() });
    }
    let older = files.segments.partition_point(|found| found.segment.base() <= from) - 1;
    for (index, found) in files.segments[..older].iter().enumerate() {
        if let Some(fault) = found.fault {
            let base = found.segment.base();
            let damage = Damage { position: 0, ..damage(&found.segment, base, fault.to_string(), None) };
            return Err(OpenError::Damaged { damage, synced: from });
        }
        let (end, next) = (files.limit(index), files.segments[index + 1].segment.base());
        if end < next {
            return Err(OpenError::Missing { from: end, to: next });
        }
    }
    let limit = files.limit(older);
    if limit < from {
        return Err(OpenError::Missing { from: limit, to: from });
    }
    Ok(())
}

impl Scan {
    fn nothing(at: CommitLogOffset) -> Self {
        Scan { last: 0, end: at, synced: at, batches: 0, last_time: None, stop: None }
    }

    /// Whether the reading ended at a segment without a header although bytes in it had been durable.
    fn lost_header(&self, files: &Files) -> bool {
        let last = files.segments.get(self.last);
        last.is_some_and(|found| found.fault.is_some() && found.segment.base() < self.synced)
    }
}

/// Reads batch by batch until one is not intact.
fn scan(files: &Files, from: CommitLogOffset) -> Result<Scan, OpenError> {
    let mut scan = Scan::nothing(from);
    let first = files.segments.partition_point(|found| found.segment.base() <= from) - 1;
    for (index, found) in files.segments.iter().enumerate().skip(first) {
        scan.last = index;
        if let Some(fault) = found.fault {
            scan.stop = Some(Stop { found: fault.to_string(), gap_to: None, torn: false });
            return Ok(scan);
        }
        let limit = files.limit(index);
        let mut scanner = Scanner::new(&found.segment, scan.end, limit);
        loop {
            match scanner.next() {
                Ok(Some(batch)) => {
                    let header = batch.header();
                    scan.end = header.end();
                    scan.synced = scan.synced.max(header.synced);
                    scan.batches += 1;
                    scan.last_time = Some(header.time);
                }
                Ok(None) => break,
                Err(ScanError::Io(source)) => return Err(OpenError::io("read", found.segment.path())(source)),
                Err(ScanError::Batch(BatchError::Version { version, .. })) => {
                    return Err(OpenError::NewerVersion { file: found.segment.path().to_owned(), version });
                }
                Err(other) => {
                    let torn = other.is_torn();
                    scan.stop = Some(Stop { found: other.to_string(), gap_to: None, torn });
                    return Ok(scan);
                }
            }
        }
        let next = files.segments.get(index + 1).map_or(limit, |next| next.segment.base());
        if limit < next {
            let found = format!("the segment is full, and the next one begins at offset {next}");
            scan.stop = Some(Stop { found, gap_to: Some(next), torn: false });
            return Ok(scan);
        }
    }
    Ok(scan)
}

/// Searches everything behind the readable part for intact headers, and stops at one that proves a loss.
fn look_behind(files: &Files, scan: &Scan) -> Result<Behind, OpenError> {
    let mut behind = Behind::default();
    for (index, found) in files.segments.iter().enumerate().skip(scan.last) {
        let from = scan.end.max(found.segment.base());
        let proof = search(&found.segment, from, files.limit(index), |header| {
            if header.synced > header.offset {
                return false;
            }
            // The one at the end itself is what stopped the scan, and nothing to go on with.
            if header.offset > scan.end {
                behind.headers += 1;
                behind.first = behind.first.or(Some(header.offset));
            }
            behind.synced = behind.synced.max(header.synced);
            behind.synced > scan.end && behind.first.is_some()
        });
        if proof.map_err(OpenError::io("read", found.segment.path()))?.is_some() {
            break;
        }
    }
    Ok(behind)
}

/// Durable bytes are not readable any more.
fn lost(files: &Files, scan: &Scan, behind: &Behind) -> OpenError {
    let found = &files.segments[scan.last];
    let synced = scan.synced.max(behind.synced);
    let stop = scan.stop.as_ref().expect("a log that was read to its end has lost nothing");
    if let Some(to) = stop.gap_to {
        return OpenError::Missing { from: scan.end, to };
    }
    let mut damage = damage(&found.segment, scan.end, stop.found.clone(), behind.first);
    if found.fault.is_some() {
        damage.position = 0;
    }
    OpenError::Damaged { damage, synced }
}

/// Removes the segments behind the readable part, and the one in which it ended if that has no header.
fn remove_behind(disk: &dyn Disk, files: &mut Files, scan: &Scan) -> Result<Vec<String>, OpenError> {
    let keep = match files.segments.get(scan.last) {
        Some(last) if last.fault.is_none() => scan.last + 1,
        _ => scan.last,
    };
    let mut removed = Vec::new();
    for found in files.segments.split_off(keep) {
        let path = found.segment.path();
        disk.remove(path).map_err(OpenError::io("remove", path))?;
        removed.push(path.to_owned());
    }
    Ok(removed)
}

/// Removes what was never finished and spares that cannot be used, and opens the rest.
fn tidy(disk: &dyn Disk, config: &LogConfig, files: &Files, end: CommitLogOffset) -> Result<Vec<Spare>, OpenError> {
    for name in &files.unfinished {
        let path = format!("{DIR}/{name}");
        disk.remove(&path).map_err(OpenError::io("remove", path))?;
    }
    let mut spares = Vec::new();
    for &number in &files.spares {
        let path = spare_path(number);
        let file = disk.open_direct(&path).map_err(OpenError::io("open", &path))?;
        let usable = is_usable(&*file, config.segment_size, end).map_err(OpenError::io("read", &path))?;
        if usable && spares.len() < config.spare_segments {
            spares.push(Spare { number, file });
        } else {
            disk.remove(&path).map_err(OpenError::io("remove", path))?;
        }
    }
    Ok(spares)
}

/// Whether all that a spare segment may hold lies before the log's end, so that nothing in it passes for a new batch.
fn is_usable(file: &dyn DiskFile, size: u64, end: CommitLogOffset) -> io::Result<bool> {
    if file.len()? != size {
        return Ok(false);
    }
    let mut header = [0; SEGMENT_HEADER_USED];
    file.read_at(&mut header, 0)?;
    if header == [0; SEGMENT_HEADER_USED] {
        return Ok(true);
    }
    // Its name is gone: whatever base it had is the one its header names.
    let base = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
    let base = CommitLogOffset::new(base);
    Ok(parse_header(&header, base).is_ok() && base < end)
}

/// Makes the first segment, only partly filled: a start must not wait until hundreds of megabytes are written.
fn create_first(
    disk: &dyn Disk,
    config: &LogConfig,
    base: CommitLogOffset,
    recovered: &mut Recovered,
) -> Result<(), OpenError> {
    let path = segment_path(base);
    let filled = config.grown(1, config.segment_size);
    let segment = Segment::create(disk, base, config.segment_size, filled).map_err(OpenError::io("create", &path))?;
    segment.file().sync().map_err(OpenError::io("sync", &path))?;
    disk.sync_dir(DIR).map_err(OpenError::io("sync", DIR))?;
    recovered.filled = filled;
    recovered.segments.push(Arc::new(segment));
    Ok(())
}
