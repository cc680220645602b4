//! Connections that read, one for each group.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use message::record::Record;
use protocol::header::Header;
use protocol::request::pull::PullAnswer;

use crate::gauge::Gauge;
use crate::wire::{OPAQUE_BASE, Stopwatch, append_pull};

const FOUND: i32 = 0;
const NOT_FOUND: i32 = 19;
const RETRY_AT_ONCE: i32 = 20;

/// A queue, and how far it is read.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) topic: Rc<str>,
    pub(crate) queue: u32,
    pub(crate) next: i64,
}

pub(crate) struct Reader {
    group: String,
    queues: Vec<Queue>,
    max: u32,
    watch: Stopwatch,
    /// Messages carry moments of this run.
    follows: bool,
}

impl Reader {
    pub(crate) fn new(group: String, queues: Vec<Queue>, max: u32, watch: Stopwatch, follows: bool) -> Self {
        Reader { group, queues, max, watch, follows }
    }

    /// Asks for all queues.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) {
        (0..self.queues.len()).for_each(|index| self.pull(index, out));
    }

    fn pull(&self, index: usize, out: &mut Vec<u8>) {
        let queue = &self.queues[index];
        append_pull(out, OPAQUE_BASE + index as i32, &self.group, &queue.topic, queue.queue, queue.next, self.max);
    }

    /// Takes an answer, and asks for what comes next.
    pub(crate) fn answered(
        &mut self,
        answer: &Header<'_>,
        body: &[u8],
        now: Instant,
        gauge: &mut Gauge,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let index = answer.opaque.wrapping_sub(OPAQUE_BASE) as usize;
        let queue = self.queues.get_mut(index).context("an answer to nothing that was asked")?;
        match answer.code {
            FOUND => {
                let pulled = PullAnswer::decode(&answer.fields).context("the answer to a pull")?;
                let mut rest = body;
                while !rest.is_empty() {
                    let record = Record::parse(rest).context("a message that was pulled")?;
                    let offset = record.queue_offset().get() as i64;
                    ensure!(
                        offset == queue.next,
                        "queue {} of {} went from offset {} to {offset}: messages are missing, or come twice",
                        queue.queue,
                        queue.topic,
                        queue.next,
                    );
                    queue.next += 1;
                    let took = if self.follows { took(&record, self.watch, now) } else { None };
                    gauge.delivery(took, record.bytes().len() as u64);
                    rest = &rest[record.bytes().len()..];
                }
                ensure!(queue.next == pulled.next_begin_offset, "an answer does not go on where its messages end");
            }
            NOT_FOUND | RETRY_AT_ONCE => {}
            code => bail!("a pull is answered with code {code}: {}", answer.remark.unwrap_or("no remark")),
        }
        self.pull(index, out);
        Ok(())
    }
}

fn took(record: &Record<'_>, watch: Stopwatch, now: Instant) -> Option<Duration> {
    let sent = u64::from_be_bytes(record.body().get(..8)?.try_into().ok()?);
    Some(Duration::from_nanos(watch.moment(now).saturating_sub(sent)))
}

#[cfg(test)]
mod tests {
    use message::record::NewRecord;
    use message::{QueueOffset, Timestamp};
    use protocol::codes::ResponseCode;
    use protocol::encode::ResponseHeader;
    use protocol::frame::{FRAME_SIZE_MAX, scan};
    use protocol::header::HeaderBuffer;

    use super::*;

    fn reader() -> Reader {
        let queue = Queue { topic: "bench_0".into(), queue: 3, next: 5 };
        Reader::new("readers".to_owned(), vec![queue], 32, Stopwatch::start(), true)
    }

    /// Messages at these offsets, as a broker would hand them out.
    fn pulled(offsets: &[u64], next: i64) -> Vec<u8> {
        let mut body = Vec::new();
        for offset in offsets {
            let record = NewRecord {
                topic: "bench_0",
                queue_id: 3,
                queue_offset: QueueOffset::new(*offset),
                flag: 0,
                sys_flag: 0,
                born_timestamp: Timestamp::ZERO,
                born_host: ([127, 0, 0, 1], 1).into(),
                store_timestamp: Timestamp::ZERO,
                store_host: ([127, 0, 0, 1], 2).into(),
                reconsume_times: 0,
                body: &[0; 16],
                properties: "",
            };
            record.encode(&mut body);
        }
        let answer = PullAnswer { suggest_which_broker_id: 0, next_begin_offset: next, min_offset: 0, max_offset: 9 };
        let fields = answer.fields();
        let mut frame = Vec::new();
        let header = ResponseHeader { code: ResponseCode(FOUND), opaque: OPAQUE_BASE, remark: None, fields: &fields };
        header.append(&mut frame, &body);
        frame
    }

    fn hear(offsets: &[u64], next: i64) -> anyhow::Result<(u64, usize)> {
        let frame = pulled(offsets, next);
        let frame = scan(&frame, FRAME_SIZE_MAX).unwrap().unwrap();
        let (mut buffer, mut gauge, mut out) = (HeaderBuffer::new(), Gauge::new(), Vec::new());
        let answer = buffer.decode(&frame).unwrap();
        reader().answered(&answer, frame.body, Instant::now(), &mut gauge, &mut out)?;
        Ok((gauge.read, out.len()))
    }

    #[test]
    fn what_comes_in_order_counts_and_the_next_is_asked_for() {
        let (read, asked) = hear(&[5, 6, 7], 8).unwrap();
        assert_eq!(read, 3);
        assert!(asked > 0);
    }

    #[test]
    fn a_message_that_is_missing_or_comes_twice_ends_the_run() {
        assert!(hear(&[5, 7], 8).unwrap_err().to_string().contains("from offset 6 to 7"));
        assert!(hear(&[5, 5], 6).unwrap_err().to_string().contains("from offset 6 to 5"));
        assert!(hear(&[5], 7).unwrap_err().to_string().contains("does not go on"));
    }
}
