//! The data directory, and the disk it is on.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access, access};
use store::directory::{DirectoryError, FORMAT_VERSION, TANDEM_FILE};

use super::{Doors, Finding, shown};
use crate::config::units::format_size;
use crate::config::{Config, Durability};

const DIRECTORY: &str = "data directory";
const DATA: &str = "data";
const DISK: &str = "disk";

/// Data of up to this size is read from end to end: about a second.
const READ_MAX: u64 = 1 << 30;
/// A clock may differ from that of the disk by so much.
const FUTURE_MS: u128 = 2000;
/// File systems, by the number `statfs` has for them: what durability means there.
const FILE_SYSTEMS: [(u64, &str, Nature); 10] = [
    (0xEF53, "ext4", Nature::Disk),
    (0x5846_5342, "xfs", Nature::Disk),
    (0x9123_683E, "btrfs", Nature::CopyOnWrite),
    (0x2FC1_2FC1, "zfs", Nature::CopyOnWrite),
    (0x0102_1994, "tmpfs", Nature::Memory),
    (0x8584_58F6, "ramfs", Nature::Memory),
    (0x794C_7630, "overlay", Nature::Layer),
    (0x6969, "nfs", Nature::Network),
    (0xFF53_4D42, "cifs", Nature::Network),
    (0x6573_5546, "fuse", Nature::Network),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Nature {
    Disk,
    CopyOnWrite,
    Memory,
    Layer,
    Network,
}

/// What there is to say, and whether a process uses the directory.
pub fn look(config: &Config, doors: &mut dyn Doors) -> (bool, Vec<Finding>) {
    let path = &config.server.data;
    let mut findings = Vec::new();
    let mut in_use = false;
    let there = match fs::metadata(path) {
        Ok(about) if !about.is_dir() => {
            let advice = "name a directory with --data (server.data), or move the file away";
            findings.push(Finding::wrong(DIRECTORY, format!("{} is no directory", shown(path)), advice));
            None
        }
        Ok(about) => {
            let usable = permissions(path, &about);
            let is_usable = usable.verdict != super::Verdict::Wrong;
            findings.push(usable);
            if is_usable {
                let (used, found) = contents(path, doors);
                in_use = used;
                findings.extend(found);
            }
            Some(path.clone())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (above, finding) = not_there(path);
            findings.push(finding);
            above
        }
        Err(error) => {
            let advice =
                "run this as the user that runs the server, and see who may look into the directories above it";
            findings.push(Finding::wrong(DIRECTORY, format!("{} cannot be looked at: {error}", shown(path)), advice));
            None
        }
    };
    if let Some(there) = there {
        findings.extend(disk(config, &there));
    }
    (in_use, findings)
}

fn not_there(path: &Path) -> (Option<PathBuf>, Finding) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(above) = absolute.ancestors().skip(1).find(|above| above.exists()).map(Path::to_owned) else {
        let advice = "name another directory with --data (server.data)";
        return (None, Finding::wrong(DIRECTORY, format!("nothing of {} is there", shown(&absolute)), advice));
    };
    let finding = match access(&above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(DIRECTORY, format!("{} is not there; the first start makes it", shown(path))),
        Err(error) => Finding::wrong(
            DIRECTORY,
            format!("{} is not there, and {} does not let it be made: {error}", shown(path), shown(&above)),
            "make it, and give it to the user that runs the server",
        ),
    };
    (Some(above), finding)
}

fn permissions(path: &Path, about: &fs::Metadata) -> Finding {
    if let Err(error) = access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        return Finding::wrong(
            DIRECTORY,
            format!("{} cannot be read and written: {error}", shown(path)),
            "run the server as the user it belongs to, or give it to the one that runs the server (chown -R)",
        );
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o002 != 0 {
        let advice = format!("take that away: chmod o-w {}", shown(path));
        return Finding::note(DIRECTORY, format!("{} can be written by anybody (mode {mode:o})", shown(path)), advice);
    }
    Finding::ok(DIRECTORY, format!("{}, readable and writable", shown(path)))
}

/// What lies in the directory, as far as its owner lets anybody look.
fn contents(path: &Path, doors: &mut dyn Doors) -> (bool, Vec<Finding>) {
    let marker = path.join(TANDEM_FILE);
    let mut findings = Vec::new();
    if let Some(ahead_ms) = fs::metadata(&marker).and_then(|about| about.modified()).ok().and_then(ahead_of_now) {
        let found =
            format!("{} was written {} s in the future: the clock was set back", shown(&marker), ahead_ms / 1000);
        findings.push(Finding::note(DATA, found, "set the clock; the broker's time never goes back and waits for it"));
    }
    if !marker.exists() {
        let foreign = fs::read_dir(path).ok().and_then(|mut entries| entries.next()?.ok());
        findings.push(match foreign {
            None => Finding::ok(DATA, "none yet; the first start makes the store"),
            Some(entry) => Finding::wrong(
                DATA,
                format!("{} holds {:?} and is no data directory of Tandem", shown(path), entry.file_name()),
                "use an empty or new directory (--data), or the one that was used before",
            ),
        });
        return (false, findings);
    }
    let size = size_of(&path.join("log"));
    if size > READ_MAX {
        // Taking the directory checks its format and its owner; reading it all is for `store verify`.
        findings.push(match store::directory::DataDirectory::existing(path) {
            Ok(_) => Finding::ok(
                DATA,
                format!(
                    "format {FORMAT_VERSION}, {} of log, not in use; too much to be read here: tandem store verify",
                    format_size(size)
                ),
            ),
            Err(error) => return with_refusal(&error, findings),
        });
        return (false, findings);
    }
    match doors.verify_store(path) {
        Ok(report) if report.damage.is_empty() => {
            let torn = if report.torn_tail.is_some() { ", and a torn tail that the next start cuts off" } else { "" };
            findings.push(Finding::ok(
                DATA,
                format!("format {FORMAT_VERSION}, {} entries, none damaged{torn}; not in use", report.entries),
            ));
        }
        Ok(report) => {
            let first = &report.damage[0];
            findings.push(Finding::wrong(
                DATA,
                format!(
                    "{} damaged places; the first: {} at {}: {}",
                    report.damage.len(),
                    first.file,
                    first.offset,
                    first.what
                ),
                format!("copy the directory, then: tandem store repair --data {} --dry-run", shown(path)),
            ));
        }
        Err(error) => match error.downcast_ref::<DirectoryError>() {
            Some(refusal) => return with_refusal(refusal, findings),
            None => findings.push(Finding::wrong(
                DATA,
                format!("{error:#}"),
                "restore the directory from a copy, or start the version that wrote it",
            )),
        },
    }
    (false, findings)
}

