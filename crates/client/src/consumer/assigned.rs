//! A queue that is ours to read, and what of it is done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::MessageQueue;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

use crate::message_view::MessageView;

/// How long a lock of a queue is believed without being renewed; brokers keep it for 60 s.
const LOCK_BELIEVED: Duration = Duration::from_secs(30);

/// A queue that is ours.
#[derive(Debug)]
pub(crate) struct AssignedQueue {
    pub(super) queue: MessageQueue,
    pub(super) broker: Arc<str>,
    state: Mutex<State>,
    /// Messages were done, or the queue is not ours any more.
    pub(super) changed: Notify,
    dropped: AtomicBool,
    /// Nobody else reads it, whatever the broker knows of locks.
    unshared: AtomicBool,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    reader: Option<AbortHandle>,
    /// Of an orderly consumer: handles the messages one by one.
    worker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    /// Messages that were read and are not done, by offset, with their sizes.
    open: BTreeMap<i64, usize>,
    open_bytes: usize,
    /// Its bytes are not counted any more.
    given_up: bool,
    /// Where reading goes on.
    next: i64,
    /// What the broker was told last.
    committed: Option<i64>,
    locked_at: Option<Instant>,
    read_at_ms: i64,
    done_at_ms: i64,
}

/// What operators are shown of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) commit: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: usize,
    pub(super) bytes: usize,
    pub(super) locked: bool,
    pub(super) dropped: bool,
    pub(super) read_at_ms: i64,
    pub(super) done_at_ms: i64,
}

impl AssignedQueue {
    pub(super) fn new(queue: MessageQueue, next: i64) -> Self {
        let state = State {
            open: BTreeMap::new(),
            open_bytes: 0,
            given_up: false,
            next,
            committed: None,
            locked_at: None,
            read_at_ms: 0,
            done_at_ms: 0,
        };
        AssignedQueue {
            broker: queue.broker_name.as_str().into(),
            queue,
            state: Mutex::new(state),
            changed: Notify::new(),
            dropped: AtomicBool::new(false),
            unshared: AtomicBool::new(false),
            tasks: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn run(&self, reader: AbortHandle, worker: Option<JoinHandle<()>>) {
        *self.tasks() = Tasks { reader: Some(reader), worker };
    }

    /// The queue is not ours any more: nothing further of it is handled.
    pub(super) fn drop_it(&self) {
        self.dropped.store(true, Ordering::SeqCst);
        if let Some(reader) = self.tasks().reader.take() {
            reader.abort();
        }
        self.changed.notify_waiters();
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Waits until the handler that runs, if any, has ended. Says whether it has.
    pub(super) async fn wait_for_worker(&self, patience: Duration) -> bool {
        let Some(mut worker) = self.tasks().worker.take() else {
            return true;
        };
        if tokio::time::timeout(patience, &mut worker).await.is_ok() {
            return true;
        }
        self.tasks().worker = Some(worker);
        false
    }

    /// Where reading goes on.
    pub(super) fn next(&self) -> i64 {
        self.state().next
    }

    /// Messages were read up to `next`. Says how many bytes were added.
    pub(super) fn read(&self, messages: &[MessageView], next: i64, now_ms: i64) -> usize {
        let mut state = self.state();
        let before = state.open_bytes;
        for message in messages {
            let size = if state.given_up { 0 } else { message.size() };
            state.open_bytes += size;
            if let Some(twice) = state.open.insert(message.queue_offset(), size) {
                state.open_bytes -= twice;
            }
        }
        state.next = next;
        state.read_at_ms = now_ms;
        state.open_bytes - before
    }

    /// A message needs no more handling. Says how many bytes became free.
    pub(super) fn done(&self, offset: i64, now_ms: i64) -> usize {
        let mut state = self.state();
        let size = state.open.remove(&offset).unwrap_or(0);
        state.open_bytes -= size;
        state.done_at_ms = now_ms;
        drop(state);
        self.changed.notify_waiters();
        size
    }

    /// Stops counting its bytes; returns those counted so far.
    pub(super) fn give_up(&self) -> usize {
        let mut state = self.state();
        state.given_up = true;
        let bytes = std::mem::take(&mut state.open_bytes);
        for size in state.open.values_mut() {
            *size = 0;
        }
        bytes
    }

    pub(super) fn open(&self) -> (usize, usize) {
        let state = self.state();
        (state.open.len(), state.open_bytes)
    }

    /// Everything before this is done.
    pub(super) fn commit_offset(&self) -> i64 {
        let state = self.state();
        state.open.keys().next().copied().unwrap_or(state.next)
    }

    /// What to tell the broker, `None` if it knows.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        let offset = self.commit_offset();
        (self.state().committed != Some(offset)).then_some(offset)
    }

    pub(super) fn set_committed(&self, offset: i64) {
        self.state().committed = Some(offset);
    }

    pub(super) fn set_locked(&self, locked: bool) {
        self.state().locked_at = locked.then(Instant::now);
    }

    pub(super) fn set_unshared(&self, unshared: bool) {
        self.unshared.store(unshared, Ordering::SeqCst);
    }

    /// May messages of it be handled in order, nobody else doing so?
    pub(super) fn is_locked(&self) -> bool {
        self.unshared.load(Ordering::SeqCst) || self.state().locked_at.is_some_and(|at| at.elapsed() < LOCK_BELIEVED)
    }

    pub(super) fn shown(&self) -> Shown {
        let (commit, locked) = (self.commit_offset(), self.is_locked());
        let state = self.state();
        Shown {
            commit,
            first: state.open.keys().next().copied().unwrap_or(0),
            last: state.open.keys().next_back().copied().unwrap_or(0),
            count: state.open.len(),
            bytes: state.open_bytes,
            locked,
            dropped: self.is_dropped(),
            read_at_ms: state.read_at_ms,
            done_at_ms: state.done_at_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_view::tests::view;

    fn queue() -> AssignedQueue {
        AssignedQueue::new(MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id: 0 }, 5)
    }

    #[test]
    fn only_what_has_nothing_open_before_it_is_committed() {
        let queue = queue();
        assert_eq!(queue.uncommitted(), Some(5));
        let bytes = queue.read(&[view(5, ""), view(6, ""), view(8, "")], 10, 1);
        assert_eq!((queue.commit_offset(), queue.open()), (5, (3, bytes)));
        queue.done(6, 2);
        assert_eq!(queue.commit_offset(), 5);
        queue.done(5, 2);
        assert_eq!(queue.commit_offset(), 8);
        queue.set_committed(8);
        assert_eq!(queue.uncommitted(), None);
        queue.done(8, 2);
        // What the filter left out between 8 and 10 is done as well.
        assert_eq!((queue.uncommitted(), queue.open()), (Some(10), (0, 0)));
    }

    #[test]
    fn done_twice_is_done_once() {
        let queue = queue();
        let bytes = queue.read(&[view(5, "")], 6, 1);
        assert_eq!((queue.done(5, 2), queue.done(5, 2)), (bytes, 0));
        assert_eq!(queue.open(), (0, 0));
    }

    #[test]
    fn bytes_of_a_dropped_queue_are_given_up_once() {
        let queue = queue();
        let bytes = queue.read(&[view(5, ""), view(6, "")], 7, 1);
        assert_eq!((queue.give_up(), queue.done(5, 2), queue.give_up()), (bytes, 0, 0));
        assert_eq!(queue.read(&[view(7, "")], 8, 3), 0);
        assert_eq!((queue.commit_offset(), queue.open()), (6, (2, 0)));
    }
}
