//! `tandem serve`: the log is opened, the doors are opened, and one thread turns until it is told to stop.

mod clock;
mod core;
mod refusals;
mod settings;
mod sink;
mod start;
mod stop;
mod workers;

pub use start::serve;
