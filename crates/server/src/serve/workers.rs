use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use engine::{Done, Job};
use mio::Waker;

/// Three threads beside the owner: one for syncs, which somebody waits for, one for segments, which somebody will soon
/// wait for, and one for work that takes long. A snapshot of a million undecided halves takes a second; were segments
/// prepared behind it, the owner would run out of them and fill its own.
#[derive(Debug)]
pub struct Workers {
    syncs: Option<Sender<Job>>,
    segments: Option<Sender<Job>>,
    snapshots: Option<Sender<Job>>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts the threads; `waker` tells the owner when something is done.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(waker: &Arc<Waker>) -> io::Result<Self> {
        let (tell, done) = channel();
        let (syncs, sync_jobs) = channel();
        let (segments, segment_jobs) = channel();
        let (snapshots, snapshot_jobs) = channel();
        let threads = vec![
            worker("sync", sync_jobs, tell.clone(), waker.clone())?,
            worker("segments", segment_jobs, tell.clone(), waker.clone())?,
            worker("snapshots", snapshot_jobs, tell, waker.clone())?,
        ];
        Ok(Workers { syncs: Some(syncs), segments: Some(segments), snapshots: Some(snapshots), done, threads })
    }

    /// Has a job run.
    pub fn run(&self, job: Job) {
        let to = match job {
            Job::Sync(_) => &self.syncs,
            Job::Chore(_) => &self.segments,
            Job::Snapshot(_) | Job::Checkpoint(_) => &self.snapshots,
        };
        // A worker ends only with its channel, so there is somebody to take the job as long as there is a channel.
        if let Some(to) = to {
            to.send(job).expect("the worker runs as long as its channel is open");
        }
    }

    /// What was done since the last look.
    pub fn take_done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }

    /// Waits for what is under way, and ends the threads. What they still did is returned.
    pub fn stop(mut self) -> Vec<Done> {
        self.syncs = None;
        self.segments = None;
        self.snapshots = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
        self.done.try_iter().collect()
    }
}

fn worker(name: &str, jobs: Receiver<Job>, tell: Sender<Done>, waker: Arc<Waker>) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(move || {
        for job in jobs {
            let done = job.run();
            if tell.send(done).is_err() {
                break;
            }
            if let Err(error) = waker.wake() {
                tracing::error!("cannot wake the broker's thread: {error}");
            }
        }
    })
}
