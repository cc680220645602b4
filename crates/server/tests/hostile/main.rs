//! Clients that mean harm, and a well-behaved pair beside them: a producer and a consumer that go on as if nothing were.
//!
//! The tests hold correctness and memory to account, on any machine. Times depend on the machine, so another program
//! prints them (`table.rs`): `cargo bench -p tandem --bench hostile`.
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
// Shared with the table.
#[allow(dead_code)]
mod stage;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use attack::{Attack, Field};
use broker::{Broker, PATIENCE};
use stage::Length;

#[test]
fn a_frame_that_announces_gigabytes_gets_none_of_them() {
    check(|| bytes::Announced);
}

#[test]
fn frames_that_never_end_are_bounded_together() {
    check(|| bytes::Unfinished);
}

#[test]
fn garbage_harms_nobody() {
    check(|| bytes::Garbage);
}

#[test]
fn half_a_frame_and_a_closed_connection_leave_nothing_behind() {
    check(|| bytes::HalfFrames);
}

#[test]
fn a_byte_a_second_on_many_connections_harms_nobody() {
    check(|| connections::SlowLoris { count: 500 });
}

#[test]
fn thousands_of_idle_connections_cost_little() {
    check(|| connections::Idle { count: 2_000 });
}

#[test]
fn consumers_that_never_read_cost_no_more_than_they_may() {
    check(|| requests::NeverReads);
}

#[test]
fn producers_that_flood_and_read_no_answer_are_slowed_down_and_nobody_else() {
    check(|| requests::Flood);
}

#[test]
fn nobody_answers_a_check_of_somebody_elses_transaction() {
    check(requests::Forged::default);
}

#[test]
fn a_request_that_trickles_is_closed_in_time_and_one_that_is_slow_but_whole_is_not() {
    let mut broker = Broker::with(&["limits.frame_timeout=2s"]);
    let (mut trickling, mut slow) = (stream(&broker), stream(&broker));
    let request = requests::send("slow", "K", &[b's'; 4096]);
    let begun = Instant::now();
    // One has sent all of each request in a second and begins the next; the other stretches one over all the time.
    let mut bytes = request.iter();
    let mut closed = false;
    let piece = request.len().div_ceil(10);
    while begun.elapsed() < Duration::from_secs(5) {
        for part in request.chunks(piece) {
            slow.write_all(part).expect("it is in time");
            closed |= trickling.write_all(&[*bytes.next().expect("not all of it is sent")]).is_err();
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    assert!(closed, "a request that takes five seconds is waited for");
    broker.wait_for_log("limits.frame_timeout");
    assert!(!attack::is_gone(&mut slow));
    assert!(broker.connect().keys("slow").len() >= 5);
}

#[test]
fn one_address_has_no_more_connections_than_it_may_and_the_log_says_so() {
    let mut broker = Broker::with(&["limits.connections_per_address=3"]);
    let mut first: Vec<_> = (0..3).map(|_| broker.connect()).collect();
    for wire in &mut first {
        wire.send("orders", "K", b"body");
    }
    let mut fourth = stream(&broker);
    assert!(attack::is_closed(&mut fourth));
    broker.wait_for_log("127.0.0.1 has 3 connections, and limits.connections_per_address is 3");
    first.pop();
    let deadline = Instant::now() + PATIENCE;
    while attack::is_closed(&mut stream(&broker)) {
        assert!(Instant::now() < deadline, "there is no room although a connection has gone");
    }
}

#[test]
fn who_is_closed_thousands_of_times_has_not_thousands_of_lines_in_the_log() {
    let mut broker = Broker::start();
    for _ in 0..2_000 {
        let mut stream = stream(&broker);
        // It may be closed before all of it is written.
        attack::write(&mut stream, &[0xFF; 16]);
        assert!(attack::is_closed(&mut stream));
    }
    broker.wait_for_log("closed; ");
    let log = broker.log();
    assert!(log.contains("closed: frame of"), "{log}");
    assert!(log.contains(" of them of 127.0.0.1; the last because frame of"), "{log}");
    assert!(log.lines().count() < 60, "{} lines", log.lines().count());
}

fn stream(broker: &Broker) -> TcpStream {
    Field::new(broker.address()).connect().expect("the broker listens")
}

fn check<A: Attack + 'static>(attack: impl Fn() -> A) {
    // Long enough to see what is wrong.
    stage::play(&|| Box::new(attack()), Length { rounds: 1, alone: 20, elsewhere: 0, under: 60 });
}
