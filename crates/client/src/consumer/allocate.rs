//! Who of a group reads which queues.

/// The share of `own` of a topic's queues, `None` if it is not among the members.
///
/// Every member computes it by itself, so all of them, Java clients included, must come to the same: members and queues
/// sorted, consecutive queues to each, the first members one more where it does not come out even. Java calls it
/// `AllocateMessageQueueAveragely`, its default.
pub(super) fn share<'q, Q>(queues: &'q [Q], members: &[String], own: &str) -> Option<&'q [Q]> {
    let mut members: Vec<&str> = members.iter().map(String::as_str).collect();
    members.sort_unstable();
    members.dedup();
    let index = members.iter().position(|member| *member == own)?;
    let (each, rest) = (queues.len() / members.len(), queues.len() % members.len());
    let first = index * each + index.min(rest);
    let count = each + usize::from(index < rest);
    Some(&queues[first..first + count])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(queues: usize, members: usize) -> Vec<Vec<usize>> {
        let queues: Vec<usize> = (0..queues).collect();
        let mut names: Vec<String> = (0..members).map(|member| format!("m{member:02}")).collect();
        names.reverse();
        (0..members).map(|member| share(&queues, &names, &format!("m{member:02}")).unwrap().to_vec()).collect()
    }

    #[test]
    fn consecutive_queues_go_to_sorted_members_the_first_of_them_getting_one_more() {
        assert_eq!(shares(8, 3), [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]]);
        assert_eq!(shares(4, 2), [vec![0, 1], vec![2, 3]]);
        assert_eq!(shares(2, 3), [vec![0], vec![1], vec![]]);
        assert_eq!(shares(0, 1), [Vec::<usize>::new()]);
    }

    #[test]
    fn every_queue_has_exactly_one_reader() {
        for queues in 0..40 {
            for members in 1..12 {
                let all: Vec<usize> = shares(queues, members).concat();
                assert_eq!(all, (0..queues).collect::<Vec<_>>(), "{queues} queues, {members} members");
            }
        }
    }

    #[test]
    fn who_is_not_a_member_yet_gets_nothing() {
        assert_eq!(share(&[1, 2], &["a".to_owned()], "b"), None);
        assert_eq!(share(&[1, 2], &[], "b"), None);
    }
}
