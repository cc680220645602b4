//! Connections that say nothing, or take too long for what they say.

use std::time::Duration;

use super::connection::Connection;
use super::{CloseReason, Sockets};

impl Sockets {
    /// Longest sleep: nobody else looks after connections that say nothing.
    pub(super) fn sleep_max(&self) -> Duration {
        (self.patience() / 2).max(Duration::from_millis(500))
    }

    fn patience(&self) -> Duration {
        self.limits.idle.min(self.limits.frame_timeout)
    }

    /// Closes who was silent for too long, or has not finished a request in time.
    pub(super) fn sweep(&mut self) {
        let idle = self.limits.idle.as_secs().max(1);
        let frame = self.limits.frame_timeout.as_secs().max(1);
        if self.turn_seconds < self.swept_seconds + self.patience().as_secs().max(1).div_ceil(4) {
            return;
        }
        self.swept_seconds = self.turn_seconds;
        for index in 0..self.slots.len() {
            let Some(connection) = self.slots[index].connection.as_ref() else { continue };
            if self.turn_seconds.saturating_sub(connection.last_active) > idle {
                self.end(index, CloseReason::Idle);
            } else if !self.has_room(connection) {
                // It is not read because of its unread answers: that time is not the request's.
                let now = self.turn_seconds;
                if let Some(connection) = self.slots[index].connection.as_mut() {
                    connection.frame_since = connection.frame_since.map(|_| now);
                }
            } else if connection.frame_since.is_some_and(|since| self.turn_seconds.saturating_sub(since) > frame) {
                let text = too_slow(connection, frame);
                self.end(index, CloseReason::Slow(text));
            }
        }
    }
}

fn too_slow(connection: &Connection, frame: u64) -> String {
    format!(
        "only {} bytes of a request came in {frame} s, and it is not whole: raise limits.frame_timeout for clients that \
         are so slow",
        connection.input.len()
    )
}
