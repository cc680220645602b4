//! Every reader of bytes that come from a socket, a file or a person, behind one function that takes bytes.
//!
//! The functions are pure: the same bytes, the same outcome. They panic when a reader does, and when what was read is
//! not what was written. Two things call them: the executables in `fuzz_targets`, which libFuzzer drives for as long as
//! one likes, and `tests/bounded.rs`, which changes recorded input with a seed and needs nothing but a stable compiler.
//! `README.md` has the commands. In reading order:
//!
//! - [`TARGETS`]: the functions by name, each with what it starts from;
//! - [`targets`]: the functions;
//! - [`mutation`]: how input is changed;
//! - [`recorded`]: the input there is: conversations of real clients and what is derived from them.

#![forbid(unsafe_code)]

pub mod mutation;
pub mod recorded;
pub mod targets;

// What these functions stand on besides the crates: a broker without sockets or files, the table of how every request is
// read, and the configuration of the binary. They are the same files, so that what is added there is fuzzed here.
#[allow(dead_code, missing_docs)]
#[path = "../../crates/remoting/tests/conversations"]
mod borrowed_conversations {
    pub mod fixtures;
    pub mod house;
    pub mod store;
}
#[allow(dead_code, unused_imports, missing_docs)]
#[path = "../../crates/protocol/tests/wire"]
mod borrowed_wire {
    pub mod fixtures;
    pub mod requests;
}
#[allow(dead_code, unused_imports)]
#[path = "../../crates/server/src"]
mod borrowed_server {
    pub mod config;
}

// The names by which the borrowed files know each other.
use borrowed_conversations::store;
use borrowed_server::config;
use borrowed_wire::fixtures;

/// A function that takes bytes, and what a fuzzer starts from.
pub struct Target {
    /// Its name: that of the executable in `fuzz_targets`, and of its directory in `corpus` and `regressions`.
    pub name: &'static str,
    /// Reads the bytes. Panics when something is wrong with the reader, never because something is wrong with them.
    pub run: fn(&[u8]),
    /// Input that is in order, or nearly.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What one run costs, in the bounded run's turns: expensive ones get fewer.
    pub cost: u32,
}

/// All targets, from the socket to the disk.
pub const TARGETS: &[Target] = &[
    Target { name: "frame", run: targets::wire::frame, seeds: recorded::frames, cost: 1 },
    Target { name: "header_json", run: targets::wire::header_json, seeds: recorded::json_headers, cost: 2 },
    Target { name: "header_binary", run: targets::wire::header_binary, seeds: recorded::binary_headers, cost: 2 },
    Target { name: "request", run: targets::wire::request, seeds: recorded::requests, cost: 3 },
    Target { name: "body", run: targets::bodies::body, seeds: recorded::bodies, cost: 10 },
    Target { name: "conversation", run: targets::door::conversation, seeds: recorded::conversations, cost: 150 },
    Target { name: "record", run: targets::messages::record, seeds: recorded::records, cost: 1 },
    Target { name: "batch", run: targets::messages::batch, seeds: recorded::batches, cost: 1 },
    Target { name: "properties", run: targets::messages::properties, seeds: recorded::properties, cost: 2 },
    Target { name: "entry", run: targets::messages::entry, seeds: recorded::entries, cost: 1 },
    Target { name: "configuration", run: targets::configuration::file, seeds: recorded::configurations, cost: 30 },
    Target { name: "setting", run: targets::configuration::setting, seeds: recorded::settings, cost: 30 },
    Target { name: "state", run: targets::disk::state, seeds: recorded::states, cost: 10 },
    Target { name: "damaged", run: targets::disk::damaged, seeds: recorded::damages, cost: 400 },
    Target { name: "sealed", run: targets::disk::sealed, seeds: recorded::damages, cost: 400 },
];
