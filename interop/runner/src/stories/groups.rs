//! Consumer groups: ways to consume, failures, members that die.

use std::collections::{BTreeMap, HashSet};

use super::sends::alone;
use super::{STEP, STORY, Story, ensure_between, ensure_each_once, seconds};
use crate::event::{Event, distinct};
use crate::failure::{Outcome, ensure};
use crate::program::Program;
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "orderly",
        about: "sequences stay in order although a delivery is refused",
        anywhere: true,
        seconds: 7,
        play: |scene| alone(scene, "orderly", 10),
        ..STORY
    },
    Story {
        name: "broadcast",
        about: "each member of a broadcasting group gets everything",
        anywhere: true,
        seconds: 7,
        play: |scene| alone(scene, "broadcast", 10),
        ..STORY
    },
    Story {
        name: "litepull",
        about: "DefaultLitePullConsumer",
        anywhere: true,
        seconds: 7,
        play: |scene| alone(scene, "litepull", 10),
        ..STORY
    },
    Story {
        name: "tag-filter",
        about: "two of five tags, one of them with another's hash",
        anywhere: true,
        play: |scene| alone(scene, "tags", 10),
        ..STORY
    },
    Story {
        name: "retry-dlq",
        about: "failed deliveries come back at their delay levels, then lie among the dead letters",
        seconds: 20,
        play: retry_dlq,
        ..STORY
    },
    Story {
        name: "consumer-killed",
        about: "a member is killed: the other takes its queues, every message is consumed at least once",
        seconds: 20,
        play: consumer_killed,
        ..STORY
    },
    Story {
        name: "offsets-survive",
        about: "what a group consumed stays consumed over SIGKILL and SIGTERM of the broker",
        seconds: 22,
        play: offsets_survive,
        ..STORY
    },
];

fn retry_dlq(scene: &mut Scene<'_>) -> Outcome {
    let program = scene.java("retry-dlq").env("COUNT", 4).succeed(seconds(80.0))?;
    let mut attempts: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for received in program.events("received") {
        // A dead letter is no further attempt: it came through another topic.
        let dead = received.text("topic").starts_with("%DLQ%");
        if !dead && received.number("attempt") <= 3 {
            attempts.entry(received.text("message_id").to_owned()).or_default().push(received);
        }
    }
    for tries in attempts.values_mut() {
        tries.dedup_by_key(|attempt| attempt.number("attempt"));
        ensure!(tries.len() == 3, "{} attempts instead of 3: {tries:?}", tries.len());
        // Level 1 is 1 s, level 2 is 5 s.
        ensure_between("first retry", tries[1].at() - tries[0].at(), 1.0, 4.0)?;
        ensure_between("second retry", tries[2].at() - tries[1].at(), 5.0, 7.5)?;
    }
    let dead = program.events("dead");
    ensure!(distinct(&dead, "message_id").len() == 4, "not all of 4 messages are dead letters: {dead:?}");
    Ok(())
}

fn start_member(scene: &Scene<'_>, consume_ms: u32) -> Outcome<Program> {
    let member = scene.java("push").env("UNTIL_TOLD", 1).env("CONSUME_MS", consume_ms).start()?;
    member.wait_for("consuming", 1, STEP)?;
    Ok(member)
}

fn consumer_killed(scene: &mut Scene<'_>) -> Outcome {
    const MESSAGES: usize = 2000;
    scene.create_topic(&scene.topic(), 8, 6)?;
    let mut victim = start_member(scene, 200)?;
    let mut heir = start_member(scene, 200)?;
    std::thread::sleep(seconds(1.0)); // both know of each other
    let mut sender = scene.java("send").env("COUNT", MESSAGES).env("WAYS", "async").start()?;
    victim.wait_for("received", 100, STEP)?;
    heir.wait_for("received", 100, STEP)?;
    victim.kill()?;
    sender.succeed(STEP)?;

    let sent = distinct(&sender.events("sent"), "message_id");
    let before = distinct(&victim.events("received"), "message_id");
    heir.wait_until("the messages the killed member left", STEP, |events| {
        let received = events.iter().filter(|e| e.name() == "received").map(|e| e.text("message_id"));
        let received: HashSet<&str> = received.collect();
        sent.iter().all(|id| before.contains(id) || received.contains(id.as_str()))
    })?;
    heir.go_on()?;
    heir.succeed(STEP)?;
    let received = heir.events("received");
    let repeated = received.len() + before.len() - MESSAGES;
    scene.note(format!("{} messages before the kill, {repeated} delivered twice", before.len()));
    // All is consumed, and the group's offsets say so.
    let rest = scene.java("push").env("COUNT", 0).env("WAIT_S", 3).start()?;
    ensure_nothing_left(rest)
}

fn ensure_nothing_left(mut member: Program) -> Outcome {
    member.end(STEP)?;
    let received = member.events("received");
    ensure!(received.is_empty(), "consumed messages came again: {received:?}");
    Ok(())
}

fn offsets_survive(scene: &mut Scene<'_>) -> Outcome {
    scene.java("send").env("COUNT", 30).succeed(STEP)?;
    let first = scene.java("push").env("COUNT", 30).succeed(STEP)?;
    ensure_each_once(&first.events("received"), &(0..30).collect())?;
    std::thread::sleep(seconds(1.5)); // offsets may be written up to a second later than they are told
    scene.kill_and_restart()?;
    ensure_nothing_left(scene.java("push").env("COUNT", 0).env("WAIT_S", 3).start()?)?;

    scene.java("send").env("COUNT", 10).env("FIRST", 30).succeed(STEP)?;
    scene.terminate_and_restart()?;
    let second = scene.java("push").env("COUNT", 10).succeed(STEP)?;
    ensure_each_once(&second.events("received"), &(30..40).collect())?;
    scene.terminate_and_restart()?;
    ensure_nothing_left(scene.java("push").env("COUNT", 0).env("WAIT_S", 3).start()?)
}
