//! What happens to a transaction nobody can decide.

use std::collections::BTreeSet;

use super::{STEP, STORY, Story, ensure_each_once, ensure_visible, seconds};
use crate::event::{Event, distinct};
use crate::failure::{Failure, Outcome, ensure};
use crate::program::Program;
use crate::scene::Scene;
use crate::wire;

pub const STORIES: &[Story] = &[
    Story {
        name: "unknown-for-ever",
        about: "set aside after 3 answered checks, readable by operators, decided by hand, resumed, or by its producer",
        settings: &["transactions.first_check_after=1s", "transactions.check_interval=1s", "transactions.check_max=3"],
        expected: &["set aside"],
        seconds: 25,
        play: unknown_for_ever,
        ..STORY
    },
    Story {
        name: "exhausted-rollback",
        about: "when_exhausted = rollback: never delivered, a late commit is refused",
        settings: &[
            "transactions.first_check_after=1s",
            "transactions.check_interval=1s",
            "transactions.check_max=2",
            "transactions.when_exhausted=rollback",
        ],
        expected: &["roll", "refused"],
        seconds: 14,
        play: exhausted_rollback,
        ..STORY
    },
    Story {
        name: "undecided-hidden",
        about: "undecided halves: operators read them, consumers do not; their topic cannot be deleted; commit never fails",
        settings: &["transactions.first_check_after=60s"],
        seconds: 14,
        play: undecided_hidden,
        ..STORY
    },
];

const SET_ASIDE: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
const HALVES: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
const OPERATORS: &str = "TOOLS_CONSUMER";
const END_TRANSACTION: u16 = 37;
const RESUME_CHECK_HALF_MESSAGE: u16 = 323;
const DELETE_TOPIC_IN_BROKER: u16 = 215;
const COMMIT: &str = "8";
const DONE: i64 = 0;
const ILLEGAL_OPERATION: i64 = 604;

/// Sends halves that stay unknown and answers so many checks about each; returns when the last check was answered.
fn send_undecided(scene: &Scene<'_>, halves: u32, checks: u32) -> Outcome<Program> {
    let program = scene.java("tx-send").env("COUNT", halves).env("OUTCOMES", "unknown").env("CHECKS", "unknown");
    let mut program = program.env("AWAIT_CHECKS", checks).env("HOLD", 1).start()?;
    program.wait_paused("holding", STEP)?;
    std::thread::sleep(seconds(2.5)); // one check too many would come now
    program.go_on()?;
    program.succeed(STEP)?;
    let checked = program.events("checked").len();
    ensure!(checked == (halves * checks) as usize, "{checked} checks about {halves} halves instead of {checks} each");
    Ok(program)
}

/// What a group finds in a topic by pulling; refusals count as nothing.
fn browse(scene: &Scene<'_>, topic: &str, group: &str) -> Outcome<Vec<Event>> {
    let program = scene.java("browse").env("TOPIC", topic).env("GROUP", group).succeed(STEP)?;
    Ok(program.events("browsed"))
}

/// Fails unless operators find exactly these halves in the topic, and other groups none.
fn ensure_only_operators_read(scene: &Scene<'_>, topic: &str, halves: &[Event]) -> Outcome<Vec<Event>> {
    let mut found = browse(scene, topic, OPERATORS)?;
    let ids = distinct(&found, "message_id");
    ensure!(ids == distinct(halves, "message_id"), "{topic} shows operators {ids:?} instead of the halves {halves:?}");
    ensure!(found.len() == halves.len(), "{topic} shows operators some halves twice: {found:?}");
    for (got, half) in found.iter().filter_map(|got| Some((got, halves.iter().find(|h| h.index() == got.index())?))) {
        ensure!(got.field("content") == half.field("content"), "{topic} shows {got} for {half}");
    }
    let others = browse(scene, topic, "curious")?;
    ensure!(others.is_empty(), "{topic} can be read by an ordinary group: {others:?}");
    found.sort_by_key(Event::index);
    Ok(found)
}

/// A decision as the producer would send it, with an answer.
fn decide(scene: &Scene<'_>, half: &Event, log_offset: i64, outcome: &str) -> Outcome<wire::Answer> {
    let producer_group = scene.producer_group();
    let (table_offset, log_offset) = (half.number("half_offset").to_string(), log_offset.to_string());
    let fields = [
        ("producerGroup", producer_group.as_str()),
        ("tranStateTableOffset", table_offset.as_str()),
        ("commitLogOffset", log_offset.as_str()),
        ("commitOrRollback", outcome),
        ("fromTransactionCheck", "false"),
        ("msgId", half.text("message_id")),
        ("transactionId", half.text("transaction_id")),
    ];
    scene.ask(END_TRANSACTION, &fields)
}

