//! A transaction gets exactly one decision, whoever sends what, and how often.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{SOON, STEP, STORY, Story, ensure_between, ensure_visible};
use crate::event::{Event, distinct};
use crate::failure::{Failure, Outcome, ensure};
use crate::scene::Scene;

pub const STORIES: &[Story] = &[
    Story {
        name: "one-decision",
        about: "commit and rollback in all orders, sent again after SIGKILL: repeats 0, the opposite 604, one outcome",
        expected: &["refused"],
        seconds: 9,
        play: one_decision,
        ..STORY
    },
    Story {
        name: "racing-decisions",
        about: "two producers and the check answers decide at the same moment: one outcome each",
        settings: SOON,
        expected: &["refused"],
        seconds: 10,
        play: racing_decisions,
        ..STORY
    },
    Story {
        name: "forged-decisions",
        about: "decisions that name another transaction are answered 1 with a reason and change nothing",
        expected: &["refused"],
        seconds: 8,
        play: forged_decisions,
        ..STORY
    },
    Story {
        name: "half-sent-twice",
        about: "a half sent again, also to a restarted broker, is one transaction until it is decided",
        settings: &["transactions.first_check_after=4s", "transactions.check_interval=2s"],
        seconds: 10,
        play: half_sent_twice,
        ..STORY
    },
    Story {
        name: "delayed-half",
        about: "a half's delay level or timer begins at its commit",
        settings: &["transactions.first_check_after=30s"],
        seconds: 20,
        play: delayed_half,
        ..STORY
    },
    Story {
        name: "refused-halves",
        about: "what could never be decided or delivered is refused with a reason and leaves no half",
        seconds: 7,
        play: refused_halves,
        ..STORY
    },
];

const DONE: i64 = 0;
const UNKNOWN_TRANSACTION: i64 = 1;
const ILLEGAL_OPERATION: i64 = 604;

/// Every pair of decisions, then every pair again at a restarted broker.
const ENDS: [&str; 4] = [
    "commit,commit|rollback,commit",
    "commit,rollback|commit,rollback",
    "rollback,commit|rollback,commit",
    "rollback,rollback|commit,rollback",
];

fn one_decision(scene: &mut Scene<'_>) -> Outcome {
    let mut program = scene.java("decide").env("ENDS", ENDS.join(";")).env("CHECKS", "unknown").start()?;
    program.wait_paused("between decisions", STEP)?;
    scene.kill_and_restart()?;
    program.go_on()?;
    program.succeed(STEP)?;
    let ended = program.events("ended");
    ensure!(ended.len() == 16, "{} decisions were answered instead of 16", ended.len());
    for answer in &ended {
        let first = answer.text("case").split([',', '|']).next();
        let same = first == Some(answer.text("outcome"));
        let wanted = if same { DONE } else { ILLEGAL_OPERATION };
        ensure!(answer.number("code") == wanted, "answered {answer}, {wanted} was due");
        ensure!(same || has_reason(answer), "no reason for the refusal: {answer}");
    }
    ensure_visible(scene, "all", &BTreeSet::from([0, 1])).map(drop)
}

fn has_reason(answer: &Event) -> bool {
    answer.field("remark").as_str().is_some_and(|remark| !remark.is_empty())
}

fn racing_decisions(scene: &mut Scene<'_>) -> Outcome {
    let program = scene.java("race").env("COUNT", 100).env("CHECKS", "commit").env("SLOW_MS", 700).succeed(STEP)?;
    let mut committed = BTreeSet::new();
    for race in program.events("raced") {
        let malformed = || Failure::new(format!("answers of another form: {race}"));
        let mut outcomes = BTreeSet::new();
        for answer in race.field("answers").as_array().ok_or_else(malformed)? {
            let outcome = answer.get(0).and_then(Value::as_str).ok_or_else(malformed)?;
            let code = answer.get(1).and_then(Value::as_i64).ok_or_else(malformed)?;
            ensure!(
                [DONE, ILLEGAL_OPERATION].contains(&code),
                "answered neither {DONE} nor {ILLEGAL_OPERATION}: {race}"
            );
            // Whoever was refused learns that it is the opposite.
            outcomes.insert(if code == DONE { outcome } else { opposite(outcome) }.to_owned());
        }
        ensure!(outcomes.len() == 1, "two outcomes: {race}");
        if outcomes.contains("commit") {
            committed.insert(race.index());
        }
    }
    let checked = program.events("checked").len();
    scene.note(format!("{} of 100 committed, {checked} checks in between", committed.len()));
    ensure_visible(scene, "all", &committed).map(drop)
}

