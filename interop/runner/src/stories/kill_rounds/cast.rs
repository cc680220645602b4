//! Who plays: the broker's clients, each a process that is killed, stopped, and followed by another one.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use super::super::STEP;
use super::ledger::Ledger;
use crate::failure::Outcome;
use crate::program::Program;
use crate::scene::{Launch, NEWEST, OLDEST, Scene};

/// What a process does, and with which client.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// rocketmq-client 5.5.0, in one producer group with the next.
    JavaProducer,
    /// rocketmq-client 4.9.8.
    OldJavaProducer,
    /// tandem-client, alone in its producer group.
    RustProducer,
    /// rocketmq-client 5.5.0.
    JavaConsumer,
    /// tandem-client.
    RustConsumer,
}

impl Role {
    /// Those that produce.
    pub const PRODUCERS: [Role; 3] = [Role::JavaProducer, Role::OldJavaProducer, Role::RustProducer];
    /// Those that consume, each alone in its group.
    pub const CONSUMERS: [Role; 2] = [Role::JavaConsumer, Role::RustConsumer];

    /// Everybody.
    pub fn all() -> impl Iterator<Item = Role> {
        Role::PRODUCERS.into_iter().chain(Role::CONSUMERS)
    }

    /// Does it produce?
    pub fn is_producer(self) -> bool {
        Role::PRODUCERS.contains(&self)
    }

    /// The client library, for people.
    pub fn client(self) -> &'static str {
        match self {
            Role::JavaProducer | Role::JavaConsumer => "Java 5.5.0",
            Role::OldJavaProducer => "Java 4.9.8",
            Role::RustProducer | Role::RustConsumer => "Rust",
        }
    }

    /// What its files and transactions are named after.
    pub fn name(self) -> &'static str {
        match self {
            Role::JavaProducer => "producer-java550",
            Role::OldJavaProducer => "producer-java498",
            Role::RustProducer => "producer-rust",
            Role::JavaConsumer => "consumer-java550",
            Role::RustConsumer => "consumer-rust",
        }
    }

    /// The producer group, which is the name of its table of rows too.
    pub fn producer_group(self) -> &'static str {
        if self == Role::RustProducer { "rounds_rust" } else { "rounds_java" }
    }

    /// Where it says that it waits for a line, once it works.
    fn place(self) -> &'static str {
        if self.is_producer() { "producing" } else { "consuming" }
    }
}

/// Transactions each producer has under way.
const THREADS: u32 = 5;
/// How long each of these rests between two, on average.
const PAUSE_MS: u32 = 80;
/// A producer that is told to end may wait for a send that times out three times.
const END: Duration = Duration::from_secs(90);

/// All client processes.
#[derive(Debug)]
pub struct Cast {
    example: String,
    actors: Vec<Actor>,
}

#[derive(Debug)]
struct Actor {
    role: Role,
    program: Program,
    /// Counts from 1.
    process: u32,
}

impl Cast {
    /// Starts everybody and waits until all are at work; the consumers first.
    pub fn start(scene: &Scene<'_>, ledger: &mut Ledger) -> Outcome<Self> {
        let example = scene.rust_example("under_faults")?;
        fs::create_dir_all(scene.path("journals"))?;
        for role in Role::PRODUCERS {
            fs::create_dir_all(rows(scene, role))?;
        }
        let mut cast = Cast { example, actors: Vec::new() };
        for role in Role::CONSUMERS.into_iter().chain(Role::PRODUCERS) {
            let program = cast.begin(scene, ledger, role, 1)?;
            cast.actors.push(Actor { role, program, process: 1 });
        }
        for actor in &cast.actors {
            actor.program.wait_paused(actor.role.place(), STEP)?;
        }
        Ok(cast)
    }

    fn begin(&self, scene: &Scene<'_>, ledger: &mut Ledger, role: Role, process: u32) -> Outcome<Program> {
        let instance = format!("{}-{process}", role.name());
        let journal = scene.path("journals").join(&instance);
        let (part, word) =
            if role.is_producer() { ("rounds-produce", "produce") } else { ("rounds-consume", "consume") };
        let launch: Launch = match role {
            Role::JavaProducer | Role::JavaConsumer => scene.java_with(NEWEST, part),
            Role::OldJavaProducer => scene.java_with(OLDEST, part),
            Role::RustProducer | Role::RustConsumer => {
                scene.program("under-faults", &[&self.example, word], &scene.checkout()?)
            }
        };
        let launch = launch.env("JOURNAL", journal.display()).env("ROWS", rows(scene, role).display());
        let launch = launch.env("INSTANCE", &instance).env("PRODUCER_GROUP", role.producer_group());
        let launch = launch.env("GROUP", role.name().replace('-', "_"));
        let program = launch.env("THREADS", THREADS).env("PAUSE_MS", PAUSE_MS).start()?;
        ledger.watch(role, process, journal);
        Ok(program)
    }

    fn actor(&mut self, role: Role) -> &mut Actor {
        self.actors.iter_mut().find(|actor| actor.role == role).expect("everybody plays")
    }

    /// SIGKILL; a new process takes its place after a while.
    pub fn kill(&mut self, scene: &Scene<'_>, ledger: &mut Ledger, role: Role, gone: Duration) -> Outcome {
        let actor = self.actor(role);
        actor.program.kill()?;
        let process = actor.process + 1;
        sleep(gone);
        let program = self.begin(scene, ledger, role, process)?;
        program.wait_paused(role.place(), STEP)?;
        *self.actor(role) = Actor { role, program, process };
        Ok(())
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub fn stop(&mut self, role: Role, length: Duration) -> Outcome {
        let program = &self.actor(role).program;
        program.pause()?;
        sleep(length);
        program.resume()
    }

    /// The producers begin no transaction any more, and stay to answer checks.
    pub fn end_load(&mut self) -> Outcome {
        let producers = || Role::PRODUCERS.into_iter();
        for role in producers() {
            self.actor(role).program.go_on()?;
        }
        for role in producers() {
            self.actor(role).program.wait_paused("holding", END)?;
        }
        Ok(())
    }

    /// Everybody leaves, with exit code 0.
    pub fn leave(mut self) -> Outcome {
        for actor in &mut self.actors {
            actor.program.go_on()?;
        }
        for actor in &mut self.actors {
            actor.program.succeed(STEP)?;
        }
        Ok(())
    }
}

/// The folder that is the database of this producer's group.
pub fn rows(scene: &Scene<'_>, role: Role) -> PathBuf {
    scene.path("rows").join(role.producer_group())
}
