use std::collections::BTreeMap;

type Key = (String, String, u32);

/// A request that nobody will ever answer.
const NOT_ANSWERED: u64 = 0;

/// What groups have told about how far they have consumed, and what of it must not be lost.
#[derive(Debug, Default)]
pub struct Offsets {
    queues: BTreeMap<Key, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// What was answered to be stored, or was found after a restart.
    durable: Option<u64>,
    /// What was told since, oldest first, with the request that an answer may still come to.
    since: Vec<(Option<u64>, u64)>,
    /// A power cut may have taken anything, or an operator has moved it.
    lost: bool,
    /// Requests of operators to move it that were not answered yet.
    moving: u32,
}

impl Offsets {
    fn at(&mut self, group: &str, topic: &str, queue: u32) -> &mut Told {
        self.queues.entry((group.to_owned(), topic.to_owned(), queue)).or_default()
    }

    /// A group tells an offset; `token` names the request if it waits for an answer.
    pub fn told(&mut self, group: &str, topic: &str, queue: u32, offset: u64, token: Option<u64>) {
        self.at(group, topic, queue).since.push((token, offset));
    }

    /// The log has no room: what was told and not answered may be lost before it is stored, for a disk that is full takes
    /// nothing but what was prepared. Only an answer promises anything.
    pub fn nothing_is_sure(&mut self) {
        let told = self.queues.values_mut().flat_map(|told| &mut told.since);
        told.filter(|(token, _)| token.is_none()).for_each(|(token, _)| *token = Some(NOT_ANSWERED));
    }

    /// The request is answered: its offset, and none before it, is what a crash leaves at least.
    pub fn stored(&mut self, group: &str, topic: &str, queue: u32, token: u64) {
        let told = self.at(group, topic, queue);
        if let Some(position) = told.since.iter().position(|(of, _)| *of == Some(token)) {
            told.durable = Some(told.since[position].1);
            told.since.drain(..=position);
            told.lost = told.moving > 0;
        }
    }

    /// What a broker that has run since all of this was told may answer to the question for an offset, if it is asked
    /// now; `None` for anything.
    pub fn answers(&mut self, group: &str, topic: &str, queue: u32) -> Option<Vec<Option<u64>>> {
        let told = self.at(group, topic, queue);
        // A request that was not answered yet may not have been heard.
        let sure = told.since.iter().rposition(|(token, _)| token.is_none());
        let mut allowed: Vec<Option<u64>> =
            told.since[sure.unwrap_or(0)..].iter().map(|(_, offset)| Some(*offset)).collect();
        if sure.is_none() {
            allowed.push(told.durable);
        }
        (!told.lost).then_some(allowed)
    }

    /// What a recovered state says.
    ///
    /// # Errors
    /// When what was answered to be stored is not there.
    pub fn check_recovered(&self, get: impl Fn(&str, &str, u32) -> Option<u64>) -> Result<(), String> {
        for ((group, topic, queue), told) in self.queues.iter().filter(|(_, told)| !told.lost) {
            let found = get(group, topic, *queue);
            if found != told.durable && !told.since.iter().any(|(_, offset)| Some(*offset) == found) {
                return Err(format!("{group} finds {found:?} for {topic} queue {queue}, but {told:?} was told"));
            }
        }
        Ok(())
    }

    /// After a restart: what the broker has now is what is stored.
    pub fn collapse(&mut self, get: impl Fn(&str, &str, u32) -> Option<u64>) {
        for ((group, topic, queue), told) in &mut self.queues {
            *told = Told { durable: get(group, topic, *queue), ..Told::default() };
        }
    }

    /// An operator moves the offsets of a group: they may be anything until they are told again.
    pub fn reset(&mut self, group: &str, topic: &str, queues: u32) {
        for queue in 0..queues {
            let told = self.at(group, topic, queue);
            (told.lost, told.moving) = (true, told.moving + 1);
        }
    }

    /// The operator has an answer.
    pub fn reset_done(&mut self, group: &str, topic: &str) {
        let moved = self.queues.iter_mut().filter(|((of, at, _), _)| of == group && at == topic);
        moved.for_each(|(_, told)| told.moving = told.moving.saturating_sub(1));
    }

    pub(super) fn forget_topic(&mut self, topic: &str) {
        self.queues.retain(|(_, of, _), _| of != topic);
    }

    pub(super) fn lost(&mut self) {
        self.queues.values_mut().for_each(|told| told.lost = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_must_be_found_and_what_was_only_told_may_be() {
        let mut offsets = Offsets::default();
        let get = |value: u64| move |_: &str, _: &str, _: u32| Some(value);
        offsets.told("g", "t", 0, 5, Some(1));
        offsets.told("g", "t", 0, 9, Some(2));
        offsets.stored("g", "t", 0, 2);
        offsets.told("g", "t", 0, 12, None);
        assert!(offsets.check_recovered(get(9)).is_ok());
        assert!(offsets.check_recovered(get(12)).is_ok());
        assert!(offsets.check_recovered(get(5)).is_err());
        assert_eq!(offsets.answers("g", "t", 0), Some(vec![Some(12)]));
        offsets.told("g", "t", 0, 13, Some(3));
        assert_eq!(offsets.answers("g", "t", 0), Some(vec![Some(12), Some(13)]));
    }
}
