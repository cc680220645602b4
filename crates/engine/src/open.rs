use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use broker::Broker;
use broker::state::State;
use message::{CommitLogOffset, Timestamp};
use store::disk::Disk;
use store::index::Index;
use store::log::{Log, ReadError};
use thiserror::Error;

use crate::engine::{Engine, EngineConfig};
use crate::jobs::Jobs;

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Whether there was nothing before.
    pub fresh: bool,
    /// Topics there are.
    pub topics: usize,
    /// Undecided transactions there are.
    pub undecided: usize,
    /// Messages that wait for their time.
    pub scheduled: usize,
    /// Bytes of log applied on top of the snapshot.
    pub replayed_bytes: u64,
    /// Whether a torn tail was cut off.
    pub cut: bool,
    /// How long it took, in milliseconds.
    pub millis: u128,
    /// What is worth a line in the log, and nothing to worry about.
    pub notes: Vec<String>,
    /// What an operator should look at.
    pub remarks: Vec<String>,
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// No snapshot can be read although there are some.
    #[error("cannot read a snapshot")]
    Snapshot(#[from] store::snapshot::SnapshotError),
    /// A snapshot is not a state this version knows.
    #[error("the snapshot at offset {at} cannot be read; was it written by a newer version?")]
    State {
        /// The snapshot.
        at: CommitLogOffset,
        /// What is wrong with it.
        source: message::codec::CodecError,
    },
    /// A snapshot whose name and contents disagree about where it stands: what follows cannot be applied on top of it.
    #[error(
        "the snapshot at offset {at} says that it stands at {applied}; restore it, or move it out of the data directory"
    )]
    Elsewhere {
        /// Where its file says it stands.
        at: CommitLogOffset,
        /// Where its state says it stands.
        applied: CommitLogOffset,
    },
    /// The log is damaged or cannot be read.
    #[error("cannot open the log")]
    Log(#[from] store::log::OpenError),
    /// The log cannot be read again.
    #[error("cannot read the log")]
    Read(#[from] ReadError),
    /// The log cannot be applied.
    #[error("cannot apply the log")]
    Apply(#[from] broker::state::ApplyError),
    /// The index cannot be begun.
    #[error("cannot open the index")]
    Index(#[from] store::index::IndexError),
    /// The log begins behind the snapshot: what lies between is missing.
    #[error(
        "the log begins at offset {start}, behind the snapshot at {snapshot}: segments are missing; restore them, or run \
         `tandem store verify`"
    )]
    Missing {
        /// Where the log begins.
        start: CommitLogOffset,
        /// Where the snapshot stands.
        snapshot: CommitLogOffset,
    },
}

impl Engine {
    /// Recovers the state from the last snapshot and the log, and the index from its last checkpoint and the log.
    ///
    /// # Errors
    /// See [`OpenError`]. Nothing is repaired here but a torn tail: what was never acknowledged.
    pub fn open(disk: Arc<dyn Disk>, config: EngineConfig, now: Timestamp) -> Result<(Engine, Opened), OpenError> {
        let started = Instant::now();
        let mut opened = Opened::default();
        let snapshot = store::snapshot::latest(&*disk)?;
        let (mut state, snapshot_at, snapshot_len) = match snapshot {
            Some(found) => {
                let at = found.at;
                let passed =
                    found.passed_over.iter().map(|damage| format!("a damaged snapshot was passed over: {damage}"));
                opened.remarks.extend(passed);
                let state = State::decode(&found.state).map_err(|source| OpenError::State { at, source })?;
                if state.applied != at {
                    return Err(OpenError::Elsewhere { at, applied: state.applied });
                }
                (state, at, found.state.len() as u64)
            }
            None => (State::default(), CommitLogOffset::ZERO, 0),
        };
        let (log, recovery) = Log::open(disk.clone(), config.log.clone(), snapshot_at)?;
        if log.start() > state.applied {
            return Err(OpenError::Missing { start: log.start(), snapshot: state.applied });
        }
        opened.fresh = recovery.end == CommitLogOffset::ZERO;
        if let Some(cut) = &recovery.cut {
            opened.cut = true;
            opened.notes.push(format!("a torn tail was cut off at offset {}: {}", cut.at, cut.found));
        }
        let found = Index::open_with(disk.clone(), config.index)?;
        let (mut index, mut indexed_to) = (found.index, found.replay_from);
        if let (Some(note), false) = (found.note, opened.fresh) {
            opened.notes.push(note);
        }
        // Only a log that lost what was written and not synced is shorter than its index.
        let ahead = indexed_to > log.written();
        // What lies between has expired since the index was saved: in queues with such a hole nothing that follows would
        // be taken for the next message.
        let behind = indexed_to > CommitLogOffset::ZERO && indexed_to < log.start();
        if ahead || behind {
            let (start, end) = (log.start(), log.written());
            opened.remarks.push(format!(
                "the index knows the log up to {indexed_to}, but that has {start} to {end}: the index is rebuilt"
            ));
            drop(index);
            index = Index::discard(disk.clone(), config.index)?;
            indexed_to = CommitLogOffset::ZERO;
        }
        let indexed_to = indexed_to.max(log.start());
        let view = log.view();
        let mut failed = None;
        let mut index_error: Option<String> = None;
        view.for_each_batch(state.applied.min(indexed_to), log.written(), |batch| {
            let at = batch.header().offset;
            if at >= indexed_to {
                for (frame, payload) in batch.entries() {
                    if let Err(error) = index.apply(frame, batch.header().time, payload) {
                        index_error.get_or_insert(error.to_string());
                    }
                }
            }
            if at >= state.applied {
                opened.replayed_bytes += u64::from(batch.header().len);
                if let Err(error) = state.apply_batch(&batch, |_, _, _, _| {}) {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if index.is_damaged() {
            // Now and not at the next start: until then a half that was decided long ago could not be told from none.
            let error = index_error.take().unwrap_or_else(|| "index files are damaged".to_owned());
            opened.remarks.push(format!("the index is rebuilt from the log: {error}"));
            drop(index);
            index = Index::discard(disk.clone(), config.index)?;
            view.for_each_batch(log.start(), log.written(), |batch| {
                for (frame, payload) in batch.entries() {
                    if let Err(error) = index.apply(frame, batch.header().time, payload) {
                        index_error.get_or_insert(error.to_string());
                    }
                }
                ControlFlow::Continue(())
            })?;
        }
        opened.remarks.extend(index_error.map(|error| format!("the index is not complete: {error}")));
        index.trim(log.start());
        // A queue whose messages have all expired is known to the state only.
        for topic in state.topics.iter() {
            for queue in 0..topic.queues() {
                let next = topic.next(queue);
                if next > message::QueueOffset::ZERO {
                    index.set_next(topic.name(), queue, next);
                }
            }
        }
        opened.topics = state.topics.len();
        opened.undecided = state.ledger.len();
        opened.scheduled = state.scheduled.len();
        opened.millis = started.elapsed().as_millis();
        let broker = Broker::new(config.broker.clone(), state, now);
        let needed_from = store::snapshot::offsets(&*disk)?.into_iter().min().unwrap_or(snapshot_at);
        let jobs = Jobs::new(snapshot_at, snapshot_len, needed_from);
        Ok((Engine::assemble(config, disk, broker, log, index, jobs, now), opened))
    }
}
