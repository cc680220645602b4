//! A transaction on the wire: what the broker tells of it, and how it is read back.

use broker::io::{Stored, TransactionStatus};
use message::{CommitLogOffset, QueueOffset, Timestamp};
use protocol::BodyError;
use protocol::json::{Array, Object, Value, parse};

use super::happening;
use super::read::{items, negative, opt_int, signed, text, time, unsigned};

/// A transaction as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Offset id of the half: the one name of it that is without doubt.
    pub offset_id: String,
    /// What the broker tells of it.
    pub status: TransactionStatus,
    /// Checks answered "unknown" after which it is given up.
    pub check_max: u32,
    /// The broker's time.
    pub now: Timestamp,
}

/// A page of undecided transactions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionPage {
    /// One each, without timeline, tag and keys.
    pub transactions: Vec<Transaction>,
    /// How many there are in all, those set aside included, whatever was asked for.
    pub total: u64,
    /// How many of them are set aside.
    pub set_aside: u64,
    /// Where the list goes on, if it does: ask for those after this. A page can be empty although others follow.
    pub next: Option<CommitLogOffset>,
    /// The broker's time.
    pub now: Timestamp,
}

/// The words for where a transaction stands.
const STATES: [&str; 4] = ["pending", "set-aside", "committed", "rolled-back"];

impl TransactionPage {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        if let Some(next) = self.next {
            object.int("next", next.signed());
        }
        object.int("now", self.now.millis());
        object.int("setAside", signed(self.set_aside));
        object.int("total", signed(self.total));
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
    /// When a member is missing or not what it should be.
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        let body = parse(body)?;
        Ok(Self {
            transactions: items(&body, "transactions")?.iter().map(Transaction::read).collect::<Result<_, _>>()?,
            total: unsigned(&body, "total")?,
            set_aside: unsigned(&body, "setAside")?,
            next: opt_int(&body, "next")?
                .map(|next| CommitLogOffset::from_signed(next).ok_or_else(|| negative("next", next)))
                .transpose()?,
            now: time(&body, "now")?,
        })
    }
}

impl Transaction {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status = &self.status;
        let mut object = Object::begin(out);
        object.int("checkMax", self.check_max);
        object.int("unknownAnswers", status.attempts);
        object.string("client", &status.client);
        object.string("explanation", &status.explanation);
        object.string("group", &status.group);
        object.string("id", &status.unique_key);
        object.string("keys", &status.keys);
        object.int("logOffset", status.half.at.signed());
        if let Some(next) = status.next_check {
            object.int("nextCheckAt", next.millis());
        }
        object.int("now", self.now.millis());
        object.string("offsetId", &self.offset_id);
        object.int("producers", status.producers as i64);
        object.int("queue", status.queue);
        object.int("sequence", status.sequence.signed());
        object.int("silentChecks", status.silent);
        object.int("size", status.size);
        object.string("state", status.state);
        object.int("storedAt", status.half.time.millis());
        object.string("tag", &status.tag);
        let mut timeline = Array::begin(object.member("timeline"));
        for (at, what) in &status.timeline {
            happening::write(timeline.item(), *at, what);
        }
        timeline.end();
        object.string("topic", &status.topic);
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
        let status = TransactionStatus {
            half: Stored { at: CommitLogOffset::new(unsigned(value, "logOffset")?), time: time(value, "storedAt")? },
            sequence: QueueOffset::new(unsigned(value, "sequence")?),
            unique_key: text(value, "id")?,
            topic: text(value, "topic")?,
            queue: small(value, "queue")?,
            group: text(value, "group")?,
            client: text(value, "client")?,
            state: state(value)?,
            attempts: small(value, "unknownAnswers")?,
            silent: small(value, "silentChecks")?,
            next_check: opt_int(value, "nextCheckAt")?.map(Timestamp::from_millis),
            producers: small(value, "producers")? as usize,
            explanation: text(value, "explanation")?,
            size: small(value, "size")?,
            tag: text(value, "tag")?,
            keys: text(value, "keys")?,
            timeline: items(value, "timeline")?.iter().map(happening::read).collect::<Result<_, _>>()?,
        };
        Ok(Self {
            offset_id: text(value, "offsetId")?,
            status,
            check_max: small(value, "checkMax")?,
            now: time(value, "now")?,
        })
    }
}

