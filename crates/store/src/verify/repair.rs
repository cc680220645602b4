//! Making a damaged store start again, at a stated price. Nothing is destroyed: what is taken out lies in `damaged/`.

use std::collections::BTreeMap;
use std::io;

use message::CommitLogOffset;
use message::entry::Entry;
use thiserror::Error;

use super::{Fault, Report, Step, walk};
use crate::disk::{Disk, DiskFile};
use crate::log::{self, Files, OpenError, Segment};
use crate::snapshot;

/// Directory of what a repair took out of the way.
const DAMAGED: &str = "damaged";

/// What to give up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepairChoice {
    /// End the log at the first fault that a start comes upon, and give up everything behind it. If the segment is
    /// missing in which the newest snapshot stands, the log begins anew there. Segment headers that are damaged are
    /// written anew, at no price.
    CutLog,
    /// Begin the log behind the last missing segment that lies before the newest snapshot, and give up everything
    /// older: the state is in the snapshot, the messages are gone. If that is all of the log, it begins anew there.
    DropOlder,
    /// Give up the damaged snapshots, so that a start uses older ones, or reads the whole log if it is whole.
    SetAsideSnapshots,
}

/// What a repair did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Repaired {
    /// What is not in the log any more.
    pub lost: Option<Lost>,
    /// Files in `damaged/` that hold what was taken out.
    pub kept_in: Vec<String>,
    /// Segments whose header was written anew.
    pub headers_rewritten: Vec<String>,
    /// Bytes that the disk could not read and that are zeros in the copy.
    pub unreadable_bytes: u64,
}

/// Offsets that are not in the log any more, and what was still readable of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// First of them.
    pub from: CommitLogOffset,
    /// Offset behind the last of them.
    pub to: CommitLogOffset,
    /// How many intact entries of which kind lie in them.
    pub readable: BTreeMap<&'static str, u64>,
}

/// Why nothing was repaired.
#[derive(Debug, Error)]
pub enum RepairError {
    /// This would change nothing.
    #[error("there is nothing to repair in this way: {0}")]
    NotNeeded(&'static str),
    /// The log that would be left could not be started from.
    #[error(
        "there is no intact snapshot and the log begins at offset {start}: what it told before is nowhere, restore the \
         data directory from a copy"
    )]
    NothingToStartFrom {
        /// Where the log begins.
        start: CommitLogOffset,
    },
    /// The files are not those of the report.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The disk failed, or is full. What was there is still there, here or in `damaged/`; verify again.
    #[error("cannot {doing} {file}: check the disk, its free space and its permissions")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
}

