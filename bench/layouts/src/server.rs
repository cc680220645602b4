//! The layouts, each the same minimal server: a send is answered when it is durable, a ping at once.

use crate::core_thread::{self, Arrival, Event};
use crate::log::{Batch, Committer, Log, Waiting};
use crate::sockets::{Handle, Sockets};
use crate::wire::{self, PING, put_reply};
use std::io::{Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Names of the layouts, as the table prints them, the one the others are compared with first.
pub const LAYOUTS: [(&str, &str); 7] = [
    ("A", "core thread runs to completion, syncs itself"),
    ("A2", "as A, but polls on without waiting until nothing more arrives before it syncs"),
    ("B", "core thread, log thread syncs"),
    ("C0", "1 I/O thread, core thread syncs"),
    ("C1", "1 I/O thread, core thread, log thread syncs"),
    ("C2", "2 I/O threads, core thread, log thread syncs"),
    ("D", "tokio, 2 workers, a task per connection; core thread syncs"),
];

/// Gives a new connection to the thread that will own it.
type Adopt = Box<dyn FnMut(TcpStream) -> Result<()> + Send>;

/// Serves on an ephemeral port until standard input ends. Prints the port, then the CPU time used so far, in
/// nanoseconds, for every line read.
pub fn serve(layout: &str, log: Log) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let adopt: Adopt = match layout {
        "A" => completing(1, |_, _| Committer::Here(log))?,
        "A2" => completing(8, |_, _| Committer::Here(log))?,
        "B" => completing(1, |done, handle| {
            Committer::thread(log, move |batch| {
                if done.send(batch).is_ok() {
                    handle.wake();
                }
            })
        })?,
        "C0" => io_threads(1, start_core(|_| Committer::Here(log)))?,
        "C1" => io_threads(1, start_core(|events| committing_thread(log, events)))?,
        "C2" => io_threads(2, start_core(|events| committing_thread(log, events)))?,
        "D" => tokio_tasks(start_core(|_| Committer::Here(log)))?,
        other => {
            let known = LAYOUTS.map(|(name, _)| name).join(", ");
            return Err(std::io::Error::other(format!("no layout {other:?}, name one of {known}")));
        }
    };
    thread::spawn(move || accept(&listener, adopt));
    for line in std::io::stdin().lines() {
        line?;
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        println!("{}", used.tv_sec * 1_000_000_000 + used.tv_nsec);
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// One thread accepts for every layout: it sleeps while anything is measured.
fn accept(listener: &TcpListener, mut adopt: impl FnMut(TcpStream) -> Result<()>) {
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(&mut adopt) {
            eprintln!("cannot take a connection: {error}");
        }
    }
}

/// Ends the process with the reason: a server that fails leaves nothing to measure.
fn or_exit(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("the server failed: {error}");
        std::process::exit(1);
    }
}

/// Layouts A and B: sockets and core on one thread, which polls at most `polls_max` times before it commits.
fn completing(polls_max: usize, committer: impl FnOnce(Sender<Batch>, Handle) -> Committer) -> Result<Adopt> {
    let (mut sockets, handle) = Sockets::new()?;
    let (done, durable) = mpsc::channel();
    let mut committer = committer(done, handle.clone());
    thread::spawn(move || {
        or_exit((|| {
            let mut gathered = Batch::default();
            loop {
                sockets.wait(None)?;
                while let Ok(batch) = durable.try_recv() {
                    answer(&mut sockets, &batch);
                    committer.give_back(batch);
                }
                for poll in 1.. {
                    sockets.read(|connection, frame, out| match frame.code {
                        PING => put_reply(out, frame.opaque),
                        _ => gathered.append(frame.body, Waiting { door: 0, connection, opaque: frame.opaque }),
                    })?;
                    if poll == polls_max || !sockets.wait(Some(Duration::ZERO))? {
                        break;
                    }
                }
                sockets.flush();
                if committer.commit(&mut gathered) {
                    answer(&mut sockets, &gathered);
                    gathered.clear();
                    sockets.flush();
                }
            }
        })());
    });
    Ok(Box::new(move |stream| handle.adopt(stream)))
}

fn answer(sockets: &mut Sockets, batch: &Batch) {
    for waiting in &batch.waiting {
        if let Some(out) = sockets.out(waiting.connection) {
            put_reply(out, waiting.opaque);
        }
    }
}

