//! The string of properties that travels with a message: `k \u{1} v \u{2} k \u{1} v` (remoting protocol 2.3).
//!
//! It stays the string it is: a broker looks at a handful of keys, so nothing is parsed into a map.

/// Between a key and its value.
pub const KEY_END: u8 = 1;
/// Behind a value; present or absent after the last one, depending on the client.
pub const PAIR_END: u8 = 2;
/// Longest property string, in bytes: its length field is a signed 16-bit number to Java.
pub const PROPERTIES_LEN_MAX: usize = 32_767;

/// Keys by which a message can be looked up, separated by spaces.
pub const KEYS: &str = "KEYS";
/// The tag consumers filter by.
pub const TAGS: &str = "TAGS";
/// Delay level, 1 to 18.
pub const DELAY: &str = "DELAY";
/// The id a client gives to its message.
pub const UNIQ_KEY: &str = "UNIQ_KEY";
/// "true" makes a send a half message.
pub const TRAN_MSG: &str = "TRAN_MSG";
/// The producer group of a half.
pub const PGROUP: &str = "PGROUP";
/// The target of a half or a delayed message, as RocketMQ keeps it.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
/// The target queue of a half or a delayed message, as RocketMQ keeps it.
pub const REAL_QID: &str = "REAL_QID";
/// How often a half was asked about, as RocketMQ says it in a check.
pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Seconds before a half may be asked about for the first time.
pub const CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// The topic a message that is consumed again came from.
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
/// The offset id of the first copy of a message that is consumed again.
pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// Attempts so far, when a client sends a message back by an ordinary send.
pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
/// Attempts allowed, when a client sends a message back by an ordinary send.
pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
/// Region name consumers put into trace records.
pub const MSG_REGION: &str = "MSG_REGION";
/// Whether tracing is on.
pub const TRACE_ON: &str = "TRACE_ON";
/// The cluster a message was stored in; a reply goes to the reply topic of it.
pub const CLUSTER: &str = "CLUSTER";
/// Deliver after so many seconds.
pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
/// Deliver after so many milliseconds.
pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
/// Deliver at this moment, milliseconds since 1970.
pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
/// Handle of a popped message: never stored.
pub const POP_CK: &str = "POP_CK";
/// The client that waits for a reply.
pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
/// When a reply was pushed to the client that waits for it.
pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
/// The id of a transaction as the Java client keeps it in the message.
pub const TRANSACTION_ID: &str = "__transactionId__";

/// The pairs of a property string, in order. Items without a key end, and empty values, are skipped as clients do.
pub fn iter(properties: &str) -> impl Iterator<Item = (&str, &str)> {
    Pairs { properties, from: 0 }
}

struct Pairs<'a> {
    properties: &'a str,
    from: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    // Every message passes here several times: `str::split` took a quarter of all instructions of a send, because it
    // begins a search of its own for each byte of a word.
    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.properties.as_bytes();
        while self.from < bytes.len() {
            let start = self.from;
            let key_end = separator(bytes, start)?;
            let mut pair_end = key_end;
            // Of several key ends the first counts; the others are part of the value.
            while bytes.get(pair_end).is_some_and(|&byte| byte != PAIR_END) {
                pair_end = separator(bytes, pair_end + 1).unwrap_or(bytes.len());
            }
            self.from = pair_end + 1;
            if start < key_end && key_end + 1 < pair_end {
                return Some((&self.properties[start..key_end], &self.properties[key_end + 1..pair_end]));
            }
        }
        None
    }
}

/// Position of the first [`KEY_END`] or [`PAIR_END`] at or after `from`.
///
/// Words are short: searching with vectors costs more to begin than eight bytes at a time cost in all (2,000 instructions
/// for ten pairs instead of 800).
fn separator(bytes: &[u8], from: usize) -> Option<usize> {
    const BELOW_3: u64 = u64::from_ne_bytes([3; 8]);
    const TOP: u64 = u64::from_ne_bytes([0x80; 8]);
    let is_separator = |at: &usize| matches!(bytes[*at], KEY_END | PAIR_END);
    let mut at = from;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes"));
        // The top bit of each byte below 3 is set; above the first of them perhaps that of a 3 as well.
        let mut marks = word.wrapping_sub(BELOW_3) & !word & TOP;
        while marks != 0 {
            let marked = at + (marks.trailing_zeros() / 8) as usize;
            if is_separator(&marked) {
                return Some(marked);
            }
            marks &= marks - 1;
        }
        at += 8;
    }
    (at..bytes.len()).find(is_separator)
}

