//! What each request says, in types: fields of the header, bodies of requests and answers.
//!
//! One file per family. A header type has `decode`, which reads it from [`crate::header::Fields`], and, where we or our
//! client send it too, `fields`, which is what goes into [`crate::encode`]. A body type has `decode`, lenient, and
//! `write`, strict.
//!
//! Optional texts that are empty are `None`, since C++ and Go send empty texts for what they do not set.

// A message's way.
pub mod offsets;
pub mod pull;
pub mod send;
pub mod send_back;
pub mod transaction;
// A client's life.
pub mod heartbeat;
pub mod lock;
pub mod session;
// Routes and the name server.
pub mod kv;
pub mod register;
pub mod route;
pub mod topic_list;
// Topics, groups, and looking at them.
pub mod config;
pub mod connections;
pub mod groups;
pub mod query;
pub mod relay;
pub mod reset;
pub mod stats;
pub mod subscriptions;
pub mod topics;
