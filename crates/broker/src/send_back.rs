//! Messages a consumer could not consume: again later, or among the dead letters.

use message::entry::{self, TopicConfig};
use message::properties;
use message::record::{NewRecord, Record};
use message::{CommitLogOffset, QueueOffset, names};

use crate::Broker;
use crate::config::delay_level_ms;
use crate::io::{Output, Outputs, ReadOutcome, ReadRequest, Refusal, Reply, SendBack};
use crate::pending::Pending;
use crate::reads::{Purpose, SendBackWork};

/// The level of the first retry when the client leaves it to the broker: 10 seconds.
const FIRST_RETRY_LEVEL: i32 = 3;

impl Broker {
    pub(crate) fn send_back(&mut self, reply: Option<Reply>, back: &SendBack<'_>, out: &mut Outputs) {
        let Some(group) = self.group_config(back.group) else {
            return self.refuse(reply, Refusal::GroupNotFound(back.group.to_owned()), out);
        };
        if group.retry_queues == 0 {
            return self.done(reply, out);
        }
        let Some(at) = CommitLogOffset::from_signed(back.offset) else {
            let text = format!("{} is not the offset of a message", back.offset);
            return self.refuse(reply, Refusal::InvalidParameter(text), out);
        };
        let work = SendBackWork {
            reply,
            group: back.group.to_owned(),
            delay_level: back.delay_level,
            origin_id: back.origin_id.to_owned(),
            max_reconsume_times: back.max_reconsume_times,
        };
        let ticket = self.reads.begin(Purpose::SendBack(Box::new(work)));
        out.list.push(Output::Read(ticket, ReadRequest::Visible { at }));
    }

    pub(crate) fn sent_back(&mut self, work: SendBackWork, outcome: ReadOutcome, out: &mut Outputs) {
        let refusal = match outcome {
            ReadOutcome::Records(Some(bytes)) => match Record::parse(&bytes) {
                Ok(record) => match self.send_again(&work, &record, out) {
                    Ok(()) => return,
                    Err(refusal) => refusal,
                },
                Err(error) => Refusal::Failed(format!("the message to be sent back cannot be read: {error}")),
            },
            ReadOutcome::Records(None) => Refusal::NotFound(
                "there is no message at this offset: it has expired, or the offset is not one that was delivered"
                    .into(),
            ),
            ReadOutcome::Failed(text) => Refusal::Failed(text),
            other => unreachable!("a message is answered by a record, not by {other:?}"),
        };
        self.refuse(work.reply, refusal, out);
    }

    fn send_again(&mut self, work: &SendBackWork, record: &Record<'_>, out: &mut Outputs) -> Result<(), Refusal> {
        // A retry is a message like any other: on a full disk it waits at the consumer, and decisions go on.
        self.accepts_new(record.bytes().len() + 512, out)?;
        let group =
            self.group_config(&work.group).cloned().ok_or_else(|| Refusal::GroupNotFound(work.group.clone()))?;
        let max = work.max_reconsume_times.unwrap_or(group.retry_max);
        // A client's own number, as its message brought it: below zero it is none.
        let failures = record.reconsume_times().max(0);
        let dead = failures >= max || work.delay_level < 0;
        let (topic, queues) = match dead {
            true => (names::dead_letter_topic(&work.group), 1),
            false => (names::retry_topic(&work.group), group.retry_queues),
        };
        if self.topics.get(&topic).is_none() {
            self.propose_topic(TopicConfig::new(topic.as_str(), queues), Pending::Nobody, out)?;
        }
        let mut text = match record.property(properties::RETRY_TOPIC) {
            Some(_) => record.properties().to_owned(),
            None => properties::with(record.properties(), properties::RETRY_TOPIC, record.topic()),
        };
        if properties::get(&text, properties::ORIGIN_MESSAGE_ID).is_none() {
            properties::push(&mut text, properties::ORIGIN_MESSAGE_ID, &work.origin_id);
        }
        if text.len() > properties::PROPERTIES_LEN_MAX {
            return Err(Refusal::MessageIllegal("the properties leave no room for those of a retry".into()));
        }
        let queue = match dead {
            true => 0,
            false => {
                self.any_queue = self.any_queue.wrapping_add(1);
                self.any_queue % self.topics.get(&topic).map_or(1, |view| view.config.write_queues.max(1))
            }
        };
        let again = NewRecord {
            topic: &topic,
            queue_id: queue,
            queue_offset: QueueOffset::ZERO,
            store_timestamp: self.now,
            reconsume_times: failures.saturating_add(1),
            properties: &text,
            sys_flag: record.sys_flag() & message::sys_flag::CLIENT_BITS,
            ..record.to_new()
        };
        self.counters.sent_back += 1;
        if dead {
            self.counters.dead_letters += 1;
            let queue_offset = self.topics.get_mut(&topic).expect("made above if it was missing").take(queue, 1);
            let again = NewRecord { queue_offset, ..again };
            self.propose(out, Pending::Done(work.reply), true, |payload| {
                entry::messages_head(payload);
                again.encode(payload);
            });
            return Ok(());
        }
        let level = if work.delay_level > 0 { work.delay_level } else { FIRST_RETRY_LEVEL.saturating_add(failures) };
        let delay_ms = delay_level_ms(level).expect("the level is at least 1");
        let deliver_at = self.now.plus_ms(delay_ms as i64);
        let sequence = self.next_scheduled;
        self.next_scheduled = sequence.plus(1);
        self.propose(out, Pending::Done(work.reply), true, |payload| {
            entry::Scheduled::head(deliver_at, sequence, payload);
            again.encode(payload);
        });
        Ok(())
    }
}
