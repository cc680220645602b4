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

/// Between one round and the next: what an attack left behind is closed by then.
const DUST: Duration = Duration::from_secs(1);

/// How long it is measured: so many times, so many messages alone and so many under attack.
#[derive(Clone, Copy)]
pub struct Length {
    /// Alone, elsewhere and under attack in turn, so that what else the machine does falls on all of them.
    pub rounds: usize,
    /// Messages of each round that the pair exchanges alone.
    pub alone: usize,
    /// Messages of each round that it exchanges while another broker of this machine is attacked; none, and there is
    /// no other.
    pub elsewhere: usize,
    /// Messages of each round under attack.
    pub under: usize,
}

/// What was measured.
pub struct Figures {
    name: String,
    alone: Duration,
    elsewhere: Option<Duration>,
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
| attack | p99 alone | another broker attacked | under attack | to alone | to another | RSS before | at most | allowed \
| blows | closed by the broker |\n\
|---|---|---|---|---|---|---|---|---|---|---|";
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ratio = |to: Duration| self.under.as_secs_f64() / to.as_secs_f64();
        let Figures { name, blows, refused, .. } = self;
        write!(f, "| {name} | {:.2} ms ", ms(self.alone))?;
        match self.elsewhere {
            Some(elsewhere) => write!(f, "| {:.2} ms | {:.2} ms ", ms(elsewhere), ms(self.under))?,
            None => write!(f, "| – | {:.2} ms ", ms(self.under))?,
        }
        write!(f, "| {:.1} ", ratio(self.alone))?;
        match self.elsewhere {
            Some(elsewhere) => write!(f, "| {:.1} ", ratio(elsewhere))?,
            None => write!(f, "| – ")?,
        }
        write!(f, "| {:.0} MiB | {:.0} MiB | {:.0} MiB ", mib(self.before), mib(self.peak), mib(self.allowed))?;
        write!(f, "| {blows} | {refused} |")
    }
}

/// A broker and who attacks it.
struct Target {
    broker: Broker,
    attack: Box<dyn Attack>,
    field: Field,
    peak: AtomicU64,
}

impl Target {
    fn new(mut attack: Box<dyn Attack>) -> Self {
        let mut broker = Broker::with(attack.settings());
        attack.prepare(&mut broker);
        let (field, peak) = (Field::new(broker.address()), AtomicU64::new(broker.memory("VmRSS")));
        Target { broker, attack, field, peak }
    }

    /// Runs the attack while `meanwhile` runs.
    fn under_attack<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let Target { broker, attack, field, peak } = self;
        let watched = AtomicBool::new(true);
        field.begin();
        std::thread::scope(|scope| {
            for thread in 0..attack.threads() {
                scope.spawn(move || {
                    stand_back();
                    attack.attack(field, thread);
                });
            }
            let watched = &watched;
            scope.spawn(move || {
                while watched.load(Ordering::Relaxed) {
                    peak.fetch_max(broker.memory("VmRSS"), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            // Told to stop whatever happens meanwhile, or a panic would wait for them for ever.
            let _end = OnDrop(|| {
                field.end();
                watched.store(false, Ordering::Relaxed);
            });
            let deadline = Instant::now() + SET_UP;
            while field.in_place() < attack.threads() {
                assert!(Instant::now() < deadline, "{}: not in place after {SET_UP:?}", attack.name());
                std::thread::sleep(Duration::from_millis(5));
            }
            meanwhile()
        })
    }
}

/// Lets an attack happen to a new broker.
pub fn play(attack: &dyn Fn() -> Box<dyn Attack>, length: Length) -> Figures {
    raise_open_files();
    let mut target = Target::new(attack());
    let other = (length.elsewhere > 0).then(|| Target::new(attack()));
    let mut pair = Pair::of(&target.broker);
    let before = target.broker.memory("VmRSS");
    let (mut alone, mut elsewhere, mut under) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..length.rounds {
        alone.extend(pair.exchange(length.alone));
        if let Some(other) = &other {
            elsewhere.extend(other.under_attack(|| pair.exchange(length.elsewhere)));
            std::thread::sleep(DUST);
        }
        under.extend(target.under_attack(|| pair.exchange(length.under)));
        if length.rounds > 1 {
            std::thread::sleep(DUST);
        }
    }
    let allowed = before + ITS_OWN + target.attack.memory_max();
    let Target { broker, attack, field, peak } = &mut target;
    let (peak, name) = (peak.load(Ordering::Relaxed), attack.name());
    assert!(peak <= allowed, "{name}: {peak} bytes of memory, {before} before, {allowed} allowed");
    assert!(field.blows() > 0, "{name}: nothing happened");
    attack.aftermath(broker, field);
    // Whoever comes now is served, and what the pair was told is so.
    pair.exchange(5);
    pair.take_stock();
    broker.connect().send("newcomers", "K", b"body");
    Figures {
        name,
        alone: percentile_99(alone),
        elsewhere: other.map(|_| percentile_99(elsewhere)),
        under: percentile_99(under),
        before,
        peak,
        allowed,
        blows: field.blows(),
        refused: field.refused(),
    }
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn percentile_99(mut took: Vec<Duration>) -> Duration {
    let sorted = &mut took[..];
    sorted.sort_unstable();
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
