use protocol::frame;

use super::sharing::cost;
use super::{CloseReason, Event, Sockets, Verdict, session_id};

/// Bytes that are read at least, so that a small share is not spent on asking for it.
const READ_MIN: usize = 4 << 10;

/// Longest beginning of a frame that is copied in front of what is read next. Behind a longer one what is read is copied:
/// else a large frame that comes bit by bit would be copied with each of them.
const MOVED_MAX: usize = 16 << 10;

impl Sockets {
    /// Reads from a connection once, and hands over the frames that are whole.
    pub(super) fn read(&mut self, index: usize, handle: &mut impl FnMut(Event<'_>) -> Verdict) {
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Err(reason) = self.read_into(index, &mut scratch, handle) {
            self.end(index, reason);
        }
        self.scratch = scratch;
        self.bound_input();
    }

    fn read_into(
        &mut self,
        index: usize,
        scratch: &mut [u8],
        handle: &mut impl FnMut(Event<'_>) -> Verdict,
    ) -> Result<(), CloseReason> {
        let session = session_id(self.slots[index].generation, index);
        let frame_size = self.limits.frame_size;
        let room = self.limits.send_buffer;
        let Some(connection) = self.slots[index].connection.as_ref() else { return Ok(()) };
        let allowance = self.allowance(connection);
        if !self.has_room(connection) || allowance == 0 {
            self.queue(index);
            return Ok(());
        }
        let Some(connection) = self.slots[index].connection.as_mut() else { return Ok(()) };
        // Frames that were left, because answers piled up or a share was used up, come before new ones.
        let left_over = !matches!(frame::scan(&connection.input, frame_size), Ok(None));
        // Nearly every read of a busy connection ends within a frame. Its beginning goes in front of the next read, and all
        // that is read stays where it was read to. Were what is read copied behind the beginning, the memory for that would be
        // asked for and given back with each read.
        let moved = match connection.input.len() {
            len if left_over || len > MOVED_MAX.min(scratch.len() / 2) => 0,
            len => len,
        };
        let got = match left_over {
            true => 0,
            false => {
                scratch[..moved].copy_from_slice(&connection.input[..moved]);
                let most = allowance.clamp(READ_MIN, scratch.len() - moved);
                connection.read(&mut scratch[moved..moved + most], self.turn_seconds)?
            }
        };
        if got == 0 && !left_over {
            if connection.readable {
                self.queue(index);
            }
            return Ok(());
        }
        let mut taken = std::mem::take(&mut connection.input);
        let before = taken.len();
        self.buffered -= before;
        let in_place = moved == before;
        let bytes = if in_place {
            &scratch[..moved + got]
        } else {
            taken.extend_from_slice(&scratch[..got]);
            &taken[..]
        };
        let unanswered = connection.output.len();
        let (mut at, mut requests, mut unfinished) = (0, 0, false);
        while connection.unread() <= room && cost(at, requests) < allowance {
            match frame::scan(&bytes[at..], frame_size) {
                Ok(Some(found)) => {
                    at += found.consumed;
                    requests += 1;
                    match handle(Event::Frame { session, frame: found, to: &mut connection.output }) {
                        Verdict::Keep => {}
                        Verdict::Later => {
                            self.later = true;
                            break;
                        }
                        Verdict::Close(why) => return Err(CloseReason::Malformed(why)),
                    }
                }
                Ok(None) => {
                    unfinished = at < bytes.len();
                    break;
                }
                Err(error) => return Err(CloseReason::Malformed(error.to_string())),
            }
        }
        // What is left: an unfinished frame, or frames that wait until answers are read or for the next round.
        let left = bytes.len() - at;
        if in_place {
            taken.clear();
            taken.extend_from_slice(&scratch[at..moved + got]);
        } else {
            taken.drain(..at);
        }
        self.buffered += taken.len();
        connection.keep(taken);
        connection.frame_since = match connection.frame_since {
            Some(since) if unfinished && at == 0 => Some(since),
            _ => unfinished.then_some(self.turn_seconds),
        };
        let again = connection.readable || (left > 0 && !unfinished);
        if connection.output.len() > unanswered && !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(index);
        }
        // What a frame is made of counts as it comes, and so does the whole: its parts cost less than that.
        self.heard(index, at + left.saturating_sub(before), requests);
        if again {
            self.queue(index);
        }
        Ok(())
    }

    /// Closes whoever keeps most unfinished requests in memory while all together keep too much.
    fn bound_input(&mut self) {
        while self.buffered > self.limits.receive_buffers {
            let held = |slot: &super::Slot| slot.connection.as_ref().map_or(0, |connection| connection.input.len());
            let Some(most) = (0..self.slots.len()).max_by_key(|index| held(&self.slots[*index])) else { return };
            let text = format!(
                "unfinished requests of all clients exceed limits.in_flight_bytes ({} bytes), and {} bytes are of this one",
                self.limits.receive_buffers,
                held(&self.slots[most])
            );
            self.end(most, CloseReason::Overload(text));
        }
    }
}
