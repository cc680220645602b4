//! Power cuts under the real binary, on file systems of their own. No test of `cargo test`: it needs root, loop devices and
//! minutes, so the scripts `tests/faults/power-cut` and `tests/faults/block-replay` of the repository run it.
//!
//! [`rounds`] cuts a mounted file system off by its shutdown ioctl; [`replay`] records every write to a block device and
//! builds from them what a disk may hold after a cut. [`load`] remembers what was answered, `promises` compares.

#[allow(dead_code)]
#[path = "../../live/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../promises.rs"]
mod promises;
#[allow(dead_code)]
#[path = "../served.rs"]
mod served;
#[allow(dead_code)]
#[path = "../../live/wire.rs"]
mod wire;

mod block_log;
mod load;
mod machine;
mod replay;
mod rng;
mod rounds;

const USAGE: &str = "usage: power_cut rounds ext4|xfs ROUNDS SEED | power_cut replay ext4|xfs CUTS SEED
run it by tests/faults/power-cut and tests/faults/block-replay";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (kind, file_system, count, seed) = match words[..] {
        [kind @ ("rounds" | "replay"), file_system @ ("ext4" | "xfs"), count, seed] => {
            (kind, file_system, count.parse(), seed.parse())
        }
        _ => usage(),
    };
    let (Ok(count), Ok(seed)) = (count, seed) else { usage() };
    machine::check(kind == "replay", file_system);
    let broken = match kind {
        "rounds" => rounds::run(file_system, count, seed),
        _ => replay::run(file_system, count, seed),
    };
    for line in &broken {
        eprintln!("{line}");
    }
    std::process::exit(i32::from(!broken.is_empty()));
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(2);
}
