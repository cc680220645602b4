//! Reading everything there is, and saying what of it is damaged.
//!
//! Opening a log reads what was written since the last snapshot. This reads every segment from its first byte and every
//! snapshot, changes nothing, and goes on behind damage. [`repair`] acts on what it found, when it is told to.

mod repair;

pub use repair::{Lost, RepairChoice, RepairError, Repaired, repair};

use std::fmt;

use message::CommitLogOffset;
use message::batch::{BatchError, Sealed};

use crate::disk::Disk;
use crate::log::{Damage, Files, OpenError, ScanError, Scanner, search};
use crate::snapshot::{self, SnapshotDamage, SnapshotError};

/// What is wrong with the log at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Batches are not intact.
    Batches(Damage),
    /// The header of a segment is not intact. Its name and its batches say what it held.
    SegmentHeader(Damage),
    /// A segment is not there.
    Missing {
        /// First missing offset.
        from: CommitLogOffset,
        /// Offset behind the missing ones.
        to: CommitLogOffset,
    },
}

impl Fault {
    /// Where in the log it begins.
    pub fn offset(&self) -> CommitLogOffset {
        match self {
            Fault::Batches(damage) | Fault::SegmentHeader(damage) => damage.offset,
            Fault::Missing { from, .. } => *from,
        }
    }

    /// Whether a start that reads from `from` on comes upon it. It looks at every header, and for every segment.
    fn blocks(&self, from: CommitLogOffset) -> bool {
        match self {
            Fault::Batches(damage) => damage.offset >= from || damage.next.is_some_and(|next| next > from),
            Fault::SegmentHeader(_) | Fault::Missing { .. } => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Batches(damage) | Fault::SegmentHeader(damage) => damage.fmt(f),
            Fault::Missing { from, to } => write!(f, "no segment holds the log offsets {from} to {to}"),
        }
    }
}

/// What a data directory holds and what of it is damaged.
#[derive(Clone, Debug)]
pub struct Report {
    /// Offset of the first byte of the log.
    pub start: CommitLogOffset,
    /// Offset behind the last byte that is intact, or was made durable.
    pub end: CommitLogOffset,
    /// All bytes of the log below were made durable once.
    pub synced: CommitLogOffset,
    /// Segments of the log.
    pub segments: usize,
    /// Intact batches.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What is wrong with the log, in order of offsets.
    pub faults: Vec<Fault>,
    /// A batch at the end that was never made durable and is not whole: the next start cuts it off, nothing is lost.
    pub torn_tail: Option<Damage>,
    /// Where the intact snapshots stand, oldest first.
    pub snapshots: Vec<CommitLogOffset>,
    /// What is wrong with the others.
    pub damaged_snapshots: Vec<SnapshotDamage>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty() && self.damaged_snapshots.is_empty()
    }

    /// Where a start begins to read: at the newest intact snapshot, or at offset 0 when there never was one.
    pub fn reads_from(&self) -> CommitLogOffset {
        self.snapshots.last().copied().unwrap_or(CommitLogOffset::ZERO)
    }

    /// The faults that keep a server from starting, and not only from delivering what is damaged.
    pub fn blocking(&self) -> impl Iterator<Item = &Fault> {
        let from = self.reads_from();
        self.faults.iter().filter(move |fault| fault.blocks(from))
    }
}

