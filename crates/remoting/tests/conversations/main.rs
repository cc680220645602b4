//! The door in front of a real broker and name server, on a log in memory: recorded conversations, each family of
//! requests at its edges, hostile bytes.

mod checks;
mod fixtures;
mod house;
mod shape;
mod store;

mod clients;
mod golden;
mod hostile;
mod messages;
mod names;
mod numbers;
mod relays;
mod topics_and_groups;
mod transactions;
