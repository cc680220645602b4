//! The functions, from the socket to the disk.

/// What arrives on a connection, up to the fields and the body of a request.
pub mod wire;

/// Bodies of requests and answers.
pub mod bodies;

/// A whole broker behind a connection, without sockets and files.
pub mod door;

/// Messages as they are stored and sent, and the entries and batches they are stored in.
pub mod messages;

/// The configuration, as a file and as single settings.
pub mod configuration;

/// A data directory: damaged files, and files whose checksums are right although their contents are not.
pub mod disk;
