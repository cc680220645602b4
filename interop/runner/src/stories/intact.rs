//! What a consumer gets is what the producer sent, and keeps being so over restarts.

use std::collections::{BTreeMap, BTreeSet};

use super::{STEP, STORY, Story, ensure_visible};
use crate::event::Event;
use crate::failure::{Failure, Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "committed-intact",
        about: "committed: once, with every property and id; rolled back: never; the same after SIGTERM and SIGKILL",
        seconds: 20,
        play: committed_intact,
        ..STORY
    },
    Story {
        name: "committed-visible",
        about: "committed halves arrive once with every property and id, rolled back ones never",
        anywhere: true,
        seconds: 9,
        play: |scene| send_and_read(scene).map(drop),
        ..STORY
    },
    Story {
        name: "decision-restart",
        about: "the broker is killed, then terminated, during a local transaction: the decisions still count",
        seconds: 12,
        play: decision_after_restart,
        ..STORY
    },
];

const COMMIT: i64 = 8;
const TRANSACTION_BITS: i64 = 12;

fn committed_intact(scene: &mut Scene<'_>) -> Outcome {
    let (sent, committed, before) = send_and_read(scene)?;
    let places = |events: &[Event]| -> BTreeMap<i64, (i64, i64, String, i64)> {
        let place =
            |e: &Event| (e.number("queue"), e.number("offset"), e.text("offset_id").to_owned(), e.number("store_ms"));
        events.iter().map(|event| (event.index(), place(event))).collect()
    };
    for (group, killed) in [("after_sigterm", false), ("after_sigkill", true)] {
        if killed {
            scene.kill_and_restart()?
        } else {
            scene.terminate_and_restart()?
        }
        let received = ensure_visible(scene, group, &committed)?;
        ensure_intact(scene, &sent, &received)?;
        ensure!(places(&received) == places(&before), "{group}: messages are at other places or times than before");
    }
    Ok(())
}

/// Sends, commits and rolls back by turns, and reads the topic; returns what was sent, which numbers count, and what came.
fn send_and_read(scene: &mut Scene<'_>) -> Outcome<(Vec<Event>, BTreeSet<i64>, Vec<Event>)> {
    let sender = scene
        .java("tx-send")
        .env("COUNT", 9)
        .env("OUTCOMES", "commit,rollback,commit,commit")
        .env("WITH_HOST", 1)
        .succeed(STEP)?;
    let sent = sender.events("half-sent");
    for half in &sent {
        ensure!(half.text("status") == "SEND_OK", "not stored: {half}");
        let id = half.text("message_id");
        for same in ["transaction_id", "unique_key", "message_transaction_id"] {
            ensure!(half.text(same) == id, "{same} is not the message's id: {half}");
        }
    }
    let committed: BTreeSet<i64> =
        sent.iter().filter(|half| half.text("state") == "COMMIT_MESSAGE").map(Event::index).collect();
    ensure!(committed.len() == 7, "{} of 9 messages were committed instead of 7", committed.len());
    let received = ensure_visible(scene, "first", &committed)?;
    ensure_intact(scene, &sent, &received)?;
    Ok((sent, committed, received))
}

/// Fails unless each received message is what was sent, under the ids the client expects.
fn ensure_intact(scene: &Scene<'_>, sent: &[Event], received: &[Event]) -> Outcome {
    let mut offsets: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for got in received {
        let half = sent.iter().find(|half| half.index() == got.index());
        let half = half.ok_or_else(|| Failure::new(format!("nobody sent {got}")))?;
        let id = half.text("message_id");
        ensure!(got.text("message_id") == id, "another msgId: sent {half}, received {got}");
        ensure!(got.text("transaction_id") == id, "another transactionId: sent {half}, received {got}");
        ensure!(got.field("content") == half.field("content"), "not as it was sent: sent {half}, received {got}");
        ensure!(got.text("topic") == scene.topic(), "another topic: {got}");
        ensure!(got.number("queue") == half.number("queue"), "another queue: sent {half}, received {got}");
        ensure!(got.text("born_host") == half.text("host"), "another born host: sent {half}, received {got}");
        let born = got.number("born_ms");
        ensure!(
            (half.number("before_ms")..=half.at()).contains(&born),
            "another born time: sent {half}, received {got}"
        );
        ensure!(
            (born..=half.at() + 2000).contains(&got.number("store_ms")),
            "stored before it was born, or late: {got}"
        );
        ensure!(got.number("sys_flag") & TRANSACTION_BITS == COMMIT, "not marked as committed: {got}");
        ensure!(got.number("attempt") == 1, "not the first delivery: {got}");
        ensure!(got.text("offset_id").starts_with("7F000001"), "the offset id names another host: {got}");
        offsets.entry(got.number("queue")).or_default().insert(got.number("offset"));
    }
    for (queue, offsets) in &offsets {
        let wanted: BTreeSet<i64> = (0..offsets.len() as i64).collect();
        ensure!(*offsets == wanted, "queue {queue} has holes: offsets {offsets:?}");
    }
    Ok(())
}

fn decision_after_restart(scene: &mut Scene<'_>) -> Outcome {
    let mut sender =
        scene.java("tx-send").env("COUNT", 3).env("OUTCOMES", "told-commit,told-rollback,commit").start()?;
    sender.wait_for("paused", 1, STEP)?;
    scene.kill_and_restart()?;
    sender.go_on()?;
    sender.wait_for("paused", 2, STEP)?;
    scene.terminate_and_restart()?;
    sender.go_on()?;
    sender.succeed(STEP)?;
    ensure_visible(scene, "all", &BTreeSet::from([0, 2])).map(drop)
}
