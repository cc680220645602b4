//! A data directory looked at, and repaired, while no broker uses it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use message::CommitLogOffset;
use store::directory::DataDirectory;
use store::disk::Disk;
use store::verify::{self, Fault, Lost, RepairChoice, Repaired, Report};

use super::model::{Damage, StoreReport};

/// Most repairs in a row. Each takes one sort of damage out of the way, and may uncover another.
const REPAIRS_MAX: usize = 8;

/// Reads everything and tells what is damaged.
///
/// # Errors
/// The directory is in use or none of ours, or its files cannot be told apart.
pub fn verify(data: &Path) -> Result<StoreReport> {
    let directory = DataDirectory::existing(data)?;
    let started = Instant::now();
    let report = verify::verify(&*directory.disk())?;
    Ok(store_report(&directory, &report, started.elapsed()))
}

/// Makes a damaged store start again, or tells what that would take.
///
/// # Errors
/// As [`verify`](fn@verify), and when a repair does not work.
pub fn repair(data: &Path, dry_run: bool) -> Result<StoreReport> {
    let directory = DataDirectory::existing(data)?;
    let disk = directory.disk();
    let started = Instant::now();
    let found = verify::verify(&*disk)?;
    let repairs = if dry_run { plan(&found) } else { carry_out(&*disk, &found)? };
    Ok(StoreReport { repairs, ..store_report(&directory, &found, started.elapsed()) })
}

fn store_report(directory: &DataDirectory, report: &Report, took: Duration) -> StoreReport {
    let snapshots = report.damaged_snapshots.iter().map(|damage| Damage {
        file: damage.file.clone(),
        offset: 0,
        what: damage.found.clone(),
    });
    StoreReport {
        data: directory.path().display().to_string(),
        segments: report.segments as u64,
        log_start: report.start.get(),
        log_end: report.end.get(),
        entries: report.entries,
        elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        torn_tail: report.torn_tail.as_ref().map(batch_damage),
        damage: report.faults.iter().map(damage_of).chain(snapshots).collect(),
        repairs: Vec::new(),
    }
}

fn damage_of(fault: &Fault) -> Damage {
    match fault {
        Fault::Batches(damage) => batch_damage(damage),
        Fault::SegmentHeader(damage) => Damage {
            file: damage.file.clone(),
            offset: damage.position,
            what: format!("the header of the segment at {} is damaged: {}", damage.offset, damage.found),
        },
        Fault::Missing { from, to } => Damage {
            file: "log".to_owned(),
            offset: 0,
            what: format!("what lies from {from} to {to} of the log is missing"),
        },
    }
}

fn batch_damage(damage: &store::log::Damage) -> Damage {
    let rest = match damage.next {
        Some(next) => format!("readable again from {next} on"),
        None => "nothing behind it is readable".to_owned(),
    };
    Damage {
        file: damage.file.clone(),
        offset: damage.position,
        what: format!("at {} of the log: {}; {rest}", damage.offset, damage.found),
    }
}

/// What is to be done first about this.
fn next_choice(report: &Report) -> Option<RepairChoice> {
    if !report.damaged_snapshots.is_empty() {
        return Some(RepairChoice::SetAsideSnapshots);
    }
    // What is older than the newest snapshot can go without touching what came after it.
    if missing_before_snapshot(report).is_some() {
        return Some(RepairChoice::DropOlder);
    }
    report.blocking().next().map(|_| RepairChoice::CutLog)
}

/// Offset behind the last segments that are missing before the newest snapshot.
fn missing_before_snapshot(report: &Report) -> Option<CommitLogOffset> {
    let from = report.reads_from();
    report.faults.iter().rev().find_map(|fault| match fault {
        Fault::Missing { to, .. } if *to <= from => Some(*to),
        _ => None,
    })
}

/// What would be done, as far as it can be seen before it is.
fn plan(report: &Report) -> Vec<String> {
    let mut plan = Vec::new();
    if !report.damaged_snapshots.is_empty() {
        let files: Vec<_> = report.damaged_snapshots.iter().map(|damage| damage.file.as_str()).collect();
        let start = match report.snapshots.last() {
            Some(at) => format!("the snapshot at {at}"),
            None => "the beginning of the log".to_owned(),
        };
        plan.push(format!("move {} to damaged/; a start then reads from {start} on", files.join(", ")));
    }
    if let Some(behind) = missing_before_snapshot(report) {
        plan.push(format!(
            "begin the log at {behind}: the messages from {} to there are given up, topics, offsets and undecided \
             transactions are in the snapshot",
            report.start
        ));
    }
    let headers = report.faults.iter().filter_map(|fault| match fault {
        Fault::SegmentHeader(damage) => {
            Some(format!("write the header of {} anew; nothing is lost by it", damage.file))
        }
        Fault::Batches(_) | Fault::Missing { .. } => None,
    });
    plan.extend(headers);
    let cut = report.blocking().find(|fault| match fault {
        Fault::Batches(_) => true,
        Fault::Missing { to, .. } => *to > report.reads_from(),
        Fault::SegmentHeader(_) => false,
    });
    if let Some(fault) = cut {
        let at = fault.offset().max(report.reads_from());
        plan.push(format!("end the log at {at}: everything from there to {} is given up", report.end));
    }
    plan.extend(left_alone(report));
    plan
}

