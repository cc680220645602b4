//! The command line: what may be typed, and what is shown for it.
//!
//! - [`args`]: commands, arguments and help; [`exit`]: what the exit code says;
//! - [`run`](mod@run): carries a command out through [`run::Doors`], which `main` implements;
//! - [`admin`]: what is asked of a running broker, and how that may fail; [`model`]: what it answers; [`remote`]: how it
//!   is asked; [`offline`]: what is done with a data directory that no broker uses;
//! - [`table`] and [`json`]: the two ways in which everything is shown, for people and for programs;
//! - [`topics`], [`groups`], [`transactions`] with [`story`], [`top`], [`doctor`](mod@doctor), [`txprobe`], [`message`], [`store`], [`config`]: one file per group of
//!   commands; [`produce`], [`consume`] and [`tail`] with what they share in [`flow`]: messages for a pipeline;
//!   [`snippet`]: programs for others; [`manual`]: completions, man pages and docs/cli.md.

pub mod admin;
pub mod args;
pub mod bench;
pub mod config;
pub mod consume;
pub mod demo;
pub mod doctor;
pub mod exit;
pub mod flow;
pub mod groups;
pub mod json;
pub mod manual;
pub mod message;
pub mod model;
pub mod offline;
pub mod produce;
pub mod remote;
pub mod run;
pub mod snippet;
pub mod store;
pub mod story;
pub mod table;
pub mod tail;
pub mod top;
pub mod topics;
pub mod transactions;
pub mod txprobe;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
