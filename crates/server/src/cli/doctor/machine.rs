//! What the machine has: clock, memory, open files.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::Config;
use crate::config::units::format_size;

/// Descriptors that are no connection: segments and index files, listeners, standard streams.
const OTHER_DESCRIPTORS: u64 = 4096;
/// Between two looks at both clocks.
const CLOCK_WATCHED: Duration = Duration::from_millis(100);
/// By so much the wall clock may run differently in that time: more is a jump.
const CLOCK_JUMP_MS: i128 = 25;
/// No clock that is set shows less: 2026-01-01.
const CLOCK_MIN_S: u64 = 1_767_225_600;
/// Nor more: 2100-01-01.
const CLOCK_MAX_S: u64 = 4_102_444_800;
/// A broker of default limits needs less; below it, others who want memory end it.
const MEMORY_WRONG: u64 = 64 << 20;
const MEMORY_NOTE: u64 = 256 << 20;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct ClockSample {
    wall: Duration,
    steady: Instant,
}

impl ClockSample {
    /// Now.
    pub fn take() -> Self {
        // Before 1970 is not set, as is 1970.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClockSample { wall, steady: Instant::now() }
    }
}

/// What there is to say; the clock was looked at a while ago.
pub fn look(config: &Config, before: ClockSample) -> Vec<Finding> {
    std::thread::sleep(CLOCK_WATCHED.saturating_sub(before.steady.elapsed()));
    let now = ClockSample::take();
    let wall_ms = now.wall.as_millis() as i128 - before.wall.as_millis() as i128;
    let steady_ms = (now.steady - before.steady).as_millis() as i128;
    let mut findings = vec![clock(now.wall.as_secs(), wall_ms - steady_ms)];
    findings.extend(available_memory().map(memory));
    let limit = getrlimit(Resource::Nofile);
    findings.push(open_files(limit.maximum, u64::from(config.limits.connections)));
    findings
}

fn clock(wall_s: u64, jumped_ms: i128) -> Finding {
    let about = "clock";
    let advice = "set it, and keep it in step (chrony, systemd-timesyncd); retention and delays go by it";
    if !(CLOCK_MIN_S..CLOCK_MAX_S).contains(&wall_s) {
        let now = message::Timestamp::from_millis(i64::try_from(wall_s).unwrap_or(i64::MAX / 1000) * 1000);
        return Finding::wrong(about, format!("it says {now}, which cannot be"), advice);
    }
    if jumped_ms.abs() > CLOCK_JUMP_MS {
        return Finding::note(about, format!("it jumped by {jumped_ms} ms while it was looked at"), advice);
    }
    Finding::ok(about, "it is set, and runs with the machine's own")
}

fn memory(available: u64) -> Finding {
    let about = "memory";
    let found = format!("{} are available", format_size(available >> 20 << 20));
    let advice =
        "stop something else, or let less be kept in memory (limits.in_flight_bytes, limits.open_transactions)";
    match available {
        ..MEMORY_WRONG => Finding::wrong(about, found, advice),
        MEMORY_WRONG..MEMORY_NOTE => Finding::note(about, found, advice),
        MEMORY_NOTE.. => Finding::ok(about, found),
    }
}

/// What the machine has, or the control group leaves; `None` when neither can be found out.
fn available_memory() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
    });
    let number = |path: &str| read(path).and_then(|text| text.trim().parse::<u64>().ok());
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|max| max.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    machine.into_iter().chain(group).min()
}

/// The server raises its own limit as far as this one lets it.
fn open_files(hard: Option<u64>, connections: u64) -> Finding {
    let about = "open files";
    let wanted = connections + OTHER_DESCRIPTORS;
    match hard {
        Some(hard) if hard < OTHER_DESCRIPTORS => Finding::wrong(
            about,
            format!("at most {hard} can be open: hardly a connection is left beside the store's files"),
            format!("raise the hard limit to {wanted} (ulimit -Hn, LimitNOFILE= of systemd)"),
        ),
        Some(hard) if hard < wanted => Finding::note(
            about,
            format!("at most {hard} can be open, enough for {} connections of {connections}", hard - OTHER_DESCRIPTORS),
            format!(
                "raise the hard limit to {wanted} (ulimit -Hn, LimitNOFILE= of systemd), or lower limits.connections"
            ),
        ),
        _ => Finding::ok(about, format!("as many as {connections} connections need")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_wrong_and_one_that_jumps_is_told() {
        assert_eq!(clock(1_000_000, 0).verdict, Verdict::Wrong);
        assert!(clock(1_000_000, 0).found.contains("1970-01-12"), "{:?}", clock(1_000_000, 0));
        assert_eq!(clock(CLOCK_MIN_S, -3000).verdict, Verdict::Note);
        assert_eq!(clock(CLOCK_MIN_S, 3).verdict, Verdict::Ok);
    }

    #[test]
    fn limits_are_compared_with_what_the_configuration_wants() {
        assert_eq!(open_files(Some(1024), 20_000).verdict, Verdict::Wrong);
        assert!(open_files(Some(5096), 20_000).found.contains("enough for 1000 connections of 20000"));
        assert_eq!(open_files(None, 20_000).verdict, Verdict::Ok);
        assert_eq!([memory(1 << 20).verdict, memory(100 << 20).verdict], [Verdict::Wrong, Verdict::Note]);
        assert_eq!(memory(1 << 30).found, "1GiB are available");
    }
}