/// Reads the log and the snapshots of this disk from end to end.
///
/// # Errors
/// When the files cannot be told apart, were written by a newer version, or the disk cannot even list them. Bytes that
/// cannot be read are in the report.
pub fn verify(disk: &dyn Disk) -> Result<Report, VerifyError> {
    let (snapshots, damaged_snapshots) = verify_snapshots(disk)?;
    let files = Files::find(disk)?;
    let start = files.segments.first().map_or(CommitLogOffset::ZERO, |found| found.segment.base());
    let mut report = Report {
        start,
        end: start,
        synced: snapshots.last().copied().unwrap_or(start).max(start),
        segments: files.segments.len(),
        batches: 0,
        entries: 0,
        bytes: 0,
        faults: Vec::new(),
        torn_tail: None,
        snapshots,
        damaged_snapshots,
    };
    let mut ends = Vec::new();
    walk(&files, |step| match step {
        Step::Batch(batch) => {
            let header = batch.header();
            report.end = header.end();
            report.synced = report.synced.max(header.synced);
            report.batches += 1;
            report.entries += u64::from(header.entries);
            report.bytes += u64::from(header.len);
        }
        Step::Synced(synced) => report.synced = report.synced.max(synced),
        Step::Fault(fault, evidence) => ends.push((fault, evidence)),
    })?;
    // What is not intact behind the last synced offset is where the log ends.
    let synced = report.synced;
    let (faults, tail): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(fault, _)| fault.offset() < synced);
    report.faults = faults.into_iter().map(|(fault, _)| fault).collect();
    if let Some((fault, _)) = tail.first() {
        report.end = fault.offset();
    }
    report.torn_tail = tail.into_iter().find_map(|(fault, evidence)| match fault {
        Fault::Batches(damage) if evidence => Some(damage),
        _ => None,
    });
    // The newest snapshot stands behind everything that the segments could hold.
    let reach = files.segments.len().checked_sub(1).map_or(start, |last| files.limit(last));
    if reach < report.reads_from() {
        report.faults.push(Fault::Missing { from: reach, to: report.reads_from() });
    }
    Ok(report)
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log's files.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The snapshots.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
}

fn verify_snapshots(disk: &dyn Disk) -> Result<(Vec<CommitLogOffset>, Vec<SnapshotDamage>), SnapshotError> {
    let (mut intact, mut damaged) = (Vec::new(), Vec::new());
    for at in snapshot::offsets(disk)? {
        match snapshot::read(disk, at) {
            Ok(Ok(_)) => intact.push(at),
            Ok(Err(damage)) => damaged.push(damage),
            Err(SnapshotError::Io { file, source, .. }) => {
                damaged.push(SnapshotDamage { file, found: format!("it cannot be read: {source}") });
            }
            Err(other) => return Err(other),
        }
    }
    Ok((intact, damaged))
}

/// What a walk through the log comes upon.
enum Step<'a> {
    Batch(Sealed<'a>),
    /// What an intact header of a batch that is not intact names as synced.
    Synced(CommitLogOffset),
    /// Something that is not intact, and whether it certainly was a batch once, and not just the end of the log.
    Fault(Fault, bool),
}

/// Shows every intact batch of the log, and every place where there is none.
fn walk(files: &Files, mut visit: impl FnMut(Step<'_>)) -> Result<(), OpenError> {
    for (index, found) in files.segments.iter().enumerate() {
        let segment = &found.segment;
        if let Some(fault) = found.fault {
            let damage = Damage {
                file: segment.path().to_owned(),
                position: 0,
                offset: segment.base(),
                found: fault.to_string(),
                next: None,
            };
            visit(Step::Fault(Fault::SegmentHeader(damage), true));
        }
        let (mut at, limit) = (segment.base(), files.limit(index));
        while at < limit {
            let mut scanner = Scanner::new(segment, at, limit);
            let stop = loop {
                match scanner.next() {
                    Ok(Some(batch)) => visit(Step::Batch(batch)),
                    Ok(None) => break None,
                    Err(ScanError::Batch(BatchError::Version { version, .. })) => {
                        return Err(OpenError::NewerVersion { file: segment.path().to_owned(), version });
                    }
                    Err(other) => break Some(other),
                }
            };
            let Some(stop) = stop else { break };
            // Bytes that cannot be read hide what follows them in this segment.
            let mut synced = CommitLogOffset::ZERO;
            let next = search(segment, scanner.at(), limit, |header| {
                if header.synced <= header.offset {
                    synced = synced.max(header.synced);
                }
                header.offset > scanner.at()
            });
            let next = next.unwrap_or(None).map(|next| next.offset);
            let damage = Damage {
                file: segment.path().to_owned(),
                position: segment.position(scanner.at()),
                offset: scanner.at(),
                found: stop.to_string(),
                next: next.or_else(|| files.segments.get(index + 1).map(|next| next.segment.base())),
            };
            let evidence = next.is_some() || index + 1 < files.segments.len() || stop.is_torn();
            visit(Step::Synced(synced));
            visit(Step::Fault(Fault::Batches(damage), evidence));
            at = next.unwrap_or(limit);
        }
        if let Some(next) = files.segments.get(index + 1).map(|next| next.segment.base()).filter(|next| limit < *next) {
            visit(Step::Fault(Fault::Missing { from: limit, to: next }, true));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
