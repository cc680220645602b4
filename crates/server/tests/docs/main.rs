//! Holds the README and the guide to the program: what they show is run, what they name exists, and what they quote is
//! where it says. How pages are written, so that this can be done, is told in `docs/guide/README.md`.

#[allow(dead_code)]
#[path = "../live/broker.rs"]
mod broker;
#[allow(dead_code)]
#[path = "../live/wire.rs"]
mod wire;

mod commands;
mod console;
mod failures;
mod links;
mod page;
mod picture;
mod programs;
mod settings;
mod shop;
mod shown;
mod statements;