fn state(value: &Value<'_>) -> Result<&'static str, BodyError> {
    let said = text(value, "state")?;
    STATES.into_iter().find(|state| *state == said).ok_or_else(|| BodyError::Invalid {
        name: "state",
        value: format!("{:?}", said.chars().take(64).collect::<String>()),
        expected: "what a broker of this version says",
    })
}

fn small(value: &Value<'_>, name: &'static str) -> Result<u32, BodyError> {
    let number = unsigned(value, name)?;
    u32::try_from(number).map_err(|_| BodyError::Invalid {
        name,
        value: number.to_string(),
        expected: "a 32-bit number",
    })
}

#[cfg(test)]
mod tests {
    use broker::io::Happening;
    use message::entry::{CheckOutcome, DecidedBy, Outcome};

    use super::*;

    fn transaction() -> Transaction {
        let at = |ms: i64| Timestamp::from_millis(1_700_000_000_000 + ms);
        let (who, why) = ("ops".to_owned(), "the order was \"paid\"".to_owned());
        let happenings = [
            Happening::Stored { client: "10.0.0.5@1".into(), at: CommitLogOffset::new(4096) },
            Happening::Checked { client: String::new(), outcome: CheckOutcome::Silent },
            Happening::Checked { client: "c".into(), outcome: CheckOutcome::Unknown },
            Happening::SetAside { who: String::new(), why: "asked about too often".into() },
            Happening::Resumed { who: who.clone(), why: why.clone() },
            Happening::Decided { outcome: Outcome::Commit, by: DecidedBy::Operator, who, why },
            Happening::Scheduled { deliver_at: at(9) },
            Happening::Visible {
                topic: "orders".into(),
                queue: 3,
                offset: QueueOffset::new(7),
                at: CommitLogOffset::new(5000),
            },
        ];
        Transaction {
            offset_id: "0A".into(),
            status: TransactionStatus {
                half: Stored { at: CommitLogOffset::new(4096), time: at(0) },
                sequence: QueueOffset::new(41),
                unique_key: "K1".into(),
                topic: "orders".into(),
                queue: 3,
                group: "payers".into(),
                client: "10.0.0.5@1".into(),
                state: "committed",
                attempts: 2,
                silent: 1,
                next_check: None,
                producers: 2,
                explanation: "committed by hand".into(),
                size: 300,
                tag: "a".into(),
                keys: "k1 k2".into(),
                timeline: (0..).map(at).zip(happenings).collect(),
            },
            check_max: 15,
            now: at(60_000),
        }
    }

    #[test]
    fn a_transaction_comes_back_as_it_was_written() {
        let transaction = transaction();
        let mut body = Vec::new();
        transaction.write(&mut body);
        assert_eq!(Transaction::decode(&body), Ok(transaction.clone()));

        let mut waiting = transaction;
        waiting.status.state = "pending";
        waiting.status.next_check = Some(Timestamp::from_millis(1_700_000_006_000));
        waiting.status.timeline.clear();
        let now = waiting.now;
        let next = Some(CommitLogOffset::new(4096));
        let page = TransactionPage { transactions: vec![waiting], total: 2, set_aside: 1, next, now };
        body.clear();
        page.write(&mut body);
        assert_eq!(TransactionPage::decode(&body), Ok(page));
    }

    #[test]
    fn what_another_version_says_is_named() {
        let mut body = Vec::new();
        transaction().write(&mut body);
        let text = String::from_utf8(body).unwrap();
        let error = Transaction::decode(text.replace("\"committed\"", "\"parked\"").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), r#"body member "state" is "parked"; send what a broker of this version says"#);
        let error =
            Transaction::decode(text.replace("\"silentChecks\":1", "\"silentChecks\":-1").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), r#"body member "silentChecks" is -1; send a number that is not negative"#);
    }
}
