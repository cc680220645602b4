//! The figures as a table for people and as one line of JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::cast::Role;
use super::deck::Fault;
use super::verdict::{Consumed, Happened, Produced, Verdict};

type Column<T> = (&'static str, fn(&T) -> u64);

const PRODUCED: [Column<Produced>; 15] = [
    ("begun", |p| p.begun),
    ("half acknowledged", |p| p.acknowledged),
    ("half given up by the client", |p| p.given_up),
    ("not acknowledged, yet stored and decided", |p| p.decided_unacknowledged),
    ("committed", |p| p.committed),
    ("rolled back", |p| p.rolled_back),
    ("meant to commit, rolled back by a check", |p| p.aborted),
    ("said UNKNOWN, then decided by a check", |p| p.unknown_first),
    ("decision did not arrive in time, then checked", |p| p.decision_missing),
    ("checked in another process than their own", |p| p.asked_elsewhere),
    ("half sent again by the client", |p| p.sent_again),
    ("stored twice, half sent again", |p| p.stored_twice),
    ("stored twice, half sent once", |p| p.doubled),
    ("undecided", |p| p.undecided),
    ("decision refused (Java is not told)", |p| p.contradicted),
];

const CONSUMED: [Column<Consumed>; 10] = [
    ("deliveries", |c| c.deliveries),
    ("messages", |c| c.messages),
    ("redelivered after the broker was killed", |c| c.redelivered[0]),
    ("redelivered after the broker was stopped", |c| c.redelivered[1]),
    ("redelivered after the consumer was killed", |c| c.redelivered[2]),
    ("redelivered after the consumer was stopped", |c| c.redelivered[3]),
    ("redelivered without a fault", |c| c.repeated),
    ("lost", |c| c.lost),
    ("offsets never delivered", |c| c.holes),
    ("leaked", |c| c.leaked),
];

/// Rounds by kind, a column for each client, and the same as JSON in the last line.
pub fn table(seed: u64, happened: &[Happened], verdict: &Verdict) -> String {
    let mut text = format!("{} rounds, seed {seed}\n", happened.len());
    let kinds = kinds(happened);
    for (kind, count) in &kinds {
        line(&mut text, kind, &[count.to_string()]);
    }
    let producers: Vec<&Produced> = Role::PRODUCERS.iter().map(|role| &verdict.produced[role]).collect();
    rows(&mut text, "producers", &Role::PRODUCERS, &producers, &PRODUCED);
    let consumers: Vec<&Consumed> = Role::CONSUMERS.iter().map(|role| &verdict.consumed[role]).collect();
    rows(&mut text, "consumers", &Role::CONSUMERS, &consumers, &CONSUMED);
    let event = json!({
        "event": "kill-rounds",
        "seed": seed,
        "rounds": happened.len(),
        "faults": kinds.iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
        "producers": columns(&Role::PRODUCERS, &producers, &PRODUCED),
        "consumers": columns(&Role::CONSUMERS, &consumers, &CONSUMED),
        "broken": verdict.broken.len(),
    });
    let _ = write!(text, "{event}");
    text
}

fn kinds(happened: &[Happened]) -> [(&'static str, usize); 6] {
    let count = |kind: fn(Fault) -> bool| happened.iter().filter(|happened| kind(happened.fault)).count();
    [
        ("broker killed", count(|fault| fault == Fault::KillBroker)),
        ("broker stopped", count(|fault| fault == Fault::StopBroker)),
        ("producer killed", count(|fault| matches!(fault, Fault::Kill(role) if role.is_producer()))),
        ("producer stopped", count(|fault| matches!(fault, Fault::Stop(role) if role.is_producer()))),
        ("consumer killed", count(|fault| matches!(fault, Fault::Kill(role) if !role.is_producer()))),
        ("consumer stopped", count(|fault| matches!(fault, Fault::Stop(role) if !role.is_producer()))),
    ]
}

fn rows<T>(text: &mut String, title: &str, roles: &[Role], counted: &[&T], columns: &[Column<T>]) {
    line(text, title, &roles.iter().map(|role| role.client().to_owned()).collect::<Vec<_>>());
    for (name, count) in columns {
        line(text, &format!("  {name}"), &counted.iter().map(|counted| count(counted).to_string()).collect::<Vec<_>>());
    }
}

fn line(text: &mut String, name: &str, cells: &[String]) {
    let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    // A String takes whatever is written to it.
    let _ = writeln!(text, "{name:<50}{cells}");
}

fn columns<T>(roles: &[Role], counted: &[&T], columns: &[Column<T>]) -> Value {
    let one = |counted: &T| -> Value {
        columns
            .iter()
            .map(|(name, count)| ((*name).to_owned(), json!(count(counted))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let all = roles.iter().zip(counted).map(|(role, counted)| (role.client().to_owned(), one(counted)));
    all.collect::<serde_json::Map<_, _>>().into()
}
