use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::{CloseReason, Slot, Sockets};

impl Sockets {
    /// Writes what was appended since the last turn, once per connection.
    pub fn flush(&mut self) {
        self.end_answers();
        for index in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.slots[index].connection.as_mut() else { continue };
            connection.dirty = false;
            let made = connection.unread().saturating_sub(connection.counted);
            connection.traffic.add(self.turn_seconds, made);
            let written = connection.write(self.turn_seconds);
            self.spare.take_back(&mut connection.output);
            self.unread = self.unread - connection.counted + connection.unread();
            connection.counted = connection.unread();
            if let Err(reason) = written {
                self.end(index, reason);
            }
        }
        self.bound_output();
    }

    /// Closes whoever has read nothing for longest while all together leave too much unread.
    fn bound_output(&mut self) {
        while self.unread > self.limits.send_buffers {
            let since = |slot: &Slot| {
                let connection = slot.connection.as_ref().filter(|connection| connection.counted > 0)?;
                Some((connection.last_taken, std::cmp::Reverse(connection.counted)))
            };
            let waiting = (0..self.slots.len()).filter_map(|index| Some((since(&self.slots[index])?, index)));
            let Some(((_, left), index)) = waiting.min() else { return };
            let text = format!(
                "answers that clients leave unread exceed limits.unread_bytes ({} bytes), and this one has left {} bytes for \
                 longest",
                self.limits.send_buffers, left.0
            );
            self.end(index, CloseReason::Overload(text));
        }
    }

    /// Ends all connections in order: what was answered is sent, then each side is told that no more comes.
    ///
    /// A connection that is closed while requests of its client are unread is reset, and answers that are under way are
    /// lost with it; so what still comes is read and thrown away until the client closes too, or time is up.
    pub fn finish(mut self, deadline: Instant) {
        let mut closing: Vec<(TcpStream, Vec<u8>, usize)> = self
            .slots
            .iter_mut()
            .filter_map(|slot| slot.connection.take())
            .map(|connection| (connection.stream, connection.output, connection.written))
            .collect();
        let mut shut: Vec<TcpStream> = Vec::new();
        while !(closing.is_empty() && shut.is_empty()) && Instant::now() < deadline {
            closing = closing
                .into_iter()
                .filter_map(|(mut stream, output, mut written)| {
                    while written < output.len() {
                        match stream.write(&output[written..]) {
                            Ok(0) => return None,
                            Ok(count) => written += count,
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                                return Some((stream, output, written));
                            }
                            Err(_) => return None,
                        }
                    }
                    // A connection that is gone already has nothing left to be told.
                    if stream.shutdown(Shutdown::Write).is_ok() {
                        shut.push(stream);
                    }
                    None
                })
                .collect();
            shut.retain_mut(|stream| match stream.read(&mut self.scratch) {
                Ok(0) => false,
                Ok(_) => true,
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            });
            if !(closing.is_empty() && shut.is_empty()) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
