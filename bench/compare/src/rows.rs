//! What is measured.

use std::time::Duration;

use bench::{Options, Producing};

use comparing::systems::System;

/// One line of the table.
pub struct Row {
    /// As it stands in the table.
    pub name: &'static str,
    /// The ceiling server can do it.
    pub with_ceiling: bool,
    /// What is compared: operations a second, or messages read a second.
    pub reads: bool,
    /// What is done.
    pub options: fn(&Scale) -> Options,
}

/// How much of it.
pub struct Scale {
    /// Measured of each row.
    pub time: Duration,
    /// Not measured.
    pub warm_up: Duration,
    /// Messages to catch up with.
    pub backlog: u64,
    /// The rows with this word in their name, not all.
    pub only: Option<String>,
}

impl Scale {
    /// Whether a row is measured.
    pub fn wants(&self, row: &Row) -> bool {
        self.only.as_deref().is_none_or(|only| row.name.contains(only))
    }

    /// Whether a row is measured with this system.
    pub fn asks(&self, row: &Row, system: System) -> bool {
        match system {
            System::Ceiling => self.wants(row) && row.with_ceiling,
            // What it hands out is in a file of its own, which is as new as the other's.
            System::CeilingNew => self.wants(row) && row.with_ceiling && !row.reads,
            _ => self.wants(row),
        }
    }
}

fn load(scale: &Scale, producing: Producing, in_flight: usize, connections: usize) -> Options {
    Options {
        producing: Some(producing),
        in_flight,
        connections,
        time: scale.time,
        warm_up: scale.warm_up,
        ..Options::new("")
    }
}

/// Plain sends come first: RocketMQ 5.5.0 keeps a core busy for ever from its first transaction on (its issue #10966), and
/// is slower then.
pub const ROWS: [Row; 10] = [
    Row {
        name: "send, 64 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::Send, 64, 4),
    },
    Row {
        name: "send, 1 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::Send, 1, 1),
    },
    Row {
        name: "send, 1,024 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::Send, 1_024, 4),
    },
    // Half of what RocketMQ took at most on two such cores, with SYNC_FLUSH and with ASYNC_FLUSH.
    Row {
        name: "send, 7,000 begun each second",
        with_ceiling: true,
        reads: false,
        options: |scale| Options { rate: Some(7_000.0), ..load(scale, Producing::Send, 1_024, 4) },
    },
    Row {
        name: "send, 18,000 begun each second",
        with_ceiling: true,
        reads: false,
        options: |scale| Options { rate: Some(18_000.0), ..load(scale, Producing::Send, 1_024, 4) },
    },
    Row {
        name: "send 64 in flight, and one group reads",
        with_ceiling: false,
        reads: true,
        options: |scale| Options { groups: 1, ..load(scale, Producing::Send, 64, 4) },
    },
    Row {
        name: "catch up, pulls of 32",
        with_ceiling: true,
        reads: true,
        options: |scale| Options {
            producing: None,
            groups: 1,
            backlog: scale.backlog,
            topic: "backlog".to_owned(),
            ..load(scale, Producing::Send, 64, 4)
        },
    },
    Row {
        name: "transactions, both phases answered, 64 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::Transaction, 64, 4),
    },
    Row {
        name: "transactions, one-way decision, 64 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::OneWay, 64, 4),
    },
    Row {
        name: "transactions, both phases answered, 1 in flight",
        with_ceiling: true,
        reads: false,
        options: |scale| load(scale, Producing::Transaction, 1, 1),
    },
];

/// Who is compared, in turn.
pub const SYSTEMS: [System; 5] =
    [System::Tandem, System::RocketSync, System::RocketAsync, System::Ceiling, System::CeilingNew];
