//! Measures an attack: the pair alone, the pair under it, the broker's memory all the while.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::attack::{Attack, Field};
use crate::broker::Broker;
use crate::pair::Pair;

/// Bytes of memory that the broker may take for itself beside what an attack's settings allow: what it has just written
/// is read from memory, and allocators keep what they were given.
const ITS_OWN: u64 = 48 << 20;

/// How long an attack may need to have everything in place.
const SET_UP: Duration = Duration::from_secs(120);

/// How long it is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Long enough to see what is wrong.
    Short,
    /// Long enough for a 99th percentile.
    Long,
}

impl Length {
    /// Messages that the pair exchanges alone, and under attack.
    fn messages(self) -> (usize, usize) {
        match self {
            Length::Short => (20, 60),
            Length::Long => (400, 600),
        }
    }
}

/// What was measured.
pub struct Figures {
    name: String,
    alone: Duration,
    under: Duration,
    before: u64,
    peak: u64,
    allowed: u64,
    blows: u64,
    refused: u64,
}

impl Figures {
    /// What stands above the columns.
    pub const HEAD: &str = "\
| attack | p99 alone | p99 under attack | ratio | RSS before | RSS at most | allowed | blows | closed by the broker |\n\
|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let Figures { name, blows, refused, .. } = self;
        write!(f, "| {name} | {:.2} ms | {:.2} ms ", ms(self.alone), ms(self.under))?;
        write!(f, "| {:.1} ", self.under.as_secs_f64() / self.alone.as_secs_f64())?;
        write!(f, "| {:.0} MiB | {:.0} MiB | {:.0} MiB ", mib(self.before), mib(self.peak), mib(self.allowed))?;
        write!(f, "| {blows} | {refused} |")
    }
}

/// Lets an attack happen to a new broker.
pub fn play(attack: &mut dyn Attack, length: Length) -> Figures {
    raise_open_files();
    let mut broker = Broker::with(attack.settings());
    attack.prepare(&mut broker);
    let mut pair = Pair::of(&broker);
    let (alone_count, under_count) = length.messages();
    let alone = pair.exchange(alone_count);
    let before = broker.memory("VmRSS");
    let field = Field::new(broker.address());
    let (peak, watched) = (AtomicU64::new(before), AtomicBool::new(true));
    let under = {
        let attack = &*attack;
        std::thread::scope(|scope| {
            for thread in 0..attack.threads() {
                let field = &field;
                scope.spawn(move || {
                    stand_back();
                    attack.attack(field, thread);
                });
            }
            let (watched, peak, broker) = (&watched, &peak, &broker);
            scope.spawn(move || {
                while watched.load(Ordering::Relaxed) {
                    peak.fetch_max(broker.memory("VmRSS"), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            // Told to stop whatever happens to the pair, or its panic would wait for them for ever.
            let _end = OnDrop(|| {
                field.end();
                watched.store(false, Ordering::Relaxed);
            });
            let deadline = Instant::now() + SET_UP;
            while field.in_place() < attack.threads() {
                assert!(Instant::now() < deadline, "{}: not in place after {SET_UP:?}", attack.name());
                std::thread::sleep(Duration::from_millis(5));
            }
            pair.exchange(under_count)
        })
    };
    let allowed = before + ITS_OWN + attack.memory_max();
    let peak = peak.into_inner();
    assert!(peak <= allowed, "{}: {peak} bytes of memory, {before} before, {allowed} allowed", attack.name());
    assert!(field.blows() > 0, "{}: nothing happened", attack.name());
    attack.aftermath(&mut broker, &field);
    // Whoever comes now is served, and what the pair was told is so.
    pair.exchange(5);
    pair.take_stock();
    broker.connect().send("newcomers", "K", b"body");
    let (alone, under) = (percentile_99(&alone), percentile_99(&under));
    let (blows, refused) = (field.blows(), field.refused());
    Figures { name: attack.name(), alone, under, before, peak, allowed, blows, refused }
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn percentile_99(sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() * 99 / 100).min(sorted.len() - 1)]
}

/// Attackers are other machines: they must not be seen to take processor time away from the broker and the pair. On
/// Linux this concerns the calling thread alone.
fn stand_back() {
    rustix::process::nice(19).expect("being nicer is allowed to everybody");
}

/// Lets this process open as many files as it may, and returns how many that are.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(1 << 20);
    if limit.current.is_some_and(|current| current < maximum) {
        let raised = Rlimit { current: Some(maximum), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).expect("up to the maximum everybody may raise it");
    }
    maximum
}