fn io_error(doing: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> RepairError {
    let file = file.into();
    move |source| RepairError::Io { doing, file, source }
}

/// Repairs what the report names, in the chosen way.
///
/// # Errors
/// See [`RepairError`].
pub fn repair(disk: &dyn Disk, report: &Report, choice: RepairChoice) -> Result<Repaired, RepairError> {
    let mut repaired = Repaired::default();
    match choice {
        RepairChoice::CutLog => cut_log(disk, report, &mut repaired)?,
        RepairChoice::DropOlder => drop_older(disk, report, &mut repaired)?,
        RepairChoice::SetAsideSnapshots => set_aside_snapshots(disk, report, &mut repaired)?,
    }
    Ok(repaired)
}

fn cut_log(disk: &dyn Disk, report: &Report, repaired: &mut Repaired) -> Result<(), RepairError> {
    let from = report.reads_from();
    if report.snapshots.is_empty() && report.start > CommitLogOffset::ZERO {
        return Err(RepairError::NothingToStartFrom { start: report.start });
    }
    let files = Files::find(disk)?;
    let reachable = reaches(&files, from);
    let cut = report.faults.iter().find(|fault| match fault {
        Fault::Batches(_) => fault.blocks(from),
        Fault::Missing { from: gap, .. } => *gap >= from,
        Fault::SegmentHeader(_) => false,
    });
    if reachable && cut.is_none() && files.segments.iter().all(|found| found.fault.is_none()) {
        return Err(RepairError::NotNeeded("no fault of the log that this could cut off keeps a server from starting"));
    }
    make_damaged_dir(disk)?;
    for found in files.segments.iter().filter(|found| found.fault.is_some()) {
        let segment = &found.segment;
        let copy = format!("{DAMAGED}/{:020}.header", segment.base().get());
        copy_out(disk, &**segment.file(), 0..log::SEGMENT_HEADER_LEN.min(found.len), &copy, repaired)?;
        segment.rewrite_header().map_err(io_error("write the header of", segment.path()))?;
        repaired.headers_rewritten.push(segment.path().to_owned());
    }
    let everything = CommitLogOffset::new(u64::MAX);
    if !reachable {
        repaired.lost = Some(lost(&files, report.start, everything)?);
        move_older(disk, &files, everything, repaired)?;
        begin_anew(disk, from)?;
    } else if let Some(fault) = cut {
        let at = fault.offset().max(from);
        repaired.lost = Some(lost(&files, at, everything)?);
        cut_at(disk, &files, at, repaired)?;
    }
    Ok(())
}

/// Whether the segment in which a snapshot stands is there: otherwise the log cannot go on from it.
fn reaches(files: &Files, from: CommitLogOffset) -> bool {
    match files.segments.partition_point(|found| found.segment.base() <= from) {
        0 => from == CommitLogOffset::ZERO,
        count => files.limit(count - 1) >= from,
    }
}

/// Takes everything from `at` on out of the log. A crash in between leaves a log that is cut there when it is opened, or
/// that is as damaged as before.
fn cut_at(disk: &dyn Disk, files: &Files, at: CommitLogOffset, repaired: &mut Repaired) -> Result<(), RepairError> {
    // A segment that begins there stays, empty: the log must know where it goes on.
    let behind = files.segments.partition_point(|found| found.segment.base() <= at);
    if let Some(found) = behind.checked_sub(1).and_then(|last| files.segments.get(last)) {
        let (segment, file) = (&found.segment, found.segment.file());
        let rest = segment.position(at).min(found.len)..found.len;
        if !rest.is_empty() {
            let copy = format!("{DAMAGED}/{:020}.part", at.get());
            copy_out(disk, &**file, rest.clone(), &copy, repaired)?;
            let cut = file.set_len(rest.start).and_then(|()| file.sync());
            cut.map_err(io_error("cut", segment.path()))?;
        }
    }
    for found in &files.segments[behind..] {
        move_out(disk, found.segment.path(), repaired)?;
    }
    disk.sync_dir(log::DIR).map_err(io_error("sync", log::DIR))?;
    disk.sync_dir(DAMAGED).map_err(io_error("sync", DAMAGED))
}

fn drop_older(disk: &dyn Disk, report: &Report, repaired: &mut Repaired) -> Result<(), RepairError> {
    let from = report.reads_from();
    let behind = report.faults.iter().rev().find_map(|fault| match fault {
        Fault::Missing { to, .. } if *to <= from => Some(*to),
        _ => None,
    });
    let Some(behind) = behind else {
        return Err(RepairError::NotNeeded("no segment is missing before the newest snapshot"));
    };
    let files = Files::find(disk)?;
    make_damaged_dir(disk)?;
    repaired.lost = Some(lost(&files, report.start, behind)?);
    move_older(disk, &files, behind, repaired)?;
    if files.segments.iter().all(|found| found.segment.base() < behind) {
        begin_anew(disk, behind)?;
    }
    Ok(())
}

/// Takes the segments that begin before `limit` out of the log.
fn move_older(
    disk: &dyn Disk,
    files: &Files,
    limit: CommitLogOffset,
    repaired: &mut Repaired,
) -> Result<(), RepairError> {
    for found in files.segments.iter().filter(|found| found.segment.base() < limit) {
        // Oldest first, and each for good: a crash in between leaves no further hole.
        move_out(disk, found.segment.path(), repaired)?;
        disk.sync_dir(log::DIR).map_err(io_error("sync", log::DIR))?;
        disk.sync_dir(DAMAGED).map_err(io_error("sync", DAMAGED))?;
    }
    Ok(())
}

/// Begins a log without segments where the snapshot stands, in a small segment for now.
fn begin_anew(disk: &dyn Disk, at: CommitLogOffset) -> Result<(), RepairError> {
    let made = Segment::create(disk, at, 2 * log::SEGMENT_HEADER_LEN, log::SEGMENT_HEADER_LEN)
        .and_then(|segment| segment.file().sync())
        .and_then(|()| disk.sync_dir(log::DIR));
    made.map_err(io_error("begin a segment in", log::DIR))
}

fn set_aside_snapshots(disk: &dyn Disk, report: &Report, repaired: &mut Repaired) -> Result<(), RepairError> {
    if report.damaged_snapshots.is_empty() {
        return Err(RepairError::NotNeeded("no snapshot is damaged"));
    }
    if report.snapshots.is_empty() && report.start > CommitLogOffset::ZERO {
        return Err(RepairError::NothingToStartFrom { start: report.start });
    }
    make_damaged_dir(disk)?;
    for damage in &report.damaged_snapshots {
        move_out(disk, &damage.file, repaired)?;
    }
    disk.sync_dir(snapshot::DIR).map_err(io_error("sync", snapshot::DIR))?;
    disk.sync_dir(DAMAGED).map_err(io_error("sync", DAMAGED))
}

fn make_damaged_dir(disk: &dyn Disk) -> Result<(), RepairError> {
    disk.create_dir(DAMAGED).map_err(io_error("create", DAMAGED))?;
    disk.sync_dir("").map_err(io_error("sync", "the data directory"))
}

fn move_out(disk: &dyn Disk, path: &str, repaired: &mut Repaired) -> Result<(), RepairError> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let to = free_name(disk, &format!("{DAMAGED}/{name}"))?;
    disk.rename(path, &to).map_err(io_error("move away", path))?;
    repaired.kept_in.push(to);
    Ok(())
}

