//! The few requests RocketMQ does not have: what the command line asks about transactions, and the broker's status.
//!
//! Bodies are JSON in both directions; members keep their names. Times are milliseconds since 1970.

mod happening;
mod overview;
mod read;
mod transaction;
mod watch;

pub use overview::{GroupLoad, LISTED_MAX, Overview, TopicLoad};
pub use transaction::{Transaction, TransactionPage};
pub use watch::Watched;

use protocol::BodyError;
use protocol::json::{Object, parse};

use read::{opt_bool, opt_int, opt_text, text};

/// Undecided transactions. Body: [`ListTransactions`]; of the answer: [`TransactionPage`].
pub const LIST_TRANSACTIONS: i32 = 7001;
/// One transaction's whole life. Header field `id`; body of the answer: [`Transaction`].
pub const SHOW_TRANSACTION: i32 = 7002;
/// Settle a transaction by hand. Body: [`ResolveTransaction`]; the answer to a dry run has the [`Transaction`] as it is,
/// that to a real one no body.
pub const RESOLVE_TRANSACTION: i32 = 7003;
/// What the broker has and counted: a JSON object.
pub const BROKER_STATUS: i32 = 7004;
/// What happens to transactions. Header field `from`, the `next` of the answer before; without it, watching begins.
/// Body of the answer: [`Watched`].
pub const WATCH_TRANSACTIONS: i32 = 7005;
/// What each topic and consumer group has counted, from memory. Body of the answer: [`Overview`].
pub const BROKER_OVERVIEW: i32 = 7006;

/// The name of one of these codes.
pub fn name(code: i32) -> Option<&'static str> {
    Some(match code {
        LIST_TRANSACTIONS => "TANDEM_LIST_TRANSACTIONS",
        SHOW_TRANSACTION => "TANDEM_SHOW_TRANSACTION",
        RESOLVE_TRANSACTION => "TANDEM_RESOLVE_TRANSACTION",
        BROKER_STATUS => "TANDEM_BROKER_STATUS",
        WATCH_TRANSACTIONS => "TANDEM_WATCH_TRANSACTIONS",
        BROKER_OVERVIEW => "TANDEM_BROKER_OVERVIEW",
        _ => return None,
    })
}

/// Which transactions to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListTransactions {
    /// Producer group.
    pub group: Option<String>,
    /// Topic of the message.
    pub topic: Option<String>,
    /// Unique id, or one of the message's keys.
    pub key: Option<String>,
    /// Only those set aside (true), or only those that are asked about (false).
    pub set_aside: Option<bool>,
    /// Only those at least so old, in milliseconds.
    pub min_age_ms: i64,
    /// Only those behind this log offset: the next page.
    pub after: Option<i64>,
    /// At most so many; 0 for as many as one answer has.
    pub max: i64,
}

impl ListTransactions {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        if let Some(after) = self.after {
            object.int("after", after);
        }
        object.opt_string("group", self.group.as_deref());
        object.opt_string("key", self.key.as_deref());
        object.int("max", self.max);
        object.int("minAgeMillis", self.min_age_ms);
        if let Some(set_aside) = self.set_aside {
            object.bool("setAside", set_aside);
        }
        object.opt_string("topic", self.topic.as_deref());
        object.end();
    }

    /// Reads the body; without one, everything is asked for.
    ///
    /// # Errors
    /// When a member is not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body = parse(body)?;
        Ok(Self {
            group: opt_text(&body, "group")?,
            topic: opt_text(&body, "topic")?,
            key: opt_text(&body, "key")?,
            set_aside: opt_bool(&body, "setAside")?,
            min_age_ms: opt_int(&body, "minAgeMillis")?.unwrap_or(0),
            after: opt_int(&body, "after")?,
            max: opt_int(&body, "max")?.unwrap_or(0),
        })
    }
}

/// What a person wants of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Deliver the message.
    Commit,
    /// Never deliver it.
    Rollback,
    /// Ask about it again.
    Resume,
}

impl Action {
    /// The word for it in bodies and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Action::Commit => "commit",
            Action::Rollback => "rollback",
            Action::Resume => "resume",
        }
    }

    /// The action with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Action::Commit, Action::Rollback, Action::Resume].into_iter().find(|action| action.word() == word)
    }
}

/// Settle a transaction by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveTransaction {
    /// Offset id, log offset or unique id of the half.
    pub id: String,
    /// What is wanted.
    pub action: Action,
    /// Who wants it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Only look.
    pub dry_run: bool,
}

impl ResolveTransaction {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("action", self.action.word());
        object.bool("dryRun", self.dry_run);
        object.string("id", &self.id);
        object.string("who", &self.who);
        object.string("why", &self.why);
        object.end();
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a member is missing or not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse(body)?;
        let (name, word) = ("action", text(&body, "action")?);
        let action = Action::from_word(&word).ok_or_else(|| BodyError::Invalid {
            name,
            value: format!("{:?}", word.chars().take(64).collect::<String>()),
            expected: "commit, rollback or resume",
        })?;
        Ok(Self {
            id: text(&body, "id")?,
            action,
            who: text(&body, "who")?,
            why: text(&body, "why")?,
            dry_run: opt_bool(&body, "dryRun")?.unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_as_they_were_written() {
        let wanted = ListTransactions {
            group: Some("g".into()),
            set_aside: Some(true),
            min_age_ms: 5,
            after: Some(7),
            max: 100,
            ..ListTransactions::default()
        };
        let mut body = Vec::new();
        wanted.write(&mut body);
        assert_eq!(ListTransactions::decode(&body), Ok(wanted));
        assert_eq!(ListTransactions::decode(b""), Ok(ListTransactions::default()));

        for action in [Action::Commit, Action::Rollback, Action::Resume] {
            let resolve = ResolveTransaction {
                id: "0A".into(),
                action,
                who: "ops".into(),
                why: "the order was paid by hand".into(),
                dry_run: true,
            };
            body.clear();
            resolve.write(&mut body);
            assert_eq!(ResolveTransaction::decode(&body), Ok(resolve));
        }
    }

    #[test]
    fn a_member_that_is_wrong_is_named() {
        let said = |body: &[u8]| ResolveTransaction::decode(body).unwrap_err().to_string();
        assert_eq!(
            said(br#"{"action":"explode"}"#),
            r#"body member "action" is "explode"; send commit, rollback or resume"#
        );
        assert_eq!(said(br#"{"action":"commit"}"#), r#"body member "id" is missing; send it"#);
        assert_eq!(said(br#"{"action":7}"#), r#"body member "action" is a number; send a text"#);
    }
}
