//! Messages whose time has come, and records that must move before their segment goes.

use message::entry::{Carried, Deliver, Entry, Place, TopicConfig};
use message::{CommitLogOffset, Timestamp};

use crate::Broker;
use crate::io::{Output, Outputs, ReadOutcome, ReadRequest, RecordAt};
use crate::pending::Pending;
use crate::reads::Purpose;

/// Milliseconds before deliveries are tried again after one failed, or while the disk is full.
pub(crate) const RETRY_MS: i64 = 1000;

/// Most scheduled messages delivered in one turn, so that a storm of them does not delay everything else.
const DELIVERIES_PER_TURN: usize = 1000;

impl Broker {
    /// Delivers what is due.
    pub(crate) fn deliver_due(&mut self, out: &mut Outputs) {
        if self.unavailable.is_some()
            || self.now < self.deliveries_not_before
            || self.state.scheduled.next_due().is_none_or(|due| due > self.now)
            || self.room < self.config.limits.reserve
        {
            return;
        }
        let delivering = &self.delivering;
        let due: Vec<CommitLogOffset> = self
            .state
            .scheduled
            .due(self.now)
            .filter(|source| !delivering.contains(source))
            .take(DELIVERIES_PER_TURN)
            .collect();
        let mut carried = 0;
        for source in due {
            let Some(message) = self.state.scheduled.get(source) else { continue };
            let old = self.now.since_ms(message.stored) > self.config.limits.link_ms;
            if old && !self.may_carry(message.record_len, &mut carried, out) {
                break;
            }
            self.delivering.insert(source);
            if old {
                let record = RecordAt { at: message.record_at, len: message.record_len };
                let ticket = self.reads.begin(Purpose::Deliver(source));
                out.list.push(Output::Read(ticket, ReadRequest::Records(vec![record])));
            } else {
                self.deliver(source, None, out);
            }
        }
    }

    /// Whether one more record is read to be stored again in this turn: no more of them than what may wait for a sync,
    /// but always one. The others have their turn when those are on the disk.
    fn may_carry(&self, len: u32, carried: &mut usize, out: &Outputs) -> bool {
        let first = *carried == 0 && out.batch.is_empty();
        *carried += len as usize;
        first || out.batch.framed_len() + *carried <= self.config.limits.batch_bytes
    }

    /// Goes on with a delivery whose record was read, to be carried.
    pub(crate) fn deliver_carried(&mut self, source: CommitLogOffset, outcome: ReadOutcome, out: &mut Outputs) {
        match outcome {
            ReadOutcome::Records(Some(record)) => self.deliver(source, Some(&record), out),
            // Stays scheduled: it is tried again.
            outcome => {
                let why = outcome.failure();
                out.list.push(Output::Warn(format!("the delayed message at offset {source} cannot be read: {why}")));
                self.delivering.remove(&source);
                self.deliveries_not_before = self.now.plus_ms(RETRY_MS);
            }
        }
    }

    fn deliver(&mut self, source: CommitLogOffset, carried: Option<&[u8]>, out: &mut Outputs) {
        let Some(message) = self.state.scheduled.get(source).cloned() else {
            self.delivering.remove(&source);
            return;
        };
        let queue_offset = self.take_for_delivery(&message.topic, message.queue, out);
        let place = match carried {
            Some(record) => Place::Carry { queue_offset, tags_code: message.tags_code, record },
            None => Place::Link {
                topic: &message.topic,
                queue_id: message.queue,
                queue_offset,
                record_at: message.record_at,
                record_len: message.record_len,
                tags_code: message.tags_code,
            },
        };
        // A consumer waits for it, but nobody was promised it at this moment: it still syncs at once, or it would not
        // be seen before the next send.
        self.propose(out, Pending::Deliver(source), true, |payload| {
            Entry::Deliver(Deliver { source, half: message.half, place }).encode(payload);
        });
    }

    /// The next offset of a queue for a message that must become visible whatever happened to its topic: a topic that
    /// is gone is made again, and one that has fewer queues now is read as far as this one again, for what is accepted
    /// for a queue that nobody reads would never be seen.
    pub(crate) fn take_for_delivery(&mut self, topic: &str, queue: u32, out: &mut Outputs) -> message::QueueOffset {
        let config = match self.topics.get(topic) {
            Some(view) if queue < view.config.read_queues => None,
            Some(view) => Some(TopicConfig { read_queues: queue.saturating_add(1), ..view.config.clone() }),
            None => Some(TopicConfig::new(topic, queue.saturating_add(1))),
        };
        if let Some(config) = config {
            self.put_topic_unchecked(config, Pending::Nobody, out);
        }
        self.topics.get_mut(topic).expect("made above if it was missing").take(queue, 1)
    }

    /// When the next scheduled message is due.
    pub(crate) fn delivery_deadline(&self) -> Option<Timestamp> {
        if self.unavailable.is_some() {
            return None;
        }
        let due = self.state.scheduled.next_due_unless(|source| self.delivering.contains(&source))?;
        // Proposals that wait for a sync come back by themselves, and what is left is delivered then.
        let waits = if self.pending.is_empty() { self.deliveries_not_before } else { self.now.plus_ms(1) };
        let full = self.room < self.config.limits.reserve;
        Some(due.max(waits).max(if full { self.now.plus_ms(RETRY_MS) } else { due }))
    }

    /// Stores records again that lie before `before` and are still needed, so that their segment may go: as many as one
    /// batch takes. Returns how many there are: the segment may go when none is left.
    pub fn carry_before(&mut self, before: CommitLogOffset, out: &mut Outputs) -> usize {
        let range = CommitLogOffset::ZERO..before;
        let mut records: Vec<(CommitLogOffset, RecordAt)> = self
            .state
            .ledger
            .open_in(range.clone())
            .map(|half| (half.at(), RecordAt { at: half.record_at(), len: half.record_len() }))
            .collect();
        let scheduled = self.state.scheduled.in_range(range);
        records.extend(
            scheduled
                .into_iter()
                .map(|(source, message)| (source, RecordAt { at: message.record_at, len: message.record_len })),
        );
        let left = records.len();
        let mut carried = 0;
        for (source, record) in records {
            if self.carrying.contains(&source) {
                continue;
            }
            if !self.may_carry(record.len, &mut carried, out) {
                break;
            }
            self.carrying.insert(source);
            let ticket = self.reads.begin(Purpose::Carry(source));
            out.list.push(Output::Read(ticket, ReadRequest::Records(vec![record])));
        }
        left
    }

    pub(crate) fn carry(&mut self, source: CommitLogOffset, outcome: ReadOutcome, out: &mut Outputs) {
        self.carrying.remove(&source);
        match outcome {
            ReadOutcome::Records(Some(record)) => self.propose(out, Pending::Nobody, false, |payload| {
                Entry::Carried(Carried { source, record: &record }).encode(payload);
            }),
            outcome => {
                let why = outcome.failure();
                let text = format!("the message at offset {source} cannot be read, so its segment stays: {why}");
                out.list.push(Output::Warn(text));
            }
        }
    }
}