fn with_refusal(error: &DirectoryError, mut findings: Vec<Finding>) -> (bool, Vec<Finding>) {
    if let DirectoryError::InUse { pid, .. } = error {
        let who = pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
        findings.push(Finding::ok(DATA, format!("in use by {who}; it is looked into when that has stopped")));
        return (true, findings);
    }
    // Its text says what to do.
    let text = error.to_string();
    let (found, advice) = text.split_once(": ").unwrap_or((&text, "look at the directory"));
    findings.push(Finding::wrong(DATA, found, advice));
    (false, findings)
}

fn ahead_of_now(modified: SystemTime) -> Option<u128> {
    let ahead_ms = modified.duration_since(SystemTime::now()).ok()?.as_millis();
    (ahead_ms > FUTURE_MS).then_some(ahead_ms)
}

/// Bytes of the files in a directory.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|about| about.len()).sum()
}

fn disk(config: &Config, path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    match rustix::fs::statvfs(path) {
        Ok(space) => {
            let (free, size) = (space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize);
            findings.push(room(config.store.segment_size, free, size));
            if space.f_files > 0 && space.f_favail == 0 {
                findings.push(Finding::wrong(
                    DISK,
                    "no inode is free: no file can be made",
                    "remove files you do not need",
                ));
            }
        }
        Err(error) => {
            let found = format!("its free space cannot be found out: {error}");
            findings.push(Finding::note(DISK, found, "look with df"));
        }
    }
    if let Ok(about) = rustix::fs::statfs(path) {
        findings.push(file_system(about.f_type as u64, config.store.durability));
    }
    findings
}

/// Whether there is room to go on writing.
fn room(segment_size: u64, free: u64, size: u64) -> Finding {
    let found = format!("{} of {} are free", format_size(round(free)), format_size(round(size)));
    let advice = "free some, or keep less (retention.age, retention.size); a full disk refuses new messages, and goes on \
                  by itself when there is room";
    if free < 2 * segment_size {
        Finding::wrong(DISK, format!("{found}, not two segments of {}", format_size(segment_size)), advice)
    } else if free < size / 20 {
        Finding::note(DISK, format!("{found}, less than a twentieth"), advice)
    } else {
        Finding::ok(DISK, found)
    }
}

/// To three digits or so: a size in bytes to the last of them tells nobody anything.
fn round(bytes: u64) -> u64 {
    let unit = (0..6).map(|step| 1_u64 << (10 * step)).take_while(|unit| bytes / unit >= 10).last().unwrap_or(1);
    bytes / unit * unit
}

fn file_system(kind: u64, durability: Durability) -> Finding {
    let about = "file system";
    let Some((_, name, nature)) = FILE_SYSTEMS.iter().find(|(known, ..)| *known == kind) else {
        return Finding::ok(about, format!("of a kind that is not known here ({kind:#x})"));
    };
    match (nature, durability) {
        (Nature::Memory, Durability::Disk) => Finding::wrong(
            about,
            format!("{name}: memory, gone with the power, although store.durability is \"disk\""),
            "put the data directory onto a disk, or say store.durability = \"memory\" if that is meant",
        ),
        (Nature::Network, _) => Finding::note(
            about,
            format!("{name}: whether what was synced survives is up to a server elsewhere, and so are locks"),
            "put the data directory onto a local disk",
        ),
        (Nature::Layer, _) => Finding::note(
            about,
            format!("{name}: a layer of a container, gone with it"),
            "mount a volume for the data directory",
        ),
        (Nature::CopyOnWrite, _) => {
            Finding::ok(about, format!("{name}: it writes anew what was prepared, and syncs slower"))
        }
        (Nature::Disk | Nature::Memory, _) => Finding::ok(about, *name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_disk_needs_room_for_two_segments() {
        let gib = 1 << 30;
        assert_eq!(room(gib, 50 * gib, 100 * gib).verdict, Verdict::Ok);
        assert_eq!(room(gib, 4 * gib, 100 * gib).verdict, Verdict::Note);
        let full = room(gib, gib, 100 * gib);
        assert_eq!(full.verdict, Verdict::Wrong);
        assert!(full.found.starts_with("1GiB of 100GiB are free"), "{}", full.found);
    }

    #[test]
    fn memory_that_is_to_be_durable_is_wrong() {
        assert_eq!(file_system(0x0102_1994, Durability::Disk).verdict, Verdict::Wrong);
        assert_eq!(file_system(0x0102_1994, Durability::Memory).verdict, Verdict::Ok);
        assert_eq!(file_system(0x6969, Durability::Disk).verdict, Verdict::Note);
        assert_eq!(file_system(0xEF53, Durability::Disk), Finding::ok("file system", "ext4"));
        assert!(file_system(7, Durability::Disk).found.contains("0x7"));
    }
}
