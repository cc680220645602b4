//! What the exit code of the process says.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the contract with scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Not done, or the verdict is negative: the broker refused, the store is damaged.
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was tried.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// No broker answered.
    Unreachable = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
