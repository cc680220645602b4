//! One consumer group, members in two languages.

use std::collections::HashSet;
use std::time::Duration;

use super::{STEP, STORY, Story};
use crate::event::{Event, distinct};
use crate::failure::{Outcome, ensure};
use crate::program::Program;
use crate::scene::Scene;

const QUEUES: usize = 4;
const MESSAGES: usize = 400;

pub const STORIES: &[Story] = &[Story {
    name: "group-with-rust",
    about: "a Java and a Rust consumer of one group share its queues, and each takes over from the other",
    seconds: 40,
    play: group_with_rust,
    ..STORY
}];

/// The example of the Rust client that consumes until it is killed.
fn start_rust(scene: &Scene<'_>) -> Outcome<Program> {
    let checkout = scene.checkout()?;
    let words = [scene.rust_example("push_consumer")?, scene.name_server(), scene.group(), scene.topic()];
    scene.program("rust", &words.each_ref().map(String::as_str), &checkout).start()
}

/// Waits until the Rust member reads so many queues of the topic.
fn wait_for_queues(scene: &Scene<'_>, rust: &Program, count: usize, within: Duration) -> Outcome {
    let prefix = format!("{}/", scene.topic());
    rust.wait_until(&format!("{count} queues"), within, |events| {
        let last = events.iter().rfind(|event| event.name() == "queues");
        let queues = last.and_then(|event| event.field("queues").as_array());
        let ours = |queue: &&serde_json::Value| queue.as_str().is_some_and(|name| name.starts_with(&prefix));
        queues.is_some_and(|queues| queues.iter().filter(ours).count() == count)
    })
}

fn wait_until_all_came(rust: &Program, java: &HashSet<String>, sent: &HashSet<String>) -> Outcome {
    rust.wait_until("every message", STEP, |events| {
        let ids: HashSet<&str> = events.iter().filter(|e| e.name() == "consumed").map(|e| e.text("id")).collect();
        sent.iter().all(|id| java.contains(id) || ids.contains(id.as_str()))
    })
}

fn group_with_rust(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(&scene.topic(), QUEUES as u32, 6)?;
    let rust = start_rust(scene)?;
    wait_for_queues(scene, &rust, QUEUES, STEP)?;
    let mut java = scene.java("push").env("UNTIL_TOLD", 1).start()?;
    java.wait_for("consuming", 1, STEP)?;
    // Each by its own arithmetic, and both come to the same.
    wait_for_queues(scene, &rust, QUEUES / 2, STEP)?;

    let first = scene.java("send").env("COUNT", MESSAGES).succeed(STEP)?;
    let sent = ids(&first.events("sent"), "message_id");
    java.wait_until("what is Java's", STEP, |events| {
        let by_java = events.iter().filter(|event| event.name() == "received").count();
        by_java + rust.events("consumed").len() >= MESSAGES
    })?;
    java.kill()?;
    let by_java = ids(&java.events("received"), "message_id");
    wait_until_all_came(&rust, &by_java, &sent)?;
    ensure!(!by_java.is_empty() && by_java.len() < MESSAGES, "Java received {} of {MESSAGES}", by_java.len());

    // What is left belongs to the one that is left.
    wait_for_queues(scene, &rust, QUEUES, STEP)?;
    let second = scene.java("send").env("COUNT", MESSAGES).env("FIRST", MESSAGES).succeed(STEP)?;
    wait_until_all_came(&rust, &HashSet::new(), &ids(&second.events("sent"), "message_id"))?;

    // And the other way round.
    let heir = scene.java("push").env("UNTIL_TOLD", 1).start()?;
    heir.wait_for("consuming", 1, STEP)?;
    wait_for_queues(scene, &rust, QUEUES / 2, STEP)?;
    let by_rust = rust.events("consumed").len();
    drop(rust);
    let third = scene.java("send").env("COUNT", MESSAGES).env("FIRST", 2 * MESSAGES).succeed(STEP)?;
    let sent = ids(&third.events("sent"), "message_id");
    heir.wait_until("every message", STEP, |events| {
        let received: HashSet<&str> =
            events.iter().filter(|e| e.name() == "received").map(|e| e.text("message_id")).collect();
        sent.iter().all(|id| received.contains(id.as_str()))
    })?;
    scene.note(format!("of 3 x {MESSAGES}, Rust consumed {by_rust}, Java the rest"));
    Ok(())
}

fn ids(events: &[Event], field: &str) -> HashSet<String> {
    distinct(events, field).into_iter().collect()
}
