//! What `compare` and `curves` share: who is measured, started and stopped.

pub mod systems;
