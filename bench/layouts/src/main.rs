//! Measures thread layouts for a durable request/reply server, before one is built on.
//!
//! ```text
//! cargo run --release -p layouts -- --seconds 2 --rounds 3 --dir DIR
//! ```
//!
//! DIR is on the disk to be measured; it gets one file of 256 MiB, which is removed at the end. `--only LOAD` runs the
//! loads whose name contains LOAD.
//!
//! Every cell (layout, load, length of a sync) is a server process and a client process of its own. The layouts take
//! turns (A B C0 ... A B C0 ...), so that a slow minute of the machine hits all of them; the table has medians over the
//! rounds, and ratios to A. Each server does the same work: find opaque and code in a header like the Java client's,
//! copy the body of 1 KiB into a checksummed record, one write and one fdatasync into a zero-filled file for all that
//! arrived meanwhile, one write of replies per connection. Only who does it differs ([`server::LAYOUTS`]).
//!
//! A cell is remarked as *not quiet* when other processes used more than 5 % of the machine just before it. CPU is the
//! process CPU clock of the server, over all its threads, divided by answered requests.
//!
//! Suggested reading: [`server`], [`log`], [`core_thread`], then [`sockets`], [`client`], [`wire`].

mod client;
mod core_thread;
mod log;
mod server;
mod sockets;
mod wire;

use client::{Load, Measured};
use log::Log;
use server::LAYOUTS;
use std::error::Error;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LOADS: [(&str, Load); 5] = [
    ("1 connection x 1", Load { connections: 1, depth: 1, ping: false }),
    ("4 connections x 16", Load { connections: 4, depth: 16, ping: false }),
    ("64 connections x 1", Load { connections: 64, depth: 1, ping: false }),
    ("4 connections x 256", Load { connections: 4, depth: 256, ping: false }),
    ("4 connections x 16, and pings", Load { connections: 4, depth: 16, ping: true }),
];
/// Time added to every sync, in microseconds, for [`SLOW_LAYOUTS`] and the loads that pipeline.
const SLOW_SYNCS_US: [u64; 2] = [1_000, 3_000];
const SLOW_LAYOUTS: [&str; 2] = ["A", "B"];
/// Share of the machine that others may use before a cell is remarked.
const OTHERS_MAX: f64 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["server", layout, file, sync_extra_us] => {
            let log = Log::open(Path::new(file), Duration::from_micros(sync_extra_us.parse()?))?;
            Ok(server::serve(layout, log)?)
        }
        ["client", port, connections, depth, ping, seconds] => {
            let load = Load { connections: connections.parse()?, depth: depth.parse()?, ping: ping == "true" };
            Ok(client::run(port.parse()?, load, Duration::from_secs_f64(seconds.parse()?))?)
        }
        _ => compare(&Options::parse(&words)?),
    }
}

struct Options {
    seconds: f64,
    rounds: usize,
    dir: PathBuf,
    only: String,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Options, Box<dyn Error>> {
        let mut options = Options { seconds: 2.0, rounds: 3, dir: PathBuf::new(), only: String::new() };
        for pair in words.chunks(2) {
            match *pair {
                ["--seconds", value] => options.seconds = value.parse()?,
                ["--rounds", value] => options.rounds = value.parse::<usize>()?.max(1),
                ["--dir", value] => options.dir = value.into(),
                ["--only", value] => options.only = value.into(),
                _ => return Err(format!("{pair:?}: say --seconds N, --rounds N, --dir DIR or --only LOAD").into()),
            }
        }
        if !options.dir.is_dir() {
            return Err(format!("--dir {:?} is no directory: name one on the disk to measure", options.dir).into());
        }
        Ok(options)
    }
}

