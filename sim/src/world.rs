//! One history: a broker, its disk, its clients, and what happens to them.

use std::collections::{BTreeMap, VecDeque};

use broker::io::{Answer, Refusal, Request, SessionId};
use engine::{Done, Engine, Job};
use message::entry::{Outcome, TopicConfig};
use message::{CommitLogOffset, Timestamp};
use store::disk::FakeDisk;

use crate::agenda::{Agenda, Intent};
use crate::bugs::Bug;
use crate::clients::{Client, clients_of};
use crate::coverage::{Coverage, Kind};
use crate::disk::{DiskCopy, SimDisk};
use crate::history::History;
use crate::mailbox::{Mailbox, Told};
use crate::network::Network;
use crate::oracle::{MessageId, Oracle, TransactionId};
use crate::plan::{Chances, Plan, START_MS};
use crate::rng::Rng;
use crate::stories::Stories;

/// Everything there is.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) chances: Chances,
    pub(crate) rng: Rng,
    pub(crate) now: Timestamp,
    pub(crate) bug: Option<Bug>,
    pub(crate) disk: SimDisk,
    /// The broker, unless it is down.
    pub(crate) node: Option<Node>,
    pub(crate) mailbox: Mailbox,
    pub(crate) clients: Vec<Client>,
    /// Requests that wait for their answers.
    pub(crate) asked: BTreeMap<u64, Asked>,
    pub(crate) agenda: Agenda,
    pub(crate) network: Network,
    /// Times a topic was closed to writers and not opened again for certain.
    pub(crate) closed_topics: u32,
    /// Topics as clients know them.
    pub(crate) routes: BTreeMap<String, TopicConfig>,
    pub(crate) oracle: Oracle,
    pub(crate) history: History,
    pub(crate) coverage: Coverage,
    /// Whether the faults have stopped.
    pub(crate) calm: bool,
    pub(crate) copies: VecDeque<DiskCopy>,
    /// Whose connection each one is or was.
    pub(crate) session_clients: BTreeMap<SessionId, usize>,
    /// Checks that each session has not answered, and when they came.
    pub(crate) unanswered: BTreeMap<SessionId, BTreeMap<CommitLogOffset, Timestamp>>,
    /// When each session last answered a check with "unknown".
    pub(crate) answered_late: BTreeMap<(SessionId, CommitLogOffset), Timestamp>,
    /// When a connection that did not read began to read again.
    pub(crate) reads_since: BTreeMap<SessionId, Timestamp>,
    pub(crate) next_session: u64,
    pub(crate) next_token: u64,
    pub(crate) next_message: u64,
    /// The process ends as the next segment begins, by a power cut or killed.
    pub(crate) segment_cut: Option<bool>,
    /// Steps that were begun.
    pub(crate) steps_done: u64,
    /// Entries of the log that were counted.
    pub(crate) counted_to: CommitLogOffset,
    /// Where the log began, and its last segment, when they were looked at last.
    pub(crate) segments_seen: (CommitLogOffset, CommitLogOffset),
    /// Where the log ended when this process of the broker began.
    pub(crate) born_at: CommitLogOffset,
    /// Where each transaction stands, as far as entries were counted.
    pub(crate) stories: Stories,
    /// Entries of the log that were printed.
    pub(crate) traced_to: CommitLogOffset,
    /// The log failed, and was not opened again since.
    pub(crate) failed: bool,
    /// The latest the clock has ever shown: the broker's own never goes back.
    pub(crate) latest: Timestamp,
    /// The disk has room again, and the broker may not know yet.
    pub(crate) room_again: bool,
    /// Until when a jump of the clock explains that connections are taken for dead.
    pub(crate) jumped_until: Timestamp,
    /// When a topic was last deleted, perhaps by setting halves aside.
    pub(crate) deleted_at: Timestamp,
    /// How far the log was durable when the last process ended.
    pub(crate) synced: CommitLogOffset,
    /// With `durability = "memory"`: a power cut has left the log up to here, and perhaps more.
    pub(crate) lost_behind: Option<CommitLogOffset>,
    /// A write or sync may fail any time.
    pub(crate) io_fails: bool,
    /// Until when a full disk explains refusals.
    pub(crate) full_until: Timestamp,
    /// What is done more or less of for a while, as a share in permille of what the plan says.
    pub(crate) mood: [u64; 3],
}

/// A broker that runs, and its work that runs beside it.
pub(crate) struct Node {
    pub engine: Engine,
    pub jobs: VecDeque<Job>,
    pub done: VecDeque<Done>,
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub client: usize,
    pub session: SessionId,
    pub what: What,
    pub at: Timestamp,
    /// The connection is gone: nobody hears the answer.
    pub gone: bool,
}

