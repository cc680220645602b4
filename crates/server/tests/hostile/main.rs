//! Clients that mean harm, and a well-behaved pair beside them: a producer and a consumer that go on as if nothing were.
//!
//! The tests hold correctness and memory to account, on any machine. Times depend on the machine, so they are printed:
//!
//! ```text
//! cargo test --release -p tandem --test hostile -- --ignored --nocapture
//! ```
//!
//! `TANDEM_HOSTILE_ONLY=flood` prints the rows with that word alone.
//!
//! [`attack`] is what an attack is, [`stage`] measures one, [`pair`] is the well-behaved pair; the attacks are in
//! [`connections`] (those who hold or waste connections), [`bytes`] (those who send what is no request) and [`requests`]
//! (those who send too many, or somebody else's).

// Shared with the suite `live`, which uses all of them.
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

#[test]
fn a_frame_that_announces_gigabytes_gets_none_of_them() {
    check(&mut bytes::Announced);
}

#[test]
fn frames_that_never_end_are_bounded_together() {
    check(&mut bytes::Unfinished);
}

#[test]
fn garbage_harms_nobody() {
    check(&mut bytes::Garbage);
}

#[test]
fn half_a_frame_and_a_closed_connection_leave_nothing_behind() {
    check(&mut bytes::HalfFrames);
}

#[test]
fn a_byte_a_second_on_many_connections_harms_nobody() {
    check(&mut connections::SlowLoris { count: 500 });
}

#[test]
fn thousands_of_idle_connections_cost_little() {
    check(&mut connections::Idle { count: 2_000 });
}

#[test]
fn consumers_that_never_read_cost_no_more_than_they_may() {
    check(&mut requests::NeverReads);
}

#[test]
fn producers_that_flood_and_read_no_answer_are_slowed_down_and_nobody_else() {
    check(&mut requests::Flood);
}

#[test]
fn nobody_answers_a_check_of_somebody_elses_transaction() {
    check(&mut requests::Forged::default());
}

fn check(attack: &mut dyn Attack) {
    stage::play(attack, Length::Short);
}

#[test]
#[ignore = "prints figures and takes minutes: see the top of this file"]
fn the_table() {
    // As many as files can be open, up to what limits.connections allows unless it is raised.
    let files = stage::raise_open_files();
    let idle = files.saturating_sub(200).min(20_000 - 10) as usize;
    let attacks: [&mut dyn Attack; 9] = [
        &mut bytes::Announced,
        &mut bytes::Unfinished,
        &mut bytes::Garbage,
        &mut bytes::HalfFrames,
        &mut connections::SlowLoris { count: 2_000 },
        &mut connections::Idle { count: idle },
        &mut requests::NeverReads,
        &mut requests::Flood,
        &mut requests::Forged::default(),
    ];
    let only = std::env::var("TANDEM_HOSTILE_ONLY").unwrap_or_default();
    println!("{}", Figures::HEAD);
    for attack in attacks.into_iter().filter(|attack| attack.name().contains(&only)) {
        println!("{}", stage::play(attack, Length::Long));
    }
}
