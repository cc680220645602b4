//! What a process used, and what the rest of the machine did meanwhile, as Linux tells it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Ticks of `/proc` in a second.
const TICKS: u64 = 100;

/// What a process has used so far; or, of two looks, in between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessCost {
    /// CPU time, its own and that of the system on its behalf. To 10 ms.
    pub cpu: Duration,
    /// Bytes that the block device took on which its files lie, whoever wrote them; `None` where that cannot be seen.
    ///
    /// Not `write_bytes` of `/proc/PID/io`: that counts a whole folio of the page cache, up to 2 MiB, whenever one byte of
    /// it becomes dirty, though only the blocks that changed are written.
    pub device_bytes: Option<u64>,
    /// Resident memory at the second look, in bytes.
    pub resident: u64,
}

impl ProcessCost {
    /// Looks at a process; `None` if it is not there, or not ours to look at.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in brackets may hold anything.
        let numbers: Vec<u64> =
            stat.rsplit_once(')')?.1.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0)).collect();
        let ticks = numbers.get(10)? + numbers.get(11)?;
        let line = |file: &str, name: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
            let rest = text.lines().find_map(|line| line.strip_prefix(name))?.trim();
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(ProcessCost {
            cpu: Duration::from_millis(ticks * 1_000 / TICKS),
            device_bytes: device_of(pid).and_then(written_to),
            resident: line("status", "VmRSS:")? << 10,
        })
    }

    /// What was used since an earlier look.
    pub fn since(self, earlier: ProcessCost) -> Self {
        ProcessCost {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            device_bytes: self.device_bytes.zip(earlier.device_bytes).map(|(now, then)| now.saturating_sub(then)),
            resident: self.resident,
        }
    }
}

/// The block device on which most of a process's open files lie, as `major:minor`.
fn device_of(pid: u32) -> Option<String> {
    let mut files: BTreeMap<u64, usize> = BTreeMap::new();
    for open in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten() {
        // Follows the link to the file itself. Sockets and pipes lie on no device.
        if let Ok(found) = fs::metadata(open.path())
            && found.is_file()
        {
            *files.entry(found.dev()).or_default() += 1;
        }
    }
    let (&device, _) = files.iter().max_by_key(|(_, count)| **count)?;
    Some(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

/// Bytes written to a block device since the machine started; `None` of what is none, such as a tmpfs.
fn written_to(device: String) -> Option<u64> {
    const SECTOR: u64 = 512;
    let stat = fs::read_to_string(format!("/sys/dev/block/{device}/stat")).ok()?;
    let sectors: u64 = stat.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * SECTOR)
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of the whole machine so far; or, of two looks, in between.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    busy: Duration,
    stolen: Duration,
    all: Duration,
}

impl Machine {
    /// Looks; `None` where there is no `/proc`.
    pub fn look() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> =
            stat.lines().next()?.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0)).collect();
        let time = |ticks: u64| Duration::from_millis(ticks * 1_000 / TICKS);
        // user nice system idle iowait irq softirq steal
        let [user, nice, system, idle, wait, irq, softirq, steal] = ticks.get(..8)?.try_into().ok()?;
        let busy = user + nice + system + irq + softirq;
        Some(Machine { busy: time(busy), stolen: time(steal), all: time(busy + idle + wait + steal) })
    }

    /// The share of the machine, 0 to 1, that others had since an earlier look: neither those who used `known` CPU time,
    /// nor interrupts. Stolen time is others' as well.
    pub fn others_since(self, earlier: Machine, known: Duration) -> f64 {
        let all = self.all.saturating_sub(earlier.all).as_secs_f64();
        let busy = self.busy.saturating_sub(earlier.busy).saturating_sub(known);
        let others = busy + self.stolen.saturating_sub(earlier.stolen);
        if all > 0.0 { (others.as_secs_f64() / all).min(1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_process_that_computes_uses_time() {
        let before = ProcessCost::of(std::process::id()).expect("we are there");
        let started = own_cpu();
        while own_cpu() - started < Duration::from_millis(60) {
            std::hint::black_box((0..10_000).sum::<u64>());
        }
        let used = ProcessCost::of(std::process::id()).expect("we are there").since(before);
        assert!(used.cpu >= Duration::from_millis(40), "{used:?}");
        assert!(used.resident > 1 << 20, "{used:?}");
    }

    #[test]
    fn bytes_that_are_synced_reach_the_device() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let file = fs::File::create(directory.path().join("file")).expect("a file");
        let device = format!(
            "{0}:{1}",
            rustix::fs::major(file.metadata().unwrap().dev()),
            rustix::fs::minor(file.metadata().unwrap().dev())
        );
        let Some(before) = written_to(device.clone()) else {
            // No block device of its own, as in many containers: then there is no figure either.
            assert_eq!(written_to(device), None);
            return;
        };
        file.write_all_at(&[7; 1 << 20], 0).expect("room");
        file.sync_all().expect("a disk");
        let written = written_to(device).expect("it was there before") - before;
        assert!(written >= 1 << 20, "{written}");
        assert!(device_of(std::process::id()).is_some());
    }

    #[test]
    fn others_are_what_is_left() {
        let at = |busy, all| Machine {
            busy: Duration::from_secs(busy),
            stolen: Duration::from_secs(1),
            all: Duration::from_secs(all),
        };
        let others = at(30, 140).others_since(at(10, 40), Duration::from_secs(15));
        assert!((others - 0.05).abs() < 1e-9, "{others}");
    }
}
