//! Consumer offsets: told often, logged when they changed, many to an entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use message::entry::{Entry, OffsetChange};
use message::{CommitLogOffset, QueueOffset, Timestamp};

use crate::Broker;
use crate::io::{Answer, Output, Outputs, ReadOutcome, ReadRequest, Refusal, Reply};
use crate::pending::Pending;
use crate::reads::Purpose;
use crate::state::Offsets;

/// Bytes of log a new group goes back at most to begin at 0. RocketMQ's bound is what fits into memory.
const NEAR_BYTES: u64 = 8 << 30;

/// Group, topic and queue of an offset.
pub(crate) type OffsetKey = (Arc<str>, Arc<str>, u32);

/// Offsets as clients told them last: the stored ones, and those that are still to be logged.
#[derive(Debug, Default)]
pub(crate) struct OffsetView {
    current: Offsets,
    dirty: BTreeSet<OffsetKey>,
    since: Option<Timestamp>,
}

impl OffsetView {
    /// The view of these offsets, with nothing to be logged.
    pub fn of(stored: &Offsets) -> Self {
        OffsetView { current: stored.clone(), ..OffsetView::default() }
    }

    /// The offset a group has for a queue.
    pub fn get(&self, group: &str, topic: &str, queue: u32) -> Option<QueueOffset> {
        self.current.get(group, topic, queue)
    }

    /// Topics a group has offsets for.
    pub fn topics(&self, group: &str) -> impl Iterator<Item = &Arc<str>> {
        self.current.topics(group)
    }

    /// Groups that have offsets for a topic.
    pub fn groups<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        self.current.groups(topic)
    }

    /// Every offset.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &BTreeMap<u32, QueueOffset>)> {
        self.current.iter()
    }
}

impl Broker {
    pub(crate) fn query_offset(
        &mut self,
        reply: Reply,
        group: &str,
        topic: &str,
        queue: u32,
        zero_if_absent: bool,
        out: &mut Outputs,
    ) {
        let answer = match self.offsets.get(group, topic, queue) {
            Some(offset) => Answer::Offset(offset),
            None if zero_if_absent => {
                if let Some(view) = self.topics.get(topic) {
                    let ticket = self.reads.begin(Purpose::QueryOffset(reply));
                    out.list.push(Output::Read(ticket, ReadRequest::Bounds(vec![(view.name.clone(), queue)])));
                    return;
                }
                Answer::NoOffset
            }
            None => Answer::NoOffset,
        };
        out.list.push(Output::Answer(reply, answer));
    }

    /// A new group begins at 0 while the queue's first message is there and not far away, whatever it says about where
    /// to begin (remoting protocol 3.b): programs that start a consumer after their first send rely on it.
    pub(crate) fn offset_queried(&mut self, reply: Reply, outcome: ReadOutcome, out: &mut Outputs) {
        let answer = match outcome {
            ReadOutcome::Bounds(ranges) => match ranges.first() {
                Some(range) if range.min == QueueOffset::ZERO => {
                    let near = |at: CommitLogOffset| self.state.applied.get() - at.get() <= NEAR_BYTES;
                    if range.first_at.is_none_or(near) { Answer::Offset(QueueOffset::ZERO) } else { Answer::NoOffset }
                }
                _ => Answer::NoOffset,
            },
            ReadOutcome::Failed(text) => Answer::Refused(Refusal::Failed(text)),
            other => unreachable!("bounds are answered by bounds, not by {other:?}"),
        };
        out.list.push(Output::Answer(reply, answer));
    }

    pub(crate) fn update_offset(
        &mut self,
        reply: Option<Reply>,
        group: &str,
        topic: &str,
        queue: u32,
        offset: i64,
        out: &mut Outputs,
    ) {
        if self.group_config(group).is_none() {
            return self.refuse(reply, Refusal::GroupNotFound(group.to_owned()), out);
        }
        let Some(view) = self.topics.get(topic) else {
            return self.refuse(reply, Refusal::TopicNotFound(topic.to_owned()), out);
        };
        if queue >= view.config.read_queues.max(view.config.write_queues) {
            let text = format!("queue {queue} is out of range: topic {topic:?} has {} queues", view.config.read_queues);
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        }
        let name = view.name.clone();
        // Go says -1 for a queue it has consumed nothing of: nothing to store, and nothing wrong.
        let Some(offset) = QueueOffset::from_signed(offset) else {
            return self.done(reply, out);
        };
        self.offset_told(group, &name, queue, offset);
        // Who asks for an answer is told when the offset is on disk: an acknowledgement that was answered is never lost.
        if let Some(reply) = reply {
            self.flush_offsets(vec![reply], out);
        }
    }

