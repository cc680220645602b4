//! The loop that drives all connections.

use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use protocol::frame::{FRAME_SIZE_MAX, scan};
use protocol::header::HeaderBuffer;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::SILENCE_MAX;
use crate::gauge::Gauge;
use crate::look::{Look, Measured};
use crate::options::Options;
use crate::pace::Pace;
use crate::prepare::Place;
use crate::producing::{Producer, Templates};
use crate::reading::{Queue, Reader};
use crate::report::Progress;
use crate::socket::{CHUNK, Socket};
use crate::wire::{Stopwatch, Template};

/// Wakes the loop when the next operation is due, to the microsecond.
const TIMER: Token = Token(usize::MAX);
/// Longest wait for the answers that are missing in the end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// Between two words about how it goes.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

enum Role {
    Producer(Producer),
    Reader(Reader),
}

impl Role {
    /// Operations that are not answered yet.
    fn in_flight(&self) -> usize {
        match self {
            Role::Producer(producer) => producer.in_flight(),
            Role::Reader(_) => 0,
        }
    }
}

/// When a run is over.
pub(crate) enum End {
    /// After a time, of which the first part is not measured.
    After { warm_up: Duration, time: Duration },
    /// When so many operations are done.
    Stored(u64),
    /// When so many messages are read.
    Read(u64),
}

pub(crate) struct Load {
    poll: Poll,
    events: Events,
    timer: rustix::fd::OwnedFd,
    links: Vec<(Socket, Role)>,
    header: HeaderBuffer,
    chunk: Vec<u8>,
    /// Whom the next operation goes to, of an open loop and where connections take turns.
    turn: usize,
    /// Operations that may still begin before one is answered.
    room: usize,
    /// There are more connections than operations in flight: each operation goes to the next connection.
    in_turn: bool,
}

