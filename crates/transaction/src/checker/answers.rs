use message::CommitLogOffset;
use message::entry::CheckOutcome;

use super::producers::Outstanding;
use super::{Checker, Command, SessionId, Step};

/// Why a check that was sent is over without an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    /// It was given its time.
    Silent,
    /// The one who was asked is gone, or never got it.
    Lost,
}

impl Checker {
    /// An answer "unknown": an attempt, if this session was asked and had not answered yet.
    pub(super) fn unknown_answered(&mut self, half: CommitLogOffset, session: SessionId, out: &mut Vec<Command>) {
        let Some(index) = self.asked(half, session) else { return };
        let client = self.producers.client(session);
        let sent_at = self.take_check(index, session).sent_at;
        out.push(Command::LogCheck { half, outcome: CheckOutcome::Unknown, client });
        let watched = self.halves.get_mut(index);
        watched.attempts += 1;
        if watched.attempts >= self.config.check_max {
            self.exhausted(index, out);
        } else {
            let due = self.after_interval(sent_at);
            self.wheel.set(&mut self.halves, index, due);
        }
    }

    /// The time for an answer is over.
    pub(super) fn was_silent(&mut self, index: u32, session: SessionId, out: &mut Vec<Command>) {
        let mut check = self.take_check(index, session);
        let half = self.halves.get(index).half;
        let client = self.producers.client(session);
        out.push(Command::LogCheck { half, outcome: CheckOutcome::Silent, client });
        check.silent.push(session);
        self.hand_on(index, check, Unanswered::Silent, out);
    }

    /// The check did not get out. The session is left in peace for as long as an answer may take: its connection is
    /// either about to be reported gone, or has more to write than it can.
    pub(super) fn push_failed(&mut self, half: CommitLogOffset, session: SessionId, out: &mut Vec<Command>) {
        let Some(index) = self.asked(half, session) else { return };
        let until = self.now.plus_ms(i64::from(self.config.answer_timeout_ms));
        self.producers.pause(session, until);
        let check = self.take_check(index, session);
        self.hand_on(index, check, Unanswered::Lost, out);
    }

    pub(super) fn check_failed(&mut self, half: CommitLogOffset) {
        let Some(&index) = self.by_half.get(&half) else { return };
        if let Step::Asked(session) = self.halves.get(index).step {
            let sent_at = self.take_check(index, session).sent_at;
            let due = self.after_interval(sent_at);
            self.wheel.set(&mut self.halves, index, due);
        }
    }

    pub(super) fn session_left(&mut self, session: SessionId, out: &mut Vec<Command>) {
        let Some(left) = self.producers.leave(session) else { return };
        for (half, check) in left.asked {
            self.hand_on_from_gone(half, check, out);
        }
        for group in left.groups {
            self.producers.drop_unused(group);
        }
    }

    pub(super) fn group_left(&mut self, group: &str, session: SessionId, out: &mut Vec<Command>) {
        let Some(group) = self.producers.find_group(group) else { return };
        let halves: Vec<CommitLogOffset> = self.producers.asked_of(session).collect();
        if !self.producers.leave_group(group, session) {
            return;
        }
        for half in halves {
            let index = self.by_half[&half];
            if self.halves.get(index).group == group {
                let check = self.take_check(index, session);
                self.hand_on(index, check, Unanswered::Lost, out);
            }
        }
        if self.producers.is_in_no_group(session) {
            self.producers.leave(session);
        }
        self.producers.drop_unused(group);
    }

    fn hand_on_from_gone(&mut self, half: CommitLogOffset, check: Outstanding, out: &mut Vec<Command>) {
        let index = self.by_half[&half];
        self.wheel.stop(&mut self.halves, index);
        self.hand_on(index, check, Unanswered::Lost, out);
    }

    /// Asks another session of the group, one that was not silent in this round; if there is none the half goes back
    /// in line, for later.
    fn hand_on(&mut self, index: u32, check: Outstanding, why: Unanswered, out: &mut Vec<Command>) {
        let Outstanding { sent_at, silent } = check;
        let watched = self.halves.get(index);
        let (group, own) = (watched.group, watched.own);
        if let Ok(session) = self.producers.pick(group, own, &silent, self.now, self.config.unanswered_max) {
            self.ask(index, session, silent, out);
            return;
        }
        let members = &self.producers.groups.get(group).members;
        let all_silent = !members.is_empty() && members.iter().all(|member| silent.contains(member));
        // Whoever could be asked was. A session that has no room is not answering either, so it ends the round too;
        // but who lost his check to a connection keeps his place in the line.
        let round_is_over = all_silent || why == Unanswered::Silent;
        self.wait(index, if round_is_over { self.after_interval(sent_at) } else { sent_at });
    }

    /// The half, if this session is being asked about it.
    fn asked(&self, half: CommitLogOffset, session: SessionId) -> Option<u32> {
        let index = *self.by_half.get(&half)?;
        (self.halves.get(index).step == Step::Asked(session)).then_some(index)
    }
}
