//! The real binary, on ports of its own and in a directory of its own, driven as clients and operators drive it.
//!
//! [`broker`] starts and stops it and holds its log to account; [`wire`] is a client that says what it is told to.

mod broker;
mod wire;

mod bench;
mod checks;
mod cli;
mod connections;
mod crashes;
mod demo;
mod doctor;
mod flow;
mod halves;
mod messages;
mod offline;
mod probe;
mod retention;
mod start;
mod top;
mod transactions;
