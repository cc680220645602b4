use protocol::frame;

use super::{CloseReason, Event, Sockets, Verdict, session_id};

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
        let Some(connection) = self.slots[index].connection.as_mut() else { return Ok(()) };
        // Frames that were left because answers piled up come before new ones.
        if connection.paused || connection.unread() > room {
            self.queue(index);
            return Ok(());
        }
        let before = connection.input.len();
        let got = connection.read(scratch, self.turn_seconds)?;
        let mut again = connection.readable;
        if got == 0 && before == 0 {
            if again {
                self.queue(index);
            }
            return Ok(());
        }
        let mut taken = std::mem::take(&mut connection.input);
        self.buffered -= taken.len();
        let bytes = if taken.is_empty() {
            &scratch[..got]
        } else {
            taken.extend_from_slice(&scratch[..got]);
            &taken[..]
        };
        let unanswered = connection.output.len();
        let mut at = 0;
        while connection.unread() <= room {
            match frame::scan(&bytes[at..], frame_size) {
                Ok(Some(found)) => {
                    at += found.consumed;
                    match handle(Event::Frame { session, frame: found, to: &mut connection.output }) {
                        Verdict::Keep => {}
                        Verdict::Later => {
                            self.later = true;
                            break;
                        }
                        Verdict::Close(why) => return Err(CloseReason::Malformed(why)),
                    }
                }
                Ok(None) => break,
                Err(error) => return Err(CloseReason::Malformed(error.to_string())),
            }
        }
        // What is left: an unfinished frame, or frames that wait until answers are read.
        let left = bytes.len() - at;
        if taken.is_empty() {
            taken.extend_from_slice(&scratch[at..got]);
        } else {
            taken.drain(..at);
        }
        self.buffered += taken.len();
        connection.keep(taken);
        again |= left > 0 && (self.later || connection.unread() > room);
        if connection.output.len() > unanswered && !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(index);
        }
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