fn opposite(outcome: &str) -> &'static str {
    if outcome == "commit" { "rollback" } else { "commit" }
}

fn forged_decisions(scene: &mut Scene<'_>) -> Outcome {
    let program = scene.java("forge").env("CHECKS", "unknown").succeed(STEP)?;
    for answer in program.events("forged") {
        ensure!(answer.number("code") == UNKNOWN_TRANSACTION, "answered {answer}, {UNKNOWN_TRANSACTION} was due");
        ensure!(has_reason(&answer), "no reason for the refusal: {answer}");
    }
    for answer in program.events("honest") {
        ensure!(answer.number("code") == DONE, "the honest decision was answered {answer}");
    }
    ensure_visible(scene, "all", &BTreeSet::from([0, 2])).map(drop)
}

fn half_sent_twice(scene: &mut Scene<'_>) -> Outcome {
    let mut program = scene.java("twice").env("CHECKS", "unknown").env("LINGER_S", 3).start()?;
    program.wait_paused("between sends", STEP)?;
    scene.kill_and_restart()?;
    program.go_on()?;
    program.succeed(STEP)?;
    let sent = program.events("sent");
    let place = |event: &Event| (event.text("offset_id").to_owned(), event.number("offset"));
    ensure!(sent.len() == 4, "{} sends were answered instead of 4", sent.len());
    ensure!(place(&sent[0]) == place(&sent[1]), "sent again at once, it became another: {sent:?}");
    ensure!(place(&sent[0]) == place(&sent[2]), "sent again after the restart, it became another: {sent:?}");
    ensure!(place(&sent[0]) != place(&sent[3]), "after its decision it should begin a new transaction: {sent:?}");
    for answer in program.events("ended") {
        ensure!(answer.number("code") == DONE, "decided with {answer}");
    }
    let checked = program.events("checked");
    ensure!(distinct(&checked, "message_id").len() <= 1, "several transactions were asked about: {checked:?}");
    ensure_visible(scene, "all", &BTreeSet::from([0])).map(drop)
}

fn delayed_half(scene: &mut Scene<'_>) -> Outcome {
    scene.create_topic(&scene.topic(), 4, 6)?;
    let mut reader = scene.java("push").env("COUNT", 3).env("LINGER_S", 2).start()?;
    reader.wait_for("consuming", 1, STEP)?;
    let program = scene.java("delayed-half").env("CHECKS", "unknown").succeed(STEP)?;
    reader.succeed(STEP)?;
    let received = reader.events("received");
    super::ensure_each_once(&received, &BTreeSet::from([0, 1, 2]))?;
    for answer in program.events("ended") {
        ensure!(answer.number("code") == DONE, "the commit was answered {answer}");
        // Level 2 is 5 s; a timer keeps whole seconds and may be one early.
        let (from, to) = [(5.0, 6.5), (3.0, 5.5), (-0.2, 1.0)][answer.index() as usize];
        let got = received.iter().find(|got| got.index() == answer.index());
        let got = got.ok_or_else(|| Failure::new(format!("nothing came after {answer}")))?;
        ensure_between(&format!("message {} after its commit", got.index()), got.at() - answer.at(), from, to)?;
    }
    Ok(())
}

fn refused_halves(scene: &mut Scene<'_>) -> Outcome {
    let program = scene.java("refused-halves").succeed(STEP)?;
    let refused = program.events("refused");
    ensure!(refused.len() == 9, "{} sends were answered instead of 9", refused.len());
    for answer in &refused {
        ensure!(answer.number("code") != DONE && has_reason(answer), "not refused with a reason: {answer}");
    }
    let browsed =
        scene.java("browse").env("TOPIC", "RMQ_SYS_TRANS_HALF_TOPIC").env("GROUP", "TOOLS_CONSUMER").succeed(STEP)?;
    let left = browsed.events("browsed");
    ensure!(left.is_empty(), "a refused send left a half: {left:?}");
    Ok(())
}
