//! Attackers who send what is no request.

use crate::attack::{Attack, Field, Random, is_closed, is_gone, write};
use crate::broker::Broker;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The beginning of a frame of this size, with a header that never ends.
fn beginning(announced: u32) -> Vec<u8> {
    let mut bytes = announced.to_be_bytes().to_vec();
    bytes.extend(100_u32.to_be_bytes());
    bytes.extend(br#"{"code":310,"#);
    bytes
}

/// Announces gigabytes, and sends a little of them.
pub struct Announced;

impl Attack for Announced {
    fn name(&self) -> String {
        "a frame that announces gigabytes".into()
    }

    fn memory_max(&self) -> u64 {
        0
    }

    fn attack(&self, field: &Field, _thread: usize) {
        field.is_in_place();
        let sizes = [u32::MAX, i32::MAX as u32, 1 << 30, 17 << 20];
        for size in sizes.into_iter().cycle() {
            if field.is_over() {
                return;
            }
            let Some(mut stream) = field.connect() else { continue };
            // It may be closed before all of it is written.
            write(&mut stream, &beginning(size));
            write(&mut stream, &[b' '; 4 * KIB]);
            assert!(is_closed(&mut stream), "a frame of {size} bytes is waited for");
            field.was_refused();
            field.struck(1);
        }
    }
}

/// Connections it keeps open: together they hold eight times what the broker takes.
const OPEN_MAX: usize = 64;

/// Sends most of a large frame, on many connections, and stops.
pub struct Unfinished;

impl Attack for Unfinished {
    fn name(&self) -> String {
        "64 frames of 12 MiB that never end".into()
    }

    fn settings(&self) -> &'static [&'static str] {
        &["limits.in_flight_bytes=32MiB"]
    }

    fn memory_max(&self) -> u64 {
        // Buffers grow by doubling: one that holds half of what it could is as large as what it could.
        2 * 32 * MIB as u64
    }

    fn attack(&self, field: &Field, _thread: usize) {
        field.is_in_place();
        let piece = vec![b' '; 256 * KIB];
        let mut open = Vec::new();
        while !field.is_over() {
            let Some(mut stream) = field.connect() else { continue };
            // Closed while it writes, or later: the one that holds most has to go.
            write(&mut stream, &beginning(12 << 20));
            let _ = (0..16).all(|_| write(&mut stream, &piece));
            field.struck(1);
            open.push(stream);
            if open.len() > OPEN_MAX && is_gone(&mut open.remove(0)) {
                field.was_refused();
            }
        }
        open.iter_mut().filter_map(|stream| is_gone(stream).then_some(())).for_each(|()| field.was_refused());
    }

    fn aftermath(&mut self, broker: &mut Broker, field: &Field) {
        broker.wait_for_log("limits.in_flight_bytes");
        assert!(field.blows() <= 8 || field.refused() > 0, "{} unfinished frames were all kept", field.blows());
    }
}

/// Sends bytes without a meaning.
pub struct Garbage;

impl Attack for Garbage {
    fn name(&self) -> String {
        "garbage".into()
    }

    fn memory_max(&self) -> u64 {
        // Some of it looks like a large frame.
        128 * MIB as u64
    }

    fn threads(&self) -> usize {
        2
    }

    fn attack(&self, field: &Field, thread: usize) {
        field.is_in_place();
        let mut random = Random(0x5EED + thread as u64);
        while !field.is_over() {
            let Some(mut stream) = field.connect() else { continue };
            let mut bytes: Vec<u8> = (0..8 * KIB).map(|_| random.next() as u8).collect();
            let is_no_frame = match random.next() % 3 {
                // A frame whose header is none; the same in the other form.
                form @ 0..2 => {
                    bytes[..8].copy_from_slice(&[0, 0, 16, 0, form as u8, 0, 4, 0]);
                    true
                }
                // Of some it may be the beginning of a frame of up to 16 MiB.
                _ => bytes[0] > 1,
            };
            write(&mut stream, &bytes);
            if is_no_frame {
                assert!(is_closed(&mut stream), "it waits for more of {:?}", &bytes[..8]);
                field.was_refused();
            }
            field.struck(1);
        }
    }
}

/// Goes away in the middle of a frame.
pub struct HalfFrames;

impl Attack for HalfFrames {
    fn name(&self) -> String {
        "half a frame, then gone".into()
    }

    fn memory_max(&self) -> u64 {
        0
    }

    fn threads(&self) -> usize {
        2
    }

    fn attack(&self, field: &Field, thread: usize) {
        field.is_in_place();
        let mut random = Random(7 + thread as u64);
        let whole = [beginning(64 << 10), vec![b' '; 64 * KIB]].concat();
        while !field.is_over() {
            let Some(mut stream) = field.connect() else { continue };
            write(&mut stream, &whole[..1 + random.next() as usize % (whole.len() / 2)]);
            field.struck(1);
        }
    }
}