/// The value of a key; the last one, should it appear more than once (Java puts pairs into a map).
pub fn get<'a>(properties: &'a str, key: &str) -> Option<&'a str> {
    iter(properties).filter(|(k, _)| *k == key).last().map(|(_, value)| value)
}

/// Appends one pair behind what is there.
///
/// A value that contains a separator would change its neighbours, so separators in it become spaces.
pub fn push(properties: &mut String, key: &str, value: &str) {
    if !properties.is_empty() && !properties.ends_with(PAIR_END as char) {
        properties.push(PAIR_END as char);
    }
    properties.push_str(key);
    properties.push(KEY_END as char);
    if separator(value.as_bytes(), 0).is_none() {
        properties.push_str(value);
    } else {
        properties.extend(value.chars().map(|c| if c == '\u{1}' || c == '\u{2}' { ' ' } else { c }));
    }
    properties.push(PAIR_END as char);
}

/// Copies all pairs but those with one of these keys.
pub fn copy_without(properties: &str, dropped: &[&str], to: &mut String) {
    for (key, value) in iter(properties).filter(|(key, _)| !dropped.contains(key)) {
        push(to, key, value);
    }
}

/// Sets the value of a key: replaces all of its pairs by one at the end.
#[must_use]
pub fn with(properties: &str, key: &str, value: &str) -> String {
    let mut changed = String::with_capacity(properties.len() + key.len() + value.len() + 2);
    copy_without(properties, &[key], &mut changed);
    push(&mut changed, key, value);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_with_and_without_a_separator_at_the_end() {
        for text in ["KEYS\u{1}k1 k2\u{2}TAGS\u{1}a\u{2}", "KEYS\u{1}k1 k2\u{2}TAGS\u{1}a"] {
            assert_eq!(iter(text).collect::<Vec<_>>(), [("KEYS", "k1 k2"), ("TAGS", "a")]);
            assert_eq!(get(text, TAGS), Some("a"));
            assert_eq!(get(text, "WAIT"), None);
        }
    }

    #[test]
    fn the_last_of_several_values_counts_and_empty_ones_are_none() {
        assert_eq!(get("a\u{1}1\u{2}a\u{1}2\u{2}b\u{1}\u{2}junk\u{2}", "a"), Some("2"));
        assert_eq!(get("a\u{1}1\u{2}b\u{1}\u{2}", "b"), None);
    }

    #[test]
    fn odd_strings_are_read_as_a_split_would_read_them() {
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..24 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push(
                    ['\u{1}', '\u{2}', 'a', 'ä', '\u{2}', '\0', '\u{3}', 'b', 'c', 'd'][(state >> 24) as usize % 10],
                );
            }
            let split = text.split('\u{2}').filter_map(|pair| pair.split_once('\u{1}'));
            let expected: Vec<_> = split.filter(|(key, value)| !key.is_empty() && !value.is_empty()).collect();
            assert_eq!(iter(&text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_pair_is_appended_whatever_the_end_looks_like() {
        let mut text = String::from("a\u{1}1");
        push(&mut text, "b", "2");
        push(&mut text, "c", "x\u{2}y");
        assert_eq!(text, "a\u{1}1\u{2}b\u{1}2\u{2}c\u{1}x y\u{2}");
    }

    #[test]
    fn setting_a_value_replaces_the_one_there_was() {
        assert_eq!(with("a\u{1}1\u{2}b\u{1}2", "a", "3"), "b\u{1}2\u{2}a\u{1}3\u{2}");
    }
}
