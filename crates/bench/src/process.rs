//! What a process used, and what the rest of the machine did meanwhile, as Linux tells it.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Ticks of `/proc` in a second.
const TICKS: u64 = 100;

/// What a process has used so far; or, of two looks, in between.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessCost {
    /// CPU time, its own and that of the system on its behalf. To 10 ms.
    pub cpu: Duration,
    /// Bytes that were sent to be written to the device.
    pub device_bytes: u64,
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
            device_bytes: line("io", "write_bytes:")?,
            resident: line("status", "VmRSS:")? << 10,
        })
    }

    /// What was used since an earlier look.
    pub fn since(self, earlier: ProcessCost) -> Self {
        ProcessCost {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            device_bytes: self.device_bytes.saturating_sub(earlier.device_bytes),
            resident: self.resident,
        }
    }
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