    /// A client says how far it has consumed.
    pub(crate) fn offset_told(&mut self, group: &str, topic: &Arc<str>, queue: u32, offset: QueueOffset) {
        if self.offsets.current.get(group, topic, queue) == Some(offset) {
            return;
        }
        self.offsets.current.store(group, topic, &[(queue, offset)]);
        self.offsets.dirty.insert((Arc::from(group), topic.clone(), queue));
        self.offsets.since.get_or_insert(self.now);
    }

    /// Before the end: everything that was told and not logged yet is proposed, and wanted on the disk.
    pub fn flush_all(&mut self, out: &mut Outputs) {
        self.flush_offsets(Vec::new(), out);
        out.urgent |= !out.batch.is_empty();
    }

    /// Proposes the offsets that changed; `replies` are answered when they are durable.
    pub(crate) fn flush_offsets(&mut self, replies: Vec<Reply>, out: &mut Outputs) {
        if self.offsets.dirty.is_empty() && replies.is_empty() {
            // All that was to be logged went with its topic or group.
            self.offsets.since = None;
            return;
        }
        let dirty = std::mem::take(&mut self.offsets.dirty);
        self.offsets.since = None;
        let mut changes: Vec<OffsetChange<'_>> = Vec::new();
        for (group, topic, queue) in &dirty {
            let Some(offset) = self.offsets.current.get(group, topic, *queue) else { continue };
            match changes.last_mut() {
                Some(change) if change.group == &**group && change.topic == &**topic => {
                    change.queues.push((*queue, offset));
                }
                _ => changes.push(OffsetChange { group, topic, queues: vec![(*queue, offset)] }),
            }
        }
        let entry = Entry::Offsets(changes);
        let urgent = !replies.is_empty();
        let mut payload = Vec::new();
        entry.encode(&mut payload);
        drop(entry);
        let keys = dirty.into_iter().collect();
        self.propose(out, Pending::Offsets { replies, keys }, urgent, |bytes| bytes.extend_from_slice(&payload));
    }

    /// Offsets that were on their way to the log are not in it: they are logged again.
    pub(crate) fn offsets_lost(&mut self, keys: Vec<OffsetKey>) {
        if !keys.is_empty() {
            self.offsets.dirty.extend(keys);
            self.offsets.since.get_or_insert(self.now);
        }
    }

    /// Topics or groups that were to be deleted are not: their offsets count again.
    pub(crate) fn offsets_restore(&mut self) {
        for (group, topic, queues) in self.state.offsets.iter() {
            for (queue, offset) in queues {
                if self.offsets.current.get(group, topic, *queue).is_none() {
                    self.offsets.current.store(group, topic, &[(*queue, *offset)]);
                }
            }
        }
    }

    /// Offsets ride along with a batch that is proposed anyway, or go by themselves after a second.
    pub(crate) fn flush_offsets_if_due(&mut self, out: &mut Outputs) {
        let due = self.offsets_deadline().is_some_and(|due| due <= self.now);
        if due || (!out.batch.is_empty() && self.offsets.since.is_some()) {
            self.flush_offsets(Vec::new(), out);
        }
    }

    pub(crate) fn offsets_deadline(&self) -> Option<Timestamp> {
        self.offsets.since.map(|since| since.plus_ms(self.config.limits.offsets_flush_ms))
    }

    /// A topic is gone, and the offsets of its consumers with it.
    pub(crate) fn offsets_forget_topic(&mut self, topic: &str) {
        self.offsets.dirty.retain(|(_, dirty, _)| &**dirty != topic);
        self.offsets.current.forget_topic(topic);
    }

    /// A group is gone, and its offsets with it.
    pub(crate) fn offsets_forget_group(&mut self, group: &str) {
        self.offsets.dirty.retain(|(dirty, _, _)| &**dirty != group);
        self.offsets.current.forget_group(group);
    }
}