fn compare(options: &Options) -> Result<(), Box<dyn Error>> {
    let file = options.dir.join("layouts.log");
    Log::prepare(&file)?;
    for (name, description) in LAYOUTS {
        println!("- {name}: {description}");
    }
    println!("\n| load | sync | layout | sends/s | p50 us | p99 us | ping p99 us | server CPU us/request | remark |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for sync_extra_us in std::iter::once(0).chain(SLOW_SYNCS_US) {
        let slow = sync_extra_us > 0;
        let layouts = LAYOUTS.iter().map(|(layout, _)| *layout).filter(|layout| !slow || SLOW_LAYOUTS.contains(layout));
        let layouts: Vec<&str> = layouts.collect();
        for (name, load) in
            LOADS.iter().filter(|(name, load)| name.contains(&options.only) && (!slow || load.depth > 1))
        {
            let mut cells = vec![(Vec::new(), 0); layouts.len()];
            for _ in 0..options.rounds {
                for (layout, (runs, noisy)) in layouts.iter().zip(&mut cells) {
                    *noisy += usize::from(share_of_others()? > OTHERS_MAX);
                    runs.push(measure(layout, &file, sync_extra_us, *load, options.seconds)?);
                }
            }
            let rows: Vec<Measured> = cells.iter().map(|(runs, _)| medians(runs)).collect();
            for ((layout, row), (_, noisy)) in layouts.iter().zip(&rows).zip(&cells) {
                let sync = if slow { format!("+{sync_extra_us} us") } else { "disk".into() };
                let remark = if *noisy == 0 { String::new() } else { format!("not quiet in {noisy} rounds") };
                let figures = figures(row, &rows[0], load.ping);
                println!("| {name} | {sync} | {layout} | {figures} | {remark} |");
            }
        }
    }
    Ok(std::fs::remove_file(&file)?)
}

fn figures(row: &Measured, base: &Measured, ping: bool) -> String {
    let ratio = |value: f64, base: f64, digits: usize| format!("{value:.digits$} ({:.2})", value / base);
    [
        ratio(row.rate, base.rate, 0),
        ratio(row.p50, base.p50, 0),
        ratio(row.p99, base.p99, 0),
        if ping { ratio(row.ping_p99, base.ping_p99, 0) } else { "-".into() },
        ratio(row.server_cpu, base.server_cpu, 1),
    ]
    .join(" | ")
}

/// Of each figure the middle one, so that a row may come from several rounds.
fn medians(runs: &[Measured]) -> Measured {
    let median = |figure: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(figure).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        rate: median(|run| run.rate),
        p50: median(|run| run.p50),
        p99: median(|run| run.p99),
        ping_p99: median(|run| run.ping_p99),
        server_cpu: median(|run| run.server_cpu),
    }
}

/// A child process of this binary, killed when dropped.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn spawn(words: &[&str]) -> Result<Process, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("a child without output")?).lines();
        Ok(Process { child, lines })
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        Ok(self.lines.next().ok_or("a child process ended early, its reason is above")??)
    }

    fn cpu_ns(&mut self) -> Result<f64, Box<dyn Error>> {
        self.child.stdin.as_mut().ok_or("a child without input")?.write_all(b"cpu\n")?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(
    layout: &str,
    file: &Path,
    sync_extra_us: u64,
    load: Load,
    seconds: f64,
) -> Result<Measured, Box<dyn Error>> {
    let file = file.to_str().ok_or("--dir must be valid UTF-8")?;
    let mut server = Process::spawn(&["server", layout, file, &sync_extra_us.to_string()])?;
    let port = server.line()?;
    let (connections, depth) = (load.connections.to_string(), load.depth.to_string());
    let words = ["client", &port, &connections, &depth, &load.ping.to_string(), &seconds.to_string()];
    let mut client = Process::spawn(&words)?;
    client.line()?;
    let cpu_before = server.cpu_ns()?;
    client.line()?;
    let cpu_ns = server.cpu_ns()? - cpu_before;
    let result = client.line()?;
    let values: Vec<f64> = result.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let &[rate, count, p50, p99, ping_p99] = &values[..] else {
        return Err(format!("the client said {result:?} instead of five figures").into());
    };
    Ok(Measured { rate, p50, p99, ping_p99, server_cpu: cpu_ns / 1e3 / count })
}

/// The part of all CPUs that is busy while this bench does nothing, over 200 ms.
///
/// Waits up to 5 s for quiet: the kernel is still freeing what the last cell used.
fn share_of_others() -> Result<f64, Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let (busy_before, all_before) = cpu_ticks()?;
        thread::sleep(Duration::from_millis(200));
        let (busy, all) = cpu_ticks()?;
        let share = (busy - busy_before) / (all - all_before).max(1.0);
        if share <= OTHERS_MAX || Instant::now() > deadline {
            return Ok(share);
        }
    }
}

/// Busy and all ticks since boot.
fn cpu_ticks() -> Result<(f64, f64), Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().ok_or("/proc/stat is empty")?;
    let ticks: Vec<f64> = first.split_whitespace().skip(1).map(str::parse).collect::<Result<_, _>>()?;
    let all: f64 = ticks.iter().take(8).sum();
    // The fourth and fifth are idle and waiting for a disk.
    Ok((all - ticks.iter().skip(3).take(2).sum::<f64>(), all))
}
