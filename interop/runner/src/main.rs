//! Official RocketMQ clients, unmodified, against the real binary: starts `tandem` and client programs, kills and
//! restarts them at chosen points, and judges what the clients saw.
//!
//! Read `stories` for what is promised, [`scene::Scene`] for what a story can do, `../README.md` for how to run it.

mod arguments;
mod broker;
mod broker_log;
mod event;
mod failure;
mod ports;
mod program;
mod scene;
mod stories;
mod suite;
mod wire;

use std::process::ExitCode;

use arguments::{Arguments, Parsed};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Parsed::Run(arguments)) => suite::run(&arguments),
        Ok(Parsed::Help) => {
            println!("{}", arguments::USAGE);
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}
