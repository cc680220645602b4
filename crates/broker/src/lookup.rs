//! Questions about what is stored: bounds, times, messages by offset or key, and where groups stand.

use std::collections::BTreeSet;
use std::sync::Arc;

use message::{CommitLogOffset, QueueOffset, Timestamp};

use crate::Broker;
use crate::io::{
    Answer, ConsumeStat, Found, KeyQuery, Output, Outputs, Push, QueueRange, QueueStat, ReadOutcome, ReadRequest,
    Refusal, Reply, Reset, TimeBound,
};
use crate::pending::Pending;
use crate::reads::{Purpose, ResetWork};

/// Most messages one query by key returns.
const QUERY_MESSAGES_MAX: usize = 64;

impl Broker {
    fn topic_name(&self, topic: &str) -> Result<Arc<str>, Refusal> {
        let view = self.topics.get(topic).ok_or_else(|| Refusal::TopicNotFound(topic.to_owned()))?;
        Ok(view.name.clone())
    }

    fn read(&mut self, purpose: Purpose, request: ReadRequest, out: &mut Outputs) {
        let ticket = self.reads.begin(purpose);
        out.list.push(Output::Read(ticket, request));
    }

    pub(crate) fn queue_bounds(&mut self, reply: Reply, topic: &str, queue: u32, out: &mut Outputs) {
        if message::names::is_transaction_view(topic) {
            let range = self.view_range(topic);
            return out.list.push(Output::Answer(reply, Answer::Bounds(range)));
        }
        match self.topic_name(topic) {
            Ok(name) => self.read(Purpose::QueueBounds(reply), ReadRequest::Bounds(vec![(name, queue)]), out),
            Err(refusal) => self.refuse(Some(reply), refusal, out),
        }
    }

    pub(crate) fn search_offset(
        &mut self,
        reply: Reply,
        topic: &str,
        queue: u32,
        time: Timestamp,
        bound: TimeBound,
        out: &mut Outputs,
    ) {
        if message::names::is_transaction_view(topic) {
            let offset = self.view_offset_at(topic, time);
            return out.list.push(Output::Answer(reply, Answer::Offset(offset)));
        }
        match self.topic_name(topic) {
            Ok(name) => {
                let request = ReadRequest::SearchTime { queues: vec![(name, queue)], time, bound };
                self.read(Purpose::Offset(reply), request, out);
            }
            Err(refusal) => self.refuse(Some(reply), refusal, out),
        }
    }

