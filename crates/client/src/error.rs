//! What can go wrong, told apart by what the caller can do about it.

use std::io;
use std::time::Duration;

use protocol::codes::ResponseCode;

/// Wait before another attempt when nothing better is known.
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// Wait before another attempt when a broker says that it is overloaded.
const RETRY_AFTER_BUSY: Duration = Duration::from_millis(500);
/// Wait before another attempt when a topic or its queues are not known yet: routes spread within seconds.
const RETRY_AFTER_ROUTE: Duration = Duration::from_secs(1);

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// [`is_retryable`](Error::is_retryable) says whether the same call can succeed later,
/// [`retry_after`](Error::retry_after) how long to wait before it, and
/// [`outcome_is_unknown`](Error::outcome_is_unknown) whether it may have taken effect nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for cannot be: a name, a size, a combination of settings. Nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// None of the name servers could be asked.
    #[error("no name server of {addresses} can be asked: {source}; is one running, and are these the addresses?")]
    NameServers {
        /// All that were tried.
        addresses: String,
        /// What the last one did.
        source: Box<Error>,
    },
    /// No connection. The request was not sent.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended before the answer came: whether the request took effect is unknown.
    #[error("the connection to {address} ended before its answer: {reason}")]
    Closed {
        /// Where.
        address: String,
        /// What ended it.
        reason: String,
    },
    /// No answer in time: whether the request took effect is unknown.
    #[error("{address} did not answer within {} ms", after.as_millis())]
    Timeout {
        /// Who.
        address: String,
        /// How long it had.
        after: Duration,
    },
    /// No name server knows a route to the topic.
    #[error("topic {topic:?} has no route; create it, or let the broker create topics by themselves")]
    TopicNotFound {
        /// The topic.
        topic: String,
    },
    /// The topic has no queue that can be used so now: no broker of it is there, or it lacks the permission.
    #[error("topic {topic:?} has no queue to {purpose}; is its broker running, and does the topic allow it?")]
    NoQueue {
        /// The topic.
        topic: String,
        /// "send to" or "read from".
        purpose: &'static str,
    },
    /// No name server knows a broker of this name.
    #[error("no address of broker {broker:?} is known; is it running?")]
    BrokerNotFound {
        /// Its name.
        broker: String,
    },
    /// The broker, or name server, answered with an error.
    #[error("{address} refused request {request}: {code}: {remark}")]
    Refused {
        /// Who.
        address: String,
        /// The request code.
        request: i32,
        /// The code of the answer.
        code: ResponseCode,
        /// The text of the answer, perhaps empty.
        remark: String,
    },
    /// The other side does not say what this protocol says.
    #[error("{address} does not speak this protocol: {problem}")]
    Protocol {
        /// Who.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// The producer, consumer or client was shut down.
    #[error("this client was shut down")]
    ShutDown,
}

impl Error {
    /// Can the same call succeed when it is made again, a little later?
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Invalid(_) | Error::Protocol { .. } | Error::ShutDown => false,
            Error::NameServers { .. }
            | Error::Connect { .. }
            | Error::Closed { .. }
            | Error::Timeout { .. }
            | Error::TopicNotFound { .. }
            | Error::NoQueue { .. }
            | Error::BrokerNotFound { .. } => true,
            Error::Refused { code, .. } => matches!(
                *code,
                ResponseCode::SYSTEM_ERROR
                    | ResponseCode::SYSTEM_BUSY
                    | ResponseCode::FLUSH_DISK_TIMEOUT
                    | ResponseCode::SLAVE_NOT_AVAILABLE
                    | ResponseCode::FLUSH_SLAVE_TIMEOUT
                    | ResponseCode::SERVICE_NOT_AVAILABLE
                    | ResponseCode::TOPIC_NOT_EXIST
                    | ResponseCode::SUBSCRIPTION_NOT_EXIST
                    | ResponseCode::SUBSCRIPTION_NOT_LATEST
                    | ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST
                    | ResponseCode::FLOW_CONTROL
                    | ResponseCode::GO_AWAY
            ),
        }
    }

    /// How long to wait before the call is made again, `None` if that cannot help.
    ///
    /// Double it with every further attempt, and add jitter, as this crate does itself.
    pub fn retry_after(&self) -> Option<Duration> {
        if !self.is_retryable() {
            return None;
        }
        Some(match self {
            Error::Refused { code: ResponseCode::SYSTEM_BUSY | ResponseCode::FLOW_CONTROL, .. } => RETRY_AFTER_BUSY,
            Error::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }
            | Error::TopicNotFound { .. }
            | Error::NoQueue { .. }
            | Error::BrokerNotFound { .. } => RETRY_AFTER_ROUTE,
            _ => RETRY_AFTER,
        })
    }

    /// May the request have taken effect although the call failed? A message may be stored then; sent again it
    /// may be there twice.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Error::Closed { .. } | Error::Timeout { .. })
    }

    /// The code the broker answered with, if it answered.
    pub fn code(&self) -> Option<ResponseCode> {
        match self {
            Error::Refused { code, .. } => Some(*code),
            Error::NameServers { source, .. } => source.code(),
            _ => None,
        }
    }

    /// The text the broker answered with, if it answered.
    pub fn remark(&self) -> Option<&str> {
        match self {
            Error::Refused { remark, .. } => Some(remark),
            Error::NameServers { source, .. } => source.remark(),
            _ => None,
        }
    }

    pub(crate) fn protocol(address: &str, problem: impl ToString) -> Self {
        Error::Protocol { address: address.to_owned(), problem: problem.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: ResponseCode) -> Error {
        Error::Refused { address: "a:1".into(), request: 310, code, remark: "full".into() }
    }

    #[test]
    fn a_refusal_keeps_the_brokers_code_and_words() {
        let error = refused(ResponseCode::SYSTEM_BUSY);
        assert_eq!((error.code(), error.remark()), (Some(ResponseCode::SYSTEM_BUSY), Some("full")));
        assert_eq!(error.to_string(), "a:1 refused request 310: SYSTEM_BUSY (2): full");
    }

    #[test]
    fn what_no_repetition_can_help_has_no_advice_when_to_repeat() {
        for error in [refused(ResponseCode::NO_PERMISSION), Error::Invalid("x".into()), Error::ShutDown] {
            assert!(!error.is_retryable() && error.retry_after().is_none(), "{error}");
        }
        assert_eq!(refused(ResponseCode::FLOW_CONTROL).retry_after(), Some(RETRY_AFTER_BUSY));
    }

    #[test]
    fn only_a_lost_answer_leaves_the_outcome_open() {
        assert!(Error::Timeout { address: "a:1".into(), after: RETRY_AFTER }.outcome_is_unknown());
        let source = io::ErrorKind::ConnectionRefused.into();
        assert!(!Error::Connect { address: "a:1".into(), source }.outcome_is_unknown());
        assert!(!refused(ResponseCode::SYSTEM_ERROR).outcome_is_unknown());
    }
}
