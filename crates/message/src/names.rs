//! Names of topics and groups: what is allowed, and which belong to the system (remoting protocol section 6).

use thiserror::Error;

/// Longest name of an ordinary topic, in bytes: records of format V1, which every client decodes, hold no longer one.
pub const TOPIC_LEN_MAX: usize = 127;
/// Longest name of a group, in bytes: `%RETRY%` in front of it must still be a topic of format V1.
pub const GROUP_LEN_MAX: usize = 120;

/// Undecided halves, as operators' tools see them. Answered from transaction state; nothing is stored under this name.
pub const HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Decisions, as operators' tools see them.
pub const OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Halves that were set aside after too many checks without a decision.
pub const SET_ASIDE_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Delayed messages that wait for their time, as RocketMQ names their queue.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// The topic whose route lets a producer send to a topic that does not exist yet.
pub const AUTO_CREATE_TOPIC: &str = "TBW102";
/// Where clients with tracing turned on send their trace records.
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// The consumer group of operators' tools (mqadmin pulls as it): the one that may read undecided halves.
pub const TOOLS_GROUP: &str = "TOOLS_CONSUMER";

const RETRY_PREFIX: &str = "%RETRY%";
const DEAD_LETTER_PREFIX: &str = "%DLQ%";

/// Topics no client may send to: their content is the broker's.
const WRITE_FORBIDDEN: [&str; 5] = [SCHEDULE_TOPIC, HALF_TOPIC, OP_HALF_TOPIC, SET_ASIDE_TOPIC, "OFFSET_MOVED_EVENT"];

/// Why a name cannot be that of a topic or a group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("the {kind} name is blank; give it a name of letters, digits, '-', '_', '%' and '|'")]
    Blank {
        /// "topic" or "group".
        kind: &'static str,
    },
    /// More bytes than a record can hold.
    #[error("the {kind} name {name:?} is {len} bytes long; at most {max} are allowed")]
    TooLong {
        /// "topic" or "group".
        kind: &'static str,
        /// The name.
        name: String,
        /// Its length in bytes.
        len: usize,
        /// The limit that applies.
        max: usize,
    },
    /// A character that clients refuse as well.
    #[error("the {kind} name {name:?} contains {found:?}; use letters, digits, '-', '_', '%' and '|' only")]
    Character {
        /// "topic" or "group".
        kind: &'static str,
        /// The name.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

fn validate(kind: &'static str, name: &str, max: usize) -> Result<(), NameError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'%' | b'|');
    // Every half passes here: nothing is decoded for a name that is one.
    if (1..=max).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    if name.trim().is_empty() {
        return Err(NameError::Blank { kind });
    }
    if let Some(found) = name.chars().find(|c| !c.is_ascii() || !allowed(*c as u8)) {
        return Err(NameError::Character { kind, name: name.to_owned(), found });
    }
    if name.len() > max {
        return Err(NameError::TooLong { kind, name: name.to_owned(), len: name.len(), max });
    }
    Ok(())
}

/// Checks the name of a topic: the characters clients allow, at most [`TOPIC_LEN_MAX`] bytes.
///
/// # Errors
/// Says what is wrong with the name.
pub fn validate_topic(name: &str) -> Result<(), NameError> {
    validate("topic", name, TOPIC_LEN_MAX)
}

/// Checks the name of a producer or consumer group: the characters clients allow, at most [`GROUP_LEN_MAX`] bytes.
///
/// # Errors
/// Says what is wrong with the name.
pub fn validate_group(name: &str) -> Result<(), NameError> {
    validate("group", name, GROUP_LEN_MAX)
}

/// The topic through which a group gets again what it could not consume.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The topic in which messages end that a group could not consume in all their attempts.
pub fn dead_letter_topic(group: &str) -> String {
    format!("{DEAD_LETTER_PREFIX}{group}")
}

/// The group whose retry topic this is.
pub fn group_of_retry_topic(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_PREFIX)
}

/// The group whose dead-letter topic this is.
pub fn group_of_dead_letter_topic(topic: &str) -> Option<&str> {
    topic.strip_prefix(DEAD_LETTER_PREFIX)
}

/// Whether clients are refused when they send to this topic (answered with NO_PERMISSION).
pub fn is_write_forbidden(topic: &str) -> bool {
    WRITE_FORBIDDEN.contains(&topic)
}

/// Whether this topic is the system's: it can be neither created nor deleted by hand.
///
/// Topics named after the cluster or the broker are known to the broker, not here.
pub fn is_system_topic(topic: &str) -> bool {
    is_write_forbidden(topic)
        || matches!(topic, AUTO_CREATE_TOPIC | TRACE_TOPIC | "BenchmarkTest" | "SELF_TEST_TOPIC" | "CHECKPOINT_TOPIC")
        || topic.starts_with("rmq_sys_")
}

/// Whether this topic is a view of transaction state, without a queue of its own.
pub fn is_transaction_view(topic: &str) -> bool {
    matches!(topic, HALF_TOPIC | OP_HALF_TOPIC | SET_ASIDE_TOPIC)
}

/// Whether this group is the system's or a client library's own, which no application consumes with.
pub fn is_system_group(group: &str) -> bool {
    matches!(
        group,
        "DEFAULT_PRODUCER"
            | "DEFAULT_CONSUMER"
            | TOOLS_GROUP
            | "SCHEDULE_CONSUMER"
            | "FILTERSRV_CONSUMER"
            | "__MONITOR_CONSUMER"
            | "CLIENT_INNER_PRODUCER"
            | "SELF_TEST_P_GROUP"
            | "SELF_TEST_C_GROUP"
            | "CID_ONS-HTTP-PROXY"
            | "CID_ONSAPI_PERMISSION"
            | "CID_ONSAPI_OWNER"
            | "CID_ONSAPI_PULL"
    ) || group.starts_with("CID_RMQ_SYS_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_characters_clients_allow() {
        assert_eq!(validate_topic("PayOrderSuccessTopic"), Ok(()));
        assert_eq!(validate_topic("%RETRY%order-group_1|x"), Ok(()));
        assert_eq!(validate_topic("  "), Err(NameError::Blank { kind: "topic" }));
        assert!(matches!(validate_topic("a b"), Err(NameError::Character { found: ' ', .. })));
        assert!(matches!(validate_group("grüppe"), Err(NameError::Character { found: 'ü', .. })));
        assert!(matches!(validate_topic(&"x".repeat(128)), Err(NameError::TooLong { len: 128, max: 127, .. })));
    }

    #[test]
    fn the_retry_topic_of_the_longest_group_is_a_topic() {
        assert_eq!(validate_topic(&retry_topic(&"g".repeat(GROUP_LEN_MAX))), Ok(()));
    }

    #[test]
    fn a_group_is_read_back_from_its_topics() {
        assert_eq!(group_of_retry_topic(&retry_topic("cart")), Some("cart"));
        assert_eq!(group_of_dead_letter_topic(&dead_letter_topic("cart")), Some("cart"));
        assert_eq!(group_of_retry_topic("cart"), None);
    }
}
