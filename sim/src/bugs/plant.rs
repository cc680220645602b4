//! Defects of a broker that runs: what one would do is done to the production code's disk, proposals and state.

use broker::io::{Input, Outputs, Pulled, Request, SessionId};
use message::CommitLogOffset;
use message::batch::{Batch, FRAME_LEN, HEADER_LEN};
use message::entry::{Check, CheckOutcome, Entry};
use store::disk::Disk;
use store::log::SEGMENT_HEADER_LEN;

use super::Bug;
use crate::world::World;

/// Rewrites what is proposed: silence becomes an answer.
pub(crate) fn count_silence(out: &mut Outputs) {
    if out.batch.is_empty() {
        return;
    }
    let mut batch = Batch::new();
    batch.set_time(out.batch.time());
    let bytes = out.batch.bytes();
    let mut frame = HEADER_LEN;
    while frame < bytes.len() {
        let len = u32::from_le_bytes(bytes[frame..frame + 4].try_into().expect("4 bytes")) as usize;
        let payload = &bytes[frame + FRAME_LEN..frame + FRAME_LEN + len];
        batch.push(|out| match Entry::decode(payload) {
            Ok(Entry::Check(check)) => Entry::Check(Check { outcome: CheckOutcome::Unknown, ..check }).encode(out),
            _ => out.extend_from_slice(payload),
        });
        frame += FRAME_LEN + len;
    }
    out.batch = batch;
}

impl World {
    /// A segment was begun: an older one goes too early.
    pub(crate) fn plant_in_segments(&mut self) {
        let Some(node) = self.node.as_ref() else { return };
        let segments = node.engine.log().segments();
        let [older @ .., _] = &segments[..] else { return };
        let gone = match self.bug {
            Some(Bug::SegmentReused) => older.first().map(|segment| segment.base),
            Some(Bug::LinkedSegmentDropped) => {
                let state = node.engine.broker().state();
                let halves = state.ledger.iter().map(|half| half.record_at());
                let needed = halves.chain(state.scheduled.iter().map(|(_, message)| message.record_at)).min();
                // What a replay needs stays, so that it is the link that is broken and not the log.
                let snapshot = store::snapshot::offsets(self.disk.inner()).ok().and_then(|all| all.into_iter().min());
                older
                    .iter()
                    .find(|segment| needed.is_some_and(|at| (segment.base..segment.end).contains(&at)))
                    .filter(|segment| snapshot.is_some_and(|at| segment.end <= at))
                    .map(|segment| segment.base)
            }
            _ => None,
        };
        if let Some(base) = gone {
            self.overwrite(base);
        }
    }

    fn overwrite(&mut self, base: CommitLogOffset) {
        let path = format!("log/{:020}.seg", base.get());
        self.note(format_args!("planted: {path} is used again"));
        let Ok(file) = self.disk.inner().open(&path) else { return };
        let len = file.len().unwrap_or(0).saturating_sub(SEGMENT_HEADER_LEN);
        // A disk that refuses leaves the segment as it was: nothing is planted then.
        let _ = file.write_at(&vec![0; len as usize], SEGMENT_HEADER_LEN).and_then(|()| file.sync());
    }

    /// A snapshot of what is applied, whether it is durable or not.
    pub(crate) fn plant_snapshot(&mut self) {
        if self.bug != Some(Bug::SnapshotAhead) || !self.rng.chance(20) {
            return;
        }
        let Some(node) = self.node.as_ref() else { return };
        let state = node.engine.broker().state();
        if state.applied > node.engine.log().synced() {
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            // As above.
            let _ = store::snapshot::write(self.disk.inner(), state.applied, state.time, &bytes);
        }
    }

    /// The group's offset moves as messages are handed out.
    pub(crate) fn plant_offset(&mut self, session: SessionId, client: usize, topic: &str, queue: u32, pulled: &Pulled) {
        if self.bug != Some(Bug::OffsetBeforeMessage) || pulled.count == 0 {
            return;
        }
        let Some(group) = self.clients[client].consumer().map(|me| me.group.clone()) else { return };
        let request = Request::UpdateOffset { group: &group, topic, queue, offset: pulled.next.signed() };
        if let Some(node) = self.node.as_mut() {
            node.engine.handle(self.now, Input::Request { session, reply: None, request });
        }
    }
}
