//! The crate held to bytes: frames that real clients and the real broker sent to each other, worked examples, and
//! whatever random changes make of them.

mod answers;
mod bodies;
mod examples;
mod fixtures;
mod headers;
mod hostile;
mod requests;
