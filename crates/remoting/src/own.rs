//! The few requests RocketMQ does not have: what the command line asks about transactions, and the broker's status.
//!
//! Bodies are JSON in both directions; the members written here keep their names. Times are milliseconds since 1970.

use protocol::BodyError;
use protocol::json::{Array, Object, Value, parse, write_string};

/// Undecided transactions. Body: [`ListTransactions`]; of the answer: [`TransactionList`].
pub const LIST_TRANSACTIONS: i32 = 7001;
/// One transaction's whole life. Header field `id`; body of the answer: [`Transaction`].
pub const SHOW_TRANSACTION: i32 = 7002;
/// Settle a transaction by hand. Body: [`ResolveTransaction`]; the answer to a dry run has the [`Transaction`] as it is,
/// that to a real one no body.
pub const RESOLVE_TRANSACTION: i32 = 7003;
/// What the broker has and counted: a JSON object.
pub const BROKER_STATUS: i32 = 7004;

/// The name of one of these codes.
pub fn name(code: i32) -> Option<&'static str> {
    Some(match code {
        LIST_TRANSACTIONS => "TANDEM_LIST_TRANSACTIONS",
        SHOW_TRANSACTION => "TANDEM_SHOW_TRANSACTION",
        RESOLVE_TRANSACTION => "TANDEM_RESOLVE_TRANSACTION",
        BROKER_STATUS => "TANDEM_BROKER_STATUS",
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
    /// Unique id.
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

/// A page of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionList {
    /// One each, oldest first.
    pub transactions: Vec<Transaction>,
    /// How many undecided ones there are in all.
    pub total: i64,
    /// Whether more match: ask for those after the last one's `offset`.
    pub more: bool,
}

impl TransactionList {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.bool("more", self.more);
        object.int("total", self.total);
        let mut list = Array::begin(object.member("transactions"));
        for transaction in &self.transactions {
            transaction.write(list.item());
        }
        list.end();
        object.end();
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a member is not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse(body)?;
        Ok(Self {
            transactions: items(&body, "transactions")?.iter().map(Transaction::read).collect::<Result<_, _>>()?,
            total: opt_int(&body, "total")?.unwrap_or(0),
            more: opt_bool(&body, "more")?.unwrap_or(false),
        })
    }
}

/// A transaction as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Offset id of the half: what `transactions show` and `resolve` take.
    pub id: String,
    /// Log offset of the half.
    pub offset: i64,
    /// Position among all halves.
    pub sequence: i64,
    /// Unique id of the message.
    pub key: String,
    /// Topic of the message.
    pub topic: String,
    /// Queue of the message.
    pub queue: i64,
    /// Producer group.
    pub group: String,
    /// Client id of the sender.
    pub client: String,
    /// `pending`, `set-aside`, `committed` or `rolled-back`.
    pub state: String,
    /// When the half was stored, on the broker's clock.
    pub stored_at: i64,
    /// Checks that were answered with "unknown".
    pub unknown_answers: i64,
    /// Checks nobody answered.
    pub silent_checks: i64,
    /// Length of the record in bytes.
    pub size: i64,
    /// Why it is where it is, and what happens next.
    pub explanation: String,
    /// What happened to it, and when, oldest first. Not in lists.
    pub timeline: Vec<(i64, String)>,
}

impl Transaction {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("client", &self.client);
        object.string("explanation", &self.explanation);
        object.string("group", &self.group);
        object.string("id", &self.id);
        object.string("key", &self.key);
        object.int("offset", self.offset);
        object.int("queue", self.queue);
        object.int("sequence", self.sequence);
        object.int("silentChecks", self.silent_checks);
        object.int("size", self.size);
        object.string("state", &self.state);
        object.int("storedAt", self.stored_at);
        let mut timeline = Array::begin(object.member("timeline"));
        for (at, what) in &self.timeline {
            let mut event = Object::begin(timeline.item());
            event.int("at", *at);
            write_string(event.member("what"), what);
            event.end();
        }
        timeline.end();
        object.string("topic", &self.topic);
        object.int("unknownAnswers", self.unknown_answers);
        object.end();
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When a member is missing or not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Self::read(&parse(body)?)
    }

    fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        let event = |event: &Value<'_>| Ok::<_, BodyError>((int(event, "at")?, text(event, "what")?));
        Ok(Self {
            id: text(value, "id")?,
            offset: int(value, "offset")?,
            sequence: int(value, "sequence")?,
            key: text(value, "key")?,
            topic: text(value, "topic")?,
            queue: int(value, "queue")?,
            group: text(value, "group")?,
            client: text(value, "client")?,
            state: text(value, "state")?,
            stored_at: int(value, "storedAt")?,
            unknown_answers: int(value, "unknownAnswers")?,
            silent_checks: int(value, "silentChecks")?,
            size: int(value, "size")?,
            explanation: text(value, "explanation")?,
            timeline: items(value, "timeline")?.iter().map(event).collect::<Result<_, _>>()?,
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

fn opt_text(value: &Value<'_>, name: &'static str) -> Result<Option<String>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone().into_owned())),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "a text" }),
    }
}

fn text(value: &Value<'_>, name: &'static str) -> Result<String, BodyError> {
    opt_text(value, name)?.ok_or(BodyError::Missing { name })
}

fn opt_int(value: &Value<'_>, name: &'static str) -> Result<Option<i64>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::Int(number)) => Ok(Some(*number)),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "a whole number" }),
    }
}

fn int(value: &Value<'_>, name: &'static str) -> Result<i64, BodyError> {
    opt_int(value, name)?.ok_or(BodyError::Missing { name })
}

fn opt_bool(value: &Value<'_>, name: &'static str) -> Result<Option<bool>, BodyError> {
    match value.get(name) {
        None => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "true or false" }),
    }
}

fn items<'v, 'a>(value: &'v Value<'a>, name: &'static str) -> Result<&'v [Value<'a>], BodyError> {
    match value.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(BodyError::Kind { name, found: other.kind(), expected: "an array" }),
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

        let transaction = Transaction {
            id: "0A".into(),
            offset: 1,
            state: "pending".into(),
            explanation: "waits for \"its\" first check".into(),
            timeline: vec![(5, "half message stored".into())],
            ..Transaction::default()
        };
        let list = TransactionList { transactions: vec![transaction.clone()], total: 2, more: true };
        body.clear();
        list.write(&mut body);
        assert_eq!(TransactionList::decode(&body), Ok(list));
        body.clear();
        transaction.write(&mut body);
        assert_eq!(Transaction::decode(&body), Ok(transaction));

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
