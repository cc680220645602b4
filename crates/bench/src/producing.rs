//! Connections that send.

use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, bail};
use protocol::codes::ResponseCode;
use protocol::header::Header;
use protocol::request::send::SendAnswer;

use crate::gauge::Gauge;
use crate::options::Producing;
use crate::pace::Pace;
use crate::wire::{Key, OPAQUE_BASE, Stopwatch, Template, append_commit};

/// With [`Producing::Mixed`], every so manieth operation is a transaction.
const MIXED_EVERY: u64 = 4;

/// Frames to all queues of all topics.
pub(crate) struct Templates {
    pub(crate) sends: Vec<Template>,
    pub(crate) halves: Vec<Template>,
}

/// An operation in flight.
#[derive(Clone, Copy)]
struct Slot {
    began: Instant,
    number: u64,
    /// What it is: a send, or a transaction's half or decision.
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Send,
    Half,
    Decision,
}

pub(crate) struct Producer {
    does: Producing,
    templates: Rc<Templates>,
    watch: Stopwatch,
    /// Names the ids of this connection.
    run: u64,
    slots: Vec<Slot>,
    idle: Vec<usize>,
    begun: u64,
    /// The queue its first message goes to, so that connections do not all send to the same one.
    first: u64,
}

impl Producer {
    pub(crate) fn new(
        does: Producing,
        templates: Rc<Templates>,
        watch: Stopwatch,
        run: u64,
        first: u64,
        slots: usize,
    ) -> Self {
        let slot = Slot { began: Instant::now(), number: 0, stage: Stage::Send };
        let idle = (0..slots).rev().collect();
        Producer { does, templates, watch, run, slots: vec![slot; slots], idle, begun: 0, first }
    }

    /// Whether it could begin another operation.
    pub(crate) fn has_room(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Operations that are not answered yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.slots.len() - self.idle.len()
    }

    /// Begins what is due, as far as it has room and there is `room` on the whole.
    pub(crate) fn begin(&mut self, pace: &mut Pace, now: Instant, out: &mut Vec<u8>, room: &mut usize) {
        while *room > 0
            && let Some(index) = self.idle.pop()
        {
            let Some(intended) = pace.next(now) else {
                self.idle.push(index);
                return;
            };
            *room -= 1;
            self.begun += 1;
            let transaction = match self.does {
                Producing::Send => false,
                Producing::Transaction | Producing::OneWay | Producing::Half => true,
                Producing::Mixed => self.begun.is_multiple_of(MIXED_EVERY),
            };
            let stage = if transaction { Stage::Half } else { Stage::Send };
            self.slots[index] = Slot { began: intended, number: self.begun, stage };
            let templates = if transaction { &self.templates.halves } else { &self.templates.sends };
            let template = &templates[((self.first + self.begun) % templates.len() as u64) as usize];
            let moment = self.watch.moment(intended);
            template.append(out, OPAQUE_BASE + index as i32, Key::new(self.run, self.begun), moment);
        }
    }

    /// Takes an answer.
    pub(crate) fn answered(
        &mut self,
        answer: &Header<'_>,
        now: Instant,
        gauge: &mut Gauge,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let index = answer.opaque.wrapping_sub(OPAQUE_BASE) as usize;
        let slot = self.slots.get_mut(index).context("an answer to nothing that was asked")?;
        // Nothing is stored, and another operation takes the place of this one, which counts as refused.
        if answer.code == ResponseCode::SYSTEM_BUSY.0 && slot.stage != Stage::Decision {
            gauge.refused += 1;
            self.idle.push(index);
            return Ok(());
        }
        if answer.code != 0 {
            bail!("the broker answers with code {}: {}", answer.code, answer.remark.unwrap_or("no remark"));
        }
        if slot.stage == Stage::Half && self.does != Producing::Half {
            let sent = SendAnswer::decode(&answer.fields).context("the answer to a half")?;
            let half = (half_offset(sent.msg_id)?, sent.queue_offset);
            let (oneway, key) = (self.does == Producing::OneWay, Key::new(self.run, slot.number));
            append_commit(out, OPAQUE_BASE + index as i32, oneway, half, &key);
            if !oneway {
                slot.stage = Stage::Decision;
                return Ok(());
            }
        }
        gauge.operation(now.saturating_duration_since(slot.began));
        self.idle.push(index);
        Ok(())
    }
}

/// Where a half lies: the second half of the id it was answered with.
fn half_offset(id: &str) -> anyhow::Result<i64> {
    let digits =
        id.len().checked_sub(16).and_then(|at| id.get(at..)).context("the answer to a half has no offset id")?;
    i64::from_str_radix(digits, 16).with_context(|| format!("{id:?} is no offset id"))
}
