//! `tandem top`.

use message::Timestamp;
use remoting::own::{GroupLoad, Overview, TopicLoad};

use super::super::fake::{FakeDoors, NOW};
use super::{doors, run};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW + seconds * 1000)
}

/// Two looks, two seconds apart.
fn busy() -> FakeDoors {
    let mut doors = doors();
    let first = Overview {
        now: at(0),
        started: at(-90),
        version: "0.1.0".into(),
        connections: 3,
        stored: 1000,
        delivered: 500,
        halves: 10,
        pending: 1,
        oldest_pending: Some(at(-40)),
        topic_count: 3,
        group_count: 2,
        topics: vec![TopicLoad { name: "orders".into(), stored: 1000, delivered: 500, open: 1 }],
        groups: vec![GroupLoad { name: "cart".into(), members: 0, lag: 500, delivered: 500 }],
        ..Overview::default()
    };
    let mut second = first.clone();
    (second.now, second.stored, second.delivered, second.halves, second.committed) = (at(2), 1400, 505, 12, 1);
    (second.topics[0].stored, second.topics[0].delivered) = (1390, 505);
    second.topics.push(TopicLoad { name: "bills".into(), stored: 10, delivered: 0, open: 0 });
    second.groups[0].delivered = 505;
    second.groups.push(GroupLoad { name: "audit".into(), ..GroupLoad::default() });
    doors.broker.as_mut().unwrap().overviews = vec![first, second];
    doors
}

#[test]
fn rates_are_those_between_two_looks() {
    let ran = run(&mut busy(), "top --once --interval 100ms");
    assert_eq!(
        ran.out,
        "tandem 0.1.0 at 127.0.0.1:10911, up 1m32s, 3 connections
messages      200 sent/s, 2.5 delivered/s
transactions  1.0 begun/s, 0.5 committed/s, 0.0 rolled back/s, 0.0 checks/s
open          1 undecided, the oldest for 42s; 0 set aside

TOPIC   IN/S  OUT/S  OPEN
orders   195    2.5     1
bills    5.0    0.0     0

GROUP  MEMBERS  OUT/S  LAG
cart         0    2.5  500
audit        0    0.0    0
"
    );
    let ran = run(&mut busy(), "top --once --interval 100ms --rows 1");
    assert!(ran.out.contains("\nand 1 other topic (--rows)\n") && ran.out.ends_with("\nand 1 other group (--rows)\n"));
    let json = run(&mut busy(), "top --once --interval 100ms --json").json();
    assert_eq!((&json["sent_per_second"], &json["oldest_ms"]), (&200.0.into(), &42_000.into()));
    assert_eq!((&json["topics"][0]["in_per_second"], &json["groups"][0]["lag"]), (&195.0.into(), &500.into()));
}

#[test]
fn a_broker_that_was_started_anew_has_no_rate_yet() {
    let mut doors = busy();
    doors.broker.as_mut().unwrap().overviews[1].stored = 3;
    assert!(run(&mut doors, "top --once --interval 100ms").out.contains("messages      0.0 sent/s"));
}

#[test]
fn looks_follow_each_other_until_the_time_is_over() {
    let mut doors = doors();
    let ran = run(&mut doors, "top --for 150ms --interval 100ms --json");
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    let ran = run(&mut doors, "top --for 150ms --interval 100ms");
    assert_eq!(ran.out.matches("no consumer groups yet").count(), 2, "{}", ran.out);
}
