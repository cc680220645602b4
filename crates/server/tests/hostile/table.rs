//! Prints how long a well-behaved pair waits alone, while another broker of the same machine is attacked, and while its
//! own is: the machine's share, and the broker's.
//!
//! ```text
//! cargo bench -p tandem --bench hostile                  # every attack: twenty-five minutes
//! cargo bench -p tandem --bench hostile -- flood never   # those with one of these words in their name
//! ```

// Shared with the suites `live` and `hostile`, which use all of them.
#[allow(dead_code)]
#[path = "../live/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../live/wire.rs"]
mod wire;

mod attack;
mod bytes;
mod connections;
mod pair;
mod requests;
mod stage;

use attack::Attack;
use stage::{Figures, Length};

fn main() {
    // As many as files can be open, up to what limits.connections allows unless it is raised.
    let files = stage::raise_open_files();
    let idle = files.saturating_sub(200).min(20_000 - 10) as usize;
    let attacks: [&dyn Fn() -> Box<dyn Attack>; 9] = [
        &|| Box::new(requests::Flood),
        &|| Box::new(requests::NeverReads),
        &|| Box::new(requests::Forged::default()),
        &|| Box::new(bytes::Announced),
        &|| Box::new(bytes::Garbage),
        &|| Box::new(bytes::HalfFrames),
        &|| Box::new(bytes::Unfinished),
        &|| Box::new(connections::SlowLoris { count: 2_000 }),
        &|| Box::new(connections::Idle { count: idle }),
    ];
    // Cargo says `--bench` to every bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: String| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    println!("{}", Figures::HEAD);
    for attack in attacks.into_iter().filter(|attack| wanted(attack().name())) {
        println!("{}", stage::play(attack, Length { rounds: 3, alone: 300, elsewhere: 300, under: 300 }));
    }
}
