//! The core of layouts C and D: one thread that owns the log and hears of sockets only through a channel.

use crate::log::{Batch, Committer, Waiting};
use std::mem;
use std::sync::mpsc::Receiver;

/// What a door read in one go.
#[derive(Default)]
pub struct Arrival {
    /// Connection, opaque, and the size of the body for a send or `None` for a ping.
    pub requests: Vec<(usize, u32, Option<usize>)>,
    /// The bodies of the sends, one after the other.
    pub bodies: Vec<u8>,
}

/// Takes answers, `(connection, opaque)`, to the thread or task that owns these connections.
pub type Door = Box<dyn FnMut(Vec<(usize, u32)>) + Send>;

/// Everything the core thread waits for.
pub enum Event {
    /// A door opened. Doors are numbered from 0 in the order they open.
    Door(Door),
    /// Door number, and what it read.
    Arrived(usize, Arrival),
    /// The log thread is done with this batch.
    Durable(Batch),
}

/// Runs until no door is left.
pub fn run(events: &Receiver<Event>, mut committer: Committer) {
    let mut doors = Vec::new();
    let mut outboxes: Vec<Vec<(usize, u32)>> = Vec::new();
    let mut gathered = Batch::default();
    while let Ok(first) = events.recv() {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Event::Door(door) => {
                    doors.push(door);
                    outboxes.push(Vec::new());
                }
                Event::Arrived(door, Arrival { requests, bodies }) => {
                    let mut bodies = &bodies[..];
                    for (connection, opaque, body_size) in requests {
                        let Some(size) = body_size else {
                            outboxes[door].push((connection, opaque));
                            continue;
                        };
                        let (body, rest) = bodies.split_at(size);
                        gathered.append(body, Waiting { door, connection, opaque });
                        bodies = rest;
                    }
                }
                Event::Durable(batch) => {
                    put(&batch, &mut outboxes);
                    committer.give_back(batch);
                }
            }
            next = events.try_recv().ok();
        }
        post(&mut doors, &mut outboxes);
        if committer.commit(&mut gathered) {
            put(&gathered, &mut outboxes);
            gathered.clear();
            post(&mut doors, &mut outboxes);
        }
    }
}

fn put(batch: &Batch, outboxes: &mut [Vec<(usize, u32)>]) {
    for waiting in &batch.waiting {
        outboxes[waiting.door].push((waiting.connection, waiting.opaque));
    }
}

fn post(doors: &mut [Door], outboxes: &mut [Vec<(usize, u32)>]) {
    for (door, outbox) in doors.iter_mut().zip(outboxes) {
        if !outbox.is_empty() {
            door(mem::take(outbox));
        }
    }
}