    pub(crate) fn view_message(&mut self, reply: Reply, at: CommitLogOffset, out: &mut Outputs) {
        self.read(Purpose::Records(reply), ReadRequest::Visible { at }, out);
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn query_message(
        &mut self,
        reply: Reply,
        topic: &str,
        key: &str,
        max: usize,
        from: Timestamp,
        to: Timestamp,
        out: &mut Outputs,
    ) {
        match self.topic_name(topic) {
            Ok(topic) => {
                let query = KeyQuery { topic, key: key.to_owned(), max: max.clamp(1, QUERY_MESSAGES_MAX), from, to };
                self.read(Purpose::Records(reply), ReadRequest::Keys(query), out);
            }
            Err(refusal) => self.refuse(Some(reply), refusal, out),
        }
    }

    /// Queues of a topic, as many as it has for reading or writing.
    fn queues_of(&self, topic: &Arc<str>) -> Vec<(Arc<str>, u32)> {
        let queues = self.topics.get(topic).map_or(0, |view| view.config.read_queues.max(view.config.write_queues));
        (0..queues).map(|queue| (topic.clone(), queue)).collect()
    }

    pub(crate) fn topic_stats(&mut self, reply: Reply, topic: &str, out: &mut Outputs) {
        if message::names::is_transaction_view(topic) {
            let stat = QueueStat { queue: 0, range: self.view_range(topic) };
            return out.list.push(Output::Answer(reply, Answer::TopicStats(vec![stat])));
        }
        match self.topic_name(topic) {
            Ok(name) => {
                let queues = self.queues_of(&name);
                self.read(Purpose::TopicStats(reply), ReadRequest::Bounds(queues), out);
            }
            Err(refusal) => self.refuse(Some(reply), refusal, out),
        }
    }

    /// Topics a group consumes: those it has offsets for and those it subscribes to.
    pub fn topics_of_group(&self, group: &str) -> BTreeSet<Arc<str>> {
        let mut topics: BTreeSet<Arc<str>> = self.offsets.topics(group).cloned().collect();
        if let Some(members) = self.consumers.get(group) {
            topics.extend(members.subscriptions.keys().filter_map(|topic| self.topic_name(topic).ok()));
        }
        topics
    }

    pub(crate) fn consume_stats(&mut self, reply: Reply, group: &str, topic: Option<&str>, out: &mut Outputs) {
        let mut queues = Vec::new();
        for name in self.topics_of_group(group) {
            if topic.is_none_or(|only| only == &*name) {
                queues.extend(self.queues_of(&name));
            }
        }
        let purpose = Purpose::ConsumeStats { reply, group: group.to_owned(), queues: queues.clone() };
        self.read(purpose, ReadRequest::Bounds(queues), out);
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn reset_offset(
        &mut self,
        reply: Option<Reply>,
        group: &str,
        topic: &str,
        time: Timestamp,
        force: bool,
        queue: Option<u32>,
        offset: Option<QueueOffset>,
        out: &mut Outputs,
    ) {
        let name = match self.topic_name(topic) {
            Ok(name) => name,
            Err(refusal) => return self.refuse(reply, refusal, out),
        };
        if self.group_config(group).is_none() {
            return self.refuse(reply, Refusal::GroupNotFound(group.to_owned()), out);
        }
        let mut queues: Vec<u32> = self.queues_of(&name).into_iter().map(|(_, queue)| queue).collect();
        if let Some(only) = queue {
            queues.retain(|queue| *queue == only);
        }
        let work = ResetWork { reply, group: group.to_owned(), topic: name.clone(), time, force, queues };
        if let Some(offset) = offset {
            let offsets = vec![offset; work.queues.len()];
            return self.reset_found(work, offsets, out);
        }
        let queues: Vec<_> = work.queues.iter().map(|queue| (name.clone(), *queue)).collect();
        let request = match time.millis() {
            ..0 => ReadRequest::Bounds(queues),
            _ => ReadRequest::SearchTime { queues, time, bound: TimeBound::Lower },
        };
        self.read(Purpose::Reset(Box::new(work)), request, out);
    }

    pub(crate) fn reset_read(&mut self, work: ResetWork, outcome: ReadOutcome, out: &mut Outputs) {
        match outcome {
            ReadOutcome::Offsets(offsets) => self.reset_found(work, offsets, out),
            ReadOutcome::Bounds(ranges) => {
                let offsets = ranges.iter().map(|range| range.max).collect();
                self.reset_found(work, offsets, out);
            }
            ReadOutcome::Failed(text) => self.refuse(work.reply, Refusal::Failed(text), out),
            other => unreachable!("offsets are answered by offsets, not by {other:?}"),
        }
    }

    fn reset_found(&mut self, work: ResetWork, offsets: Vec<QueueOffset>, out: &mut Outputs) {
        // The topic may have been deleted, and made again, while the offsets were looked for: those of its messages that
        // are gone would keep the group from reading the new ones.
        let Some(view) = self.topics.get_mut(&work.topic) else {
            return self.refuse(work.reply, Refusal::TopicNotFound(work.topic.to_string()), out);
        };
        let ends: Vec<QueueOffset> = work.queues.iter().map(|queue| view.lane(*queue).next).collect();
        let mut resets = Vec::new();
        for ((queue, end), found) in work.queues.iter().zip(ends).zip(offsets) {
            let found = found.min(end);
            let now = self.offsets.get(&work.group, &work.topic, *queue);
            let offset = match now {
                Some(now) if !work.force && now < found => now,
                _ => found,
            };
            self.offset_told(&work.group, &work.topic, *queue, offset);
            resets.push(Reset { queue: *queue, offset });
        }
        let pushed: Vec<(u32, QueueOffset)> = resets.iter().map(|reset| (reset.queue, reset.offset)).collect();
        let members = self.consumers.get(&work.group).map(|group| group.members.values().copied().collect::<Vec<_>>());
        let pushes = members
            .unwrap_or_default()
            .into_iter()
            .map(|member| {
                let push = Push::ResetOffset {
                    group: work.group.clone(),
                    topic: work.topic.to_string(),
                    time: work.time.millis(),
                    offsets: pushed.clone(),
                };
                (member.session, push)
            })
            .collect();
        self.flush_offsets(Vec::new(), out);
        // Behind the offsets in the log: when this is committed, they are.
        let (group, topic) = (work.group.as_str(), &*work.topic);
        let change = message::entry::OffsetChange { group, topic, queues: pushed };
        self.propose(out, Pending::Reset { reply: work.reply, resets, pushes }, true, |payload| {
            message::entry::Entry::Offsets(vec![change]).encode(payload);
        });
    }

    pub(crate) fn looked_up(&mut self, purpose: Purpose, outcome: ReadOutcome, out: &mut Outputs) {
        let (reply, answer) = match (purpose, outcome) {
            (
                Purpose::QueueBounds(reply)
                | Purpose::Offset(reply)
                | Purpose::Records(reply)
                | Purpose::TopicStats(reply)
                | Purpose::ConsumeStats { reply, .. },
                ReadOutcome::Failed(text),
            ) => (reply, Answer::Refused(Refusal::Failed(text))),
            (Purpose::QueueBounds(reply), ReadOutcome::Bounds(ranges)) => {
                (reply, Answer::Bounds(ranges.first().copied().unwrap_or_default()))
            }
            (Purpose::Offset(reply), ReadOutcome::Offsets(offsets)) => {
                (reply, Answer::Offset(offsets.first().copied().unwrap_or_default()))
            }
            (Purpose::Records(reply), ReadOutcome::Records(records)) => {
                (reply, self.found(records.filter(|bytes| !bytes.is_empty())))
            }
            (Purpose::TopicStats(reply), ReadOutcome::Bounds(ranges)) => {
                let stat = |(queue, range)| QueueStat { queue, range };
                (reply, Answer::TopicStats((0..).zip(ranges).map(stat).collect()))
            }
            (Purpose::ConsumeStats { reply, group, queues }, ReadOutcome::Bounds(ranges)) => {
                (reply, self.stats(&group, queues, ranges))
            }
            (purpose, outcome) => unreachable!("{purpose:?} is not answered by {outcome:?}"),
        };
        out.list.push(Output::Answer(reply, answer));
    }

    fn found(&self, records: Option<Vec<u8>>) -> Answer {
        match records {
            Some(records) => Answer::Found(Found { records, last_time: self.state.time, log_end: self.state.applied }),
            None => Answer::Refused(Refusal::NotFound(
                "no visible message is found: it has expired, was rolled back, is undecided, or never was".into(),
            )),
        }
    }

    fn stats(&self, group: &str, queues: Vec<(Arc<str>, u32)>, ranges: Vec<QueueRange>) -> Answer {
        let stats = queues.into_iter().zip(ranges).map(|((topic, queue), range)| ConsumeStat {
            consumed: self.offsets.get(group, &topic, queue),
            topic,
            queue,
            range,
        });
        Answer::ConsumeStats(stats.collect())
    }
}
