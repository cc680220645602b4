//! "Did you mean": the known word nearest to what was written.

/// The candidate that `word` most likely was meant to be, or `None` when none is near enough to be a slip of the hand.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters: "chek_intervall" is a slip, "interval" for "age" is not.
    nearest_within(word, candidates, (word.chars().count() / 3).max(1))
}

/// The candidate nearest to `word`, at most `allowed` slips away.
pub fn nearest_within<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    allowed: usize,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace or swap with their neighbour to turn one word into the other. Case counts for
/// nothing, and `-` is `_`.
pub fn distance(left: &str, right: &str) -> usize {
    let fold = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let left: Vec<char> = left.chars().map(fold).collect();
    let right: Vec<char> = right.chars().map(fold).collect();
    // Three rows of the usual table: a swap looks two rows back.
    let mut before: Vec<usize> = vec![0; right.len() + 1];
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    let mut current = previous.clone();
    for (i, l) in left.iter().enumerate() {
        current[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replaced = previous[j] + usize::from(l != r);
            current[j + 1] = replaced.min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                current[j + 1] = current[j + 1].min(before[j - 1] + 1);
            }
        }
        std::mem::swap(&mut before, &mut previous);
        std::mem::swap(&mut previous, &mut current);
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        let known = ["check_interval", "check_max", "first_check_after", "age", "size"];
        assert_eq!(nearest("check_intervall", known), Some("check_interval"));
        assert_eq!(nearest("chekc_max", known), Some("check_max"));
        assert_eq!(nearest("check-interval", known), Some("check_interval"));
        assert_eq!(nearest("aeg", known), Some("age"));
        assert_eq!(nearest("flush_disk_type", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_slip() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
