//! The door in front of a real broker and name server, on a log in memory: conversations, edges, hostile bytes.

mod fixtures;
mod golden;
mod house;
mod shape;
mod store;
