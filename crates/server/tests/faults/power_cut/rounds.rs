//! Rounds of load and power cut on one file system: it is cut off by its shutdown ioctl, mounted again, and compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::{Load, Now, SETTINGS};
use crate::machine::{self, Mounted};
use crate::promises::{Counts, Promises};
use crate::rng::Rng;
use crate::served::Served;
use crate::wire::Wire;

/// Bytes of the file system, most of them never written.
const SIZE: u64 = 2 << 30;
/// Longest time from the start of the load to the cut.
const LOAD_MS: u64 = 1_500;

/// Cuts the power so often; returns what was broken.
pub fn run(file_system: &str, rounds: usize, seed: u64) -> Vec<String> {
    let directory = TempDir::new().expect("a temporary directory");
    let (image, at) = (directory.path().join("image"), directory.path().join("mounted"));
    let made = std::fs::File::create(&image).and_then(|file| file.set_len(SIZE));
    made.expect("a sparse file in the temporary directory");
    machine::format(&image, file_system);
    let mut rng = Rng(seed);
    let now: Now = Arc::new(|| 0);
    let (mut kept, mut fresh): (Vec<Promises>, Vec<Promises>) = (Vec::new(), Vec::new());
    let (mut total, mut broken) = (Counts::default(), Vec::new());
    let (mut slowest, mut torn) = (Duration::ZERO, 0);
    for round in 0..=rounds {
        let mounted = Mounted::new(&image, &at);
        let started = Instant::now();
        let served = Served::start(&[], &mounted.data(), &SETTINGS);
        let Some(address) = served.address else {
            broken.push(format!("round {round}: it does not start: {}", served.log()));
            break;
        };
        slowest = slowest.max(started.elapsed());
        torn += usize::from(served.log().contains("a torn tail was cut off"));
        let mut wire = Wire::connect(address);
        let mut found = Vec::new();
        for promises in kept.iter().chain(&fresh) {
            found.extend(promises.broken(&mut wire));
        }
        for promises in &mut fresh {
            found.extend(promises.settle(&mut wire));
        }
        broken.extend(found.into_iter().map(|line| format!("round {round}: {line}")));
        kept.append(&mut fresh);
        if round == rounds {
            drop(served);
            break;
        }
        let load = Load::begin(address, &format!("r{round}"), &now);
        std::thread::sleep(Duration::from_millis(rng.below(LOAD_MS)));
        assert!(!load.is_over(), "somebody is refused before the cut:\n{}", served.log());
        mounted.cut();
        let (promises, _) = load.end();
        total = promises.iter().fold(total, |total, promises| total.plus(promises.counts()));
        fresh = promises;
        drop(served);
    }
    println!(
        "{file_system}: {rounds} power cuts (seed {seed}), answered OK before them: {} sends, {} halves, {} decisions, {} \
         offsets, {} topics; lost or wrong: {}; a torn tail was found {torn} times, the slowest start took {} ms",
        total.sends,
        total.halves,
        total.decisions,
        total.offsets,
        total.topics,
        broken.len(),
        slowest.as_millis()
    );
    broken
}