/// Copies a part of a file; what the disk cannot read is zero in the copy.
fn copy_out(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    range: std::ops::Range<u64>,
    to: &str,
    repaired: &mut Repaired,
) -> Result<(), RepairError> {
    let to = free_name(disk, to)?;
    let copy = disk.create(&to).map_err(io_error("create", &to))?;
    let mut buf = vec![0; 4096];
    let mut at = range.start;
    while at < range.end {
        let wanted = (range.end - at).min(buf.len() as u64) as usize;
        match file.read_at(&mut buf[..wanted], at) {
            Ok(read) => buf[read..wanted].fill(0),
            Err(_) => {
                repaired.unreadable_bytes += wanted as u64;
                buf[..wanted].fill(0);
            }
        }
        copy.write_at(&buf[..wanted], at - range.start).map_err(io_error("write to", &to))?;
        at += wanted as u64;
    }
    copy.sync().map_err(io_error("sync", &to))?;
    disk.sync_dir(DAMAGED).map_err(io_error("sync", DAMAGED))?;
    repaired.kept_in.push(to);
    Ok(())
}

/// This name, or one with a number behind it: an earlier repair's files stay.
fn free_name(disk: &dyn Disk, wanted: &str) -> Result<String, RepairError> {
    let taken = disk.list(DAMAGED).map_err(io_error("list", DAMAGED))?;
    let numbered = (1..).map(|number: u32| format!("{wanted}.{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    let is_free = |name: &String| !taken.iter().any(|taken| format!("{DAMAGED}/{taken}") == *name);
    Ok(names.find(is_free).expect("numbers do not end"))
}

/// What lies between two offsets and is readable.
fn lost(files: &Files, from: CommitLogOffset, to: CommitLogOffset) -> Result<Lost, RepairError> {
    let mut lost = Lost { from, to: from, readable: BTreeMap::new() };
    walk(files, |step| match step {
        Step::Batch(batch) if (from..to).contains(&batch.header().offset) => {
            lost.to = batch.header().end();
            for (_, payload) in batch.entries() {
                *lost.readable.entry(kind(payload)).or_default() += 1;
            }
        }
        Step::Fault(Fault::Batches(damage), _) if (from..to).contains(&damage.offset) => {
            lost.to = lost.to.max(damage.next.unwrap_or(damage.offset));
        }
        Step::Fault(Fault::Missing { from: gap, to: end }, _) if (from..to).contains(&gap) => {
            lost.to = lost.to.max(end);
        }
        Step::Batch(_) | Step::Synced(_) | Step::Fault(..) => {}
    })?;
    Ok(lost)
}

/// What an entry is, in one word.
fn kind(payload: &[u8]) -> &'static str {
    match Entry::decode(payload) {
        Ok(Entry::Messages(_)) => "messages",
        Ok(Entry::Half(_)) => "half",
        Ok(Entry::Decision(_)) => "decision",
        Ok(Entry::Check(_)) => "check",
        Ok(Entry::SetAside(_)) => "set aside",
        Ok(Entry::Resume(_)) => "resume",
        Ok(Entry::Scheduled(_)) => "scheduled",
        Ok(Entry::Deliver(_)) => "deliver",
        Ok(Entry::Offsets(_)) => "offsets",
        Ok(Entry::Topic(_)) => "topic",
        Ok(Entry::TopicDeleted { .. }) => "topic deleted",
        Ok(Entry::Group(_)) => "group",
        Ok(Entry::GroupDeleted { .. }) => "group deleted",
        Ok(Entry::KeyValue { .. }) => "key-value",
        Ok(Entry::Carried(_)) => "carried",
        Err(_) => "unknown",
    }
}
