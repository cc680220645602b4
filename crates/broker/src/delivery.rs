//! Messages whose time has come, and records that must move before their segment goes.

use std::ops::Range;

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
        for source in due {
            let Some(message) = self.state.scheduled.get(source) else { continue };
            if self.now.since_ms(message.stored) <= self.config.limits.link_ms {
                self.delivering.insert(source);
                self.deliver(source, None, out);
                continue;
            }
            let record = RecordAt { at: message.record_at, len: message.record_len };
            if !self.may_carry(record.len, out) {
                // What is in the way may wait for company, such as records that are carried; what is due does not.
                out.urgent = true;
                break;
            }
            self.delivering.insert(source);
            self.read_to_carry(Purpose::Deliver(source, record.len), record, out);
        }
    }

    /// Whether one more record is read to be stored again: no more of them than what may wait for a sync, but always
    /// one. The others have their turn when those are on the disk.
    fn may_carry(&self, len: u32, out: &Outputs) -> bool {
        let ahead = out.batch.framed_len() + self.carry_reads;
        let first = self.carry_reads == 0 && out.batch.is_empty();
        first || ahead + len as usize <= self.config.limits.batch_bytes
    }

    fn read_to_carry(&mut self, purpose: Purpose, record: RecordAt, out: &mut Outputs) {
        self.carry_reads += record.len as usize;
        let ticket = self.reads.begin(purpose);
        out.list.push(Output::Read(ticket, ReadRequest::Records(vec![record])));
    }

    /// Goes on with a delivery whose record of `len` bytes was read, to be carried.
    pub(crate) fn deliver_carried(
        &mut self,
        source: CommitLogOffset,
        len: u32,
        outcome: ReadOutcome,
        out: &mut Outputs,
    ) {
        self.carry_reads -= len as usize;
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

    /// Bytes of records in each part of the log that are still needed: of undecided halves and of messages whose time has
    /// not come. The parts lie one behind the other; `ends` are where they end, and the first begins with the log.
    pub fn needed_in(&self, ends: &[CommitLogOffset]) -> Vec<u64> {
        let mut needed = vec![0; ends.len()];
        let Some(last) = ends.last() else { return needed };
        for (_, record) in self.records_in(CommitLogOffset::ZERO..*last) {
            needed[ends.partition_point(|end| *end <= record.at)] += u64::from(record.len);
        }
        needed
    }

    /// The records in a part of the log that are still needed, and what each is known by.
    fn records_in(&self, range: Range<CommitLogOffset>) -> impl Iterator<Item = (CommitLogOffset, RecordAt)> {
        let halves = self.state.ledger.open_in(range.clone());
        let halves = halves.map(|half| (half.at(), RecordAt { at: half.record_at(), len: half.record_len() }));
        let scheduled = self.state.scheduled.in_range(range);
        let scheduled =
            scheduled.map(|(source, message)| (source, RecordAt { at: message.record_at, len: message.record_len }));
        halves.chain(scheduled)
    }

    /// Stores records again that lie before `before` and are still needed, so that their segment may go: as many as one
    /// batch takes. Returns whether there were any: the segment may go when none is left.
    pub fn carry_before(&mut self, before: CommitLogOffset, out: &mut Outputs) -> bool {
        let mut records = self.records_in(CommitLogOffset::ZERO..before).peekable();
        let any = records.peek().is_some();
        let mut bytes = 0;
        // More than one batch takes is not even looked at, however many there are.
        let records: Vec<(CommitLogOffset, RecordAt)> = records
            .filter(|(source, _)| !self.carrying.contains(source))
            .take_while(|(_, record)| {
                let full = bytes > self.config.limits.batch_bytes;
                bytes += record.len as usize;
                !full
            })
            .collect();
        for (source, record) in records {
            if !self.may_carry(record.len, out) {
                break;
            }
            self.carrying.insert(source);
            self.read_to_carry(Purpose::Carry(source, record.len), record, out);
        }
        any
    }

    pub(crate) fn carry(&mut self, source: CommitLogOffset, len: u32, outcome: ReadOutcome, out: &mut Outputs) {
        self.carry_reads -= len as usize;
        match outcome {
            ReadOutcome::Records(Some(record)) => self.propose(out, Pending::Carry(source), false, |payload| {
                Entry::Carried(Carried { source, record: &record }).encode(payload);
            }),
            outcome => {
                self.carrying.remove(&source);
                let why = outcome.failure();
                let text = format!("the message at offset {source} cannot be read, so its segment stays: {why}");
                out.list.push(Output::Warn(text));
            }
        }
    }
}