/// What a request was.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Send(MessageId),
    Batch(Vec<MessageId>),
    Half(TransactionId),
    End { half: CommitLogOffset, outcome: Option<Outcome> },
    Forged,
    Illegal,
    Permit(String),
    Pull { topic: String, queue: u32, from: i64, tags: Option<&'static str>, gone: u64 },
    QueryOffset { group: String, topic: String, queue: u32, allowed: Option<Vec<Option<u64>>>, gone: u64 },
    TellOffset { group: String, topic: String, queue: u32 },
    ResetOffset { group: String, topic: String },
    SendBack { group: String, message: MessageId, attempt: i32 },
    DeleteTopic(String),
    Show(CommitLogOffset),
    List,
    Resolve { half: CommitLogOffset, outcome: Option<Outcome>, dry_run: bool },
    View { topic: String, queue: u32, offset: u64, gone: u64 },
    ViewHidden(CommitLogOffset),
    Query { topic: String, key: String },
    Other,
}

impl World {
    /// The world of a seed, before anything has happened.
    pub fn new(plan: Plan, bug: Option<Bug>, trace: bool) -> Self {
        let mut rng = Rng::new(plan.seed);
        let disk = SimDisk::new(FakeDisk::new(plan.seed), bug, rng.fork());
        let mut oracle = Oracle::default();
        let retention = plan.engine.retention;
        oracle.expires = retention.size.is_some() || retention.age_ms < 24 * 3_600_000;
        let checks = plan.engine.broker.checks;
        oracle.transactions.rollback_after =
            (checks.when_exhausted == transaction::WhenExhausted::Rollback).then_some(checks.check_max);
        oracle.transactions.dead_group = plan.dead_group.clone();
        let mut world = World {
            chances: plan.chances.clone(),
            rng,
            now: Timestamp::from_millis(START_MS),
            bug,
            node: None,
            mailbox: Mailbox::new(disk.clone(), bug),
            disk,
            clients: clients_of(&plan),
            asked: BTreeMap::new(),
            agenda: Agenda::default(),
            network: Network::default(),
            closed_topics: 0,
            routes: BTreeMap::new(),
            oracle,
            history: History::new(trace),
            coverage: Coverage::default(),
            calm: false,
            copies: VecDeque::new(),
            session_clients: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            reads_since: BTreeMap::new(),
            answered_late: BTreeMap::new(),
            next_session: 0,
            next_token: 0,
            next_message: 0,
            segment_cut: None,
            steps_done: 0,
            counted_to: CommitLogOffset::ZERO,
            traced_to: CommitLogOffset::ZERO,
            segments_seen: (CommitLogOffset::ZERO, CommitLogOffset::ZERO),
            born_at: CommitLogOffset::ZERO,
            stories: Stories::default(),
            lost_behind: None,
            failed: false,
            latest: Timestamp::from_millis(START_MS),
            io_fails: false,
            synced: CommitLogOffset::ZERO,
            deleted_at: Timestamp::ZERO,
            room_again: false,
            jumped_until: Timestamp::ZERO,
            full_until: Timestamp::ZERO,
            mood: [1000; 3],
            plan,
        };
        world.agenda.add(world.now, Intent::Start);
        world
    }

