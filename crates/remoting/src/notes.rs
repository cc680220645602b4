//! What an answer needs of its request and does not fit the reply's token: rare requests, so a small bounded table.

use broker::io::{Refusal, SessionId};

use crate::caller::{Call, Caller, Fault};
use crate::handlers::Note;

/// Most requests with a note that may wait for the broker's answer.
const NOTES_MAX: usize = 65_536;

/// Place of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub u32);

/// Notes by slot.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    slots: Vec<Option<(SessionId, Note)>>,
    free: Vec<u32>,
}

impl Notes {
    /// Remembers something until the answer comes; the caller to ask the broker with, `None` if there is no room.
    pub fn put(&mut self, caller: Caller, note: Note) -> Option<Caller> {
        let entry = Some((caller.session, note));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None if self.slots.len() < NOTES_MAX => {
                self.slots.push(entry);
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        Some(caller.noted(Slot(slot)))
    }

    /// Remembers something about a request; nobody needs a note for an answer that nobody wants.
    pub fn keep(&mut self, call: &Call<'_>, note: Note) -> Result<Option<Caller>, Fault> {
        if call.oneway {
            return Ok(None);
        }
        let busy = || Refusal::Busy(format!("{NOTES_MAX} queries wait for their answers already; ask again later"));
        self.put(call.caller, note).map(Some).ok_or_else(|| busy().into())
    }

    /// The note of a request whose answer came. `None` when its connection has ended in the meantime.
    pub fn get_mut(&mut self, caller: Caller) -> Option<&mut Note> {
        match self.slots.get_mut(caller.slot().0 as usize)? {
            Some((session, note)) if *session == caller.session => Some(note),
            _ => None,
        }
    }

    /// The note of a request whose last answer came, which is forgotten.
    pub fn take(&mut self, caller: Caller) -> Option<Note> {
        self.get_mut(caller)?;
        let slot = caller.slot().0;
        self.free.push(slot);
        self.slots[slot as usize].take().map(|(_, note)| note)
    }

    /// Forgets what a connection that ended was waiting for.
    pub fn gone(&mut self, session: SessionId) {
        if self.len() == 0 {
            return;
        }
        for (slot, entry) in (0..).zip(&mut self.slots) {
            if entry.as_ref().is_some_and(|(owner, _)| *owner == session) {
                *entry = None;
                self.free.push(slot);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(session: u64) -> Caller {
        Caller { session: SessionId(session), opaque: 1, kind: 0, extra: 0 }
    }

    fn note() -> Note {
        Note::Topic("t".into())
    }

    #[test]
    fn a_note_is_found_once_and_only_by_its_own_connection() {
        let mut notes = Notes::default();
        let noted = notes.put(caller(1), note()).unwrap();
        assert!(notes.take(Caller { session: SessionId(2), ..noted }).is_none());
        assert!(notes.get_mut(noted).is_some());
        assert!(notes.take(noted).is_some());
        assert!(notes.take(noted).is_none());
        assert!(notes.take(caller(1).with(99)).is_none());
    }

    #[test]
    fn the_answer_to_a_connection_that_ended_finds_nothing_even_in_a_slot_that_is_used_again() {
        let mut notes = Notes::default();
        let old = notes.put(caller(1), note()).unwrap();
        notes.gone(SessionId(1));
        assert_eq!(notes.len(), 0);
        let new = notes.put(caller(2), note()).unwrap();
        assert_eq!(old.slot(), new.slot());
        assert!(notes.take(old).is_none());
        assert!(notes.take(new).is_some());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut notes = Notes::default();
        for _ in 0..NOTES_MAX {
            assert!(notes.put(caller(1), note()).is_some());
        }
        assert!(notes.put(caller(1), note()).is_none());
    }
}
