//! What the tests of all families look for.

use remoting::client::Received;

/// Properties of a half of group `payers`.
pub const HALF: &str =
    "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}payers\u{2}UNIQ_KEY\u{1}K1\u{2}TAGS\u{1}a\u{2}KEYS\u{1}k1 k2\u{2}";

/// The text of a refusal.
pub fn remark(answer: &Received) -> &str {
    answer.remark.as_deref().unwrap_or_default()
}

/// Code and remark, for comparing with both.
pub fn refused(answer: &Received, code: i32, text: &str) {
    assert_eq!(answer.code, code, "{answer:?}");
    assert!(remark(answer).contains(text), "{answer:?} says nothing of {text:?}");
}

/// The log offset in the id that a send was answered with.
pub fn offset_of(half: &Received) -> String {
    let id = protocol::identifiers::OffsetMsgId::decode(half.field("msgId").unwrap()).unwrap();
    id.commit_log_offset.to_string()
}