fn carry_out(disk: &dyn Disk, found: &Report) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut report = found.clone();
    for _ in 0..REPAIRS_MAX {
        let Some(choice) = next_choice(&report) else {
            done.extend(left_alone(&report));
            return Ok(done);
        };
        done.extend(told(choice, &verify::repair(disk, &report, choice)?));
        report = verify::verify(disk)?;
    }
    bail!(
        "after {REPAIRS_MAX} repairs the store is damaged still; what was taken out of it lies in damaged/: restore the data \
         directory from a copy"
    )
}

/// What one repair did, a line each.
fn told(choice: RepairChoice, repaired: &Repaired) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(lost) = &repaired.lost {
        let how = match choice {
            RepairChoice::CutLog => "ended the log",
            RepairChoice::DropOlder => "began the log anew",
            RepairChoice::SetAsideSnapshots => "took snapshots away",
        };
        lines.push(format!("{how}: what lay from {} to {} of it is given up; {}", lost.from, lost.to, readable(lost)));
    }
    lines.extend(repaired.headers_rewritten.iter().map(|file| format!("wrote the header of {file} anew")));
    if !repaired.kept_in.is_empty() {
        lines.push(format!("what was taken out is kept in {}", repaired.kept_in.join(", ")));
    }
    if repaired.unreadable_bytes > 0 {
        lines.push(format!("the disk could not read {} bytes, which are zeros there", repaired.unreadable_bytes));
    }
    lines
}

fn readable(lost: &Lost) -> String {
    let kinds: Vec<_> = lost.readable.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    match kinds.is_empty() {
        true => "nothing of it was readable".to_owned(),
        false => format!("entries of it that were readable: {}", kinds.join(", ")),
    }
}

/// Damage that keeps no server from starting.
fn left_alone(report: &Report) -> Option<String> {
    let blocking = report.blocking().count();
    let left = report.faults.len() - blocking;
    let places = if left == 1 { "1 damaged place" } else { &format!("{left} damaged places") };
    (left > 0).then(|| format!("left as it is: {places} before the newest snapshot; the messages there cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(faults: Vec<Fault>, snapshots: &[u64]) -> Report {
        let at = CommitLogOffset::new;
        Report {
            start: at(0),
            end: at(9000),
            synced: at(9000),
            segments: 3,
            batches: 9,
            entries: 20,
            bytes: 9000,
            faults,
            torn_tail: None,
            snapshots: snapshots.iter().copied().map(at).collect(),
            damaged_snapshots: Vec::new(),
        }
    }

    fn batches(offset: u64, next: Option<u64>) -> Fault {
        Fault::Batches(store::log::Damage {
            file: "log/0.seg".to_owned(),
            position: offset + 4096,
            offset: CommitLogOffset::new(offset),
            found: "the checksum is wrong".to_owned(),
            next: next.map(CommitLogOffset::new),
        })
    }

    fn missing(from: u64, to: u64) -> Fault {
        Fault::Missing { from: CommitLogOffset::new(from), to: CommitLogOffset::new(to) }
    }

    #[test]
    fn a_store_that_is_sound_needs_nothing() {
        let sound = report(Vec::new(), &[100]);
        assert_eq!((next_choice(&sound), plan(&sound)), (None, Vec::new()));
    }

    #[test]
    fn damage_behind_the_snapshot_costs_what_lies_behind_it() {
        let damaged = report(vec![batches(5000, Some(5100)), batches(7000, None)], &[1000]);
        assert_eq!(next_choice(&damaged), Some(RepairChoice::CutLog));
        assert_eq!(plan(&damaged), ["end the log at 5000: everything from there to 9000 is given up"]);
    }

    #[test]
    fn damage_before_the_snapshot_is_left_where_it_is() {
        let damaged = report(vec![batches(500, Some(600))], &[1000]);
        assert_eq!(next_choice(&damaged), None);
        assert_eq!(
            plan(&damaged),
            ["left as it is: 1 damaged place before the newest snapshot; the messages there cannot be read"]
        );
    }

    #[test]
    fn segments_missing_before_the_snapshot_cost_the_older_messages_only() {
        let damaged = report(vec![missing(2000, 4000)], &[5000]);
        assert_eq!(next_choice(&damaged), Some(RepairChoice::DropOlder));
        let plan = plan(&damaged);
        assert_eq!(plan.len(), 1, "{plan:?}");
        assert!(plan[0].starts_with("begin the log at 4000: the messages from 0 to there are given up"), "{plan:?}");
    }

    #[test]
    fn damaged_snapshots_go_first() {
        let mut damaged = report(vec![batches(5000, None)], &[1000]);
        damaged.damaged_snapshots =
            vec![store::snapshot::SnapshotDamage { file: "snapshots/8".to_owned(), found: "too short".to_owned() }];
        assert_eq!(next_choice(&damaged), Some(RepairChoice::SetAsideSnapshots));
        let plan = plan(&damaged);
        assert_eq!(plan[0], "move snapshots/8 to damaged/; a start then reads from the snapshot at 1000 on");
        assert_eq!(plan.len(), 2, "{plan:?}");
    }
}