impl Load {
    /// Connects everybody.
    pub(crate) fn new(options: &Options, place: &Place, start: &[Queue]) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let watch = Stopwatch::start();
        let mut links: Vec<(Socket, Role)> = Vec::new();
        for group in 0..if start.is_empty() { 0 } else { options.groups } {
            let socket = Socket::connect(place.broker, poll.registry(), Token(links.len()))?;
            let name = format!("bench_readers_{group}");
            let reader = Reader::new(name, start.to_vec(), options.pull, watch, options.backlog == 0);
            links.push((socket, Role::Reader(reader)));
        }
        let mut room = 0;
        // A backlog is read without anybody sending.
        if let Some(does) = options.producing.filter(|_| start.is_empty() || options.backlog == 0) {
            let templates = Rc::new(templates(options, place));
            room = options.in_flight;
            let connections = options.connections;
            for nr in 0..connections {
                let share = options.in_flight / connections + usize::from(nr < options.in_flight % connections);
                let slots = share.max(1);
                let socket = Socket::connect(place.broker, poll.registry(), Token(links.len()))?;
                let first = nr as u64 * u64::from(options.queues) / connections as u64;
                let producer = Producer::new(does, templates.clone(), watch, run_id(nr), first, slots);
                links.push((socket, Role::Producer(producer)));
            }
        }
        let events = Events::with_capacity(1_024);
        let (header, chunk) = (HeaderBuffer::new(), vec![0; CHUNK]);
        let in_turn = options.connections > options.in_flight;
        Ok(Load { poll, events, timer, links, header, chunk, turn: 0, room, in_turn })
    }

    /// Goes on until it is over.
    pub(crate) fn run(
        &mut self,
        mut pace: Pace,
        end: &End,
        pid: Option<u32>,
        gauge: &mut Gauge,
        progress: &mut dyn FnMut(&Progress),
    ) -> anyhow::Result<Measured> {
        let started = Instant::now();
        let (mut warm, stop) = match end {
            End::After { warm_up, time } => (Some(started + *warm_up), Some(started + *warm_up + *time)),
            End::Stored(_) | End::Read(_) => (None, None),
        };
        gauge.measures = warm.is_none();
        let mut first = Look::now(pid);
        let (mut said, mut heard) = (started, started);
        let mut before = (0, 0);
        for (socket, role) in &mut self.links {
            if let Role::Reader(reader) = role {
                reader.begin(&mut socket.output);
                socket.write()?;
            }
        }
        self.begin(&mut pace, started)?;
        loop {
            let now = Instant::now();
            if warm.is_some_and(|warm| now >= warm) {
                warm = None;
                gauge.measures = true;
                first = Look::now(pid);
            }
            let over = match end {
                End::After { .. } => stop.is_some_and(|stop| now >= stop),
                End::Stored(count) => gauge.stored >= *count,
                End::Read(count) => gauge.read >= *count,
            };
            if over {
                break;
            }
            if now - said >= PROGRESS_EVERY {
                let seconds = (now - said).as_secs_f64();
                let rate = |count: u64, before: u64| (count - before) as f64 / seconds;
                progress(&Progress {
                    elapsed: now - started,
                    warming: warm.is_some(),
                    stored: gauge.stored,
                    read: gauge.read,
                    stored_rate: rate(gauge.stored, before.0),
                    read_rate: rate(gauge.read, before.1),
                });
                (said, before) = (now, (gauge.stored, gauge.read));
            }
            if pace.wait(now).is_some() {
                self.begin(&mut pace, now)?;
            }
            if self.wait(&pace, said + PROGRESS_EVERY)? {
                heard = Instant::now();
            }
            ensure!(heard.elapsed() < SILENCE_MAX, "no answer for {} s", SILENCE_MAX.as_secs());
            self.hear(&mut pace, gauge)?;
        }
        let measured = Look::now(pid).since(&first);
        gauge.measures = false;
        self.finish(gauge)?;
        Ok(measured)
    }

    /// Waits for what is in flight, so that no transaction is left undecided; what is never answered is counted.
    fn finish(&mut self, gauge: &mut Gauge) -> anyhow::Result<()> {
        let until = Instant::now() + LAST_ANSWERS;
        loop {
            gauge.unanswered = self.links.iter().map(|(_, role)| role.in_flight()).sum::<usize>() as u64;
            if gauge.unanswered == 0 || Instant::now() >= until {
                return Ok(());
            }
            self.wait(&Pace::Over, until)?;
            self.hear(&mut Pace::Over, gauge)?;
        }
    }

    /// Begins what is due at whoever has room.
    fn begin(&mut self, pace: &mut Pace, now: Instant) -> anyhow::Result<()> {
        let count = self.links.len();
        // Not always the same one comes first.
        let first = self.turn;
        for nr in 0..count {
            if self.room == 0 {
                break;
            }
            let at = (first + nr) % count;
            let (socket, role) = &mut self.links[at];
            if let Role::Producer(producer) = role
                && producer.has_room()
            {
                let room = self.room;
                producer.begin(pace, now, &mut socket.output, &mut self.room);
                if self.room == room {
                    // Nothing is due.
                    break;
                }
                socket.write()?;
                self.turn = (at + 1) % count;
            }
        }
        Ok(())
    }

    /// Waits for answers, for the next operation to be due, or for the time to say how it goes. Says whether somebody
    /// wrote.
    fn wait(&mut self, pace: &Pace, until: Instant) -> anyhow::Result<bool> {
        let now = Instant::now();
        let left = until.saturating_duration_since(now);
        let mut timeout = Some(left);
        // Of an open loop whose operations are all in flight, only an answer helps.
        if let Some(wait) = pace.wait(now)
            && self.room > 0
        {
            let wait = wait.min(left);
            let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos().max(1)) };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            timeout = None;
        }
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(false),
            polled => polled?,
        }
        Ok(self.events.iter().any(|event| event.token() != TIMER && event.is_readable()))
    }

    fn hear(&mut self, pace: &mut Pace, gauge: &mut Gauge) -> anyhow::Result<()> {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Some((socket, role)) = self.links.get_mut(event.token().0) else { continue };
            if event.is_readable() {
                socket.read(&mut self.chunk)?;
                let now = Instant::now();
                let (input, output) = socket.split();
                let before = role.in_flight();
                let mut taken = 0;
                while let Some(frame) = scan(&input[taken..], FRAME_SIZE_MAX).context("an answer")? {
                    taken += frame.consumed;
                    let answer = self.header.decode(&frame).context("an answer")?;
                    // What a broker pushes, such as that somebody has joined a group, is not for us.
                    if answer.is_response() {
                        match role {
                            Role::Producer(producer) => producer.answered(&answer, now, gauge, output)?,
                            Role::Reader(reader) => reader.answered(&answer, frame.body, now, gauge, output)?,
                        }
                    }
                }
                self.room += before - role.in_flight();
                if let Role::Producer(producer) = role
                    && !self.in_turn
                {
                    producer.begin(pace, now, output, &mut self.room);
                }
                socket.take(taken);
            }
            socket.write()?;
            // At once, and not when all are heard: else the broker would have nothing to do while we write, and we nothing
            // while it does.
            if self.in_turn && self.room > 0 {
                self.begin(pace, Instant::now())?;
            }
        }
        self.events = events;
        Ok(())
    }
}

fn templates(options: &Options, place: &Place) -> Templates {
    let places = || place.topics.iter().flat_map(|topic| (0..options.queues).map(move |queue| (topic, queue)));
    let all = |half| {
        let one = |(topic, queue): (&Rc<str>, u32)| Template::new(topic, queue, options.queues, options.body, half);
        places().map(one).collect()
    };
    Templates { sends: all(false), halves: all(true) }
}

/// Names the unique ids of a connection: no other run has them.
fn run_id(connection: usize) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one((std::process::id(), connection))
}