/// Where the checks about a half said that it lies in the log.
fn log_offset(program: &Program, half: &Event) -> Outcome<i64> {
    let checks = program.events("checked");
    let check = checks.iter().find(|check| check.index() == half.index());
    check.map(|check| check.number("log_offset")).ok_or_else(|| Failure::new(format!("never asked about {half}")))
}

fn unknown_for_ever(scene: &mut Scene<'_>) -> Outcome {
    let producer = send_undecided(scene, 6, 3)?;
    let halves = producer.events("half-sent");
    ensure_only_operators_read(scene, SET_ASIDE, &halves)?;
    ensure_visible(scene, "early", &BTreeSet::new())?;

    scene.kill_and_restart()?;
    let set_aside = ensure_only_operators_read(scene, SET_ASIDE, &halves)?;
    for (half, action) in [(0, "--commit"), (1, "--rollback"), (5, "--resume")] {
        let id = halves[half].text("transaction_id");
        scene.tandem(&["transactions", "resolve", id, action, "--reason", "the customer called", "--by", "interop"])?;
    }
    // Resumed: asked about again as if new, and this time a producer knows.
    let fields = [("topic", SET_ASIDE), ("msgId", set_aside[2].text("offset_id"))];
    scene.ask_ok(RESUME_CHECK_HALF_MESSAGE, &fields)?;
    let heir = scene.java("tx-answer").env("COUNT", 2).env("CHECKS", "commit").env("LINGER_S", 2).succeed(STEP)?;
    let mut asked: Vec<i64> = heir.events("checked").iter().map(Event::index).collect();
    asked.sort_unstable();
    ensure!(asked == [2, 5], "numbers 2 and 5 were resumed, {asked:?} were asked about");
    // Late, but it is its producer's decision.
    let offset = log_offset(&producer, &halves[3])?;
    let answer = decide(scene, &halves[3], offset, COMMIT)?;
    ensure!(answer.code == DONE, "the late commit was answered {answer:?}");
    ensure_visible(scene, "late", &BTreeSet::from([0, 2, 3, 5])).map(drop)
}

fn exhausted_rollback(scene: &mut Scene<'_>) -> Outcome {
    let producer = send_undecided(scene, 3, 2)?;
    for half in producer.events("half-sent") {
        let offset = log_offset(&producer, &half)?;
        let answer = decide(scene, &half, offset, COMMIT)?;
        ensure!(answer.code == ILLEGAL_OPERATION, "a commit after the rollback was answered {answer:?}");
        ensure!(!answer.remark.is_empty(), "the refusal gives no reason");
    }
    ensure_visible(scene, "all", &BTreeSet::new()).map(drop)
}

fn undecided_hidden(scene: &mut Scene<'_>) -> Outcome {
    let producer = scene.java("tx-send").env("COUNT", 3).env("OUTCOMES", "unknown").env("AWAIT_CHECKS", 0);
    let producer = producer.succeed(STEP)?;
    let halves = producer.events("half-sent");
    let found = ensure_only_operators_read(scene, HALVES, &halves)?;
    for (half, found) in halves.iter().zip(&found) {
        let offsets = (half.number("half_offset"), found.number("offset"));
        ensure!(offsets.0 == offsets.1, "the half {half} is shown at offset {}", offsets.1);
    }

    let topic = scene.topic();
    let deletion = scene.ask(DELETE_TOPIC_IN_BROKER, &[("topic", &topic)])?;
    ensure!(deletion.code != DONE && !deletion.remark.is_empty(), "deleting the topic was answered {deletion:?}");

    // The target no longer takes sends; the commits were promised before.
    scene.create_topic(&topic, 4, 4)?;
    for (half, found) in halves.iter().zip(&found) {
        let answer = decide(scene, half, found.number("log_offset"), COMMIT)?;
        ensure!(answer.code == DONE, "the commit was answered {answer:?}");
    }
    let mut reader = scene.java("push").env("COUNT", 3).env("WAIT_S", 20).start()?;
    reader.end(STEP)?;
    ensure_each_once(&reader.events("received"), &BTreeSet::from([0, 1, 2]))
}
