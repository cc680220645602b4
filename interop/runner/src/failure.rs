//! Why a story failed, in words.

use std::fmt::{self, Display, Formatter};

/// The reason a story failed. What clients and broker printed is shown beside it by the suite.
#[derive(Debug)]
pub struct Failure(String);

/// What steps of a story return.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure with this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Failure(reason.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure(format!("input or output failed: {error}"))
    }
}

/// Fails the story with a formatted reason unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::failure::Failure::new(format!($($reason)+)));
        }
    };
}
pub(crate) use ensure;
