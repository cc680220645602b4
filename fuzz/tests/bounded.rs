//! A bounded run of every target: recorded input, changed with a seed, on a stable compiler.
//!
//! `TANDEM_FUZZ_SEED` replays a run, `TANDEM_FUZZ_TURNS` makes it longer, `TANDEM_FUZZ_TARGET` runs one target alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fuzz::mutation::{Random, changed};
use fuzz::{TARGETS, Target};

/// What each target's runs cost together, by [`Target::cost`].
const TURNS: u64 = 600_000;

/// Inputs that got through without a panic are changed again: so many of them are kept.
const KEPT_MAX: usize = 256;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; give it a whole number")))
}

/// Fresh for each run, unless one is given.
fn seed() -> u64 {
    let fresh = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as u64;
    setting("TANDEM_FUZZ_SEED").unwrap_or_else(fresh)
}

fn run(target: &Target, input: &[u8], how: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let path = std::env::temp_dir().join(format!("tandem-fuzz-{}", target.name));
        let kept = std::fs::write(&path, input);
        eprintln!("{} fails, {how}; its input, {} bytes, is in {path:?} ({kept:?})", target.name, input.len());
        eprintln!("keep it as fuzz/regressions/{}/NAME once it is mended", target.name);
        std::panic::resume_unwind(panic);
    }
}

fn chosen() -> impl Iterator<Item = &'static Target> {
    let only = std::env::var("TANDEM_FUZZ_TARGET").ok();
    TARGETS.iter().filter(move |target| only.as_ref().is_none_or(|only| only == target.name))
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("regressions");
    for target in TARGETS {
        let Ok(files) = std::fs::read_dir(directory.join(target.name)) else { continue };
        for file in files {
            let path = file.expect("a directory of ours").path();
            run(target, &std::fs::read(&path).expect("a file of ours"), &format!("{path:?}"));
        }
    }
}

#[test]
fn changed_input_makes_no_reader_panic() {
    let (seed, turns) = (seed(), setting("TANDEM_FUZZ_TURNS").unwrap_or(TURNS));
    println!("replay with TANDEM_FUZZ_SEED={seed} TANDEM_FUZZ_TURNS={turns}");
    for target in chosen() {
        let begun = Instant::now();
        let mut random = Random::new(seed);
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{} starts from nothing", target.name);
        for (number, input) in seeds.iter().enumerate() {
            run(target, input, &format!("unchanged input {number}"));
        }
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let runs = turns / u64::from(target.cost);
        for number in 0..runs {
            let pool = if random.below(3) == 0 && !kept.is_empty() { &kept } else { &seeds };
            let (one, other) = (&pool[random.below(pool.len())], &seeds[random.below(seeds.len())]);
            let input = changed(&mut random, one, other);
            run(target, &input, &format!("TANDEM_FUZZ_SEED={seed}, run {number}"));
            if kept.len() < KEPT_MAX {
                kept.push(input);
            } else if random.below(4) == 0 {
                let place = random.below(KEPT_MAX);
                kept[place] = input;
            }
        }
        println!("{:<14} {:>4} seeds {runs:>8} runs {:>7.1?}", target.name, seeds.len(), begun.elapsed());
    }
}

#[test]
fn every_target_has_an_executable_and_a_line_in_the_readme() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(here.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (manifest, readme) = (read("Cargo.toml"), read("README.md"));
    for Target { name, .. } in TARGETS {
        assert!(here.join(format!("fuzz_targets/{name}.rs")).is_file(), "fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} has no [[bin]]");
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}