    /// Something happened.
    pub(crate) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.history.note(self.now, what);
    }

    pub(crate) fn fault(&mut self, name: &'static str) {
        self.coverage.hit(Kind::Fault, name);
        self.history.note(self.now, format_args!("FAULT {name}"));
    }

    pub(crate) fn state(&mut self, name: &'static str) {
        self.coverage.hit(Kind::State, name);
    }

    /// Whether the history is over because a promise was broken.
    pub(crate) fn broken(&self) -> bool {
        self.oracle.violation.is_some()
    }

    /// Where the log ends: what is promised now lies before it.
    pub(crate) fn end(&self) -> CommitLogOffset {
        self.node.as_ref().map_or(CommitLogOffset::ZERO, |node| node.engine.log().written())
    }

    /// The furthest place at which the log has ever begun. A process that is killed may leave files of segments that were
    /// given up; the next one finds them as they are, and what was known of them is gone all the same.
    pub(crate) fn log_start(&self) -> CommitLogOffset {
        let now = self.node.as_ref().map_or(CommitLogOffset::ZERO, |node| node.engine.log().start());
        now.max(self.oracle.log_start)
    }

    /// A client asks the broker for something, by its connection. False if it has none.
    pub(crate) fn ask(&mut self, client: usize, name: &'static str, what: Option<What>, request: Request<'_>) -> bool {
        let Some(session) = self.clients[client].session else { return false };
        if self.node.is_none() {
            return false;
        }
        self.coverage.hit(Kind::Request, name);
        self.next_token += 1;
        let token = self.next_token;
        let at = self.now;
        self.history.note(at, format_args!("{token} {} asks: {name} {what:?}", self.clients[client].name));
        if let Some(what) = what {
            self.asked.insert(token, Asked { client, session, what, at, gone: false });
        }
        self.dispatch(client, session, token, request);
        true
    }

    /// The token of the request made last.
    pub(crate) fn last_token(&self) -> u64 {
        self.next_token
    }

    /// Hears what the broker said.
    pub(crate) fn hear(&mut self) {
        self.copies.extend(self.disk.take_copy());
        self.oracle.log_start = self.oracle.log_start.max(self.log_start());
        while let Some((number, told)) = self.mailbox.next() {
            while self.copies.front().is_some_and(|copy| copy.told < number) {
                self.recover_copy();
            }
            self.told(told);
            if self.broken() {
                return;
            }
        }
        while !self.copies.is_empty() {
            self.recover_copy();
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Answer(reply, answer) => {
                let Some(mut asked) = self.asked.remove(&reply.token) else {
                    let text = format!("request {}: {answer:?}", reply.token);
                    return self.oracle.fail("every request is answered once", text);
                };
                self.coverage.hit(Kind::Answer, name_of(&answer));
                self.note(format_args!("{} hears: {}", reply.token, shown(&answer)));
                asked.gone |= self.loses_answer(&asked);
                self.answered(reply.token, asked, answer);
                for name in std::mem::take(&mut self.oracle.reached) {
                    self.state(name);
                }
            }
            Told::Push(session, push) => self.pushed(session, push),
            Told::TopicChanged(config) => {
                self.note(format_args!("topic {} has {} queues", config.name, config.read_queues));
                if self.oracle.queues.gone(&config.name) > 0 && !self.routes.contains_key(&config.name) {
                    self.state("topic made again");
                }
                self.routes.insert(config.name.clone(), config);
            }
            Told::TopicGone(topic) => {
                self.note(format_args!("topic {topic} is gone"));
                self.topic_gone(&topic);
            }
            Told::Warn(text) => self.note(format_args!("warning: {text}")),
        }
    }

    pub(crate) fn topic_gone(&mut self, topic: &str) {
        self.routes.remove(topic);
        self.unanswered.clear();
        self.oracle.topic_gone(topic);
        for client in &mut self.clients {
            client.forget_topic(topic);
        }
    }

    /// A connection is gone, and the broker knows or is told by it.
    pub(crate) fn session_lost(&mut self, session: SessionId) {
        self.mailbox.open.remove(&session);
        self.mailbox.slow.remove(&session);
        self.hang_up(session);
        self.line_ends(session);
        if let Some(client) = self.clients.iter().position(|client| client.session == Some(session)) {
            self.disconnected(client);
        }
    }
}

fn name_of(answer: &Answer) -> &'static str {
    use broker::io::{PullStatus, Settled};
    match answer {
        Answer::Done => "done",
        Answer::Sent(_) => "sent",
        Answer::SentBatch { .. } => "sent batch",
        Answer::Settled(Settled::Decided) => "decided",
        Answer::Settled(Settled::Repeated) => "repeated",
        Answer::Settled(Settled::Undecided) => "undecided",
        Answer::Pulled(pulled) => match pulled.status {
            PullStatus::Found => "pulled found",
            PullStatus::NoMatch => "pulled no match",
            PullStatus::AtEnd => "pulled at end",
            PullStatus::TooSmall => "pulled too small",
            PullStatus::TooLarge => "pulled too large",
            PullStatus::Empty => "pulled empty",
        },
        Answer::Offset(_) => "offset",
        Answer::NoOffset => "no offset",
        Answer::Bounds(_) => "bounds",
        Answer::Found(_) => "found",
        Answer::Transactions { .. } => "transactions",
        Answer::Transaction(_) => "transaction",
        Answer::Reset(_) => "reset",
        Answer::Locked(_) => "locked",
        Answer::Refused(refusal) => match refusal {
            Refusal::MessageIllegal(_) => "refused: illegal message",
            Refusal::InvalidParameter(_) => "refused: invalid parameter",
            Refusal::TopicNotFound(_) => "refused: no topic",
            Refusal::GroupNotFound(_) => "refused: no group",
            Refusal::NoPermission(_) => "refused: no permission",
            Refusal::SubscriptionMissing(_) | Refusal::SubscriptionIllegal(_) => "refused: subscription",
            Refusal::Busy(_) => "refused: busy",
            Refusal::Unavailable(_) => "refused: unavailable",
            Refusal::NotFound(_) => "refused: not found",
            Refusal::Conflict(_) => "refused: conflict",
            Refusal::NotOnline(_) | Refusal::NotSupported(_) | Refusal::Failed(_) => "refused: other",
        },
        // Client lists, statistics and the like: what they say is not compared.
        _ => "other",
    }
}

/// An answer as the history keeps it: a body as its hash.
fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Pulled(pulled) => format!(
            "{:?} {} messages, next {}, {}..{}, {:016x}",
            pulled.status,
            pulled.count,
            pulled.next,
            pulled.min,
            pulled.max,
            crate::history::hash_of(&pulled.body)
        ),
        Answer::Found(found) => format!("found {:016x}", crate::history::hash_of(&found.records)),
        other => format!("{other:?}"),
    }
}
