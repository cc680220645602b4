//! Tag filters by hash, as consume queues and pull requests use them.

/// Java's `String::hashCode` of a tag, 0 for no tag.
///
/// Consumers compare the tag itself again, so a collision costs one wasted fetch; a different hash would lose
/// messages. Java hashes UTF-16 code units.
pub fn tags_code(tags: &str) -> i32 {
    tags.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_hashes_as_java_hashes_a_string() {
        assert_eq!(tags_code(""), 0);
        assert_eq!(tags_code("a"), 97);
        assert_eq!(tags_code("TagA"), 2_598_919);
        assert_eq!(tags_code("订单"), 1_129_459);
    }
}
