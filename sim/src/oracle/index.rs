use std::collections::BTreeMap;
use std::ops::ControlFlow;

use engine::Engine;
use message::CommitLogOffset;
use message::entry::{Entry, Place, record_distance};
use message::record::Record;

use super::Recovered;

/// Items of a queue that entries of the log make visible: offset, and where the record lies.
type Items = Vec<(u64, CommitLogOffset)>;

/// Whether a recovered broker delivers every message that the log still has: queues are read through the index, and what
/// the index has lost nobody would miss otherwise, for it looks expired.
///
/// `start` is where the log has ever begun at the latest: a crash may bring back segments that were given up.
///
/// # Errors
/// The queue that begins too late, or what cannot be read.
pub fn index_has_what_the_log_has(engine: &Engine, found: &Recovered, start: CommitLogOffset) -> Result<(), String> {
    let view = engine.log().view();
    let mut queues: BTreeMap<(String, u32), Items> = BTreeMap::new();
    view.for_each_batch(view.start(), engine.broker().state().applied, |batch| {
        for (at, payload) in batch.entries() {
            if let Ok(entry) = Entry::decode(payload) {
                apply(&mut queues, at, payload, &entry);
            }
        }
        ControlFlow::Continue(())
    })
    .map_err(|error| format!("the log cannot be read: {error}"))?;
    for (queue, items) in queues {
        let Some(read) = found.queues.get(&queue) else { continue };
        // An item whose record has gone takes all before it along.
        let first = items.iter().rposition(|(_, record_at)| *record_at < start).map_or(0, |last| last + 1);
        let Some((first, at)) = items.get(first) else { continue };
        if read.min > *first {
            let (topic, queue) = queue;
            return Err(format!(
                "{topic} queue {queue} begins at {}, but offset {first} is in the log, its record at {at}",
                read.min
            ));
        }
    }
    Ok(())
}

fn apply(queues: &mut BTreeMap<(String, u32), Items>, at: CommitLogOffset, payload: &[u8], entry: &Entry<'_>) {
    let mut enter = |topic: &str, queue: u32, offset: u64, record_at: CommitLogOffset| {
        let items = queues.entry((topic.to_owned(), queue)).or_default();
        // What is not the next one was refused when it was applied.
        if items.last().is_none_or(|(last, _)| last + 1 == offset) {
            items.push((offset, record_at));
        }
    };
    let place = match entry {
        Entry::Messages(messages) => {
            let mut rest = messages.records;
            while let Ok(record) = Record::parse(rest) {
                let record_at = at.plus(record_distance(payload, rest));
                enter(record.topic(), record.queue_id(), record.queue_offset().get(), record_at);
                rest = &rest[record.bytes().len()..];
            }
            return;
        }
        Entry::TopicDeleted { name } => return queues.retain(|(topic, _), _| topic != name),
        Entry::Decision(decision) => decision.place,
        Entry::Deliver(deliver) => deliver.place,
        _ => return,
    };
    match place {
        Place::Link { topic, queue_id, queue_offset, record_at, .. } => {
            enter(topic, queue_id, queue_offset.get(), record_at);
        }
        Place::Carry { queue_offset, record, .. } => {
            if let Ok(parsed) = Record::parse(record) {
                let record_at = at.plus(record_distance(payload, record));
                enter(parsed.topic(), parsed.queue_id(), queue_offset.get(), record_at);
            }
        }
        Place::Later { .. } | Place::Nowhere => {}
    }
}