/// Starts the core thread of layouts C and D.
fn start_core(committer: impl FnOnce(Sender<Event>) -> Committer) -> Sender<Event> {
    let (events, received) = mpsc::channel();
    let committer = committer(events.clone());
    thread::spawn(move || core_thread::run(&received, committer));
    events
}

fn committing_thread(log: Log, events: Sender<Event>) -> Committer {
    Committer::thread(log, move |batch| events.send(Event::Durable(batch)).expect("the core thread never ends"))
}

/// Layout C: `count` threads with sockets, connections dealt to them in turn.
fn io_threads(count: usize, core: Sender<Event>) -> Result<Adopt> {
    let mut handles = Vec::new();
    for door in 0..count {
        let (mut sockets, handle) = Sockets::new()?;
        let (answers, answered) = mpsc::channel();
        let waking = handle.clone();
        let post = move |batch| {
            if answers.send(batch).is_ok() {
                waking.wake();
            }
        };
        core.send(Event::Door(Box::new(post))).expect("the core thread never ends");
        handles.push(handle);
        let core = core.clone();
        thread::spawn(move || {
            or_exit((|| {
                loop {
                    sockets.wait(None)?;
                    while let Ok(batch) = answered.try_recv() {
                        for (connection, opaque) in batch {
                            if let Some(out) = sockets.out(connection) {
                                put_reply(out, opaque);
                            }
                        }
                    }
                    let mut arrival = Arrival::default();
                    sockets.read(|connection, frame, _| arrival.push(connection, &frame))?;
                    sockets.flush();
                    if !arrival.requests.is_empty() {
                        core.send(Event::Arrived(door, arrival)).expect("the core thread never ends");
                    }
                }
            })());
        });
    }
    let mut next = 0;
    Ok(Box::new(move |stream| {
        next = (next + 1) % handles.len();
        handles[next].adopt(stream)
    }))
}

/// Layout D: a task per connection on tokio's worker threads.
fn tokio_tasks(core: Sender<Event>) -> Result<Adopt> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build()?;
    let mut doors = 0;
    Ok(Box::new(move |stream| {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let (answers, answered) = tokio::sync::mpsc::unbounded_channel();
        // A connection that is gone needs no answer.
        let post = move |batch| drop(answers.send(batch));
        core.send(Event::Door(Box::new(post))).expect("the core thread never ends");
        let (door, core) = (doors, core.clone());
        doors += 1;
        runtime.spawn(async move { or_exit(converse(stream, door, core, answered).await) });
        Ok(())
    }))
}

async fn converse(
    stream: TcpStream,
    door: usize,
    core: Sender<Event>,
    mut answered: tokio::sync::mpsc::UnboundedReceiver<Vec<(usize, u32)>>,
) -> Result<()> {
    let mut stream = tokio::net::TcpStream::from_std(stream)?;
    let mut received = Vec::with_capacity(256 * 1024);
    let mut out = Vec::new();
    loop {
        tokio::select! {
            // Only a peer that resets its connection makes a read fail: the end of a client, not of the server.
            count = stream.read_buf(&mut received) => if count.unwrap_or(0) == 0 { return Ok(()) },
            Some(batch) = answered.recv() => {
                batch.iter().for_each(|&(_, opaque)| put_reply(&mut out, opaque));
                if stream.write_all(&out).await.is_err() {
                    return Ok(());
                }
                out.clear();
                continue;
            }
        }
        let (mut at, mut arrival) = (0, Arrival::default());
        while let Some((frame, size)) = wire::next_frame(&received[at..])? {
            arrival.push(0, &frame);
            at += size;
        }
        received.drain(..at);
        received.reserve(64 * 1024);
        if !arrival.requests.is_empty() {
            core.send(Event::Arrived(door, arrival)).expect("the core thread never ends");
        }
    }
}

impl Arrival {
    fn push(&mut self, connection: usize, frame: &wire::Frame<'_>) {
        if frame.code == PING {
            self.requests.push((connection, frame.opaque, None));
        } else {
            self.requests.push((connection, frame.opaque, Some(frame.body.len())));
            self.bodies.extend_from_slice(frame.body);
        }
    }
}
