//! The classic Go client.

use std::collections::BTreeSet;

use super::{ClientVersion, SOON, STEP, STORY, Story};
use crate::event::{Event, distinct};
use crate::failure::{Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "go-send",
        about: "send and push",
        clients: &[ClientVersion::Go],
        anywhere: true,
        seconds: 6,
        play: send,
        ..STORY
    },
    Story {
        name: "go-transactions",
        about: "committed and checked halves arrive once, rolled back ones never",
        clients: &[ClientVersion::Go],
        settings: SOON,
        seconds: 15,
        play: transactions,
        ..STORY
    },
    Story {
        name: "go-refused-decision",
        about: "a decision answered 604 or 1 leaves the client usable and sends nothing again",
        clients: &[ClientVersion::Go],
        expected: &["refused"],
        seconds: 12,
        play: refused_decision,
        ..STORY
    },
];

/// Exactly the messages with these ids must come to a new group.
fn ensure_received(scene: &Scene<'_>, group: &str, expected: &BTreeSet<String>) -> Outcome {
    let mut reader = scene
        .go("push")
        .env("GROUP", format!("{group}_{}", scene.run()))
        .env("COUNT", expected.len())
        .env("WAIT_S", if expected.is_empty() { 5 } else { 30 })
        .start()?;
    reader.end(STEP)?;
    let received = reader.events("received");
    let ids = distinct(&received, "message_id");
    ensure!(ids == *expected, "{ids:?} became visible instead of {expected:?}");
    ensure!(received.len() == expected.len(), "delivered more than once: {received:?}");
    Ok(())
}

fn send(scene: &mut Scene<'_>) -> Outcome {
    let sender = scene.go("send").env("COUNT", 20).succeed(STEP)?;
    ensure_received(scene, "first", &distinct(&sender.events("sent"), "message_id"))
}

fn transactions(scene: &mut Scene<'_>) -> Outcome {
    let committed = scene.go("tx-commit").env("COUNT", 5).succeed(STEP)?;
    let rolled_back = scene.go("tx-rollback").env("COUNT", 5).succeed(STEP)?;
    let checked = scene.go("tx-unknown").env("COUNT", 5).env("CHECK", "commit").succeed(STEP)?;
    let checks = checked.events("checked");
    ensure!(checks.len() == 5, "{} checks about 5 halves", checks.len());
    ensure!(rolled_back.events("half-sent").len() == 5, "not all halves were accepted");
    let mut visible = distinct(&committed.events("half-sent"), "message_id");
    visible.extend(distinct(&checked.events("half-sent"), "message_id"));
    ensure_received(scene, "first", &visible)
}

fn refused_decision(scene: &mut Scene<'_>) -> Outcome {
    // The opposite was decided by hand while the local transaction ran: 604.
    let mut opposite = scene.go("tx-told").start()?;
    opposite.wait_for("deciding", 1, STEP)?;
    let id = opposite.events("deciding")[0].text("transaction_id").to_owned();
    scene.tandem(&[
        "transactions",
        "resolve",
        &id,
        "--rollback",
        "--reason",
        "the customer called",
        "--by",
        "interop",
    ])?;
    opposite.go_on()?;
    opposite.succeed(STEP)?;
    let later: BTreeSet<String> = later_ids(&opposite.events("half-sent"), &id);
    ensure!(later.len() == 1, "no transaction after the refused decision: {later:?}");
    ensure_received(scene, "after_604", &later)?;

    // The broker never heard of the transaction: 1.
    let mut forgotten = scene.go("tx-told").start()?;
    forgotten.wait_for("deciding", 1, STEP)?;
    let id = forgotten.events("deciding")[0].text("transaction_id").to_owned();
    let broker = scene.broker()?;
    broker.terminate()?;
    broker.forget_everything()?;
    broker.start_again()?;
    forgotten.go_on()?;
    forgotten.succeed(STEP)?;
    let later = later_ids(&forgotten.events("half-sent"), &id);
    ensure!(later.len() == 1, "no transaction after the unknown decision: {later:?}");
    ensure_received(scene, "after_1", &later)
}

fn later_ids(halves: &[Event], refused: &str) -> BTreeSet<String> {
    distinct(halves, "message_id").into_iter().filter(|id| id != refused).collect()
}
