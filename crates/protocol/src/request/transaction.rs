//! The second half of a transaction: the decision (37), the check-back (39), and asking again (323).

use crate::encode::Field;
use crate::header::fields::{self, given, required};
use crate::header::{FieldError, Fields};

/// What became of a local transaction, as a producer says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It happened: deliver the message.
    Commit,
    /// It did not happen: forget the message.
    Rollback,
    /// The producer cannot say yet: ask again later.
    Unknown,
}

impl Decision {
    /// The number in `commitOrRollback`: the transaction type in a record's system flags.
    pub fn code(self) -> i32 {
        match self {
            Self::Commit => 8,
            Self::Rollback => 12,
            Self::Unknown => 0,
        }
    }

    /// The decision with this number.
    pub fn from_code(code: i32) -> Option<Self> {
        match code {
            8 => Some(Self::Commit),
            12 => Some(Self::Rollback),
            0 => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// Header of 37, END_TRANSACTION. The header's remark, if any, is the text of the local transaction's exception.
///
/// One-way from Java; Go sends a request, does not wait, and ignores the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionHeader<'a> {
    /// Group of the producer: the one that sent the half message.
    pub producer_group: &'a str,
    /// Queue offset from the answer to the half message, or from the check.
    pub tran_state_table_offset: i64,
    /// Commit-log offset from the id in that answer, or from the check.
    pub commit_log_offset: i64,
    /// What became of the local transaction.
    pub decision: Decision,
    /// Is this the answer to a check?
    pub from_transaction_check: bool,
    /// The message's `UNIQ_KEY`.
    pub msg_id: &'a str,
    /// Transaction id from the answer to the half message: the `UNIQ_KEY`; C++ leaves it out.
    pub transaction_id: Option<&'a str>,
    /// From 5.x Java only, and in the answer to a check it is what the check said: nothing to compare with.
    pub topic: Option<&'a str>,
    /// The broker meant; not from C++, nor from Go in the answer to a check.
    pub broker_name: Option<&'a str>,
}

impl<'a> EndTransactionHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        const NAMES: [&str; 9] = [
            "bname",
            "commitLogOffset",
            "commitOrRollback",
            "fromTransactionCheck",
            "msgId",
            "producerGroup",
            "topic",
            "tranStateTableOffset",
            "transactionId",
        ];
        let [bname, offset, code, from_check, msg_id, group, topic, sequence, transaction_id] = fields.pick(NAMES);
        let name = "commitOrRollback";
        let code = fields::i32(name, code)?;
        let decision = Decision::from_code(code)
            .ok_or_else(|| FieldError::invalid(name, &code.to_string(), "8 (commit), 12 (rollback) or 0 (unknown)"))?;
        Ok(Self {
            producer_group: required("producerGroup", group)?,
            tran_state_table_offset: fields::i64("tranStateTableOffset", sequence)?,
            commit_log_offset: fields::i64("commitLogOffset", offset)?,
            decision,
            from_transaction_check: fields::opt_bool("fromTransactionCheck", from_check)?.unwrap_or(false),
            msg_id: required("msgId", msg_id)?,
            transaction_id: given(transaction_id),
            topic: given(topic),
            broker_name: given(bname),
        })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 9] {
        [
            ("bname", self.broker_name.into()),
            ("commitLogOffset", self.commit_log_offset.into()),
            ("commitOrRollback", self.decision.code().into()),
            ("fromTransactionCheck", self.from_transaction_check.into()),
            ("msgId", self.msg_id.into()),
            ("producerGroup", self.producer_group.into()),
            ("topic", self.topic.into()),
            ("tranStateTableOffset", self.tran_state_table_offset.into()),
            ("transactionId", self.transaction_id.into()),
        ]
    }
}

/// Header of 39, CHECK_TRANSACTION_STATE, pushed one-way to a producer; the body is the half message's record with its
/// real topic and queue. The producer answers with a new 37 that quotes both offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckTransactionState<'a> {
    /// What the answering 37 will carry as its topic; RocketMQ says the half topic.
    pub topic: &'a str,
    /// Name of this broker.
    pub broker_name: &'a str,
    /// Queue offset by which the half message can be decided.
    pub tran_state_table_offset: i64,
    /// Commit-log offset by which the half message can be decided.
    pub commit_log_offset: i64,
    /// The message's `UNIQ_KEY`.
    pub msg_id: &'a str,
    /// The transaction id the producer was given: the `UNIQ_KEY`.
    pub transaction_id: &'a str,
    /// Offset message id of the half message.
    pub offset_msg_id: &'a str,
}

impl<'a> CheckTransactionState<'a> {
    /// The fields, in the order RocketMQ writes them.
    pub fn fields(&self) -> [Field<'a>; 7] {
        [
            ("bname", self.broker_name.into()),
            ("commitLogOffset", self.commit_log_offset.into()),
            ("topic", self.topic.into()),
            ("msgId", self.msg_id.into()),
            ("tranStateTableOffset", self.tran_state_table_offset.into()),
            ("offsetMsgId", self.offset_msg_id.into()),
            ("transactionId", self.transaction_id.into()),
        ]
    }

    /// Reads the header, as our client does; what old brokers leave out is empty.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self {
            topic: fields.get("topic").unwrap_or(""),
            broker_name: fields.get("bname").unwrap_or(""),
            tran_state_table_offset: fields.i64("tranStateTableOffset")?,
            commit_log_offset: fields.i64("commitLogOffset")?,
            msg_id: fields.get("msgId").unwrap_or(""),
            transaction_id: fields.get("transactionId").unwrap_or(""),
            offset_msg_id: fields.get("offsetMsgId").unwrap_or(""),
        })
    }
}

/// Header of 323: ask again about a half message that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeCheckHeader<'a> {
    /// Topic, not used by RocketMQ.
    pub topic: Option<&'a str>,
    /// Offset message id of the half message, or of the copy that was set aside.
    pub msg_id: &'a str,
}

impl<'a> ResumeCheckHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { topic: fields.opt_str("topic"), msg_id: fields.str("msgId")? })
    }

    /// The fields, as our client sends them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("topic", self.topic.into()), ("msgId", self.msg_id.into())]
    }
}
