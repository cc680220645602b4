//! A disk that reads back something else than was written: bits that nobody wrote.
//!
//! Damage may make a broker refuse to start, fail a read, or cost what was the end of the log for all it can tell; it may
//! never make it deliver another body than was sent, or panic. Header and properties of a record at rest have no checksum
//! that a delivery compares (a replay and `store verify` do): such deliveries are counted, not condemned.

use std::sync::Arc;

use engine::Engine;
use store::disk::{Disk, FakeDisk};

use crate::disk::SimDisk;
use crate::history::hash_of;
use crate::oracle::Recovered;
use crate::world::World;

/// Directories whose files may be damaged.
const DIRS: [&str; 3] = ["log", "snapshots", "index"];

impl World {
    /// Damages a copy of the disk, and compares what a broker reads back from it with what was said.
    pub(crate) fn read_back_damage(&mut self, disk: &FakeDisk) {
        let disk = disk.crash(self.rng.bits());
        // The log is one of three directories and most of the bytes: each has its turn.
        let dir = self.rng.pick(&DIRS);
        let files = disk.list(dir).unwrap_or_default();
        let len_of = |path: &str| disk.open(path).and_then(|file| file.len()).unwrap_or(0);
        let files: Vec<(String, u64)> = files
            .into_iter()
            .map(|name| format!("{dir}/{name}"))
            .map(|path| {
                let len = len_of(&path);
                (path, len)
            })
            .filter(|(_, len)| *len > 0)
            .collect();
        if files.is_empty() {
            return;
        }
        let (path, len) = self.rng.pick(&files);
        let unreadable = self.rng.chance(250);
        for _ in 0..self.rng.pick(&[1, 1, 8]) {
            let at = self.rng.below(len);
            match unreadable {
                true => disk.fail_reads(&path, at..at + 1),
                false => disk.flip_bit(&path, at, self.rng.below(8) as u8),
            }
        }
        self.fault(match (unreadable, dir) {
            (true, _) => "part of a file unreadable",
            (_, "log") => "log read back damaged",
            (_, "snapshots") => "snapshot read back damaged",
            _ => "index read back damaged",
        });
        self.judge_damage(disk, &path);
    }

    fn judge_damage(&mut self, disk: FakeDisk, path: &str) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(disk, None, self.rng.fork()));
        let Ok((engine, _)) = Engine::open(disk, self.plan.engine.clone(), self.now) else {
            return self.state("damage refused at the start");
        };
        let Ok(found) = Recovered::read(&engine) else { return self.state("damage found by a read") };
        match self.harm(&found) {
            Ok(true) => self.state("damage beside a body delivered"),
            Ok(false) => self.state("damage mended or without harm"),
            Err(text) => self.oracle.fail("a damaged body is not delivered", format!("with damage in {path}: {text}")),
        }
    }

    /// Whether a record is not what it was, although its body is.
    fn harm(&self, found: &Recovered) -> Result<bool, String> {
        let mut beside = false;
        for (topic, queue, offset, slot) in self.oracle.queues.all_slots() {
            let Some(there) = found.queues.get(&(topic.to_owned(), queue)) else { continue };
            let changed = there.records.get(&offset).is_some_and(|(hash, _, _)| *hash != slot.hash);
            let sent = slot.message.and_then(|id| self.oracle.messages.get(&id)).map(|of| hash_of(&of.body()));
            if changed && sent != there.bodies.get(&offset).copied() {
                return Err(format!("{topic} queue {queue} offset {offset}, delivered before as {slot:?}"));
            }
            beside |= changed;
        }
        Ok(beside)
    }
}
